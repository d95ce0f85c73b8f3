//! SCIM filters (RFC 7644 section 3.4.2.2), put together so that no value can turn into more filter.
//!
//! ```
//! use provost_sdk::filter;
//!
//! let mine = filter::eq("costCenter", "7 or true");
//! let mine = filter::and([mine, filter::eq("active", true)]);
//! assert_eq!(mine, r#"(costCenter eq "7 or true") and (active eq true)"#);
//! ```

use serde_json::Value;

use crate::time;

/// The attribute at `path` equals `value`.
pub fn eq(path: &str, value: impl Into<Value>) -> String {
    compare(path, "eq", value)
}

/// The attribute at `path` begins with `value`.
pub fn starts_with(path: &str, value: &str) -> String {
    compare(path, "sw", value)
}

/// The attribute at `path` is there.
pub fn present(path: &str) -> String {
    format!("{path} pr")
}

/// The attribute at `path` stands to `value` as the operator says: `eq`, `ne`, `co`, `sw`, `ew`, `gt`, `ge`, `lt`, `le`.
pub fn compare(path: &str, operator: &str, value: impl Into<Value>) -> String {
    format!("{path} {operator} {}", value.into())
}

/// The `dateTime` at `path` is later than one instant and no later than another, both in milliseconds since the Unix
/// epoch.
///
/// ```
/// use provost_sdk::filter;
///
/// let filter = filter::dated("meta.created", 0, 1_000);
/// assert_eq!(filter, r#"(meta.created gt "1970-01-01T00:00:00Z") and (meta.created le "1970-01-01T00:00:01Z")"#);
/// ```
pub fn dated(path: &str, after_ms: u64, until_ms: u64) -> String {
    let compare = |operator, ms| compare(path, operator, time::date_time(ms));
    and([compare("gt", after_ms), compare("le", until_ms)])
}

/// All of these.
pub fn and(parts: impl IntoIterator<Item = String>) -> String {
    join(parts, " and ")
}

/// One of these.
pub fn or(parts: impl IntoIterator<Item = String>) -> String {
    join(parts, " or ")
}

/// Not this.
pub fn not(part: &str) -> String {
    format!("not ({part})")
}

fn join(parts: impl IntoIterator<Item = String>, word: &str) -> String {
    let parts: Vec<String> = parts.into_iter().map(|part| format!("({part})")).collect();
    parts.join(word)
}
