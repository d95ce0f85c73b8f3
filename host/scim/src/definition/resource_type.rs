//! One resource type document: a new type, or more extensions of a standard one.

use std::sync::Arc;

use serde_json::Value;

use super::members::Members;
use super::schema::hold_kind;
use super::{NAME_BYTES_MAX, Reader, is_name, number};
use crate::schema::Extension;
use crate::{AttributeType, Mutability, ResourceType, Schema, Schemas, standard};

/// Everything that a ResourceType resource may say.
const MEMBERS: [&str; 8] = ["schemas", "id", "name", "description", "endpoint", "schema", "schemaExtensions", "meta"];

/// The endpoints that are no resource type's.
const RESERVED: [&str; 5] = ["/ServiceProviderConfig", "/ResourceTypes", "/Schemas", "/Bulk", "/Me"];

impl Reader {
    pub(super) fn resource_type(&mut self, file: &str, value: &Value) {
        let Some(mut members) = Members::of(file, "", value, &mut self.mistakes) else { return };
        let Some(name) = members.text("name") else {
            if members.get("name").is_none() {
                members.wrong("a resource type has no `name`");
            }
            return;
        };
        members.named(&name);
        members.only(&MEMBERS);
        hold_kind(&mut members, standard::RESOURCE_TYPE);
        if members.text("id").is_some_and(|id| id != name) {
            members.wrong_at(format!("{name}.id"), "must be the same as `name`, or be left out");
        }
        if let Some((_, first)) = self.types.iter().find(|(other, _)| other.eq_ignore_ascii_case(&name)) {
            members.wrong(format!("is defined twice, here and in {first}"));
            return;
        }
        self.types.push((name.clone(), file.to_owned()));
        let standing = self.all.resource_types.iter().position(|of| of.name.eq_ignore_ascii_case(&name));
        match standing {
            Some(index) => {
                let standing = ResourceType::clone(&self.all.resource_types[index]);
                self.all.resource_types[index] = Arc::new(extended(&mut members, standing, &name, &self.all));
            }
            None => {
                let made = made(&mut members, name, &self.all);
                self.all.resource_types.extend(made.map(Arc::new));
            }
        }
    }
}

/// A standard type with more extensions. What else the document says must be so already, but for
/// the description.
fn extended(members: &mut Members<'_>, mut of: ResourceType, name: &str, all: &Schemas) -> ResourceType {
    if of.name != name {
        members.wrong(format!("differs from `{}` by letter case only", of.name));
    }
    if members.text("schema").is_some_and(|urn| !urn.eq_ignore_ascii_case(&of.schema.id)) {
        members.wrong_at(format!("{name}.schema"), format!("the schema of {name} is `{}`", of.schema.id));
    }
    if members.text("endpoint").is_some_and(|endpoint| rooted(&endpoint) != of.endpoint) {
        members.wrong_at(format!("{name}.endpoint"), format!("the endpoint of {name} is `{}`", of.endpoint));
    }
    if let Some(description) = members.text("description") {
        of.description = description;
    }
    for Extension { schema, required } in extensions(members, name, &of.schema, all) {
        match of.extensions.iter_mut().find(|known| Arc::ptr_eq(&known.schema, &schema)) {
            Some(known) => known.required = required,
            None => of.extensions.push(Extension { schema, required }),
        }
    }
    of
}

/// A new type.
fn made(members: &mut Members<'_>, name: String, all: &Schemas) -> Option<ResourceType> {
    if !is_name(&name) {
        members.wrong(format!(
            "is not a name: a letter, then letters, digits, `-` and `_`, at most {NAME_BYTES_MAX} in all"
        ));
    }
    let endpoint = endpoint(members, &name, all);
    let schema = base(members, &name, all);
    let extensions = schema.as_ref().map(|schema| extensions(members, &name, schema, all));
    Some(ResourceType {
        number: number(&name),
        description: members.text("description").unwrap_or_default(),
        endpoint: endpoint?,
        schema: schema?,
        extensions: extensions?,
        has_members: false,
        name,
    })
}

