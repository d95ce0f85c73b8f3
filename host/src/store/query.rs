//! Lists: a filter, an order, a page.
//!
//! A plan names the candidates, or a scan goes through all resources of the type, within its
//! bound. Either way the filter itself has the last word on each; `joins` answers what it asks of
//! `members` and `groups`.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::sync::Arc;

use provost_scim::filter::{Bound, Operand, Target};
use provost_scim::{Resource, ResourceType, compare};
use uuid::Uuid;

use super::catalog::Entry;
use super::engine::{KeyRange, Scan, Space};
use super::joins::Test;
use super::keys::Direction;
use super::plan::Access;
use super::{Store, StoreError, keys, records};
use crate::context::Realm;

/// How many records are read at a time.
const RECORDS_PER_READ: usize = 256;

/// How many keys are read at a time.
const KEYS_PER_READ: usize = 10_000;

/// What a list asks for.
#[derive(Debug, Clone, Default)]
pub struct Query {
    /// Which resources; all, if absent.
    pub filter: Option<Bound>,
    /// By what they are sorted, and whether from the greatest down; by id, if absent.
    pub sort: Option<(Target, bool)>,
    /// The first one wanted, from 1; less counts as 1.
    pub start_index: usize,
    /// How many are wanted at most.
    pub count: usize,
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// How many resources match in all.
    pub total: usize,
    /// Those of this page.
    pub resources: Vec<Resource>,
}

