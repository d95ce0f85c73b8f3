//! The interoperability switches through the front door, each on and off (checklist section 32;
//! golden test 29), and that whoever needs one is counted.

use provost_scim::leniency::{Class, Switch};
use provost_tests::server::{Answer, TestServer, client, user};
use serde_json::{Value, json};

const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
const MANAGER: &str = "/urn:ietf:params:scim:schemas:extension:enterprise:2.0:User/manager/value";

/// A server with every switch of these groups on, or with every one off that can be.
async fn server(groups: &[&str], on: bool) -> TestServer {
    let mut config = String::new();
    for group in groups {
        config.push_str(&format!("[scim.leniency.{group}]\n"));
        for switch in Switch::ALL.iter().filter(|switch| switch.class() != Class::Safe) {
            if let Some(key) = switch.key().strip_prefix(&format!("{group}.")) {
                config.push_str(&format!("{key} = {on}\n"));
            }
        }
    }
    TestServer::start(&config).await
}

/// What a strict server does with a deviation.
enum Strict {
    /// 400 with this keyword.
    Refuses(&'static str),
    /// It means something else.
    Shows(Value),
    /// It needs no switch and means the same.
    Same,
}
use Strict::{Refuses, Same, Shows};

/// One request that needs one switch, and what it comes to.
struct Row {
    switch: Switch,
    request: Value,
    at: String,
    lenient: Value,
    strict: Strict,
}

fn row(switch: Switch, request: Value, at: impl Into<String>, lenient: Value, strict: Strict) -> Row {
    Row { switch, request, at: at.into(), lenient, strict }
}

impl Row {
    #[track_caller]
    fn check_lenient(&self, answer: &Answer) {
        let key = self.switch.key();
        assert!(answer.status < 300, "{key}: {}", answer.body);
        assert_eq!(answer.body.pointer(&self.at).cloned().unwrap_or_default(), self.lenient, "{key} on");
    }

