//! Bulk requests as values: envelope, operations, references, plan. Tests are named for their claim
//! and cite the rule of the conformance checklist (S-numbers, L-numbers) they hold.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::collections::HashMap;
use std::sync::Arc;

use proptest::prelude::*;
use provost_scim::bulk::{
    Answered, BulkError, BulkRequest, BulkResponse, Mistake, Step, Task, failed_post, no_such_post,
};
use provost_scim::message::{BULK_REQUEST, ErrorBody, PATCH_OP};
use provost_scim::schema::Extension;
use provost_scim::standard::ENTERPRISE_USER;
use provost_scim::{Invalid, Leniency, ResourceType, Schema, Schemas, ScimType};
use serde_json::{Value, json};
use uuid::Uuid;

/// What stands for the id that the POST of this place made.
fn id(place: usize) -> String {
    Uuid::from_u128(place as u128 + 1).to_string()
}

fn envelope(operations: Value) -> Value {
    json!({ "schemas": [BULK_REQUEST], "Operations": operations })
}

fn read(body: Value) -> Result<BulkRequest, BulkError> {
    BulkRequest::parse(body, &schemas(), 1_000_000, &Leniency::default())
}

fn request(operations: Value) -> BulkRequest {
    read(envelope(operations)).unwrap()
}

fn one(operation: Value) -> Result<Task, Mistake> {
    request(json!([operation])).operations.remove(0).task
}

/// The standard's types, and two of an operator's own: a badge that must have an owner, and that
/// may name others in every way a schema knows.
fn schemas() -> Schemas {
    let badge = r#"{ "id": "urn:example:Badge", "name": "Badge", "attributes": [
        { "name": "label" },
        { "name": "homepage", "type": "reference", "referenceTypes": ["external"] },
        { "name": "issuer", "type": "reference", "referenceTypes": ["User"] },
        { "name": "holders", "type": "reference", "referenceTypes": ["User"], "multiValued": true },
        { "name": "printer", "type": "complex", "mutability": "readOnly", "subAttributes": [
            { "name": "value" }, { "name": "$ref", "type": "reference", "referenceTypes": ["User"] } ] },
        { "name": "owner", "type": "complex", "required": true, "subAttributes": [
            { "name": "value", "mutability": "immutable" },
            { "name": "$ref", "type": "reference", "referenceTypes": ["User"] } ] } ] }"#;
    let desk = r#"{ "id": "urn:example:Desk", "name": "Desk", "attributes": [
        { "name": "room" },
        { "name": "badge", "type": "complex", "subAttributes": [
            { "name": "value" }, { "name": "$ref", "type": "reference", "referenceTypes": ["Badge"] },
            { "name": "display" } ] } ] }"#;
    let (badge, desk) = (Arc::new(Schema::from_json(badge).unwrap()), Arc::new(Schema::from_json(desk).unwrap()));
    let mut schemas = Schemas::standard();
    let mut user = (*schemas.resource_types[0]).clone();
    user.extensions.push(Extension { schema: desk, required: false });
    schemas.resource_types[0] = Arc::new(user);
    schemas.resource_types.push(Arc::new(ResourceType {
        name: "Badge".into(),
        number: 16,
        description: String::new(),
        endpoint: "/Badges".into(),
        schema: badge,
        extensions: Vec::new(),
        has_members: false,
    }));
    schemas
}

fn post(path: &str, bulk_id: &str, data: Value) -> Value {
    json!({ "method": "POST", "path": path, "bulkId": bulk_id, "data": data })
}

/// A group of these members, each the bulkId of another POST.
fn group(bulk_id: &str, members: &[&str]) -> Value {
    let members: Vec<Value> = members.iter().map(|name| json!({ "value": format!("bulkId:{name}") })).collect();
    post("/Groups", bulk_id, json!({ "displayName": bulk_id, "members": members }))
}

#[track_caller]
fn refuses(body: Value, scim_type: ScimType, part: &str) {
    let error = read(body).unwrap_err();
    let BulkError::Invalid(Invalid { scim_type: found, detail }) = &error else { panic!("{error:?}") };
    assert_eq!(*found, scim_type, "{detail}");
    assert!(detail.contains(part), "{detail}");
}

