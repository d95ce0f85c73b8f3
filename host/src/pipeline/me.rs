//! `/Me`: a caller's own resource, and how people who have none yet register (RFC 7644 section 3.11).
//!
//! Whose resource is whose is found out here, by what the operator configured, and turned into the
//! resource's id and the capacity of its owner. From there on everything is an ordinary read or
//! write of that resource, which asks for permission again; what an owner may change is held
//! against the difference, so it does not matter how the request was worded.
//!
//! A registration is an ordinary create in the capacity of an applicant. It happens only under the
//! eyes of the policy plugin that the operator named for it.

use std::sync::Arc;

use provost_scim::filter::{AttrPath, CompareOp, Filter, Literal, Target};
use provost_scim::{
    AttributeType, Leniency, Projection, Resource, ResourceType, Schemas, Uniqueness, covers, resource, standard,
};
use serde::Deserialize;
use serde_json::Value;
use tracing::warn;
use uuid::Uuid;

use super::rate::Rate;
use super::{Answer, At, MeError, Pipeline, Precondition, ReadError, WriteError};
use crate::access::{self, Action};
use crate::context::{Capacity, RequestContext, Scope};
use crate::hook::{Change, OnFault, PluginName};
use crate::limits::REGISTRATIONS_PER_MINUTE_MAX;
use crate::store::{Index, Query};

/// What people may change of themselves unless the operator says otherwise.
const WRITABLE: [&str; 14] = [
    "name",
    "displayName",
    "nickName",
    "profileUrl",
    "title",
    "preferredLanguage",
    "locale",
    "timezone",
    "emails",
    "phoneNumbers",
    "ims",
    "photos",
    "addresses",
    "password",
];

/// `[scim.me]`: whose resource is whose, and what its owner may do.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MeRules {
    /// How a caller's resource is found; without it there is no `/Me`.
    pub bind: Option<Bind>,
    /// With `bind = "claim"`: the claim of the credential that says who its bearer is.
    pub claim: String,
    /// With `bind = "claim"`: the attribute of User that has the claim's value.
    pub attribute: String,
    /// The attribute paths that people may change of themselves: `name` covers `name.givenName`.
    pub writable: Vec<String>,
    /// How people register; without it, nobody does.
    pub registration: Option<Registration>,
}

/// How a caller's resource is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Bind {
    /// The token was made for it.
    Token,
    /// A claim of the credential is the value of one of its attributes.
    Claim,
}

/// `[scim.me.registration]`: `POST /Me`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registration {
    /// The plugin without whose review nobody registers.
    pub policy: PluginName,
    /// Whether people register without any credential. Their accounts begin inactive (S-6.12).
    #[serde(default)]
    pub anonymous: bool,
    /// How many register without a credential within a minute, at most.
    #[serde(default = "per_minute")]
    pub per_minute: u32,
}

fn per_minute() -> u32 {
    10
}

impl Default for MeRules {
    fn default() -> Self {
        Self {
            bind: None,
            claim: "sub".to_owned(),
            attribute: "userName".to_owned(),
            writable: WRITABLE.map(str::to_owned).into(),
            registration: None,
        }
    }
}

impl MeRules {
    /// Checks that the rules make sense for these schemas and indexes.
    ///
    /// # Errors
    /// The key in its table, and what was expected there.
    pub fn check(&self, schemas: &Schemas, indexes: &[Index]) -> Result<(), (&'static str, String)> {
        let Some(user) = people(schemas) else {
            return Err(("bind", "there is no resource type for people".to_owned()));
        };
        if let Some(path) = self.writable.iter().find(|path| user.place(path).is_none()) {
            return Err(("writable", format!("`{path}` is not an attribute of {}", user.name)));
        }
        if self.bind == Some(Bind::Claim) {
            if self.claim.is_empty() {
                return Err(("claim", "expected the name of a claim, such as `sub`".to_owned()));
            }
            if !is_found_by(user, &self.attribute, indexes) {
                let text = "expected `id`, or an attribute of User that is text and unique or indexed";
                return Err(("attribute", text.to_owned()));
            }
        }
        match &self.registration {
            Some(registration) if !(1..=REGISTRATIONS_PER_MINUTE_MAX).contains(&registration.per_minute) => {
                Err(("registration.per_minute", format!("expected 1 to {REGISTRATIONS_PER_MINUTE_MAX}")))
            }
            Some(_) | None => Ok(()),
        }
    }
}

