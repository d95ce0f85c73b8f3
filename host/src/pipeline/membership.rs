//! From edits to a difference: who really joins and who really leaves a group.
//!
//! Edits come in order and may contradict one another; the difference is what remains when they
//! are played against the edges in the store. Adding one member to a group of 100 000 looks at
//! one edge. Only edits that speak of the whole list (`replace`, `remove` without a value) read it.
//!
//! A client's edits are played as the client sees the group. Who does not exist for the client is
//! nobody when added, and stays a member when the others are removed or replaced: nobody loses a
//! member unseen. What plugins add to the edits is theirs, and played as it is.

use std::collections::{HashMap, HashSet};

use provost_scim::filter::Bound;
use provost_scim::{Draft, Invalid, Leniency, Member, MembershipEdit, ResourceType, Switch};
use uuid::Uuid;

use super::gate::Outlook;
use super::{Pipeline, WriteError};
use crate::context::RequestContext;
use crate::hook::MembershipChange;
use crate::store::StoreError;

/// How many edges, or members' records, are read at a time.
const MEMBERS_PER_READ: usize = 1_000;

/// Whose edits are played: the client's own come first.
pub(super) struct Asking<'a> {
    /// What the client may see, if it asks for anything.
    outlook: Option<&'a Outlook>,
    edits: Vec<MembershipEdit>,
}

impl<'a> Asking<'a> {
    /// A client that asks for this, and sees so much.
    pub(super) fn of(outlook: &'a Outlook, asked: &Draft) -> Self {
        Self { outlook: Some(outlook), edits: asked.membership.clone() }
    }

    /// A client that asks for no change of members.
    pub(super) fn nothing() -> Self {
        Self { outlook: None, edits: Vec::new() }
    }

    /// How many of these edits are the client's. A plugin adds its own behind them, or puts others
    /// in their place.
    fn own(&self, edits: &[MembershipEdit]) -> usize {
        self.edits.iter().zip(edits).take_while(|(asked, edit)| asked == edit).count()
    }
}

impl Pipeline {
    /// Plays the edits against the group's edges, and looks up what kind of resource each newcomer is.
    ///
    /// `group` is absent while the group is being created.
    pub(super) async fn membership(
        &self,
        cx: &RequestContext,
        asking: &Asking<'_>,
        group: Option<Uuid>,
        draft: &Draft,
        leniency: &Leniency,
    ) -> Result<MembershipChange, WriteError> {
        if draft.membership.is_empty() && !draft.resource_type.has_members {
            return Ok(MembershipChange::default());
        }
        let total_before = match group {
            Some(group) => self.store.member_count(cx.realm, group).await?,
            None => 0,
        };
        let (of, joins, leaves) = (&draft.resource_type, Order::default(), Order::default());
        let newcomers = HashSet::new();
        let mut play = Play { pipeline: self, cx, outlook: None, of, group, leniency, joins, newcomers, leaves };
        let own = asking.own(&draft.membership);
        for (place, edit) in draft.membership.iter().enumerate() {
            play.outlook = asking.outlook.filter(|_| place < own);
            play.edit(edit).await?;
        }
        play.outlook = asking.outlook;
        let joins = play.known(play.joins.members.iter().flatten().cloned().collect()).await?;
        Ok(MembershipChange { added: joins, removed: play.leaves.members(), total_before })
    }
}

/// The state of the play: what the edits so far come to.
struct Play<'a> {
    pipeline: &'a Pipeline,
    cx: &'a RequestContext,
    /// What the client may see, while its own edits are played.
    outlook: Option<&'a Outlook>,
    of: &'a ResourceType,
    group: Option<Uuid>,
    leniency: &'a Leniency,
    joins: Order,
    /// Whom the client itself added.
    newcomers: HashSet<Uuid>,
    leaves: Order,
}

