//! From a stored resource to what a client is shown.
//!
//! What is not part of a resource's document, a group's `members` and a user's `groups`, is joined
//! from the edges, only where the projection shows it, and for a whole page at once: counts, edges,
//! names and groups are each read together. An answer holds so many members; a group that does not
//! fit any more becomes a crowd, which is read while it is sent.
//!
//! The whole document goes through the plugins that shape it, then the members join it, and the
//! projection picks from the result.

use std::borrow::Cow;
use std::sync::Arc;

use provost_scim::{Attributes, Member, Projection, Resource, ResourceType, Switch, reference};
use serde_json::Value;
use tracing::warn;
use uuid::Uuid;

use super::crowd::Crowd;
use super::gate::Outlook;
use super::{Answer, Pipeline, ReadError};
use crate::context::RequestContext;
use crate::hook::Act;
use crate::limits::{GROUPS_FOLLOWED_MAX, MEMBERS_HELD_MAX};
use crate::store::Ancestry;

/// What every resource has and no plugin shapes.
const BARE: [&str; 3] = ["schemas", "id", "meta"];

/// What is joined as `members`.
enum Members {
    Hidden,
    Whole(Vec<Value>),
    Crowd(Crowd),
}

impl Pipeline {
    /// The resource as the projection wants it; its `groups` were read before. After a write, what is
    /// returned on request shows too, if the client supplied it (checklist S-3.17): `supplied` holds
    /// the canonical paths of the request.
    pub(super) async fn show(
        &self,
        cx: &RequestContext,
        outlook: &Outlook,
        resource: &Resource,
        projection: &Projection,
        supplied: &[String],
        groups: Option<Vec<Value>>,
    ) -> Result<Answer, ReadError> {
        let (act, of) = (outlook.act, resource.resource_type());
        let view = view(cx, of, projection);
        let members = match cx.dry_run {
            // The edges are as they were.
            true => Members::Hidden,
            false => self.members(cx, outlook, &[(resource, &view)]).await?.pop().unwrap_or(Members::Hidden),
        };
        let mut document = self.document(resource, groups);
        if self.is_shaped(cx, act, of) && !is_bare(&view.apply_to_write(of, document.clone(), supplied)) {
            document = match self.shape(cx, act, of, vec![document.clone()]).await {
                Ok(shaped) => shaped.into_iter().next().unwrap_or_default(),
                // The change is made, and must not be answered as if it were not: of what could not
                // be shaped, nothing is shown.
                Err(error) if matches!(act, Act::Change(_)) => {
                    warn!(
                        request.id = %cx.request_id, reason = %error,
                        "a change was answered with the resource's id, schemas and meta only, since a plugin failed"
                    );
                    document.retain(|name, _| BARE.contains(&name.as_str()));
                    document
                }
                Err(error) => return Err(error),
            };
        }
        let (document, crowd) = projected(of, &view, supplied, document, members);
        let location = reference::location(&self.settings.base_url, resource.resource_type(), resource.id());
        Ok(Answer { document, crowd, version: resource.version(), etag: resource.etag(), location })
    }

    /// A page of a list. Beside the documents stand the crowds, each with its group's place.
    pub(super) async fn show_page(
        &self,
        cx: &RequestContext,
        outlook: &Outlook,
        resources: &[Resource],
        projection: &Projection,
    ) -> Result<(Vec<Attributes>, Vec<(usize, Crowd)>), ReadError> {
        let members_of: Vec<_> = resources.iter().map(|r| (r.resource_type(), r.id())).collect();
        let groups = self.groups(cx, outlook, &members_of, projection).await?;
        let listed =
            |of: &Arc<ResourceType>| match of.has_members && self.settings.leniency.is_on(Switch::ListHideMembers) {
                true => Cow::Owned(projection.on_request("members")),
                false => Cow::Borrowed(projection),
            };
        let views: Vec<Projection> =
            resources.iter().map(|r| view(cx, r.resource_type(), &listed(r.resource_type())).into_owned()).collect();
        let pairs: Vec<_> = resources.iter().zip(&views).collect();
        let members = self.members(cx, outlook, &pairs).await?;

        let whole = resources.iter().zip(groups).map(|(resource, groups)| self.document(resource, groups)).collect();
        let shaped = self.shape_page(cx, outlook.act, resources, whole).await?;
        let (mut documents, mut crowds) = (Vec::with_capacity(resources.len()), Vec::new());
        for ((place, (resource, view)), (document, members)) in
            pairs.into_iter().enumerate().zip(shaped.into_iter().zip(members))
        {
            let (document, crowd) = projected(resource.resource_type(), view, &[], document, members);
            documents.push(document);
            crowds.extend(crowd.map(|crowd| (place, crowd)));
        }
        Ok((documents, crowds))
    }

