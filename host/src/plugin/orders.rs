//! What operators change by command, on top of `provost.toml`: the file `plugins.toml` in the data directory.
//!
//! `provost.toml` stays the truth for what it says. This file adds plugins that were installed by command, and holds
//! what differs: a switch, another component, an order. A component that was put in another's place stays until
//! `provost.toml` names another one, so that whoever edits that file is never overruled by something forgotten.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::PluginConfig;
use super::keep::write_whole;
use crate::hook::PluginName;

/// The file's name in the data directory.
pub(super) const ORDERS_FILE: &str = "plugins.toml";

/// What stands at its head.
const HEAD: &str =
    "# Written by `provost plugin …`, on top of the plugins in provost.toml. `provost plugin list` shows both.\n\n";

/// One change of the plugins, by command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// Switches a plugin on, and lifts its quarantine.
    Enable(PluginName),
    /// Switches a plugin off.
    Disable(PluginName),
    /// Puts another component in a plugin's place.
    Upgrade {
        /// Which plugin.
        name: PluginName,
        /// The component's path on the server's machine.
        file: PathBuf,
        /// What its SHA-256 must be.
        sha256: Option<String>,
    },
    /// Adds a plugin, behind the others. Its component is copied.
    Install(Box<PluginConfig>),
    /// Takes out a plugin that was installed by command.
    Remove(PluginName),
    /// Has a plugin asked before another.
    Move {
        /// Which plugin.
        name: PluginName,
        /// Before which one.
        before: PluginName,
    },
}

/// Where a plugin's table stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub enum Origin {
    /// In `provost.toml`, and nothing differs.
    #[serde(rename = "configuration")]
    Configuration,
    /// In `provost.toml`, and something was changed by command.
    #[serde(rename = "configuration, changed by command")]
    Changed,
    /// It was installed by command.
    #[serde(rename = "command")]
    Command,
}

/// One plugin of the whole list.
#[derive(Debug, Clone)]
pub(super) struct Listed {
    pub(super) config: PluginConfig,
    pub(super) origin: Origin,
}

/// The file.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Orders {
    /// Who is asked before whom; those that are not named come behind, as they stand.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    order: Vec<PluginName>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    change: BTreeMap<PluginName, Change>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    plugin: Vec<PluginConfig>,
}

/// What differs from a table in `provost.toml`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Change {
    #[serde(skip_serializing_if = "Option::is_none")]
    enabled: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    component: Option<Replaced>,
}

/// Another component, and in whose place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Replaced {
    plugin: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
    instead_of: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    instead_of_sha256: Option<String>,
}

