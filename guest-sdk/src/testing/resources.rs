//! Changes made the way the host makes them: from a request's body to what a plugin is shown, and
//! from a verdict to what the change becomes.

use std::sync::Arc;

use provost_scim::definition::{self, Document};
use provost_scim::filter::Filter;
use provost_scim::patch::{self, Operation as PatchOperation};
use provost_scim::resource::parse_id;
use provost_scim::secret::PASSWORD;
use provost_scim::{
    Draft, Invalid, Leniency, MembershipEdit, Resource, ResourceType, Schemas, Stamp, changed_paths, check, covers,
};
use serde_json::{Value, json};

use crate::change::Parts;
use crate::directory::{Action, Write};
use crate::{Attributes, Member, MembershipChange, Operation, Verdict};

/// The id of a resource that a test gives none.
const ID: &str = "01930000-0000-7000-8000-000000000001";

/// One change, before anybody is asked.
#[derive(Debug)]
pub(super) struct Proposal {
    pub(super) operation: Operation,
    pub(super) resource_type: Arc<ResourceType>,
    pub(super) id: String,
    current: Option<Resource>,
    proposed: Option<Draft>,
    operations: Option<Vec<PatchOperation>>,
    members_before: Vec<Member>,
}

#[track_caller]
pub(super) fn create(schemas: &Schemas, resource_type: &str, body: Value) -> Proposal {
    let resource_type = kind(schemas, resource_type);
    let proposed = expect(check::create(body, &resource_type, &leniency()), "the new resource");
    Proposal {
        operation: Operation::Create,
        id: ID.to_owned(),
        current: None,
        proposed: Some(proposed),
        operations: None,
        members_before: Vec::new(),
        resource_type,
    }
}

#[track_caller]
pub(super) fn replace(schemas: &Schemas, resource_type: &str, before: Value, body: Value) -> Proposal {
    let mut proposal = of_stored(schemas, Operation::Replace, resource_type, before);
    let current = proposal.current.as_ref().expect("a stored resource is there");
    proposal.proposed = Some(expect(check::replace(current, body, &leniency()), "the replacement"));
    proposal
}

#[track_caller]
pub(super) fn patch(schemas: &Schemas, resource_type: &str, before: Value, operations: Value) -> Proposal {
    let mut proposal = of_stored(schemas, Operation::Patch, resource_type, before);
    let current = proposal.current.as_ref().expect("a stored resource is there");
    let operations = expect(patch::parse_operations(operations), "the patch");
    let applied = patch::apply(current.to_draft(), Some(current), &operations, &leniency());
    proposal.proposed = Some(expect(applied, "the patch"));
    proposal.operations = Some(operations);
    proposal
}

#[track_caller]
pub(super) fn delete(schemas: &Schemas, resource_type: &str, before: Value) -> Proposal {
    of_stored(schemas, Operation::Delete, resource_type, before)
}

#[track_caller]
pub(super) fn read(schemas: &Schemas, resource_type: &str, stored: Value) -> Proposal {
    of_stored(schemas, Operation::Read, resource_type, stored)
}

#[track_caller]
pub(super) fn search(schemas: &Schemas, resource_type: &str) -> Proposal {
    Proposal {
        operation: Operation::Search,
        resource_type: kind(schemas, resource_type),
        id: ID.to_owned(),
        current: None,
        proposed: None,
        operations: None,
        members_before: Vec::new(),
    }
}

/// The standard's schemas, and these: a Schema resource each (RFC 7643 section 7), the extensions
/// among them for users.
#[track_caller]
pub(super) fn schemas(extensions: &[Value]) -> Schemas {
    let document = |content: &Value| Document { file: "the test".to_owned(), content: content.clone() };
    let schemas: Vec<Document> = extensions.iter().map(document).collect();
    let used: Vec<Value> =
        extensions.iter().map(|schema| json!({ "schema": schema["id"], "required": false })).collect();
    let user = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ResourceType"], "name": "User", "schemaExtensions": used,
    });
    match definition::read(&schemas, &[document(&user)]) {
        Ok(schemas) => schemas,
        Err(mistakes) => panic!("the schemas are wrong: {mistakes:?}"),
    }
}

