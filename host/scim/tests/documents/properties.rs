//! What holds for any JSON at all.

use proptest::prelude::*;
use provost_scim::{Leniency, Projection, changed_paths, check, validate};
use serde_json::{Map, Value, json};

use super::*;

/// Names that mean something, in odd letter case now and then, and names that do not.
fn name() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "schemas",
        "id",
        "externalId",
        "meta",
        "userName",
        "name",
        "givenName",
        "familyName",
        "active",
        "password",
        "emails",
        "value",
        "type",
        "primary",
        "display",
        "$ref",
        "groups",
        "members",
        "addresses",
        "country",
        "x509Certificates",
        "profileUrl",
        "manager",
        "department",
        "displayName",
        ENTERPRISE,
        "serial",
        "size",
        "weight",
        "built",
        "blob",
        "tags",
        "owner",
        "since",
        "parts",
        "aliases",
        "urn:example:Warranty",
        "until",
    ]);
    prop_oneof![
        8 => known.clone().prop_map(str::to_owned),
        1 => known.prop_map(str::to_uppercase),
        1 => any::<String>(),
    ]
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        prop::sample::select(vec![
            "True",
            "false",
            "",
            CORE,
            ENTERPRISE,
            "2011-05-13T06:42:34+02:00",
            "0190b5a0-0000-7000-8000-00000000000a",
            "-_8",
            "work",
        ])
        .prop_map(Value::from),
    ]
}

fn any_json() -> impl Strategy<Value = Value> {
    scalar().prop_recursive(4, 48, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((name(), inner), 0..6).prop_map(|fields| Value::Object(Map::from_iter(fields))),
        ]
    })
}

/// A body that every server would accept, in the odd spellings that are forgiven.
fn plain_user() -> impl Strategy<Value = Value> {
    let text = any::<String>;
    let email = (text(), prop::option::of(text()), any::<bool>())
        .prop_map(|(value, kind, says)| json!({ "VALUE": value, "type": kind, "primary": says.then_some("False") }));
    let fields = (
        "[^\u{0}]{1,12}",
        prop::option::of(text()),
        prop::collection::vec(email, 0..4),
        prop::option::of(prop_oneof![Just(json!("TRUE")), any::<bool>().prop_map(Value::from)]),
        prop::option::of(text()),
        prop::collection::vec(any::<u8>(), 0..9),
    );
    fields.prop_map(|(user_name, given, emails, active, manager, bytes)| {
        use base64::Engine;
        let certificate = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes);
        json!({ "schemas": [CORE], "userName": user_name, "name": { "GivenName": given }, "emails": emails,
            "active": active, ENTERPRISE: { "manager": manager }, "x509Certificates": [{ "value": certificate }] })
    })
}

/// The same with a few values that may not fit.
fn likely_user() -> impl Strategy<Value = Value> {
    (plain_user(), prop::collection::vec((name(), scalar()), 0..3)).prop_map(|(mut body, extra)| {
        body.as_object_mut().unwrap().extend(extra);
        body
    })
}

fn each_leniency() -> [Leniency; 2] {
    [Leniency::default(), Leniency::strict()]
}

proptest! {
    #[test]
    fn reading_any_json_as_any_type_never_panics(body in any_json(), current in any_json()) {
        for resource_type in [user_type(), group_type(), gadget_type()] {
            let current = match &current {
                Value::Object(fields) => fields.clone(),
                _ => Attributes::new(),
            };
            let current = Resource::from_stored(resource_type.clone(), stamp(), current);
            for leniency in each_leniency() {
                for body in [body.clone(), json!({ "schemas": [resource_type.schema.id] })] {
                    let _ = check::replace(&current, body.clone(), &leniency);
                    let _ = check::replacement(Some(&current), &current.to_draft(), body.clone(), &leniency);
                    if let Ok(draft) = check::create(body, &resource_type, &leniency) {
                        changed_paths(Some(current.attributes()), Some(&draft.attributes), &resource_type);
                        let _ = validate(draft, stamp());
                    }
                }
            }
            let _ = validate(current.to_draft(), stamp());
            Projection::Default.apply(&resource_type, current.document());
        }
    }

    #[test]
    fn the_document_of_a_resource_reads_as_the_same_resource(body in likely_user()) {
        if let Ok(draft) = check::create(body, &user_type(), &Leniency::default())
            && let Ok(resource) = validate(draft, stamp())
        {
            let document = Value::Object(resource.document());
            let again = check::create(document.clone(), &user_type(), &Leniency::default()).unwrap();
            prop_assert_eq!(&again.attributes, resource.attributes());
            let replaced = check::replace(&resource, document, &Leniency::strict());
            // Free text is a country only where that is forgiven.
            if let Ok(replaced) = replaced {
                prop_assert_eq!(&replaced.attributes, resource.attributes());
            }
            let validated = validate(again, stamp()).unwrap();
            prop_assert!(changed_paths(Some(resource.attributes()), Some(validated.attributes()), &user_type()).is_empty());
        }
    }

    #[test]
    fn plain_users_are_resources(body in plain_user()) {
        let draft = check::create(body, &user_type(), &Leniency::default()).unwrap();
        prop_assert!(validate(draft, stamp()).is_ok());
    }

    #[test]
    fn any_names_at_all_make_a_projection_that_keeps_the_id(names in prop::collection::vec(prop_oneof![name(), any::<String>()], 0..5)) {
        for leniency in each_leniency() {
            let document = object(json!({ "id": "1", "schemas": [CORE], "userName": "a" }));
            for projection in [Projection::from_query(&names, &[], &leniency), Projection::from_query(&[], &names, &leniency)] {
                let shown = projection.unwrap().apply(&user_type(), document.clone());
                prop_assert_eq!(&shown["id"], "1");
                prop_assert_eq!(&shown["schemas"], &json!([CORE]));
            }
        }
    }
}