impl Orders {
    /// Reads the file; nothing differs if there is none.
    pub(super) fn read(file: &Path) -> Result<Self, String> {
        let wrong = |why: String| format!("`{}` {why}", file.display());
        match std::fs::read_to_string(file) {
            Ok(text) => toml::from_str(&text)
                .map_err(|error| wrong(format!("is wrong: {}; mend it, or remove it", error.message()))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(wrong(format!("cannot be read: {error}; check its permissions"))),
        }
    }

    /// Writes the file, whole or not at all.
    pub(super) fn write(&self, file: &Path) -> io::Result<()> {
        let text = toml::to_string_pretty(self).map_err(io::Error::other)?;
        write_whole(file, format!("{HEAD}{text}").as_bytes())
    }

    /// The components that the file names.
    pub(super) fn sources(&self) -> impl Iterator<Item = &str> {
        let replaced = self.change.values().filter_map(|change| change.component.as_ref());
        replaced.map(|component| component.plugin.as_str()).chain(self.plugin.iter().map(|plugin| &*plugin.plugin))
    }

    /// The whole list: the configuration's plugins with what differs, those installed by command, in their order.
    pub(super) fn lay_over(&self, configured: Vec<PluginConfig>) -> Vec<Listed> {
        let configured = configured.into_iter().map(|mut config| {
            let differs = self.change.get(&config.name).is_some_and(|change| change.lay_over(&mut config));
            Listed { config, origin: if differs { Origin::Changed } else { Origin::Configuration } }
        });
        let installed = self.plugin.iter().cloned().map(|config| Listed { config, origin: Origin::Command });
        let mut all: Vec<Listed> = configured.chain(installed).collect();
        let place = |listed: &Listed| self.order.iter().position(|name| *name == listed.config.name);
        all.sort_by_key(|listed| place(listed).unwrap_or(usize::MAX));
        all
    }

    /// The file after this order; `component` is where an upgrade's or an install's component was copied to, and its pin.
    pub(super) fn after(
        mut self,
        order: &Order,
        configured: &[PluginConfig],
        component: Option<(String, Option<String>)>,
    ) -> Result<Self, String> {
        match (order, component) {
            (Order::Enable(name), _) => self.switch(name, configured, true)?,
            (Order::Disable(name), _) => self.switch(name, configured, false)?,
            (Order::Upgrade { name, .. }, Some((plugin, sha256))) => {
                if let Some(installed) = self.installed(name) {
                    installed.plugin = plugin;
                    installed.sha256 = sha256;
                } else {
                    let base = find(name, configured)?;
                    let (instead_of, instead_of_sha256) = (base.plugin.clone(), base.sha256.clone());
                    let component = Replaced { plugin, sha256, instead_of, instead_of_sha256 };
                    self.change.entry(name.clone()).or_default().component = Some(component);
                }
            }
            (Order::Install(config), Some((plugin, sha256))) => {
                if configured.iter().chain(&self.plugin).any(|other| other.name == config.name) {
                    return Err(format!(
                        "there is a plugin `{}` already; `provost plugin upgrade` changes it",
                        config.name
                    ));
                }
                self.plugin.push(PluginConfig { plugin, sha256, ..(**config).clone() });
            }
            (Order::Remove(name), _) => {
                if self.installed(name).is_none() {
                    find(name, configured)?;
                    return Err(format!(
                        "plugin `{name}` stands in the configuration; remove its table there, or `provost plugin disable {name}`"
                    ));
                }
                self.plugin.retain(|plugin| plugin.name != *name);
                self.order.retain(|other| other != name);
                self.change.remove(name);
            }
            (Order::Move { name, before }, _) => self.reorder(name, before, configured)?,
            (Order::Upgrade { .. } | Order::Install(_), None) => return Err("there is no component".to_owned()),
        }
        self.change.retain(|_, change| *change != Change::default());
        Ok(self)
    }

    fn switch(&mut self, name: &PluginName, configured: &[PluginConfig], enabled: bool) -> Result<(), String> {
        if let Some(installed) = self.installed(name) {
            installed.enabled = enabled;
            return Ok(());
        }
        let differs = find(name, configured)?.enabled != enabled;
        self.change.entry(name.clone()).or_default().enabled = differs.then_some(enabled);
        Ok(())
    }

    fn reorder(&mut self, name: &PluginName, before: &PluginName, configured: &[PluginConfig]) -> Result<(), String> {
        let listed = self.lay_over(configured.to_vec());
        let mut order: Vec<PluginName> = listed.into_iter().map(|listed| listed.config.name).collect();
        let missing = [name, before].into_iter().find(|name| !order.contains(name));
        if let Some(missing) = missing {
            return Err(unknown(missing));
        }
        if name == before {
            return Err(format!("plugin `{name}` cannot stand before itself"));
        }
        order.retain(|other| other != name);
        let place = order.iter().position(|other| other == before).unwrap_or(order.len());
        order.insert(place, name.clone());
        self.order = order;
        Ok(())
    }

    fn installed(&mut self, name: &PluginName) -> Option<&mut PluginConfig> {
        self.plugin.iter_mut().find(|plugin| plugin.name == *name)
    }
}

impl Change {
    /// Whether anything of it still counts.
    fn lay_over(&self, config: &mut PluginConfig) -> bool {
        let mut differs = false;
        if let Some(enabled) = self.enabled {
            differs |= config.enabled != enabled;
            config.enabled = enabled;
        }
        if let Some(component) = &self.component
            && component.instead_of == config.plugin
            && component.instead_of_sha256 == config.sha256
        {
            config.plugin.clone_from(&component.plugin);
            config.sha256.clone_from(&component.sha256);
            differs = true;
        }
        differs
    }
}

fn find<'a>(name: &PluginName, configured: &'a [PluginConfig]) -> Result<&'a PluginConfig, String> {
    configured.iter().find(|config| config.name == *name).ok_or_else(|| unknown(name))
}

