//! What holds for any patch whatever.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::sync::Arc;

use jiff::Timestamp;
use proptest::prelude::*;
use provost_scim::patch::{PATCH_OP, PatchRequest, apply, normalised, parse_operations};
use provost_scim::{Leniency, Resource, ResourceType, Schemas, Stamp};
use serde_json::{Map, Value, json};
use uuid::Uuid;

const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

fn types() -> Vec<Arc<ResourceType>> {
    Schemas::standard().resource_types
}

fn start(resource_type: &Arc<ResourceType>) -> Resource {
    let attributes = json!({
        "userName": "ana",
        "name": { "givenName": "A", "familyName": "B" },
        "emails": [
            { "value": "a@x", "type": "work", "primary": true },
            { "value": "b@x", "type": "home" },
            { "value": "c@x", "type": "work" },
        ],
        "addresses": [{ "locality": "Oslo", "type": "work" }],
        ENTERPRISE: { "department": "R", "manager": { "value": "m" } },
    });
    let attributes = match resource_type.name.as_str() {
        "User" => attributes,
        _ => json!({ "displayName": "Staff" }),
    };
    let stamp = Stamp {
        id: Uuid::from_u128(7),
        version: 1,
        created: Timestamp::UNIX_EPOCH,
        last_modified: Timestamp::UNIX_EPOCH,
    };
    Resource::from_stored(resource_type.clone(), stamp, attributes.as_object().unwrap().clone())
}

