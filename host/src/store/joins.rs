//! Filters on what stands in no document: `members` and `groups`, answered from the edges.
//!
//! A filter is asked in three steps, and stops as soon as it is decided. First without any edge.
//! Then by key: a question about one member costs one key, however large the group. What is left
//! reads the edges: the groups of a resource with those above them, or the members page by page,
//! so that a large group is never held whole. Names are joined only if the filter speaks of them.

use provost_scim::filter::{Bound, CompareOp, Operand, Target};
use provost_scim::resource::parse_id;
use provost_scim::{Attributes, Member, Resource, ResourceType, compare, reference};
use serde_json::Value;
use uuid::Uuid;

use super::ancestry::Ancestry;
use super::budget::Budget;
use super::engine::Space;
use super::keys::Direction;
use super::query::{self, FindError};
use super::sight::{Sight, WHOLE};
use super::{Store, StoreError, keys, order};
use crate::context::Realm;
use crate::hook::MembershipChange;
use crate::limits::MEMBERS_HELD_MAX;

/// The filter of one query, and what it needs to know beyond a document.
pub(super) struct Test<'a> {
    store: &'a Store,
    realm: Realm,
    resource_type: &'a ResourceType,
    filter: Option<&'a Bound>,
    /// The parts of the filter that edges answer, in the order they stand in.
    parts: Vec<Part<'a>>,
    ancestry: Ancestry<'a>,
    /// What exists, of members and groups, for whoever asks.
    sight: &'a Sight,
    /// Which resources exist at all for whoever asks.
    within: Option<Box<Test<'a>>>,
    /// A change of the resource's members that is not in the store yet.
    change: Option<&'a MembershipChange>,
    /// By what the resources are sorted.
    sort: Option<&'a Target>,
    /// Whether the resource's own URI is asked for.
    location: bool,
}

/// One part of a filter that looks at edges.
struct Part<'a> {
    filter: &'a Bound,
    direction: Direction,
    /// The one id it asks for, if that is all; empty inside for a text that is no id, which nobody has.
    asks: Option<Option<Uuid>>,
    /// Whether it looks at names.
    names: bool,
}

impl<'a> Test<'a> {
    /// What a query asks, of somebody for whom only this exists.
    pub(super) fn new(store: &'a Store, realm: Realm, part: &'a query::Part, sight: &'a Sight) -> Self {
        let within = part.within.as_deref();
        let within = within.map(|within| Box::new(Self::of_part(store, realm, &part.resource_type, within, None)));
        let (filter, sort) = (part.filter.as_ref(), part.sort.as_ref());
        Self { within, ..Self::of(store, realm, &part.resource_type, filter, sort, sight) }
    }

    /// Whether a part of a type holds a resource, whoever asks.
    pub(super) fn of_part(
        store: &'a Store,
        realm: Realm,
        resource_type: &'a ResourceType,
        part: &'a Bound,
        change: Option<&'a MembershipChange>,
    ) -> Self {
        Self { change, ..Self::of(store, realm, resource_type, Some(part), None, &WHOLE) }
    }

    fn of(
        store: &'a Store,
        realm: Realm,
        resource_type: &'a ResourceType,
        filter: Option<&'a Bound>,
        sort: Option<&'a Target>,
        sight: &'a Sight,
    ) -> Self {
        let is_location = |target: &Target| target.steps == ["meta", "location"];
        let location = sort.is_some_and(is_location)
            || filter
                .is_some_and(|filter| filter.targets().into_iter().any(is_location) || looks_at(filter, "location"));
        let mut parts = Vec::new();
        if let Some(filter) = filter {
            each_part(filter, resource_type, &mut |filter, direction| {
                let (asks, names) = (asked(filter), looks_at(filter, "display"));
                parts.push(Part { filter, direction, asks, names });
            });
        }
        let ancestry = Ancestry::new(store, realm, store.scan_resources_max).seeing(sight);
        let (within, change) = (None, None);
        Self { store, realm, resource_type, filter, parts, ancestry, sight, within, change, sort, location }
    }

    /// Whether the resource exists for whoever asks, and satisfies the filter.
    pub(super) async fn passes(&mut self, resource: &Resource, budget: &mut Budget) -> Result<bool, FindError> {
        if let Some(within) = &mut self.within
            && !within.satisfied_by(resource, budget).await?
        {
            return Ok(false);
        }
        self.satisfied_by(resource, budget).await
    }

