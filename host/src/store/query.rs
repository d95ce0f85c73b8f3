//! Lists: filters, an order, a page.
//!
//! A list goes over one resource type or several. For each, a plan names the candidates, or a walk
//! goes through all resources of the type; the filter itself has the last word on each candidate.
//!
//! A page begins at an index or behind a position. Behind a position, a list that stands in its
//! order already is followed from there on: nothing before it is read, and nothing behind the page,
//! so that the last page costs what the first does. A position is where a resource stood, not the
//! resource: whether that still exists does not matter.
//!
//! The order of a sorted list is the order of the keys in an index. So a walk on an index and a list
//! that is sorted here agree, and a position has a bounded size. (Texts that are equal in their first
//! [`super::order::VALUE_BYTES_MAX`] bytes stand together, in the order of their hashes.)

mod candidates;
mod collect;

use std::borrow::Cow;
use std::sync::Arc;

use provost_scim::filter::{Bound, Target};
use provost_scim::{Resource, ResourceType};
use serde::{Deserialize, Serialize};

use super::catalog::Entry;
use super::joins::Test;
use super::{Sight, Store, StoreError};
use crate::context::Realm;
use candidates::{Candidate, Candidates};
use collect::{Collector, Place};

/// How many records are read at a time.
const RECORDS_PER_READ: usize = 256;

/// How many keys are read at a time.
const KEYS_PER_READ: usize = 10_000;

/// What a list of one resource type asks for.
#[derive(Debug, Clone, Default)]
pub struct Query {
    /// Which resources; all, if absent.
    pub filter: Option<Bound>,
    /// By what they are sorted, and whether from the greatest down; by id, if absent.
    pub sort: Option<(Target, bool)>,
    /// The first one wanted, from 1; less counts as 1.
    pub start_index: usize,
    /// How many are wanted at most.
    pub count: usize,
}

/// One page of such a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// How many resources match in all.
    pub total: usize,
    /// Those of this page.
    pub resources: Vec<Resource>,
}

/// What a list of several resource types asks for.
#[derive(Debug, Clone)]
pub struct Listing {
    /// The types, in the order they stand in where nothing else orders them.
    pub parts: Vec<Part>,
    /// In which order.
    pub order: Order,
    /// Where the page begins.
    pub start: Start,
    /// How many are wanted at most.
    pub count: usize,
    /// What exists among that which is joined to the resources: their members and groups.
    pub sight: Sight,
}

/// What is asked of one resource type.
#[derive(Debug, Clone)]
pub struct Part {
    /// The type.
    pub resource_type: Arc<ResourceType>,
    /// Which resources of it; all, if absent.
    pub filter: Option<Bound>,
    /// Which resources of it exist at all for whoever asks; all, if absent.
    pub within: Option<Arc<Bound>>,
    /// By what they are sorted; without it, none of them has a value to sort by.
    pub sort: Option<Target>,
}

impl Part {
    /// Whether all resources of the type are asked for.
    fn is_whole(&self) -> bool {
        self.filter.is_none() && self.within.is_none()
    }

    /// What a plan has to name: whatever exists and matches. A plan may name too many.
    pub(super) fn candidates(&self) -> Option<Cow<'_, Bound>> {
        match (&self.within, &self.filter) {
            (None, None) => None,
            (None, Some(filter)) => Some(Cow::Borrowed(filter)),
            (Some(within), None) => Some(Cow::Borrowed(within)),
            (Some(within), Some(filter)) => Some(Cow::Owned(Bound::And(vec![(**within).clone(), filter.clone()]))),
        }
    }
}

/// In which order resources stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Type by type, and by id.
    ById,
    /// By value, and by id among equals; those without a value come last (S-11.4, S-11.6).
    Ascending,
    /// The same, turned around.
    Descending,
}

/// Where a page begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// At the resource of this index, from 1; less counts as 1.
    Index(usize),
    /// Behind a position; without one, at the first resource.
    Behind(Option<Position>),
}

/// A position in a list: where a resource stood when it was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    type_number: u16,
    place: Place,
}

impl Position {
    /// The number of the resource type that it lies in.
    pub fn type_number(&self) -> u16 {
        self.type_number
    }
}

