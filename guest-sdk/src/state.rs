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

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Failure, host};

/// How many keys [`walk_json`] asks for at a time.
const PAGE: u32 = 100;

/// How many neighbours [`Table::among`] reads with a value that it looks for: as many as the host answers with.
const NEIGHBOURS: u32 = 200;

/// Up to so many values [`Table::among`] asks for one by one.
const FEW: usize = 8;

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

/// Does something once: not if this key remembers that it was done, and after it is done, the key remembers that for so
/// long. Answers whether it was done now. After a crash in between it is done once more; so tell the receiver the key.
///
/// ```
/// # use provost_sdk::{http, state, Result};
/// # use std::time::Duration;
/// # fn main() -> Result {
/// # let host = provost_sdk::testing::Host::new().answer(202, "");
/// # host.run(|| {
/// let welcome = |key: &str| {
///     let request = http::Request::post("https://mail.example/send").header("idempotency-key", key);
///     request.body("Welcome!").send()?.success("the mailer").map(drop)
/// };
/// let year = Duration::from_secs(365 * 24 * 60 * 60);
///
/// assert!(state::once("welcome:ana", year, welcome)?);
/// assert!(!state::once("welcome:ana", year, welcome)?);
/// # Ok(())
/// # })
/// # }
/// ```
pub fn once(
    key: &str,
    remembered: Duration,
    something: impl FnOnce(&str) -> Result<(), Failure>,
) -> Result<bool, Failure> {
    if get(key)?.is_some() {
        return Ok(false);
    }
    something(key)?;
    put_for(key, "", remembered)?;
    Ok(true)
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

/// Values of one kind, each as JSON under a name of its own: what was last sent of a person, when somebody left.
///
/// ```
/// # use provost_sdk::{state, Result};
/// # fn main() -> Result {
/// # provost_sdk::testing::Host::new().run(|| {
/// const VISITS: state::Table<u64> = state::Table::new("visits:");
///
/// VISITS.put("ana", &1)?;
/// assert_eq!(VISITS.get("ana")?, Some(1));
/// assert_eq!(state::get_text("visits:ana")?.as_deref(), Some("1"));
/// # Ok(())
/// # })
/// # }
/// ```
#[derive(Debug)]
pub struct Table<T> {
    prefix: &'static str,
    of: PhantomData<fn() -> T>,
}

impl<T: Serialize + DeserializeOwned> Table<T> {
    /// The table whose keys begin with this; no other table's keys may.
    pub const fn new(prefix: &'static str) -> Self {
        Self { prefix, of: PhantomData }
    }

    /// The value under this name.
    pub fn get(&self, name: &str) -> Result<Option<T>, Failure> {
        get_json(&self.key(name))
    }

    /// Makes `value` the value under this name.
    pub fn put(&self, name: &str, value: &T) -> Result<(), Failure> {
        put_json(&self.key(name), value)
    }

    /// The same, unless there is a value already. Answers whether it was put: of several calls that run at once, one does.
    pub fn put_new(&self, name: &str, value: &T) -> Result<bool, Failure> {
        match compare_and_put(&self.key(name), None, Some(&serde_json::to_vec(value)?)) {
            Ok(()) => Ok(true),
            Err(Error::Conflict) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Takes the value under this name away.
    pub fn delete(&self, name: &str) -> Result<(), Error> {
        delete(&self.key(name))
    }

    /// Takes the value under this name away and answers with it.
    pub fn take(&self, name: &str) -> Result<Option<T>, Failure> {
        let value = self.get(name)?;
        if value.is_some() {
            self.delete(name)?;
        }
        Ok(value)
    }

    /// Hands every name and value to `each`; see [`walk_json`].
    pub fn walk(&self, each: impl FnMut(&str, T) -> Result<(), Failure>) -> Result<(), Failure> {
        walk_json(self.prefix, each)
    }

    /// The values under those of these names that have one. Many names take few calls: neighbours are read together, and
    /// never more than the whole table. For small values: a page of them has to fit into one answer of the host.
    pub fn among(&self, names: impl IntoIterator<Item = String>) -> Result<BTreeMap<String, T>, Failure> {
        let mut keys: Vec<String> = names.into_iter().map(|name| self.key(&name)).collect();
        keys.sort_unstable();
        keys.dedup();
        let mut found = BTreeMap::new();
        let mut rest = &keys[..];
        while let [first, ..] = rest {
            let is_many = rest.len() > FEW;
            let near = if is_many { scan(self.prefix, Some(before(first)), NEIGHBOURS)? } else { Vec::new() };
            let is_last = is_many && near.len() < NEIGHBOURS as usize;
            let page = match near.last() {
                Some((last, _)) if is_last || last >= first => near,
                _ => get(first)?.map(|value| (first.clone(), value)).into_iter().collect(),
            };
            let reach = page.last().map_or(first, |(last, _)| last).max(first).clone();
            for (key, value) in page.iter().filter(|(key, _)| rest.binary_search(key).is_ok()) {
                found.insert(key[self.prefix.len()..].to_owned(), serde_json::from_slice(value)?);
            }
            rest = if is_last { &[] } else { &rest[rest.partition_point(|key| *key <= reach)..] };
        }
        Ok(found)
    }

    fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }
}

/// A text shortly before this one, so that what lies behind it begins with few others.
fn before(key: &str) -> &str {
    let end = key.char_indices().next_back().map_or(0, |(end, _)| end);
    &key[..end]
}
