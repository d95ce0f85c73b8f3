//! The read path: one resource, or a page of them.
//!
//! Permission, what was asked as values, the store; how a resource is shown is `show`'s matter. A
//! page begins at an index or behind a cursor, and nothing of a search is kept between its pages:
//! each page asks for permission again.

use std::sync::Arc;

use provost_scim::filter::{Filter, Target};
use provost_scim::{Attributes, Invalid, Projection, ResourceType, ScimType, Search};
use uuid::Uuid;

use super::cursor::{self, Cursor, Purpose};
use super::gate::Outlook;
use super::{Answer, Crowd, Pipeline, ReadError};
use crate::access::{self, Action};
use crate::context::RequestContext;
use crate::hook::Act;
use crate::limits::PAGE_RESOURCES_DEFAULT;
use crate::store::{Listing, Order, Part, Position, Start};

/// Among which resources a search looks.
#[derive(Debug, Clone)]
pub enum Among {
    /// Those of one type.
    One(Arc<ResourceType>),
    /// Those of all types (RFC 7644 section 3.4.2.1).
    All,
}

impl Among {
    /// What cursors know the endpoint by. No resource type has an empty name.
    fn name(&self) -> &str {
        match self {
            Self::One(resource_type) => &resource_type.name,
            Self::All => "",
        }
    }
}

/// One page of a list.
#[derive(Debug, Clone)]
pub struct Listed {
    /// How many resources match in all. A page by cursor may not know (S-13.6).
    pub total: Option<usize>,
    /// The index of the first one shown, from 1; none of a page by cursor (S-13.12).
    pub start_index: Option<usize>,
    /// Where the next page begins, of a page by cursor that is not the last (S-13.3).
    pub next_cursor: Option<String>,
    /// The resources of this page.
    pub resources: Vec<Attributes>,
    /// The `members` of those groups among them that are too large, each with the group's place.
    pub crowds: Vec<(usize, Crowd)>,
}

impl Pipeline {
    /// Reads one resource (RFC 7644 section 3.4.1).
    ///
    /// # Errors
    /// [`ReadError::NotFound`] when it does not exist, not any more, or not for this caller.
    pub async fn get(
        &self,
        cx: &RequestContext,
        resource_type: &Arc<ResourceType>,
        id: Uuid,
        projection: &Projection,
    ) -> Result<Answer, ReadError> {
        access::allow_on(cx, Action::Read, id)?;

        let found = self.store.get(cx.realm, resource_type, id).await?;
        let (resource, _) = self.admit(cx, Act::Read, resource_type, found).await?;
        let outlook = Outlook::of(Act::Read);
        let groups = self.groups(cx, &outlook, &[(resource_type, id)], projection).await?.pop().flatten();
        self.show(cx, &outlook, &resource, projection, &[], groups).await
    }

    /// Lists the resources that match, one page of them (RFC 7644 sections 3.4.2 and 3.4.3).
    ///
    /// # Errors
    /// [`ReadError::Invalid`] when the filter, the order or the cursor makes no sense here.
    pub async fn search(&self, cx: &RequestContext, among: &Among, search: &Search) -> Result<Listed, ReadError> {
        access::allow(cx, Action::Read)?;

        let outlook = Outlook::of(Act::Search);
        let parts = self.parts(cx, &outlook, among, search).await?;
        let purpose = Purpose::of(cx, among.name(), search);
        let count = self.count(search);
        let start = match &search.cursor {
            None => Start::Index(start_index(search)),
            Some(cursor) => Start::Behind(self.behind(cx, cursor, &purpose, count, &parts)?),
        };
        let order = match (&search.sort_by, search.descending) {
            (None, _) => Order::ById,
            (Some(_), false) => Order::Ascending,
            (Some(_), true) => Order::Descending,
        };
        let sight = self.sight(cx, &outlook, self.joined_to(cx, &parts)).await?;
        let listing = Listing { parts, order, start, count, sight };
        let portion = self.store.list(cx.realm, &listing).await?;

        let (resources, crowds) = self.show_page(cx, &outlook, &portion.resources, &search.projection).await?;
        let cursor = |position| Cursor { issued: cx.now.as_millisecond(), count, position };
        Ok(Listed {
            total: portion.total,
            start_index: search.cursor.is_none().then(|| start_index(search)),
            next_cursor: portion.next.map(|position| self.cursors.seal(&cursor(position), &purpose)),
            resources,
            crowds,
        })
    }