/// One page of a list of several resource types.
#[derive(Debug, Clone, PartialEq)]
pub struct Portion {
    /// How many resources match in all. A page behind a position may not know.
    pub total: Option<usize>,
    /// Those of this page.
    pub resources: Vec<Resource>,
    /// Where the next page begins, of a page behind a position that is not the last one.
    pub next: Option<Position>,
}

/// Why a list was not made.
#[derive(Debug, Clone, thiserror::Error)]
pub enum FindError {
    /// Too many resources would have to be looked at.
    #[error("the query would have to look at more than {resources_max} resources and memberships")]
    TooMany {
        /// How many may be looked at.
        resources_max: usize,
    },
    /// Too many memberships would have to be followed.
    #[error("the groups in question are tied by more than {memberships_max} memberships")]
    TooManyGroups {
        /// How many may be followed.
        memberships_max: usize,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Store {
    /// The resources of one type that match, in order, one page of them.
    ///
    /// # Errors
    /// [`FindError::TooMany`] when no index helps and the type is too large to scan.
    pub async fn find(&self, realm: Realm, resource_type: &Arc<ResourceType>, query: Query) -> Result<Page, FindError> {
        let (sort, order) = match query.sort {
            None => (None, Order::ById),
            Some((target, false)) => (Some(target), Order::Ascending),
            Some((target, true)) => (Some(target), Order::Descending),
        };
        let listing = Listing {
            parts: vec![Part { resource_type: resource_type.clone(), filter: query.filter, within: None, sort }],
            order,
            start: Start::Index(query.start_index),
            count: query.count,
            sight: Sight::default(),
        };
        let portion = self.list(realm, &listing).await?;
        // A page at an index always has its total.
        Ok(Page { total: portion.total.unwrap_or_default(), resources: portion.resources })
    }

    /// The resources of several types that match, in order, one page of them.
    ///
    /// # Errors
    /// [`FindError::TooMany`] when no index helps, there are too many resources to scan, and the page
    /// could not end before all were looked at.
    pub async fn list(&self, realm: Realm, listing: &Listing) -> Result<Portion, FindError> {
        let unfiltered = listing.parts.iter().all(Part::is_whole);
        let walk = self.walk_for(realm, listing).await?;
        let in_order = listing.order == Order::ById || walk.is_some();
        match &listing.start {
            _ if unfiltered && listing.count == 0 => self.pass_over(realm, listing, None, 0).await,
            Start::Index(index) if unfiltered && in_order => {
                self.pass_over(realm, listing, walk, index.saturating_sub(1)).await
            }
            Start::Behind(behind) if in_order && listing.count > 0 => {
                self.follow(realm, listing, walk, behind.as_ref()).await
            }
            Start::Index(_) | Start::Behind(_) => self.gather(realm, listing).await,
        }
    }

    /// Without a filter: the totals are counted already, and what is passed over is never decoded.
    async fn pass_over(
        &self,
        realm: Realm,
        listing: &Listing,
        walk: Option<&Entry>,
        mut skip: usize,
    ) -> Result<Portion, FindError> {
        let (mut total, mut resources) = (0_usize, Vec::new());
        for part in &listing.parts {
            let of_type = self.total(realm, &part.resource_type).await?;
            let wanted = listing.count - resources.len();
            if wanted > 0 && skip < of_type {
                let mut candidates = self.candidates(realm, listing, part, walk, None).await?;
                let found = candidates.next(wanted, skip).await?.unwrap_or_default();
                resources.extend(found.into_iter().map(|candidate| candidate.resource));
            }
            skip = skip.saturating_sub(of_type);
            total = total.saturating_add(of_type);
        }
        Ok(Portion { total: Some(total), resources, next: None })
    }

    /// From a position on, through candidates that stand in the order already, until the page is
    /// full. Where the budget ends before that, the page ends there, and the next goes on (S-13.3).
    async fn follow(
        &self,
        realm: Realm,
        listing: &Listing,
        walk: Option<&Entry>,
        behind: Option<&Position>,
    ) -> Result<Portion, FindError> {
        let unfiltered = listing.parts.iter().all(Part::is_whole);
        let mut total = None;
        if unfiltered {
            total = self.pass_over(realm, &Listing { count: 0, ..listing.clone() }, None, 0).await?.total;
        }
        let lies_in =
            |behind: &Position| listing.parts.iter().position(|p| p.resource_type.number == behind.type_number);
        let (first, mut behind) = match behind {
            Some(behind) => (lies_in(behind).unwrap_or(listing.parts.len()), Some(&behind.place)),
            None => (0, None),
        };
        let whole = behind.is_none();
        let mut budget = self.budget();
        let mut resources: Vec<Resource> = Vec::new();
        // Behind the last one shown, and behind the last one looked at.
        let (mut last, mut seen) = (None, None);
        for part in &listing.parts[first..] {
            let position = |place| Some(Position { type_number: part.resource_type.number, place });
            let mut test = Test::new(self, realm, part, &listing.sight);
            let behind = behind.take();
            let mut candidates = match self.candidates(realm, listing, part, walk, behind).await {
                // More than can be named can still be followed.
                Err(FindError::TooMany { .. }) => Candidates::all(self, realm, part, behind),
                candidates => candidates?,
            };
            loop {
                let limit = match unfiltered {
                    true => listing.count + 1 - resources.len(),
                    false => RECORDS_PER_READ.min(budget.left()),
                };
                if limit == 0 {
                    return Ok(Portion { total, resources, next: seen });
                }
                let Some(found) = candidates.next(limit, 0).await? else { break };
                seen = candidates.at().and_then(position);
                if !unfiltered {
                    budget.spend(found.len())?;
                }
                for Candidate { place, resource } in found {
                    if !test.passes(&resource, &mut budget).await? {
                        continue;
                    }
                    if resources.len() == listing.count {
                        return Ok(Portion { total, resources, next: last });
                    }
                    resources.push(resource);
                    last = position(place);
                }
            }
        }
        if whole {
            total = Some(resources.len());
        }
        Ok(Portion { total, resources, next: None })
    }

    /// All candidates, each held against the filter; then the order, then the page.
    async fn gather(&self, realm: Realm, listing: &Listing) -> Result<Portion, FindError> {
        let mut budget = self.budget();
        let mut page = Collector::new(listing);
        for (index, part) in listing.parts.iter().enumerate() {
            let mut test = Test::new(self, realm, part, &listing.sight);
            let mut candidates = self.candidates(realm, listing, part, None, None).await?;
            while let Some(found) = candidates.next(RECORDS_PER_READ, 0).await? {
                budget.spend(found.len())?;
                for Candidate { resource, .. } in found {
                    if test.passes(&resource, &mut budget).await? {
                        let key = test.sort_key(&resource, &mut budget).await?;
                        page.take(index, key, resource);
                    }
                }
            }
        }
        page.finish(self, realm).await
    }

    /// The index in whose order every resource of the list stands exactly once, if its attribute has
    /// one, and no plan names fewer candidates.
    async fn walk_for(&self, realm: Realm, listing: &Listing) -> Result<Option<&Entry>, StoreError> {
        let [part] = listing.parts.as_slice() else { return Ok(None) };
        let Some(target) = part.sort.as_ref().filter(|_| listing.order != Order::ById) else { return Ok(None) };
        let Some(entry) = self.catalog.find(part.resource_type.number, &target.path) else { return Ok(None) };
        let always_there = match target.path.as_str() {
            "meta.lastModified" => true,
            path => part.resource_type.attribute(path).is_some_and(|a| a.required && !a.multi_valued),
        };
        Ok((always_there && self.plan_for(realm, part).await?.is_none()).then_some(entry))
    }

    /// The candidates of one type: in the order of an index, or by id.
    async fn candidates<'a>(
        &'a self,
        realm: Realm,
        listing: &Listing,
        part: &'a Part,
        walk: Option<&'a Entry>,
        behind: Option<&Place>,
    ) -> Result<Candidates<'a>, FindError> {
        match walk {
            Some(entry) => Ok(Candidates::walk(self, realm, part, entry, listing.order == Order::Descending, behind)),
            None => Candidates::by_id(self, realm, part, behind).await,
        }
    }

    async fn total(&self, realm: Realm, resource_type: &ResourceType) -> Result<usize, StoreError> {
        Ok(usize::try_from(self.count(realm, resource_type).await?).unwrap_or(usize::MAX))
    }
}
