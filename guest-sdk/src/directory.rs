//! Reads of the committed directory.
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

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{Failure, Member, Resource, host};

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

/// At most `count` members of a group, in the order of their ids, beginning behind `after`.
pub fn members(group: &str, after: Option<&str>, count: u32) -> Result<Vec<Member>, Error> {
    host::directory_members(group, after, count)
}

/// Whether `id` is a direct member of a group.
pub fn is_member(group: &str, id: &str) -> Result<bool, Error> {
    host::directory_is_member(group, id)
}

/// A filter for resources whose attribute at `path` equals `value`, which is quoted here: text
/// from a resource cannot turn into more filter.
pub fn eq(path: &str, value: &str) -> String {
    format!("{path} eq {}", Value::from(value))
}

fn read<T: DeserializeOwned>(text: &str) -> Result<T, Failure> {
    serde_json::from_str::<Resource>(text)?.to()
}
