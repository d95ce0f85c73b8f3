//! PATCH through the front door: the worked decisions of the checklist's section 16.7, and what is answered.

use provost_tests::server::{Answer, TestServer, patch, user};
use serde_json::{Value, json};

const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// What one row of the table ends with.
enum Ends {
    /// 200, and these attributes of the resource, null where there is none.
    With(Value),
    /// 400 with this keyword, and the resource as it was.
    Refused(&'static str),
}
use Ends::{Refused, With};

/// Makes a user with these attributes, patches it, and looks.
#[track_caller]
fn check(row: &str, before: &Answer, answer: &Answer, after: &Answer, ends: &Ends) {
    match ends {
        With(attributes) => {
            assert_eq!(answer.status, 200, "row {row}: {}", answer.body);
            for (name, value) in attributes.as_object().unwrap() {
                assert_eq!(answer.body.get(name).unwrap_or(&Value::Null), value, "row {row}: {name}");
            }
            assert_eq!(answer.body, after.body, "row {row}: what is answered is what is stored");
        }
        Refused(scim_type) => {
            answer.scim_error(400, Some(scim_type));
            assert_eq!(after.body, before.body, "row {row}: a refused request has left something behind");
        }
    }
}

async fn run(server: &TestServer, row: &str, start: Value, operations: Value, ends: Ends) -> (Answer, Answer) {
    let mut body = user(&format!("row-{row}"));
    body.as_object_mut().unwrap().extend(start.as_object().unwrap().clone());
    let before = server.post("/Users", body).await.expect(201);
    let path = format!("/Users/{}", before.id());
    let answer = server.patch(&path, operations).await;
    check(row, &before, &answer, &server.get(&path).await.expect(200), &ends);
    (before, answer)
}

/// Rows 1 to 5, 10 to 13, 15 and 16 of section 16.7: S-16.5, S-16.6, S-16.14, S-16.28, S-16.40, S-16.49, S-16.51,
/// S-16.54, S-16.57, S-16.70.
#[tokio::test(flavor = "multi_thread")]
async fn golden_19_the_worked_decisions_about_users() {
    let server = TestServer::plain().await;
    let strict = TestServer::start("[scim.leniency.patch]\ncreate_on_no_match = false\n").await;
    let email = |value: &str, kind: &str| json!({ "value": value, "type": kind });
    let work_x = json!([{ "op": "replace", "path": "emails[type eq \"work\"].value", "value": "x" }]);

    run(
        &server,
        "1",
        json!({ "name": { "givenName": "A", "familyName": "B" } }),
        json!([{ "op": "replace", "path": "name", "value": { "givenName": "C" } }]),
        With(json!({ "name": { "givenName": "C", "familyName": "B" } })),
    )
    .await;
    run(
        &server,
        "2",
        json!({ "emails": [email("a", "work"), email("b", "home")] }),
        work_x.clone(),
        With(json!({ "emails": [email("x", "work"), email("b", "home")] })),
    )
    .await;
    // Equal elements would become one (S-3.11), so these two differ by their names.
    run(
        &server,
        "3",
        json!({ "emails": [
            { "value": "a", "type": "work", "display": "A" }, { "value": "c", "type": "work", "display": "C" },
        ] }),
        work_x.clone(),
        With(json!({ "emails": [
            { "value": "x", "display": "A", "type": "work" }, { "value": "x", "display": "C", "type": "work" },
        ] })),
    )
    .await;
    let home = json!({ "emails": [email("b", "home")] });
    run(&strict, "4", home.clone(), work_x.clone(), Refused("noTarget")).await;
    run(&server, "4", home, work_x, With(json!({ "emails": [email("b", "home"), email("x", "work")] }))).await;
    run(
        &server,
        "5",
        json!({ "emails": [{ "value": "a", "type": "work", "primary": true }] }),
        json!([{ "op": "add", "path": "emails", "value": [{ "value": "b", "type": "home", "primary": true }] }]),
        With(json!({ "emails": [
            { "value": "a", "type": "work", "primary": false }, { "value": "b", "type": "home", "primary": true },
        ] })),
    )
    .await;
    run(&server, "10", json!({}), json!([{ "op": "remove", "path": "userName" }]), Refused("mutability")).await;
    let department = json!([{ "op": "replace", "path": format!("{ENTERPRISE}:department"), "value": "X" }]);
    let made = json!({
        ENTERPRISE: { "department": "X" }, "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", ENTERPRISE],
    });
    run(&server, "11", json!({}), department, With(made)).await;
    let half = json!([{ "op": "replace", "path": "displayName", "value": "N" }, { "op": "remove" }]);
    run(&server, "12", json!({ "title": "T" }), half, Refused("noTarget")).await;
    let inactive = json!([{ "op": "replace", "value": { "active": false } }]);
    run(&server, "13", json!({ "active": true }), inactive, With(json!({ "active": false }))).await;
    let unknown = json!([{ "op": "replace", "path": "foo.bar", "value": 1 }]);
    run(&server, "15", json!({}), unknown, Refused("invalidPath")).await;
    let broken = json!([{ "op": "replace", "path": "emails[type eq].value", "value": "x" }]);
    run(&server, "16", json!({}), broken, Refused("invalidFilter")).await;
}

