//! Schemas by configuration: the example in `tests/schemas`, served, written, searched; and what
//! happens when definitions are wrong, or change under a populated store.

use std::path::{Path, PathBuf};
use std::process::Output;

use provost_tests::binary;
use provost_tests::guests::{self, plugin};
use provost_tests::server::{Answer, TestServer, user};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
const PLATFORM: &str = "urn:example:params:scim:schemas:extension:platform:1.0:User";
const ASSET: &str = "urn:example:params:scim:schemas:extension:asset:1.0:Any";
const APPLICATION: &str = "urn:example:params:scim:schemas:platform:1.0:Application";

fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas")
}

/// The `[scim]` table that names the definitions in this directory.
fn defined_in(dir: &Path) -> String {
    let dir = dir.display();
    format!("[scim]\nschemas = [\"{dir}/schemas\"]\nresource_types = [\"{dir}/types\"]\n")
}

async fn platform() -> TestServer {
    TestServer::start(&defined_in(&example())).await
}

/// A user with these attributes of the platform.
fn on_platform(name: &str, attributes: Value) -> Value {
    let mut body = user(name);
    body[PLATFORM] = attributes;
    body
}

fn application(name: &str, attributes: Value) -> Value {
    let mut body = json!({ "schemas": [APPLICATION], "name": name });
    for (name, value) in attributes.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

async fn created(server: &TestServer, name: &str, attributes: Value) -> Answer {
    server.post("/Users", on_platform(name, attributes)).await.expect(201)
}

/// A path with a query, percent-encoded.
fn asking(endpoint: &str, parameters: &[(&str, &str)]) -> String {
    let url = reqwest::Url::parse_with_params("http://localhost/", parameters).unwrap();
    format!("{endpoint}?{}", url.query().unwrap())
}

/// The names of the resources that a filter finds, in the order of their names.
async fn found(server: &TestServer, endpoint: &str, filter: &str) -> Vec<String> {
    let name = if endpoint == "/Users" { "userName" } else { "name" };
    let answer = server.get(&asking(endpoint, &[("filter", filter), ("sortBy", name)])).await.expect(200);
    answer.body["Resources"].as_array().unwrap().iter().map(|r| r[name].as_str().unwrap().to_owned()).collect()
}

/// A directory of definitions that begins as the example.
fn copy_of_example() -> TempDir {
    let dir = TempDir::new().unwrap();
    for part in ["schemas", "types"] {
        std::fs::create_dir(dir.path().join(part)).unwrap();
        for entry in std::fs::read_dir(example().join(part)).unwrap() {
            let file = entry.unwrap();
            std::fs::copy(file.path(), dir.path().join(part).join(file.file_name())).unwrap();
        }
    }
    dir
}

/// Rewrites one definition.
fn edit(dir: &TempDir, file: &str, change: impl FnOnce(&mut Value)) {
    let file = dir.path().join(file);
    let mut definition: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    change(&mut definition);
    std::fs::write(file, definition.to_string()).unwrap();
}

fn attribute<'a>(schema: &'a mut Value, name: &str) -> &'a mut Value {
    schema["attributes"].as_array_mut().unwrap().iter_mut().find(|a| a["name"] == name).unwrap()
}

async fn check(data: &Path) -> (Option<i32>, String) {
    let mut command = Command::new(binary::provost());
    command.current_dir(data).arg("--data").arg(data).arg("check");
    let Output { status, stdout, stderr } = command.output().await.expect("the binary runs");
    (status.code(), format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr)))
}

/// S-1.6, S-1.13, S-1.15, S-1.16.
#[tokio::test(flavor = "multi_thread")]
async fn definitions_are_served_where_clients_look_for_them() {
    let server = platform().await;

    let schemas = server.get("/Schemas").await.expect(200).body;
    let types = server.get("/ResourceTypes").await.expect(200).body;
    let ids: Vec<&str> = schemas["Resources"].as_array().unwrap().iter().map(|s| s["id"].as_str().unwrap()).collect();
    for urn in [PLATFORM, ASSET, APPLICATION, USER, ENTERPRISE] {
        assert!(ids.contains(&urn), "{urn} is not listed: {ids:?}");
    }
    for resource_type in types["Resources"].as_array().unwrap() {
        let extensions = resource_type["schemaExtensions"].as_array().into_iter().flatten();
        for urn in extensions.map(|e| &e["schema"]).chain([&resource_type["schema"]]) {
            assert!(ids.contains(&urn.as_str().unwrap()), "{urn} is used and not listed");
        }
        server.get(resource_type["endpoint"].as_str().unwrap()).await.expect(200);
    }
    let of_user: Vec<_> =
        types["Resources"][0]["schemaExtensions"].as_array().unwrap().iter().map(|e| &e["schema"]).collect();
    assert_eq!(of_user, [ENTERPRISE, PLATFORM, ASSET]);

    let one = server.get(&format!("/Schemas/{PLATFORM}")).await.expect(200).body;
    assert_eq!(server.get(&format!("/Schemas/{}", PLATFORM.to_uppercase())).await.expect(200).body, one);
    assert_eq!(server.get(&format!("/Schemas/{}", PLATFORM.replace(':', "%3A"))).await.expect(200).body, one);
    server.get(&format!("/Schemas/{}", PLATFORM.replace(':', "%253A"))).await.scim_error(404, None);
    assert!(one["meta"]["location"].as_str().unwrap().ends_with(&format!("/scim/v2/Schemas/{PLATFORM}")));
    assert_eq!(one["attributes"][0]["urn:provost:params:scim:schema:closed"], true, "what is enforced is published");
    let application = server.get("/ResourceTypes/Application").await.expect(200).body;
    assert_eq!((&application["endpoint"], &application["schema"]), (&json!("/Applications"), &json!(APPLICATION)));
}

