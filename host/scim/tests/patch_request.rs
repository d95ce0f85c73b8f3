//! The envelope of a PATCH request (S-16.1 to S-16.4), its paths (S-16.11 to S-16.13), and the
//! shape that plugins are shown.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use provost_scim::patch::{Op, PATCH_OP, PATCH_OPERATIONS_MAX, PatchRequest, normalised, parse_operations};
use provost_scim::path::PatchPath;
use provost_scim::{Leniency, Schemas, ScimType};
use serde_json::{Value, json};

fn envelope(operations: Value) -> Value {
    json!({ "schemas": [PATCH_OP], "Operations": operations })
}

#[track_caller]
fn refused(body: Value, leniency: &Leniency) -> ScimType {
    PatchRequest::parse(body.clone(), leniency).expect_err(&body.to_string()).scim_type
}

/// S-16.1, S-16.2.
#[test]
fn an_envelope_names_its_schema_and_holds_operations() {
    let lenient = Leniency::default();
    let add = json!([{ "op": "add", "path": "title", "value": "x" }]);
    for body in [
        json!([]),
        json!("x"),
        json!({}),
        json!({ "Operations": add }),
        json!({ "schemas": [], "Operations": add }),
        json!({ "schemas": PATCH_OP, "Operations": add }),
        json!({ "schemas": ["urn:example:Other"], "Operations": add }),
        json!({ "schemas": [PATCH_OP] }),
        json!({ "schemas": [PATCH_OP], "Operations": {} }),
        json!({ "schemas": [PATCH_OP], "Operations": add, "operations": add }),
        envelope(json!([])),
        envelope(json!(["x"])),
        envelope(json!([{ "path": "title", "value": "x" }])),
        envelope(json!([{ "op": "move", "path": "title", "value": "x" }])),
        envelope(json!([{ "op": ["add"], "path": "title", "value": "x" }])),
        envelope(json!([{ "op": "add", "path": 5, "value": "x" }])),
    ] {
        assert_eq!(refused(body, &lenient), ScimType::InvalidSyntax);
    }
}

/// S-16.1, S-2.15, L-P13.
#[test]
fn what_the_protocol_does_not_know_is_ignored() {
    let body = json!({
        "schemas": [PATCH_OP, "urn:example:Other"],
        "id": "x",
        "operations": [{ "OP": "Add", "name": "addMember", "Path": "title", "Value": "x" }],
    });

    let operations = PatchRequest::parse(body, &Leniency::strict()).unwrap();

    assert_eq!(operations[0].op, Op::Add);
    assert_eq!(operations[0].value, Some(json!("x")));
}

/// S-16.2, L-P1.
#[test]
fn operations_may_have_any_letter_case() {
    for (op, expected) in [("Add", Op::Add), ("REPLACE", Op::Replace), ("Remove", Op::Remove)] {
        let body = envelope(json!([{ "op": op, "path": "title", "value": "x" }]));
        assert_eq!(PatchRequest::parse(body, &Leniency::strict()).unwrap()[0].op, expected);
    }
}

/// S-16.3, S-16.4, S-16.40, L-P18.
#[test]
fn add_and_replace_need_a_value_and_remove_a_path() {
    let strict = Leniency::strict();
    assert_eq!(refused(envelope(json!([{ "op": "add", "path": "title" }])), &strict), ScimType::InvalidValue);
    assert_eq!(refused(envelope(json!([{ "op": "replace", "path": "title" }])), &strict), ScimType::InvalidValue);
    assert_eq!(refused(envelope(json!([{ "op": "remove" }])), &strict), ScimType::NoTarget);
    assert_eq!(refused(envelope(json!([{ "op": "remove", "path": "" }])), &strict), ScimType::NoTarget);
    assert_eq!(refused(envelope(json!([{ "op": "remove", "path": null }])), &strict), ScimType::NoTarget);

    let empty = envelope(json!([{ "op": "replace", "path": "", "value": { "title": "x" } }]));
    assert_eq!(PatchRequest::parse(empty, &strict).unwrap()[0].path, None);
}

/// S-16.1, L-P21.
#[test]
fn no_operations_are_accepted_only_if_switched_on() {
    let mut lenient = Leniency::default();
    lenient.patch.empty_operations_ok = true;

    assert_eq!(PatchRequest::parse(envelope(json!([])), &lenient), Ok(Vec::new()));
    assert_eq!(refused(envelope(json!([])), &Leniency::default()), ScimType::InvalidSyntax);
}