/// S-18.14, S-18.6, S-18.7, S-20.5: what is wrong with the envelope fails the request.
#[test]
fn a_malformed_envelope_fails_the_whole_request() {
    let delete = json!([{ "method": "DELETE", "path": "/Users/x" }]);
    let with = |name: &str, value: Value| {
        let mut body = envelope(delete.clone());
        body[name] = value;
        body
    };

    refuses(json!([]), ScimType::InvalidSyntax, "JSON object");
    refuses(json!({ "Operations": delete }), ScimType::InvalidSyntax, BULK_REQUEST);
    refuses(with("schemas", json!([PATCH_OP])), ScimType::InvalidSyntax, BULK_REQUEST);
    refuses(with("schemas", json!(BULK_REQUEST)), ScimType::InvalidSyntax, BULK_REQUEST);
    refuses(json!({ "schemas": [BULK_REQUEST] }), ScimType::InvalidSyntax, "`Operations` is missing");
    refuses(envelope(json!([])), ScimType::InvalidSyntax, "at least one");
    refuses(envelope(json!({})), ScimType::InvalidSyntax, "must be an array");
    for wrong in [json!(0), json!(-1), json!(1.5), json!("1"), json!(true), json!([1])] {
        refuses(with("failOnErrors", wrong), ScimType::InvalidValue, "`failOnErrors`");
    }
    let twice = json!([post("/Users", "ana", json!({})), { "method": "DELETE", "path": "/Users/x", "bulkId": "ana" }]);
    refuses(envelope(twice), ScimType::InvalidValue, "`ana` is given twice");
}

/// S-18.13
#[test]
fn more_operations_than_allowed_are_refused_by_name() {
    let operations = vec![json!({ "method": "DELETE", "path": "/Users/x" }); 3];
    let parse = |max| BulkRequest::parse(envelope(operations.clone().into()), &schemas(), max, &Leniency::default());

    assert!(parse(3).is_ok());
    let error = parse(2).unwrap_err();
    assert_eq!(error, BulkError::TooManyOperations { operations_max: 2 });
    assert!(error.to_string().contains("maxOperations") && error.to_string().contains('2'), "{error}");
}

/// S-2.15, S-18.2: names and methods in any letter case, paths with and without their first slash.
#[test]
fn spelling_does_not_matter_where_it_need_not() {
    let body = json!({
        "SCHEMAS": [BULK_REQUEST.to_uppercase()],
        "failonerrors": 3,
        "operations": [
            { "METHOD": "post", "PATH": "Users", "bulkid": "ana", "Data": { "userName": "ana" }, "unknown": 1 },
            { "method": "Delete", "path": "Users/x/", "VERSION": "W/\"3\"" },
            { "method": "PUT", "path": "/Users/", "data": {} },
        ],
    });
    let request = read(body).unwrap();

    assert_eq!(request.fail_on_errors, Some(3));
    let [created, deleted, nowhere] = request.operations.as_slice() else { panic!("{request:?}") };
    assert_eq!((created.method.as_deref(), created.bulk_id.as_deref()), (Some("POST"), Some("ana")));
    let Ok(Task::Create { resource_type, body }) = &created.task else { panic!("{created:?}") };
    assert_eq!((resource_type.name.as_str(), body), ("User", &json!({ "userName": "ana" })));
    assert_eq!(deleted.method.as_deref(), Some("DELETE"));
    let Ok(Task::Delete { at }) = &deleted.task else { panic!("{deleted:?}") };
    assert!(at.if_match.as_ref().is_some_and(|tags| tags.matches(3) && !tags.matches(4)));
    assert!(nowhere.task.is_err(), "a slash names no resource: {nowhere:?}");
}