fn unknown(name: &PluginName) -> String {
    format!("there is no plugin `{}`; `provost plugin list` shows them", name.0.escape_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(name: &str) -> PluginConfig {
        toml::from_str(&format!("name = \"{name}\"\nplugin = \"{name}.wasm\"")).unwrap()
    }

    fn names(listed: &[Listed]) -> Vec<&str> {
        listed.iter().map(|listed| &*listed.config.name.0).collect()
    }

    fn copied() -> Option<(String, Option<String>)> {
        Some(("/data/plugins/1.wasm".to_owned(), Some("1".repeat(64))))
    }

    #[test]
    fn orders_are_read_as_they_are_written() {
        let configured = [config("a"), config("b")];
        let orders = Orders::default()
            .after(&Order::Disable("a".into()), &configured, None)
            .and_then(|orders| orders.after(&Order::Install(Box::new(config("c"))), &configured, copied()))
            .and_then(|orders| orders.after(&Order::Move { name: "c".into(), before: "a".into() }, &configured, None))
            .unwrap();
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join(ORDERS_FILE);
        orders.write(&file).unwrap();

        assert_eq!(Orders::read(&file).unwrap(), orders);
        let listed = orders.lay_over(configured.to_vec());
        assert_eq!(names(&listed), ["c", "a", "b"]);
        assert_eq!(listed[0].origin, Origin::Command);
        assert!(!listed[1].config.enabled && listed[1].origin == Origin::Changed);
        assert_eq!(listed[2].origin, Origin::Configuration);
    }

    #[test]
    fn an_upgrade_by_command_ends_when_the_configuration_names_another_component() {
        let upgrade = Order::Upgrade { name: "a".into(), file: "x".into(), sha256: None };
        let orders = Orders::default().after(&upgrade, &[config("a")], copied()).unwrap();

        let upgraded = orders.lay_over(vec![config("a")]);
        assert_eq!(upgraded[0].config.plugin, "/data/plugins/1.wasm");
        let edited = PluginConfig { plugin: "b.wasm".into(), ..config("a") };
        let listed = orders.lay_over(vec![edited]);
        assert_eq!((listed[0].config.plugin.as_str(), listed[0].origin), ("b.wasm", Origin::Configuration));
    }

    #[test]
    fn a_switch_back_leaves_nothing_behind() {
        let configured = [config("a")];
        let orders = Orders::default().after(&Order::Disable("a".into()), &configured, None).unwrap();

        assert_eq!(orders.after(&Order::Enable("a".into()), &configured, None), Ok(Orders::default()));
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_what_to_do() {
        let configured = [config("a")];
        let refused = |order: Order| Orders::default().after(&order, &configured, copied()).unwrap_err();

        assert!(refused(Order::Enable("x".into())).contains("no plugin `x`"));
        assert!(refused(Order::Remove("a".into())).contains("stands in the configuration"));
        assert!(refused(Order::Install(Box::new(config("a")))).contains("already"));
        assert!(refused(Order::Move { name: "a".into(), before: "x".into() }).contains("no plugin `x`"));
        assert!(refused(Order::Move { name: "a".into(), before: "a".into() }).contains("itself"));
    }

    #[test]
    fn a_damaged_file_is_an_error_that_names_it() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "[[plugin]]\nnam = 1").unwrap();

        let wrong = Orders::read(file.path()).unwrap_err();
        assert!(wrong.contains(file.path().to_str().unwrap()), "{wrong}");
    }
}