impl Play<'_> {
    async fn edit(&mut self, edit: &MembershipEdit) -> Result<(), WriteError> {
        match edit {
            MembershipEdit::Add(members) => self.add(members).await?,
            MembershipEdit::Remove(ids) => self.remove(ids).await?,
            MembershipEdit::RemoveWhere(filter) => {
                let filter = filter.bind_member(self.of)?;
                let before = (self.joins.places.len(), self.leaves.places.len());
                self.remove_where(&filter).await?;
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

    async fn add(&mut self, members: &[Member]) -> Result<(), WriteError> {
        let ids: Vec<Uuid> = members.iter().map(|m| m.id).collect();
        let stored = self.stored(&ids).await?;
        for (member, stored) in members.iter().zip(stored) {
            if self.leaves.remove(member.id).is_none() && stored.is_none() {
                self.joins.insert(member.clone());
                if self.outlook.is_some() {
                    self.newcomers.insert(member.id);
                }
            }
        }
        Ok(())
    }

    async fn remove(&mut self, ids: &[Uuid]) -> Result<(), WriteError> {
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

    /// Which of these are members in the store, as far as whoever edits can see.
    async fn stored(&self, ids: &[Uuid]) -> Result<Vec<Option<Member>>, WriteError> {
        let Some(group) = self.group else { return Ok(vec![None; ids.len()]) };
        let mut stored = Vec::with_capacity(ids.len());
        for part in ids.chunks(MEMBERS_PER_READ) {
            let members = self.pipeline.store.members_among(self.cx.realm, group, part).await?;
            let seen = self.seen(members.iter().flatten().cloned().collect()).await?;
            let mut seen = seen.into_iter().peekable();
            stored.extend(members.into_iter().map(|member| seen.next_if(|seen| Some(seen) == member.as_ref())));
        }
        Ok(stored)
    }

    /// Those of these members that exist for whoever edits.
    async fn seen(&self, members: Vec<Member>) -> Result<Vec<Member>, WriteError> {
        match self.outlook {
            Some(outlook) => Ok(self.pipeline.existing(self.cx, outlook, members).await?),
            None => Ok(members),
        }
    }

    /// The newcomers with their resource types, read from the store. Whom the client added must
    /// exist for the client.
    async fn known(&self, members: Vec<Member>) -> Result<Vec<Member>, WriteError> {
        let mut known = Vec::with_capacity(members.len());
        for part in members.chunks(MEMBERS_PER_READ) {
            let ids: Vec<Uuid> = part.iter().map(|m| m.id).collect();
            let types = self.pipeline.store.types_of(self.cx.realm, &ids).await?;
            let found = ids.iter().zip(types).filter_map(|(id, resource_type)| {
                resource_type.map(|resource_type| Member { id: *id, resource_type: Some(resource_type) })
            });
            let (asked, others): (Vec<Member>, _) = found.partition(|member| self.newcomers.contains(&member.id));
            let mut found: HashMap<Uuid, Member> = others.into_iter().map(|member| (member.id, member)).collect();
            found.extend(self.seen(asked).await?.into_iter().map(|member| (member.id, member)));
            for id in ids {
                let unknown = || Invalid::value(format!("`members.value`: there is no resource with the id {id}"));
                known.push(found.remove(&id).ok_or_else(unknown)?);
            }
        }
        Ok(known)
    }

    /// Lets every stored member that is selected leave.
    async fn remove_all(&mut self, selected: impl Fn(&Member) -> bool) -> Result<(), WriteError> {
        let mut after = None;
        loop {
            let members = self.stored_after(after).await?;
            let Some(last) = members.last() else { return Ok(()) };
            after = Some(last.id);
            let leaving = self.seen(members.into_iter().filter(|m| selected(m)).collect()).await?;
            leaving.into_iter().for_each(|m| self.leaves.insert(m));
        }
    }

    /// Lets everybody leave whom the filter selects as `members` would show them, newcomers of the
    /// same request included.
    async fn remove_where(&mut self, filter: &Bound) -> Result<(), WriteError> {
        let joining: Vec<Member> = self.joins.members.iter().flatten().cloned().collect();
        for part in joining.chunks(MEMBERS_PER_READ) {
            let known = self.known(part.to_vec()).await?;
            for member in self.selected(filter, known).await? {
                self.joins.remove(member.id);
            }
        }
        let mut after = None;
        loop {
            let members = self.stored_after(after).await?;
            let Some(last) = members.last() else { return Ok(()) };
            after = Some(last.id);
            let members = self.seen(members).await?;
            for member in self.selected(filter, members).await? {
                self.leaves.insert(member);
            }
        }
    }

    /// Those of these whom the filter selects. Names are read only if it speaks of them.
    async fn selected(&self, filter: &Bound, members: Vec<Member>) -> Result<Vec<Member>, StoreError> {
        let shown = self.pipeline.store.shown_members(self.cx.realm, &members, filter.mentions("display")).await?;
        let selected = members.into_iter().zip(shown).filter(|(_, shown)| filter.matches(shown));
        Ok(selected.map(|(member, _)| member).collect())
    }

    /// The stored members behind this one, so many at a time.
    async fn stored_after(&self, after: Option<Uuid>) -> Result<Vec<Member>, StoreError> {
        match self.group {
            Some(group) => self.pipeline.store.members(self.cx.realm, group, after, MEMBERS_PER_READ).await,
            None => Ok(Vec::new()),
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
