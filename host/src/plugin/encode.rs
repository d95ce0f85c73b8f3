//! Between our values and the interface's: documents as JSON text, contexts, verdicts.
//!
//! What a guest may never see is left out here and nowhere else: passwords and other values that
//! are never returned, the members of a group, which it gets as a difference, and what is outside of
//! its read grant. One thing is put back: a new password, for the reviews of a guest that the
//! operator lets see it.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use provost_scim::resource::Entries;
use provost_scim::secret::PASSWORD;
use provost_scim::{Attribute, Attributes, Draft, Member, Resource, ResourceType, Returned, ScimType};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;

use super::bindings::access::exports::provost::plugin::access as wire_access;
use super::bindings::wit::types as wire;
use super::sight::Sight;
use crate::context::Actor;
use crate::hook::{
    Act, Change, Committed, Decision, Fault, FaultKind, Hold, MembershipChange, Operation, Refusal, RefusalStatus,
    Verdict,
};
use crate::limits::LOG_LINE_BYTES_MAX;

/// How long most documents are, in bytes.
const DOCUMENT_BYTES: usize = 2048;

/// A resource as a guest sees it.
pub(super) fn resource(resource: &Resource, sight: &Sight) -> String {
    Visible::from(resource).text(sight)
}

/// A member as a guest sees it.
pub(super) fn member(member: &Member) -> wire::Member {
    wire::Member { id: member.id.to_string(), resource_type: member.resource_type.clone().unwrap_or_default() }
}

/// A proposed change as a guest sees it; with the password that it sets, for a guest that was
/// granted to see it.
pub(super) fn change(change: &Change, sight: &Sight, shows_password: bool) -> wire::Change {
    let proposed = change.proposed.as_ref();
    let operations = proposed.and_then(|draft| {
        let operations = without_secrets(change.operations.as_ref()?, &draft.resource_type);
        let view = sight.on(&draft.resource_type);
        Some(view.map_or_else(|| operations.to_string(), |view| view.operations(&operations).to_string()))
    });
    wire::Change {
        current: change
            .current
            .as_ref()
            .map(|current| text_once(&change.texts.current, sight, || Visible::from(current))),
        proposed: proposed.map(|draft| match (&draft.secret, shows_password) {
            (Some(password), true) => {
                let mut document = sight.limit(shown(change, draft).document(), &draft.resource_type);
                document.insert(PASSWORD.to_owned(), Value::from(password.reveal()));
                Value::Object(document).to_string()
            }
            _ => text_once(&change.texts.proposed, sight, || shown(change, draft)),
        }),
        operations,
        changed_paths: {
            let of = proposed.map(|draft| &draft.resource_type);
            let of = of.or_else(|| change.current.as_ref().map(Resource::resource_type));
            changed_paths(&change.changed_paths, of, sight, shows_password)
        },
        membership: membership(&change.membership, sight),
    }
}

/// The proposed document before a plugin's own sight is held against it.
pub(super) fn shown<'a>(change: &'a Change, draft: &'a Draft) -> Visible<'a> {
    let stamp = change.current.as_ref().map(Resource::stamp);
    Visible { entries: draft.entries(stamp), of: &draft.resource_type }
}

/// The document as a guest with this sight gets it; written once for all that see the whole of it.
fn text_once<'a>(text: &OnceLock<String>, sight: &Sight, document: impl FnOnce() -> Visible<'a>) -> String {
    match sight.is_whole() {
        true => text.get_or_init(|| document().text(sight)).clone(),
        false => document().text(sight),
    }
}

fn changed_paths(paths: &[String], of: Option<&Arc<ResourceType>>, sight: &Sight, shows_password: bool) -> Vec<String> {
    match of.and_then(|of| sight.on(of)) {
        None => paths.to_vec(),
        Some(view) => {
            let told = |path: &&String| view.touches(path) || (shows_password && *path == PASSWORD);
            paths.iter().filter(told).cloned().collect()
        }
    }
}