/// Rows 6 to 9 and 14 of section 16.7: S-16.30, S-16.31, S-16.43, S-16.44, S-16.48, S-16.50, S-16.61.
#[tokio::test(flavor = "multi_thread")]
async fn golden_19_the_worked_decisions_about_members() {
    let server = TestServer::plain().await;
    let strict = TestServer::start("[scim.leniency.patch]\nremove_with_value = false\n").await;
    for (server, removes_listed) in [(&server, true), (&strict, false)] {
        let ids = [server.user("one").await, server.user("two").await, server.user("three").await];
        let [one, two, three] = [ids[0].as_str(), ids[1].as_str(), ids[2].as_str()];
        let run = async |row: &str, members: &[&str], operation: Value, ends: Result<&[&str], &str>| {
            let path = format!("/Groups/{}", server.group(row, members).await);
            let before = server.get(&path).await.expect(200);
            let answer = server.patch(&path, json!([operation])).await;
            let after = server.get(&path).await.expect(200);
            let now = after.body["members"].as_array().cloned().unwrap_or_default();
            let mut now: Vec<&str> = now.iter().map(|m| m["value"].as_str().unwrap()).collect::<Vec<_>>();
            let mut expected = match ends {
                Ok(members) => {
                    answer.expect(200);
                    members.to_vec()
                }
                Err(scim_type) => {
                    answer.scim_error(400, Some(scim_type));
                    members.to_vec()
                }
            };
            now.sort_unstable();
            expected.sort_unstable();
            assert_eq!(now, expected, "row {row}");
            (before.body.clone(), after.body.clone())
        };
        let at_two = format!("members[value eq \"{two}\"]");

        run("6", &[one, two, three], json!({ "op": "remove", "path": at_two }), Ok(&[one, three])).await;
        let all = json!({ "op": "remove", "path": "members" });
        let (_, emptied) = run("7", &[one, two, three], all, Ok(&[])).await;
        assert_eq!(emptied.get("members"), None, "no members are no attribute");
        let listed = json!({ "op": "remove", "path": "members", "value": [{ "value": two }] });
        let ends: Result<&[&str], &str> = if removes_listed { Ok(&[one, three]) } else { Err("invalidSyntax") };
        run("8", &[one, two, three], listed, ends).await;
        let again = json!({ "op": "add", "path": "members", "value": [{ "value": one }] });
        let (before, after) = run("9", &[one], again, Ok(&[one])).await;
        assert_eq!(after["meta"], before["meta"], "nothing changed, so no time and no version did");
        let other = json!({ "op": "replace", "path": format!("members[value eq \"{one}\"].value"), "value": "9" });
        run("14", &[one], other, Err("mutability")).await;
    }
}

