//! The interoperability list (checklist section 32): every row is a switch, every switch does what
//! its row says and is noted when it does, and the documentation says the same.
//!
//! `docs/leniency.md` is made here: `PROVOST_WRITE_DOCS=1 cargo test -p provost-scim --test leniency`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::sync::Arc;

use jiff::Timestamp;
use provost_scim::filter::Filter;
use provost_scim::leniency::{Class, Leniency, Switch};
use provost_scim::patch::{PATCH_OP, PatchRequest, apply};
use provost_scim::version::EntityTags;
use provost_scim::{Invalid, MembershipEdit, Projection, Resource, ResourceType, Schemas, ScimType, Stamp, check};
use serde_json::{Value, json};
use uuid::Uuid;

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

fn of(name: &str) -> Arc<ResourceType> {
    Schemas::standard().resource_type(name).unwrap().clone()
}

fn resource(resource_type: &Arc<ResourceType>) -> Resource {
    let attributes = json!({
        "userName": "ana",
        "displayName": "Ana",
        "emails": [{ "value": "a@x", "type": "work" }],
        "roles": [{ "value": "r", "primary": true }],
    });
    let stamp = Stamp {
        id: Uuid::from_u128(7),
        version: 3,
        created: Timestamp::UNIX_EPOCH,
        last_modified: Timestamp::UNIX_EPOCH,
    };
    let mut attributes = attributes.as_object().unwrap().clone();
    attributes.retain(|name, _| resource_type.attribute(name).is_some());
    Resource::from_stored(resource_type.clone(), stamp, attributes)
}

fn patch(resource_type: &str, body: Value, leniency: &Leniency) -> Result<provost_scim::Draft, Invalid> {
    let current = resource(&of(resource_type));
    let operations = PatchRequest::parse(body, leniency)?;
    apply(current.to_draft(), Some(&current), &operations, leniency)
}

/// What a PATCH of one operation leaves at `show`.
fn one(operation: Value, show: &'static str) -> impl Fn(&Leniency) -> Result<Value, Invalid> {
    move |leniency| {
        let body = json!({ "schemas": [PATCH_OP], "Operations": [operation] });
        let document = Value::Object(patch("User", body, leniency)?.attributes);
        Ok(document.pointer(show).cloned().unwrap_or_default())
    }
}

fn members(operation: Value) -> impl Fn(&Leniency) -> Result<Value, Invalid> {
    move |leniency| {
        let body = json!({ "schemas": [PATCH_OP], "Operations": [operation] });
        let edits = patch("Group", body, leniency)?.membership;
        Ok(match edits.as_slice() {
            [MembershipEdit::Add(members)] => json!({ "added": members.len() }),
            [MembershipEdit::Remove(ids)] => json!({ "removed": ids.len() }),
            [MembershipEdit::RemoveWhere(_)] => json!("the store looks"),
            other => json!(format!("{other:?}")),
        })
    }
}

/// What a POST of this body leaves at `show`.
fn body(body: Value, show: &'static str) -> impl Fn(&Leniency) -> Result<Value, Invalid> {
    move |leniency| {
        let document = Value::Object(check::create(body.clone(), &of("User"), leniency)?.attributes);
        Ok(document.pointer(show).cloned().unwrap_or_default())
    }
}

fn filter(text: &'static str) -> impl Fn(&Leniency) -> Result<Value, Invalid> {
    move |leniency| {
        let bound = Filter::parse_with(text, leniency)?.bind(&of("User"), leniency)?;
        Ok(bound.matches(&resource(&of("User")).document()).into())
    }
}