/// S-18.14, S-18.2: what is wrong with one operation fails that one.
#[test]
fn a_malformed_operation_fails_alone() {
    let user = json!({ "userName": "ana" });
    let wrong = [
        (json!("POST /Users"), "must be a JSON object"),
        (json!({ "path": "/Users/x" }), "`method`"),
        (json!({ "method": 1, "path": "/Users/x" }), "`method`"),
        (json!({ "method": "GET", "path": "/Users/x" }), "`method`"),
        (json!({ "method": "HEAD", "path": "/Users/x" }), "`method`"),
        (json!({ "method": "POST", "path": "/Users", "data": user }), "`bulkId`"),
        (json!({ "method": "POST", "path": "/Users", "bulkId": "", "data": user }), "`bulkId`"),
        (json!({ "method": "POST", "path": "/Users", "bulkId": 1, "data": user }), "`bulkId`"),
        (json!({ "method": "POST", "path": "/Users", "bulkId": "a" }), "`data`"),
        (json!({ "method": "POST", "path": "/Users", "bulkId": "a", "data": [user] }), "`data`"),
        (json!({ "method": "POST", "path": "/Users/x", "bulkId": "a", "data": user }), "the endpoint"),
        (json!({ "method": "POST", "path": "/Users/.search", "bulkId": "a", "data": user }), "in bulk"),
        (json!({ "method": "POST", "path": "/.search", "bulkId": "a", "data": user }), "in bulk"),
        (json!({ "method": "POST", "path": "/Bulk", "bulkId": "a", "data": user }), "in bulk"),
        (json!({ "method": "POST", "path": "/Me", "bulkId": "a", "data": user }), "in bulk"),
        (json!({ "method": "PUT", "path": "/Schemas/x", "data": user }), "in bulk"),
        (json!({ "method": "PUT", "path": "/ResourceTypes/User", "data": user }), "in bulk"),
        (json!({ "method": "PUT", "path": "ServiceProviderConfig", "data": user }), "in bulk"),
        (json!({ "method": "PUT", "path": "/Users", "data": user }), "must name a resource"),
        (json!({ "method": "DELETE", "path": "/Users" }), "must name a resource"),
        (json!({ "method": "DELETE" }), "`path`"),
        (json!({ "method": "DELETE", "path": 1 }), "`path`"),
        (json!({ "method": "DELETE", "path": "/Users/x", "version": 3 }), "`version`"),
        (json!({ "method": "PUT", "path": "/Users/x" }), "`data`"),
        (json!({ "method": "PATCH", "path": "/Users/x", "data": "[]" }), "`data`"),
    ];
    for (operation, part) in wrong {
        let good = json!({ "method": "DELETE", "path": "/Users/x" });
        let request = request(json!([operation, good]));
        let Err(Mistake::Invalid(Invalid { scim_type, detail })) = &request.operations[0].task else {
            panic!("{operation}: {request:?}");
        };
        assert_eq!(*scim_type, ScimType::InvalidSyntax, "{operation}");
        assert!(detail.contains(part), "{operation}: {detail}");
        assert!(request.operations[1].task.is_ok());
    }
    for path in ["/Gadgets/x", "", "/", "https://x/Users/1", "/users/x"] {
        assert_eq!(one(json!({ "method": "DELETE", "path": path })), Err(Mistake::NoSuchEndpoint), "{path}");
    }
}

#[test]
fn what_is_wrong_is_still_echoed() {
    let request = request(json!([{ "method": "get", "path": "/Users", "bulkId": "ana" }]));

    let operation = &request.operations[0];
    assert_eq!((operation.method.as_deref(), operation.bulk_id.as_deref()), (Some("GET"), Some("ana")));
    assert!(request.posts.is_empty(), "only a POST is there to be referred to");
}

/// S-18.3, L-B14, D-4
#[test]
fn a_patch_is_a_patch_op_or_its_operations_bare() {
    let operation = json!({ "op": "replace", "path": "active", "value": false });
    let whole = json!({ "schemas": [PATCH_OP], "Operations": [operation] });
    let patch = |data: Value| json!({ "method": "PATCH", "path": "/Users/x", "data": data });
    let strict = |data: Value| {
        let leniency = Leniency::strict();
        BulkRequest::parse(envelope(json!([patch(data)])), &schemas(), 9, &leniency).unwrap().operations.remove(0).task
    };

    for data in [whole.clone(), json!([operation]), operation.clone()] {
        let Ok(Task::Patch { body, .. }) = one(patch(data)) else { panic!("not a PATCH") };
        assert_eq!(body, whole);
    }
    assert!(matches!(strict(whole.clone()), Ok(Task::Patch { body, .. }) if body == whole));
    assert!(matches!(strict(json!([operation])), Err(Mistake::Invalid(_))));
    assert!(matches!(strict(operation.clone()), Ok(Task::Patch { body, .. }) if body == operation), "never wrapped");
}

/// The task with each `bulkId:n` replaced by the id of the n-th POST.
fn resolved(mut task: Task, leniency: &Leniency) -> Result<Task, Invalid> {
    task.resolve(leniency, &|name| match name.parse::<usize>() {
        Ok(place) => Ok(id(place).parse().unwrap()),
        Err(_) => Err(no_such_post(name)),
    })?;
    Ok(task)
}

