//! Who may see what: what a plugin narrows away does not exist for the caller, by any way of asking.

use provost_tests::Answer;
use provost_tests::guests::{self, plugin};
use provost_tests::server::{TestServer, client, crowd_of, group_of, patch, user};
use reqwest::Method;
use serde_json::{Value, json};

const DIAGNOSTICS: &str = "urn:provost:params:scim:api:messages:2.0:Diagnostics";

/// The client `shop` sees people whose title is `shop`, and groups whose name begins with `shop`.
const SHOP: &str = r#"
config = { clients = { shop = { User = 'title eq "shop" or nickName eq "shop"', Group = 'displayName sw "shop"' } } }
grant = { imports = ["config"] }"#;

/// A client of the server's, under a token of its own.
struct Client<'a> {
    server: &'a TestServer,
    token: String,
}

impl<'a> Client<'a> {
    async fn named(server: &'a TestServer, name: &str) -> Self {
        Self::with(server, json!({ "name": name, "scopes": ["scim.read", "scim.write"] })).await
    }

    async fn with(server: &'a TestServer, new: Value) -> Self {
        let url = format!("http://{}/admin/tokens", server.app.admin_listens);
        let made = server.send(client().post(url).bearer_auth(&server.token).json(&new)).await;
        let token = made.expect(201).body["token"].as_str().unwrap().to_owned();
        Self { server, token }
    }

    fn request(&self, method: &str, path: &str, body: Value) -> reqwest::RequestBuilder {
        let url = format!("{}{path}", self.server.app.base_url);
        let request = client().request(Method::from_bytes(method.as_bytes()).unwrap(), url).bearer_auth(&self.token);
        match body {
            Value::Null => request,
            body => request.header("content-type", "application/scim+json").body(body.to_string()),
        }
    }

    async fn send(&self, method: &str, path: &str, body: Value) -> Answer {
        self.server.send(self.request(method, path, body)).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, Value::Null).await
    }

    /// The names of what a search finds, and what it says to be the total.
    async fn found(&self, path: &str) -> (Vec<String>, u64) {
        let body = self.get(path).await.expect(200).body;
        (names(&body), body["totalResults"].as_u64().unwrap_or(u64::MAX))
    }
}

fn names(body: &Value) -> Vec<String> {
    let name = |resource: &Value| {
        let name = resource["userName"].as_str().or_else(|| resource["displayName"].as_str());
        name.unwrap_or_default().to_owned()
    };
    body["Resources"].as_array().map(|all| all.iter().map(name).collect()).unwrap_or_default()
}

fn titled(name: &str, title: &str) -> Value {
    let mut body = user(name);
    body["title"] = json!(title);
    body
}

fn group(name: &str, members: &[&str]) -> Value {
    let members: Vec<Value> = members.iter().map(|id| json!({ "value": id })).collect();
    json!({ "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": name, "members": members })
}

async fn person(server: &TestServer, name: &str, title: &str) -> String {
    server.post("/Users", titled(name, title)).await.expect(201).id()
}

fn values(list: &Value) -> Vec<String> {
    let value = |one: &Value| one["value"].as_str().unwrap().to_owned();
    list.as_array().map(|all| all.iter().map(value).collect()).unwrap_or_default()
}

/// Status and body, but for the id of the request.
fn told(answer: &Answer) -> (u16, Value) {
    let mut body = answer.body.clone();
    if let Some(diagnostics) = body.get_mut(DIAGNOSTICS).and_then(Value::as_object_mut) {
        diagnostics.remove("requestId");
    }
    (answer.status, body)
}

const NOBODY: &str = "0190b2a0-0000-7000-8000-000000000000";