/// S-5.1, S-5.3, S-16.14, S-1.16, S-10.35.
#[tokio::test(flavor = "multi_thread")]
async fn schemas_names_the_extensions_in_use_and_no_other() {
    let server = platform().await;

    let mut body = on_platform("ana", json!({ "kind": "person", "tags": ["lead"] }));
    body[ENTERPRISE] = json!({});
    let ana = server.post("/Users", body).await.expect(201);
    assert_eq!(ana.body["schemas"], json!([USER, PLATFORM]), "accepted without its URN, and normalised");
    let mut body = user("ben");
    body["schemas"] = json!([USER, PLATFORM, ASSET]);
    let ben = server.post("/Users", body).await.expect(201);
    assert_eq!(ben.body["schemas"], json!([USER]), "named, and not used");
    let at = format!("/Users/{}", ben.id());

    let path = format!("{PLATFORM}:tags");
    let patched = server.patch(&at, json!([{ "op": "add", "path": path, "value": "night" }])).await.expect(200);
    assert_eq!(patched.body["schemas"], json!([USER, PLATFORM]));
    assert_eq!(patched.body[PLATFORM], json!({ "tags": ["night"] }));
    let patched = server.patch(&at, json!([{ "op": "remove", "path": path }])).await.expect(200);
    assert_eq!(patched.body["schemas"], json!([USER]));
    assert!(patched.body.get(PLATFORM).is_none());

    let other = json!([{ "op": "add", "path": "schemas", "value": [APPLICATION] }]);
    let answer = server.patch(&at, other).await.expect(200);
    assert_eq!(answer.body["schemas"], json!([USER]), "a schema of another type is nothing to this one (L-B2)");
    assert_eq!(found(&server, "/Users", &format!("schemas eq \"{PLATFORM}\"")).await, ["ana"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_of_an_extension_are_patched_by_qualified_paths_and_value_paths() {
    let server = platform().await;
    let identifiers = json!([{ "system": "github", "value": "Ana" }, { "system": "ldap", "value": "uid=ana" }]);
    let statuses = json!([{ "name": "PROFILE_SYNC", "status": "PENDING" }]);
    let ana = created(&server, "ana", json!({ "identifiers": identifiers, "syncStatuses": statuses })).await;
    let at = format!("/Users/{}", ana.id());

    let patched = server
        .patch(
            &at,
            json!([
                { "op": "replace", "path": format!("{PLATFORM}:syncStatuses[name eq \"PROFILE_SYNC\"].status"), "value": "OK" },
                { "op": "add", "path": format!("{}:SyncStatuses[Name eq \"PROFILE_SYNC\"].AT", PLATFORM.to_uppercase()),
                  "value": "2026-03-01T10:00:00+01:00" },
                { "op": "remove", "path": format!("{PLATFORM}:identifiers[system eq \"LDAP\"]") },
                { "op": "add", "value": { PLATFORM: { "lifecycleState": "active", "tags": ["a", "b"] } } },
                { "op": "replace", "path": PLATFORM, "value": { "onCall": true } },
            ]),
        )
        .await
        .expect(200);

    assert_eq!(
        patched.body[PLATFORM],
        json!({
            "lifecycleState": "active",
            "identifiers": [{ "system": "github", "value": "Ana" }],
            "tags": ["a", "b"],
            "syncStatuses": [{ "name": "PROFILE_SYNC", "status": "OK", "at": "2026-03-01T09:00:00.000Z" }],
            "onCall": true,
        })
    );
    assert_eq!(server.get(&at).await.body, patched.body);
    let again = server.patch(&at, json!([{ "op": "add", "path": format!("{PLATFORM}:tags"), "value": ["a"] }])).await;
    assert_eq!(again.expect(200).body["meta"]["version"], patched.body["meta"]["version"]);
    let unknown = json!([{ "op": "replace", "path": format!("{PLATFORM}:nonsense"), "value": 1 }]);
    server.patch(&at, unknown).await.scim_error(400, Some("invalidPath"));
}

/// S-10.7, S-10.20, S-10.21, S-10.25, S-10.32, S-10.33, S-11.4.
#[tokio::test(flavor = "multi_thread")]
async fn users_are_searched_by_every_attribute_of_an_extension() {
    let server = platform().await;
    created(
        &server,
        "ana",
        json!({
            "lifecycleState": "active", "kind": "person", "tags": ["lead", "night"], "badgeNumber": 7, "costRate": 99.5,
            "onCall": true, "joinedAt": "2026-01-01T01:00:00+01:00", "homepage": "https://ana.example/Me",
            "signingKey": "-_8=", "login": "Ana",
            "identifiers": [{ "system": "github", "value": "AnaL" }, { "system": "ldap", "value": "x" }],
            "syncStatuses": [{ "name": "PROFILE_SYNC", "status": "OK", "at": "2026-02-01T00:00:00Z" }],
        }),
    )
    .await;
    created(
        &server,
        "ben",
        json!({
            "lifecycleState": "suspended", "kind": "service", "tags": ["night"], "badgeNumber": 12, "costRate": 10,
            "onCall": false, "joinedAt": "2026-06-01T00:00:00Z", "homepage": "/ben", "signingKey": "AAAA",
            "identifiers": [{ "system": "github", "value": "x" }, { "system": "ldap", "value": "AnaL" }],
            "syncStatuses": [{ "name": "PROFILE_SYNC", "status": "FAILED" }, { "name": "AVATAR_SYNC", "status": "OK" }],
        }),
    )
    .await;
    server.user("eve").await;

    for (filter, names) in [
        ("P:lifecycleState eq \"ACTIVE\"", &["ana"][..]),
        ("lifecycleState eq \"suspended\"", &["ben"]),
        ("P:kind eq \"service\" or not (P:kind pr)", &["ben", "eve"]),
        ("P:tags eq \"Night\"", &["ana", "ben"]),
        ("P:tags co \"lea\" and P:onCall eq true", &["ana"]),
        ("P:badgeNumber gt 7", &["ben"]),
        ("P:badgeNumber eq 7", &["ana"]),
        ("P:costRate le 10.0", &["ben"]),
        ("P:costRate eq 99.50", &["ana"]),
        ("P:onCall eq false", &["ben"]),
        ("P:joinedAt eq \"2026-01-01T00:00:00Z\"", &["ana"]),
        ("P:joinedAt ge \"2026-01-01T00:00:00.001Z\"", &["ben"]),
        ("P:homepage sw \"https://ana.example/M\"", &["ana"]),
        ("P:homepage sw \"https://ana.example/m\"", &[]),
        ("P:signingKey eq \"+/8\"", &["ana"]),
        ("P:identifiers[system eq \"GitHub\" and value eq \"AnaL\"]", &["ana"]),
        ("P:identifiers[system eq \"GitHub\" and value eq \"anal\"]", &[]),
        ("P:identifiers.system eq \"github\" and P:identifiers.value eq \"AnaL\"", &["ana", "ben"]),
        ("P:identifiers.value eq \"AnaL\"", &["ana", "ben"]),
        ("P:syncStatuses[name eq \"PROFILE_SYNC\" and status eq \"OK\"]", &["ana"]),
        ("P:syncStatuses[name eq \"profile_sync\"]", &[]),
        ("P:syncStatuses.at gt \"2026-01-31T23:59:59Z\"", &["ana"]),
        ("P pr", &["ana", "ben"]),
        ("P:login eq \"ana\"", &["ana"]),
    ] {
        let filter = filter.replace("P:", &format!("{PLATFORM}:")).replace("P pr", &format!("{PLATFORM} pr"));
        assert_eq!(found(&server, "/Users", &filter).await, names, "{filter}");
    }
    for filter in
        ["P:onCall gt true", "P:signingKey sw \"A\"", "P:badgeNumber eq \"7\"", "P:recoveryCode pr", "P:none pr"]
    {
        let filter = filter.replace("P:", &format!("{PLATFORM}:"));
        server.get(&asking("/Users", &[("filter", &filter)])).await.scim_error(400, Some("invalidFilter"));
    }
    let by_badge = format!("{PLATFORM}:badgeNumber");
    let by_badge = asking("/Users", &[("sortBy", &by_badge), ("sortOrder", "descending")]);
    let sorted = server.get(&by_badge).await.expect(200);
    let names: Vec<_> = sorted.body["Resources"].as_array().unwrap().iter().map(|r| r["userName"].clone()).collect();
    assert_eq!(names, ["eve", "ben", "ana"], "without a value comes first when descending");
}

/// S-3.3, S-3.4, S-3.5, S-3.6, S-3.7, S-3.14, S-3.15, S-6.5, and the same on PATCH.
#[tokio::test(flavor = "multi_thread")]
async fn a_value_of_another_type_is_invalid_value_and_names_its_attribute() {
    let server = platform().await;
    let ana = created(&server, "ana", json!({ "tags": ["x"] })).await;
    let at = format!("/Users/{}", ana.id());

    for (name, value, path) in [
        ("lifecycleState", json!("retired"), "lifecycleState"),
        ("lifecycleState", json!(1), "lifecycleState"),
        ("kind", json!(""), "kind"),
        ("tags", json!([1]), "tags"),
        ("tags", json!([["x"]]), "tags"),
        ("badgeNumber", json!(1.5), "badgeNumber"),
        ("badgeNumber", json!(1.0), "badgeNumber"),
        ("badgeNumber", json!("1"), "badgeNumber"),
        ("costRate", json!("1.5"), "costRate"),
        ("onCall", json!("yes"), "onCall"),
        ("onCall", json!(1), "onCall"),
        ("joinedAt", json!("2026-01-01"), "joinedAt"),
        ("joinedAt", json!(1_700_000_000), "joinedAt"),
        ("joinedAt", json!("2026-02-30T00:00:00Z"), "joinedAt"),
        ("homepage", json!("https://ana.example/a page"), "homepage"),
        ("homepage", json!(7), "homepage"),
        ("signingKey", json!("%%%"), "signingKey"),
        ("identifiers", json!([{ "system": "x", "value": 1 }]), "identifiers.value"),
        ("identifiers", json!([7]), "identifiers"),
        ("syncStatuses", json!([{ "name": "PROFILE_SYNC", "status": "ok" }]), "syncStatuses.status"),
        ("syncStatuses", json!([{ "name": "PROFILE_SYNC", "status": "OK", "at": "now" }]), "syncStatuses.at"),
    ] {
        let detail = server
            .post("/Users", on_platform("new", json!({ name: value })))
            .await
            .scim_error(400, Some("invalidValue"));
        assert!(detail.contains(&format!("`{PLATFORM}:{path}`")), "{name} {value}: {detail}");
        let operation = json!([{ "op": "replace", "path": format!("{PLATFORM}:{name}"), "value": value }]);
        let detail = server.patch(&at, operation).await.scim_error(400, Some("invalidValue"));
        assert!(detail.contains(&format!("`{PLATFORM}:{path}`")), "{name} {value}: {detail}");
    }
    let exponent = on_platform("new", json!({ "badgeNumber": 0 })).to_string().replace(":0", ":1e3");
    let request = server.request("POST", "/Users").header("content-type", "application/scim+json").body(exponent);
    server.send(request).await.scim_error(400, Some("invalidValue"));
    let missing = on_platform("new", json!({ "identifiers": [{ "system": "x" }] }));
    let detail = server.post("/Users", missing).await.scim_error(400, Some("invalidValue"));
    assert!(detail.contains("identifiers.value` is required"), "{detail}");
    assert_eq!(server.count("/Users").await, 1);
    assert_eq!(server.get(&at).await.body, ana.body);

    let open = json!({ "syncStatuses": [{ "name": "MAIL_SYNC", "status": "OK" }], "lifecycleState": "Active" });
    let listed = created(&server, "ben", open).await;
    assert_eq!(listed.body[PLATFORM]["syncStatuses"][0]["name"], "MAIL_SYNC", "suggestions close nothing");
    assert_eq!(listed.body[PLATFORM]["lifecycleState"], "Active", "the submitted case is kept (S-3.15)");
}

/// S-3.4, S-3.5, S-3.6, S-3.7, S-3.13.
#[tokio::test(flavor = "multi_thread")]
async fn values_are_shown_in_their_one_form() {
    let server = platform().await;

    let ana = created(
        &server,
        "ana",
        json!({
            "badgeNumber": 9_007_199_254_740_993_u64, "costRate": 7, "joinedAt": "2026-01-01T00:00:00.1234567",
            "signingKey": "-_\n8", "homepage": "../Users/ana?x=1#y", "tags": [], "login": null,
        }),
    )
    .await;

    let shown = json!({
        "badgeNumber": 9_007_199_254_740_993_u64, "costRate": 7.0, "joinedAt": "2026-01-01T00:00:00.123Z",
        "signingKey": "+/8=", "homepage": "../Users/ana?x=1#y",
    });
    assert_eq!(ana.body[PLATFORM], shown);
    assert_eq!(server.get(&format!("/Users/{}", ana.id())).await.body[PLATFORM], shown);
    assert!(ana.body.to_string().contains("\"costRate\":7.0"), "a digit on each side of the point");
    let negative = created(&server, "ben", json!({ "badgeNumber": i64::MIN })).await;
    assert_eq!(negative.body[PLATFORM]["badgeNumber"], i64::MIN);
}

/// S-3.16, S-3.17, S-8.4, S-8.10, S-6.10.
#[tokio::test(flavor = "multi_thread")]
async fn always_request_and_never_are_kept_on_every_verb() {
    let server = platform().await;
    let secret = "t0p-s3cret-4711";
    let all = json!({ "login": "Ana", "remarks": "calm", "recoveryCode": secret, "tags": ["x"] });

    let ana = created(&server, "ana", all.clone()).await;
    let at = format!("/Users/{}", ana.id());
    assert_eq!(ana.body[PLATFORM], json!({ "tags": ["x"], "login": "Ana", "remarks": "calm" }), "supplied, so shown");
    let read = server.get(&at).await.expect(200);
    assert_eq!(read.body[PLATFORM], json!({ "tags": ["x"], "login": "Ana" }));
    let named = server.get(&format!("{at}?attributes={PLATFORM}:remarks,{PLATFORM}:recoveryCode")).await.expect(200);
    assert_eq!(named.body[PLATFORM], json!({ "login": "Ana", "remarks": "calm" }), "always and named, and never never");
    let without = server.get(&format!("{at}?excludedAttributes={PLATFORM}:login,{PLATFORM}:tags")).await.expect(200);
    assert_eq!(without.body[PLATFORM], json!({ "login": "Ana" }));
    let only = server.get(&format!("{at}?attributes=userName")).await.expect(200);
    assert_eq!(only.body[PLATFORM], json!({ "login": "Ana" }));

    let tags = json!([{ "op": "replace", "path": format!("{PLATFORM}:tags"), "value": ["y"] }]);
    let patched = server.patch(&at, tags).await.expect(200);
    assert_eq!(patched.body[PLATFORM], json!({ "tags": ["y"], "login": "Ana" }), "not supplied in this request");
    let remarks = json!([{ "op": "replace", "value": { PLATFORM: { "remarks": "calm" } } }]);
    let patched = server.patch(&at, remarks).await.expect(200);
    assert_eq!(patched.body[PLATFORM]["remarks"], "calm", "supplied, though it changed nothing");
    let put = on_platform("ana", json!({ "login": "Ana", "remarks": "very calm" }));
    let put = server.put(&at, put).await.expect(200);
    assert_eq!(put.body[PLATFORM], json!({ "login": "Ana", "remarks": "very calm" }));
    let put = server.put(&format!("{at}?attributes=userName"), on_platform("ana", all)).await.expect(200);
    assert_eq!(put.body[PLATFORM], json!({ "login": "Ana" }));

    for answer in [&ana, &read, &named, &patched, &put, &server.get("/Users").await] {
        assert!(!answer.body.to_string().contains(secret), "{answer:?}");
    }
}

/// S-3.16, S-15.6, S-15.7, S-16.32, S-16.61.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_immutable_is_set_once() {
    let server = platform().await;
    let ana = created(&server, "ana", json!({ "tags": ["x"] })).await;
    let at = format!("/Users/{}", ana.id());
    let kind = |op: &str, value: Value| json!([{ "op": op, "path": format!("{PLATFORM}:kind"), "value": value }]);

    let set = server.patch(&at, kind("add", json!("person"))).await.expect(200);
    assert_eq!(set.body[PLATFORM]["kind"], "person", "unset, so it can be set");
    let same = server.patch(&at, kind("replace", json!("PERSON"))).await.expect(200);
    assert_eq!(same.body[PLATFORM]["kind"], "person", "an equal value keeps its spelling");
    server.patch(&at, kind("replace", json!("service"))).await.scim_error(400, Some("mutability"));
    server.patch(&at, kind("replace", Value::Null)).await.scim_error(400, Some("mutability"));
    let remove = json!([{ "op": "remove", "path": format!("{PLATFORM}:kind") }]);
    server.patch(&at, remove).await.scim_error(400, Some("mutability"));
    server.patch(&at, json!([{ "op": "remove", "path": PLATFORM }])).await.scim_error(400, Some("mutability"));
    let other = on_platform("ana", json!({ "kind": "service" }));
    let detail = server.put(&at, other).await.scim_error(400, Some("mutability"));
    assert!(detail.contains(&format!("`{PLATFORM}:kind`")), "{detail}");
    let kept = server.put(&at, user("ana")).await.expect(200);
    assert_eq!(kept.body[PLATFORM], json!({ "kind": "person" }), "left out, so kept; the rest is cleared");

    let owner = json!({ "owner": { "value": ana.id(), "since": "2026-01-01T00:00:00Z" } });
    let shop = server.post("/Applications", application("shop", owner)).await.expect(201);
    let at = format!("/Applications/{}", shop.id());
    let since = json!([{ "op": "replace", "path": "owner.since", "value": "2027-01-01T00:00:00Z" }]);
    server.patch(&at, since).await.scim_error(400, Some("mutability"));
    let same = json!([{ "op": "replace", "path": "owner.since", "value": "2026-01-01T01:00:00+01:00" }]);
    server.patch(&at, same).await.expect(200);
}

/// S-3.18, S-20.8.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_unique_is_so_among_its_type_or_among_all() {
    let server = platform().await;
    let with_tag = |mut body: Value, tag: &str| {
        body[ASSET] = json!({ "assetTag": tag });
        body
    };
    created(&server, "ana", json!({ "badgeNumber": 7 })).await;
    let ben = server.post("/Users", with_tag(user("ben"), "A-1")).await.expect(201);

    let detail = server
        .post("/Users", on_platform("eve", json!({ "badgeNumber": 7 })))
        .await
        .scim_error(409, Some("uniqueness"));
    assert!(detail.contains("badgeNumber"), "{detail}");
    let badge = json!([{ "op": "add", "path": format!("{PLATFORM}:badgeNumber"), "value": 7 }]);
    server.patch(&format!("/Users/{}", ben.id()), badge).await.scim_error(409, Some("uniqueness"));
    server.post("/Users", with_tag(user("eve"), "A-1")).await.scim_error(409, Some("uniqueness"));
    let shop = with_tag(application("shop", json!({})), "A-1");
    server.post("/Applications", shop).await.scim_error(409, Some("uniqueness"));
    assert_eq!((server.count("/Users").await, server.count("/Applications").await), (2, 0));

    let shop = with_tag(application("shop", json!({})), "a-1");
    let shop = server.post("/Applications", shop).await.expect(201);
    assert_eq!(
        shop.body["schemas"],
        json!([APPLICATION, ASSET]),
        "another letter case is another tag: it is case exact"
    );
    server.post("/Applications", application("SHOP", json!({}))).await.scim_error(409, Some("uniqueness"));
    server.delete(&format!("/Users/{}", ben.id())).await.expect(204);
    server.post("/Applications", with_tag(application("till", json!({})), "A-1")).await.expect(201);
}

/// S-3.4: large numbers that a double would take for each other.
#[tokio::test(flavor = "multi_thread")]
async fn integers_are_told_apart_to_the_last_digit() {
    let server = platform().await;
    let [one, other] = [9_007_199_254_740_992_u64, 9_007_199_254_740_993];

    created(&server, "ana", json!({ "badgeNumber": one })).await;
    created(&server, "ben", json!({ "badgeNumber": other })).await;

    assert_eq!(found(&server, "/Users", &format!("badgeNumber eq {one}")).await, ["ana"]);
    assert_eq!(found(&server, "/Users", &format!("badgeNumber eq {other}")).await, ["ben"]);
    assert_eq!(found(&server, "/Users", &format!("badgeNumber gt {one}")).await, ["ben"]);
    assert_eq!(found(&server, "/Users", &format!("badgeNumber lt {other}")).await, ["ana"]);
}

/// S-1.6; the type goes through the same pipeline, journal and plugins as any other.
#[tokio::test(flavor = "multi_thread")]
async fn a_type_of_ones_own_is_served_like_any_other() {
    let config = defined_in(&example())
        + &plugin(
            guests::REFUSE_ALL,
            "types = [\"Application\"]\noperations = [\"delete\"]\ngrant = { imports = [\"config\", \"state\", \"outbox\"] }",
        );
    let server = TestServer::start(&config).await;
    let ana = server.user("ana").await;

    let body = application(
        "Shop",
        json!({ "owner": { "value": ana, "$ref": format!("../Users/{ana}") }, "environments": ["test"],
        "url": "https://shop.example", "seats": 5, "retired": false, "externalId": "crm-1" }),
    );
    let shop = server.post("/Applications", body).await.expect(201);
    let at = format!("/Applications/{}", shop.id());
    assert!(shop.header("location").ends_with(&at) && shop.body["meta"]["location"] == shop.header("location"));
    assert_eq!(
        (&shop.body["meta"]["resourceType"], &shop.body["schemas"]),
        (&json!("Application"), &json!([APPLICATION]))
    );
    server.get(&format!("/Users/{}", shop.id())).await.scim_error(404, None);
    server.get(&format!("/Applications/{ana}")).await.scim_error(404, None);
    server.post("/Applications", json!({ "schemas": [APPLICATION] })).await.scim_error(400, Some("invalidValue"));
    server
        .post("/Applications", json!({ "schemas": [USER], "name": "x" }))
        .await
        .scim_error(400, Some("invalidSyntax"));

    let patched = server
        .patch(&at, json!([{ "op": "add", "path": "environments", "value": ["production"] }, { "op": "replace", "path": "seats", "value": 6 }]))
        .await
        .expect(200);
    assert_eq!(patched.body["environments"], json!(["test", "production"]));
    let put = server.put(&at, application("Shop", json!({ "seats": 7 }))).await.expect(200);
    assert!(put.body.get("owner").is_none());
    server.post("/Applications", application("till", json!({ "seats": 1, "retired": true }))).await.expect(201);
    assert_eq!(found(&server, "/Applications", "name eq \"SHOP\"").await, ["Shop"]);
    assert_eq!(
        found(&server, "/Applications", &format!("{APPLICATION}:seats ge 1 and not (retired eq true)")).await,
        ["Shop"]
    );
    assert_eq!(found(&server, "/Applications", "meta.resourceType eq \"Application\"").await, ["Shop", "till"]);

    server.delete(&at).await.scim_error(403, None);
    server.delete(&format!("/Users/{ana}")).await.expect(204);
    let journal = server.journal().await;
    let of_shop: Vec<_> =
        journal.iter().filter(|row| row["resourceId"] == shop.body["id"]).map(|row| &row["resourceType"]).collect();
    assert_eq!(of_shop, ["Application"; 3], "{journal:#?}");
    let server = server.restart(Some(&defined_in(&example()))).await;
    assert_eq!(found(&server, "/Applications", "seats eq 7").await, ["Shop"], "found again after a restart");
    server.delete(&at).await.expect(204);
}

/// S-9.3, S-18.8: what speaks of several types at once knows an operator's own, its references included.
#[tokio::test(flavor = "multi_thread")]
async fn bulk_requests_and_root_queries_reach_a_type_of_ones_own() {
    let server = platform().await;
    let shop = application("Shop", json!({ "owner": { "value": "bulkId:ana" } }));
    let bulk = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
        "Operations": [
            { "method": "POST", "path": "/Applications", "bulkId": "shop", "data": shop },
            { "method": "POST", "path": "/Users", "bulkId": "ana", "data": user("ana") },
        ],
    });

    let done = server.post("/Bulk", bulk).await.expect(200).body["Operations"].clone();
    let all = server.get("/?filter=id%20pr&sortBy=id").await.expect(200);
    let one = server.get(&asking("/", &[("filter", "meta.resourceType eq \"Application\"")])).await.expect(200);

    assert_eq!((&done[0]["status"], &done[1]["status"]), (&json!("201"), &json!("201")), "{done}");
    assert_eq!(all.body["totalResults"], 2);
    let ana = server.get("/Users").await.expect(200).body["Resources"][0]["id"].clone();
    assert_eq!(one.body["totalResults"], 1);
    assert_eq!(one.body["Resources"][0]["owner"]["value"], ana);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_is_tried_on_a_type_of_ones_own_without_a_server() {
    let dir = TempDir::new().unwrap();
    let input = dir.path().join("change.json");
    let proposed = application("shop", json!({}));
    let change = json!({ "resourceType": "Application", "proposed": proposed, "config": { "set": { "url": "https://shop.example" } } });
    std::fs::write(&input, change.to_string()).unwrap();

    let mut provost = Command::new(binary::provost());
    provost
        .arg("--config")
        .arg(example().join("provost.toml"))
        .args(["plugin", "run", guests::STAMP, "--input"])
        .arg(&input);
    let output = provost.output().await.unwrap();

    let outcome: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    assert_eq!(outcome["resource"]["url"], "https://shop.example");
    assert_eq!(outcome["changedPaths"], json!(["url"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_holds_resources_of_a_new_type_and_loses_those_that_go() {
    let server = platform().await;
    let shop = server.post("/Applications", application("shop", json!({}))).await.expect(201).id();

    let group = server.group("all", &[&shop]).await;

    let members = server.get(&format!("/Groups/{group}")).await.expect(200).body["members"].clone();
    assert_eq!(members[0]["type"], "Application");
    assert!(members[0]["$ref"].as_str().unwrap().ends_with(&format!("/Applications/{shop}")));
    server.delete(&format!("/Applications/{shop}")).await.expect(204);
    assert!(server.get(&format!("/Groups/{group}")).await.expect(200).body.get("members").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_definitions_are_all_told_and_nothing_is_started() {
    let dir = copy_of_example();
    edit(&dir, "schemas/platform-user.json", |schema| {
        attribute(schema, "badgeNumber")["type"] = json!("number");
        attribute(schema, "identifiers")["subAttributes"][1]["caseExact"] = json!("yes");
        attribute(schema, "homepage")["referenceTypes"] = json!(["Device"]);
    });
    edit(&dir, "types/application.json", |definition| definition["endpoint"] = json!("/Groups"));
    std::fs::write(dir.path().join("types/zero.json"), "{").unwrap();
    std::fs::copy(example().join("provost.toml"), dir.path().join("provost.toml")).unwrap();

    for command in ["check", "serve"] {
        let data = dir.path().join("data");
        let mut provost = Command::new(binary::provost());
        provost
            .current_dir("/")
            .arg("--config")
            .arg(dir.path().join("provost.toml"))
            .arg("--data")
            .arg(&data)
            .arg(command);
        let output = provost.output().await.unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        for (file, path, reason) in [
            ("schemas/platform-user.json", format!("{PLATFORM}:badgeNumber"), "`type` cannot be `number`"),
            (
                "schemas/platform-user.json",
                format!("{PLATFORM}:identifiers.value"),
                "`caseExact` must be true or false",
            ),
            ("schemas/platform-user.json", format!("{PLATFORM}:homepage"), "refers to `Device`"),
            ("types/application.json", "Application.endpoint".into(), "`/Groups` is the endpoint of Group already"),
            ("types/zero.json", String::new(), "not proper JSON"),
        ] {
            let file = dir.path().join(file).display().to_string();
            let tells = |line: &&str| line.contains(&file) && line.contains(&path) && line.contains(reason);
            assert!(said.lines().any(|line| tells(&line)), "{file} {path} {reason} is not told:\n{said}");
        }
        assert!(!data.exists(), "nothing was started");
    }
    let absent = defined_in(Path::new("/nowhere"));
    std::fs::write(dir.path().join("provost.toml"), absent).unwrap();
    let mut provost = Command::new(binary::provost());
    let output = provost.current_dir(dir.path()).arg("check").output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("/nowhere/schemas: cannot be read") && said.contains("/nowhere/types: cannot be read"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shipped_example_is_good_as_it_stands() {
    let mut provost = Command::new(binary::provost());
    let output = provost.arg("--config").arg(example().join("provost.toml")).arg("check").output().await.unwrap();

    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("9 schemas and 3 resource types"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_longer_fits_is_listed_shown_and_mended_by_a_write() {
    let dir = copy_of_example();
    let server = TestServer::start(&defined_in(dir.path())).await;
    let fits = created(&server, "fits", json!({ "onCall": true })).await.id();
    let odd =
        created(&server, "odd", json!({ "tags": ["hush-4711"], "lifecycleState": "archived", "remarks": "hush-4711" }))
            .await
            .id();
    let at = format!("/Users/{odd}");
    edit(&dir, "schemas/platform-user.json", |schema| {
        schema["attributes"].as_array_mut().unwrap().retain(|a| a["name"] != "remarks");
        attribute(schema, "tags")["multiValued"] = json!(false);
        attribute(schema, "lifecycleState")["canonicalValues"] = json!(["requested", "active", "suspended"]);
    });

    let server = server.restart(None).await;
    let read = server.get(&at).await.expect(200);
    assert!(!read.body.to_string().contains("remarks"), "{read:?}");
    server.get("/Users?sortBy=userName&filter=userName%20pr").await.expect(200);
    let title = json!([{ "op": "replace", "path": "title", "value": "CEO" }]);
    let detail = server.patch(&at, title.clone()).await.scim_error(400, Some("invalidValue"));
    assert!(detail.contains(PLATFORM), "{detail}");
    server.patch(&format!("/Users/{fits}"), title.clone()).await.expect(200);
    let data = server.stop().await;

    let (code, said) = check(data.path()).await;
    assert_eq!(code, Some(3), "{said}");
    for problem in [
        format!("User {odd} does not fit its schema: `{PLATFORM}:tags` must be a string"),
        format!(
            "User {odd} does not fit its schema: `{PLATFORM}:lifecycleState` must be one of `requested`, `active`, `suspended`"
        ),
        format!("User {odd} does not fit its schema: no schema here knows `{PLATFORM}:remarks`"),
        "0 findings".to_owned(),
        "1 resources do not fit their schemas".to_owned(),
    ] {
        assert!(said.contains(&problem), "{problem} is not told:\n{said}");
    }
    assert!(!said.contains("hush-4711") && !said.contains(&fits), "{said}");

    let server = TestServer::again(data, &defined_in(dir.path())).await;
    let mended = json!([{ "op": "replace", "path": format!("{PLATFORM}:tags"), "value": "calm" },
        { "op": "replace", "path": format!("{PLATFORM}:lifecycleState"), "value": "suspended" }]);
    server.patch(&at, mended).await.expect(200);
    let data = server.stop().await;
    let (code, said) = check(data.path()).await;
    assert_eq!(code, Some(0), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_type_that_has_resources_cannot_be_taken_away() {
    let dir = copy_of_example();
    let server = TestServer::start(&defined_in(dir.path())).await;
    let shop = server.post("/Applications", application("shop", json!({}))).await.expect(201).id();
    server.post("/Applications", application("till", json!({}))).await.expect(201);
    let data = server.stop().await;
    for file in ["schemas/application.json", "types/application.json"] {
        std::fs::rename(dir.path().join(file), dir.path().join(file).with_extension("away")).unwrap();
    }

    let (code, said) = check(data.path()).await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("2 resources of the type `Application`"), "{said}");

    for file in ["schemas/application.json", "types/application.json"] {
        std::fs::rename(dir.path().join(file).with_extension("away"), dir.path().join(file)).unwrap();
    }
    let server = TestServer::again(data, &defined_in(dir.path())).await;
    server.get(&format!("/Applications/{shop}")).await.expect(200);
    for application in server.get("/Applications").await.body["Resources"].as_array().unwrap() {
        server.delete(&format!("/Applications/{}", application["id"].as_str().unwrap())).await.expect(204);
    }
    let data = server.stop().await;
    for file in ["schemas/application.json", "types/application.json"] {
        std::fs::remove_file(dir.path().join(file)).unwrap();
    }
    let server = TestServer::again(data, &defined_in(dir.path())).await;
    server.get("/Applications").await.scim_error(404, None);
    let journal = server.journal().await;
    assert!(journal.iter().all(|row| row["resourceType"] == "Application"), "the journal still knows: {journal:#?}");
    let data = server.stop().await;
    assert_eq!(check(data.path()).await.0, Some(0));
}