/// A committed change as a guest sees it.
pub(super) fn committed(change: &Committed, sight: &Sight) -> wire::Change {
    let of = change.after.as_ref().or(change.before.as_ref()).map(Resource::resource_type);
    wire::Change {
        current: change.before.as_ref().map(|before| resource(before, sight)),
        proposed: change.after.as_ref().map(|after| resource(after, sight)),
        operations: None,
        changed_paths: changed_paths(&change.changed_paths, of, sight, false),
        membership: membership(&change.membership, sight),
    }
}

pub(super) fn operation(operation: Operation) -> wire::Operation {
    match operation {
        Operation::Create => wire::Operation::Create,
        Operation::Replace => wire::Operation::Replace,
        Operation::Patch => wire::Operation::Patch,
        Operation::Delete => wire::Operation::Delete,
    }
}

pub(super) fn act(act: Act) -> wire::Operation {
    match act {
        Act::Read => wire::Operation::Read,
        Act::Search => wire::Operation::Search,
        Act::Change(change) => operation(change),
    }
}

pub(super) fn caller(actor: &Actor) -> wire::Caller {
    wire::Caller {
        subject: actor.subject.clone(),
        client: actor.client.clone(),
        scopes: actor.scopes.iter().map(|scope| scope.as_str().to_owned()).collect(),
        claims: serde_json::to_string(&actor.claims).expect("JSON values can be written as JSON"),
    }
}

/// A guest's verdict, if it makes sense and keeps within its size.
pub(super) fn verdict(verdict: wire::Verdict, bytes_max: usize) -> Result<Verdict, Fault> {
    let bytes = match &verdict {
        wire::Verdict::Proceed => 0,
        wire::Verdict::Patch(json) | wire::Verdict::Replace(json) => json.len(),
        wire::Verdict::Reject(refusal) => refusal.detail.len(),
        wire::Verdict::Hold(hold) => hold.reason.len(),
    };
    keep_to(bytes, bytes_max)?;
    Ok(match verdict {
        wire::Verdict::Proceed => Verdict::Proceed,
        wire::Verdict::Patch(json) => match parse("patch", &json)? {
            operations @ Value::Array(_) => Verdict::Patch(operations),
            _ => return Err(Fault::new(FaultKind::Output, "its `patch` is not a JSON array of operations")),
        },
        wire::Verdict::Replace(json) => match parse("replace", &json)? {
            document @ Value::Object(_) => Verdict::Replace(document),
            _ => return Err(Fault::new(FaultKind::Output, "its `replace` is not a JSON object")),
        },
        wire::Verdict::Reject(refused) => Verdict::Reject(refusal(refused)),
        wire::Verdict::Hold(hold) => {
            Verdict::Hold(Hold { reason: hold.reason, approvals: hold.approvals, expires_s: hold.expires_s })
        }
    })
}

/// A guest's decision, if it keeps within its size. Whether its filter makes sense is the pipeline's to tell.
pub(super) fn decision(decision: wire_access::Decision, bytes_max: usize) -> Result<Decision, Fault> {
    let decision = match decision {
        wire_access::Decision::Allow => Decision::Allow,
        wire_access::Decision::Narrow(filter) => Decision::Narrow(filter),
        wire_access::Decision::Deny(refused) => Decision::Deny(refusal(refused)),
    };
    match &decision {
        Decision::Narrow(text) | Decision::Deny(Refusal { detail: text, .. }) => keep_to(text.len(), bytes_max)?,
        Decision::Allow => {}
    }
    Ok(decision)
}

/// What a guest made of documents, if there are as many and each is one.
pub(super) fn shaped(texts: Vec<String>, count: usize, bytes_max: usize) -> Result<Vec<Attributes>, Fault> {
    keep_to(texts.iter().map(String::len).sum(), bytes_max)?;
    if texts.len() != count {
        let detail = format!("answered {} resources, and was given {count}", texts.len());
        return Err(Fault::new(FaultKind::Output, detail));
    }
    let document = |text: &String| match parse("shape", text)? {
        Value::Object(document) => Ok(document),
        _ => Err(Fault::new(FaultKind::Output, "its `shape` answered something that is not a JSON object")),
    };
    texts.iter().map(document).collect()
}

/// A job's sentence: no longer than a log line may be, and on one line.
pub(super) fn report(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(LOG_LINE_BYTES_MAX));
    text.replace(char::is_control, " ")
}