    /// What the search asks of each resource type. Of a search over several, those that the filter
    /// rules out by their `meta.resourceType` alone are left out, and those that the caller may not search.
    async fn parts(
        &self,
        cx: &RequestContext,
        outlook: &Outlook,
        among: &Among,
        search: &Search,
    ) -> Result<Vec<Part>, ReadError> {
        let leniency = &self.leniency(cx);
        let filter = search.filter.as_deref().map(|text| Filter::parse_with(text, leniency)).transpose()?;
        let sort_by = search.sort_by.as_deref();
        match among {
            Among::One(resource_type) => {
                let within = self.look(cx, outlook, resource_type).await??.within();
                let filter = filter.map(|filter| filter.bind(resource_type, leniency)).transpose()?;
                let sort = sort_by.map(|path| Target::for_sort(path, resource_type)).transpose()?;
                Ok(vec![Part { resource_type: resource_type.clone(), filter, within, sort }])
            }
            Among::All => {
                let types = &self.schemas.resource_types;
                let filters = match filter {
                    Some(filter) => filter.bind_each(types, leniency)?.into_iter().map(Some).collect(),
                    None => vec![None; types.len()],
                };
                let sorts = match sort_by {
                    Some(path) => Target::for_sort_each(path, types)?,
                    None => vec![None; types.len()],
                };
                let parts = types.iter().zip(filters).zip(sorts);
                let part = |((of, filter), sort): ((&Arc<ResourceType>, _), _)| Part {
                    resource_type: of.clone(),
                    filter,
                    within: None,
                    sort,
                };
                let possible = |part: &Part| part.filter.as_ref().is_none_or(|f| !f.rules_out(&part.resource_type));
                let mut allowed = Vec::with_capacity(types.len());
                for part in parts.map(part).filter(possible) {
                    if let Ok(passed) = self.look(cx, outlook, &part.resource_type).await? {
                        allowed.push(Part { within: passed.within(), ..part });
                    }
                }
                Ok(allowed)
            }
        }
    }

    /// The guarded types of what is joined to these in their filters and orders: anything may be a member.
    fn joined_to(&self, cx: &RequestContext, parts: &[Part]) -> Vec<Arc<ResourceType>> {
        let joins = |name: &str| {
            let filters = parts.iter().any(|part| part.filter.as_ref().is_some_and(|filter| filter.mentions(name)));
            let sorts = |target: &Target| target.steps.first().is_some_and(|step| step == name);
            filters || parts.iter().any(|part| part.sort.as_ref().is_some_and(sorts))
        };
        let (members, groups) = (joins("members"), joins("groups"));
        if members || groups { self.guarded(cx, |of| members || of.has_members) } else { Vec::new() }
    }

    /// How many resources the page holds at most; what is too many is cut (S-12.3, S-13.8).
    fn count(&self, search: &Search) -> usize {
        let count = search.count.map_or(PAGE_RESOURCES_DEFAULT, |n| usize::try_from(n.max(0)).unwrap_or(usize::MAX));
        count.min(self.settings.page_resources_max)
    }

    /// Where a cursor leads: to the first page if it is empty (S-13.1).
    fn behind(
        &self,
        cx: &RequestContext,
        text: &str,
        purpose: &Purpose,
        count: usize,
        parts: &[Part],
    ) -> Result<Option<Position>, Invalid> {
        if text.is_empty() {
            return Ok(None);
        }
        let found = self.cursors.open(text, purpose)?;
        let age_ms = cx.now.as_millisecond().saturating_sub(found.issued);
        let timeout = self.settings.cursor_timeout_seconds;
        if u64::try_from(age_ms).unwrap_or(0) > timeout.saturating_mul(1_000) {
            let detail = format!("the cursor is older than {timeout} seconds; ask for the first page again");
            return Err(Invalid::new(ScimType::ExpiredCursor, detail));
        }
        if found.count != count {
            let detail =
                format!("the first page was asked with a `count` of {}; ask for the next with the same", found.count);
            return Err(Invalid::new(ScimType::InvalidCount, detail));
        }
        let lies_in = |part: &Part| part.resource_type.number == found.position.type_number();
        if parts.iter().any(lies_in) { Ok(Some(found.position)) } else { Err(cursor::invalid()) }
    }
}

/// The first index that is wanted; less than 1 counts as 1 (S-12.1).
fn start_index(search: &Search) -> usize {
    search.start_index.map_or(1, |n| usize::try_from(n.max(1)).unwrap_or(usize::MAX))
}
