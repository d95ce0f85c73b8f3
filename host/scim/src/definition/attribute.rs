//! One attribute's definition: its characteristics read, then held against each other.

use std::collections::HashSet;

use serde_json::Value;

use super::members::Members;
use super::{CANONICAL_VALUES_MAX, NAME_BYTES_MAX, SUB_ATTRIBUTES_MAX, can_be_unique, is_name};
use crate::fold::fold;
use crate::schema::CLOSED;
use crate::{Attribute, AttributeType, Mutability, Returned, Uniqueness, standard};

/// Everything that a definition may say (RFC 7643 section 7), and what closes its canonical values.
const CHARACTERISTICS: [&str; 13] = [
    "name",
    "type",
    "multiValued",
    "description",
    "required",
    "canonicalValues",
    "caseExact",
    "mutability",
    "returned",
    "uniqueness",
    "referenceTypes",
    "subAttributes",
    CLOSED,
];

const TYPES: [&str; 8] = ["string", "boolean", "decimal", "integer", "dateTime", "binary", "reference", "complex"];
const MUTABILITIES: [&str; 4] = ["readOnly", "readWrite", "immutable", "writeOnly"];
const RETURNED: [&str; 4] = ["always", "never", "default", "request"];
const UNIQUENESSES: [&str; 3] = ["none", "server", "global"];

/// Reads the definitions of one level: a schema's attributes, or the parts of `parent`. `prefix`
/// stands before each name in errors.
pub(super) fn all(
    members: &mut Members<'_>,
    values: &[Value],
    prefix: &str,
    parent: Option<&Attribute>,
) -> Vec<Attribute> {
    let mut names = HashSet::new();
    let mut attributes = Vec::with_capacity(values.len());
    let owner = members.path().to_owned();
    for value in values {
        let Some(mut inside) = members.inside(&owner, value) else { continue };
        let Some(attribute) = read(&mut inside, prefix, parent) else { continue };
        if names.insert(attribute.name.to_ascii_lowercase()) {
            attributes.push(attribute);
        } else {
            inside.wrong("is defined twice; letter case does not count");
        }
    }
    attributes
}

fn read(members: &mut Members<'_>, prefix: &str, parent: Option<&Attribute>) -> Option<Attribute> {
    let Some(name) = members.text("name") else {
        if members.get("name").is_none() {
            members.wrong("an attribute has no `name`");
        }
        return None;
    };
    members.named(format!("{prefix}{name}"));
    members.only(&CHARACTERISTICS);
    hold_name(members, &name, parent);
    let kind = members.word("type", &TYPES);
    let mut attribute = Attribute {
        name,
        kind,
        multi_valued: members.flag("multiValued"),
        description: members.text("description").unwrap_or_default(),
        required: members.flag("required"),
        canonical_values: members.texts("canonicalValues"),
        closed: members.flag(CLOSED),
        // References and binary values are compared exactly, whatever is said (S-3.6, S-3.7).
        case_exact: members.flag("caseExact") || matches!(kind, AttributeType::Reference | AttributeType::Binary),
        mutability: members.word("mutability", &MUTABILITIES),
        returned: members.word("returned", &RETURNED),
        uniqueness: members.word("uniqueness", &UNIQUENESSES),
        reference_types: members.texts("referenceTypes"),
        sub_attributes: Vec::new(),
    };
    attribute.sub_attributes = sub_attributes(members, &attribute, parent.is_some());
    hold_type(members, &attribute, parent);
    hold_access(members, &attribute, parent);
    Some(attribute)
}

/// The parts of a complex attribute, and of no other; none of them complex again (S-3.8).
fn sub_attributes(members: &mut Members<'_>, attribute: &Attribute, is_sub: bool) -> Vec<Attribute> {
    let values = members.list("subAttributes");
    match (attribute.kind == AttributeType::Complex, values.is_empty()) {
        (true, _) if is_sub => members.wrong("a sub-attribute cannot be complex"),
        (true, true) => members.wrong("a complex attribute must have `subAttributes`"),
        (false, false) => members.wrong("only a complex attribute has `subAttributes`"),
        (true, false) => {
            if values.len() > SUB_ATTRIBUTES_MAX {
                members.wrong(format!("has more than {SUB_ATTRIBUTES_MAX} sub-attributes"));
            }
            let prefix = format!("{}.", members.path());
            return all(members, values, &prefix, Some(attribute));
        }
        (false, true) => {}
    }
    Vec::new()
}