#[track_caller]
fn resolves(operation: Value, expected: Value) {
    let task = resolved(one(operation).unwrap(), &Leniency::default()).unwrap();
    match task {
        Task::Create { body, .. } | Task::Replace { body, .. } | Task::Patch { body, .. } => assert_eq!(body, expected),
        Task::Delete { at } => assert_eq!(json!(at.id), expected),
    }
}

/// S-18.8: in core attributes and in extensions, an operator's own included.
#[test]
fn references_are_replaced_in_every_reference_like_value() {
    let manager = |value: Value| post("/Users", "a", json!({ ENTERPRISE_USER: { "manager": value } }));
    let managed = |value: Value| json!({ ENTERPRISE_USER: { "manager": value } });

    resolves(
        post("/Groups", "a", json!({ "Members": [{ "VALUE": "bulkId:1" }, { "value": "x" }, "bulkId:2"] })),
        json!({ "Members": [{ "VALUE": id(1) }, { "value": "x" }, id(2)] }),
    );
    resolves(manager(json!({ "value": "bulkId:1" })), managed(json!({ "value": id(1) })));
    resolves(manager(json!("bulkId:1")), managed(json!(id(1))));
    resolves(
        manager(json!({ "$ref": "https://id.example.org/Users/bulkId:1" })),
        managed(json!({ "$ref": format!("https://id.example.org/Users/{}", id(1)) })),
    );
    resolves(
        manager(json!({ "$ref": "../Users/bulkId:1" })),
        managed(json!({ "$ref": format!("../Users/{}", id(1)) })),
    );
    resolves(manager(json!({ "$ref": "bulkId:1" })), managed(json!({ "$ref": id(1) })));
    resolves(
        json!({ "method": "PUT", "path": "/Badges/bulkId:4", "data": {
            "issuer": "/Users/bulkId:1", "holders": ["bulkId:2", "bulkId:3"], "owner": { "value": "bulkId:1" } } }),
        json!({ "issuer": format!("/Users/{}", id(1)), "holders": [id(2), id(3)], "owner": { "value": id(1) } }),
    );
    resolves(
        post("/Users", "a", json!({ "urn:example:desk": { "badge": { "value": "bulkId:1", "display": "bulkId:1" } } })),
        json!({ "urn:example:desk": { "badge": { "value": id(1), "display": "bulkId:1" } } }),
    );
}

/// S-18.8: free text says what it likes, and so does what only looks like a reference.
#[test]
fn whatever_is_no_reference_stays_as_it_is() {
    let untouched = [
        ("/Users", json!({ "userName": "bulkId:1", "displayName": "bulkId:1", "externalId": "bulkId:1" })),
        ("/Users", json!({ "emails": [{ "value": "bulkId:1" }], "profileUrl": "https://x/Users/bulkId:1" })),
        ("/Users", json!({ "photos": [{ "value": "https://x/bulkId:1" }], "name": { "familyName": "bulkId:1" } })),
        ("/Users", json!({ "groups": [{ "value": "bulkId:1" }], "meta": { "location": "x/bulkId:1" } })),
        ("/Users", json!({ ENTERPRISE_USER: { "department": "bulkId:1", "manager": { "displayName": "bulkId:1" } } })),
        (
            "/Groups",
            json!({ "displayName": "bulkId:1", "members": [{ "value": "x/bulkId:1", "display": "bulkId:1" }] }),
        ),
        ("/Groups", json!({ "members": [{ "value": "BULKID:1" }, { "value": "abulkId:1" }], "unknown": "bulkId:1" })),
        ("/Badges", json!({ "label": "bulkId:1", "homepage": "bulkId:1", "printer": { "value": "bulkId:1" } })),
    ];
    for (path, data) in untouched {
        resolves(post(path, "a", data.clone()), data);
    }
}

