//! Reads of the committed directory, and, outside of reviews, changes of it.
//!
//! ```
//! # use provost_sdk::{directory, Result, User, json};
//! # fn main() -> Result {
//! # let host = provost_sdk::testing::Host::new().resource("User", json!({ "id": "7", "userName": "ana" }));
//! # host.run(|| {
//! let filter = directory::eq("userName", "ana");
//! let page = directory::find::<User>("User", &filter, None, 2)?;
//! assert_eq!(page.resources.len(), 1);
//! # Ok(())
//! # })
//! # }
//! ```

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{ENTERPRISE, Failure, Member, Patch, Resource, document, filter, host};

/// How many resources [`walk`] asks for at a time.
const PAGE: u32 = 100;

/// Why the directory did not answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// The filter, the resource type or the cursor makes no sense.
    Invalid(String),
    /// The answer would be larger than the plugin's limits allow.
    TooLarge,
    /// Not now.
    Unavailable(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(reason) => write!(f, "the directory was asked nonsense: {reason}"),
            Self::TooLarge => f.write_str("the directory's answer is too large"),
            Self::Unavailable(reason) => write!(f, "the directory is not available: {reason}"),
        }
    }
}

impl std::error::Error for Error {}

/// Some resources, and where to go on.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    /// The resources.
    pub resources: Vec<T>,
    /// For the next call; absent on the last page.
    pub next_cursor: Option<String>,
}

/// One resource by its id.
pub fn get<T: DeserializeOwned>(resource_type: &str, id: &str) -> Result<Option<T>, Failure> {
    host::directory_get(resource_type, id)?.as_deref().map(read).transpose()
}

/// At most `count` resources that match a SCIM filter.
pub fn find<T: DeserializeOwned>(
    resource_type: &str,
    filter: &str,
    cursor: Option<&str>,
    count: u32,
) -> Result<Page<T>, Failure> {
    let (resources, next_cursor) = host::directory_find(resource_type, filter, cursor, count)?;
    let resources = resources.iter().map(|text| read(text)).collect::<Result<_, _>>()?;
    Ok(Page { resources, next_cursor })
}

/// Hands every resource that matches a SCIM filter to `each`, page by page. It may change what it
/// gets: no other one is passed over for that. Whatever `each` answers with an error ends the walk.
pub fn walk<T: DeserializeOwned>(
    resource_type: &str,
    filter: &str,
    mut each: impl FnMut(T) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut cursor = None;
    loop {
        let page = find::<T>(resource_type, filter, cursor.as_deref(), PAGE)?;
        page.resources.into_iter().try_for_each(&mut each)?;
        cursor = page.next_cursor;
        if cursor.is_none() {
            return Ok(());
        }
    }
}

/// The same, but one that fails does not keep the others waiting. Answers how many went well, or, if any did not, with the
/// last failure when all have had their turn.
pub fn visit<T: DeserializeOwned>(
    resource_type: &str,
    filter: &str,
    mut each: impl FnMut(T) -> Result<(), Failure>,
) -> Result<u64, Failure> {
    let mut visited = Ok(0);
    walk(resource_type, filter, |resource| {
        match each(resource) {
            Ok(()) => visited = visited.clone().map(|count: u64| count + 1),
            Err(failure) => visited = Err(failure),
        }
        Ok(())
    })?;
    visited
}

/// The active people who have this manager, by the enterprise extension.
pub fn team_of(manager: &str) -> Result<Vec<Resource>, Failure> {
    let managed = eq(&format!("{ENTERPRISE}:manager.value"), manager);
    let mut team = Vec::new();
    walk("User", &filter::and([managed, filter::eq("active", true)]), |mate| {
        team.push(mate);
        Ok(())
    })?;
    Ok(team)
}

/// The ids of the groups that somebody is directly in.
pub fn groups_of(id: &str) -> Result<Vec<String>, Failure> {
    let mut groups = Vec::new();
    walk("Group", &eq("members.value", id), |group: Resource| {
        groups.extend(group.id().map(str::to_owned));
        Ok(())
    })?;
    Ok(groups)
}

/// At most `count` members of a group, in the order of their ids, beginning behind `after`. There are no more when these are
/// fewer than `count`.
pub fn members(group: &str, after: Option<&str>, count: u32) -> Result<Vec<Member>, Error> {
    let mut members: Vec<Member> = Vec::new();
    loop {
        let behind = members.last().map(|member| member.id.as_str()).or(after);
        let page = host::directory_members(group, behind, count - members.len() as u32)?;
        let is_last = page.is_empty();
        members.extend(page);
        if is_last || members.len() >= count as usize {
            return Ok(members);
        }
    }
}

/// Whether `id` is a direct member of a group.
pub fn is_member(group: &str, id: &str) -> Result<bool, Error> {
    host::directory_is_member(group, id)
}

