//! Gathers one page of a list without keeping all that matches.

use std::cmp::Ordering;
use std::collections::HashMap;

use provost_scim::Resource;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::super::Store;
use super::{FindError, Listing, Order, Portion, Position, RECORDS_PER_READ, Start};
use crate::context::Realm;

/// Where a resource stands in an order: its value, as an index writes it, and its id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    pub(super) key: Option<Vec<u8>>,
    pub(super) id: Uuid,
}

impl Place {
    /// Who has no value comes last (S-11.4), and equals stand by id (S-11.6). Descending is
    /// ascending turned around, so who has no value comes first.
    fn order(&self, other: &Self, order: Order) -> Ordering {
        let ascending = (self.key.is_none(), &self.key, self.id).cmp(&(other.key.is_none(), &other.key, other.id));
        match order {
            Order::Descending => ascending.reverse(),
            Order::Ascending | Order::ById => ascending,
        }
    }
}

/// The page so far.
pub struct Collector<'a> {
    listing: &'a Listing,
    /// How many of the matches go by before the page.
    skip: usize,
    /// How many places are kept: up to the page's end, and one more to know whether it is the last.
    keep: usize,
    total: usize,
    /// Without an order: the page itself.
    resources: Vec<Resource>,
    /// With an order: the first places, each with its part's number, and at times some more.
    places: Vec<(Place, usize)>,
}

impl<'a> Collector<'a> {
    pub fn new(listing: &'a Listing) -> Self {
        let (skip, keep) = match listing.start {
            Start::Index(index) => (index.saturating_sub(1), index.saturating_sub(1).saturating_add(listing.count)),
            Start::Behind(_) => (0, listing.count.saturating_add(1)),
        };
        Self { listing, skip, keep, total: 0, resources: Vec::new(), places: Vec::new() }
    }

    /// Takes one match, of the listing's part of this number.
    pub fn take(&mut self, part: usize, key: Option<Vec<u8>>, resource: Resource) {
        self.total += 1;
        let order = self.listing.order;
        if order == Order::ById {
            if self.total > self.skip && self.resources.len() < self.listing.count {
                self.resources.push(resource);
            }
            return;
        }
        let place = Place { key, id: resource.id() };
        if let Start::Behind(Some(behind)) = &self.listing.start
            && place.order(&behind.place, order).is_le()
        {
            return;
        }
        self.places.push((place, part));
        if self.places.len() > self.keep.saturating_mul(2).max(RECORDS_PER_READ) {
            self.places.select_nth_unstable_by(self.keep, |(a, _), (b, _)| a.order(b, order));
            self.places.truncate(self.keep);
        }
    }

    /// The page.
    pub async fn finish(mut self, store: &Store, realm: Realm) -> Result<Portion, FindError> {
        let total = Some(self.total);
        let Listing { parts, order, start, count, .. } = self.listing;
        if *order == Order::ById {
            return Ok(Portion { total, resources: self.resources, next: None });
        }
        self.places.sort_unstable_by(|(a, _), (b, _)| a.order(b, *order));
        let more = self.places.len() > self.skip.saturating_add(*count);
        let page: Vec<(Place, usize)> = self.places.into_iter().skip(self.skip).take(*count).collect();
        let next = match (start, page.last()) {
            (Start::Behind(_), Some((place, part))) if more => {
                Some(Position { type_number: parts[*part].resource_type.number, place: place.clone() })
            }
            _ => None,
        };
        let mut found: HashMap<Uuid, Resource> = HashMap::with_capacity(page.len());
        for (number, part) in parts.iter().enumerate() {
            let ids: Vec<Uuid> = page.iter().filter(|(_, part)| *part == number).map(|(place, _)| place.id).collect();
            let resources = store.get_all(realm, &part.resource_type, &ids).await?;
            found.extend(resources.into_iter().map(|resource| (resource.id(), resource)));
        }
        // Who went meanwhile is left out.
        let resources = page.iter().filter_map(|(place, _)| found.remove(&place.id)).collect();
        Ok(Portion { total, resources, next })
    }
}
