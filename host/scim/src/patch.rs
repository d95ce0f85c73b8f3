//! PATCH (RFC 7644 section 3.5.2): reading a request's operations, and applying them to a draft.
//!
//! [`PatchRequest::parse`] reads the envelope; [`apply`] then works through the operations in
//! their order, each on what the one before has left. Nothing is stored here, so a request that
//! fails in its middle has changed nothing (S-16.6).
//!
//! Mutability is judged operation by operation, since it is about transitions. What a resource
//! must have is judged at the end, so that a list can be emptied and filled in one request (S-16.7).
//!
//! A group's members are never looked at: what an operation does to them becomes a
//! [`crate::MembershipEdit`], which costs the same for ten members and for a hundred thousand.

mod apply;
mod elements;
mod members;
mod normalise;
mod step;
mod supplied;
mod value;

use std::fmt;

use serde_json::{Map, Value};

pub use apply::apply;
pub use normalise::normalised;
pub use supplied::supplied;

use crate::filter::AttrPath;
use crate::path::PatchPath;
use crate::{Invalid, Leniency, ResourceType, Switch};

/// The URN of a PATCH request's envelope.
pub const PATCH_OP: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

/// How many operations one request may hold.
pub const PATCH_OPERATIONS_MAX: usize = 1000;

/// How many list elements one request may look at, over all its operations. A path with a filter
/// looks at each element of its list.
pub const PATCH_ELEMENTS_MAX: usize = 1_000_000;

/// What an operation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Op {
    /// Adds values to a list, or sets one.
    Add,
    /// Unassigns.
    Remove,
    /// Puts values in the place of others.
    Replace,
}

