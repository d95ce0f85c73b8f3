//! The messages of the protocol: bodies read as JSON, lists and errors written (RFC 7644 section 3).

use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::error::shown;
use crate::{Attributes, Invalid, ScimType};

/// The URN of a ListResponse.
pub const LIST_RESPONSE: &str = "urn:ietf:params:scim:api:messages:2.0:ListResponse";
/// The URN of a SearchRequest.
pub const SEARCH_REQUEST: &str = "urn:ietf:params:scim:api:messages:2.0:SearchRequest";
/// The URN of a PatchOp.
pub const PATCH_OP: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
/// The URN of a BulkRequest.
pub const BULK_REQUEST: &str = "urn:ietf:params:scim:api:messages:2.0:BulkRequest";
/// The URN of a BulkResponse.
pub const BULK_RESPONSE: &str = "urn:ietf:params:scim:api:messages:2.0:BulkResponse";
/// The URN of an Error.
pub const ERROR: &str = "urn:ietf:params:scim:api:messages:2.0:Error";
/// The URN of the extension of an Error that says which plugin refused, and in which request.
pub const DIAGNOSTICS: &str = "urn:provost:params:scim:api:messages:2.0:Diagnostics";

/// How deep a body may nest. The deepest resource nests six levels, a bulk request around it four.
pub const JSON_DEPTH_MAX: usize = 32;

/// Reads a body: UTF-8 with or without a byte order mark, JSON, an object, no deeper than
/// [`JSON_DEPTH_MAX`], and in no object two names that differ only by letter case (S-2.11).
///
/// The error says where the mistake is, and nothing of what stands there.
pub fn parse(body: &[u8]) -> Result<Value, Invalid> {
    let value = parse_any(body)?;
    if !value.is_object() {
        return Err(Invalid::syntax("the body must be a JSON object"));
    }
    Ok(value)
}

/// The same for what may be a list as well as an object: an operator's own files.
pub(crate) fn parse_any(body: &[u8]) -> Result<Value, Invalid> {
    let text = std::str::from_utf8(body)
        .map_err(|e| Invalid::syntax(format!("the body is not UTF-8 at byte {}", e.valid_up_to())))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.trim().is_empty() {
        return Err(Invalid::syntax("the body is empty"));
    }
    let not_json = |e: serde_json::Error| Invalid::syntax(format!("the body is not proper JSON: {e}"));
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = Node { depth: JSON_DEPTH_MAX }.deserialize(&mut reader).map_err(not_json)?;
    reader.end().map_err(not_json)?;
    Ok(value)
}

/// One JSON value that may nest `depth` levels.
#[derive(Clone, Copy)]
struct Node {
    depth: usize,
}

impl Node {
    fn inner<E: serde::de::Error>(self) -> Result<Self, E> {
        match self.depth {
            0 => Err(E::custom(format!("nested deeper than {JSON_DEPTH_MAX} levels"))),
            depth => Ok(Self { depth: depth - 1 }),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Node {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut elements = Vec::new();
        while let Some(element) = access.next_element_seed(inner)? {
            elements.push(element);
        }
        Ok(Value::Array(elements))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut seen = HashSet::new();
        let mut fields = Map::new();
        while let Some(name) = access.next_key::<String>()? {
            if !seen.insert(name.to_ascii_lowercase()) {
                return Err(A::Error::custom(format!("`{}` is given twice in one object", shown(&name))));
            }
            fields.insert(name, access.next_value_seed(inner)?);
        }
        Ok(Value::Object(fields))
    }
}

/// One page of a list (RFC 7644 section 3.4.2). `itemsPerPage` is the number of resources here.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ListResponse {
    /// How many resources there are on all pages together; absent where counting them would cost
    /// more than the page, which only pages by cursor allow (S-13.6).
    pub total_results: Option<u64>,
    /// The place of the first resource of this page, from 1; absent where pages have none.
    pub start_index: Option<u64>,
    /// Where the next page begins; absent on the last one (S-13.3), and where pages have an index.
    pub next_cursor: Option<String>,
    /// The resources of this page, projected.
    pub resources: Vec<Attributes>,
}

impl ListResponse {
    /// A list that is complete on its one page.
    pub fn whole(resources: Vec<Attributes>) -> Self {
        Self { total_results: Some(resources.len() as u64), start_index: Some(1), next_cursor: None, resources }
    }

    /// The message. All counters that pages of this kind have are there, and `Resources` even if
    /// it is empty (S-9.1).
    pub fn into_body(self) -> Attributes {
        let mut body = Attributes::new();
        body.insert("schemas".into(), vec![LIST_RESPONSE].into());
        if let Some(total_results) = self.total_results {
            body.insert("totalResults".into(), total_results.into());
        }
        if let Some(start_index) = self.start_index {
            body.insert("startIndex".into(), start_index.into());
        }
        body.insert("itemsPerPage".into(), self.resources.len().into());
        if let Some(next_cursor) = self.next_cursor {
            body.insert("nextCursor".into(), next_cursor.into());
        }
        body.insert("Resources".into(), self.resources.into());
        body
    }
}

/// An error as a client reads it (RFC 7644 section 3.12).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorBody {
    /// The HTTP status, repeated.
    pub status: u16,
    /// The keyword, where the protocol has one.
    pub scim_type: Option<ScimType>,
    /// One sentence for a person.
    pub detail: String,
    /// Where it came from.
    pub diagnostics: Option<Diagnostics>,
}

/// Where an error came from: which plugin refused, and in which request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Diagnostics {
    /// The operator's name for the plugin.
    pub plugin: Option<String>,
    /// The version the plugin describes itself with.
    pub version: Option<String>,
    /// The request's id, as in the server's log.
    pub request_id: Option<String>,
}

impl ErrorBody {
    /// An error with its sentence, and nothing else.
    pub fn new(status: u16, detail: impl Into<String>) -> Self {
        Self { status, scim_type: None, detail: detail.into(), diagnostics: None }
    }

    /// The message. `status` is a string (S-20.2); diagnostics are an extension with its own URN.
    pub fn into_body(self) -> Attributes {
        let diagnostics = self.diagnostics.map(Diagnostics::into_fields).filter(|fields| !fields.is_empty());
        let mut schemas = vec![ERROR];
        schemas.extend(diagnostics.as_ref().map(|_| DIAGNOSTICS));

        let mut body = Attributes::new();
        body.insert("schemas".into(), schemas.into());
        body.insert("status".into(), self.status.to_string().into());
        if let Some(scim_type) = self.scim_type {
            body.insert("scimType".into(), scim_type.as_str().into());
        }
        body.insert("detail".into(), self.detail.into());
        if let Some(fields) = diagnostics {
            body.insert(DIAGNOSTICS.into(), fields.into());
        }
        body
    }
}

impl Diagnostics {
    fn into_fields(self) -> Attributes {
        let fields = [("plugin", self.plugin), ("version", self.version), ("requestId", self.request_id)];
        fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.into()))).collect()
    }
}

impl From<Invalid> for ErrorBody {
    /// A broken rule of the protocol is a 400 with its keyword.
    fn from(invalid: Invalid) -> Self {
        Self { status: 400, scim_type: Some(invalid.scim_type), detail: invalid.detail, diagnostics: None }
    }
}
