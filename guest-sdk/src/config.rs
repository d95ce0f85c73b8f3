//! The operator's configuration for this plugin, a JSON object.
//!
//! A plugin seldom calls this: its own type is filled from the configuration before each call.

use std::mem::size_of;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{Failure, Finding, document, host};

/// The configuration as `T`.
pub fn get<T: DeserializeOwned>() -> Result<T, Failure> {
    let text = host::config();
    serde_json::from_str(&text).or_else(|_| from_value(&serde_json::from_str(&text)?).map_err(broken))
}

/// The plugin itself. One without fields asks the host for nothing.
pub(crate) fn load<P: DeserializeOwned>() -> Result<P, Failure> {
    if size_of::<P>() == 0 {
        return from_value(&Value::Object(Default::default())).map_err(broken);
    }
    get()
}

/// Reads a configuration. `struct Rule;` takes an empty object as well as `struct Rule {}` does.
pub(crate) fn from_value<T: DeserializeOwned>(value: &Value) -> Result<T, Finding> {
    let found = document::read(value);
    match found {
        Err(_) if size_of::<T>() == 0 && value.as_object().is_some_and(|o| o.is_empty()) => {
            document::read(&Value::Null)
        }
        found => found,
    }
}

fn broken(finding: Finding) -> Failure {
    match finding.path.as_str() {
        "" => Failure::new(format!("the configuration does not fit: {}", finding.message)),
        path => Failure::new(format!("the configuration does not fit at `{path}`: {}", finding.message)),
    }
}
