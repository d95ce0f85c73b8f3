//! What a review may answer: a closed set.

use serde::Serialize;
use serde_json::Value;

use crate::{Failure, Patch, Result};

/// What a before-write hook answers.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// The change may go on as it is.
    Proceed,
    /// These operations are applied to the proposed resource.
    Patch(Patch),
    /// This document takes the proposed one's place.
    Replace(Value),
    /// No.
    Reject(Refusal),
    /// Not yet.
    Hold(Hold),
}

impl Verdict {
    /// The change may go on as it is.
    pub fn proceed() -> Self {
        Self::Proceed
    }

    /// This document takes the proposed one's place. A [`Patch`] says less and is seldom wrong;
    /// [`Verdict::changes_between`] makes one.
    pub fn replace(document: &impl Serialize) -> Result<Self> {
        Ok(Self::Replace(serde_json::to_value(document)?))
    }

    /// The smallest patch that makes `after` of `before`; proceeds when they are equal.
    ///
    /// ```
    /// use provost_sdk::{User, Verdict};
    ///
    /// let before = User { nick_name: Some("Ana ".into()), ..User::default() };
    /// let mut after = before.clone();
    /// after.nick_name = Some("Ana".into());
    ///
    /// let Verdict::Patch(patch) = Verdict::changes_between(&before, &after)? else { panic!() };
    /// assert_eq!(patch.operations()[0]["path"], "nickName");
    /// # Ok::<(), provost_sdk::Failure>(())
    /// ```
    pub fn changes_between<T: Serialize>(before: &T, after: &T) -> Result<Self> {
        Ok(Patch::between(before, after)?.into_verdict())
    }

    /// 403: this must not be, whatever the values. `detail` reaches the client.
    pub fn forbid(detail: impl Into<String>) -> Self {
        Self::Reject(Refusal { status: RefusalStatus::Forbidden, scim_type: None, detail: detail.into() })
    }

    /// 400 with its keyword, most often [`ScimType::InvalidValue`]. `detail` reaches the client;
    /// name the attribute in it, not the value.
    pub fn bad_request(scim_type: ScimType, detail: impl Into<String>) -> Self {
        let scim_type = Some(scim_type);
        Self::Reject(Refusal { status: RefusalStatus::BadRequest, scim_type, detail: detail.into() })
    }

    /// 409 `uniqueness`: somebody else has it already.
    pub fn conflict(detail: impl Into<String>) -> Self {
        let scim_type = Some(ScimType::Uniqueness);
        Self::Reject(Refusal { status: RefusalStatus::Conflict, scim_type, detail: detail.into() })
    }

    /// 404: to this caller, there is no such thing.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::Reject(Refusal { status: RefusalStatus::NotFound, scim_type: None, detail: detail.into() })
    }

    /// A refusal with any status and keyword.
    pub fn reject(refusal: Refusal) -> Self {
        Self::Reject(refusal)
    }

    /// The change must wait until this many people have agreed.
    pub fn hold(reason: impl Into<String>, approvals: u32) -> Self {
        Self::Hold(Hold { reason: reason.into(), approvals, expires_s: None })
    }
}

/// So that a review can end in `Verdict::proceed().into()`.
impl From<Verdict> for Result<Verdict, Failure> {
    fn from(verdict: Verdict) -> Self {
        Ok(verdict)
    }
}

/// The rule said no.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What the client is answered.
    pub status: RefusalStatus,
    /// The keyword that the client can act on.
    pub scim_type: Option<ScimType>,
    /// One sentence for the client.
    pub detail: String,
}

/// The statuses a rule may refuse with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalStatus {
    /// 400
    BadRequest,
    /// 403
    Forbidden,
    /// 404
    NotFound,
    /// 409
    Conflict,
}

/// SCIM's keywords for what is wrong with a request (RFC 7644 section 3.12).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScimType {
    /// A value is missing or does not fit.
    InvalidValue,
    /// A value is taken already.
    Uniqueness,
    /// The attribute may not change, or not now.
    Mutability,
    /// A patch path selects nothing.
    NoTarget,
    /// A patch path is malformed.
    InvalidPath,
    /// The message's structure is wrong.
    InvalidSyntax,
    /// The answer would be too large.
    TooMany,
    /// The request puts personal data where it does not belong.
    Sensitive,
}

impl ScimType {
    /// Every keyword that a plugin may use.
    pub const ALL: [ScimType; 8] = [
        Self::InvalidValue,
        Self::Uniqueness,
        Self::Mutability,
        Self::NoTarget,
        Self::InvalidPath,
        Self::InvalidSyntax,
        Self::TooMany,
        Self::Sensitive,
    ];

    /// The keyword as it stands on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidValue => "invalidValue",
            Self::Uniqueness => "uniqueness",
            Self::Mutability => "mutability",
            Self::NoTarget => "noTarget",
            Self::InvalidPath => "invalidPath",
            Self::InvalidSyntax => "invalidSyntax",
            Self::TooMany => "tooMany",
            Self::Sensitive => "sensitive",
        }
    }
}

/// The change must wait for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// Why, for the client and the approvers.
    pub reason: String,
    /// How many must agree.
    pub approvals: u32,
    /// After how many seconds the wait is over.
    pub expires_s: Option<u64>,
}