/// What becomes of a resource by a plugin's own change; absent after a delete.
pub(super) fn written(
    schemas: &Schemas,
    write: &Write,
    current: Option<&Attributes>,
    count: usize,
) -> Result<Option<Written>, String> {
    let body = write.body.as_deref().map(serde_json::from_str::<Value>).transpose();
    let body = body.map_err(|_| "the body is not JSON".to_owned())?;
    let resource_type = schemas.resource_type(&write.resource_type).ok_or("there is no such resource type")?;
    let words = |invalid: Invalid| invalid.detail;
    let before = current
        .map(|document| of_stored(schemas, Operation::Patch, &write.resource_type, Value::Object(document.clone())));
    let stored = before.as_ref().and_then(|before| before.current.as_ref());
    let mut draft = match (write.action, stored, body) {
        (Action::Delete, _, _) => return Ok(None),
        (Action::Create, _, Some(body)) => check::create(body, resource_type, &leniency()).map_err(words)?,
        (Action::Replace, Some(current), Some(body)) => check::replace(current, body, &leniency()).map_err(words)?,
        (Action::Patch, Some(current), Some(body)) => {
            let operations = patch::parse_operations(body).map_err(words)?;
            patch::apply(current.to_draft(), Some(current), &operations, &leniency()).map_err(words)?
        }
        _ => return Err("the change lacks its id or its body".to_owned()),
    };
    let id = match write.id.clone() {
        Some(id) => id,
        None => format!("01930000-0000-7000-8000-{:012x}", 0x1000 + count),
    };
    let stamp = stored.map_or(stamp_of(&id), Resource::stamp);
    let membership = std::mem::take(&mut draft.membership);
    let resource = provost_scim::validate(draft, stamp).map_err(words)?;
    Ok(Some(Written { document: resource.document(), membership }))
}

/// A resource after a plugin's own change, and how its members change.
pub(super) struct Written {
    pub(super) document: Attributes,
    membership: Vec<MembershipEdit>,
}

impl Written {
    /// The members after the change. A selection by anything but the id is beyond this harness.
    pub(super) fn members(&self, mut members: Vec<Member>) -> Vec<Member> {
        for edit in &self.membership {
            match edit {
                MembershipEdit::Add(added) => {
                    let new: Vec<_> = added.iter().map(member).filter(|new| !members.contains(new)).collect();
                    members.extend(new);
                }
                MembershipEdit::Remove(ids) => members.retain(|m| !ids.iter().any(|id| id.to_string() == m.id)),
                MembershipEdit::Clear => members.clear(),
                MembershipEdit::Replace(after) => members = after.iter().map(member).collect(),
                MembershipEdit::RemoveWhere(_) => panic!("select members by their `value`"),
            }
        }
        members
    }
}

impl Proposal {
    /// What the plugin is shown; a new password too, if it may see those.
    pub(super) fn parts(&self, shows_password: bool) -> Parts {
        let stamp = self.current.as_ref().map(Resource::stamp);
        let (current, proposed) = (self.current.as_ref(), self.proposed.as_ref());
        let operations = self.operations.as_deref();
        Parts {
            current: current.map(|resource| Value::Object(resource.document()).to_string()),
            proposed: proposed.map(|draft| {
                let mut document = draft.document(stamp);
                if let (Some(password), true) = (&draft.secret, shows_password) {
                    document.insert(PASSWORD.to_owned(), Value::from(password.reveal()));
                }
                Value::Object(document).to_string()
            }),
            operations: operations.map(|all| patch::normalised(all, &self.resource_type).to_string()),
            changed_paths: changed_paths(
                current.map(Resource::attributes),
                proposed.map(|draft| &draft.attributes),
                &self.resource_type,
            ),
            membership: self.membership(),
        }
    }

    /// What the change becomes, or what the host would blame the plugin for.
    pub(super) fn after(&self, verdict: &Verdict, grant: &[String]) -> Result<Option<Value>, String> {
        let Some(proposed) = &self.proposed else {
            return match verdict {
                Verdict::Patch(_) | Verdict::Replace(_) => {
                    Err("a delete has no proposed resource to change".to_owned())
                }
                _ => Ok(None),
            };
        };
        let (current, leniency) = (self.current.as_ref(), leniency());
        let after = match verdict {
            Verdict::Proceed => Ok(proposed.clone()),
            Verdict::Patch(operations) => patch::parse_operations(Value::from(operations.operations()))
                .and_then(|operations| patch::apply(proposed.clone(), current, &operations, &leniency)),
            Verdict::Replace(document) => check::replacement(current, proposed, document.clone(), &leniency),
            Verdict::Reject(_) | Verdict::Hold(_) => return Ok(None),
        };
        let after = after.map_err(|invalid| invalid.detail)?;

        let touched = changed_paths(Some(&proposed.attributes), Some(&after.attributes), &self.resource_type);
        if let Some(path) = touched.iter().find(|path| !grant.iter().any(|grant| covers(grant, path))) {
            return Err(format!("it may not change `{path}`"));
        }
        let stamp = current.map(Resource::stamp);
        let document = after.document(stamp);
        provost_scim::validate(after, stamp.unwrap_or(stamp_of(ID))).map_err(|invalid| invalid.detail)?;
        Ok(Some(Value::Object(document)))
    }

