//! How values are written: a format byte, then postcard; a resource's attributes stay JSON.
//!
//! The format byte is there so that a later release can tell an old record from a new one. A
//! record that does not decode is reported as corrupt, by space, never by content.

use std::sync::Arc;

use jiff::Timestamp;
use provost_scim::{Attributes, Member, Resource, ResourceType, Schemas, Stamp};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::engine::{Space, Value};
use super::{StoreError, millis};
use crate::context::Actor;
use crate::hook::{Attribution, MembershipChange, Message, Operation};

/// The format that all records are written in.
const FORMAT: u8 = 1;

/// How many members one part of a membership difference names.
const MEMBERS_PER_PART: usize = 2_000;

/// How long one member is in such a part: whether it joined, its type, its id.
const MEMBER_BYTES: usize = 19;

/// What the store knows of a resource beside its attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The resource type's number.
    pub type_number: u16,
    /// The version, from 1.
    pub version: u64,
    /// When it was created, in milliseconds since the epoch.
    pub created: i64,
    /// When it changed last.
    pub last_modified: i64,
    /// The journal row of its last change.
    pub sequence: u64,
    /// How many members it has.
    pub members: u64,
}

/// A stored resource, read.
#[derive(Debug, Clone)]
pub struct Stored {
    /// The resource.
    pub resource: Resource,
    /// The journal row of its last change.
    pub sequence: u64,
    /// How many members it has.
    pub members: u64,
}

/// Writes a resource.
pub fn encode_resource(resource: &Resource, sequence: u64, members: u64) -> Value {
    let stamp = resource.stamp();
    let header = Header {
        type_number: resource.resource_type().number,
        version: stamp.version,
        created: stamp.created.as_millisecond(),
        last_modified: stamp.last_modified.as_millisecond(),
        sequence,
        members,
    };
    let mut value = encode(&header);
    serde_json::to_writer(&mut value, resource.attributes()).expect("a JSON object is written to memory");
    value
}

/// Reads what stands before the attributes.
pub fn decode_header(space: Space, value: &[u8]) -> Result<Header, StoreError> {
    take(space, value).map(|(header, _)| header)
}

/// Reads a resource of a known type.
pub fn decode_resource(
    space: Space,
    resource_type: &Arc<ResourceType>,
    id: Uuid,
    value: &[u8],
) -> Result<Stored, StoreError> {
    let (header, json): (Header, &[u8]) = take(space, value)?;
    let corrupt = |_| StoreError::Corrupt { space };
    let attributes: Attributes = serde_json::from_slice(json).map_err(|_| StoreError::Corrupt { space })?;
    let stamp = Stamp {
        id,
        version: header.version,
        created: Timestamp::from_millisecond(header.created).map_err(corrupt)?,
        last_modified: Timestamp::from_millisecond(header.last_modified).map_err(corrupt)?,
    };
    Ok(Stored {
        resource: Resource::from_stored(resource_type.clone(), stamp, attributes),
        sequence: header.sequence,
        members: header.members,
    })
}

/// Reads the name that a resource is shown under where others refer to it: its `displayName`, else
/// its `name.formatted`, else its `userName`. The rest of the record is passed over.
pub fn decode_display(value: &[u8]) -> Result<Option<String>, StoreError> {
    let (_, json): (Header, &[u8]) = take(Space::Resources, value)?;
    let names: Names = serde_json::from_slice(json).map_err(|_| StoreError::Corrupt { space: Space::Resources })?;
    let text = |name: serde_json::Value| match name {
        serde_json::Value::String(name) if !name.is_empty() => Some(name),
        _ => None,
    };
    let formatted = |mut name: serde_json::Value| name.get_mut("formatted").map(serde_json::Value::take);
    Ok(text(names.display_name).or_else(|| formatted(names.name).and_then(text)).or_else(|| text(names.user_name)))
}

/// What a resource may be called by.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Names {
    #[serde(default)]
    display_name: serde_json::Value,
    #[serde(default)]
    name: serde_json::Value,
    #[serde(default)]
    user_name: serde_json::Value,
}

/// What ended a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Superseded {
    /// When, in milliseconds since the epoch.
    pub at: i64,
    /// The journal row that ended it.
    pub by: u64,
}

/// Writes a history row: the record as it stood, behind what ended it.
pub fn encode_history(superseded: Superseded, record: &[u8]) -> Value {
    let mut value = encode(&superseded);
    value.extend(record);
    value
}

/// Reads a history row: what ended the version, and the record as it stood.
pub fn decode_history(value: &[u8]) -> Result<(Superseded, &[u8]), StoreError> {
    take(Space::History, value)
}

/// A journal row, without its sequence, which is its key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JournalRecord {
    /// When, in milliseconds since the epoch.
    pub at: i64,
    /// The request that did it.
    pub request_id: String,
    /// Who asked.
    pub actor: Actor,
    /// What was done.
    pub operation: Operation,
    /// The resource type's number.
    pub type_number: u16,
    /// The resource.
    pub id: Uuid,
    /// Its version afterwards; after a delete, its last.
    pub version: u64,
    /// The attribute paths that changed.
    pub changed_paths: Vec<String>,
    /// How many joined.
    pub added: u64,
    /// How many left.
    pub removed: u64,
    /// How many members there were.
    pub total_before: u64,
    /// The plugins that changed the proposal on its way.
    pub changed_by: Vec<Attribution>,
}