/// S-16.9, S-16.30, S-19.2: no version, no time, no journal row, whatever way nothing is said.
#[tokio::test(flavor = "multi_thread")]
async fn s_16_9_a_patch_that_changes_nothing_leaves_no_trace() {
    let server = TestServer::plain().await;
    let mut body = user("ana");
    body["title"] = json!("T");
    body["emails"] = json!([{ "value": "a@x", "type": "work", "primary": true }]);
    body[ENTERPRISE] = json!({ "department": "R" });
    let made = server.post("/Users", body).await.expect(201);
    let path = format!("/Users/{}", made.id());
    let group = server.group("staff", &[&made.id()]).await;
    let rows = server.journal().await;

    for operations in [
        json!([{ "op": "add", "path": "title", "value": "T" }]),
        json!([{ "op": "replace", "value": { "title": "T", "id": made.id(), "active": null } }]),
        json!([{ "op": "add", "path": "emails", "value": [{ "value": "A@X", "type": "Work" }] }]),
        json!([{ "op": "replace", "path": "emails[type eq \"work\"].primary", "value": true }]),
        json!([{ "op": "remove", "path": "nickName" }]),
        json!([{ "op": "remove", "path": "emails[type eq \"home\"]" }]),
        json!([{ "op": "add", "path": "schemas", "value": [ENTERPRISE] }]),
        json!([{ "op": "replace", "path": format!("{ENTERPRISE}:department"), "value": "R" }]),
        json!([{ "op": "replace", "path": "title", "value": "U" }, { "op": "replace", "path": "title", "value": "T" }]),
    ] {
        let answer = server.patch(&path, operations.clone()).await.expect(200);
        assert_eq!(answer.body["meta"], made.body["meta"], "{operations}");
        assert_eq!(answer.header("etag"), made.header("etag"), "{operations}");
    }
    let path = format!("/Groups/{group}");
    let before = server.get(&path).await.expect(200);
    for operations in [
        json!([{ "op": "add", "path": "members", "value": [{ "value": made.id(), "display": "whoever" }] }]),
        json!([{ "op": "replace", "path": "members", "value": [{ "value": made.id() }] }]),
        json!([{ "op": "remove", "path": "members" }, { "op": "add", "path": "members", "value": [{ "value": made.id() }] }]),
    ] {
        assert_eq!(server.patch(&path, operations.clone()).await.expect(200).body, before.body, "{operations}");
    }
    assert_eq!(server.journal().await, rows);
}

