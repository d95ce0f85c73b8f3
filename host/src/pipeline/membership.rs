//! From edits to a difference: who really joins and who really leaves a group.
//!
//! Edits come in order and may contradict one another; the difference is what remains when they
//! are played against the edges in the store. Adding one member to a group of 100 000 looks at
//! one edge. Only edits that speak of the whole list (`replace`, `remove` without a value) read it.

use std::collections::{HashMap, HashSet};

use provost_scim::{Draft, Invalid, Leniency, Member, MembershipEdit, ResourceType, Switch};
use uuid::Uuid;

use super::{Pipeline, WriteError};
use crate::context::Realm;
use crate::hook::MembershipChange;
use crate::store::StoreError;

/// How many edges are read at a time.
const MEMBERS_PER_READ: usize = 10_000;

impl Pipeline {
    /// Plays the edits against the group's edges, and looks up what kind of resource each newcomer is.
    ///
    /// `group` is absent while the group is being created.
    pub(super) async fn membership(
        &self,
        realm: Realm,
        group: Option<Uuid>,
        draft: &Draft,
        leniency: &Leniency,
    ) -> Result<MembershipChange, WriteError> {
        if draft.membership.is_empty() && !draft.resource_type.has_members {
            return Ok(MembershipChange::default());
        }
        let total_before = match group {
            Some(group) => self.store.member_count(realm, group).await?,
            None => 0,
        };
        let (of, joins, leaves) = (&draft.resource_type, Order::default(), Order::default());
        let mut play = Play { pipeline: self, realm, of, group, leniency, joins, leaves };
        for edit in &draft.membership {
            play.edit(edit).await?;
        }
        let (joins, leaves) = (play.joins.members(), play.leaves.members());
        Ok(MembershipChange { added: self.known(realm, joins).await?, removed: leaves, total_before })
    }

    /// The newcomers with their resource types, read from the store.
    async fn known(&self, realm: Realm, members: Vec<Member>) -> Result<Vec<Member>, WriteError> {
        let ids: Vec<Uuid> = members.iter().map(|m| m.id).collect();
        let types = self.store.types_of(realm, &ids).await?;
        let known = members.into_iter().zip(types).map(|(member, resource_type)| match resource_type {
            Some(name) => Ok(Member { id: member.id, resource_type: Some(name) }),
            None => Err(Invalid::value(format!("`members.value`: there is no resource with the id {}", member.id))),
        });
        Ok(known.collect::<Result<_, _>>()?)
    }
}

/// The state of the play: what the edits so far come to.
struct Play<'a> {
    pipeline: &'a Pipeline,
    realm: Realm,
    of: &'a ResourceType,
    group: Option<Uuid>,
    leniency: &'a Leniency,
    joins: Order,
    leaves: Order,
}

impl Play<'_> {
    async fn edit(&mut self, edit: &MembershipEdit) -> Result<(), WriteError> {
        match edit {
            MembershipEdit::Add(members) => self.add(members).await?,
            MembershipEdit::Remove(ids) => self.remove(ids).await?,
            MembershipEdit::RemoveWhere(filter) => {
                let filter = filter.bind_member(self.of)?;
                let pipeline = self.pipeline;
                let selected = |m: &Member| filter.matches(&pipeline.member(m));
                let before = (self.joins.places.len(), self.leaves.places.len());
                self.joins.retain(|m| !selected(m));
                self.remove_all(selected).await?;
                let nobody = before == (self.joins.places.len(), self.leaves.places.len());
                if nobody && !self.leniency.allows(Switch::PatchRemoveNoMatchOk) {
                    return Err(Invalid::no_target("no element of `members` is selected").into());
                }
            }
            MembershipEdit::Clear => {
                self.joins = Order::default();
                self.remove_all(|_| true).await?;
            }
            MembershipEdit::Replace(members) => {
                let wanted: HashSet<Uuid> = members.iter().map(|m| m.id).collect();
                self.joins.retain(|m| wanted.contains(&m.id));
                self.remove_all(|m| !wanted.contains(&m.id)).await?;
                self.add(members).await?;
            }
        }
        Ok(())
    }

    async fn add(&mut self, members: &[Member]) -> Result<(), StoreError> {
        let ids: Vec<Uuid> = members.iter().map(|m| m.id).collect();
        let stored = self.stored(&ids).await?;
        for (member, stored) in members.iter().zip(stored) {
            if self.leaves.remove(member.id).is_none() && stored.is_none() {
                self.joins.insert(member.clone());
            }
        }
        Ok(())
    }

    async fn remove(&mut self, ids: &[Uuid]) -> Result<(), StoreError> {
        let stored = self.stored(ids).await?;
        let mut nobody = true;
        for (id, stored) in ids.iter().zip(stored) {
            let left_already = self.leaves.places.contains_key(id);
            nobody &= !self.joins.places.contains_key(id) && (stored.is_none() || left_already);
            if self.joins.remove(*id).is_none()
                && let Some(member) = stored
            {
                self.leaves.insert(member);
            }
        }
        if nobody {
            self.leniency.noted.note(Switch::PatchRemoveNoMatchOk);
        }
        Ok(())
    }

    /// Which of these have an edge in the store.
    async fn stored(&self, ids: &[Uuid]) -> Result<Vec<Option<Member>>, StoreError> {
        match self.group {
            Some(group) => self.pipeline.store.members_among(self.realm, group, ids).await,
            None => Ok(vec![None; ids.len()]),
        }
    }

    /// Lets every stored member that is selected leave.
    async fn remove_all(&mut self, selected: impl Fn(&Member) -> bool) -> Result<(), StoreError> {
        let Some(group) = self.group else { return Ok(()) };
        let mut after = None;
        loop {
            let members = self.pipeline.store.members(self.realm, group, after, MEMBERS_PER_READ).await?;
            let Some(last) = members.last() else { return Ok(()) };
            after = Some(last.id);
            members.into_iter().filter(|m| selected(m)).for_each(|m| self.leaves.insert(m));
        }
    }
}

/// Members, each once, in the order they came.
#[derive(Default)]
struct Order {
    places: HashMap<Uuid, usize>,
    members: Vec<Option<Member>>,
}

impl Order {
    fn insert(&mut self, member: Member) {
        if !self.places.contains_key(&member.id) {
            self.places.insert(member.id, self.members.len());
            self.members.push(Some(member));
        }
    }

    fn remove(&mut self, id: Uuid) -> Option<Member> {
        self.members[self.places.remove(&id)?].take()
    }

    fn retain(&mut self, keep: impl Fn(&Member) -> bool) {
        let gone: Vec<Uuid> = self.members.iter().flatten().filter(|m| !keep(m)).map(|m| m.id).collect();
        for id in gone {
            self.remove(id);
        }
    }

    fn members(self) -> Vec<Member> {
        self.members.into_iter().flatten().collect()
    }
}