/// Why a list was not made.
#[derive(Debug, Clone, thiserror::Error)]
pub enum FindError {
    /// Too many resources would have to be looked at.
    #[error("the query would have to look at more than {resources_max} resources and memberships")]
    TooMany {
        /// How many may be looked at.
        resources_max: usize,
    },
    /// Too many memberships would have to be followed.
    #[error("the groups in question are tied by more than {memberships_max} memberships")]
    TooManyGroups {
        /// How many may be followed.
        memberships_max: usize,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Store {
    /// The resources of one type that match, in order, one page of them.
    ///
    /// # Errors
    /// [`FindError::TooMany`] when no index helps and the type is too large to scan.
    pub async fn find(&self, realm: Realm, resource_type: &Arc<ResourceType>, query: Query) -> Result<Page, FindError> {
        let skip = query.start_index.saturating_sub(1);
        match (&query.filter, &query.sort) {
            (None, None) => self.list(realm, resource_type, skip, query.count).await,
            (None, Some((target, descending))) => match self.walkable(resource_type, target) {
                Some(entry) => self.walk(realm, resource_type, entry, *descending, skip, query.count).await,
                None => self.search(realm, resource_type, &query, skip).await,
            },
            (Some(_), _) => self.search(realm, resource_type, &query, skip).await,
        }
    }

    /// All resources by id: what is passed over is never decoded.
    async fn list(
        &self,
        realm: Realm,
        resource_type: &Arc<ResourceType>,
        skip: usize,
        count: usize,
    ) -> Result<Page, FindError> {
        let total = self.total(realm, resource_type).await?;
        if count == 0 || skip >= total {
            return Ok(Page { total, resources: Vec::new() });
        }
        let range = keys::resources(realm, resource_type.number);
        let found = self.scan(Scan::new(Space::Resources, range, count).skipping(skip)).await?;
        let decode = |(key, value): &(Vec<u8>, Vec<u8>)| decode(resource_type, key, value);
        Ok(Page { total, resources: found.iter().map(decode).collect::<Result<_, _>>()? })
    }

    async fn total(&self, realm: Realm, resource_type: &ResourceType) -> Result<usize, StoreError> {
        Ok(usize::try_from(self.count(realm, resource_type).await?).unwrap_or(usize::MAX))
    }

    /// The index in whose order every resource stands exactly once, if the attribute has one.
    fn walkable(&self, resource_type: &ResourceType, target: &Target) -> Option<&Entry> {
        let entry = self.catalog.find(resource_type.number, &target.path)?;
        let always_there = match target.path.as_str() {
            "meta.lastModified" => true,
            path => resource_type.attribute(path).is_some_and(|a| a.required && !a.multi_valued),
        };
        always_there.then_some(entry)
    }

    /// All resources in the order of an index.
    async fn walk(
        &self,
        realm: Realm,
        resource_type: &Arc<ResourceType>,
        entry: &Entry,
        descending: bool,
        skip: usize,
        count: usize,
    ) -> Result<Page, FindError> {
        let total = self.total(realm, resource_type).await?;
        if count == 0 || skip >= total {
            return Ok(Page { total, resources: Vec::new() });
        }
        let scan = Scan::new(entry.space(), KeyRange::prefix(entry.values(realm)), count).skipping(skip);
        let scan = if descending { scan.reversed() } else { scan };
        let ids: Vec<Uuid> = entry_ids(resource_type, entry.space(), &self.scan(scan).await?)?;
        Ok(Page { total, resources: self.get_all(realm, resource_type, &ids).await? })
    }

    /// Candidates, each held against the filter; then the order, then the page.
    async fn search(
        &self,
        realm: Realm,
        resource_type: &Arc<ResourceType>,
        query: &Query,
        skip: usize,
    ) -> Result<Page, FindError> {
        let plan = match &query.filter {
            Some(filter) => self.access(realm, resource_type, filter).await?,
            None => None,
        };
        let mut candidates = match plan {
            Some(access) => Candidates::Ids(self.ids(realm, resource_type, &access).await?.into_iter().collect()),
            None => Candidates::Scan(keys::resources(realm, resource_type.number)),
        };
        let mut test = Test::new(self, realm, resource_type, query.filter.as_ref());
        let mut page = Collector::new(query, skip);
        loop {
            let part = self.candidates(realm, resource_type, &mut candidates).await?;
            if part.is_empty() {
                break;
            }
            test.budget.spend(part.len())?;
            for resource in part {
                if test.passes(&resource).await? {
                    page.take(resource);
                }
            }
        }
        page.finish(self, realm, resource_type).await
    }

    /// The next candidates; none at the end.
    async fn candidates(
        &self,
        realm: Realm,
        resource_type: &Arc<ResourceType>,
        candidates: &mut Candidates,
    ) -> Result<Vec<Resource>, StoreError> {
        match candidates {
            Candidates::Ids(ids) => {
                // Ids whose resource went meanwhile are passed over; an empty part would end it all.
                while !ids.is_empty() {
                    let part: Vec<Uuid> = ids.drain(..ids.len().min(RECORDS_PER_READ)).collect();
                    let found = self.get_all(realm, resource_type, &part).await?;
                    if !found.is_empty() {
                        return Ok(found);
                    }
                }
                Ok(Vec::new())
            }
            Candidates::Scan(range) => {
                let found = self.scan(Scan::new(Space::Resources, range.clone(), RECORDS_PER_READ)).await?;
                if let Some((last, _)) = found.last() {
                    *range = range.clone().after(last);
                }
                found.iter().map(|(key, value)| decode(resource_type, key, value)).collect()
            }
        }
    }

    /// The ids that a plan names, in order.
    async fn ids(
        &self,
        realm: Realm,
        resource_type: &Arc<ResourceType>,
        access: &Access,
    ) -> Result<BTreeSet<Uuid>, FindError> {
        let mut ids = BTreeSet::new();
        // Filters nest, and so do their plans: this walks them without recursion.
        let mut open = vec![access];
        while let Some(access) = open.pop() {
            match access {
                Access::Nothing => {}
                Access::Id(id) => drop(ids.insert(*id)),
                Access::Union(parts) => open.extend(parts),
                Access::Unique(key) => {
                    if let Some(owner) = self.get_one(Space::Unique, key.clone()).await? {
                        let (number, id) = records::decode_owner(&owner)?;
                        if number == resource_type.number {
                            ids.insert(id);
                        }
                    }
                }
                Access::Values(space, range, _) => {
                    self.collect(&mut ids, *space, range.clone(), |part| entry_ids(resource_type, *space, part))
                        .await?;
                }
                Access::GroupsOf(member) => {
                    let range = keys::edges(realm, Direction::Groups, *member);
                    self.collect(&mut ids, Space::Edges, range, other_ends).await?;
                }
                Access::MembersOf(group) => {
                    self.everybody_in(realm, *group, &resource_type.name, |id| {
                        ids.insert(id);
                        self.budget().spend(ids.len())
                    })
                    .await?;
                }
            }
        }
        Ok(ids)
    }

    async fn collect(
        &self,
        ids: &mut BTreeSet<Uuid>,
        space: Space,
        mut range: KeyRange,
        read: impl Fn(&[(Vec<u8>, Vec<u8>)]) -> Result<Vec<Uuid>, StoreError>,
    ) -> Result<(), FindError> {
        loop {
            let scan = Scan::new(space, range.clone(), KEYS_PER_READ);
            let part = self.scan(if space == Space::Unique { scan } else { scan.keys() }).await?;
            let Some((last, _)) = part.last() else { return Ok(()) };
            range = range.after(last);
            ids.extend(read(&part)?);
            self.budget().spend(ids.len())?;
            if part.len() < KEYS_PER_READ {
                return Ok(());
            }
        }
    }

    async fn scan(&self, scan: Scan) -> Result<Vec<(Vec<u8>, Vec<u8>)>, StoreError> {
        Ok(self.engine.scan(scan).await?)
    }
}

enum Candidates {
    Ids(Vec<Uuid>),
    Scan(KeyRange),
}

/// Gathers one page without keeping all that matches.
struct Collector<'a> {
    query: &'a Query,
    skip: usize,
    total: usize,
    /// Without an order: the page itself.
    resources: Vec<Resource>,
    /// With an order: the places up to the page's end, and at times some more.
    places: Vec<Place>,
}

/// Where a resource stands in an order.
struct Place {
    value: Option<Operand>,
    id: Uuid,
}

impl Place {
    /// Who has no value comes last (S-11.4), and equals stand by id (S-11.6).
    fn order(&self, other: &Self) -> Ordering {
        let by_value = match (&self.value, &other.value) {
            (Some(one), Some(other)) => compare::order(one, other),
            (None, Some(_)) => Ordering::Greater,
            (Some(_), None) => Ordering::Less,
            (None, None) => Ordering::Equal,
        };
        by_value.then(self.id.cmp(&other.id))
    }
}

impl<'a> Collector<'a> {
    fn new(query: &'a Query, skip: usize) -> Self {
        Self { query, skip, total: 0, resources: Vec::new(), places: Vec::new() }
    }

