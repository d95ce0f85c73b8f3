//! What exists for whoever asks: of each resource type all, a part of it, or nothing.
//!
//! A part is a filter, and it is asked of what is stored, with everything that is joined to it: a
//! part may speak of `groups`. What lies outside of it is not there for anything that this asker
//! sees: not as a result, not as a member, and not as a link between two groups.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use provost_scim::filter::Bound;
use provost_scim::{Member, Resource, ResourceType};
use uuid::Uuid;

use super::joins::Test;
use super::{FindError, GroupOf, Store, StoreError};
use crate::context::Realm;
use crate::hook::MembershipChange;

/// How much of one resource type exists.
#[derive(Debug, Clone, Default)]
pub enum Share {
    /// All of it.
    #[default]
    Whole,
    /// What this filter matches.
    Part(Arc<Bound>),
    /// None of it.
    Nothing,
}

/// What exists for whoever asks. A type of which nothing is said exists whole.
#[derive(Debug, Clone, Default)]
pub struct Sight(Vec<(u16, Share)>);

/// For whoever is shown everything.
pub(super) static WHOLE: Sight = Sight(Vec::new());

impl Sight {
    /// Says how much there is of a type, by its number. A type that exists whole takes no room.
    pub fn limit(&mut self, type_number: u16, share: Share) {
        if !matches!(share, Share::Whole) {
            self.0.push((type_number, share));
        }
    }

    /// Whether everything exists.
    pub fn is_whole(&self) -> bool {
        self.0.is_empty()
    }

    fn of(&self, type_number: u16) -> &Share {
        self.0.iter().find(|(number, _)| *number == type_number).map_or(&Share::Whole, |(_, share)| share)
    }
}

impl Store {
    /// Whether a part of its type holds this resource: as it is stored, or as it would be after a
    /// change of its members.
    ///
    /// # Errors
    /// When its groups or members are more than a query may look at, or the store fails.
    pub async fn holds(
        &self,
        realm: Realm,
        part: &Bound,
        resource: &Resource,
        change: Option<&MembershipChange>,
    ) -> Result<bool, FindError> {
        let mut budget = self.budget();
        Test::of_part(self, realm, resource.resource_type(), part, change).passes(resource, &mut budget).await
    }

    /// Which of these exist for whoever has this sight. One whose type was not told does.
    ///
    /// # Errors
    /// When the store cannot be read, or telling takes more than a query may look at.
    pub fn exist<'a>(
        &'a self,
        realm: Realm,
        sight: &'a Sight,
        members: &'a [Member],
    ) -> BoxFuture<'a, Result<Vec<bool>, FindError>> {
        // Boxed, since a part may speak of groups, and these are told by asking what exists.
        async move {
            if sight.is_whole() {
                return Ok(vec![true; members.len()]);
            }
            let mut found: HashMap<Uuid, bool> = HashMap::new();
            for resource_type in &self.schemas.resource_types {
                let share = sight.of(resource_type.number);
                let of_type = members.iter().filter(|m| m.resource_type.as_deref() == Some(&*resource_type.name));
                let ids: Vec<Uuid> = of_type.map(|member| member.id).collect();
                match share {
                    Share::Whole => {}
                    Share::Nothing => found.extend(ids.into_iter().map(|id| (id, false))),
                    Share::Part(part) => found.extend(self.in_part(realm, resource_type, part, ids).await?),
                }
            }
            Ok(members.iter().map(|member| found.get(&member.id).copied().unwrap_or(true)).collect())
        }
        .boxed()
    }

    /// Which of these resources of one type lie in a part of it; what is gone does not.
    async fn in_part(
        &self,
        realm: Realm,
        resource_type: &Arc<ResourceType>,
        part: &Bound,
        ids: Vec<Uuid>,
    ) -> Result<Vec<(Uuid, bool)>, FindError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut inside = HashSet::new();
        let mut test = Test::of_part(self, realm, resource_type, part, None);
        for resource in self.get_all(realm, resource_type, &ids).await? {
            // Each is a query of its own: those before it must not use up what it may look at.
            if test.passes(&resource, &mut self.budget()).await? {
                inside.insert(resource.id());
            }
        }
        Ok(ids.into_iter().map(|id| (id, inside.contains(&id))).collect())
    }

    /// Those of these groups that do not exist for whoever has this sight.
    pub(super) async fn hidden_groups(
        &self,
        realm: Realm,
        sight: &Sight,
        groups: BTreeSet<Uuid>,
    ) -> Result<HashSet<Uuid>, FindError> {
        let known = self.groups(realm, groups, false).await?;
        let member = |group: GroupOf| Member { id: group.id, resource_type: Some(group.resource_type) };
        let groups: Vec<Member> = known.into_values().map(member).collect();
        let exist = self.exist(realm, sight, &groups).await?;
        Ok(groups.iter().zip(exist).filter(|(_, exists)| !exists).map(|(group, _)| group.id).collect())
    }

    /// Those of these members that exist for whoever has this sight.
    ///
    /// # Errors
    /// When the store cannot be read, or it cannot tell.
    pub async fn only_existing(
        &self,
        realm: Realm,
        sight: &Sight,
        members: Vec<Member>,
    ) -> Result<Vec<Member>, StoreError> {
        if sight.is_whole() {
            return Ok(members);
        }
        let exist = self.exist(realm, sight, &members).await.map_err(untold)?;
        Ok(members.into_iter().zip(exist).filter_map(|(member, exists)| exists.then_some(member)).collect())
    }
}

/// Where a list cannot be told at all, and there is no query that its asker could word otherwise.
pub(super) fn untold(error: FindError) -> StoreError {
    match error {
        FindError::Store(error) => error,
        error @ (FindError::TooMany { .. } | FindError::TooManyGroups { .. }) => {
            StoreError::unavailable(format!("what the caller may see could not be told: {error}"))
        }
    }
}