/// Whether looking for this attribute's value costs a key or two, however many people there are.
fn is_found_by(user: &ResourceType, path: &str, indexes: &[Index]) -> bool {
    let Some((place, target)) = user.place(path).zip(Target::resolve(path, user)) else { return false };
    let unique = place.sub.or(place.attribute).is_some_and(|attribute| attribute.uniqueness != Uniqueness::None);
    let indexed = indexes.iter().any(|index| index.type_number == user.number && index.target.path == target.path);
    target.kind == AttributeType::String && (unique || indexed)
}

/// The resource type of people.
fn people(schemas: &Schemas) -> Option<&Arc<ResourceType>> {
    schemas.resource_types.iter().find(|of| of.schema.id == standard::USER)
}

/// What the pipeline keeps for `/Me` beside the rules.
pub(super) struct Desk {
    /// The writable paths as the schema spells them.
    writable: Vec<String>,
    /// Registrations without a credential.
    strangers: Rate,
}

impl Desk {
    pub(super) fn new(rules: &MeRules, schemas: &Schemas) -> Self {
        let spelled = |path: &String| people(schemas)?.place(path).map(|place| place.path());
        let per_minute = rules.registration.as_ref().map_or(per_minute(), |registration| registration.per_minute);
        Self { writable: rules.writable.iter().filter_map(spelled).collect(), strangers: Rate::per_minute(per_minute) }
    }
}

impl Pipeline {
    /// Whose resource `/Me` is for this caller: the context of its owner, and where it is. `action`
    /// is what the caller wants of it.
    ///
    /// # Errors
    /// [`MeError::Nobody`] when the credential belongs to no resource (S-14.6).
    pub async fn me(
        &self,
        cx: &RequestContext,
        action: Action,
        precondition: Precondition,
    ) -> Result<(RequestContext, At), MeError> {
        access::allow_on_own(cx, action)?;

        let bind = self.settings.me.bind.ok_or(MeError::Unconfigured { key: "scim.me.bind" })?;
        let user = people(&self.schemas).ok_or(MeError::Nobody)?;
        let own = match bind {
            Bind::Token => self.bound(cx, user).await?,
            Bind::Claim => self.claimed(cx, user).await?,
        };
        // Whoever may write everything need not be their own owner for it.
        let inactive = own.attributes().get("active") == Some(&Value::Bool(false));
        if inactive && !cx.actor.scopes.contains(&Scope::Write) {
            return Err(MeError::Inactive);
        }
        let cx = RequestContext { capacity: Capacity::Owner(own.id()), ..cx.clone() };
        Ok((cx, At { resource_type: user.clone(), id: own.id(), precondition }))
    }

    async fn bound(&self, cx: &RequestContext, user: &Arc<ResourceType>) -> Result<Resource, MeError> {
        let id = cx.actor.resource.ok_or(MeError::Nobody)?;
        self.person(cx, user, id).await
    }

    /// The one person whose attribute has the claim's value.
    async fn claimed(&self, cx: &RequestContext, user: &Arc<ResourceType>) -> Result<Resource, MeError> {
        let rules = &self.settings.me;
        let value = cx.actor.claims.get(&rules.claim).and_then(Value::as_str).filter(|value| !value.is_empty());
        let value = value.ok_or(MeError::Nobody)?;
        if rules.attribute.eq_ignore_ascii_case("id") {
            let id = resource::parse_id(value).ok_or(MeError::Nobody)?;
            return self.person(cx, user, id).await;
        }
        let path = AttrPath::parse(&rules.attribute).ok_or(MeError::Nobody)?;
        let filter = Filter::Compare(path, CompareOp::Eq, Literal::String(value.to_owned()));
        let filter = filter.bind(user, &Leniency::default()).map_err(ReadError::from)?;
        let query = Query { filter: Some(filter), start_index: 1, count: 2, ..Query::default() };
        let mut found = self.store.find(cx.realm, user, query).await.map_err(ReadError::from)?.resources;
        if found.len() > 1 {
            warn!(
                request.id = %cx.request_id, claim = rules.claim, attribute = rules.attribute,
                "the claim `{}` of a credential fits more than one person's `{}`, so `/Me` is nobody",
                rules.claim, rules.attribute
            );
            return Err(MeError::Nobody);
        }
        found.pop().ok_or(MeError::Nobody)
    }