/// Where it is served: one segment that no other endpoint has, in any letter case.
fn endpoint(members: &mut Members<'_>, name: &str, all: &Schemas) -> Option<String> {
    let path = format!("{name}.endpoint");
    let Some(text) = members.text("endpoint") else {
        if members.get("endpoint").is_none() {
            members.wrong_at(path, format!("is missing; by custom it is `/{name}s`"));
        }
        return None;
    };
    let endpoint = rooted(&text);
    if !is_name(&endpoint[1..]) {
        members.wrong_at(path, "must be one path segment of letters, digits, `-` and `_`, such as `/Applications`");
        return None;
    }
    if RESERVED.iter().any(|reserved| reserved.eq_ignore_ascii_case(&endpoint)) {
        members.wrong_at(path, format!("`{endpoint}` is an endpoint of the protocol"));
        return None;
    }
    if let Some(other) = all.resource_types.iter().find(|of| of.endpoint.eq_ignore_ascii_case(&endpoint)) {
        let reason = format!("`{endpoint}` is the endpoint of {} already", other.name);
        members.wrong_at(path, reason);
        return None;
    }
    Some(endpoint)
}

/// The slash that is published, whether it was written or not.
fn rooted(endpoint: &str) -> String {
    format!("/{}", endpoint.strip_prefix('/').unwrap_or(endpoint))
}

/// The base schema of a new type.
fn base(members: &mut Members<'_>, name: &str, all: &Schemas) -> Option<Arc<Schema>> {
    let path = format!("{name}.schema");
    let Some(urn) = members.text("schema") else {
        if members.get("schema").is_none() {
            members.wrong_at(path, "is missing: the URN of its schema");
        }
        return None;
    };
    let schema = known(members, &path, &urn, all)?;
    if schema.id == standard::GROUP {
        members.wrong_at(path, "only Group has members, so only Group has this schema");
        return None;
    }
    if let Some(groups) = schema.attribute("groups")
        && !(groups.kind == AttributeType::Complex && groups.multi_valued && groups.mutability == Mutability::ReadOnly)
    {
        let path = format!("{}:{}", schema.id, groups.name);
        members.wrong_at(path, "is computed from memberships; it must be complex, multi-valued and readOnly");
    }
    Some(schema)
}

/// What extends it, in the document's order; with mistakes left out.
fn extensions(members: &mut Members<'_>, name: &str, base: &Arc<Schema>, all: &Schemas) -> Vec<Extension> {
    let mut found: Vec<Extension> = Vec::new();
    let path = format!("{name}.schemaExtensions");
    for value in members.list("schemaExtensions") {
        let Some(mut inside) = members.inside(&path, value) else { continue };
        inside.only(&["schema", "required"]);
        let required = inside.flag("required");
        let Some(urn) = inside.text("schema") else {
            if inside.get("schema").is_none() {
                inside.wrong("an extension has no `schema`");
            }
            continue;
        };
        let Some(schema) = known(&mut inside, &path, &urn, all) else { continue };
        if Arc::ptr_eq(&schema, base) || [standard::USER, standard::GROUP].contains(&&*schema.id) {
            inside.wrong(format!("`{urn}` is a base schema, and cannot extend"));
        } else if found.iter().any(|known| Arc::ptr_eq(&known.schema, &schema)) {
            inside.wrong(format!("`{urn}` is named twice"));
        } else {
            found.push(Extension { schema, required });
        }
    }
    found
}

/// A schema that resources may have, by its URN.
fn known(members: &mut Members<'_>, path: &str, urn: &str, all: &Schemas) -> Option<Arc<Schema>> {
    let about_itself = [standard::SERVICE_PROVIDER_CONFIG, standard::RESOURCE_TYPE, standard::SCHEMA];
    let found = all.schema(urn).filter(|schema| !about_itself.contains(&&*schema.id));
    if found.is_none() {
        members.wrong_at(path, format!("there is no schema `{}`", crate::error::shown(urn)));
    }
    found.cloned()
}