    #[track_caller]
    fn check_strict(&self, answer: &Answer) {
        let key = self.switch.key();
        let shown = || answer.body.pointer(&self.at).cloned().unwrap_or_default();
        match &self.strict {
            Refuses(scim_type) => {
                assert_eq!(answer.body["scimType"], *scim_type, "{key} off: {}", answer.body);
                answer.scim_error(400, Some(scim_type));
            }
            Shows(other) => assert_eq!(shown(), *other, "{key} off: {}", answer.body),
            Same => assert_eq!(shown(), self.lenient, "{key} off: {}", answer.body),
        }
    }
}

/// A user to patch, new for each row.
async fn ana(server: &TestServer) -> String {
    let mut body = user("ana");
    body["displayName"] = json!("Ana");
    body["emails"] = json!([{ "value": "a@x", "type": "work" }]);
    body["roles"] = json!([{ "value": "r", "primary": true }]);
    server.post("/Users", body).await.expect(201).id()
}

/// L-P1 to L-P23, of users.
#[tokio::test(flavor = "multi_thread")]
async fn golden_29_patch_switches_on_and_off() {
    let set = |path: &str, value: Value| json!({ "op": "replace", "path": path, "value": value });
    let whole = |value: Value| json!({ "op": "replace", "value": value });
    let enterprise = |name: &str| format!("/{ENTERPRISE}/{name}");
    let rows = [
        row(Switch::PatchOpAnyCase, json!({ "op": "Add", "path": "title", "value": "x" }), "/title", json!("x"), Same),
        row(
            Switch::PatchDottedKeys,
            whole(json!({ "name.givenName": "K", "displayName": "B" })),
            "/name/givenName",
            json!("K"),
            Refuses("invalidPath"),
        ),
        row(
            Switch::PatchUrnKeys,
            whole(json!({ format!("{ENTERPRISE}:employeeNumber"): "5" })),
            enterprise("employeeNumber"),
            json!("5"),
            Refuses("invalidPath"),
        ),
        row(
            Switch::PatchRemoveWithValue,
            json!({ "op": "Remove", "path": "emails", "value": [{ "value": "z@x" }] }),
            "/emails/0/value",
            json!("a@x"),
            Refuses("invalidSyntax"),
        ),
        row(
            Switch::PatchCreateOnNoMatch,
            set("emails[type eq \"home\"].value", json!("b@x")),
            "/emails/1",
            json!({ "value": "b@x", "type": "home" }),
            Refuses("noTarget"),
        ),
        row(Switch::PatchBoolStrings, set("active", json!("False")), "/active", json!(false), Refuses("invalidValue")),
        row(
            Switch::PatchBoolInFilter,
            set("roles[primary eq \"True\"].value", json!("s")),
            "/roles/0/value",
            json!("s"),
            Refuses("invalidFilter"),
        ),
        row(
            Switch::PatchScalarForComplex,
            set(&format!("{ENTERPRISE}:manager"), json!("m")),
            MANAGER,
            json!("m"),
            Refuses("invalidValue"),
        ),
        row(
            Switch::PatchWrappedScalar,
            set("nickName", json!([{ "value": "Babs" }])),
            "/nickName",
            json!("Babs"),
            Refuses("invalidValue"),
        ),
        row(Switch::PatchEqualReadonly, whole(json!({ "groups": [], "title": "x" })), "/title", json!("x"), Same),
        row(
            Switch::PatchIgnoreReadonly,
            whole(json!({ "id": "other", "title": "x" })),
            "/title",
            json!("x"),
            Refuses("mutability"),
        ),
        row(
            Switch::PatchExtraMembers,
            json!({ "op": "add", "name": "addTitle", "path": "title", "value": "x" }),
            "/title",
            json!("x"),
            Same,
        ),
        row(
            Switch::PatchUnknownSubattrs,
            set("emails", json!([{ "value": "b@x", "displayName": "B" }])),
            "/emails/0",
            json!({ "value": "b@x" }),
            Refuses("invalidValue"),
        ),
        row(Switch::PatchSingleObject, set("emails", json!({ "value": "b@x" })), "/emails/0/value", json!("b@x"), Same),
        row(
            Switch::PatchEmptyPath,
            json!({ "op": "add", "path": "", "value": { "title": "x" } }),
            "/title",
            json!("x"),
            Same,
        ),
        row(
            Switch::PatchRemoveNoMatchOk,
            json!({ "op": "remove", "path": "emails[type eq \"home\"]" }),
            "/emails/0/value",
            json!("a@x"),
            Refuses("noTarget"),
        ),
        row(
            Switch::PatchEmptyStringClears,
            set("displayName", json!("")),
            "/displayName",
            json!(null),
            Shows(json!("")),
        ),
        row(
            Switch::PatchValuepathKeys,
            whole(json!({ "emails[type eq \"work\"].value": "b@x" })),
            "/emails/0/value",
            json!("b@x"),
            Refuses("invalidPath"),
        ),
    ];
    let (lenient, strict) = (server(&["patch"], true).await, server(&["patch"], false).await);

    for row in rows {
        let before = lenient.deviations(row.switch.key()).await;
        for server in [&lenient, &strict] {
            let path = format!("/Users/{}", ana(server).await);
            let answer = server.patch(&path, json!([row.request])).await;
            match std::ptr::eq(server, &lenient) {
                true => row.check_lenient(&answer),
                false => row.check_strict(&answer),
            }
            server.delete(&path).await.expect(204);
        }
        assert!(lenient.deviations(row.switch.key()).await > before, "{} is not counted", row.switch.key());
    }
}

/// L-P21: an empty `Operations` changes nothing, or is no request.
#[tokio::test(flavor = "multi_thread")]
async fn golden_29_no_operations_on_and_off() {
    let (lenient, strict) = (server(&["patch"], true).await, server(&["patch"], false).await);
    let (ben, path) = (lenient.user("ben").await, |id: String| format!("/Users/{id}"));
    let etag = lenient.get(&path(ben.clone())).await.header("etag").to_owned();

    let same = lenient.patch(&path(ben), json!([])).await.expect(200);
    let refused = strict.patch(&path(strict.user("ben").await), json!([])).await;

    assert_eq!(same.header("etag"), etag);
    refused.scim_error(400, Some("invalidSyntax"));
}

/// L-P4, L-P9, L-P15, L-P19 and L-P24, of groups.
#[tokio::test(flavor = "multi_thread")]
async fn golden_29_patch_switches_of_groups_on_and_off() {
    let (lenient, strict) = (server(&["patch"], true).await, server(&["patch"], false).await);
    let mut shapes = Vec::new();
    for server in [&lenient, &strict] {
        let (ana, ben) = (server.user("ana").await, server.user("ben").await);
        let path = format!("/Groups/{}", server.group("staff", &[&ana]).await);
        let members = async || {
            let shown = server.get(&path).await.expect(200).body["members"].clone();
            shown.as_array().cloned().unwrap_or_default().iter().map(|m| m["value"].clone()).collect::<Vec<_>>()
        };
        let mut told = Vec::new();
        for operation in [
            json!({ "op": "add", "path": "members", "value": [ben] }),
            json!({ "op": "add", "path": "members", "value": [{ "value": ben, "displayName": "Ben" }] }),
            json!({ "op": "remove", "path": "members[type eq \"Group\"]" }),
            json!({ "op": "remove", "path": format!("members[value eq \"{}\"]", uuid::Uuid::nil()) }),
            json!({ "op": "remove", "path": "members[value eq \"nobody\"]" }),
            json!({ "op": "remove", "path": "members", "value": [{ "value": ben }] }),
        ] {
            let answer = server.patch(&path, json!([operation])).await;
            told.push(answer.body["scimType"].as_str().unwrap_or_default().to_owned());
            // L-P24: the lenient server is told to answer 204.
            assert_eq!(
                (answer.status == 204, answer.body.is_null()),
                (server.app.base_url == lenient.app.base_url, answer.status == 204)
            );
        }
        assert_eq!(members().await, [json!(ana)]);
        // Somebody who was selected is removed on either.
        let remove = json!([{ "op": "remove", "path": format!("members[value eq \"{ana}\"]") }]);
        assert!(server.patch(&path, remove).await.status < 300);
        assert!(members().await.is_empty());
        shapes.push(told);
    }

    assert_eq!(shapes[0], [""; 6]);
    assert_eq!(shapes[1], ["invalidValue", "invalidValue", "noTarget", "noTarget", "noTarget", "invalidSyntax"]);
    for switch in [Switch::PatchScalarMembers, Switch::PatchUnknownSubattrs, Switch::PatchRemoveNoMatchOk] {
        assert!(lenient.deviations(switch.key()).await > 0, "{} is not counted", switch.key());
    }
}

/// L-B2 to L-B12.
#[tokio::test(flavor = "multi_thread")]
async fn golden_29_body_switches_on_and_off() {
    let with = |key: &str, value: Value| {
        let mut body = user("ana");
        body[key] = value;
        body
    };
    let urns = json!([
        "urn:ietf:params:scim:schemas:core:2.0:User",
        "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/User"
    ]);
    let rows = [
        row(
            Switch::BodyUnknownSchemaUrns,
            with("schemas", urns),
            "/schemas",
            json!(["urn:ietf:params:scim:schemas:core:2.0:User"]),
            Refuses("invalidValue"),
        ),
        row(
            Switch::BodyUnknownAttributes,
            with("shoeSize", json!(38)),
            "/shoeSize",
            json!(null),
            Refuses("invalidValue"),
        ),
        row(
            Switch::BodyInferSchemas,
            json!({ "userName": "ana" }),
            "/userName",
            json!("ana"),
            Refuses("invalidSyntax"),
        ),
        row(Switch::BodyBoolStrings, with("active", json!("True")), "/active", json!(true), Refuses("invalidValue")),
        row(
            Switch::BodyCountryFreeText,
            with("addresses", json!([{ "country": "Bermuda" }])),
            "/addresses/0/country",
            json!("Bermuda"),
            Refuses("invalidValue"),
        ),
        row(
            Switch::BodyEnterpriseManagerString,
            with(ENTERPRISE, json!({ "manager": "m" })),
            MANAGER,
            json!("m"),
            Refuses("invalidValue"),
        ),
    ];
    let (lenient, strict) = (server(&["body"], true).await, server(&["body"], false).await);

    for row in rows {
        let before = lenient.deviations(row.switch.key()).await;
        let answer = lenient.post("/Users", row.request.clone()).await;
        row.check_lenient(&answer);
        // A PUT reads its body the same way.
        let path = format!("/Users/{}", answer.id());
        row.check_lenient(&lenient.put(&path, row.request.clone()).await);
        lenient.delete(&path).await.expect(204);
        row.check_strict(&strict.post("/Users", row.request.clone()).await);
        assert!(lenient.deviations(row.switch.key()).await >= before + 2, "{} is not counted", row.switch.key());
    }
    assert_eq!(strict.count("/Users").await, 0);
}

/// L-B1, L-B6, L-B7, L-B9, L-B10, L-F8, L-F9, L-F10, L-Q1, L-Q2: always so, even where everything is off.
#[tokio::test(flavor = "multi_thread")]
async fn golden_29_what_is_always_forgiven_has_no_off() {
    let all = ["patch", "body", "filter", "projection", "paths", "discovery", "list", "etag", "search", "bulk"];
    let server = server(&all, false).await;
    let body = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "UserName": "ana", "id": "x", "groups": 7,
        "emails": [{ "value": "a", "type": "work" }, { "value": "b", "type": "work", "display": null }],
    });

    let request = server.request("POST", "/Users").header("content-type", "application/json; charset=utf-8");
    let made = server.send(request.body(body.to_string())).await.expect(201);
    let request = server.request("POST", "/Users").body(user("ben").to_string());
    server.send(request).await.expect(201);

    assert_eq!(made.body["emails"].as_array().map(Vec::len), Some(2));
    let before = server.deviations("query.trailing_slash").await;
    let found = server.get("/Users/?filter=userName+eq+%22ANA%22&aadOptscim062020").await.expect(200);
    assert_eq!(found.body["totalResults"], 1);
    assert!(server.deviations("query.trailing_slash").await > before);
    let nobody = server.get("/Users?filter=userName%20eq%20%22nobody%22").await.expect(200).body;
    assert_eq!(
        (&nobody["totalResults"], &nobody["itemsPerPage"], &nobody["Resources"]),
        (&json!(0), &json!(0), &json!([]))
    );
}