    /// How the members differ, worked out on the whole list: tests have short ones.
    fn membership(&self) -> Option<MembershipChange> {
        if !self.resource_type.has_members {
            return None;
        }
        let before = &self.members_before;
        let edits = self.proposed.as_ref().map_or(&[][..], |draft| &draft.membership);
        let mut after = if self.proposed.is_some() { before.clone() } else { Vec::new() };
        for edit in edits {
            match edit {
                MembershipEdit::Add(members) => {
                    let new: Vec<_> = members.iter().map(member).filter(|new| !after.contains(new)).collect();
                    after.extend(new);
                }
                MembershipEdit::Remove(ids) => after.retain(|m| !ids.iter().any(|id| id.to_string() == m.id)),
                MembershipEdit::RemoveWhere(filter) => after.retain(|m| !self.selects(filter, m)),
                MembershipEdit::Clear => after.clear(),
                MembershipEdit::Replace(members) => after = members.iter().map(member).collect(),
            }
        }
        let missing = |from: &[Member], all: &[Member]| all.iter().filter(|m| !from.contains(m)).cloned().collect();
        let change = MembershipChange {
            added: missing(before, &after),
            removed: missing(&after, before),
            total_before: before.len() as u64,
        };
        (!change.added.is_empty() || !change.removed.is_empty()).then_some(change)
    }

    fn selects(&self, filter: &Filter, member: &Member) -> bool {
        let object = json!({ "value": member.id, "type": member.resource_type });
        let bound = filter.bind_member(&self.resource_type);
        bound.is_ok_and(|bound| object.as_object().is_some_and(|object| bound.matches(object)))
    }
}

#[track_caller]
fn of_stored(schemas: &Schemas, operation: Operation, resource_type: &str, before: Value) -> Proposal {
    let resource_type = kind(schemas, resource_type);
    let id = before.get("id").map_or(ID, |id| id.as_str().expect("an `id` is a text")).to_owned();
    assert!(parse_id(&id).is_some(), "the `id` of a stored resource is a UUID in lower case, and `{id}` is not");

    let mut draft = expect(check::create(before, &resource_type, &leniency()), "the stored resource");
    let members_before = draft.membership.drain(..).flat_map(|edit| match edit {
        MembershipEdit::Add(members) => members.iter().map(member).collect(),
        _ => Vec::new(),
    });
    let members_before = members_before.collect();
    let current = expect(provost_scim::validate(draft, stamp_of(&id)), "the stored resource");
    Proposal { operation, resource_type, id, current: Some(current), proposed: None, operations: None, members_before }
}

#[track_caller]
fn kind(schemas: &Schemas, resource_type: &str) -> Arc<ResourceType> {
    match schemas.resource_type(resource_type) {
        Some(kind) => kind.clone(),
        None => panic!("there is no resource type `{resource_type}`; there are `User` and `Group`"),
    }
}

#[track_caller]
fn expect<T>(result: Result<T, Invalid>, what: &str) -> T {
    match result {
        Ok(value) => value,
        Err(invalid) => panic!("the server would refuse {what} before any plugin is asked: {invalid}"),
    }
}

/// As lenient as a server out of the box, and `schemas` may be left out: tests are for reading.
fn leniency() -> Leniency {
    let mut leniency = Leniency::default();
    leniency.body.infer_schemas = true;
    leniency
}

fn member(member: &provost_scim::Member) -> Member {
    let resource_type = member.resource_type.clone().unwrap_or_else(|| "User".to_owned());
    Member { id: member.id.to_string(), resource_type }
}

fn stamp_of(id: &str) -> Stamp {
    let id = parse_id(id).expect("the id was checked");
    let created = "2026-01-01T00:00:00Z".parse().expect("it is an instant");
    Stamp { id, version: 1, created, last_modified: created }
}