/// An outbox row, without its key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OutboxRecord {
    /// What is to be sent.
    pub message: Message,
    /// How often it was tried.
    pub attempts: u32,
    /// Not before this time, in milliseconds since the epoch.
    pub not_before: i64,
    /// Why it was given up.
    pub parked: Option<String>,
    /// What went wrong last.
    pub last_error: Option<String>,
    /// The hash under which at most one such message waits.
    pub once: Option<[u8; 32]>,
}

/// An entry of a plugin's state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateRecord {
    /// When it stops existing, in milliseconds since the epoch.
    pub expires: Option<i64>,
    /// What the plugin put.
    pub value: Vec<u8>,
}

impl StateRecord {
    /// A value with its end.
    pub fn new(value: Vec<u8>, expires: Option<Timestamp>) -> Self {
        Self { expires: expires.map(millis), value }
    }

    /// Whether it exists still.
    pub fn is_alive(&self, now: Timestamp) -> bool {
        self.expires.is_none_or(|at| millis(now) < at)
    }
}

/// A member with the number of its type.
pub type MemberId = (Uuid, u16);

/// Writes who joined and who left, in parts of bounded size.
pub fn encode_memberships(added: &[MemberId], removed: &[MemberId]) -> Vec<Value> {
    let all: Vec<_> = added.iter().map(|member| (1, member)).chain(removed.iter().map(|member| (0, member))).collect();
    let part = |members: &[(u8, &MemberId)]| {
        let mut value = Value::with_capacity(1 + members.len() * MEMBER_BYTES);
        value.push(FORMAT);
        for (joined, (id, type_number)) in members {
            value.push(*joined);
            value.extend(type_number.to_be_bytes());
            value.extend(id.as_bytes());
        }
        value
    };
    all.chunks(MEMBERS_PER_PART).map(part).collect()
}

/// Reads one part of a membership difference into `change`.
pub fn decode_memberships(value: &[u8], schemas: &Schemas, change: &mut MembershipChange) -> Result<(), StoreError> {
    let corrupt = StoreError::Corrupt { space: Space::Memberships };
    let Some((&FORMAT, members)) = value.split_first() else { return Err(corrupt) };
    let members = members.chunks_exact(MEMBER_BYTES);
    if !members.remainder().is_empty() {
        return Err(corrupt);
    }
    for bytes in members {
        let number = u16::from_be_bytes([bytes[1], bytes[2]]);
        let id = Uuid::from_slice(&bytes[3..]).expect("sixteen bytes are an id");
        let member = Member { id, resource_type: type_name(schemas, number) };
        if bytes[0] == 1 { change.added.push(member) } else { change.removed.push(member) }
    }
    Ok(())
}

/// The name of a type.
pub fn type_name(schemas: &Schemas, number: u16) -> Option<String> {
    schemas.numbered(number).map(|resource_type| resource_type.name.clone())
}

/// Writes the value of an edge: the member's type.
pub fn encode_edge(type_number: u16) -> Value {
    type_number.to_be_bytes().to_vec()
}

/// Reads the value of an edge.
pub fn decode_edge(value: &[u8]) -> Result<u16, StoreError> {
    value.try_into().map(u16::from_be_bytes).map_err(|_| StoreError::Corrupt { space: Space::Edges })
}

/// Writes who has a unique value.
pub fn encode_owner(type_number: u16, id: Uuid) -> Value {
    [type_number.to_be_bytes().as_slice(), id.as_bytes()].concat()
}

/// Reads who has a unique value.
pub fn decode_owner(value: &[u8]) -> Result<(u16, Uuid), StoreError> {
    let owner = || {
        let (number, id) = value.split_at_checked(2)?;
        Some((u16::from_be_bytes(number.try_into().ok()?), Uuid::from_slice(id).ok()?))
    };
    owner().ok_or(StoreError::Corrupt { space: Space::Unique })
}

/// Writes a record.
pub fn encode<T: Serialize>(record: &T) -> Value {
    encode_as(FORMAT, record)
}

/// Writes a record of a kind that has a format of its own by now.
pub fn encode_as<T: Serialize>(format: u8, record: &T) -> Value {
    postcard::to_extend(record, vec![format]).expect("records hold nothing that postcard cannot write")
}

/// Reads a whole record.
pub fn decode<T: DeserializeOwned>(space: Space, value: &[u8]) -> Result<T, StoreError> {
    decode_as(FORMAT, space, value)
}

/// Reads a whole record of this format.
pub fn decode_as<T: DeserializeOwned>(format: u8, space: Space, value: &[u8]) -> Result<T, StoreError> {
    match take_as(format, space, value)? {
        (record, []) => Ok(record),
        _ => Err(StoreError::Corrupt { space }),
    }
}

fn take<T: DeserializeOwned>(space: Space, value: &[u8]) -> Result<(T, &[u8]), StoreError> {
    take_as(FORMAT, space, value)
}

fn take_as<T: DeserializeOwned>(format: u8, space: Space, value: &[u8]) -> Result<(T, &[u8]), StoreError> {
    let corrupt = StoreError::Corrupt { space };
    match value.split_first() {
        Some((found, rest)) if *found == format => postcard::take_from_bytes(rest).map_err(|_| corrupt),
        _ => Err(corrupt),
    }
}