/// S-18.8: inside the values of PATCH operations, whatever way they are written.
#[test]
fn references_are_replaced_in_patches() {
    let patch = |path: &str, operations: Value| json!({ "method": "PATCH", "path": path, "data": operations });
    let whole = |operations: Value| json!({ "schemas": [PATCH_OP], "Operations": operations });
    let user = |operation: Value, expected: Value| {
        resolves(patch("/Users/x", json!([operation])), whole(json!([expected])));
    };
    let group = |operation: Value, expected: Value| {
        resolves(patch("/Groups/x", json!([operation])), whole(json!([expected])));
    };
    let manager = format!("{ENTERPRISE_USER}:manager");

    group(
        json!({ "op": "add", "path": "members", "value": [{ "value": "bulkId:1" }] }),
        json!({ "op": "add", "path": "members", "value": [{ "value": id(1) }] }),
    );
    group(
        json!({ "OP": "add", "VALUE": { "Members": [{ "value": "bulkId:1" }], "displayName": "bulkId:1" } }),
        json!({ "OP": "add", "value": { "Members": [{ "value": id(1) }], "displayName": "bulkId:1" } }),
    );
    group(
        json!({ "op": "replace", "path": "displayName", "value": "bulkId:1" }),
        json!({ "op": "replace", "path": "displayName", "value": "bulkId:1" }),
    );
    user(
        json!({ "op": "add", "path": manager, "value": { "value": "bulkId:1", "displayName": "bulkId:1" } }),
        json!({ "op": "add", "path": manager, "value": { "value": id(1), "displayName": "bulkId:1" } }),
    );
    user(
        json!({ "op": "add", "path": format!("{manager}.value"), "value": "bulkId:1" }),
        json!({ "op": "add", "path": format!("{manager}.value"), "value": id(1) }),
    );
    user(
        json!({ "op": "add", "path": ENTERPRISE_USER, "value": { "manager": "bulkId:1", "department": "bulkId:1" } }),
        json!({ "op": "add", "path": ENTERPRISE_USER, "value": { "manager": id(1), "department": "bulkId:1" } }),
    );
    user(
        json!({ "op": "add", "value": { "title": "bulkId:1", manager.clone(): { "value": "bulkId:1" } } }),
        json!({ "op": "add", "value": { "title": "bulkId:1", manager.clone(): { "value": id(1) } } }),
    );
    user(
        json!({ "op": "add", "value": { ENTERPRISE_USER: { "manager": { "$ref": "/Users/bulkId:1" } } } }),
        json!({ "op": "add", "value": { ENTERPRISE_USER: { "manager": { "$ref": format!("/Users/{}", id(1)) } } } }),
    );
}

