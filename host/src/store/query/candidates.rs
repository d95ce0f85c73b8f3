//! What may match: the resources that a plan names, or all of a type, one part after the other.

use std::collections::BTreeSet;
use std::sync::Arc;

use provost_scim::{Resource, ResourceType};
use uuid::Uuid;

use super::super::budget::Budget;
use super::super::catalog::Entry;
use super::super::engine::{KeyRange, Scan, Space};
use super::super::keys::Direction;
use super::super::plan::Access;
use super::super::{Store, StoreError, keys, records};
use super::{FindError, KEYS_PER_READ, Part, Place};
use crate::context::Realm;

/// Something that a scan found.
type Found = (Vec<u8>, Vec<u8>);

/// One resource that may match.
pub struct Candidate {
    /// Where it stands; only a walk on an index knows its value.
    pub place: Place,
    /// The resource.
    pub resource: Resource,
}

/// The candidates of one resource type, in the order of their ids or of an index.
pub struct Candidates<'a> {
    store: &'a Store,
    realm: Realm,
    resource_type: &'a Arc<ResourceType>,
    source: Source<'a>,
    at: Option<Place>,
}

enum Source<'a> {
    /// These.
    Ids(std::vec::IntoIter<Uuid>),
    /// All, by id.
    All(KeyRange),
    /// All, in the order of an index.
    Walk { entry: &'a Entry, range: KeyRange, descending: bool },
}

impl<'a> Candidates<'a> {
    /// Those that a plan names, or all, by id, behind a place.
    pub async fn by_id(
        store: &'a Store,
        realm: Realm,
        part: &'a Part,
        behind: Option<&Place>,
    ) -> Result<Self, FindError> {
        let resource_type = &part.resource_type;
        let Some(access) = store.plan_for(realm, part).await? else {
            return Ok(Self::all(store, realm, part, behind));
        };
        let mut ids = store.ids(realm, resource_type, &access).await?;
        if let Some(behind) = behind {
            ids.retain(|id| *id > behind.id);
        }
        let source = Source::Ids(ids.into_iter().collect::<Vec<_>>().into_iter());
        Ok(Self { store, realm, resource_type, source, at: None })
    }

    /// All of the type by id, behind a place.
    pub fn all(store: &'a Store, realm: Realm, part: &'a Part, behind: Option<&Place>) -> Self {
        let resource_type = &part.resource_type;
        let mut range = keys::resources(realm, resource_type.number);
        if let Some(behind) = behind {
            range = range.after(&keys::resource(realm, resource_type.number, behind.id));
        }
        Self { store, realm, resource_type, source: Source::All(range), at: None }
    }

    /// In the order of an index, behind a place.
    pub fn walk(
        store: &'a Store,
        realm: Realm,
        part: &'a Part,
        entry: &'a Entry,
        descending: bool,
        behind: Option<&Place>,
    ) -> Self {
        let values = entry.values(realm);
        let mut range = KeyRange::prefix(values.clone());
        if let Some(Place { key: Some(value), id }) = behind {
            let mut key = values;
            key.extend(value);
            if entry.space() == Space::Index {
                key = keys::index(key, *id);
            }
            match descending {
                true => range.until = Some(key),
                false => range = range.after(&key),
            }
        }
        Self {
            store,
            realm,
            resource_type: &part.resource_type,
            source: Source::Walk { entry, range, descending },
            at: None,
        }
    }

    /// Where the last of those stood that were looked at, whether or not it exists still.
    pub fn at(&self) -> Option<Place> {
        self.at.clone()
    }

    /// The next ones, after passing over some; at the end, nothing. There may be fewer than `limit`,
    /// and none at all, where resources went meanwhile.
    pub async fn next(&mut self, limit: usize, skip: usize) -> Result<Option<Vec<Candidate>>, StoreError> {
        match &mut self.source {
            Source::Ids(ids) => {
                let places: Vec<Place> =
                    ids.by_ref().skip(skip).take(limit).map(|id| Place { key: None, id }).collect();
                self.read(places).await
            }
            Source::All(range) => {
                let scan = Scan::new(Space::Resources, range.clone(), limit).skipping(skip);
                let found = self.store.scan(scan).await?;
                let Some((last, _)) = found.last() else { return Ok(None) };
                *range = range.clone().after(last);
                let resource_type = self.resource_type;
                let candidate = |(key, value): &Found| {
                    let resource = decode(resource_type, key, value)?;
                    Ok(Candidate { place: Place { key: None, id: resource.id() }, resource })
                };
                let candidates = found.iter().map(candidate).collect::<Result<Vec<_>, StoreError>>()?;
                self.at = candidates.last().map(|candidate| candidate.place.clone());
                Ok(Some(candidates))
            }
            Source::Walk { entry, range, descending } => {
                let scan = Scan::new(entry.space(), range.clone(), limit).skipping(skip);
                let found = self.store.scan(if *descending { scan.reversed() } else { scan }).await?;
                let Some((last, _)) = found.last() else { return Ok(None) };
                match descending {
                    true => range.until = Some(last.clone()),
                    false => *range = range.clone().after(last),
                }
                let prefix = entry.values(self.realm).len();
                let places = places(entry.space(), prefix, &found)?;
                self.read(places).await
            }
        }
    }

