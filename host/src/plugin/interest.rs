//! Who is asked about what, worked out once for a set: so that a plugin that is not concerned costs nothing, and finding
//! those that are is one look into a map.

use std::collections::HashMap;
use std::sync::Arc;

use provost_scim::{ResourceType, covers};

use super::set::{Plugin, Standing};
use crate::hook::{Act, Change, HookGroup, Operation};

/// The places of the plugins in their set, in the operator's order, for each hook group and act.
type Table = [[Vec<usize>; Act::ALL.len()]; HookGroup::ALL.len()];

/// Who is asked about what.
#[derive(Debug)]
pub(super) struct Interests {
    /// For the resource types that some plugin names.
    types: HashMap<String, Table>,
    /// For all others.
    others: Table,
}

impl Interests {
    pub(super) fn of(plugins: &[Arc<Plugin>]) -> Self {
        let named = plugins.iter().filter_map(|plugin| plugin.config.types.as_ref()).flatten();
        let types = named.map(|name| (name.clone(), table(plugins, Some(name)))).collect();
        Self { types, others: table(plugins, None) }
    }

    pub(super) fn places(&self, group: HookGroup, act: Act, resource_type: &str) -> &[usize] {
        let table = self.types.get(resource_type).unwrap_or(&self.others);
        &table[group_place(group)][act_place(act)]
    }
}

fn table(plugins: &[Arc<Plugin>], resource_type: Option<&str>) -> Table {
    let mut table = Table::default();
    for (place, plugin) in plugins.iter().enumerate() {
        let about = match (&plugin.config.types, resource_type) {
            (None, _) => true,
            (Some(types), Some(name)) => types.iter().any(|of| of == name),
            (Some(_), None) => false,
        };
        if !about || matches!(plugin.standing, Standing::Disabled) {
            continue;
        }
        for group in HookGroup::ALL.into_iter().filter(|group| plugin.exports.has(*group)) {
            for act in Act::ALL {
                if plugin.config.operations.as_ref().is_none_or(|acts| acts.contains(&act)) {
                    table[group_place(group)][act_place(act)].push(place);
                }
            }
        }
    }
    table
}

fn group_place(group: HookGroup) -> usize {
    HookGroup::ALL.into_iter().position(|other| other == group).unwrap_or(0)
}

fn act_place(act: Act) -> usize {
    Act::ALL.into_iter().position(|other| other == act).unwrap_or(0)
}

impl Plugin {
    /// Whether a path that concerns it changes. Whoever comes or goes concerns everybody.
    pub(super) fn minds(&self, change: &Change) -> bool {
        let Some(paths) = &self.config.paths else { return true };
        if matches!(change.operation, Operation::Create | Operation::Delete) {
            return true;
        }
        let of = change.proposed.as_ref().map(|draft| &draft.resource_type);
        let canonical = |path: &str, of: Option<&Arc<ResourceType>>| {
            of.and_then(|of| of.place(path)).map_or_else(|| path.to_owned(), |place| place.path())
        };
        paths.iter().map(|path| canonical(path, of)).any(|path| {
            // A part of what concerns it changes, or a whole of which it is a part.
            change.changed_paths.iter().any(|changed| covers(&path, changed) || covers(changed, &path))
        })
    }
}
