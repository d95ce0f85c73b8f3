//! Stored resources whose schema has changed under them: what is said, what is shown, what a
//! write makes of them.

use provost_scim::check::misfits;
use provost_scim::{Projection, patch, validate};

use super::*;

/// A gadget whose values the schema would not take any more.
fn outdated() -> Resource {
    stored_as(
        gadget_type(),
        json!({ "serial": "s", "size": "large", "tags": "red", "gone": "hush", "owner": { "value": "o", "rank": 1 },
            "parts": [{ "aliases": ["x"] }], "blob": "%",
            "urn:example:Warranty": { "terms": "T", "page": 1 }, "urn:example:Lost": { "a": 1 } }),
    )
}

fn said_of(resource: &Resource) -> Vec<String> {
    misfits(resource).into_iter().map(|invalid| invalid.detail).collect()
}

#[test]
fn every_attribute_that_does_not_fit_is_named_and_no_value_is() {
    let said = said_of(&outdated());
    assert_eq!(
        said,
        [
            "`size` must be a whole number without fraction or exponent",
            "`tags` must be a list",
            "no schema here knows `gone`",
            "no schema here knows `owner.rank`",
            "`blob` must be base64",
            "no schema here knows `urn:example:Warranty:page`",
            "no schema here knows `urn:example:Lost`",
            "`parts.value` is required",
            "`urn:example:Warranty:until` is required",
        ]
    );
    assert!(!said.join(" ").contains("hush") && !said.join(" ").contains("large"));
    let fits = json!({ "externalId": "1", "size": 1, "urn:example:Warranty": { "until": "2026-01-01T00:00:00.000Z" } });
    assert_eq!(said_of(&stored_as(gadget_type(), fits)), [""; 0]);
    assert_eq!(said_of(&stored_as(gadget_type(), json!({}))), ["`urn:example:Warranty` is required"]);
}

#[test]
fn what_the_schema_does_not_know_is_not_shown_and_nothing_fails() {
    let resource = outdated();
    let shown = Value::Object(Projection::Default.apply(&gadget_type(), resource.document()));
    let text = shown.to_string();

    assert!(!text.contains("hush") && !text.contains("gone") && !text.contains("Lost") && !text.contains("page"));
    assert!(shown["owner"].get("rank").is_none());
    assert_eq!(shown["serial"], "s");
}

#[test]
fn a_patch_leaves_the_unknown_behind_and_is_held_to_the_schema() {
    let patched = |operations: Value| {
        let operations = patch::parse_operations(operations).unwrap();
        let resource = outdated();
        let draft = patch::apply(resource.to_draft(), Some(&resource), &operations, &Leniency::default()).unwrap();
        validate(draft, stamp())
    };
    let invalid = patched(json!([{ "op": "replace", "path": "weight", "value": 1 }])).unwrap_err();
    assert!(invalid.detail.contains("`size`"), "{invalid:?}");
    let mended = patched(json!([
        { "op": "replace", "path": "size", "value": 2 }, { "op": "remove", "path": "parts" },
        { "op": "replace", "path": "tags", "value": ["red"] }, { "op": "remove", "path": "blob" },
        { "op": "add", "path": "urn:example:Warranty:until", "value": "2026-01-01T00:00:00Z" },
    ]));
    let mended = mended.unwrap();
    assert!(mended.attributes().get("gone").is_none() && mended.attributes().get("urn:example:Lost").is_none());
    assert_eq!(said_of(&mended), [""; 0]);
}