/// S-18.8: in the filters of PATCH paths, and in the path of the operation itself.
#[test]
fn references_are_replaced_in_paths() {
    let whole = |operations: Value| json!({ "schemas": [PATCH_OP], "Operations": operations });
    let remove = |path: &str| json!([{ "op": "remove", "path": path }]);
    let filters = [
        (r#"members[value eq "bulkId:1"]"#, format!(r#"members[value eq "{}"]"#, id(1))),
        (
            r#"members[value eq "bulkId:1" or (type eq "bulkId:2" and not (value ne "bulkId:3"))]"#,
            format!(r#"members[value eq "{}" or type eq "bulkId:2" and not (value ne "{}")]"#, id(1), id(3)),
        ),
        (r#"members[$ref ew "/bulkId:1"]"#, format!(r#"members[$ref ew "/{}"]"#, id(1))),
        (r#"members[ display  eq "bulkId:1" ]"#, r#"members[ display  eq "bulkId:1" ]"#.to_owned()),
    ];
    for (written, expected) in filters {
        let operation = json!({ "method": "PATCH", "path": "/Groups/bulkId:7", "data": remove(written) });
        resolves(operation.clone(), whole(remove(&expected)));
        let Ok(Task::Patch { at, .. }) = resolved(one(operation).unwrap(), &Leniency::default()) else { panic!() };
        assert_eq!(at.id, id(7));
    }
    resolves(
        json!({ "method": "PATCH", "path": "/Groups/x", "data": [
            { "op": "add", "value": { r#"members[value eq "bulkId:1"]"#: { "value": "bulkId:1" } } }] }),
        whole(json!([{ "op": "add", "value": { format!(r#"members[value eq "{}"]"#, id(1)): { "value": id(1) } } }])),
    );
    resolves(json!({ "method": "DELETE", "path": "/Users/bulkId:2" }), json!(id(2)));
    resolves(json!({ "method": "DELETE", "path": "Users/xbulkId:2" }), json!("xbulkId:2"));
}

/// S-18.11
#[test]
fn a_reference_to_nothing_is_an_invalid_value() {
    let lonely = [
        group("a", &["nobody"]),
        json!({ "method": "DELETE", "path": "/Users/bulkId:nobody" }),
        json!({ "method": "PATCH", "path": "/Groups/x", "data":
            [{ "op": "remove", "path": "members[value eq \"bulkId:nobody\"]" }] }),
    ];
    for operation in lonely {
        let request = request(json!([operation]));
        assert_eq!(request.plan(), [Step::One(0)], "nothing to wait for");
        let error = resolved(request.operations[0].task.clone().unwrap(), &Leniency::default()).unwrap_err();
        assert_eq!(error.scim_type, ScimType::InvalidValue);
        assert!(error.detail.contains("`bulkId:nobody`"), "{error}");
    }
    assert_eq!(failed_post("x").scim_type, ScimType::InvalidValue);
}

#[track_caller]
fn plans(operations: Vec<Value>, expected: &[Step]) {
    assert_eq!(request(operations.into()).plan(), expected);
}

/// S-18.9
#[test]
fn the_clients_order_is_kept_where_nothing_refers_forward() {
    let delete = json!({ "method": "DELETE", "path": "/Users/x" });
    let about_a = json!({ "method": "DELETE", "path": "/Groups/bulkId:a" });

    plans(
        vec![group("a", &[]), delete.clone(), group("b", &["a"]), about_a, delete],
        &[Step::One(0), Step::One(1), Step::One(2), Step::One(3), Step::One(4)],
    );
}

/// S-18.9: what is referred to comes earlier, and all else stays in place.
#[test]
fn a_reference_forward_brings_its_post_earlier() {
    let delete = json!({ "method": "DELETE", "path": "/Users/x" });
    let put = json!({ "method": "PUT", "path": "/Groups/x", "data": { "members": ["bulkId:c"] } });
    let patch = json!({ "method": "PATCH", "path": "/Groups/bulkId:d", "data": [] });

    plans(vec![group("a", &["b"]), delete.clone(), group("b", &[])], &[Step::One(2), Step::One(0), Step::One(1)]);
    plans(
        vec![delete, put, patch, group("c", &["d"]), group("d", &[])],
        &[Step::One(0), Step::One(4), Step::One(3), Step::One(1), Step::One(2)],
    );
}

/// S-18.10: circles come together, whether of two, of one, or joined at a member.
#[test]
fn posts_in_a_circle_are_one_step() {
    plans(vec![group("a", &["b"]), group("b", &["a"])], &[Step::Circle(vec![0, 1])]);
    plans(vec![group("a", &["a"])], &[Step::Circle(vec![0])]);
    plans(
        vec![group("x", &["b"]), group("a", &["c"]), group("b", &["a", "d"]), group("c", &["b"]), group("d", &[])],
        &[Step::One(4), Step::Circle(vec![1, 2, 3]), Step::One(0)],
    );
}

fn badge(bulk_id: &str, owner: &str) -> Value {
    post("/Badges", bulk_id, json!({ "owner": { "value": format!("bulkId:{owner}") } }))
}

fn desk_of(bulk_id: &str, badge: &str) -> Value {
    let desk = json!({ "badge": { "value": format!("bulkId:{badge}") } });
    post("/Users", bulk_id, json!({ "userName": bulk_id, "urn:example:Desk": desk }))
}

/// S-18.10, S-18.11: what is required cannot be added later.
#[test]
fn a_circle_begins_where_nothing_required_is_missing_and_a_knot_nowhere() {
    plans(vec![badge("b", "u"), desk_of("u", "b")], &[Step::Circle(vec![1, 0])]);
    plans(vec![badge("a", "b"), badge("b", "a")], &[Step::Knot(vec![0, 1])]);
    plans(vec![badge("a", "a")], &[Step::Knot(vec![0])]);
}

#[track_caller]
fn detaches(operation: Value, later: &[&str], left: Value, operations: Value) {
    let mut task = one(operation).unwrap();
    let rest = task.detach(&Leniency::default(), &|name| later.contains(&name));
    let Task::Create { body, .. } = task else { panic!("not a POST") };
    assert_eq!(body, left);
    let expected = json!({ "schemas": [PATCH_OP], "Operations": operations });
    assert_eq!(rest, (operations != json!([])).then_some(expected));
}

/// S-18.10
#[test]
fn what_is_not_there_yet_is_taken_out_and_nothing_else() {
    let of = |name: &str| json!({ "value": format!("bulkId:{name}") });
    detaches(group("a", &["b"]), &["c"], json!({ "displayName": "a", "members": [of("b")] }), json!([]));
    detaches(
        group("a", &["b", "c", "d"]),
        &["b", "d"],
        json!({ "displayName": "a", "members": [of("c")] }),
        json!([{ "op": "add", "path": "members", "value": [of("b"), of("d")] }]),
    );
    detaches(
        group("a", &["b"]),
        &["b"],
        json!({ "displayName": "a" }),
        json!([{ "op": "add", "path": "members", "value": [of("b")] }]),
    );
    let desk = json!({ "ROOM": "4", "badge": { "value": "bulkId:b", "display": "x" } });
    detaches(
        post(
            "/Users",
            "u",
            json!({ "userName": "bulkId:b", "URN:example:desk": desk, ENTERPRISE_USER: { "manager": "bulkId:m" } }),
        ),
        &["b", "m"],
        json!({ "userName": "bulkId:b", "URN:example:desk": { "ROOM": "4" }, ENTERPRISE_USER: {} }),
        json!([
            { "op": "add", "path": "urn:example:Desk:badge", "value": { "value": "bulkId:b", "display": "x" } },
            { "op": "add", "path": format!("{ENTERPRISE_USER}:manager"), "value": "bulkId:m" },
        ]),
    );
}

#[test]
fn a_chain_as_long_as_the_request_needs_no_recursion() {
    const LENGTH: usize = 20_000;
    let chain = |next: fn(usize) -> usize| {
        let link = |n: usize| group(&n.to_string(), &[next(n).to_string().as_str()]);
        request((0..LENGTH).map(link).collect()).plan()
    };

    let forward = chain(|n| n + 1);
    assert_eq!((forward.len(), &forward[0]), (LENGTH, &Step::One(LENGTH - 1)));
    let circle = chain(|n| (n + 1) % LENGTH);
    let [Step::Circle(members)] = circle.as_slice() else { panic!("{} steps", circle.len()) };
    assert_eq!(members.len(), LENGTH);
}

/// S-18.4, S-18.5, D-3
#[test]
fn an_answer_says_method_bulk_id_location_version_and_a_status_of_text() {
    let failed = Answered {
        method: Some("POST".into()),
        bulk_id: Some("ana".into()),
        location: None,
        status: 409,
        version: None,
        response: Some(ErrorBody::new(409, "taken")),
    };
    let done = Answered {
        method: Some("PUT".into()),
        bulk_id: None,
        location: Some("https://id.example.org/Users/1".into()),
        status: 200,
        version: Some("W/\"2\"".into()),
        response: None,
    };
    let body = Value::Object(BulkResponse { operations: vec![failed, done] }.into_body());

    let error =
        json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"], "status": "409", "detail": "taken" });
    assert_eq!(
        body,
        json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkResponse"],
            "Operations": [
                { "method": "POST", "bulkId": "ana", "status": "409", "response": error },
                { "method": "PUT", "location": "https://id.example.org/Users/1", "version": "W/\"2\"", "status": "200" },
            ],
        })
    );
}

/// For each operation, its kind and whom it refers to.
fn graphs() -> impl Strategy<Value = Vec<(u8, Vec<usize>)>> {
    (1..24_usize)
        .prop_flat_map(|size| prop::collection::vec((0..4_u8, prop::collection::vec(0..size + 2, 0..4)), size..=size))
}

fn operations(graph: &[(u8, Vec<usize>)]) -> Value {
    let operation = |(index, (kind, refers)): (usize, &(u8, Vec<usize>))| {
        let members: Vec<Value> = refers.iter().map(|to| json!({ "value": format!("bulkId:{to}") })).collect();
        let members = json!({ "members": members });
        match kind {
            0 => json!({ "method": "PUT", "path": "/Groups/x", "data": members }),
            _ => json!({ "method": "POST", "path": "/Groups", "bulkId": index.to_string(), "data": members }),
        }
    };
    graph.iter().enumerate().map(operation).collect()
}

proptest! {
    /// S-18.9, S-18.10: each operation once; what is referred to comes first, but inside a circle,
    /// whose members all lead to each other; and without references forward nothing moves.
    #[test]
    fn a_plan_has_each_operation_once_behind_what_it_refers_to(graph in graphs()) {
        let is_post = |to: usize| graph.get(to).is_some_and(|(kind, _)| *kind != 0);
        let edges = |from: usize| graph[from].1.iter().copied().filter(|to| is_post(*to)).collect::<Vec<_>>();
        let plan = request(operations(&graph)).plan();

        let mut place = HashMap::new();
        for (at, step) in plan.iter().enumerate() {
            let members = match step {
                Step::One(one) => std::slice::from_ref(one),
                Step::Circle(members) => members,
                Step::Knot(_) => panic!("members are not required"),
            };
            for member in members {
                prop_assert_eq!(place.insert(*member, at), None);
            }
        }
        prop_assert_eq!(place.len(), graph.len());
        for from in 0..graph.len() {
            for to in edges(from) {
                let circle = matches!(&plan[place[&from]], Step::Circle(members) if members.contains(&to));
                prop_assert!(place[&to] < place[&from] || circle);
            }
        }
        for step in &plan {
            let Step::Circle(members) = step else { continue };
            for from in members {
                let mut reached = vec![*from];
                let mut next = 0;
                let mut seen = std::collections::HashSet::new();
                while let Some(node) = reached.get(next).copied() {
                    next += 1;
                    let new = edges(node).into_iter().filter(|to| seen.insert(*to)).collect::<Vec<_>>();
                    reached.extend(new);
                }
                prop_assert!(members.iter().all(|member| seen.contains(member)), "{:?}", members);
            }
        }
        let forward = (0..graph.len()).any(|from| edges(from).into_iter().any(|to| to >= from));
        if !forward {
            prop_assert_eq!(plan, (0..graph.len()).map(Step::One).collect::<Vec<_>>());
        }
    }

    /// S-18.9, S-18.10: played in the order of the plan, with circles made and then completed,
    /// every group holds in the end exactly whom its operation named.
    #[test]
    fn a_plan_comes_to_what_the_client_wrote(graph in graphs()) {
        let request = request(operations(&graph));
        let mut made: HashMap<usize, Vec<String>> = HashMap::new();
        let members = |body: &Value| -> Vec<String> {
            let list = body["members"].as_array().cloned().unwrap_or_default();
            list.iter().map(|member| member["value"].as_str().unwrap().to_owned()).collect()
        };
        let names = |made: &HashMap<usize, Vec<String>>, task: &mut Task| task.resolve(&Leniency::default(), &|name| {
            let place: usize = name.parse().unwrap();
            made.get(&place).map(|_| id(place).parse().unwrap()).ok_or_else(|| no_such_post(name))
        });
        for step in request.plan() {
            let order = match step {
                Step::One(one) => vec![one],
                Step::Circle(members) => members,
                Step::Knot(_) => panic!("members are not required"),
            };
            let mut rests = Vec::new();
            for (at, index) in order.iter().enumerate() {
                let mut task = request.operations[*index].task.clone().unwrap();
                let later = |name: &str| order[at..].iter().any(|later| later.to_string() == name);
                if let Some(rest) = task.detach(&Leniency::default(), &later) {
                    rests.push((*index, rest));
                }
                if names(&made, &mut task).is_ok() && let Task::Create { body, .. } = task {
                    made.insert(*index, members(&body));
                }
            }
            for (index, rest) in rests {
                let Task::Create { resource_type, .. } = request.operations[index].task.clone().unwrap() else { panic!() };
                let at = provost_scim::bulk::Target { resource_type, id: id(index), if_match: None };
                let mut task = Task::Patch { at, body: rest };
                // Its circle may have failed, for a reference to nothing.
                if names(&made, &mut task).is_ok() && let Task::Patch { body, .. } = task {
                    let value = json!({ "members": body["Operations"][0]["value"] });
                    made.entry(index).and_modify(|all| all.extend(members(&value)));
                }
            }
        }
        let whole = |index: &usize| {
            // Complete, unless something it leads to does not exist.
            let mut seen = vec![*index];
            let mut next = 0;
            while let Some(node) = seen.get(next).copied() {
                next += 1;
                for to in &graph[node].1 {
                    if graph.get(*to).is_none_or(|(kind, _)| *kind == 0) {
                        return false;
                    }
                    if !seen.contains(to) {
                        seen.push(*to);
                    }
                }
            }
            true
        };
        for (index, (kind, refers)) in graph.iter().enumerate() {
            if *kind != 0 && whole(&index) {
                let mut expected: Vec<String> = refers.iter().map(|to| id(*to)).collect();
                let mut found = made.remove(&index).unwrap();
                expected.sort();
                found.sort();
                prop_assert_eq!(found, expected);
            }
        }
    }
}
