//! What a list asks of one resource: its filter and its order, and what they need to know beyond the
//! stored document.
//!
//! `members`, `groups` and URIs are not stored. They are joined only where the filter or the order
//! speaks of them (S-10.36), and a question about one member costs one key, however large the group.

use std::collections::{HashMap, HashSet};

use provost_scim::filter::{Bound, CompareOp, Operand, Target};
use provost_scim::resource::parse_id;
use provost_scim::{Attributes, Member, Resource, ResourceType, compare};
use serde_json::{Value, json};
use uuid::Uuid;

use super::super::engine::Space;
use super::super::keys::Direction;
use super::super::plan::{is_groups, is_members};
use super::super::{Store, StoreError, keys, order};
use super::{Budget, FindError, KEYS_PER_READ, Listing, Part};
use crate::context::Realm;

/// The question of one list to the resources of one type.
pub struct Question<'a> {
    store: &'a Store,
    realm: Realm,
    resource_type: &'a ResourceType,
    filter: Option<&'a Bound>,
    sort: Option<&'a Target>,
    /// What the URIs of all resources begin with.
    base_url: Option<&'a str>,
    /// Whether the resource's own URI is asked for.
    location: bool,
    /// Whether its members' names are asked for, and their URIs.
    display: bool,
    references: bool,
    members: bool,
    groups: bool,
    /// The ids that the filter asks for among the edges.
    asked: Vec<Uuid>,
    /// How many members may still be joined.
    budget: Budget,
}

impl<'a> Question<'a> {
    pub fn new(store: &'a Store, realm: Realm, part: &'a Part, listing: &'a Listing) -> Self {
        let resource_type: &ResourceType = &part.resource_type;
        let (filter, sort) = (part.filter.as_ref(), part.sort.as_ref());
        let mentions = |name| filter.is_some_and(|filter| filter.mentions(name));
        let asks_for = |root: &str, part: &str| {
            let sorts_by = sort.is_some_and(|sort| sort.steps == [root, part]);
            sorts_by || filter.is_some_and(|filter| speaks_of(filter, root, part))
        };
        let mut asked = Vec::new();
        if let Some(filter) = filter {
            each_question(filter, resource_type, &mut |id| asked.push(id));
        }
        Self {
            store,
            realm,
            resource_type,
            filter,
            sort,
            base_url: listing.base_url.as_deref(),
            location: asks_for("meta", "location"),
            display: asks_for("members", "display"),
            references: asks_for("members", "$ref") || asks_for("groups", "$ref"),
            members: resource_type.has_members && mentions("members"),
            groups: resource_type.attribute("groups").is_some() && mentions("groups"),
            asked,
            budget: store.budget(),
        }
    }

    /// Whether the filter accepts it.
    pub async fn accepts(&mut self, resource: &Resource) -> Result<bool, FindError> {
        let Some(filter) = self.filter else { return Ok(true) };
        let mut document = self.document(resource);
        if !self.members && !self.groups {
            return Ok(filter.matches(&document));
        }
        let direction = if self.members { Direction::Members } else { Direction::Groups };
        let edge = |id: &Uuid| (Space::Edges, keys::edge(self.realm, direction, resource.id(), *id));
        let edges = self.store.engine.get(self.asked.iter().map(edge).collect()).await.map_err(StoreError::from)?;
        let there: HashSet<Uuid> =
            self.asked.iter().zip(edges).filter_map(|(id, edge)| edge.is_some().then_some(*id)).collect();
        let filter = answered(filter, self.resource_type, &there);
        if self.members && filter.mentions("members") {
            self.join_members(resource.id(), usize::MAX, &mut document).await?;
        }
        if self.groups && filter.mentions("groups") {
            self.join_groups(resource.id(), &mut document).await?;
        }
        Ok(filter.matches(&document))
    }

    /// By what it is sorted, as an index writes it; nothing, if it has no such value.
    pub async fn sort_key(&mut self, resource: &Resource) -> Result<Option<Vec<u8>>, FindError> {
        let Some(target) = self.sort else { return Ok(None) };
        let mut document = self.document(resource);
        match target.steps.first().map(String::as_str) {
            Some("members") if self.resource_type.has_members => {
                self.join_members(resource.id(), 1, &mut document).await?;
            }
            Some("groups") if self.resource_type.attribute("groups").is_some() => {
                self.join_groups(resource.id(), &mut document).await?;
            }
            _ => {}
        }
        let mut key = Vec::new();
        let value = compare::sort_value(&document, target);
        Ok(value.and_then(|value| order::encode(&value, &mut key).then_some(key)))
    }

    fn document(&self, resource: &Resource) -> Attributes {
        let mut document = resource.document();
        if let (true, Some(Value::Object(meta))) = (self.location, document.get_mut("meta"))
            && let Some(uri) = self.uri(&self.resource_type.name, resource.id())
        {
            meta.insert("location".into(), uri);
        }
        document
    }

    /// Where a resource is reached.
    fn uri(&self, resource_type: &str, id: Uuid) -> Option<Value> {
        let endpoint = &self.store.schemas.resource_type(resource_type)?.endpoint;
        Some(format!("{}{endpoint}/{id}", self.base_url?).into())
    }

