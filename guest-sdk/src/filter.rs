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
