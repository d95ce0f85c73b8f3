//! The members of a group, taken out of a document: they are edges, never a list in it.

use std::collections::HashMap;

use serde_json::Value;
use uuid::Uuid;

use super::value::Rules;
use crate::error::shown;
use crate::resource::parse_id;
use crate::{Attributes, Invalid, Member};

/// Reads a list of members. Each names another resource by the id in `value`; repeated ids
/// collapse (S-6.9). `$ref` and `display` are the server's to compute, and are not looked at.
pub fn members(value: Value, rules: Rules<'_>) -> Result<Vec<Member>, Invalid> {
    let elements = match value {
        Value::Null => return Ok(Vec::new()),
        Value::Array(elements) => elements,
        _ => return Err(Invalid::value("`members` must be a list")),
    };
    let mut places: HashMap<Uuid, usize> = HashMap::with_capacity(elements.len());
    let mut members: Vec<Member> = Vec::with_capacity(elements.len());
    for element in elements.into_iter().filter(|e| !e.is_null()) {
        let member = member(element, rules)?;
        match places.get(&member.id) {
            Some(place) => {
                let known = &mut members[*place];
                known.resource_type = known.resource_type.take().or(member.resource_type);
            }
            None => {
                places.insert(member.id, members.len());
                members.push(member);
            }
        }
    }
    Ok(members)
}

fn member(element: Value, rules: Rules<'_>) -> Result<Member, Invalid> {
    let fields = match element {
        Value::Object(fields) => fields,
        Value::String(id) if rules.scalar_member() => Attributes::from_iter([("value".to_owned(), id.into())]),
        _ => return Err(Invalid::value("each element of `members` must be an object")),
    };
    let mut id = None;
    let mut kind = None;
    for (name, value) in &fields {
        let slot = match name.to_ascii_lowercase().as_str() {
            "value" => &mut id,
            "type" => &mut kind,
            "$ref" | "display" => continue,
            _ if value.is_null() || rules.unknown_name() => continue,
            _ => return Err(Invalid::value(format!("no schema here knows `members.{}`", shown(name)))),
        };
        if slot.replace(value).is_some() {
            return Err(Invalid::syntax(format!("`members.{}` is given twice", name.to_ascii_lowercase())));
        }
    }
    let id = match id {
        Some(Value::String(id)) => parse_id(id),
        None | Some(Value::Null) => return Err(Invalid::value("`members.value` is required")),
        Some(_) => None,
    };
    let id = id.ok_or_else(|| Invalid::value("`members.value` must be the id of a resource"))?;
    let resource_type = match kind {
        None | Some(Value::Null) => None,
        Some(Value::String(kind)) => Some(type_name(kind)),
        Some(_) => return Err(Invalid::value("`members.type` must be a string")),
    };
    Ok(Member { id, resource_type })
}

/// The usual spelling of a member's type, whatever its letter case; any other stays as it is.
fn type_name(given: &str) -> String {
    ["User", "Group"].into_iter().find(|known| known.eq_ignore_ascii_case(given)).unwrap_or(given).to_owned()
}
