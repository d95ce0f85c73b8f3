//! Shapes answers in every way that is not allowed.

use provost_sdk::prelude::*;
use provost_sdk::{Resource, Value};

/// What it does: sets this path of each resource, or fails, or panics.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ShapeCheats {
    set: Option<String>,
    value: Value,
    remove: Option<String>,
    panic: bool,
    fail: bool,
    /// Only in the answers of this operation.
    only: Option<String>,
}

impl Plugin for ShapeCheats {
    const INFO: Info = Info { name: "shape_cheats", ..provost_sdk::info!() };

    fn shape(&self, context: &Context, resources: &mut [Resource]) -> Result {
        if self.only.as_deref().is_some_and(|only| only != context.operation.as_str()) {
            return Ok(());
        }
        assert!(!self.panic, "as it was told to");
        if self.fail {
            return Err(Failure::new("as it was told to"));
        }
        for resource in resources {
            if let Some(path) = &self.set {
                resource.set(path, self.value.clone());
            }
            if let Some(path) = &self.remove {
                resource.remove(path);
            }
        }
        Ok(())
    }
}

provost_sdk::export!(ShapeCheats: shape);