/// L-F1 to L-F11.
#[tokio::test(flavor = "multi_thread")]
async fn golden_29_filter_switches_on_and_off() {
    let found = |switch: Switch, filter: &str, total: u64, strict: Strict| {
        row(switch, json!(filter), "/totalResults", json!(total), strict)
    };
    let refuses = || Refuses("invalidFilter");
    let rows = [
        found(Switch::FilterSpacing, "userName  eq\"ana\"", 1, Same),
        found(Switch::FilterBareWords, "userName sw a", 1, refuses()),
        found(Switch::FilterBareWords, "userName eq 'ana'", 1, refuses()),
        found(Switch::FilterBoolString, "roles[primary eq \"True\"]", 1, refuses()),
        found(Switch::FilterImpliedValue, "emails co \"@x\"", 1, refuses()),
        found(Switch::FilterBracketThenSub, "emails[type eq \"work\"].value eq \"a@x\"", 1, refuses()),
        found(Switch::FilterUnquotedDate, "meta.created gt 2015-10-10T14:38:21.86-07:00", 1, refuses()),
        found(Switch::FilterUnknownAttrFalse, "shoeSize eq 38", 0, refuses()),
    ];
    let (lenient, strict) = (server(&["filter"], true).await, server(&["filter"], false).await);
    ana(&lenient).await;
    ana(&strict).await;

    for row in rows {
        let before = lenient.deviations(row.switch.key()).await;
        let url =
            reqwest::Url::parse_with_params("http://x/Users", [("filter", row.request.as_str().unwrap())]).unwrap();
        let path = format!("/Users?{}", url.query().unwrap());
        row.check_lenient(&lenient.get(&path).await);
        row.check_strict(&strict.get(&path).await);
        assert!(lenient.deviations(row.switch.key()).await > before, "{} is not counted", row.switch.key());
    }
}