    async fn satisfied_by(&mut self, resource: &Resource, budget: &mut Budget) -> Result<bool, FindError> {
        let Some(filter) = self.filter else { return Ok(true) };
        let document = self.document(resource);
        if self.parts.is_empty() {
            return Ok(filter.matches(&document));
        }
        let verdict = |known: &[Option<bool>], of: &ResourceType| {
            self::verdict(filter, of, &document, &mut known.iter().copied())
        };
        let mut known = vec![None; self.parts.len()];
        if let Some(passes) = verdict(&known, self.resource_type) {
            return Ok(passes);
        }
        self.ask_by_key(resource.id(), &mut known).await?;
        if let Some(passes) = verdict(&known, self.resource_type) {
            return Ok(passes);
        }
        self.ask_groups(resource.id(), &mut known, budget).await?;
        let mut after = None;
        loop {
            if let Some(passes) = verdict(&known, self.resource_type) {
                return Ok(passes);
            }
            after = self.ask_members(resource.id(), after, &mut known, budget).await?;
        }
    }

    /// By what it is sorted, as an index writes it; nothing, if it has no such value. Of a list of
    /// members the first one counts.
    pub(super) async fn sort_key(
        &mut self,
        resource: &Resource,
        budget: &mut Budget,
    ) -> Result<Option<Vec<u8>>, FindError> {
        let Some(target) = self.sort else { return Ok(None) };
        let mut document = self.document(resource);
        let names = target.steps.last().is_some_and(|step| step == "display");
        match target.steps.first().map(String::as_str) {
            Some("members") if self.resource_type.has_members => {
                let first = self.first_member(resource.id(), budget).await?;
                let shown = self.store.shown_members(self.realm, &first, names).await?;
                document.extend(list("members", shown.into_iter().map(Value::Object).collect()));
            }
            Some("groups") if self.resource_type.attribute("groups").is_some() => {
                let lineages = self.ancestry.of(&[resource.id()]).await?;
                let shown = self.store.shown_groups(self.realm, &lineages, names).await?;
                document.extend(list("groups", shown.into_iter().flatten().map(Value::Object).collect()));
            }
            _ => {}
        }
        let mut key = Vec::new();
        let value = compare::sort_value(&document, target);
        Ok(value.and_then(|value| order::encode(&value, &mut key).then_some(key)))
    }

    /// The first member that exists for whoever asks.
    async fn first_member(&self, group: Uuid, budget: &mut Budget) -> Result<Vec<Member>, FindError> {
        let (mut after, mut limit) = (None, 1);
        loop {
            let page = self.store.members(self.realm, group, after, limit).await?;
            budget.spend(page.len())?;
            let (last, ended) = (page.last().map(|member| member.id), page.len() < limit);
            let mut existing = self.store.only_existing(self.realm, self.sight, page).await?;
            if ended || !existing.is_empty() {
                existing.truncate(1);
                return Ok(existing);
            }
            (after, limit) = (last, MEMBERS_HELD_MAX);
        }
    }

    /// What is stored, and the resource's URI if it is asked for.
    fn document(&self, resource: &Resource) -> Attributes {
        let mut document = resource.document();
        if let (true, Some(Value::Object(meta))) = (self.location, document.get_mut("meta")) {
            let uri = reference::location(self.store.base_url(), self.resource_type, resource.id());
            meta.insert("location".to_owned(), Value::String(uri));
        }
        document
    }

    /// Answers what one key answers: whether somebody is a direct member.
    async fn ask_by_key(&self, id: Uuid, known: &mut [Option<bool>]) -> Result<(), FindError> {
        let (mut places, mut keys) = (Vec::new(), Vec::new());
        for (place, part) in self.parts.iter().enumerate() {
            match part.asks {
                // What lies between is asked for as well, all at once.
                Some(Some(_)) if part.direction == Direction::Groups && !self.sight.is_whole() => {}
                Some(Some(asked)) if part.direction == Direction::Members && self.is_about_to_change(asked) => {
                    known[place] = self.change.map(|change| change.added.iter().any(|member| member.id == asked));
                }
                Some(Some(asked)) => {
                    places.push(place);
                    keys.push((Space::Edges, keys::edge(self.realm, part.direction, id, asked)));
                }
                Some(None) => known[place] = Some(false),
                None => {}
            }
        }
        let edges = self.store.engine.get(keys).await.map_err(StoreError::from)?;
        for (place, edge) in places.into_iter().zip(edges) {
            known[place] = match self.parts[place].direction {
                Direction::Members if self.sight.is_whole() => Some(edge.is_some()),
                Direction::Members => {
                    let asked = self.parts[place].asks.flatten().filter(|_| edge.is_some());
                    let found = self.store.members_among(self.realm, id, asked.as_slice()).await?;
                    let found = found.into_iter().flatten().collect();
                    Some(!self.store.only_existing(self.realm, self.sight, found).await?.is_empty())
                }
                // Who is no direct member may be one by way of another group.
                Direction::Groups => edge.is_some().then_some(true),
            };
        }
        Ok(())
    }

