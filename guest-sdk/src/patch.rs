//! Patches: SCIM's own operations (RFC 7644 section 3.5.2), written by a plugin, applied by the host.

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::{Result, Verdict};

/// A list of patch operations. An empty one is no change.
///
/// ```
/// use provost_sdk::Patch;
///
/// let patch = Patch::new().replace("displayName", "Ana Ruiz").remove("nickName");
/// assert_eq!(patch.to_string(), r#"[{"op":"replace","path":"displayName","value":"Ana Ruiz"},{"op":"remove","path":"nickName"}]"#);
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Patch(Vec<Value>);

impl Patch {
    /// No change yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds `value` at `path`: to the values of a list, or as the value of anything else.
    pub fn add(mut self, path: &str, value: impl Into<Value>) -> Self {
        self.0.push(json!({ "op": "add", "path": path, "value": value.into() }));
        self
    }

    /// Makes `value` the value at `path`: `displayName`, `name.givenName`,
    /// `emails[type eq "work"].value`, or an extension's attribute behind its URN and a colon.
    pub fn replace(mut self, path: &str, value: impl Into<Value>) -> Self {
        self.0.push(json!({ "op": "replace", "path": path, "value": value.into() }));
        self
    }

    /// Takes away what is at `path`.
    pub fn remove(mut self, path: &str) -> Self {
        self.0.push(json!({ "op": "remove", "path": path }));
        self
    }

    /// The smallest patch that makes `after` of `before`: simple attributes and parts of complex
    /// ones each for itself, lists as a whole. `schemas` follows from the extensions present and
    /// is left out.
    pub fn between<T: Serialize>(before: &T, after: &T) -> Result<Self> {
        let (before, after) = (serde_json::to_value(before)?, serde_json::to_value(after)?);
        let empty = Map::new();
        let (before, after) = (before.as_object().unwrap_or(&empty), after.as_object().unwrap_or(&empty));
        let mut patch = Self::new();
        patch.compare("", before, after);
        Ok(patch)
    }

    /// Whether nothing would change.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The operations, each an object with `op`, `path` and, unless it removes, `value`.
    pub fn operations(&self) -> &[Value] {
        &self.0
    }

    /// The verdict that applies these operations; proceeds when there are none.
    pub fn into_verdict(self) -> Verdict {
        if self.is_empty() { Verdict::Proceed } else { Verdict::Patch(self) }
    }

    /// `prefix` is what stands before an attribute's name: nothing, `name.`, or an extension's
    /// URN and a colon.
    fn compare(&mut self, prefix: &str, before: &Map<String, Value>, after: &Map<String, Value>) {
        let empty = Map::new();
        let derived = |name: &str| prefix.is_empty() && name == "schemas";
        for (name, old) in before {
            if after.contains_key(name) || old.is_null() || derived(name) {
                continue;
            }
            match old {
                // A path names an extension's attribute, never the extension as a whole.
                Value::Object(old) if is_urn(name) => self.compare(&format!("{name}:"), old, &empty),
                _ => self.0.push(json!({ "op": "remove", "path": format!("{prefix}{name}") })),
            }
        }
        for (name, new) in after {
            let old = before.get(name);
            if derived(name) || old == Some(new) {
                continue;
            }
            let path = format!("{prefix}{name}");
            match (old, new) {
                (Some(Value::Object(old)), Value::Object(new)) if !is_urn(name) => {
                    self.compare(&format!("{path}."), old, new);
                }
                (old, Value::Object(new)) if is_urn(name) => {
                    let old = old.and_then(Value::as_object).unwrap_or(&empty);
                    self.compare(&format!("{path}:"), old, new);
                }
                (None, Value::Null) => {}
                (Some(_), Value::Null) => self.0.push(json!({ "op": "remove", "path": path })),
                (_, new) => self.0.push(json!({ "op": "replace", "path": path, "value": new })),
            }
        }
    }
}

/// The operations as JSON text.
impl std::fmt::Display for Patch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&Value::from(self.0.clone()).to_string())
    }
}

fn is_urn(name: &str) -> bool {
    name.get(..4).is_some_and(|head| head.eq_ignore_ascii_case("urn:"))
}
