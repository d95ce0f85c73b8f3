//! How a filter is answered without a scan: which keys name all that can match.
//!
//! A plan may name too many resources, never too few. Every candidate is held against the whole
//! filter afterwards, so a plan need not understand all of it: of an `and` it takes the part that
//! has the fewest candidates, and an `or` is planned only if each of its parts is. Which part that
//! is, is counted, and no further than it takes to tell; two bounds of one attribute are one range.

use std::collections::BTreeMap;

use futures::FutureExt;
use futures::future::BoxFuture;
use provost_scim::filter::{Bound, CompareOp, Operand, Target};
use provost_scim::resource::parse_id;
use provost_scim::{AttributeType, ResourceType, Uniqueness};
use uuid::Uuid;

use super::catalog::{Catalog, Entry};
use super::engine::{Key, KeyRange, Scan, Space};
use super::keys::{self, Direction};
use super::{Store, StoreError, order};
use crate::context::Realm;

/// How far the candidates of the parts of an `and` are counted, one round after the other. The
/// first round that comes to an end of one of them decides.
const ROUNDS: [usize; 3] = [16, 256, 4_096];

/// How many parts of an `and` are counted; the most promising ones.
const PARTS_COUNTED_MAX: usize = 8;

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
    /// Those between two values.
    Between,
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
            Self::Values(_, _, Width::Between) => 8,
            Self::Values(_, _, Width::Side) => 9,
            Self::Union(parts) => 1 + parts.iter().map(Self::cost).max().unwrap_or(0),
        }
    }

    /// Whether it names one resource at most.
    fn is_one(&self) -> bool {
        matches!(self, Self::Nothing | Self::Id(_) | Self::Unique(_))
    }
}

/// What finds all candidates of a filter, or of a part of it that all of them satisfy.
enum Part {
    /// One way to read them. Whether the attribute has no more than one value in what is asked.
    Read(Access, Single),
    /// All of these; of each the best.
    Any(Vec<Vec<Part>>),
}

/// Two comparisons of an attribute with many values may be satisfied by different ones (S-10.20);
/// those of a single value bound it from both sides.
type Single = bool;

impl Part {
    fn cost(&self) -> u32 {
        match self {
            Self::Read(access, _) => access.cost(),
            Self::Any(parts) => {
                let best = |parts: &Vec<Part>| parts.iter().map(Part::cost).min().unwrap_or(0);
                1 + parts.iter().map(best).max().unwrap_or(0)
            }
        }
    }
}

impl Store {
    /// Where the candidates of this filter are read; nothing, if only a scan finds them.
    ///
    /// # Errors
    /// When the store fails while it counts.
    pub(super) async fn access(
        &self,
        realm: Realm,
        resource_type: &ResourceType,
        filter: &Bound,
    ) -> Result<Option<Access>, StoreError> {
        let parts = Planner { catalog: &self.catalog, realm, resource_type }.parts(filter, None);
        if parts.is_empty() {
            return Ok(None);
        }
        self.narrowest(realm, parts).await.map(Some)
    }

    /// The part with the fewest candidates. Filters are not nested deep, and so neither is this.
    fn narrowest(&self, realm: Realm, mut parts: Vec<Part>) -> BoxFuture<'_, Result<Access, StoreError>> {
        async move {
            parts.sort_by_key(Part::cost);
            parts.truncate(PARTS_COUNTED_MAX);
            let mut ways = Vec::with_capacity(parts.len());
            for part in parts {
                let way = match part {
                    Part::Read(access, _) if access.is_one() => return Ok(access),
                    Part::Read(access, _) => access,
                    Part::Any(parts) => {
                        let mut all = Vec::with_capacity(parts.len());
                        for part in parts {
                            all.push(self.narrowest(realm, part).await?);
                        }
                        Access::Union(all)
                    }
                };
                ways.push(way);
            }
            for limit in ROUNDS.into_iter().filter(|_| ways.len() > 1) {
                let mut best = (limit, 0);
                for (at, way) in ways.iter().enumerate() {
                    best = best.min((self.count_up_to(realm, way, limit).await?, at));
                }
                if best.0 < limit {
                    return Ok(ways.swap_remove(best.1));
                }
            }
            Ok(ways.swap_remove(0))
        }
        .boxed()
    }

    /// How many candidates there are, if they are less than `limit`.
    async fn count_up_to(&self, realm: Realm, access: &Access, limit: usize) -> Result<usize, StoreError> {
        let mut count = 0;
        let mut open = vec![access];
        while let Some(access) = open.pop()
            && count < limit
        {
            let (space, range) = match access {
                Access::Nothing => continue,
                Access::Id(_) | Access::Unique(_) => {
                    count += 1;
                    continue;
                }
                Access::Union(parts) => {
                    open.extend(parts);
                    continue;
                }
                Access::Values(space, range, _) => (*space, range.clone()),
                Access::GroupsOf(member) => (Space::Edges, keys::edges(realm, Direction::Groups, *member)),
                Access::MembersOf(group) => (Space::Edges, keys::edges(realm, Direction::Members, *group)),
            };
            count += self.engine.scan(Scan::new(space, range, limit - count).keys()).await?.len();
        }
        Ok(count)
    }
}

