//! Which attributes a PATCH gave values to.

use std::collections::BTreeSet;

use serde_json::Value;

use super::apply::member_path;
use super::{Op, Operation};
use crate::path::PatchPath;
use crate::project::supplied_at;
use crate::{Leniency, Place, ResourceType};

/// The canonical paths that operations give values to, for
/// [`crate::Projection::apply_to_write`]. What is removed is not supplied (S-3.17).
pub fn supplied(operations: &[Operation], resource_type: &ResourceType) -> Vec<String> {
    let mut paths = BTreeSet::new();
    for operation in operations.iter().filter(|operation| operation.op != Op::Remove) {
        match (&operation.path, &operation.value) {
            (Some(path), Some(value)) => supplied_by(path, value, resource_type, &mut paths),
            (None, Some(Value::Object(fields))) => {
                for (key, value) in fields {
                    if let Ok(Some((path, _))) = member_path(resource_type, None, key, &Leniency::default()) {
                        supplied_by(&path, value, resource_type, &mut paths);
                    }
                }
            }
            _ => {}
        }
    }
    paths.into_iter().collect()
}

fn supplied_by(path: &PatchPath, value: &Value, resource_type: &ResourceType, paths: &mut BTreeSet<String>) {
    let Some(place) = path.attribute.place(resource_type) else { return };
    let sub = path.sub.as_deref().and_then(|sub| place.attribute?.sub_attribute(sub)).or(place.sub);
    supplied_at(Place { sub, ..place }, value, paths);
}