/// S-16.1 to S-16.4: what is no PATCH is refused whole, with its keyword.
#[tokio::test(flavor = "multi_thread")]
async fn s_16_1_envelopes_are_held_to_the_protocol() {
    let server = TestServer::plain().await;
    let made = server.post("/Users", user("ana")).await.expect(201);
    let path = format!("/Users/{}", made.id());
    let add = json!([{ "op": "add", "path": "title", "value": "x" }]);

    for (body, scim_type) in [
        (json!({ "Operations": add }), "invalidSyntax"),
        (json!({ "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "Operations": add }), "invalidSyntax"),
        (json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"] }), "invalidSyntax"),
        (patch(json!([])), "invalidSyntax"),
        (patch(json!([{ "op": "move", "path": "title", "from": "nickName" }])), "invalidSyntax"),
        (patch(json!([{ "path": "title", "value": "x" }])), "invalidSyntax"),
        (patch(json!([{ "op": "add", "path": "title" }])), "invalidValue"),
        (patch(json!([{ "op": "replace", "path": "title" }])), "invalidValue"),
        (patch(json!([{ "op": "remove", "path": "" }])), "noTarget"),
        (patch(json!([{ "op": "add", "value": ["x"] }])), "invalidSyntax"),
        (patch(json!([{ "op": "add", "path": "emails/0/value", "value": "x" }])), "invalidPath"),
    ] {
        let answer = server.send(server.with_body("PATCH", &path, body.clone())).await;
        assert_eq!(answer.body["scimType"], scim_type, "{body}");
        answer.scim_error(400, Some(scim_type));
    }
    assert_eq!(server.get(&path).await.expect(200).body, made.body);
}

async fn preferring(server: &TestServer, path: &str, prefer: Option<&str>) -> Answer {
    let operations = json!([{ "op": "replace", "path": "displayName", "value": format!("for {prefer:?}") }]);
    let request = server.with_body("PATCH", path, patch(operations));
    server.send(prefer.into_iter().fold(request, |request, prefer| request.header("prefer", prefer))).await
}

#[track_caller]
fn is_resource(answer: &Answer, applied: &str) {
    assert_eq!((answer.status, answer.header("preference-applied")), (200, applied), "{answer:?}");
    assert_eq!(answer.body["meta"]["version"], answer.header("etag"));
    assert_eq!(answer.body["meta"]["location"], answer.header("location"));
}

#[track_caller]
fn is_nothing(answer: &Answer, applied: &str) {
    assert_eq!((answer.status, answer.header("preference-applied")), (204, applied), "{answer:?}");
    assert_eq!((&answer.body, answer.header("content-type")), (&Value::Null, ""));
    assert!(answer.header("etag").starts_with("W/\"") && answer.header("location").contains("/scim/v2/"), "{answer:?}");
}

/// S-16.8, S-8.11, S-2.8, S-2.10, L-P24: 200 or 204, as client and operator like it.
#[tokio::test(flavor = "multi_thread")]
async fn s_16_8_a_patch_answers_with_the_resource_or_with_nothing() {
    let by_default = TestServer::plain().await;
    let quiet = TestServer::start("[scim]\npatch_answer = \"nothing\"\n").await;
    let groups = TestServer::start("[scim.leniency.patch]\ngroup_204 = true\n").await;
    for (server, user_is_quiet, group_is_quiet) in
        [(&by_default, false, false), (&quiet, true, true), (&groups, false, true)]
    {
        let ana = server.user("ana").await;
        let group = server.group("staff", &[&ana]).await;
        for (path, is_quiet) in [(format!("/Users/{ana}"), user_is_quiet), (format!("/Groups/{group}"), group_is_quiet)]
        {
            let answer = preferring(server, &path, None).await;
            if is_quiet {
                is_nothing(&answer, "")
            } else {
                is_resource(&answer, "")
            };
            is_nothing(&preferring(server, &path, Some("return=minimal")).await, "return=minimal");
            is_nothing(&preferring(server, &path, Some("wait=5, return = \"minimal\"; x=y")).await, "return=minimal");
            let whole = preferring(server, &path, Some("return=representation")).await;
            is_resource(&whole, "return=representation");
            assert_eq!(whole.header("etag"), server.get(&path).await.header("etag"));
            // With `attributes`, there must be a resource, whatever is preferred.
            let named = format!("{path}?attributes=displayName");
            let shown = preferring(server, &named, Some("return=minimal")).await;
            assert_eq!((shown.status, shown.header("preference-applied")), (200, ""));
            assert_eq!(shown.body.as_object().unwrap().keys().collect::<Vec<_>>(), ["schemas", "id", "displayName"]);
            preferring(server, &named, None).await.expect(200);
        }
        // POST and PUT always answer with the resource.
        let request = server.with_body("PUT", &format!("/Users/{ana}"), user("ana")).header("prefer", "return=minimal");
        assert_eq!(server.send(request).await.expect(200).id(), ana);
        let request = server.with_body("POST", "/Users", user("ben")).header("prefer", "return=minimal");
        assert_eq!(server.send(request).await.expect(201).body["userName"], "ben");
    }
}

/// S-16.10: preconditions guard a PATCH that would change nothing as well.
#[tokio::test(flavor = "multi_thread")]
async fn s_16_10_preconditions_come_before_the_operations() {
    let server = TestServer::plain().await;
    let path = format!("/Users/{}", server.user("ana").await);
    let stale = |operations: Value| server.with_body("PATCH", &path, patch(operations)).header("if-match", "W/\"999\"");

    for operations in
        [json!([{ "op": "remove", "path": "nickName" }]), json!([{ "op": "remove" }]), json!([]), json!("nonsense")]
    {
        server.send(stale(operations)).await.scim_error(412, None);
    }
}
