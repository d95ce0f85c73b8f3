//! Which groups somebody is in: directly, and by way of other groups.
//!
//! The way up is read level by level, each level in few reads, and each group is looked at once
//! for all who ask. So groups that hold each other in a circle end the walk like any others. What
//! one walk may follow is bounded; beyond that it fails, since a list that was cut would be a lie.

use std::collections::{BTreeSet, HashMap, HashSet};

use uuid::Uuid;

use super::engine::{KeyRange, Scan, Space};
use super::keys::Direction;
use super::{FindError, Sight, Store, StoreError, keys};
use crate::context::Realm;

/// How many ranges of edges one read walks.
const RANGES_PER_READ: usize = 256;

/// How many edges of one range are read at a time.
const EDGES_PER_RANGE: usize = 1_000;

/// The groups that one resource is in, each once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lineage {
    /// Those that have it as a member, by id.
    pub direct: Vec<Uuid>,
    /// Those that have one of its groups as a member, or one of theirs, nearest first. A group
    /// that is direct as well is not among them.
    pub indirect: Vec<Uuid>,
}

/// A walk upwards, for one answer or one query: what it has seen of the groups it remembers.
pub struct Ancestry<'a> {
    store: &'a Store,
    realm: Realm,
    /// The groups that each group seen is a direct member of.
    above: HashMap<Uuid, Vec<Uuid>>,
    followed: usize,
    memberships_max: usize,
    /// What exists for whoever asks; the way does not lead through anything else.
    sight: Option<&'a Sight>,
}

impl<'a> Ancestry<'a> {
    /// A walk that follows so many memberships at most.
    pub fn new(store: &'a Store, realm: Realm, memberships_max: usize) -> Self {
        Self { store, realm, above: HashMap::new(), followed: 0, memberships_max, sight: None }
    }

    /// The same, for somebody for whom only this exists.
    pub fn seeing(self, sight: &'a Sight) -> Self {
        Self { sight: Some(sight).filter(|sight| !sight.is_whole()), ..self }
    }

    /// The groups of each of these.
    ///
    /// # Errors
    /// [`FindError::TooManyGroups`] when that follows more memberships than it may.
    pub async fn of(&mut self, members: &[Uuid]) -> Result<Vec<Lineage>, FindError> {
        let direct = self.read(members).await?;
        let mut level: BTreeSet<Uuid> = direct.iter().flatten().copied().collect();
        loop {
            let unseen: Vec<Uuid> = level.into_iter().filter(|group| !self.above.contains_key(group)).collect();
            if unseen.is_empty() {
                break;
            }
            let found = self.read(&unseen).await?;
            level = found.iter().flatten().copied().collect();
            self.above.extend(unseen.into_iter().zip(found));
        }
        let mut lineages = Vec::with_capacity(members.len());
        for direct in direct {
            let indirect = self.indirect(&direct);
            self.follow(indirect.len())?;
            lineages.push(Lineage { direct, indirect });
        }
        Ok(lineages)
    }

    /// Everything above these groups that is not one of them.
    fn indirect(&self, direct: &[Uuid]) -> Vec<Uuid> {
        let mut seen: HashSet<Uuid> = direct.iter().copied().collect();
        let mut way: Vec<Uuid> = direct.to_vec();
        let mut at = 0;
        while let Some(group) = way.get(at) {
            at += 1;
            let above = self.above.get(group).into_iter().flatten().copied();
            way.extend(above.filter(|group| seen.insert(*group)).collect::<Vec<_>>());
        }
        way.split_off(direct.len())
    }

    /// The groups that each of these is a direct member of, many in one read.
    async fn read(&mut self, members: &[Uuid]) -> Result<Vec<Vec<Uuid>>, FindError> {
        let mut found = vec![Vec::new(); members.len()];
        let range = |member: &Uuid| keys::edges(self.realm, Direction::Groups, *member);
        let mut open: Vec<(usize, KeyRange)> = members.iter().map(range).enumerate().collect();
        while !open.is_empty() {
            let round = open.split_off(open.len().saturating_sub(RANGES_PER_READ));
            let scan = |(_, range): &(usize, KeyRange)| Scan::new(Space::Edges, range.clone(), EDGES_PER_RANGE).keys();
            let read = self.store.engine.scan_each(round.iter().map(scan).collect()).await.map_err(StoreError::from)?;
            for ((place, range), edges) in round.into_iter().zip(read) {
                self.follow(edges.len())?;
                for (key, _) in &edges {
                    let (_, group) = keys::ends(key).ok_or(StoreError::Corrupt { space: Space::Edges })?;
                    found[place].push(group);
                }
                if let Some((last, _)) = edges.last()
                    && edges.len() == EDGES_PER_RANGE
                {
                    open.push((place, range.after(last)));
                }
            }
        }
        if let Some(sight) = self.sight {
            let distinct: BTreeSet<Uuid> = found.iter().flatten().copied().collect();
            let hidden = self.store.hidden_groups(self.realm, sight, distinct).await?;
            found.iter_mut().for_each(|groups| groups.retain(|group| !hidden.contains(group)));
        }
        Ok(found)
    }

    fn follow(&mut self, memberships: usize) -> Result<(), FindError> {
        self.followed += memberships;
        match self.followed > self.memberships_max {
            true => Err(FindError::TooManyGroups { memberships_max: self.memberships_max }),
            false => Ok(()),
        }
    }
}

impl Store {
    /// Gathers everybody of one type who is in a group, directly or by way of other groups, as long
    /// as `take` wants more.
    pub(super) async fn everybody_in(
        &self,
        realm: Realm,
        group: Uuid,
        type_name: &str,
        mut take: impl FnMut(Uuid) -> Result<(), FindError>,
    ) -> Result<(), FindError> {
        let holds = |name: &str| self.schemas.resource_type(name).is_some_and(|of| of.has_members);
        let mut seen = HashSet::from([group]);
        let mut open = vec![group];
        while let Some(group) = open.pop() {
            let mut after = None;
            loop {
                let part = self.members(realm, group, after, EDGES_PER_RANGE).await?;
                for member in &part {
                    let name = member.resource_type.as_deref().unwrap_or_default();
                    if name == type_name {
                        take(member.id)?;
                    }
                    if holds(name) && seen.insert(member.id) {
                        open.push(member.id);
                    }
                }
                match part.last() {
                    Some(last) if part.len() == EDGES_PER_RANGE => after = Some(last.id),
                    _ => break,
                }
            }
            if seen.len() > crate::limits::GROUPS_FOLLOWED_MAX {
                return Err(FindError::TooManyGroups { memberships_max: crate::limits::GROUPS_FOLLOWED_MAX });
            }
        }
        Ok(())
    }
}
