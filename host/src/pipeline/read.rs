//! The read path: one resource, or a page of them.
//!
//! Permission, what was asked as values, the store; how a resource is shown is `show`'s matter.

use std::sync::Arc;

use provost_scim::filter::{Bound, Filter, Target};
use provost_scim::{Attributes, Projection, ResourceType, Switch};
use uuid::Uuid;

use super::{Answer, Pipeline, ReadError};
use crate::access::{self, Action};
use crate::context::RequestContext;
use crate::limits::PAGE_RESOURCES_DEFAULT;
use crate::store::Query;

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
            filter: self.filter(cx, resource_type, search.filter.as_deref())?,
            sort: self.sort(resource_type, search)?,
            start_index,
            count: count.min(self.settings.page_resources_max),
        };
        let projection = &self.list_projection(resource_type, projection);
        let page = self.store.find(cx.realm, resource_type, query).await?;
        let mut resources = Vec::with_capacity(page.resources.len());
        for resource in &page.resources {
            resources.push(self.show(cx.realm, resource, projection).await?.document);
        }
        Ok(Listed { total: page.total, start_index, resources })
    }

    /// What a list shows: `members` only on request, where the operator wants lists so (L-Q7).
    fn list_projection(&self, resource_type: &ResourceType, asked: &Projection) -> Projection {
        let hides = resource_type.has_members && self.settings.leniency.is_on(Switch::ListHideMembers);
        match asked {
            Projection::Default if hides => Projection::Except(vec!["members".to_owned()]),
            Projection::Except(names) if hides => {
                Projection::Except(names.iter().cloned().chain(["members".to_owned()]).collect())
            }
            asked => asked.clone(),
        }
    }

    fn filter(
        &self,
        cx: &RequestContext,
        resource_type: &ResourceType,
        text: Option<&str>,
    ) -> Result<Option<Bound>, ReadError> {
        let Some(text) = text else { return Ok(None) };
        let leniency = self.leniency(cx);
        let filter = Filter::parse_with(text, &leniency)?.bind(resource_type, &leniency)?;
        Ok(Some(filter.with_location(&self.locations(resource_type))?))
    }

    fn sort(&self, resource_type: &ResourceType, search: &Search) -> Result<Option<(Target, bool)>, ReadError> {
        let Some(sort_by) = search.sort_by.as_deref() else { return Ok(None) };
        Ok(Some((Target::for_sort(sort_by, resource_type)?, search.descending)))
    }
}