impl Op {
    /// The operation as it stands on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Remove => "remove",
            Self::Replace => "replace",
        }
    }

    /// The operation of this name. Letter case does not matter (L-P1).
    fn named(name: &str) -> Option<Self> {
        [Self::Add, Self::Remove, Self::Replace].into_iter().find(|op| op.as_str().eq_ignore_ascii_case(name))
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One step of a PATCH, as written.
#[derive(Debug, Clone, PartialEq)]
pub struct Operation {
    /// What is done.
    pub op: Op,
    /// Where. Without a path, the value's members say where.
    pub path: Option<PatchPath>,
    /// With what.
    pub value: Option<Value>,
}

impl Operation {
    /// Whether it removes or replaces members that it selects by their `display`. Such operations
    /// are passed over where a client asks for `Group-Overhead-Bypass`.
    pub fn selects_members_by_display(&self, resource_type: &ResourceType) -> bool {
        let Some(PatchPath { attribute, filter: Some(filter), .. }) = &self.path else { return false };
        let of_members = resource_type.has_members
            && attribute.place(resource_type).is_some_and(|place| place.path().split('.').next() == Some("members"));
        let by_display = |name: &AttrPath| name.name.eq_ignore_ascii_case("display");
        self.op != Op::Add && of_members && filter.names().into_iter().any(by_display)
    }
}

/// The body of a PATCH request.
pub struct PatchRequest;

impl PatchRequest {
    /// Reads the envelope and its operations (S-16.1 to S-16.4). Members that the protocol does
    /// not know are ignored.
    ///
    /// ```
    /// use provost_scim::Leniency;
    /// use provost_scim::patch::{Op, PATCH_OP, PatchRequest};
    /// use serde_json::json;
    ///
    /// let body = json!({ "schemas": [PATCH_OP], "Operations": [{ "op": "Replace", "path": "active", "value": false }] });
    /// let operations = PatchRequest::parse(body, &Leniency::default()).unwrap();
    /// assert_eq!(operations[0].op, Op::Replace);
    /// ```
    pub fn parse(body: Value, leniency: &Leniency) -> Result<Vec<Operation>, Invalid> {
        let Value::Object(mut body) = body else {
            return Err(Invalid::syntax("a PATCH request must be a JSON object"));
        };
        let schemas = take(&mut body, "schemas")?;
        let is_patch = |urn: &Value| urn.as_str().is_some_and(|urn| urn.eq_ignore_ascii_case(PATCH_OP));
        match schemas {
            Some(Value::Array(urns)) if urns.iter().any(is_patch) => {}
            None if leniency.allows(Switch::BodyInferSchemas) => {}
            _ => return Err(Invalid::syntax(format!("`schemas` must contain `{PATCH_OP}`"))),
        }
        let operations = take(&mut body, "Operations")?;
        note_extra_members(&body, leniency);
        match operations {
            Some(Value::Array(none)) if none.is_empty() && !leniency.allows(Switch::PatchEmptyOperationsOk) => {
                Err(Invalid::syntax("`Operations` must hold at least one operation"))
            }
            Some(operations) => read_operations(operations, leniency),
            None => Err(Invalid::syntax("`Operations` is missing")),
        }
    }
}

/// Reads a bare array of operations, as a plugin returns it. An empty one changes nothing.
pub fn parse_operations(operations: Value) -> Result<Vec<Operation>, Invalid> {
    read_operations(operations, &Leniency::default())
}

fn read_operations(operations: Value, leniency: &Leniency) -> Result<Vec<Operation>, Invalid> {
    let Value::Array(operations) = operations else {
        return Err(Invalid::syntax("`Operations` must be an array"));
    };
    if operations.len() > PATCH_OPERATIONS_MAX {
        return Err(too_many_operations());
    }
    let several = operations.len() > 1;
    let read = operations.into_iter().enumerate();
    read.map(|(index, operation)| read_operation(operation, leniency).map_err(|e| numbered(e, several, index)))
        .collect()
}

fn read_operation(operation: Value, leniency: &Leniency) -> Result<Operation, Invalid> {
    let Value::Object(mut operation) = operation else {
        return Err(Invalid::syntax("an operation must be a JSON object"));
    };
    let op = take(&mut operation, "op")?;
    let given = op.as_ref().and_then(Value::as_str).unwrap_or_default();
    let op = Op::named(given).ok_or_else(|| Invalid::syntax("`op` must be `add`, `remove` or `replace`"))?;
    if given != op.as_str() {
        leniency.noted.note(Switch::PatchOpAnyCase);
    }
    let path = match take(&mut operation, "path")? {
        None | Some(Value::Null) => None,
        Some(Value::String(path)) if path.is_empty() && leniency.allows(Switch::PatchEmptyPath) => None,
        Some(Value::String(path)) => Some(PatchPath::parse(&path, leniency)?),
        Some(_) => return Err(Invalid::syntax("`path` must be a string")),
    };
    let value = take(&mut operation, "value")?;
    note_extra_members(&operation, leniency);
    match op {
        Op::Remove if path.is_none() => Err(no_path()),
        Op::Add | Op::Replace if value.is_none() => Err(no_value(op)),
        _ => Ok(Operation { op, path, value }),
    }
}

/// What is left in a message after everything known was taken is ignored (L-P13).
fn note_extra_members(left: &Map<String, Value>, leniency: &Leniency) {
    if !left.is_empty() {
        leniency.noted.note(Switch::PatchExtraMembers);
    }
}

/// Takes a member out of an object. Letter case does not matter.
pub(crate) fn take(object: &mut Map<String, Value>, name: &str) -> Result<Option<Value>, Invalid> {
    let mut keys = object.keys().filter(|key| key.eq_ignore_ascii_case(name));
    match (keys.next().cloned(), keys.next()) {
        (Some(_), Some(_)) => Err(Invalid::syntax(format!("`{name}` is given twice"))),
        (Some(key), None) => Ok(object.remove(&key)),
        (None, _) => Ok(None),
    }
}

fn no_path() -> Invalid {
    Invalid::no_target("a `remove` needs a `path`")
}

fn no_value(op: Op) -> Invalid {
    Invalid::value(format!("an operation `{op}` needs a `value`"))
}

fn too_many_operations() -> Invalid {
    Invalid::new(crate::ScimType::TooMany, format!("a PATCH request holds at most {PATCH_OPERATIONS_MAX} operations"))
}

/// Says which operation is wrong, if there are several.
fn numbered(error: Invalid, several: bool, index: usize) -> Invalid {
    if several { Invalid { detail: format!("operation {}: {}", index + 1, error.detail), ..error } } else { error }
}