    async fn person(&self, cx: &RequestContext, user: &Arc<ResourceType>, id: Uuid) -> Result<Resource, MeError> {
        self.store.get(cx.realm, user, id).await.map_err(ReadError::from)?.ok_or(MeError::Nobody)
    }

    /// Registers a person (RFC 7644 section 3.11): a create, as the operator's policy allows it.
    ///
    /// # Errors
    /// Nothing is stored, sent or remembered when this fails.
    pub async fn register(
        &self,
        cx: &RequestContext,
        body: Value,
        projection: &Projection,
    ) -> Result<Answer, WriteError> {
        let anonymous = cx.capacity == Capacity::Applicant { anonymous: true };
        let cx = RequestContext { capacity: Capacity::Applicant { anonymous }, ..cx.clone() };
        access::allow(&cx, Action::Write)?;

        let unconfigured = || MeError::Unconfigured { key: "scim.me.registration" };
        self.settings.me.registration.as_ref().ok_or_else(unconfigured)?;
        if anonymous {
            self.desk.strangers.admit(cx.now).map_err(|retry_after_s| MeError::TooMany { retry_after_s })?;
        }
        let user = people(&self.schemas).ok_or_else(unconfigured)?.clone();
        self.create(&cx, &user, body, projection).await
    }

    /// Holds a change to what its maker may do in this capacity, before any plugin is asked. What
    /// plugins add is theirs.
    pub(super) fn hold_to_capacity(&self, cx: &RequestContext, change: &mut Change) -> Result<(), WriteError> {
        match cx.capacity {
            Capacity::Client => Ok(()),
            Capacity::Plugin => Ok(self.within_grant(cx, change)?),
            Capacity::Owner(_) if cx.actor.scopes.contains(&Scope::Write) => Ok(()),
            Capacity::Owner(_) => Ok(self.within_reach(change, &[])?),
            Capacity::Applicant { anonymous } => {
                self.within_reach(change, &["userName"])?;
                if let (true, Some(proposed)) = (anonymous, &mut change.proposed) {
                    // Until somebody confirms who this is (S-6.12).
                    proposed.attributes.insert("active".to_owned(), Value::Bool(false));
                    change.note_changed_paths();
                }
                Ok(self.is_guarded(cx, change)?)
            }
        }
    }

    fn within_reach(&self, change: &Change, beside: &[&str]) -> Result<(), MeError> {
        let reaches = |path: &str| {
            let writable = self.desk.writable.iter().map(String::as_str);
            writable.chain(beside.iter().copied()).any(|granted| covers(granted, path))
        };
        match change.changed_paths.iter().find(|path| !reaches(path)) {
            Some(path) => Err(MeError::OutOfReach { path: path.clone() }),
            None => Ok(()),
        }
    }

    /// Whether the policy plugin reviews this registration, and can stop it.
    fn is_guarded(&self, cx: &RequestContext, change: &Change) -> Result<(), MeError> {
        let Some(registration) = &self.settings.me.registration else {
            return Err(MeError::Unconfigured { key: "scim.me.registration" });
        };
        let policy = &registration.policy;
        let reviewers = self.hooks(cx).reviewers(change);
        let guards = reviewers.iter().any(|r| r.attribution.plugin == *policy && r.on_fault == OnFault::Refuse);
        if guards { Ok(()) } else { Err(MeError::Unguarded { policy: policy.clone() }) }
    }
}
