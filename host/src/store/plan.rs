//! How a filter is answered without a scan: which keys name all that can match.
//!
//! A plan may name too many resources, never too few. Every candidate is held against the whole
//! filter afterwards, so a plan need not understand all of it: of an `and` it takes the part that
//! promises the fewest candidates, and an `or` is planned only if each of its parts is.

use provost_scim::filter::{Bound, CompareOp, Operand};
use provost_scim::resource::parse_id;
use provost_scim::{ResourceType, Uniqueness};
use uuid::Uuid;

use super::catalog::{Catalog, Entry};
use super::engine::{Key, KeyRange, Space};
use super::order;
use crate::context::Realm;

/// Where the candidates of a filter are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// Nowhere: nothing can match.
    Nothing,
    /// The one resource of this id.
    Id(Uuid),
    /// Whoever has this unique value.
    Unique(Key),
    /// The entries of an attribute's values.
    Values(Space, KeyRange, Width),
    /// The groups of this member.
    GroupsOf(Uuid),
    /// The members of this group, and of the groups in it.
    MembersOf(Uuid),
    /// All of these.
    Union(Vec<Access>),
}

/// How many different values a range of entries spans.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Width {
    /// One.
    Equal,
    /// Those with a common beginning.
    Prefix,
    /// All on one side of a value.
    Side,
}

impl Access {
    /// A guess at how many candidates there are: less is better.
    fn cost(&self) -> u32 {
        match self {
            Self::Nothing => 0,
            Self::Id(_) => 1,
            Self::Unique(_) => 2,
            Self::Values(_, _, Width::Equal) => 3,
            Self::GroupsOf(_) => 4,
            Self::MembersOf(_) => 6,
            Self::Values(_, _, Width::Prefix) => 7,
            Self::Values(_, _, Width::Side) => 9,
            Self::Union(parts) => 1 + parts.iter().map(Self::cost).max().unwrap_or(0),
        }
    }
}

/// Plans filters over one resource type.
pub struct Planner<'a> {
    /// What is indexed.
    pub catalog: &'a Catalog,
    /// Where.
    pub realm: Realm,
    /// Of what type.
    pub resource_type: &'a ResourceType,
}

impl Planner<'_> {
    /// Where the candidates of this filter are read; nothing, if only a scan finds them.
    pub fn plan(&self, filter: &Bound) -> Option<Access> {
        self.access(filter, None)
    }

    /// `within` is the path of the attribute whose elements the filter is about.
    fn access(&self, filter: &Bound, within: Option<&str>) -> Option<Access> {
        match filter {
            Bound::And(parts) => parts.iter().filter_map(|part| self.access(part, within)).min_by_key(Access::cost),
            Bound::Or(parts) => {
                let parts: Vec<Access> = parts.iter().map(|part| self.access(part, within)).collect::<Option<_>>()?;
                Some(Access::Union(parts))
            }
            Bound::Compare { target, op, operand } => match within {
                Some(outer) => self.comparison(&format!("{outer}.{}", target.path), *op, operand),
                None => self.comparison(&target.path, *op, operand),
            },
            Bound::Element { target, filter } if within.is_none() => self.access(filter, Some(&target.path)),
            Bound::Never => Some(Access::Nothing),
            Bound::Not(_) | Bound::Present(_) | Bound::Element { .. } => None,
        }
    }

    fn comparison(&self, path: &str, op: CompareOp, operand: &Operand) -> Option<Access> {
        if op == CompareOp::Eq
            && let Operand::Text(text) = operand
        {
            let named = |access: fn(Uuid) -> Access| Some(parse_id(text).map_or(Access::Nothing, access));
            match path {
                "id" => return named(Access::Id),
                _ if is_members(path, self.resource_type) => return named(Access::GroupsOf),
                _ if is_groups(path, self.resource_type) => return named(Access::MembersOf),
                _ => {}
            }
        }
        let entry = self.catalog.find(self.resource_type.number, path)?;
        self.values(entry, op, operand)
    }

    fn values(&self, entry: &Entry, op: CompareOp, operand: &Operand) -> Option<Access> {
        let all = entry.values(self.realm);
        let mut at = all.clone();
        let mut kind = all.clone();
        if !order::encode(operand, &mut at) || !order::encode_kind(operand, &mut kind) {
            return None;
        }
        // A value that was cut stands somewhere among all those that begin like it.
        let mut begins = all.clone();
        match operand {
            Operand::Text(text) if op == CompareOp::Sw || order::is_cut(operand) => {
                order::encode_text_prefix(text, &mut begins);
            }
            _ if order::is_cut(operand) => begins = kind.clone(),
            _ => begins = at.clone(),
        }
        let (range, width) = match op {
            CompareOp::Eq if entry.uniqueness != Uniqueness::None => {
                return entry.unique_key(self.realm, operand).map(Access::Unique);
            }
            CompareOp::Eq => (KeyRange::prefix(at), Width::Equal),
            CompareOp::Sw if matches!(operand, Operand::Text(_)) => (KeyRange::prefix(begins), Width::Prefix),
            CompareOp::Gt | CompareOp::Ge => (KeyRange { from: begins, until: KeyRange::behind(&kind) }, Width::Side),
            CompareOp::Lt | CompareOp::Le => (KeyRange { from: kind, until: KeyRange::behind(&begins) }, Width::Side),
            CompareOp::Ne | CompareOp::Co | CompareOp::Ew | CompareOp::Sw => return None,
        };
        Some(Access::Values(entry.space(), range, width))
    }
}

/// Whether the path means the ids of a group's members.
fn is_members(path: &str, resource_type: &ResourceType) -> bool {
    resource_type.has_members && matches!(path, "members" | "members.value")
}

/// Whether the path means the ids of the groups that a resource is in.
fn is_groups(path: &str, resource_type: &ResourceType) -> bool {
    matches!(path, "groups" | "groups.value") && resource_type.attribute("groups").is_some()
}
