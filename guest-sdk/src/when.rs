//! Which resources a rule is about.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::Resource;

/// Which resources are meant, as operators write it down: by attribute path, the values of which one has to be there. All
/// paths have to fit; without any, everything fits.
///
/// ```
/// use provost_sdk::{Resource, When, json};
///
/// let when: When = serde_json::from_value(json!({ "userType": ["employee", "trainee"], "active": [true] }))?;
/// let person = |kind: &str| serde_json::from_value::<Resource>(json!({ "userType": kind, "active": true }));
///
/// assert!(when.fits(&person("trainee")?));
/// assert!(!when.fits(&person("guest")?));
/// # Ok::<(), provost_sdk::Failure>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(transparent)]
pub struct When(BTreeMap<String, Vec<Value>>);

impl When {
    /// Whether this is one of them.
    pub fn fits(&self, resource: &Resource) -> bool {
        self.0.iter().all(|(path, wanted)| resource.values(path).into_iter().any(|value| wanted.contains(value)))
    }

    /// Whether everything is meant.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