/// Any JSON, made of words that mean something here more often than not.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        any::<f32>().prop_map(Value::from),
        word().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec((word(), inner), 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

fn word() -> impl Strategy<Value = String> {
    proptest::sample::select(vec![
        "value",
        "type",
        "primary",
        "display",
        "$ref",
        "work",
        "home",
        "a@x",
        "true",
        "",
        "userName",
        "name",
        "name.givenName",
        "emails",
        "emails.type",
        "emails[type eq \"work\"]",
        "emails[type eq \"x\"].value",
        "emails[not (value pr)]",
        "emails[",
        "addresses",
        "addresses[locality sw \"o\"].primary",
        "active",
        "password",
        "members",
        "members[value eq \"00000000-0000-0000-0000-000000000001\"]",
        "members.value",
        "groups",
        "id",
        "meta",
        "meta.created",
        "schemas",
        "schemas[value pr]",
        "externalId",
        "foo",
        "foo.bar",
        "department",
        "manager",
        "x509Certificates",
        "displayName",
        ENTERPRISE,
        "00000000-0000-0000-0000-000000000001",
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager",
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager[value eq \"m\"].value",
        "urn:ietf:params:scim:schemas:core:2.0:User",
        "urn:ietf:params:scim:schemas:core:2.0:User:title",
    ])
    .prop_map(str::to_owned)
}

fn operation() -> impl Strategy<Value = Value> {
    let op = proptest::sample::select(vec!["add", "remove", "replace"]);
    (op, proptest::option::weighted(0.85, word()), proptest::option::weighted(0.8, any_json())).prop_map(
        |(op, path, value)| {
            let mut operation = json!({ "op": op });
            if let Some(path) = path {
                operation["path"] = path.into();
            }
            if let Some(value) = value {
                operation["value"] = value;
            }
            operation
        },
    )
}

/// A value that fits its path, so that the operation is likely to be done.
fn fitting() -> impl Strategy<Value = Value> {
    let text = proptest::sample::select(vec!["x", "X", "a@x", "A@X", "work", "home"]).prop_map(Value::from);
    let email = (text.clone(), proptest::option::of(text.clone()), proptest::option::of(any::<bool>())).prop_map(
        |(value, kind, primary)| {
            let mut email = json!({ "value": value });
            if let Some(kind) = kind {
                email["type"] = kind;
            }
            if let Some(primary) = primary {
                email["primary"] = primary.into();
            }
            email
        },
    );
    let placed = |paths: Vec<&'static str>, values: BoxedStrategy<Value>| {
        let op = proptest::sample::select(vec!["add", "replace"]);
        (op, proptest::sample::select(paths), values)
            .prop_map(|(op, path, value)| json!({ "op": op, "path": path, "value": value }))
    };
    prop_oneof![
        placed(vec!["title", "name.givenName", "department", "manager", "emails.display"], text.clone().boxed()),
        placed(vec!["emails[type eq \"work\"].value", "emails[type eq \"new\"].value"], text.boxed()),
        placed(
            vec!["emails[value eq \"b@x\"].primary", "emails[type eq \"other\"].primary"],
            any::<bool>().prop_map(Value::from).boxed()
        ),
        placed(vec!["emails"], proptest::collection::vec(email.clone(), 0..4).prop_map(Value::from).boxed()),
        placed(vec!["emails"], email.clone().boxed()),
        email.prop_map(|email| json!({ "op": "remove", "path": "emails", "value": [email] })),
        proptest::sample::select(vec![
            "emails",
            "emails[primary eq true]",
            "emails.type",
            "name.givenName",
            "addresses",
            ENTERPRISE
        ])
        .prop_map(|path| json!({ "op": "remove", "path": path })),
    ]
}

fn leniencies() -> impl Strategy<Value = Leniency> {
    let mut most = Leniency::default();
    most.patch.wrapped_scalar = true;
    most.patch.empty_string_clears = true;
    most.patch.ignore_readonly = true;
    most.filter.bare_words = true;
    proptest::sample::select(vec![Leniency::strict(), Leniency::default(), most])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn no_body_makes_the_reader_panic(body in any_json(), operations in any_json(), leniency in leniencies()) {
        let _ = PatchRequest::parse(body, &leniency);
        let _ = PatchRequest::parse(json!({ "schemas": [PATCH_OP], "Operations": [operations] }), &leniency);
    }

    #[test]
    fn no_operation_makes_applying_panic(
        operations in proptest::collection::vec(operation(), 1..4),
        leniency in leniencies(),
        created in any::<bool>(),
    ) {
        for resource_type in types() {
            let current = start(&resource_type);
            let body = json!({ "schemas": [PATCH_OP], "Operations": operations });
            let Ok(operations) = PatchRequest::parse(body, &leniency) else { continue };
            let shown = normalised(&operations, &resource_type);
            prop_assert!(parse_operations(shown).is_ok());
            let current = (!created).then_some(&current);
            if let Ok(draft) = apply(start(&resource_type).to_draft(), current, &operations, &leniency) {
                for server in ["id", "meta", "schemas", "groups", "members", "password"] {
                    prop_assert!(!draft.attributes.contains_key(server), "{} was written", server);
                }
                let validated = provost_scim::validate(draft.clone(), start(&resource_type).stamp());
                if let Err(error) = validated {
                    // Only what is missing or empty is left to the end; all else was seen here.
                    prop_assert!(error.detail.ends_with("is required"), "{} in {:?}", error, draft.attributes);
                }
            }
        }
    }

    #[test]
    fn applying_the_same_operation_twice_is_applying_it_once(operation in fitting()) {
        let resource_type = &types()[0];
        let current = start(resource_type);
        let operations = parse_operations(json!([operation])).unwrap();
        let once = apply(current.to_draft(), Some(&current), &operations, &Leniency::default());

        if let Ok(once) = once {
            let twice = apply(once.clone(), Some(&current), &operations, &Leniency::default());
            prop_assert_eq!(twice.map(|draft| draft.attributes), Ok(once.attributes));
        }
    }

    #[test]
    fn at_most_one_element_is_primary_afterwards(operations in proptest::collection::vec(fitting(), 1..5)) {
        let resource_type = &types()[0];
        let current = start(resource_type);
        let operations = parse_operations(json!(operations)).unwrap();

        if let Ok(draft) = apply(current.to_draft(), Some(&current), &operations, &Leniency::default()) {
            let emails = draft.attributes.get("emails").and_then(Value::as_array).cloned().unwrap_or_default();
            prop_assert!(emails.iter().filter(|email| email["primary"] == true).count() <= 1);
        }
    }
}