/// A switch at work: with it and nothing else on, the request is answered with `lenient` and the
/// switch is noted; with everything off it is `strict`, and nothing is noted.
#[track_caller]
fn check_row(
    switch: Switch,
    request: impl Fn(&Leniency) -> Result<Value, Invalid>,
    lenient: Value,
    strict: Result<Value, ScimType>,
) {
    let mut only = Leniency::strict();
    only.turn(switch, true);
    assert_eq!(request(&only).map_err(|e| e.scim_type), Ok(lenient), "{} on", switch.key());
    assert_eq!(only.noted.switches(), [switch], "{} on", switch.key());

    let off = Leniency::strict();
    assert_eq!(request(&off).map_err(|e| e.scim_type), strict, "{} off", switch.key());
    let noted = off.noted.switches();
    assert!(noted.iter().all(|noted| noted.class() == Class::Safe), "{} off: {noted:?}", switch.key());
}

/// L-P1 to L-P24, but for the answer's status (L-P24), which is the door's.
#[test]
fn l_p_every_patch_switch_works_both_ways() {
    use ScimType::{InvalidFilter, InvalidPath, InvalidSyntax, InvalidValue, Mutability, NoTarget};
    use Switch as S;

    let set = |path: &str, value: Value| json!({ "op": "replace", "path": path, "value": value });
    let whole = |value: Value| json!({ "op": "replace", "value": value });
    let x = || json!("x");

    check_row(S::PatchOpAnyCase, one(json!({ "op": "Add", "path": "title", "value": "x" }), "/title"), x(), Ok(x()));
    check_row(
        S::PatchDottedKeys,
        one(whole(json!({ "name.givenName": "x" })), "/name/givenName"),
        x(),
        Err(InvalidPath),
    );
    let urn = format!("{ENTERPRISE}:employeeNumber");
    let employee_number = "/urn:ietf:params:scim:schemas:extension:enterprise:2.0:User/employeeNumber";
    check_row(S::PatchUrnKeys, one(whole(json!({ urn: "x" })), employee_number), x(), Err(InvalidPath));
    check_row(
        S::PatchRemoveWithValue,
        one(json!({ "op": "remove", "path": "emails", "value": [{ "value": "a@x" }] }), "/emails"),
        json!(null),
        Err(InvalidSyntax),
    );
    check_row(
        S::PatchRemoveWithValue,
        members(json!({ "op": "remove", "path": "members", "value": [{ "value": Uuid::from_u128(1) }] })),
        json!({ "removed": 1 }),
        Err(InvalidSyntax),
    );
    check_row(
        S::PatchCreateOnNoMatch,
        one(set("emails[type eq \"home\"].value", x()), "/emails/1"),
        json!({ "type": "home", "value": "x" }),
        Err(NoTarget),
    );
    check_row(S::PatchBoolStrings, one(set("active", json!("False")), "/active"), json!(false), Err(InvalidValue));
    check_row(
        S::PatchBoolInFilter,
        one(set("roles[primary eq \"True\"].display", x()), "/roles/0/display"),
        x(),
        Err(InvalidFilter),
    );
    let manager = format!("{ENTERPRISE}:manager");
    let manager_value = "/urn:ietf:params:scim:schemas:extension:enterprise:2.0:User/manager/value";
    check_row(S::PatchScalarForComplex, one(set(&manager, x()), manager_value), x(), Err(InvalidValue));
    check_row(
        S::PatchScalarMembers,
        members(json!({ "op": "add", "path": "members", "value": [Uuid::from_u128(1)] })),
        json!({ "added": 1 }),
        Err(InvalidValue),
    );
    check_row(
        S::PatchWrappedScalar,
        one(set("nickName", json!([{ "value": "x" }])), "/nickName"),
        x(),
        Err(InvalidValue),
    );
    let same = Uuid::from_u128(7).to_string();
    check_row(S::PatchEqualReadonly, one(whole(json!({ "id": same, "title": "x" })), "/title"), x(), Ok(x()));
    check_row(
        S::PatchIgnoreReadonly,
        one(whole(json!({ "id": "other", "title": "x" })), "/title"),
        x(),
        Err(Mutability),
    );
    let named = json!({ "op": "add", "name": "addTitle", "path": "title", "value": "x" });
    check_row(S::PatchExtraMembers, one(named, "/title"), x(), Ok(x()));
    check_row(
        S::PatchUnknownSubattrs,
        one(set("emails", json!([{ "value": "x", "displayName": "y" }])), "/emails"),
        json!([{ "value": "x" }]),
        Err(InvalidValue),
    );
    check_row(S::PatchSingleObject, one(set("emails", json!({ "value": "x" })), "/emails/0/value"), x(), Ok(x()));
    check_row(
        S::PatchEmptyPath,
        one(json!({ "op": "add", "path": "", "value": { "title": "x" } }), "/title"),
        x(),
        Ok(x()),
    );
    check_row(
        S::PatchRemoveNoMatchOk,
        one(json!({ "op": "remove", "path": "emails[type eq \"home\"]" }), "/emails/0/value"),
        json!("a@x"),
        Err(NoTarget),
    );
    check_row(
        S::PatchRemoveNoMatchOk,
        members(json!({ "op": "remove", "path": "members[value eq \"nobody\"]" })),
        json!("[]"),
        Ok(json!("the store looks")),
    );
    check_row(
        S::PatchEmptyStringClears,
        one(set("displayName", json!("")), "/displayName"),
        json!(null),
        Ok(json!("")),
    );
    let nothing = |leniency: &Leniency| {
        patch("User", json!({ "schemas": [PATCH_OP], "Operations": [] }), leniency)
            .map(|draft| draft.attributes["userName"].clone())
    };
    check_row(S::PatchEmptyOperationsOk, nothing, json!("ana"), Err(InvalidSyntax));
    check_row(
        S::PatchValuepathKeys,
        one(whole(json!({ "emails[type eq \"work\"].value": "x" })), "/emails/0/value"),
        x(),
        Err(InvalidPath),
    );
}

