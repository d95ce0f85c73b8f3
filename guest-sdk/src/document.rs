//! Reading JSON into types, with errors that name the place and never the value.
//!
//! What fits is read straight. Keeping track of where one is costs a guest more than the reading, so that is done only
//! for what does not fit, in a second reading.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{Failure, Finding};

/// Reads `text` as `T`. What does not fit is named by its dotted path in `what`.
pub(crate) fn read_text<T: DeserializeOwned>(text: &str, what: &str) -> Result<T, Failure> {
    serde_json::from_str(text).or_else(|_| {
        let value: Value = serde_json::from_str(text)?;
        read(&value).map_err(|finding| match finding.path.as_str() {
            "" => Failure::new(format!("{what} {}", finding.message)),
            path => Failure::new(format!("`{path}` of {what} {}", finding.message)),
        })
    })
}

/// Reads `value` as `T`. What does not fit is named by its dotted path.
pub(crate) fn read<T: DeserializeOwned>(value: &Value) -> Result<T, Finding> {
    T::deserialize(value).or_else(|_| find_fault(value))
}

fn find_fault<T: DeserializeOwned>(value: &Value) -> Result<T, Finding> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let mut path = error.path().to_string();
        if path == "." {
            path.clear();
        }
        explain(path, &error.inner().to_string())
    })
}

/// Puts an error of serde into words: the place gets the missing or unknown key's name, the
/// sentence loses the value that was found.
fn explain(mut path: String, error: &str) -> Finding {
    let message = if error.starts_with("missing field `") {
        push(&mut path, quoted(error));
        "is missing".to_owned()
    } else if error.starts_with("unknown field `") {
        // serde_path_to_error knows some unknown keys already.
        if path.rsplit('.').next() != Some(quoted(error)) {
            push(&mut path, quoted(error));
        }
        match error.split_once("expected ") {
            Some((_, expected)) => format!("is not known; expected {expected}"),
            None => "is not known".to_owned(),
        }
    } else if let Some(rest) = error.strip_prefix("invalid type: ").or(error.strip_prefix("invalid value: ")) {
        let expected = rest.rsplit_once(", expected ").map_or("another value", |(_, expected)| expected);
        format!("does not fit: expected {expected}")
    } else {
        error.to_owned()
    };
    Finding::new(path, message)
}

fn quoted(error: &str) -> &str {
    error.split('`').nth(1).unwrap_or_default()
}

fn push(path: &mut String, key: &str) {
    if !path.is_empty() {
        path.push('.');
    }
    path.push_str(key);
}