fn keep_to(bytes: usize, bytes_max: usize) -> Result<(), Fault> {
    if bytes > bytes_max {
        return Err(Fault::new(FaultKind::OutputSize, format!("answered {bytes} bytes; {bytes_max} are allowed")));
    }
    Ok(())
}

fn parse(answer: &str, json: &str) -> Result<Value, Fault> {
    serde_json::from_str(json).map_err(|error| {
        // The parser's own words repeat what stood there, which may be an attribute's value.
        let place = format!("line {}, column {}", error.line(), error.column());
        Fault::new(FaultKind::Output, format!("its `{answer}` is not JSON: reading stopped at {place}"))
    })
}

fn refusal(refusal: wire::Refusal) -> Refusal {
    Refusal { status: status(refusal.status), scim_type: refusal.scim_type.map(scim_type), detail: refusal.detail }
}

fn status(status: wire::RefusalStatus) -> RefusalStatus {
    match status {
        wire::RefusalStatus::BadRequest => RefusalStatus::BadRequest,
        wire::RefusalStatus::Forbidden => RefusalStatus::Forbidden,
        wire::RefusalStatus::NotFound => RefusalStatus::NotFound,
        wire::RefusalStatus::Conflict => RefusalStatus::Conflict,
    }
}

fn scim_type(scim_type: wire::ScimType) -> ScimType {
    match scim_type {
        wire::ScimType::InvalidValue => ScimType::InvalidValue,
        wire::ScimType::Uniqueness => ScimType::Uniqueness,
        wire::ScimType::Mutability => ScimType::Mutability,
        wire::ScimType::NoTarget => ScimType::NoTarget,
        wire::ScimType::InvalidPath => ScimType::InvalidPath,
        wire::ScimType::InvalidSyntax => ScimType::InvalidSyntax,
        wire::ScimType::TooMany => ScimType::TooMany,
        wire::ScimType::Sensitive => ScimType::Sensitive,
    }
}

fn membership(change: &MembershipChange, sight: &Sight) -> Option<wire::MembershipChange> {
    (!change.is_empty() && sight.has_members()).then(|| wire::MembershipChange {
        added: change.added.iter().map(member).collect(),
        removed: change.removed.iter().map(member).collect(),
        total_before: change.total_before,
    })
}

/// A document as a guest may see it before its own sight is held against it: no members, and nothing
/// that is never returned. As text it is written without being copied.
pub(super) struct Visible<'a> {
    entries: Entries<'a>,
    of: &'a ResourceType,
}

impl<'a> From<&'a Resource> for Visible<'a> {
    fn from(resource: &'a Resource) -> Self {
        Self { entries: resource.entries(), of: resource.resource_type() }
    }
}

impl<'a> Visible<'a> {
    pub(super) fn of(document: &'a Attributes, of: &'a ResourceType) -> Self {
        let entries = document.iter().map(|(name, value)| (name.as_str(), Cow::Borrowed(value)));
        Self { entries: entries.collect(), of }
    }

    /// As a guest with this sight gets it.
    pub(super) fn text(&self, sight: &Sight) -> String {
        match sight.on(self.of) {
            None => {
                let mut text = Vec::with_capacity(DOCUMENT_BYTES);
                serde_json::to_writer(&mut text, self).expect("JSON values can be written as JSON");
                String::from_utf8(text).expect("JSON is UTF-8")
            }
            Some(view) => Value::Object(view.limit(self.document())).to_string(),
        }
    }

    pub(super) fn document(&self) -> Attributes {
        match serde_json::to_value(self) {
            Ok(Value::Object(document)) => document,
            _ => unreachable!("a document is an object"),
        }
    }

    /// What is known of the parts of this entry; absent if it may not be seen.
    fn parts(&self, name: &str) -> Option<&'a [Attribute]> {
        if name == "members" && self.of.has_members {
            return None;
        }
        if let Some(attribute) = self.of.schema.attributes.iter().find(|attribute| attribute.name == name) {
            return (attribute.returned != Returned::Never).then_some(&attribute.sub_attributes);
        }
        let extension = self.of.extensions.iter().find(|extension| extension.schema.id == name);
        Some(extension.map_or(&[], |extension| &extension.schema.attributes))
    }
}