    fn take(&mut self, resource: Resource) {
        self.total += 1;
        match &self.query.sort {
            None if self.total > self.skip && self.resources.len() < self.query.count => self.resources.push(resource),
            None => {}
            Some((target, descending)) => {
                let value = compare::sort_value(&resource.document(), target);
                self.places.push(Place { value, id: resource.id() });
                let keep = self.skip.saturating_add(self.query.count);
                if self.places.len() > keep.saturating_mul(2).max(RECORDS_PER_READ) {
                    self.places.select_nth_unstable_by(keep, |a, b| directed(a.order(b), *descending));
                    self.places.truncate(keep);
                }
            }
        }
    }

    async fn finish(
        mut self,
        store: &Store,
        realm: Realm,
        resource_type: &Arc<ResourceType>,
    ) -> Result<Page, FindError> {
        if let Some((_, descending)) = &self.query.sort {
            self.places.sort_unstable_by(|a, b| directed(a.order(b), *descending));
            let page = self.places.iter().skip(self.skip).take(self.query.count);
            let ids: Vec<Uuid> = page.map(|place| place.id).collect();
            self.resources = store.get_all(realm, resource_type, &ids).await?;
        }
        Ok(Page { total: self.total, resources: self.resources })
    }
}

/// Descending is ascending turned around, so who has no value comes first.
fn directed(order: Ordering, descending: bool) -> Ordering {
    if descending { order.reverse() } else { order }
}

fn decode(resource_type: &Arc<ResourceType>, key: &[u8], value: &[u8]) -> Result<Resource, StoreError> {
    let id = keys::last_id(key).ok_or(StoreError::Corrupt { space: Space::Resources })?;
    Ok(records::decode_resource(Space::Resources, resource_type, id, value)?.resource)
}

/// Whom the entries of an attribute name.
fn entry_ids(
    resource_type: &ResourceType,
    space: Space,
    entries: &[(Vec<u8>, Vec<u8>)],
) -> Result<Vec<Uuid>, StoreError> {
    if space == Space::Index {
        let id = |(key, _): &(Vec<u8>, Vec<u8>)| keys::last_id(key).ok_or(StoreError::Corrupt { space });
        return entries.iter().map(id).collect();
    }
    let owners: Result<Vec<(u16, Uuid)>, _> = entries.iter().map(|(_, value)| records::decode_owner(value)).collect();
    Ok(owners?.into_iter().filter(|(number, _)| *number == resource_type.number).map(|(_, id)| id).collect())
}

/// The other ends of edges.
fn other_ends(edges: &[(Vec<u8>, Vec<u8>)]) -> Result<Vec<Uuid>, StoreError> {
    let other = |(key, _): &(Vec<u8>, Vec<u8>)| keys::ends(key).map(|(_, other)| other);
    edges.iter().map(|edge| other(edge).ok_or(StoreError::Corrupt { space: Space::Edges })).collect()
}