/// S-16.1, L-B4.
#[test]
fn a_missing_schema_is_made_up_only_if_switched_on() {
    let body = json!({ "Operations": [{ "op": "add", "path": "title", "value": "x" }] });
    let mut lenient = Leniency::default();
    lenient.body.infer_schemas = true;

    assert!(PatchRequest::parse(body.clone(), &lenient).is_ok());
    assert_eq!(refused(body, &Leniency::default()), ScimType::InvalidSyntax);
}

#[test]
fn a_request_holds_so_many_operations_and_no_more() {
    let of = |count: usize| envelope(json!(vec![json!({ "op": "add", "path": "title", "value": "x" }); count]));

    assert!(PatchRequest::parse(of(PATCH_OPERATIONS_MAX), &Leniency::default()).is_ok());
    assert_eq!(refused(of(PATCH_OPERATIONS_MAX + 1), &Leniency::default()), ScimType::TooMany);
}

#[test]
fn an_error_says_which_operation_it_is_about() {
    let body = envelope(json!([
        { "op": "add", "path": "title", "value": "x" },
        { "op": "copy", "path": "title", "value": "x" },
    ]));

    let detail = PatchRequest::parse(body, &Leniency::default()).unwrap_err().detail;

    assert_eq!(detail, "operation 2: `op` must be `add`, `remove` or `replace`");
}

/// S-16.11.
#[test]
fn paths_are_read_and_printed() {
    for path in [
        "title",
        "name.givenName",
        r#"emails[type eq "work"]"#,
        r#"emails[type eq "work" and primary eq true].value"#,
        r#"members[$ref ew "/7"]"#,
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User",
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.displayName",
        r#"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager[value eq "1"].displayName"#,
    ] {
        let read = PatchPath::parse(path, &Leniency::strict()).unwrap();
        assert_eq!(read.to_string(), path);
        assert_eq!(PatchPath::parse(&read.to_string(), &Leniency::strict()), Ok(read));
    }
}

/// S-16.12, S-16.13, S-10.8.
#[test]
fn a_malformed_path_is_invalid_path_and_a_malformed_filter_invalid_filter() {
    let parse = |path: &str| PatchPath::parse(path, &Leniency::default()).expect_err(path).scim_type;
    for path in [
        " ",
        "a b",
        " title",
        "a.b.c",
        "emails.",
        "emails/0",
        "emails.type[value pr]",
        r#"emails[type eq "work"]."#,
        r#"emails[type eq "work"]x"#,
        r#"emails[type eq "work"].value.x"#,
        r#"emails[type eq "work"][type eq "home"]"#,
        "[type pr]",
    ] {
        assert_eq!(parse(path), ScimType::InvalidPath, "{path}");
    }
    for path in ["emails[", "emails[]", "emails[type eq].value", "emails[type eq \"work\"", "emails[urn:x:type pr]"] {
        assert_eq!(parse(path), ScimType::InvalidFilter, "{path}");
    }
    assert_eq!(parse(&format!("emails[type eq \"{}\"]", "x".repeat(9000))), ScimType::InvalidFilter);
}

#[test]
fn plugins_are_shown_one_shape() {
    let user = Schemas::standard().resource_type("User").unwrap().clone();
    let operations = parse_operations(json!([
        { "op": "Replace", "path": "EMAILS[Type eq \"work\"].VALUE", "value": "x" },
        { "op": "add", "value": {
            "Name.GivenName": "A",
            "id": "1",
            "meta": {},
            "unknown": 1,
            "active": false,
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:user": { "Department": "R" },
            "password": "secret",
        } },
        { "op": "replace", "path": "password", "value": "secret" },
        { "op": "remove", "path": "urn:ietf:params:scim:schemas:core:2.0:User:nickname" },
    ]))
    .unwrap();

    let shown = normalised(&operations, &user);

    assert_eq!(
        shown,
        json!([
            { "op": "replace", "path": "emails[type eq \"work\"].value", "value": "x" },
            { "op": "add", "path": "name.givenName", "value": "A" },
            { "op": "add", "path": "active", "value": false },
            {
                "op": "add",
                "path": "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department",
                "value": "R",
            },
            { "op": "remove", "path": "nickName" },
        ])
    );
    assert!(!shown.to_string().contains("secret"));
    assert!(parse_operations(shown).is_ok());
}

#[test]
fn a_plugin_returns_a_bare_array() {
    assert_eq!(parse_operations(json!([])), Ok(Vec::new()));
    assert_eq!(parse_operations(json!({ "Operations": [] })).unwrap_err().scim_type, ScimType::InvalidSyntax);
}