#[tokio::test(flavor = "multi_thread")]
async fn searches_totals_and_pages_are_of_what_exists_for_the_caller() {
    let server = TestServer::start(&plugin(guests::NARROWS, SHOP)).await;
    for number in 0..5 {
        person(&server, &format!("seen-{number}"), "shop").await;
        person(&server, &format!("hidden-{number}"), "bank").await;
    }
    let shop = Client::named(&server, "shop").await;
    let seen: Vec<String> = (0..5).map(|number| format!("seen-{number}")).collect();

    assert_eq!(shop.found("/Users").await, (seen.clone(), 5));
    assert_eq!(shop.found("/Users?count=0").await, (vec![], 5));
    assert_eq!(shop.found("/Users?startIndex=4&count=10").await, (seen[3..].to_vec(), 5));
    assert_eq!(shop.found("/Users?sortBy=userName&sortOrder=descending&count=1").await, (vec![seen[4].clone()], 5));
    assert_eq!(shop.found("/Users?filter=userName+sw+%22hidden%22").await, (vec![], 0));
    assert_eq!(shop.found("/Users?filter=not+(userName+sw+%22seen%22)").await, (vec![], 0));
    // Neither the client's `or` nor the plugin's own widens anything.
    assert_eq!(shop.found("/Users?filter=userName+eq+%22seen-1%22+or+id+pr").await, (seen.clone(), 5));
    assert_eq!(shop.found("/Users?filter=title+eq+%22bank%22+or+userName+eq+%22seen-2%22").await.0, seen[2..3]);

    let search = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"], "filter": "userName pr", "count": 2
    });
    for path in ["/Users/.search", "/.search"] {
        let body = shop.send("POST", path, search.clone()).await.expect(200).body;
        assert_eq!((body["totalResults"].as_u64(), names(&body).len()), (Some(5), 2), "{path}");
    }
    assert_eq!(shop.found("/?filter=meta.resourceType+eq+%22User%22").await, (seen.clone(), 5));
    // Whoever is not narrowed sees all of it.
    assert_eq!(server.count("/Users").await, 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn cursor_pages_show_each_that_exists_for_the_caller_once() {
    let server = TestServer::start(&plugin(guests::NARROWS, SHOP)).await;
    for number in 0..7 {
        person(&server, &format!("seen-{number}"), "shop").await;
        person(&server, &format!("hidden-{number}"), "bank").await;
    }
    let shop = Client::named(&server, "shop").await;

    for order in ["", "&sortBy=userName", "&filter=userName+pr"] {
        let (mut cursor, mut all) = (String::new(), Vec::new());
        loop {
            let body = shop.get(&format!("/Users?count=3{order}&cursor={cursor}")).await.expect(200).body;
            assert!(body["totalResults"].as_u64().is_none_or(|total| total == 7), "{body}");
            all.extend(names(&body));
            match body["nextCursor"].as_str() {
                Some(next) => cursor = next.to_owned(),
                None => break,
            }
        }
        assert_eq!(all, (0..7).map(|number| format!("seen-{number}")).collect::<Vec<_>>(), "{order}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_hidden_is_answered_byte_for_byte_like_what_is_missing() {
    let server = TestServer::start(&plugin(guests::NARROWS, SHOP)).await;
    let hidden = person(&server, "hidden", "bank").await;
    let hidden_group = server.group("bank", &[&hidden]).await;
    let shop = Client::named(&server, "shop").await;
    let etag = server.get(&format!("/Users/{hidden}")).await.header("etag").to_owned();
    let change = patch(json!([{ "op": "replace", "path": "title", "value": "shop" }]));
    let bulk = |id: &str| {
        json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
            "Operations": [{ "method": "DELETE", "path": format!("/Users/{id}") }]
        })
    };

    for (endpoint, hidden) in [("/Users", &hidden), ("/Groups", &hidden_group)] {
        for (method, body) in
            [("GET", Value::Null), ("DELETE", Value::Null), ("PUT", titled("x", "shop")), ("PATCH", change.clone())]
        {
            for header in [
                None,
                Some(("if-match", "W/\"7\"")),
                Some(("if-match", etag.as_str())),
                Some(("if-none-match", etag.as_str())),
            ] {
                let mut answers = Vec::new();
                for id in [hidden.as_str(), NOBODY] {
                    let mut request =
                        shop.request(method, &format!("{endpoint}/{id}?attributes=userName"), body.clone());
                    if let Some((name, value)) = header {
                        request = request.header(name, value);
                    }
                    answers.push(server.send(request).await);
                }
                assert_eq!(told(&answers[0]), told(&answers[1]), "{method} {endpoint} {header:?}");
                assert_eq!(answers[0].status, 404, "{method} {endpoint} {header:?}");
                let kept = |answer: &Answer| {
                    let mut names: Vec<String> = answer.headers.keys().map(ToString::to_string).collect();
                    names.sort();
                    names
                };
                assert_eq!(kept(&answers[0]), kept(&answers[1]));
            }
        }
    }
    // A body that cannot be read does not matter before that.
    for id in [hidden.as_str(), NOBODY] {
        let request = shop
            .request("PUT", &format!("/Users/{id}"), Value::Null)
            .header("content-type", "application/scim+json")
            .body("{");
        assert_eq!(server.send(request).await.status, 404);
    }
    let answers = [
        shop.send("POST", "/Bulk", bulk(&hidden)).await.expect(200),
        shop.send("POST", "/Bulk", bulk(NOBODY)).await.expect(200),
    ];
    let outcome = |answer: &Answer, id: &str| answer.body["Operations"][0].to_string().replace(id, "…");
    assert_eq!(outcome(&answers[0], &hidden), outcome(&answers[1], NOBODY));
    assert_eq!(answers[0].body["Operations"][0]["status"], "404");
    // Nothing happened to any of them.
    assert_eq!(server.get(&format!("/Users/{hidden}")).await.expect(200).header("etag"), etag);
    server.get(&format!("/Groups/{hidden_group}")).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_cannot_move_a_resource_out_of_what_its_maker_sees() {
    let server = TestServer::start(&plugin(guests::NARROWS, SHOP)).await;
    let seen = person(&server, "seen", "shop").await;
    let shop = Client::named(&server, "shop").await;
    let journal = server.journal().await.len();

    let away = patch(json!([{ "op": "replace", "path": "title", "value": "bank" }]));
    for answer in [
        shop.send("PATCH", &format!("/Users/{seen}"), away).await,
        shop.send("PUT", &format!("/Users/{seen}"), titled("seen", "bank")).await,
        shop.send("POST", "/Users", titled("new", "bank")).await,
        shop.send("POST", "/Groups", group("bank", &[])).await,
    ] {
        let detail = answer.scim_error(403, None);
        assert!(detail.contains("`narrows`") && detail.contains("nothing was changed"), "{detail}");
        assert_eq!(answer.body[DIAGNOSTICS]["plugin"], "narrows");
    }
    assert_eq!(server.journal().await.len(), journal);
    assert_eq!(server.count("/Users").await, 1);

    // What stays inside goes through.
    shop.send("POST", "/Users", titled("new", "shop")).await.expect(201);
    let stays = patch(
        json!([{ "op": "replace", "path": "title", "value": "x" }, { "op": "add", "path": "nickName", "value": "shop" }]),
    );
    shop.send("PATCH", &format!("/Users/{seen}"), stays).await.expect(200);
    shop.send("DELETE", &format!("/Users/{seen}"), Value::Null).await.expect(204);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_narrowing_plugins_leave_what_both_leave() {
    let by = |name: &str, filter: &str| {
        let rest = format!(
            "config = {{ clients = {{ shop = {{ User = '{filter}' }} }} }}\ngrant = {{ imports = [\"config\"] }}"
        );
        plugin(guests::NARROWS, &rest).replace("name = \"narrows\"", &format!("name = \"{name}\""))
    };
    let config =
        by("first", "title eq \"shop\" or title eq \"bank\"") + &by("second", "nickName pr or userName eq \"b\"");
    let server = TestServer::start(&config).await;
    for (name, title, nick) in [("a", "shop", true), ("b", "bank", false), ("c", "shop", false), ("d", "other", true)] {
        let mut body = titled(name, title);
        if nick {
            body["nickName"] = json!("x");
        }
        server.post("/Users", body).await.expect(201);
    }
    let shop = Client::named(&server, "shop").await;

    assert_eq!(shop.found("/Users").await, (vec!["a".to_owned(), "b".to_owned()], 2));
    // It is the one outside of whose filter the outcome lies that is named.
    let answer = shop.send("POST", "/Users", titled("new", "shop")).await;
    assert!(answer.scim_error(403, None).contains("`second`"), "{}", answer.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn members_and_groups_that_are_hidden_are_not_there() {
    let server = TestServer::start(&plugin(guests::NARROWS, SHOP)).await;
    let (seen, hidden) = (person(&server, "seen", "shop").await, person(&server, "hidden", "bank").await);
    let staff = server.group("shop-staff", &[&seen, &hidden]).await;
    let bank = server.group("bank", &[&seen, &hidden]).await;
    let outer = server.group("shop-outer", &[&bank]).await;
    let shop = Client::named(&server, "shop").await;

    assert_eq!(
        values(&shop.get(&format!("/Groups/{staff}")).await.expect(200).body["members"]),
        std::slice::from_ref(&seen)
    );
    assert_eq!(shop.get(&format!("/Groups/{outer}")).await.expect(200).body["members"], Value::Null);
    // Through a group that is not there, nothing is reached.
    assert_eq!(
        values(&shop.get(&format!("/Users/{seen}")).await.expect(200).body["groups"]),
        std::slice::from_ref(&staff)
    );
    assert_eq!(values(&server.get(&format!("/Users/{seen}")).await.body["groups"]).len(), 3);
    let listed = shop.get("/Groups?filter=displayName+eq+%22shop-staff%22").await.expect(200).body;
    assert_eq!(values(&listed["Resources"][0]["members"]), std::slice::from_ref(&seen));

    // Filters are no oracle about them.
    for (filter, found) in [
        (format!("members.value eq \"{seen}\""), vec!["shop-staff"]),
        (format!("members.value eq \"{hidden}\""), vec![]),
        (format!("members[value eq \"{hidden}\"]"), vec![]),
        ("members.display eq \"hidden\"".to_owned(), vec![]),
        ("members[display sw \"hid\"]".to_owned(), vec![]),
        (format!("members.value eq \"{bank}\""), vec![]),
        ("members.display eq \"seen\"".to_owned(), vec!["shop-staff"]),
        ("members pr".to_owned(), vec!["shop-staff"]),
        (format!("not (members.value eq \"{hidden}\")"), vec!["shop-staff", "shop-outer"]),
    ] {
        let (mut names, total) =
            shop.found(&format!("/Groups?filter={}", filter.replace(' ', "+").replace('"', "%22"))).await;
        let mut found: Vec<String> = found.into_iter().map(str::to_owned).collect();
        names.sort();
        found.sort();
        assert_eq!((&names, total), (&found, found.len() as u64), "{filter}");
    }
    for (filter, found) in [
        (format!("groups.value eq \"{staff}\""), 1),
        (format!("groups.value eq \"{bank}\""), 0),
        (format!("groups.value eq \"{outer}\""), 0),
        ("groups.display eq \"bank\"".to_owned(), 0),
        (format!("groups[value eq \"{bank}\" or display eq \"bank\"]"), 0),
        (format!("not (groups.value eq \"{bank}\")"), 1),
    ] {
        let path = format!("/Users?filter={}", filter.replace(' ', "+").replace('"', "%22"));
        assert_eq!(shop.found(&path).await.1, found, "{filter}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_streamed_crowd_holds_only_whom_the_caller_sees() {
    let server = TestServer::start(&plugin(guests::NARROWS, SHOP)).await;
    let people = crowd_of(&server, 2_500, |name| titled(name, if name.ends_with('7') { "shop" } else { "bank" })).await;
    let group = group_of(&server, "shop-crowd", &people).await;
    let shop = Client::named(&server, "shop").await;

    let shown = values(&shop.get(&format!("/Groups/{group}")).await.expect(200).body["members"]);
    assert_eq!(shown.len(), 250);
    assert_eq!(values(&server.get(&format!("/Groups/{group}")).await.body["members"]).len(), 2_500);
    let listed = shop.get("/Groups").await.expect(200).body;
    assert_eq!(values(&listed["Resources"][0]["members"]), shown);

    // Even replacing all of them removes nobody unseen.
    shop.send("PUT", &format!("/Groups/{group}?attributes=id"), group_body_of(&shown[..1])).await.expect(200);
    assert_eq!(values(&server.get(&format!("/Groups/{group}")).await.body["members"]).len(), 2_500 - 249);
}

fn group_body_of(ids: &[String]) -> Value {
    group("shop-crowd", &ids.iter().map(String::as_str).collect::<Vec<_>>())
}

#[tokio::test(flavor = "multi_thread")]
async fn hidden_members_stay_whatever_is_replaced_or_removed() {
    let server = TestServer::start(&plugin(guests::NARROWS, SHOP)).await;
    let (one, two) = (person(&server, "one", "shop").await, person(&server, "two", "shop").await);
    let hidden = person(&server, "hidden", "bank").await;
    let shop = Client::named(&server, "shop").await;
    let staff = server.group("shop-staff", &[&one, &hidden]).await;
    let path = format!("/Groups/{staff}");
    let members = async || {
        let mut ids = values(&server.get(&path).await.expect(200).body["members"]);
        ids.sort();
        ids
    };
    let sorted = |ids: &[&String]| {
        let mut ids: Vec<String> = ids.iter().map(|id| (*id).clone()).collect();
        ids.sort();
        ids
    };

    let operations = [
        (json!([{ "op": "replace", "path": "members", "value": [{ "value": two }] }]), vec![&two, &hidden]),
        (json!([{ "op": "remove", "path": "members" }]), vec![&hidden]),
        (json!([{ "op": "add", "path": "members", "value": [{ "value": one }] }]), vec![&one, &hidden]),
        (json!([{ "op": "remove", "path": "members[display pr]" }]), vec![&hidden]),
        (json!([{ "op": "remove", "path": "members", "value": [{ "value": hidden }] }]), vec![&hidden]),
        (json!([{ "op": "remove", "path": format!("members[value eq \"{hidden}\"]") }]), vec![&hidden]),
    ];
    for (operations, left) in operations {
        shop.send("PATCH", &path, patch(operations.clone())).await;
        assert_eq!(members().await, sorted(&left), "{operations}");
    }
    shop.send("PUT", &path, group("shop-staff", &[&one])).await.expect(200);
    assert_eq!(members().await, sorted(&[&one, &hidden]));
    // Removing who is hidden and removing who does not exist are answered alike.
    for selects in ["members[value eq \"ID\"]", "members[display eq \"ID\" and value eq \"ID\"]"] {
        let remove = |id: &str| patch(json!([{ "op": "remove", "path": selects.replace("ID", id) }]));
        let (of_hidden, of_nobody) =
            (shop.send("PATCH", &path, remove(&hidden)).await, shop.send("PATCH", &path, remove(NOBODY)).await);
        assert_eq!(told(&of_hidden), told(&of_nobody));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whom_the_caller_does_not_see_cannot_be_added_and_nobody_learns_why() {
    let server = TestServer::start(&plugin(guests::NARROWS, SHOP)).await;
    let (seen, hidden) = (person(&server, "seen", "shop").await, person(&server, "hidden", "bank").await);
    let bank = server.group("bank", &[]).await;
    let shop = Client::named(&server, "shop").await;
    let staff = server.group("shop-staff", &[&hidden]).await;
    let path = format!("/Groups/{staff}");
    let journal = server.journal().await.len();

    // Also one who is a member already, unseen.
    for id in [&hidden, &bank] {
        for body in [
            patch(json!([{ "op": "add", "path": "members", "value": [{ "value": seen }, { "value": "ID" }] }])),
            patch(json!([{ "op": "replace", "path": "members", "value": [{ "value": "ID" }] }])),
        ] {
            let with = |id: &str| serde_json::from_str(&body.to_string().replace("ID", id)).unwrap();
            let of_hidden = shop.send("PATCH", &path, with(id)).await;
            let of_nobody = shop.send("PATCH", &path, with(NOBODY)).await;
            let detail = of_hidden.scim_error(400, Some("invalidValue"));
            assert_eq!(
                detail.replace(id.as_str(), "ID"),
                of_nobody.scim_error(400, Some("invalidValue")).replace(NOBODY, "ID")
            );
        }
        shop.send("POST", "/Groups", group("shop-new", &[id])).await.scim_error(400, Some("invalidValue"));
    }
    // The first one that is not there is told, whether hidden or not.
    let both = |one: &str, other: &str| {
        patch(json!([{ "op": "add", "path": "members", "value": [{ "value": one }, { "value": other }] }]))
    };
    let detail = shop.send("PATCH", &path, both(NOBODY, &hidden)).await.scim_error(400, Some("invalidValue"));
    assert!(detail.contains(NOBODY), "{detail}");
    let detail = shop.send("PATCH", &path, both(&hidden, NOBODY)).await.scim_error(400, Some("invalidValue"));
    assert!(detail.contains(&hidden), "{detail}");
    assert_eq!(server.journal().await.len(), journal);

    shop.send("PATCH", &path, patch(json!([{ "op": "add", "path": "members", "value": [{ "value": seen }] }])))
        .await
        .expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_narrow_may_speak_of_groups_and_members() {
    let server = TestServer::plain().await;
    let (inside, outside) = (server.user("inside").await, server.user("outside").await);
    let inner = server.group("inner", &[&inside]).await;
    let staff = server.group("staff", &[&inner]).await;
    server.group("others", &[&outside]).await;
    let rest = format!(
        "config = {{ clients = {{ shop = {{ User = 'groups.value eq \"{staff}\"', Group = 'members.value eq \"{inside}\"' }} }} }}
grant = {{ imports = [\"config\"] }}"
    );
    let server = server.restart(Some(&plugin(guests::NARROWS, &rest))).await;
    let shop = Client::named(&server, "shop").await;

    assert_eq!(shop.found("/Users").await, (vec!["inside".to_owned()], 1));
    assert_eq!(shop.found("/Groups").await, (vec!["inner".to_owned()], 1));
    shop.get(&format!("/Users/{outside}")).await.scim_error(404, None);
    // The plugin's own words are about all groups, the answer is about those that exist here.
    let shown = shop.get(&format!("/Users/{inside}")).await.expect(200).body;
    assert_eq!(values(&shown["groups"]), std::slice::from_ref(&inner));
    // A change of the members counts as it would be.
    let add = group("new", &[&inside]);
    shop.send("POST", "/Groups", add).await.expect(201);
    shop.send("POST", "/Groups", group("empty", &[])).await.scim_error(403, None);
    let leave = patch(json!([{ "op": "remove", "path": "members", "value": [{ "value": inside }] }]));
    shop.send("PATCH", &format!("/Groups/{inner}"), leave).await.scim_error(403, None);
    assert_eq!(shop.found("/Groups").await.1, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denial_is_the_plugins_own_and_reaches_what_it_is_about_and_nothing_else() {
    let rest =
        |what: &str| format!("config = {{ clients = [\"shop\"], {what} }}\ngrant = {{ imports = [\"config\"] }}");
    let server = TestServer::start(&plugin(guests::DENIES, &rest("types = [\"User\"]"))).await;
    let ana = server.user("ana").await;
    let staff = server.group("staff", &[&ana]).await;
    let shop = Client::named(&server, "shop").await;

    for (method, path, body, detail) in [
        ("GET", "/Users".to_owned(), Value::Null, "no search of User: nobody in particular"),
        ("POST", "/Users".to_owned(), user("new"), "no create of User: nobody in particular"),
        ("GET", format!("/Users/{ana}"), Value::Null, "no read of User: ana"),
        ("DELETE", format!("/Users/{ana}"), Value::Null, "no delete of User: ana"),
        ("PUT", format!("/Users/{ana}"), user("ana"), "no replace of User: ana"),
        (
            "PATCH",
            format!("/Users/{ana}"),
            patch(json!([{ "op": "remove", "path": "title" }])),
            "no patch of User: ana",
        ),
    ] {
        let answer = shop.send(method, &path, body).await;
        assert_eq!(answer.scim_error(403, None), detail, "{method}");
        assert_eq!(answer.body[DIAGNOSTICS]["plugin"], "denies");
    }
    shop.get(&format!("/Users/{NOBODY}")).await.scim_error(404, None);
    // Of several types, the others remain; and inside others, nobody is there.
    assert_eq!(shop.found("/").await, (vec!["staff".to_owned()], 1));
    assert_eq!(shop.get(&format!("/Groups/{staff}")).await.expect(200).body["members"], Value::Null);
    assert_eq!(server.count("/Users").await, 1);
    assert_eq!(values(&server.get(&format!("/Groups/{staff}")).await.body["members"]), [ana]);
    server.get("/Users").await.expect(200);
    assert_eq!(server.plugins().await[0]["refusals"], json!(8), "each was counted: {:?}", server.plugins().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_denial_is_final_and_later_plugins_are_not_asked() {
    let denies = plugin(guests::DENIES, "config = { not_found = true }\ngrant = { imports = [\"config\"] }");
    let garbage = plugin(guests::NARROW_GARBAGE, "config = { filter = \"((\" }\ngrant = { imports = [\"config\"] }");
    let server = TestServer::start(&(denies.clone() + &garbage)).await;
    server.get("/Users").await.scim_error(404, None);

    let server = server.restart(Some(&(garbage + &denies))).await;
    server.get("/Users").await.scim_error(503, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_narrow_that_is_no_filter_shows_nothing_unless_the_operator_said_to_skip_it() {
    for filter in
        ["((", "", "nothingKnown pr", "not (nothingKnown pr)", "password pr", "title eq 7", "userName eq \\\"a\\\" or"]
    {
        let config = |on_fault: &str| {
            let rest = format!(
                "on_fault = \"{on_fault}\"\nconfig = {{ filter = \"{filter}\" }}\ngrant = {{ imports = [\"config\"] }}"
            );
            plugin(guests::NARROW_GARBAGE, &rest)
        };
        let server = TestServer::start(&config("skip")).await;
        let ana = server.user("ana").await;
        let server = server.restart(Some(&config("refuse"))).await;

        for answer in [
            server.get("/Users").await,
            server.get(&format!("/Users/{ana}")).await,
            server.get("/").await,
            server.post("/Users", user("ben")).await,
            server.delete(&format!("/Users/{ana}")).await,
        ] {
            let detail = answer.scim_error(503, None);
            assert!(detail.contains("narrow-garbage"), "{detail}");
            assert_eq!(answer.body[DIAGNOSTICS]["plugin"], "narrow-garbage", "{filter}");
            assert!(!answer.header("retry-after").is_empty());
        }
        let faults = server.plugins().await[0]["faults"].clone();
        assert_ne!(faults, json!([]), "{filter}: the plugin is blamed");

        let server = server.restart(Some(&config("skip"))).await;
        assert_eq!(server.count("/Users").await, 1, "{filter}");
        server.delete(&format!("/Users/{ana}")).await.expect(204);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gatekeeper_that_cannot_tell_lets_nothing_pass() {
    let rest = "config = { types = [\"Group\"], fail = true }\ngrant = { imports = [\"config\"] }";
    let server = TestServer::start(&plugin(guests::DENIES, rest)).await;

    server.get("/Groups").await.scim_error(503, None);
    server.get("/").await.scim_error(503, None);
    server.post("/Groups", group("staff", &[])).await.scim_error(503, None);
    // A user's groups would have to be told, too; without them, the user is shown.
    let made = server.post("/Users", user("ana")).await.expect(201).id();
    server.get(&format!("/Users/{made}")).await.scim_error(503, None);
    server.get(&format!("/Users/{made}?excludedAttributes=groups")).await.expect(200);
    // Nothing is changed that could not be answered.
    let journal = server.journal().await.len();
    server.put(&format!("/Users/{made}"), titled("ana", "x")).await.scim_error(503, None);
    assert_eq!(server.journal().await.len(), journal);
}

#[tokio::test(flavor = "multi_thread")]
async fn me_is_nobody_where_the_owner_is_hidden() {
    let config = format!("[scim.me]\nbind = \"token\"\n{}", plugin(guests::NARROWS, SHOP));
    let server = TestServer::start(&config).await;
    let (hidden, seen) = (person(&server, "hidden", "bank").await, person(&server, "seen", "shop").await);
    let gone = server.user("gone").await;
    let owner = async |id: &str| {
        Client::with(&server, json!({ "name": "shop", "scopes": ["scim.me", "scim.me.delete"], "for": id })).await
    };
    let (of_hidden, of_seen, of_gone) = (owner(&hidden).await, owner(&seen).await, owner(&gone).await);
    server.delete(&format!("/Users/{gone}")).await.expect(204);

    let change = || patch(json!([{ "op": "replace", "path": "displayName", "value": "x" }]));
    for (method, body) in [("GET", Value::Null), ("PATCH", change()), ("DELETE", Value::Null)] {
        let hidden = of_hidden.send(method, "/Me", body.clone()).await;
        assert_eq!(told(&hidden), told(&of_gone.send(method, "/Me", body).await), "{method}");
        assert_eq!(hidden.status, 404);
    }
    of_seen.get("/Me").await.expect(200);
    of_seen.send("PATCH", "/Me", change()).await.expect(200);
    server.get(&format!("/Users/{hidden}")).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_value_is_told_and_whose_it_is_is_not() {
    let server = TestServer::start(&plugin(guests::NARROWS, SHOP)).await;
    let hidden = person(&server, "taken", "bank").await;
    let shop = Client::named(&server, "shop").await;

    let answer = shop.send("POST", "/Users", titled("taken", "shop")).await;

    let detail = answer.scim_error(409, Some("uniqueness"));
    assert!(detail.contains("userName"), "{detail}");
    assert!(!answer.body.to_string().contains(&hidden) && !answer.body.to_string().contains("bank"), "{}", answer.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_by_members_is_of_those_that_exist_for_the_caller() {
    let server = TestServer::start(&plugin(guests::NARROWS, SHOP)).await;
    // Ids grow with time.
    let hidden = person(&server, "hidden", "bank").await;
    let (one, two) = (person(&server, "one", "shop").await, person(&server, "two", "shop").await);
    server.group("shop-first", &[&hidden, &two]).await;
    server.group("shop-second", &[&one]).await;
    let shop = Client::named(&server, "shop").await;

    let path = "/Groups?sortBy=members.value";
    assert_eq!(shop.found(path).await, (vec!["shop-second".to_owned(), "shop-first".to_owned()], 2));
    assert_eq!(names(&server.get(path).await.expect(200).body), ["shop-first", "shop-second"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_plugin_does_to_members_is_not_narrowed_and_what_the_client_does_beside_it_is() {
    let server = TestServer::plain().await;
    let (seen, hidden) = (person(&server, "seen", "shop").await, person(&server, "hidden", "bank").await);
    let staff = server.group("shop-staff", &[&seen, &hidden]).await;
    let stamp = |set: &str| {
        let rest = format!(
            "types = [\"Group\"]\nconfig = {{ set = {{ {set} }} }}\ngrant = {{ imports = [\"config\"], write = [\"members\", \"externalId\"] }}"
        );
        plugin(guests::NARROWS, SHOP) + &plugin(guests::STAMP, &rest)
    };
    let path = format!("/Groups/{staff}");
    let members = async |server: &TestServer| values(&server.get(&path).await.expect(200).body["members"]);
    let clear = || patch(json!([{ "op": "remove", "path": "members" }]));

    // The plugin changes something else: the client's own edit leaves the hidden member.
    let server = server.restart(Some(&stamp("externalId = \"stamped\""))).await;
    Client::named(&server, "shop").await.send("PATCH", &path, clear()).await.expect(200);
    assert_eq!(members(&server).await, std::slice::from_ref(&hidden));

    // The plugin puts whom it wants in their place.
    let server = server.restart(Some(&stamp(&format!("members = [{{ value = \"{seen}\" }}]")))).await;
    Client::named(&server, "shop").await.send("PATCH", &path, clear()).await.expect(200);
    assert_eq!(members(&server).await, std::slice::from_ref(&seen));
    let server = server.restart(Some(&stamp(&format!("members = [{{ value = \"{hidden}\" }}]")))).await;
    let answer = Client::named(&server, "shop").await.send("PATCH", &path, clear()).await.expect(200);
    assert_eq!(members(&server).await, std::slice::from_ref(&hidden));
    assert_eq!(answer.body["members"], Value::Null, "and the client is not shown them");
}