    /// The documents of a page, as the plugins of their types shape them.
    async fn shape_page(
        &self,
        cx: &RequestContext,
        act: Act,
        resources: &[Resource],
        mut documents: Vec<Attributes>,
    ) -> Result<Vec<Attributes>, ReadError> {
        for of in &self.schemas.resource_types {
            if !self.is_shaped(cx, act, of) {
                continue;
            }
            let is_of = |place: &usize| resources[*place].resource_type().number == of.number;
            let places: Vec<usize> = (0..resources.len()).filter(is_of).collect();
            let batch = places.iter().map(|place| std::mem::take(&mut documents[*place])).collect();
            for (place, shaped) in places.iter().zip(self.shape(cx, act, of, batch).await?) {
                documents[*place] = shaped;
            }
        }
        Ok(documents)
    }

    /// The whole document, but for its members.
    fn document(&self, resource: &Resource, groups: Option<Vec<Value>>) -> Attributes {
        let mut document = resource.document();
        if let Some(Value::Object(meta)) = document.get_mut("meta") {
            let location = reference::location(&self.settings.base_url, resource.resource_type(), resource.id());
            meta.insert("location".to_owned(), Value::String(location));
        }
        insert_list(&mut document, "groups", groups.unwrap_or_default());
        document
    }

    /// The `groups` of each of these, direct and indirect; nothing where they are not shown. Those
    /// that do not exist for the caller are left out, and what is reached only through them.
    pub(super) async fn groups(
        &self,
        cx: &RequestContext,
        outlook: &Outlook,
        of: &[(&Arc<ResourceType>, Uuid)],
        projection: &Projection,
    ) -> Result<Vec<Option<Vec<Value>>>, ReadError> {
        let shown = |(resource_type, _): &(&Arc<ResourceType>, Uuid)| {
            resource_type.attribute("groups").is_some() && projection.wants(resource_type, "groups")
        };
        let ids: Vec<Uuid> = of.iter().filter(|one| shown(one)).map(|(_, id)| *id).collect();
        if ids.is_empty() {
            return Ok(vec![None; of.len()]);
        }
        let names = of.iter().any(|(resource_type, _)| projection.wants_part(resource_type, "groups", "display"));
        let sight = self.sight(cx, outlook, self.guarded(cx, |of| of.has_members)).await?;
        let ancestry = Ancestry::new(&self.store, cx.realm, GROUPS_FOLLOWED_MAX);
        let lineages = ancestry.seeing(&sight).of(&ids).await?;
        let groups = self.store.shown_groups(cx.realm, &lineages, names).await?;
        let mut groups = groups.into_iter().map(|groups| groups.into_iter().map(Value::Object).collect());
        Ok(of.iter().map(|one| if shown(one) { groups.next() } else { None }).collect())
    }

    /// Asks ahead of a write for what its answer will need of the gatekeepers: if they cannot tell,
    /// nothing is changed.
    pub(super) async fn foresee(
        &self,
        cx: &RequestContext,
        outlook: &Outlook,
        of: &Arc<ResourceType>,
        projection: &Projection,
    ) -> Result<(), ReadError> {
        if of.has_members && projection.wants(of, "members") {
            self.sight(cx, outlook, self.guarded(cx, |_| true)).await?;
        }
        Ok(())
    }

