//! The plugin's own durable memory: values by key.
//!
//! In a review, writes commit with the change or not at all; reads see them at once.
//!
//! ```
//! # use provost_sdk::{state, Result};
//! # fn main() -> Result {
//! # provost_sdk::testing::Host::new().run(|| {
//! let seen: u64 = state::get_json("seen")?.unwrap_or(0);
//! state::put_json("seen", &(seen + 1))?;
//! # Ok(())
//! # })
//! # }
//! ```

use std::fmt;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Failure, host};

/// How many keys [`walk_json`] asks for at a time.
const PAGE: u32 = 100;

/// Why the memory did not serve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// The plugin's state quota is used up.
    Quota,
    /// [`compare_and_put`] found another value.
    Conflict,
    /// The key or the value is too large.
    TooLarge,
    /// Not now.
    Unavailable(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Quota => f.write_str("the plugin's state quota is used up"),
            Self::Conflict => f.write_str("the state holds another value than expected"),
            Self::TooLarge => f.write_str("the state's key or value is too large"),
            Self::Unavailable(reason) => write!(f, "the state is not available: {reason}"),
        }
    }
}

impl std::error::Error for Error {}

/// The value at `key`.
pub fn get(key: &str) -> Result<Option<Vec<u8>>, Error> {
    host::state_get(key)
}

/// The value at `key`, as text.
pub fn get_text(key: &str) -> Result<Option<String>, Failure> {
    Ok(get(key)?.map(String::from_utf8).transpose()?)
}

/// The value at `key`, read as JSON.
pub fn get_json<T: DeserializeOwned>(key: &str) -> Result<Option<T>, Failure> {
    Ok(get(key)?.map(|bytes| serde_json::from_slice(&bytes)).transpose()?)
}

/// Makes `value` the value at `key`: bytes or text.
pub fn put(key: &str, value: impl AsRef<[u8]>) -> Result<(), Error> {
    host::state_put(key, value.as_ref(), None)
}

/// As [`put`], until `ttl` has passed.
pub fn put_for(key: &str, value: impl AsRef<[u8]>, ttl: Duration) -> Result<(), Error> {
    host::state_put(key, value.as_ref(), Some(ttl.as_secs()))
}

/// Makes `value`, as JSON, the value at `key`.
pub fn put_json(key: &str, value: &impl Serialize) -> Result<(), Failure> {
    Ok(put(key, serde_json::to_vec(value)?)?)
}

/// Takes the value at `key` away.
pub fn delete(key: &str) -> Result<(), Error> {
    host::state_delete(key)
}

/// Writes only if the key still holds `expected` (`None`: nothing); no `value` deletes.
pub fn compare_and_put(key: &str, expected: Option<&[u8]>, value: Option<&[u8]>) -> Result<(), Error> {
    host::state_compare_and_put(key, expected, value)
}

/// Hands every value under a prefix, read as JSON, to `each`, with what its key holds behind the
/// prefix. It may delete what it gets. Whatever it answers with an error ends the walk.
pub fn walk_json<T: DeserializeOwned>(
    prefix: &str,
    mut each: impl FnMut(&str, T) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut after: Option<String> = None;
    loop {
        let page = scan(prefix, after.as_deref(), PAGE)?;
        for (key, value) in &page {
            each(&key[prefix.len()..], serde_json::from_slice(value)?)?;
        }
        match page.into_iter().next_back() {
            Some((last, _)) => after = Some(last),
            None => return Ok(()),
        }
    }
}

/// At most `limit` keys that begin with `prefix`, with their values, in byte order, beginning
/// behind `after`.
pub fn scan(prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<(String, Vec<u8>)>, Error> {
    host::state_scan(prefix, after, limit)
}
