//! The read path: one resource, or a page of them.
//!
//! What is not part of a resource's document, a group's `members` and a user's `groups`, is
//! joined from the edges, and only where the projection shows it.

use std::sync::Arc;

use provost_scim::filter::{Bound, Filter, Target};
use provost_scim::{Attributes, Member, Projection, Resource, ResourceType};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Answer, Pipeline, ReadError};
use crate::access::{self, Action};
use crate::context::{Realm, RequestContext};
use crate::limits::PAGE_RESOURCES_DEFAULT;
use crate::store::{Query, StoreError};

/// How many edges are read at a time.
const MEMBERS_PER_READ: usize = 10_000;

/// What a list or search request asks for (RFC 7644 section 3.4.2), as text where it is a language.
#[derive(Debug, Clone, Default)]
pub struct Search {
    /// A filter.
    pub filter: Option<String>,
    /// An attribute path.
    pub sort_by: Option<String>,
    /// Whether the order is descending.
    pub descending: bool,
    /// From 1; less counts as 1.
    pub start_index: Option<i64>,
    /// At most so many; less than 0 counts as 0.
    pub count: Option<i64>,
}

/// One page of a list.
#[derive(Debug, Clone)]
pub struct Listed {
    /// How many resources match in all.
    pub total: usize,
    /// The index of the first one shown, from 1.
    pub start_index: usize,
    /// The resources of this page.
    pub resources: Vec<Attributes>,
}

impl Pipeline {
    /// Reads one resource (RFC 7644 section 3.4.1).
    ///
    /// # Errors
    /// [`ReadError::NotFound`] when it does not exist, or not any more.
    pub async fn get(
        &self,
        cx: &RequestContext,
        resource_type: &Arc<ResourceType>,
        id: Uuid,
        projection: &Projection,
    ) -> Result<Answer, ReadError> {
        access::allow(cx, Action::Read)?;

        match self.store.get(cx.realm, resource_type, id).await? {
            Some(resource) => Ok(self.show(cx.realm, &resource, projection).await?),
            None => Err(ReadError::NotFound { resource_type: resource_type.name.clone() }),
        }
    }

    /// Lists the resources of one type that match (RFC 7644 section 3.4.2).
    ///
    /// # Errors
    /// [`ReadError::Invalid`] when the filter or the order makes no sense for this type.
    pub async fn search(
        &self,
        cx: &RequestContext,
        resource_type: &Arc<ResourceType>,
        search: &Search,
        projection: &Projection,
    ) -> Result<Listed, ReadError> {
        access::allow(cx, Action::Read)?;

        let start_index = search.start_index.map_or(1, |n| usize::try_from(n).unwrap_or(1).max(1));
        let count = search.count.map_or(PAGE_RESOURCES_DEFAULT, |n| usize::try_from(n).unwrap_or(0));
        let query = Query {
            filter: self.filter(resource_type, search.filter.as_deref())?,
            sort: self.sort(resource_type, search)?,
            start_index,
            count: count.min(self.settings.page_resources_max),
        };
        let page = self.store.find(cx.realm, resource_type, query).await?;
        let mut resources = Vec::with_capacity(page.resources.len());
        for resource in &page.resources {
            resources.push(self.show(cx.realm, resource, projection).await?.document);
        }
        Ok(Listed { total: page.total, start_index, resources })
    }

    fn filter(&self, resource_type: &ResourceType, text: Option<&str>) -> Result<Option<Bound>, ReadError> {
        let Some(text) = text else { return Ok(None) };
        let leniency = &self.settings.leniency;
        Ok(Some(Filter::parse_with(text, leniency)?.bind(resource_type, leniency)?))
    }

    fn sort(&self, resource_type: &ResourceType, search: &Search) -> Result<Option<(Target, bool)>, ReadError> {
        let Some(sort_by) = search.sort_by.as_deref() else { return Ok(None) };
        Ok(Some((Target::for_sort(sort_by, resource_type)?, search.descending)))
    }

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
        format!("{}{}/{id}", self.settings.base_url, resource_type.endpoint)
    }
}

fn insert_list(document: &mut Attributes, name: &str, values: Vec<Value>) {
    if !values.is_empty() {
        document.insert(name.to_owned(), Value::Array(values));
    }
}