/// L-P12 off refuses only what differs; L-P14 and L-P17 need no switch; L-P20 leaves what is required.
#[test]
fn l_p_switches_reach_no_further_than_their_rows() {
    let mut all = Leniency::default();
    Switch::ALL.iter().for_each(|switch| all.turn(*switch, true));

    let cleared = one(json!({ "op": "replace", "path": "userName", "value": "" }), "/userName")(&all);
    assert_eq!(cleared, Ok(json!("")), "validation will refuse it: userName is required");
    let unclear = one(json!({ "op": "replace", "path": "active", "value": "yes" }), "/active")(&all);
    assert_eq!(unclear.unwrap_err().scim_type, ScimType::InvalidValue);
    let several = one(json!({ "op": "replace", "path": "nickName", "value": ["a", "b"] }), "/nickName")(&all);
    assert_eq!(several.unwrap_err().scim_type, ScimType::InvalidValue);
    let either = json!({ "op": "add", "path": "emails[type eq \"x\" or type eq \"y\"].value", "value": "v" });
    assert_eq!(one(either, "/emails")(&all).unwrap_err().scim_type, ScimType::NoTarget);
    let read_only = json!({ "op": "replace", "path": "id", "value": "other" });
    assert_eq!(one(read_only, "/id")(&all).unwrap_err().scim_type, ScimType::Mutability, "a path says what is meant");
    let null = json!({ "op": "add", "path": format!("{ENTERPRISE}:manager"), "value": { "$ref": null, "value": "m" } });
    let manager = "/urn:ietf:params:scim:schemas:extension:enterprise:2.0:User/manager";
    assert_eq!(one(null, manager)(&Leniency::strict()), Ok(json!({ "value": "m" })));
}

