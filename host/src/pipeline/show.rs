//! From a stored resource to what a client is shown.
//!
//! What is not part of a resource's document, a group's `members` and a user's `groups`, is
//! joined from the edges, and only where the projection shows it.

use provost_scim::{Attributes, Member, Projection, Resource, ResourceType};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Answer, Pipeline};
use crate::context::Realm;
use crate::store::StoreError;

/// How many edges are read at a time.
const MEMBERS_PER_READ: usize = 10_000;

impl Pipeline {
    /// The resource as the projection wants it, with the edges joined that it shows.
    pub(super) async fn show(
        &self,
        realm: Realm,
        resource: &Resource,
        projection: &Projection,
    ) -> Result<Answer, StoreError> {
        let resource_type = resource.resource_type();
        let location = self.location(resource_type, resource.id());
        let mut document = resource.document();
        if let Some(Value::Object(meta)) = document.get_mut("meta") {
            meta.insert("location".to_owned(), Value::String(location.clone()));
        }
        if resource_type.has_members && projection.wants(resource_type, "members") {
            let members = self.all_members(realm, resource.id()).await?;
            insert_list(&mut document, "members", members);
        }
        if resource_type.attribute("groups").is_some() && projection.wants(resource_type, "groups") {
            let groups = self.groups(realm, resource.id()).await?;
            insert_list(&mut document, "groups", groups);
        }
        let document = projection.apply(resource_type, document);
        Ok(Answer { document, version: resource.version(), etag: resource.etag(), location })
    }

    async fn all_members(&self, realm: Realm, group: Uuid) -> Result<Vec<Value>, StoreError> {
        let mut shown = Vec::new();
        let mut after = None;
        loop {
            let members = self.store.members(realm, group, after, MEMBERS_PER_READ).await?;
            let Some(last) = members.last() else { return Ok(shown) };
            after = Some(last.id);
            shown.extend(members.iter().map(|member| Value::Object(self.member(member))));
        }
    }

    /// One member, as `members` shows it.
    pub(super) fn member(&self, member: &Member) -> Attributes {
        let mut shown = Attributes::new();
        shown.insert("value".to_owned(), Value::String(member.id.to_string()));
        let resource_type = member.resource_type.as_deref().and_then(|name| self.schemas.resource_type(name));
        if let Some(of) = resource_type {
            shown.insert("$ref".to_owned(), Value::String(self.location(of, member.id)));
            shown.insert("type".to_owned(), Value::String(of.name.clone()));
        }
        shown
    }

    async fn groups(&self, realm: Realm, member: Uuid) -> Result<Vec<Value>, StoreError> {
        let Some(group_type) = self.schemas.resource_types.iter().find(|t| t.has_members) else {
            return Ok(Vec::new());
        };
        let groups = self.store.groups_of(realm, member).await?;
        let shown = groups.into_iter().map(|group| {
            let mut shown = json!({
                "value": group.id,
                "$ref": self.location(group_type, group.id),
                "type": "direct",
            });
            if let Some(display) = group.display {
                shown["display"] = Value::String(display);
            }
            shown
        });
        Ok(shown.collect())
    }

    /// The absolute URI of a resource.
    fn location(&self, resource_type: &ResourceType, id: Uuid) -> String {
        format!("{}{id}", self.locations(resource_type))
    }

    /// What the locations of a type's resources begin with: everything but the id.
    pub(super) fn locations(&self, resource_type: &ResourceType) -> String {
        format!("{}{}/", self.settings.base_url, resource_type.endpoint)
    }
}

fn insert_list(document: &mut Attributes, name: &str, values: Vec<Value>) {
    if !values.is_empty() {
        document.insert(name.to_owned(), Value::Array(values));
    }
}