/// RFC 7643 section 2.1, and what the common attributes and the groups keep for themselves.
fn hold_name(members: &mut Members<'_>, name: &str, parent: Option<&Attribute>) {
    let is_reference = parent.is_some() && name == "$ref";
    if !is_name(name) && !is_reference {
        members.wrong(format!(
            "is not an attribute name: a letter, then letters, digits, `-` and `_`, at most {NAME_BYTES_MAX} in all"
        ));
    }
    if parent.is_none() && standard::common(name).is_some() {
        members.wrong("every resource has this attribute already, and it cannot be redefined");
    }
}

/// What only some types have (S-3.9, S-3.12, S-3.14).
fn hold_type(members: &mut Members<'_>, attribute: &Attribute, parent: Option<&Attribute>) {
    let kind = attribute.kind;
    let textual = matches!(kind, AttributeType::String | AttributeType::Reference | AttributeType::Binary);
    if attribute.case_exact && !textual {
        members.wrong("only string, reference and binary attributes can be `caseExact`");
    }
    if attribute.uniqueness != Uniqueness::None && !can_be_unique(kind) {
        members.wrong("only string, integer, decimal and reference attributes can be unique");
    }
    match (kind == AttributeType::Reference, attribute.reference_types.is_empty()) {
        (true, true) => {
            members.wrong("a reference needs `referenceTypes`: resource types, `external` or `uri`");
        }
        (false, false) => members.wrong("only a reference has `referenceTypes`"),
        _ => {}
    }
    hold_canonical_values(members, attribute);

    let list = parent.is_some_and(|parent| parent.multi_valued);
    let fits = match attribute.name.as_str() {
        "$ref" if parent.is_some() => kind == AttributeType::Reference,
        "primary" if list => kind == AttributeType::Boolean,
        "type" | "display" if list => kind == AttributeType::String,
        _ => true,
    };
    if !fits || (attribute.multi_valued && list && matches!(&*attribute.name, "primary" | "type" | "display")) {
        members.wrong("this name has a meaning of its own (RFC 7643 section 2.4), and its type does not fit it");
    }
}

fn hold_canonical_values(members: &mut Members<'_>, attribute: &Attribute) {
    let values = &attribute.canonical_values;
    if values.is_empty() {
        if attribute.closed {
            members.wrong(format!("`{CLOSED}` closes a list of `canonicalValues`, and there is none"));
        }
        return;
    }
    if attribute.kind != AttributeType::String {
        members.wrong("only a string attribute has `canonicalValues`");
    }
    if values.len() > CANONICAL_VALUES_MAX {
        members.wrong(format!("has more than {CANONICAL_VALUES_MAX} canonical values"));
    }
    let mut seen = HashSet::new();
    let key = |value: &String| if attribute.case_exact { value.clone() } else { fold(value) };
    if values.iter().any(|value| value.is_empty() || !seen.insert(key(value))) {
        members.wrong("`canonicalValues` must be different from each other, and none of them empty");
    }
}

/// Who may write it and who sees it must not contradict each other (S-3.16, S-3.17).
fn hold_access(members: &mut Members<'_>, attribute: &Attribute, parent: Option<&Attribute>) {
    let Attribute { mutability, returned, .. } = *attribute;
    if mutability == Mutability::ReadOnly && attribute.required {
        members.wrong("cannot be `readOnly` and `required`: nobody could supply it");
    }
    match (mutability, returned) {
        (Mutability::WriteOnly, Returned::Never) => {}
        (Mutability::WriteOnly, _) => members.wrong("a `writeOnly` attribute must say `\"returned\": \"never\"`"),
        (Mutability::ReadOnly | Mutability::ReadWrite, Returned::Never) => {
            members.wrong("what is `returned` `never` must be `writeOnly` or `immutable`");
        }
        _ => {}
    }
    if returned == Returned::Never && attribute.uniqueness != Uniqueness::None {
        members.wrong("what is `returned` `never` cannot be unique: a conflict would tell it");
    }
    match parent.map(|parent| parent.mutability) {
        Some(Mutability::ReadOnly) if mutability != Mutability::ReadOnly => {
            members.wrong("must be `readOnly`, as the attribute around it is");
        }
        Some(Mutability::WriteOnly) if mutability != Mutability::WriteOnly => {
            members.wrong("must be `writeOnly`, as the attribute around it is");
        }
        _ => {}
    }
}