impl Serialize for Visible<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in &self.entries {
            if let Some(parts) = self.parts(name) {
                map.serialize_entry(name, &VisiblePart { value, parts })?;
            }
        }
        map.end()
    }
}

/// The same for one value, and what is known of its parts.
struct VisiblePart<'a> {
    value: &'a Value,
    parts: &'a [Attribute],
}

impl Serialize for VisiblePart<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let part = |name: &str| self.parts.iter().find(|part| part.name == name);
        match self.value {
            value if !hides(self.parts) => value.serialize(serializer),
            Value::Array(elements) => {
                serializer.collect_seq(elements.iter().map(|value| VisiblePart { value, parts: self.parts }))
            }
            Value::Object(object) => {
                serializer.collect_map(object.iter().filter_map(|(name, value)| match part(name) {
                    Some(part) if part.returned == Returned::Never => None,
                    part => Some((name, VisiblePart { value, parts: part.map_or(&[], |part| &part.sub_attributes) })),
                }))
            }
            value => value.serialize(serializer),
        }
    }
}

/// Whether anything among these is never returned.
fn hides(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| attribute.returned == Returned::Never || hides(&attribute.sub_attributes))
}

/// The operations, without the values a guest may never see. That an operation touches them is
/// told; with which value is not.
fn without_secrets(operations: &Value, resource_type: &ResourceType) -> Value {
    let mut operations = operations.clone();
    for operation in operations.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
        let path = operation.get("path").and_then(Value::as_str).unwrap_or_default().to_owned();
        if is_hidden(&path, resource_type) {
            operation.remove("value");
        } else if let Some(Value::Object(value)) = operation.get_mut("value") {
            hide(&path, value, resource_type);
        }
    }
    operations
}

/// Takes hidden attributes out of a value whose keys continue the path.
fn hide(path: &str, value: &mut Attributes, resource_type: &ResourceType) {
    value.retain(|key, _| {
        let continues = [key.clone(), format!("{path}.{key}"), format!("{path}:{key}")];
        !continues.iter().any(|path| is_hidden(path, resource_type))
    });
    for (key, inner) in value.iter_mut() {
        if let Value::Object(inner) = inner {
            inner.retain(|name, _| {
                !is_hidden(&format!("{key}.{name}"), resource_type)
                    && !is_hidden(&format!("{key}:{name}"), resource_type)
            });
        }
    }
}

/// The canonical paths that operations name; what they name without a path of its own is left out.
pub(super) fn touched(operations: &Value, resource_type: &ResourceType) -> Vec<String> {
    let operations = operations.as_array().into_iter().flatten();
    let paths = operations.filter_map(|operation| operation.get("path")?.as_str()?.split('[').next());
    paths.filter_map(|path| Some(resource_type.place(path)?.path())).collect()
}

/// Whether the path leads to members, or to an attribute that is never returned.
fn is_hidden(path: &str, resource_type: &ResourceType) -> bool {
    let base = (resource_type.schema.id.as_str(), &resource_type.schema.attributes);
    let extensions = resource_type.extensions.iter().map(|e| (e.schema.id.as_str(), &e.schema.attributes));
    let schemas = std::iter::once(base).chain(extensions);
    let core = resource_type.schema.id.as_str();
    schemas.into_iter().any(|(urn, attributes)| {
        let rest = match strip_prefix_ignoring_case(path, urn).and_then(|rest| rest.strip_prefix(':')) {
            Some(rest) => rest,
            None if urn == core => path,
            None => return false,
        };
        let mut names = rest.split(['.', '[', ']']).filter(|name| !name.is_empty());
        let Some(name) = names.next() else { return false };
        let Some(attribute) = attributes.iter().find(|a| a.name.eq_ignore_ascii_case(name)) else { return false };
        let members = resource_type.has_members && urn == core && attribute.name == "members";
        let never = |attribute: &Attribute| attribute.returned == Returned::Never;
        members
            || never(attribute)
            || rest.rsplit('.').next().and_then(|sub| attribute.sub_attribute(sub)).is_some_and(never)
    })
}

fn strip_prefix_ignoring_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let head = text.get(..prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then(|| &text[prefix.len()..])
}