/// Plans filters over one resource type.
struct Planner<'a> {
    catalog: &'a Catalog,
    realm: Realm,
    resource_type: &'a ResourceType,
}

impl Planner<'_> {
    /// Parts of the filter that each name all its candidates; none, if only a scan finds them.
    /// `within` is the attribute whose elements the filter is about.
    fn parts(&self, filter: &Bound, within: Option<&Target>) -> Vec<Part> {
        match filter {
            Bound::And(parts) => between(parts.iter().flat_map(|part| self.parts(part, within)).collect()),
            Bound::Or(parts) => {
                let parts: Vec<Vec<Part>> = parts.iter().map(|part| self.parts(part, within)).collect();
                if parts.iter().any(Vec::is_empty) { Vec::new() } else { vec![Part::Any(parts)] }
            }
            Bound::Compare { target, op, operand } => {
                let path = self.path(target, within);
                let single = self.is_single(&path, within);
                self.comparison(&path, *op, operand).map(|access| Part::Read(access, single)).into_iter().collect()
            }
            Bound::Element { target, filter } if within.is_none() => {
                let mut parts = self.parts(filter, Some(target));
                let single = self.is_single(&target.path, None);
                for part in &mut parts {
                    if let Part::Read(_, of_element) = part {
                        *of_element &= single;
                    }
                }
                parts
            }
            Bound::Never => vec![Part::Read(Access::Nothing, false)],
            Bound::Not(_) | Bound::Present(_) | Bound::Element { .. } => Vec::new(),
        }
    }

    /// The path in the document. An element of a simple list is its own `value` (S-10.24).
    fn path(&self, target: &Target, within: Option<&Target>) -> String {
        match within {
            None => target.path.clone(),
            Some(outer) if outer.kind == AttributeType::Complex => format!("{}.{}", outer.path, target.path),
            Some(outer) => outer.path.clone(),
        }
    }

    /// Whether what the path leads to has one value at most: in the document, or in one element.
    fn is_single(&self, path: &str, within: Option<&Target>) -> Single {
        let Some(place) = self.resource_type.place(path) else { return false };
        let outer = within.is_none() && place.attribute.is_some_and(|attribute| attribute.multi_valued);
        !outer && place.sub.is_none_or(|sub| !sub.multi_valued)
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
            CompareOp::Gt if !order::is_cut(operand) => {
                let from = KeyRange::behind(&at).unwrap_or(at);
                (KeyRange { from, until: KeyRange::behind(&kind) }, Width::Side)
            }
            CompareOp::Lt if !order::is_cut(operand) => (KeyRange { from: kind, until: Some(at) }, Width::Side),
            CompareOp::Gt | CompareOp::Ge => (KeyRange { from: begins, until: KeyRange::behind(&kind) }, Width::Side),
            CompareOp::Lt | CompareOp::Le => (KeyRange { from: kind, until: KeyRange::behind(&begins) }, Width::Side),
            CompareOp::Ne | CompareOp::Co | CompareOp::Ew | CompareOp::Sw => return None,
        };
        Some(Access::Values(entry.space(), range, width))
    }
}

/// What bounds the single value of one attribute from several sides becomes one range.
fn between(parts: Vec<Part>) -> Vec<Part> {
    let mut ranges: BTreeMap<(Space, Key), (KeyRange, Width)> = BTreeMap::new();
    let mut others = Vec::new();
    for part in parts {
        match part {
            Part::Read(Access::Values(space, range, width), true) => {
                let attribute = range.from.get(..keys::VALUES_BYTES).unwrap_or(&range.from).to_vec();
                let both = match ranges.remove(&(space, attribute.clone())) {
                    Some((other, of_other)) => (range.and(other), width.min(of_other).min(Width::Between)),
                    None => (range, width),
                };
                ranges.insert((space, attribute), both);
            }
            other => others.push(other),
        }
    }
    let ranges = ranges.into_iter().map(|((space, _), (range, width))| match range.is_empty() {
        true => Part::Read(Access::Nothing, true),
        false => Part::Read(Access::Values(space, range, width), true),
    });
    others.extend(ranges);
    others
}

/// Whether the path means the ids of a group's members.
pub(super) fn is_members(path: &str, resource_type: &ResourceType) -> bool {
    resource_type.has_members && matches!(path, "members" | "members.value")
}

/// Whether the path means the ids of the groups that a resource is in.
pub(super) fn is_groups(path: &str, resource_type: &ResourceType) -> bool {
    matches!(path, "groups" | "groups.value") && resource_type.attribute("groups").is_some()
}
