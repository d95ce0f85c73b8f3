//! Who may do and see what.

use std::ops::Deref;

use serde::de::DeserializeOwned;

use crate::{Context, Failure, Refusal, RefusalStatus, document};

/// What an access hook is asked: may this caller do this, and with what?
///
/// It carries the [`Context`], so `inquiry.operation` and `inquiry.caller` read naturally.
#[derive(Debug, Clone)]
pub struct Inquiry {
    context: Context,
    target: Option<String>,
}

impl Inquiry {
    /// The resource that is read or changed, as it is stored, as `T`. Absent on a search, on a
    /// create, and where resources of this type are only shown inside others.
    pub fn target<T: DeserializeOwned>(&self) -> Result<Option<T>, Failure> {
        self.target.as_deref().map(|text| document::read_text(text, "the target")).transpose()
    }

    /// The same, as JSON text.
    pub fn target_json(&self) -> Option<&str> {
        self.target.as_deref()
    }

    /// The facts around it.
    pub fn context(&self) -> &Context {
        &self.context
    }

    #[doc(hidden)]
    pub fn from_parts(context: Context, target: Option<String>) -> Self {
        Self { context, target }
    }
}

impl Deref for Inquiry {
    type Target = Context;

    fn deref(&self) -> &Context {
        &self.context
    }
}

/// What an access hook answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// As far as this plugin is concerned.
    Allow,
    /// Whatever this SCIM filter does not match does not exist for the caller: not in searches
    /// and their totals, not by id, not as a member, not as the target of a change; and nothing
    /// can be changed so that it no longer matches.
    Narrow(String),
    /// No.
    Deny(Refusal),
}

impl Decision {
    /// As far as this plugin is concerned.
    pub fn allow() -> Self {
        Self::Allow
    }

    /// Only what this SCIM filter matches. [`crate::filter`] makes one that no value can break out of.
    pub fn narrow(filter: impl Into<String>) -> Self {
        Self::Narrow(filter.into())
    }

    /// 403. `detail` reaches the client.
    pub fn forbid(detail: impl Into<String>) -> Self {
        Self::Deny(Refusal { status: RefusalStatus::Forbidden, scim_type: None, detail: detail.into() })
    }

    /// 404: to this caller, there is no such thing.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::Deny(Refusal { status: RefusalStatus::NotFound, scim_type: None, detail: detail.into() })
    }
}
