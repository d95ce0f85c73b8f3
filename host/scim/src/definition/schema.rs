//! One schema document.

use std::sync::Arc;

use serde_json::Value;

use super::members::Members;
use super::{ATTRIBUTES_MAX, Own, Reader, URN_BYTES_MAX};
use crate::{Schema, standard};

/// Everything that a Schema resource may say.
const MEMBERS: [&str; 6] = ["schemas", "id", "name", "description", "attributes", "meta"];

/// The URNs of messages, which are no schemas (S-1.12).
const MESSAGES: &str = "urn:ietf:params:scim:api:";

/// The URNs of the standard's own schemas.
const CORE: &str = "urn:ietf:params:scim:schemas:core:";

impl Reader {
    pub(super) fn schema(&mut self, file: &str, value: &Value) {
        let Some(mut members) = Members::of(file, "", value, &mut self.mistakes) else { return };
        let Some(id) = members.text("id") else {
            if members.get("id").is_none() {
                members.wrong("a schema has no `id`");
            }
            return;
        };
        members.named(&id);
        members.only(&MEMBERS);
        if let Some(reason) = wrong_urn(&id) {
            members.wrong(reason);
        }
        hold_kind(&mut members, standard::SCHEMA);
        let description = members.text("description").unwrap_or_default();
        let name = members.text("name").unwrap_or_default();
        if name.is_empty() {
            members.wrong("a schema has no `name`");
        }
        let values = members.list("attributes");
        if values.is_empty() {
            members.wrong("a schema has no `attributes`");
        }
        if values.len() > ATTRIBUTES_MAX {
            members.wrong(format!("has more than {ATTRIBUTES_MAX} attributes"));
        }
        let attributes = super::attribute::all(&mut members, values, &format!("{id}:"), None);

        if let Some(other) = self.all.schema(&id) {
            let own = self.own.iter().find(|own| Arc::ptr_eq(&own.schema, other));
            let reason = match own {
                Some(own) => format!("is defined twice, here and in {}", own.file),
                None => "belongs to the standard and cannot be replaced; extend it by a schema with another URN".into(),
            };
            self.mistake(file, id, reason);
            return;
        }
        let schema = Arc::new(Schema { id, name, description, attributes });
        self.own.push(Own { file: file.to_owned(), schema: schema.clone() });
        self.all.schemas.push(schema);
    }
}

/// If the document says what it is, it says this.
pub(super) fn hold_kind(members: &mut Members<'_>, urn: &str) {
    let kinds = members.texts("schemas");
    if members.get("schemas").is_some() && !kinds.iter().any(|kind| kind.eq_ignore_ascii_case(urn)) {
        members.wrong(format!("`schemas` must name `{urn}`"));
    }
}

/// What is wrong with a schema's URN, if anything: RFC 8141's form, with the characters that can
/// stand in a path, in a URL and in a filter without quoting.
fn wrong_urn(urn: &str) -> Option<String> {
    let starts = |prefix: &str| urn.get(..prefix.len()).is_some_and(|head| head.eq_ignore_ascii_case(prefix));
    if urn.len() > URN_BYTES_MAX {
        return Some(format!("its URN is longer than {URN_BYTES_MAX} bytes"));
    }
    if starts(MESSAGES) {
        return Some("a URN that begins so is a message's, and never a schema's".to_owned());
    }
    let parts: Vec<_> = urn.split(':').collect();
    let plain = |part: &&str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~'))
    };
    let is_namespace = |part: &str| {
        (2..=32).contains(&part.len())
            && part.starts_with(|c: char| c.is_ascii_alphanumeric())
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    let good = parts.len() >= 3
        && parts[0].eq_ignore_ascii_case("urn")
        && is_namespace(parts[1])
        && parts[2..].iter().all(plain);
    if !good {
        return Some("its `id` must be a URN such as `urn:example:params:scim:schemas:platform:1.0:User`".to_owned());
    }
    let standard = crate::Schemas::standard();
    let new_core = starts(CORE) && standard.schema(urn).is_none();
    new_core.then(|| format!("`{CORE}` begins the standard's own schemas; choose a URN of yours"))
}