    async fn join_members(
        &mut self,
        group: Uuid,
        members_max: usize,
        document: &mut Attributes,
    ) -> Result<(), FindError> {
        let mut joined: Vec<Value> = Vec::new();
        let mut after = None;
        while joined.len() < members_max {
            let limit = KEYS_PER_READ.min(members_max - joined.len());
            let part = self.store.members(self.realm, group, after, limit).await?;
            let Some(last) = part.last() else { break };
            after = Some(last.id);
            self.budget.spend(part.len())?;
            let names = if self.display { self.names_of(&part).await? } else { HashMap::new() };
            for member in part {
                let mut shown = json!({ "value": member.id, "type": member.resource_type });
                if let Some(name) = names.get(&member.id) {
                    shown["display"] = name.clone();
                }
                if let Some(uri) = member.resource_type.as_deref().filter(|_| self.references) {
                    shown["$ref"] = self.uri(uri, member.id).unwrap_or_default();
                }
                joined.push(shown);
            }
        }
        insert_list(document, "members", joined);
        Ok(())
    }

    /// What these members are called: their `displayName`.
    async fn names_of(&self, members: &[Member]) -> Result<HashMap<Uuid, Value>, FindError> {
        let mut names = HashMap::new();
        for resource_type in &self.store.schemas.resource_types {
            let of_type = members.iter().filter(|m| m.resource_type.as_ref() == Some(&resource_type.name));
            let ids: Vec<Uuid> = of_type.map(|member| member.id).collect();
            for resource in self.store.get_all(self.realm, resource_type, &ids).await? {
                if let Some(name) = resource.attributes().get("displayName") {
                    names.insert(resource.id(), name.clone());
                }
            }
        }
        Ok(names)
    }

    async fn join_groups(&mut self, member: Uuid, document: &mut Attributes) -> Result<(), FindError> {
        let groups = self.store.groups_of(self.realm, member).await?;
        self.budget.spend(groups.len())?;
        let joined = groups.into_iter().map(|group| {
            let uri = self.uri(&group.resource_type, group.id).filter(|_| self.references).unwrap_or_default();
            json!({ "value": group.id, "$ref": uri, "display": group.display, "type": "direct" })
        });
        insert_list(document, "groups", joined.collect());
        Ok(())
    }
}

/// Whether a filter looks at this part of a complex attribute, inside brackets or outside.
fn speaks_of(filter: &Bound, root: &str, part: &str) -> bool {
    match filter {
        Bound::And(parts) | Bound::Or(parts) => parts.iter().any(|filter| speaks_of(filter, root, part)),
        Bound::Not(filter) => speaks_of(filter, root, part),
        Bound::Compare { target, .. } | Bound::Present(target) => target.steps == [root, part],
        Bound::Element { target, filter } => {
            target.steps == [root] && filter.targets().iter().any(|t| t.steps == [part])
        }
        Bound::Never => false,
    }
}

fn insert_list(document: &mut Attributes, name: &str, values: Vec<Value>) {
    if !values.is_empty() {
        document.insert(name.to_owned(), Value::Array(values));
    }
}

/// The id that this part of a filter asks for among the edges: `members.value eq "…"`, in any of
/// its spellings. The inner option is empty for a text that is no id, which nobody has.
fn question(filter: &Bound, resource_type: &ResourceType) -> Option<Option<Uuid>> {
    let asks = |path: &str| is_members(path, resource_type) || is_groups(path, resource_type);
    match filter {
        Bound::Compare { target, op: CompareOp::Eq, operand: Operand::Text(text) } if asks(&target.path) => {
            Some(parse_id(text))
        }
        Bound::Element { target, filter } if asks(&target.path) => match &**filter {
            Bound::Compare { target, op: CompareOp::Eq, operand: Operand::Text(text) } if target.path == "value" => {
                Some(parse_id(text))
            }
            _ => None,
        },
        _ => None,
    }
}

fn each_question(filter: &Bound, resource_type: &ResourceType, ask: &mut dyn FnMut(Uuid)) {
    match (question(filter, resource_type), filter) {
        (Some(id), _) => id.into_iter().for_each(ask),
        (None, Bound::And(parts) | Bound::Or(parts)) => {
            parts.iter().for_each(|part| each_question(part, resource_type, ask));
        }
        (None, Bound::Not(part)) => each_question(part, resource_type, ask),
        (None, _) => {}
    }
}

/// The filter with those questions answered.
fn answered(filter: &Bound, resource_type: &ResourceType, there: &HashSet<Uuid>) -> Bound {
    let all = |parts: &[Bound]| parts.iter().map(|part| answered(part, resource_type, there)).collect();
    match (question(filter, resource_type), filter) {
        (Some(id), _) if id.is_some_and(|id| there.contains(&id)) => Bound::And(Vec::new()),
        (Some(_), _) => Bound::Never,
        (None, Bound::And(parts)) => Bound::And(all(parts)),
        (None, Bound::Or(parts)) => Bound::Or(all(parts)),
        (None, Bound::Not(part)) => Bound::Not(Box::new(answered(part, resource_type, there))),
        (None, other) => other.clone(),
    }
}