    fn is_about_to_change(&self, member: Uuid) -> bool {
        let changes = self.change.into_iter().flat_map(|change| change.added.iter().chain(&change.removed));
        changes.into_iter().any(|changed| changed.id == member)
    }

    /// Answers everything about the resource's groups.
    async fn ask_groups(&mut self, id: Uuid, known: &mut [Option<bool>], budget: &mut Budget) -> Result<(), FindError> {
        let open: Vec<usize> = self.open(Direction::Groups, known);
        if open.is_empty() {
            return Ok(());
        }
        let lineage = self.ancestry.of(&[id]).await?.pop().unwrap_or_default();
        budget.spend(lineage.direct.len() + lineage.indirect.len())?;
        let document = match open.iter().all(|place| self.parts[*place].asks.is_some()) {
            true => Attributes::new(),
            false => {
                let names = open.iter().any(|place| self.parts[*place].names);
                let groups = self.store.shown_groups(self.realm, std::slice::from_ref(&lineage), names).await?;
                list("groups", groups.into_iter().flatten().map(Value::Object).collect())
            }
        };
        for place in open {
            let part = &self.parts[place];
            known[place] = Some(match part.asks.flatten() {
                Some(asked) => lineage.direct.contains(&asked) || lineage.indirect.contains(&asked),
                None => part.filter.matches(&document),
            });
        }
        Ok(())
    }

    /// Answers what the next members answer; at the end of them, everything. Answers where to go on.
    async fn ask_members(
        &mut self,
        id: Uuid,
        after: Option<Uuid>,
        known: &mut [Option<bool>],
        budget: &mut Budget,
    ) -> Result<Option<Uuid>, FindError> {
        let open: Vec<usize> = self.open(Direction::Members, known);
        let mut page = self.store.members(self.realm, id, after, MEMBERS_HELD_MAX).await?;
        budget.spend(page.len())?;
        let (last, ended) = (page.last().map(|member| member.id), page.len() < MEMBERS_HELD_MAX);
        if let Some(change) = self.change {
            page.retain(|member| change.removed.iter().all(|removed| removed.id != member.id));
            page.extend(change.added.iter().filter(|_| ended).cloned());
        }
        let page = self.store.only_existing(self.realm, self.sight, page).await?;
        let names = open.iter().any(|place| self.parts[*place].names);
        let members = self.store.shown_members(self.realm, &page, names).await?;
        let document = list("members", members.into_iter().map(Value::Object).collect());
        for place in open {
            match self.parts[place].filter.matches(&document) {
                true => known[place] = Some(true),
                false if ended => known[place] = Some(false),
                false => {}
            }
        }
        Ok(last)
    }

    fn open(&self, direction: Direction, known: &[Option<bool>]) -> Vec<usize> {
        let open = |place: &usize| known[*place].is_none() && self.parts[*place].direction == direction;
        (0..self.parts.len()).filter(open).collect()
    }
}

impl Store {
    /// Members as elements of `members`, with their names if these are wanted; in one read.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn shown_members(
        &self,
        realm: Realm,
        members: &[Member],
        names: bool,
    ) -> Result<Vec<Attributes>, StoreError> {
        let displays = match names {
            true => self.displays(realm, members).await?,
            false => vec![None; members.len()],
        };
        let shown = members.iter().zip(displays);
        Ok(shown.map(|(member, display)| reference::member(self.base_url(), &self.schemas, member, display)).collect())
    }

    /// The groups of several resources as elements of `groups`, with their names if these are
    /// wanted. Each group's record is read once, if at all.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn shown_groups(
        &self,
        realm: Realm,
        lineages: &[super::Lineage],
        names: bool,
    ) -> Result<Vec<Vec<Attributes>>, StoreError> {
        let all = lineages.iter().flat_map(|lineage| lineage.direct.iter().chain(&lineage.indirect)).copied();
        let known = self.groups(realm, all.collect(), names).await?;
        let element = |id: &Uuid, direct: bool| {
            // A group may have gone between the two reads.
            let group = known.get(id)?;
            let of = self.schemas.resource_type(&group.resource_type)?;
            Some(reference::group(self.base_url(), of, *id, direct, group.display.clone()))
        };
        let shown = lineages.iter().map(|lineage| {
            let direct = lineage.direct.iter().filter_map(|id| element(id, true));
            let indirect = lineage.indirect.iter().filter_map(|id| element(id, false));
            direct.chain(indirect).collect()
        });
        Ok(shown.collect())
    }

    fn base_url(&self) -> &str {
        self.base_url.get().map_or("", String::as_str)
    }
}