/// L-B2 to L-B12, but for L-B8, which is the pipeline's. The bulk request of L-B14 is the bulk reader's.
#[test]
fn l_b_every_body_switch_works_both_ways() {
    use ScimType::{InvalidSyntax, InvalidValue};
    use Switch as S;

    let user = |key: &str, value: Value| {
        let mut user = json!({ "schemas": [USER], "userName": "ana" });
        user[key] = value;
        user
    };
    let name = || json!("ana");

    let urns =
        user("schemas", json!([USER, "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/User"]));
    check_row(S::BodyUnknownSchemaUrns, body(urns, "/userName"), name(), Err(InvalidValue));
    check_row(S::BodyUnknownAttributes, body(user("shoeSize", json!(38)), "/shoeSize"), json!(null), Err(InvalidValue));
    check_row(S::BodyInferSchemas, body(user("schemas", json!(null)), "/userName"), name(), Err(InvalidSyntax));
    check_row(S::BodyBoolStrings, body(user("active", json!("True")), "/active"), json!(true), Err(InvalidValue));
    let bermuda = user("addresses", json!([{ "country": "Bermuda" }]));
    check_row(S::BodyCountryFreeText, body(bermuda, "/addresses/0/country"), json!("Bermuda"), Err(InvalidValue));
    let manager = user(ENTERPRISE, json!({ "manager": "m" }));
    let value = "/urn:ietf:params:scim:schemas:extension:enterprise:2.0:User/manager/value";
    check_row(S::BodyEnterpriseManagerString, body(manager, value), json!("m"), Err(InvalidValue));
}

/// L-B1, L-B6, L-B7, L-B10: what needs no switch works with everything off, and is no deviation.
#[test]
fn l_b_what_the_protocol_allows_is_no_deviation() {
    let strict = Leniency::strict();
    let everything = json!({
        "SCHEMAS": [USER],
        "UserName": "ana",
        "ID": "mine",
        "meta": "nonsense",
        "groups": 42,
        "Emails": [{ "Value": "a", "type": "work", "primary": null }, { "value": "b", "type": "work" }],
        "addresses": [{ "country": "ES" }, { "country": null }],
        "title": null,
        "x509Certificates": [],
    });

    let draft = check::create(everything, &of("User"), &strict).unwrap();

    let emails = json!([{ "value": "a", "type": "work" }, { "value": "b", "type": "work" }]);
    assert_eq!(draft.attributes["emails"], emails);
    assert_eq!(draft.attributes["addresses"], json!([{ "country": "ES" }]));
    assert_eq!(draft.attributes.keys().collect::<Vec<_>>(), ["userName", "emails", "addresses"]);
    assert_eq!(strict.noted.switches(), []);
}

/// L-F1 to L-F11.
#[test]
fn l_f_every_filter_switch_works_both_ways() {
    use ScimType::InvalidFilter;
    use Switch as S;

    for spaced in ["userName  eq   \"ana\"", "userName eq\"ana\"", "  userName pr"] {
        check_row(S::FilterSpacing, filter(spaced), json!(true), Ok(json!(true)));
    }
    for bare in ["userName sw a", "userName eq 'ana'", "(userName eq ana)", "emails[value eq a@x]"] {
        check_row(S::FilterBareWords, filter(bare), json!(true), Err(InvalidFilter));
    }
    check_row(S::FilterBoolString, filter("roles[primary eq \"True\"]"), json!(true), Err(InvalidFilter));
    check_row(S::FilterImpliedValue, filter("emails co \"@x\""), json!(true), Err(InvalidFilter));
    check_row(
        S::FilterBracketThenSub,
        filter("emails[type eq \"work\"].value eq \"a@x\""),
        json!(true),
        Err(InvalidFilter),
    );
    check_row(
        S::FilterUnquotedDate,
        filter("meta.created lt 2015-10-10T14:38:21.86-07:00"),
        json!(true),
        Err(InvalidFilter),
    );
    check_row(S::FilterUnknownAttrFalse, filter("shoeSize eq 38"), json!(false), Err(InvalidFilter));
}

