//! Why a request breaks the protocol, in the protocol's own words (RFC 7644 section 3.12).

use std::fmt;

/// The `scimType` keywords of RFC 7644 table 9 and RFC 9865 section 2.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ScimType {
    /// The filter's syntax is wrong, or the attribute and the operator do not go together.
    InvalidFilter,
    /// The result is too large to compute.
    TooMany,
    /// A value is taken already.
    Uniqueness,
    /// The change is not allowed by the attribute's mutability or current state.
    Mutability,
    /// The message's structure is wrong.
    InvalidSyntax,
    /// The path of a patch operation is malformed, or names nothing in the schema.
    InvalidPath,
    /// The path of a patch operation selects nothing.
    NoTarget,
    /// A required value is missing, or a value does not fit its attribute.
    InvalidValue,
    /// The protocol version in the URL is not spoken here.
    InvalidVers,
    /// The request puts personal data into its URI.
    Sensitive,
    /// The cursor of a page is not one that this server has given for this query.
    InvalidCursor,
    /// The cursor of a page was good once; the query begins anew.
    ExpiredCursor,
    /// The size of a page is another one than its cursor was made for.
    InvalidCount,
}

impl ScimType {
    /// The keyword as it stands on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidFilter => "invalidFilter",
            Self::TooMany => "tooMany",
            Self::Uniqueness => "uniqueness",
            Self::Mutability => "mutability",
            Self::InvalidSyntax => "invalidSyntax",
            Self::InvalidPath => "invalidPath",
            Self::NoTarget => "noTarget",
            Self::InvalidValue => "invalidValue",
            Self::InvalidVers => "invalidVers",
            Self::Sensitive => "sensitive",
            Self::InvalidCursor => "invalidCursor",
            Self::ExpiredCursor => "expiredCursor",
            Self::InvalidCount => "invalidCount",
        }
    }
}

impl fmt::Display for ScimType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A request, filter, path or document that breaks the protocol or its schema.
///
/// `detail` names what was wrong (the attribute, the operator, the position) for the person who
/// sent it. It never repeats an attribute's value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct Invalid {
    /// The keyword a client can act on.
    pub scim_type: ScimType,
    /// One sentence for a person.
    pub detail: String,
}

impl Invalid {
    /// A refusal of `scim_type` with its sentence.
    pub fn new(scim_type: ScimType, detail: impl Into<String>) -> Self {
        Self { scim_type, detail: detail.into() }
    }

    /// 400 `invalidValue`.
    pub fn value(detail: impl Into<String>) -> Self {
        Self::new(ScimType::InvalidValue, detail)
    }

    /// 400 `invalidSyntax`.
    pub fn syntax(detail: impl Into<String>) -> Self {
        Self::new(ScimType::InvalidSyntax, detail)
    }

    /// 400 `invalidFilter`.
    pub fn filter(detail: impl Into<String>) -> Self {
        Self::new(ScimType::InvalidFilter, detail)
    }

    /// 400 `invalidPath`.
    pub fn path(detail: impl Into<String>) -> Self {
        Self::new(ScimType::InvalidPath, detail)
    }

    /// 400 `noTarget`.
    pub fn no_target(detail: impl Into<String>) -> Self {
        Self::new(ScimType::NoTarget, detail)
    }

    /// 400 `mutability`.
    pub fn mutability(detail: impl Into<String>) -> Self {
        Self::new(ScimType::Mutability, detail)
    }
}

/// A name from a request, short enough to be repeated in a sentence.
pub(crate) fn shown(name: &str) -> String {
    const SHOWN_CHARS_MAX: usize = 100;
    name.chars().filter(|c| !c.is_control()).take(SHOWN_CHARS_MAX).collect()
}