fn list(name: &str, elements: Vec<Value>) -> Attributes {
    match elements.is_empty() {
        true => Attributes::new(),
        false => Attributes::from_iter([(name.to_owned(), Value::Array(elements))]),
    }
}

/// Whether the filter holds, as far as that is known: `known` has an answer, or none yet, for each
/// part that edges answer.
fn verdict(
    filter: &Bound,
    of: &ResourceType,
    document: &Attributes,
    known: &mut dyn Iterator<Item = Option<bool>>,
) -> Option<bool> {
    // Every part is visited, decided or not, so that each takes its own answer.
    let mut all = |parts: &[Bound]| -> Vec<Option<bool>> {
        parts.iter().map(|part| verdict(part, of, document, known)).collect()
    };
    match filter {
        Bound::And(parts) => {
            let parts = all(parts);
            let refuted = parts.contains(&Some(false));
            if refuted { Some(false) } else { (!parts.contains(&None)).then_some(true) }
        }
        Bound::Or(parts) => {
            let parts = all(parts);
            let proven = parts.contains(&Some(true));
            if proven { Some(true) } else { (!parts.contains(&None)).then_some(false) }
        }
        Bound::Not(part) => verdict(part, of, document, known).map(|holds| !holds),
        Bound::Compare { .. } | Bound::Present(_) | Bound::Element { .. } | Bound::Never => {
            match direction(filter, of) {
                Some(_) => known.next().flatten(),
                None => Some(filter.matches(document)),
            }
        }
    }
}

fn each_part<'a>(filter: &'a Bound, of: &ResourceType, found: &mut dyn FnMut(&'a Bound, Direction)) {
    match filter {
        Bound::And(parts) | Bound::Or(parts) => parts.iter().for_each(|part| each_part(part, of, found)),
        Bound::Not(part) => each_part(part, of, found),
        Bound::Compare { .. } | Bound::Present(_) | Bound::Element { .. } | Bound::Never => {
            if let Some(direction) = direction(filter, of) {
                found(filter, direction);
            }
        }
    }
}

/// Which edges this part of a filter looks at, if any. A comparison by `ne` does not come here:
/// binding writes it as the opposite of `eq`, since no value may be equal (S-10.30).
fn direction(part: &Bound, of: &ResourceType) -> Option<Direction> {
    let target = match part {
        Bound::Compare { target, .. } | Bound::Present(target) | Bound::Element { target, .. } => target,
        Bound::And(_) | Bound::Or(_) | Bound::Not(_) | Bound::Never => return None,
    };
    match target.steps.first()?.as_str() {
        "members" if of.has_members => Some(Direction::Members),
        "groups" if of.attribute("groups").is_some() => Some(Direction::Groups),
        _ => None,
    }
}

/// The id that this part asks for: `members.value eq "…"`, in any of its spellings.
fn asked(part: &Bound) -> Option<Option<Uuid>> {
    let compared = |path: &str, of: &Bound| match of {
        Bound::Compare { target, op: CompareOp::Eq, operand: Operand::Text(text) } if target.path == path => {
            Some(parse_id(text))
        }
        _ => None,
    };
    match part {
        Bound::Element { filter, .. } => compared("value", filter),
        part => {
            ["members", "members.value", "groups", "groups.value"].into_iter().find_map(|path| compared(path, part))
        }
    }
}

/// Whether this part looks at a sub-attribute.
fn looks_at(part: &Bound, name: &str) -> bool {
    match part {
        Bound::And(parts) | Bound::Or(parts) => parts.iter().any(|part| looks_at(part, name)),
        Bound::Not(part) => looks_at(part, name),
        Bound::Compare { target, .. } | Bound::Present(target) => target.steps.last().is_some_and(|step| step == name),
        Bound::Element { filter, .. } => looks_at(filter, name),
        Bound::Never => false,
    }
}
