//! The filter language (RFC 7644 section 3.4.2.2): text, tree, and meaning.
//!
//! A [`Filter`] is what was written. Bound to a resource type it becomes a [`Bound`] filter, in
//! which every path is resolved, every literal fits its attribute, and nothing can fail any more.

use jiff::Timestamp;
use serde_json::Number;

use crate::{AttributeType, compare};

mod bind;
mod matches;
pub(crate) mod parse;
mod print;

/// How long a filter, or the path of a patch operation, may be, in bytes.
pub const FILTER_BYTES_MAX: usize = 8192;

/// How deep parentheses and brackets may be nested.
pub const FILTER_DEPTH_MAX: usize = 32;

/// How many comparisons one filter may hold.
pub const FILTER_TERMS_MAX: usize = 256;

/// A filter as written, with names not yet looked up.
#[derive(Debug, Clone, PartialEq)]
pub enum Filter {
    /// Every part holds.
    And(Vec<Filter>),
    /// At least one part holds.
    Or(Vec<Filter>),
    /// The part does not hold.
    Not(Box<Filter>),
    /// `path op literal`
    Compare(AttrPath, CompareOp, Literal),
    /// `path pr`
    Present(AttrPath),
    /// `path[filter]`: one element satisfies the whole filter.
    Element(AttrPath, Box<Filter>),
}

/// `[schemaURN ":"] name ["." sub]`, as written.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AttrPath {
    /// The schema URN in front, without its last colon.
    pub schema: Option<String>,
    /// The attribute; empty when the whole text is a schema URN.
    pub name: String,
    /// The sub-attribute.
    pub sub: Option<String>,
}

/// The comparison operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CompareOp {
    /// Equal.
    Eq,
    /// Not equal.
    Ne,
    /// Contains.
    Co,
    /// Starts with.
    Sw,
    /// Ends with.
    Ew,
    /// Greater than.
    Gt,
    /// Greater than or equal.
    Ge,
    /// Less than.
    Lt,
    /// Less than or equal.
    Le,
}

/// The right-hand side of a comparison, as written.
#[derive(Debug, Clone, PartialEq)]
pub enum Literal {
    /// `null`
    Null,
    /// `true` or `false`
    Boolean(bool),
    /// A JSON number.
    Number(Number),
    /// A JSON string, decoded.
    String(String),
}

/// A filter whose names are looked up and whose literals fit.
#[derive(Debug, Clone, PartialEq)]
pub enum Bound {
    /// Every part holds.
    And(Vec<Bound>),
    /// At least one part holds.
    Or(Vec<Bound>),
    /// The part does not hold.
    Not(Box<Bound>),
    /// Some value at the target compares so.
    Compare {
        /// What is compared.
        target: Target,
        /// How.
        op: CompareOp,
        /// With what.
        operand: Operand,
    },
    /// The target has a value that is not empty.
    Present(Target),
    /// One element of the target satisfies the whole filter; targets inside are relative to it.
    Element {
        /// The complex attribute.
        target: Target,
        /// What one element must satisfy.
        filter: Box<Bound>,
    },
    /// Never holds: an attribute that this resource type does not know, in a query over several types.
    Never,
}

/// An attribute, looked up.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    /// The canonical path: `userName`, `emails.value`, `urn:…:enterprise:2.0:User:department`,
    /// `meta.lastModified`, `id`. Equal attributes have equal paths, however they were written.
    pub path: String,
    /// The keys to follow in a document, outermost first: container URN, attribute, sub-attribute.
    pub steps: Vec<String>,
    /// What its values are.
    pub kind: AttributeType,
    /// Whether comparison minds letter case.
    pub case_exact: bool,
}

/// A comparable value. Text is already folded where its attribute does not mind letter case, so
/// that equal values are equal bytes.
#[derive(Debug, Clone, PartialEq)]
pub enum Operand {
    /// Absent.
    Null,
    /// A boolean.
    Boolean(bool),
    /// An integer or a decimal.
    Number(compare::Number),
    /// Text, folded if the attribute is not case exact.
    Text(String),
    /// A dateTime, at millisecond precision.
    Instant(Timestamp),
    /// Decoded base64.
    Bytes(Vec<u8>),
}