/// L-Q4, L-Q5, L-Q6, L-Q7, L-Q8.
#[tokio::test(flavor = "multi_thread")]
async fn golden_29_query_switches_on_and_off() {
    let groups = ["projection", "paths", "discovery", "list", "etag"];
    let (lenient, strict) = (server(&groups, true).await, server(&groups, false).await);
    let (id, other) = (ana(&lenient).await, ana(&strict).await);
    let counts = async || {
        let mut counts = Vec::new();
        for switch in
            [Switch::ProjectionValuepath, Switch::PathsAnyCase, Switch::DiscoverySpcPlural, Switch::EtagUnquoted]
        {
            counts.push(lenient.deviations(switch.key()).await);
        }
        counts
    };
    let before = counts().await;

    let value_path = "?attributes=emails%5Btype%20eq%20%22work%22%5D";
    assert_eq!(lenient.get(&format!("/Users/{id}{value_path}")).await.expect(200).body["emails"][0]["value"], "a@x");
    assert_eq!(strict.get(&format!("/Users/{other}{value_path}")).await.expect(200).body.get("emails"), None);

    assert_eq!(lenient.get(&format!("/users/{id}")).await.expect(200).id(), id);
    assert_eq!(lenient.get("/USERS/?filter=userName+eq+%22ana%22").await.expect(200).body["totalResults"], 1);
    assert_eq!(lenient.post("/users", user("ben")).await.expect(201).body["userName"], "ben");
    lenient.get("/nothing").await.scim_error(404, None);
    strict.get(&format!("/users/{other}")).await.scim_error(404, None);

    let config = lenient.get("/ServiceProviderConfigs").await.expect(200).body;
    assert_eq!(config, lenient.get("/ServiceProviderConfig").await.expect(200).body);
    strict.get("/ServiceProviderConfigs").await.scim_error(404, None);

    let with_tag = async |server: &TestServer, id: &str| {
        let shown = server.get(&format!("/Users/{id}")).await.expect(200);
        let unquoted = shown.header("etag").trim_start_matches("W/").trim_matches('"').to_owned();
        server.send(server.request("GET", &format!("/Users/{id}")).header("if-match", unquoted)).await
    };
    with_tag(&lenient, &id).await.expect(200);
    with_tag(&strict, &other).await.scim_error(412, None);

    for (before, after) in before.into_iter().zip(counts().await) {
        assert!(after > before, "a switch is not counted");
    }
    for (server, id, shown) in [(&lenient, &id, false), (&strict, &other, true)] {
        let group = server.group("staff", &[id]).await;
        let members = |answer: &Answer| answer.body.pointer("/Resources/0/members").is_some();
        assert_eq!(members(&server.get("/Groups").await.expect(200)), shown);
        assert_eq!(members(&server.get("/Groups?excludedAttributes=displayName").await.expect(200)), shown);
        assert!(!members(&server.get("/Groups?excludedAttributes=members").await.expect(200)));
        assert!(members(&server.get("/Groups?attributes=members").await.expect(200)));
        assert!(server.get(&format!("/Groups/{group}")).await.expect(200).body.get("members").is_some());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_always_on_cannot_be_turned_off() {
    let data = tempfile::TempDir::new().unwrap();
    let file = data.path().join("provost.toml");
    let load = |text: &str| {
        std::fs::write(&file, text).unwrap();
        provost::config::Config::load(Some(&file))
    };

    assert!(load("[scim.leniency.patch]\nop_any_case = true\ndotted_keys = false\n").is_ok());
    let error = load("[scim.leniency.patch]\nop_any_case = false\n").unwrap_err().to_string();
    assert!(error.contains("line 2") && error.contains("op_any_case") && error.contains("always on"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_are_for_operators_and_hold_no_value() {
    let server = TestServer::plain().await;
    ana(&server).await;
    server.get("/Users?filter=emails+eq+%22a-secret-xyzzy%22").await.expect(200);
    server.get("/made-up-xyzzy").await.scim_error(404, None);
    let odd = server.request("XYZZY", "/Users");
    server.send(odd).await.scim_error(405, None);

    let metrics = server.metrics().await;

    for sample in [
        "provost_http_requests_total{method=\"POST\",route=\"/scim/v2/Users\",status=\"201\"} ",
        "provost_http_requests_total{method=\"other\",route=\"/scim/v2/Users\",status=\"405\"} ",
        "provost_http_request_seconds_bucket{method=\"GET\",route=\"/scim/v2/Users\",le=\"0.001\"} ",
        "provost_scim_deviations_total{switch=\"filter.implied_value\"} ",
    ] {
        assert!(metrics.contains(sample), "{sample} is missing:\n{metrics}");
    }
    assert!(!metrics.to_lowercase().contains("xyzzy"), "{metrics}");
    let url = format!("http://{}/metrics", server.app.admin_listens);
    assert_eq!(server.send(client().get(&url)).await.status, 401);
    let url = format!("http://{}/metrics", server.app.listens);
    server.send(client().get(&url).bearer_auth(&server.token)).await.scim_error(404, None);
}