    /// The members of each of these, in few reads: how many there are, the edges, the names.
    async fn members(
        &self,
        cx: &RequestContext,
        outlook: &Outlook,
        of: &[(&Resource, &Projection)],
    ) -> Result<Vec<Members>, ReadError> {
        let mut shown: Vec<Members> = of.iter().map(|_| Members::Hidden).collect();
        let wanted: Vec<usize> = (0..of.len()).filter(|place| wants_members(of[*place])).collect();
        let groups: Vec<&Resource> = wanted.iter().map(|place| of[*place].0).collect();
        let counts = self.store.member_counts(cx.realm, &groups).await?;

        let (mut whole, mut crowds, mut left) = (Vec::new(), Vec::new(), MEMBERS_HELD_MAX);
        for (place, count) in wanted.into_iter().zip(counts) {
            match usize::try_from(count).ok().and_then(|count| Some((count, left.checked_sub(count)?))) {
                Some((0, _)) => {}
                Some((count, rest)) => {
                    whole.push((place, count));
                    left = rest;
                }
                None => crowds.push(place),
            }
        }
        // One more than there were tells whether others have joined meanwhile.
        let asked: Vec<_> = whole.iter().map(|(place, count)| (of[*place].0.id(), count + 1)).collect();
        let read = self.store.members_of_each(cx.realm, &asked).await?;
        let mut fitting = Vec::new();
        for ((place, count), members) in whole.into_iter().zip(read) {
            match members.len() > count {
                true => crowds.push(place),
                false => fitting.push((place, self.existing(cx, outlook, members).await?)),
            }
        }
        if !crowds.is_empty() {
            // Anything may be among them, and while they are sent nobody can be asked any more.
            let sight = self.sight(cx, outlook, self.guarded(cx, |_| true)).await?;
            for place in crowds {
                let (group, view) = of[place];
                shown[place] = Members::Crowd(Crowd::new(self, cx, sight.clone(), group, view));
            }
        }
        let names = fitting.iter().any(|(place, _)| wants_names(of[*place]));
        let all: Vec<Member> = fitting.iter().flat_map(|(_, members)| members).cloned().collect();
        let mut elements = self.store.shown_members(cx.realm, &all, names).await?.into_iter().map(Value::Object);
        for (place, members) in fitting {
            shown[place] = Members::Whole(elements.by_ref().take(members.len()).collect());
        }
        Ok(shown)
    }
}

/// What the projection shows of a document and its members.
fn projected(
    of: &ResourceType,
    view: &Projection,
    supplied: &[String],
    mut document: Attributes,
    members: Members,
) -> (Attributes, Option<Crowd>) {
    let crowd = match members {
        Members::Hidden => None,
        Members::Whole(members) => {
            insert_list(&mut document, "members", members);
            None
        }
        Members::Crowd(crowd) => Some(crowd),
    };
    (view.apply_to_write(of, document, supplied), crowd)
}

/// Whether nothing is shown that could be shaped.
fn is_bare(shown: &Attributes) -> bool {
    shown.keys().all(|name| BARE.contains(&name.as_str()))
}

/// What a request really sees of a type: `Group-Overhead-Bypass` hides the names of members
/// whatever else was asked for.
fn view<'a>(cx: &RequestContext, of: &ResourceType, projection: &'a Projection) -> Cow<'a, Projection> {
    match cx.overhead_bypass && of.has_members {
        true => Cow::Owned(projection.without_part(of, "members", "display")),
        false => Cow::Borrowed(projection),
    }
}

fn wants_members((resource, view): (&Resource, &Projection)) -> bool {
    resource.resource_type().has_members && view.wants(resource.resource_type(), "members")
}

/// Whether members are shown by name, so that their records must be read.
pub(super) fn wants_names((resource, view): (&Resource, &Projection)) -> bool {
    view.wants_part(resource.resource_type(), "members", "display")
}

fn insert_list(document: &mut Attributes, name: &str, values: Vec<Value>) {
    if !values.is_empty() {
        document.insert(name.to_owned(), Value::Array(values));
    }
}