    /// The resources at these places, without those that went meanwhile.
    async fn read(&mut self, places: Vec<Place>) -> Result<Option<Vec<Candidate>>, StoreError> {
        let Some(last) = places.last() else { return Ok(None) };
        self.at = Some(last.clone());
        let ids: Vec<Uuid> = places.iter().map(|place| place.id).collect();
        let mut found = self.store.get_all(self.realm, self.resource_type, &ids).await?.into_iter().peekable();
        let candidate = |place: Place| {
            let resource = found.next_if(|resource| resource.id() == place.id)?;
            Some(Candidate { place, resource })
        };
        Ok(Some(places.into_iter().filter_map(candidate).collect()))
    }
}

/// The places that entries of an index stand for. Their keys begin with `prefix` bytes that all share.
fn places(space: Space, prefix: usize, entries: &[Found]) -> Result<Vec<Place>, StoreError> {
    let place = |(key, value): &Found| {
        let corrupt = StoreError::Corrupt { space };
        let (id, end) = match space {
            Space::Unique => (records::decode_owner(value)?.1, key.len()),
            _ => (keys::last_id(key).ok_or(corrupt.clone())?, key.len().saturating_sub(16)),
        };
        Ok(Place { key: Some(key.get(prefix..end).ok_or(corrupt)?.to_vec()), id })
    };
    entries.iter().map(place).collect()
}

impl Store {
    pub(super) async fn plan_for(&self, realm: Realm, part: &Part) -> Result<Option<Access>, StoreError> {
        match part.candidates() {
            Some(filter) => self.access(realm, &part.resource_type, &filter).await,
            None => Ok(None),
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
        let mut budget = self.budget();
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
                    let named = |part: &[Found]| entry_ids(resource_type, *space, part);
                    self.collect(&mut ids, &mut budget, *space, range.clone(), named).await?;
                }
                Access::GroupsOf(member) => {
                    let range = keys::edges(realm, Direction::Groups, *member);
                    self.collect(&mut ids, &mut budget, Space::Edges, range, other_ends).await?;
                }
                Access::MembersOf(group) => {
                    self.everybody_in(realm, *group, &resource_type.name, |id| match ids.insert(id) {
                        true => budget.spend(1),
                        false => Ok(()),
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
        budget: &mut Budget,
        space: Space,
        mut range: KeyRange,
        read: impl Fn(&[Found]) -> Result<Vec<Uuid>, StoreError>,
    ) -> Result<(), FindError> {
        loop {
            let scan = Scan::new(space, range.clone(), KEYS_PER_READ);
            let part = self.scan(if space == Space::Unique { scan } else { scan.keys() }).await?;
            let Some((last, _)) = part.last() else { return Ok(()) };
            range = range.after(last);
            let named = ids.len();
            ids.extend(read(&part)?);
            budget.spend(ids.len() - named)?;
            if part.len() < KEYS_PER_READ {
                return Ok(());
            }
        }
    }

    async fn scan(&self, scan: Scan) -> Result<Vec<Found>, StoreError> {
        Ok(self.engine.scan(scan).await?)
    }
}

fn decode(resource_type: &Arc<ResourceType>, key: &[u8], value: &[u8]) -> Result<Resource, StoreError> {
    let id = keys::last_id(key).ok_or(StoreError::Corrupt { space: Space::Resources })?;
    Ok(records::decode_resource(Space::Resources, resource_type, id, value)?.resource)
}

/// Whom the entries of an attribute name.
fn entry_ids(resource_type: &ResourceType, space: Space, entries: &[Found]) -> Result<Vec<Uuid>, StoreError> {
    if space == Space::Index {
        let id = |(key, _): &Found| keys::last_id(key).ok_or(StoreError::Corrupt { space });
        return entries.iter().map(id).collect();
    }
    let owners: Result<Vec<(u16, Uuid)>, _> = entries.iter().map(|(_, value)| records::decode_owner(value)).collect();
    Ok(owners?.into_iter().filter(|(number, _)| *number == resource_type.number).map(|(_, id)| id).collect())
}

/// The other ends of edges.
fn other_ends(edges: &[Found]) -> Result<Vec<Uuid>, StoreError> {
    let other = |(key, _): &Found| keys::ends(key).map(|(_, other)| other);
    edges.iter().map(|edge| other(edge).ok_or(StoreError::Corrupt { space: Space::Edges })).collect()
}