/// L-Q3, L-Q4, L-Q8.
#[test]
fn l_q_every_query_switch_works_both_ways() {
    let shown = |asked: Projection| {
        let user = resource(&of("User"));
        Value::from(asked.apply(&of("User"), user.document()).keys().cloned().collect::<Vec<_>>())
    };
    let string =
        |leniency: &Leniency| Projection::from_json(Some(&json!("userName,displayName")), None, leniency).map(shown);
    check_row(
        Switch::SearchAttributesString,
        string,
        json!(["schemas", "id", "userName", "displayName"]),
        Err(ScimType::InvalidValue),
    );
    let value_path =
        |leniency: &Leniency| Projection::from_query(&["emails[type eq \"work\"]"], &[], leniency).map(shown);
    check_row(
        Switch::ProjectionValuepath,
        value_path,
        json!(["schemas", "id", "emails"]),
        Ok(json!(["schemas", "id"])),
    );
    for unquoted in ["3", "W/3", "1, 3"] {
        let tags = |leniency: &Leniency| Ok(json!(EntityTags::parse_with(unquoted, leniency).matches(3)));
        check_row(Switch::EtagUnquoted, tags, json!(true), Ok(json!(false)));
    }
}

#[test]
fn a_conforming_request_notes_nothing() {
    let leniency = Leniency::default();
    let operations = json!({ "schemas": [PATCH_OP], "Operations": [
        { "op": "add", "path": "title", "value": "x" },
        { "op": "replace", "path": "emails[type eq \"work\" and value pr].value", "value": "b@x" },
        { "op": "add", "path": "emails", "value": [{ "value": "c@x", "type": "home", "primary": true }] },
        { "op": "remove", "path": "emails[type eq \"home\"]" },
        { "op": "replace", "value": { "active": false, "name": { "givenName": "A" }, ENTERPRISE: { "division": "D" } } },
        { "op": "remove", "path": "name.givenName" },
    ] });

    patch("User", operations, &leniency).unwrap();
    for text in [
        "userName eq \"ana\"",
        "not (title pr) and (emails[type eq \"work\"] or active eq true)",
        "emails.value co \"@\"",
        "meta.created gt \"2001-01-01T00:00:00Z\"",
    ] {
        filter(text)(&leniency).unwrap();
    }
    EntityTags::parse_with("W/\"3\", \"4\", *", &leniency);
    EntityTags::parse_with("*", &leniency);
    Projection::from_query(&["userName,emails.value"], &[], &leniency).unwrap();

    // A bare `*` among tags is a tag without quotes.
    assert_eq!(leniency.noted.switches(), [Switch::EtagUnquoted]);
}

#[test]
fn what_one_request_needs_is_not_noted_for_another() {
    let settings = Leniency::default();
    let (one, other) = (provost_scim::Deviations::default(), provost_scim::Deviations::default());

    settings.noting(&one).allows(Switch::BodyNulls);
    settings.noting(&one).allows(Switch::FilterBareWords);

    assert_eq!(one.switches(), [Switch::BodyNulls], "a switch that is off is not needed, it refuses");
    assert_eq!((other.switches(), settings.noted.switches()), (vec![], vec![]));
}