/// A filter for resources whose attribute at `path` equals `value`, which is quoted here: text
/// from a resource cannot turn into more filter.
pub fn eq(path: &str, value: &str) -> String {
    filter::eq(path, value)
}

/// A change that a plugin makes by itself: by a job, an observation or a delivery. It goes through
/// the same pipeline as any client's, past every other plugin, and is attributed to this one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// What is to be done.
    pub action: Action,
    /// The resource type's name.
    pub resource_type: String,
    /// The resource's id; absent on a create.
    pub id: Option<String>,
    /// The resource, or on a patch the operations, as JSON text; absent on a delete.
    pub body: Option<String>,
    /// The version that the resource must still have, as in `meta.version`.
    pub if_match: Option<String>,
}

/// The four kinds of change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// A new resource.
    Create,
    /// A whole new state.
    Replace,
    /// Operations on the state there is.
    Patch,
    /// The end.
    Delete,
}

/// Why a change was not made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WriteError {
    /// The operator did not grant it, or it cannot be done here.
    Denied(String),
    /// What a client would have been answered.
    Refused {
        /// The status, such as 409.
        status: u16,
        /// The keyword, such as `uniqueness`.
        scim_type: Option<String>,
        /// One sentence.
        detail: String,
    },
    /// Plugins answer each other's changes without an end; the text names them.
    Looped(String),
    /// Not now.
    Unavailable(String),
}

impl WriteError {
    /// The status that a client would have been answered, if it was refused.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            Self::Denied(_) | Self::Looped(_) | Self::Unavailable(_) => None,
        }
    }
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denied(reason) => write!(f, "the change is not granted: {reason}"),
            Self::Refused { status, scim_type: Some(keyword), detail } => {
                write!(f, "the change was refused ({status} {keyword}): {detail}")
            }
            Self::Refused { status, scim_type: None, detail } => {
                write!(f, "the change was refused ({status}): {detail}")
            }
            Self::Looped(plugins) => write!(f, "plugins answer each other's changes without an end: {plugins}"),
            Self::Unavailable(reason) => write!(f, "the directory cannot be changed now: {reason}"),
        }
    }
}

impl std::error::Error for WriteError {}

/// Makes a resource; answers with it as it is stored.
pub fn create(resource_type: &str, body: &impl Serialize) -> Result<Resource, Failure> {
    let body = Some(serde_json::to_string(body)?);
    let write =
        Write { action: Action::Create, resource_type: resource_type.to_owned(), id: None, body, if_match: None };
    stored(apply(write)?)
}

/// Gives a resource a whole new state; answers with it as it is stored.
pub fn replace(resource_type: &str, id: &str, body: &impl Serialize) -> Result<Resource, Failure> {
    let body = Some(serde_json::to_string(body)?);
    stored(apply(Write { body, ..on(Action::Replace, resource_type, id) })?)
}

/// Changes a resource; answers with it as it is stored.
pub fn patch(resource_type: &str, id: &str, patch: &Patch) -> Result<Resource, Failure> {
    stored(apply(Write { body: Some(patch.to_string()), ..on(Action::Patch, resource_type, id) })?)
}

/// Puts somebody into a group.
pub fn join(group: &str, id: &str) -> Result<(), Failure> {
    patch("Group", group, &Patch::new().add("members", serde_json::json!([{ "value": id }]))).map(drop)
}

/// Takes somebody out of a group.
pub fn leave(group: &str, id: &str) -> Result<(), Failure> {
    patch("Group", group, &Patch::new().remove(&format!("members[{}]", eq("value", id)))).map(drop)
}

/// Takes somebody out of every group that they are directly in.
pub fn leave_all(id: &str) -> Result<(), Failure> {
    groups_of(id)?.iter().try_for_each(|group| leave(group, id))
}

/// Deletes a resource.
pub fn delete(resource_type: &str, id: &str) -> Result<(), WriteError> {
    apply(on(Action::Delete, resource_type, id)).map(drop)
}

/// Makes any change; answers with the resource as it is stored, as JSON text.
pub fn apply(write: Write) -> Result<Option<String>, WriteError> {
    host::directory_apply(write)
}

fn on(action: Action, resource_type: &str, id: &str) -> Write {
    Write { action, resource_type: resource_type.to_owned(), id: Some(id.to_owned()), body: None, if_match: None }
}

fn stored(text: Option<String>) -> Result<Resource, Failure> {
    let text = text.ok_or_else(|| Failure::new("the host answered a change without the resource"))?;
    Ok(serde_json::from_str(&text)?)
}

fn read<T: DeserializeOwned>(text: &str) -> Result<T, Failure> {
    document::read_text(text, "the resource")
}