#[test]
fn the_list_is_complete_and_each_row_is_named_once() {
    let rows = "P1 P2 P3 P4 P5 P6 P7 P8 P9 P10 P11 P12 P13 P14 P15 P17 P18 P19 P20 P21 P23 P24 \
                B1 B2 B3 B4 B5 B6 B7 B8 B9 B10 B11 B12 B14 \
                F1 F2 F3 F5 F6 F7 F8 F9 F10 F11 Q1 Q2 Q3 Q4 Q5 Q6 Q7 Q8";
    let off = "P10 P12 P20 P21 P24 B4 F2 F7 F11 Q5 Q7";
    let safe = "P1 P11 P13 P14 P17 P18 B1 B6 B7 B9 B10 F1 F8 F9 F10 Q1 Q2";
    let sorted = |text: &str| {
        let mut rows: Vec<String> = text.split_whitespace().map(|row| format!("L-{row}")).collect();
        rows.sort();
        rows
    };
    let ids = |wanted: &dyn Fn(Switch) -> bool| {
        let mut ids: Vec<_> = Switch::ALL.iter().filter(|s| wanted(**s)).map(|s| s.id().to_owned()).collect();
        ids.sort();
        ids
    };

    assert_eq!(ids(&|_| true), sorted(rows));
    assert_eq!(ids(&|switch| switch.class() == Class::Off), sorted(off));
    assert_eq!(ids(&|switch| switch.class() == Class::Safe), sorted(safe));
    let mut keys: Vec<_> = Switch::ALL.iter().map(|switch| switch.key()).collect();
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), Switch::ALL.len());
    for switch in Switch::ALL {
        assert_eq!(Leniency::default().is_on(*switch), switch.class() != Class::Off, "{}", switch.key());
        assert_eq!(Leniency::strict().is_on(*switch), switch.class() == Class::Safe, "{}", switch.key());
    }
}

#[test]
fn each_switch_is_a_key_and_one_that_is_always_on_says_so() {
    for switch in Switch::ALL {
        let (group, key) = switch.key().split_once('.').unwrap();
        let read = |on: bool| serde_json::from_value::<Leniency>(json!({ group: { key: on } }));
        assert!(read(true).unwrap().is_on(*switch), "{}", switch.key());
        match (switch.class(), read(false)) {
            (Class::Safe, Err(error)) => assert!(error.to_string().contains("always on"), "{error}"),
            (Class::On | Class::Off, Ok(off)) => assert!(!off.is_on(*switch), "{}", switch.key()),
            (_, other) => panic!("{}: {other:?}", switch.key()),
        }
    }
    let unknown = serde_json::from_value::<Leniency>(json!({ "patch": { "dottedKeys": true } })).unwrap_err();
    assert!(unknown.to_string().contains("dottedKeys"), "{unknown}");
}

#[test]
fn the_documentation_lists_exactly_the_switches_there_are() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/leniency.md");
    if std::env::var_os("PROVOST_WRITE_DOCS").is_some() {
        std::fs::write(file, documentation()).unwrap();
    }
    let written = std::fs::read_to_string(file).unwrap();
    assert!(
        written == documentation(),
        "docs/leniency.md is not what the switches say; make it anew: \
         PROVOST_WRITE_DOCS=1 cargo test -p provost-scim --test leniency"
    );
}

fn documentation() -> String {
    let mut text = String::from(
        "# What Provost forgives\n\
         \n\
         Identity providers do not all send what RFC 7643 and RFC 7644 say. Each shape that some client is known to send is a\n\
         switch under `[scim.leniency]`, so that Entra ID and Okta work without a setting and a strict server is a few lines:\n\
         \n\
         ```toml\n\
         [scim.leniency.patch]\n\
         dotted_keys = false\n\
         ```\n\
         \n\
         What is always on cannot change the meaning of a conforming request; its key accepts `true` only. A request that needs a\n\
         switch counts in the metric `provost_scim_deviations_total{switch=\"patch.dotted_keys\"}`, once however often it needs it,\n\
         and the log says at `debug` which request needed which switch. Neither ever holds a value that was sent. What is not\n\
         counted is within the protocol's own words, or shows in answers rather than in requests. What plugins send is not counted.\n\
         \n\
         | key | id | default | counted | what |\n\
         |---|---|---|---|---|\n",
    );
    for switch in Switch::ALL {
        let counted = if switch.is_counted() { "yes" } else { "no" };
        let what = switch.what().replace('|', "\\|");
        let (key, id, class) = (switch.key(), switch.id(), switch.class().as_str());
        text.push_str(&format!("| `{key}` | {id} | {class} | {counted} | {what} |\n"));
    }
    text
}
