//! Filters answered by plan: the same as by looking at everything, and what they cost.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use provost_scim::filter::Bound;
use provost_scim::{Attribute, Attributes};

use super::*;

const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// What is indexed beside the usual attributes.
const INDEXED: [&str; 9] =
    ["title", "active", "age", "score", "hired", "tags", "badge", "department", "name.familyName"];

/// The standard's schemas, and an attribute of every other type.
fn schemas() -> Arc<Schemas> {
    let mut schemas = Schemas::standard();
    let user = schemas.resource_types[0].clone();
    let mut schema = (*user.schema).clone();
    for attribute in [
        json!({ "name": "age", "type": "integer" }),
        json!({ "name": "score", "type": "decimal" }),
        json!({ "name": "hired", "type": "dateTime" }),
        json!({ "name": "tags", "multiValued": true }),
        json!({ "name": "badge", "type": "binary" }),
    ] {
        schema.attributes.push(serde_json::from_value::<Attribute>(attribute).unwrap());
    }
    schemas.resource_types[0] = Arc::new(ResourceType { schema: Arc::new(schema), ..(*user).clone() });
    Arc::new(schemas)
}

async fn open(dir: &Path, attributes: &[&str]) -> Fixture {
    Fixture::indexed(dir, schemas(), attributes).await
}

/// Texts that are alike in some way: by letter case, by spelling, by beginning, by a byte that is escaped.
fn texts() -> Vec<String> {
    let long = "x".repeat(256);
    let plain = ["ana", "ANA", "anabel", "Straße", "STRASSE", "é", "e\u{301}", "Éa", "", "\u{1}", "a\u{2}b", "z"];
    plain.into_iter().map(str::to_owned).chain([long.clone(), format!("{long}A"), format!("{long}b")]).collect()
}

fn text() -> impl Strategy<Value = String> {
    select(texts())
}

fn whole() -> impl Strategy<Value = Value> {
    select(vec![
        json!(0),
        json!(-1),
        json!(7),
        json!(9_007_199_254_740_992_i64),
        json!(9_007_199_254_740_993_i64),
        json!(i64::MIN),
        json!(u64::MAX),
    ])
}

fn decimal() -> impl Strategy<Value = Value> {
    select(vec![json!(0.0), json!(-0.5), json!(7.0), json!(7.25), json!(9_007_199_254_740_992.0), json!(1e300)])
}

fn date() -> impl Strategy<Value = &'static str> {
    select(vec![
        "2011-05-13T04:42:34.000Z",
        "2011-05-13T04:42:34.001Z",
        "1969-12-31T23:59:59.999Z",
        "2023-11-14T22:13:22.000Z",
    ])
}

/// A user's attributes, without the user name.
fn attributes() -> impl Strategy<Value = Attributes> {
    let emails = vec((text(), select(vec!["work", "home"])), 0..3);
    let some = (option::of(text()), option::of(text()), option::of(text()), option::of(text()), option::of(text()));
    let typed = (option::of(any::<bool>()), option::of(whole()), option::of(decimal()), option::of(date()));
    let badge = option::of(select(vec!["AA==", "AAE=", "/w=="]));
    (emails, some, typed, vec(text(), 0..3), badge).prop_map(|(emails, some, typed, tags, badge)| {
        let mut all = Attributes::new();
        let mut put = |name: &str, value: Option<Value>| value.map(|value| all.insert(name.to_owned(), value));
        let (title, display, nick, family, department) = some;
        put("title", title.map(Value::from));
        put("displayName", display.map(Value::from));
        put("nickName", nick.map(Value::from));
        put("name", family.map(|family| json!({ "familyName": family })));
        put(ENTERPRISE, department.map(|department| json!({ "department": department })));
        let (active, age, score, hired) = typed;
        put("active", active.map(Value::from));
        put("age", age);
        put("score", score);
        put("hired", hired.map(Value::from));
        put("badge", badge.map(Value::from));
        put("tags", (!tags.is_empty()).then(|| json!(tags)));
        let emails: Vec<Value> =
            emails.into_iter().map(|(value, kind)| json!({ "value": value, "type": kind })).collect();
        put("emails", (!emails.is_empty()).then(|| json!(emails)));
        all
    })
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// A filter over users. `@n` stands for the id of a user, `#n` for that of a group.
fn filter() -> impl Strategy<Value = String> {
    let orders = ["eq", "ne", "gt", "ge", "lt", "le"];
    let all = ["eq", "eq", "sw", "sw", "ne", "co", "ew", "gt", "ge", "lt", "le"];
    let paths = vec![
        "userName",
        "title",
        "displayName",
        "nickName",
        "name.familyName",
        "emails",
        "emails.value",
        "tags",
        "department",
    ];
    let words = (select(paths.clone()), select(all.to_vec()), text())
        .prop_map(|(path, op, text)| format!("{path} {op} {}", quoted(&text)));
    let names = (select(all.to_vec()), text(), 0..12_u8)
        .prop_map(|(op, text, n)| format!("userName {op} {}", quoted(&format!("{text}{n}"))));
    let numbers = (select(vec!["age", "score"]), select(orders.to_vec()), prop_oneof![whole(), decimal()])
        .prop_map(|(path, op, number)| format!("{path} {op} {number}"));
    let dates = (select(vec!["hired", "meta.lastModified", "meta.created"]), select(orders.to_vec()), date())
        .prop_map(|(path, op, date)| format!("{path} {op} \"{date}\""));
    let booleans = any::<bool>().prop_map(|active| format!("active eq {active}"));
    let bytes = select(vec!["badge eq \"AA==\"", "badge ne \"/w==\""]).prop_map(str::to_owned);
    let present = select(paths).prop_map(|path| format!("{path} pr"));
    let ids = (
        0..12_usize,
        0..3_usize,
        select(vec!["id eq \"@{u}\"", "groups.value eq \"#{g}\"", "groups[value eq \"#{g}\"]"]),
    )
        .prop_map(|(u, g, shape)| shape.replace("{u}", &u.to_string()).replace("{g}", &g.to_string()));
    let of_email = |op: &str, text: &str| format!("value {op} {}", quoted(text));
    let elements = (select(all.to_vec()), text(), select(all.to_vec()), text(), select(vec!["and", "or"])).prop_map(
        move |(op, text, other_op, other, both)| {
            format!("emails[{} {both} {} and type eq \"work\"]", of_email(op, &text), of_email(other_op, &other))
        },
    );
    let tags = (select(all.to_vec()), text(), text())
        .prop_map(move |(op, text, other)| format!("tags[{} and value ge {}]", of_email(op, &text), quoted(&other)));
    let between = (select(vec!["title", "tags", "emails.value", "userName"]), text(), text())
        .prop_map(|(path, a, b)| format!("{path} ge {} and {path} le {}", quoted(&a), quoted(&b)));
    let years = (whole(), whole()).prop_map(|(a, b)| format!("age gt {a} and (age le {b} and title pr)"));
    let leaf = prop_oneof![
        3 => words, 1 => names, 2 => numbers, 1 => dates, 1 => booleans, 1 => bytes, 1 => present, 1 => ids,
        1 => elements, 1 => tags, 2 => between, 1 => years,
    ];
    leaf.prop_recursive(3, 12, 3, |part| {
        prop_oneof![
            vec(part.clone(), 2..4).prop_map(|parts| format!("({})", parts.join(" and "))),
            vec(part.clone(), 2..4).prop_map(|parts| format!("({})", parts.join(" or "))),
            part.prop_map(|part| format!("not ({part})")),
        ]
    })
}

/// A filter over groups.
fn group_filter() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        (0..12_usize).prop_map(|u| format!("members.value eq \"@{u}\"")),
        (0..12_usize).prop_map(|u| format!("members[value eq \"@{u}\" and type eq \"User\"]")),
        (select(vec!["eq", "sw", "ge"]), 0..3_usize).prop_map(|(op, n)| format!("displayName {op} \"Team {n}\"")),
        Just("members pr".to_owned()),
        Just("members[type eq \"Group\"]".to_owned()),
    ];
    leaf.prop_recursive(2, 6, 3, |part| {
        prop_oneof![
            vec(part.clone(), 2..4).prop_map(|parts| format!("({})", parts.join(" and "))),
            vec(part.clone(), 2..4).prop_map(|parts| format!("({})", parts.join(" or "))),
            part.prop_map(|part| format!("not ({part})")),
        ]
    })
}

/// What a directory is made of.
#[derive(Debug, Clone)]
struct Plot {
    users: Vec<Attributes>,
    /// Which user, and what becomes of it; without attributes it is deleted.
    changes: Vec<(usize, Option<Attributes>)>,
    /// Who is in which of three groups.
    members: Vec<(usize, usize)>,
    /// How far the build is when the first questions are asked.
    steps: usize,
    filters: Vec<String>,
    group_filters: Vec<String>,
}

fn plot() -> impl Strategy<Value = Plot> {
    let people = (vec(attributes(), 1..12), vec((0..12_usize, option::weighted(0.8, attributes())), 0..6));
    let rest = (vec((0..3_usize, 0..12_usize), 0..12), 0..16_usize, vec(filter(), 40), vec(group_filter(), 8));
    (people, rest).prop_map(|((users, changes), (members, steps, filters, group_filters))| Plot {
        users,
        changes,
        members,
        steps,
        filters,
        group_filters,
    })
}

/// A directory, and the whole documents of all that is in it.
struct Directory {
    fixture: Fixture,
    users: Vec<Option<Resource>>,
    groups: Vec<Resource>,
    members: Vec<(usize, usize)>,
}

impl Directory {
    fn named(&self, filter: &str) -> String {
        let nobody = Uuid::from_u128(7);
        let mut filter = filter.to_owned();
        for n in (0..12).rev() {
            let user = self.users.get(n).and_then(Option::as_ref).map_or(nobody, Resource::id);
            let group = self.groups.get(n).map_or(nobody, Resource::id);
            filter = filter.replace(&format!("@{n}\""), &format!("{user}\""));
            filter = filter.replace(&format!("#{n}\""), &format!("{group}\""));
        }
        filter
    }

    fn user_documents(&self) -> Vec<(Uuid, Attributes)> {
        let document = |(n, user): (usize, &Resource)| {
            let mut document = user.document();
            let of = self.members.iter().filter(|(_, member)| *member == n).map(|(group, _)| &self.groups[*group]);
            let of: Vec<Value> = of.map(|g| json!({ "value": g.id(), "type": "direct" })).collect();
            if !of.is_empty() {
                document.insert("groups".into(), of.into());
            }
            (user.id(), document)
        };
        self.users
            .iter()
            .enumerate()
            .filter_map(|(n, user)| user.as_ref().map(|user| (n, user)))
            .map(document)
            .collect()
    }

    fn group_documents(&self) -> Vec<(Uuid, Attributes)> {
        let document = |(n, group): (usize, &Resource)| {
            let mut document = group.document();
            let of = self.members.iter().filter(|(group, _)| *group == n);
            let of: Vec<Value> = of
                .filter_map(|(_, member)| self.users[*member].as_ref())
                .map(|user| json!({ "value": user.id(), "type": "User" }))
                .collect();
            if !of.is_empty() {
                document.insert("members".into(), of.into());
            }
            (group.id(), document)
        };
        self.groups.iter().enumerate().map(document).collect()
    }

    async fn agrees(&self, plot: &Plot) {
        let (users, groups) = (self.user_documents(), self.group_documents());
        let of_users = plot.filters.iter().map(|filter| (self.fixture.users(), &users, filter));
        let of_groups = plot.group_filters.iter().map(|filter| (self.fixture.groups(), &groups, filter));
        for (resource_type, documents, filter) in of_users.chain(of_groups) {
            let filter = self.named(filter);
            let bound: Bound = Filter::parse(&filter).unwrap().bind(resource_type, &Leniency::default()).unwrap();
            let mut expected: Vec<Uuid> =
                documents.iter().filter(|(_, document)| bound.matches(document)).map(|(id, _)| *id).collect();
            let query = Query { filter: Some(bound), sort: None, start_index: 1, count: 1_000 };
            let mut found: Vec<Uuid> =
                self.fixture.find(resource_type, query).await.resources.iter().map(Resource::id).collect();
            expected.sort_unstable();
            found.sort_unstable();
            assert_eq!(found, expected, "`{filter}`\n{documents:#?}");
        }
    }
}

/// Makes the directory on a store with the usual indexes, adds the others, and changes it while
/// they are being built.
async fn play(dir: &Path, plot: &Plot) -> Directory {
    let fixture = open(dir, &[]).await;
    let mut users = Vec::new();
    for (n, attributes) in plot.users.iter().enumerate() {
        let mut all = attributes.clone();
        let text = texts().swap_remove(n);
        all.insert("userName".into(), format!("{text}{n}").into());
        let plain = super::user(&fixture, "x");
        let at = fixture.cx.now + jiff::SignedDuration::from_secs(n as i64);
        let stamp = Stamp { created: at, last_modified: at, ..plain.stamp() };
        let user = Resource::from_stored(fixture.users().clone(), stamp, all);
        fixture.create(&user).await;
        users.push(Some(user));
    }
    let (mut groups, mut members) = (Vec::new(), Vec::new());
    for n in 0..3 {
        let mut of: Vec<usize> = plot.members.iter().filter(|m| m.0 == n && m.1 < users.len()).map(|m| m.1).collect();
        of.sort_unstable();
        of.dedup();
        let group = fixture.group(&format!("team {n}")).await;
        let joining: Vec<&Resource> = of.iter().filter_map(|n| users[*n].as_ref()).collect();
        groups.push(match joining.is_empty() {
            true => group,
            false => fixture.members(&group, &joining, &[]).await.unwrap(),
        });
        members.extend(of.into_iter().map(|member| (n, member)));
    }
    fixture.store.close().await;

    let fixture = open(dir, &INDEXED).await;
    for _ in 0..plot.steps {
        fixture.store.index_step(3).await.unwrap();
    }
    for (n, change) in &plot.changes {
        let Some(user) = users.get(*n).and_then(Option::as_ref) else { continue };
        users[*n] = match change {
            Some(attributes) => {
                let mut all = attributes.clone();
                all.insert("userName".into(), user.attributes()["userName"].clone());
                let stamp = Stamp { version: user.version() + 1, ..user.stamp() };
                let after = Resource::from_stored(user.resource_type().clone(), stamp, all);
                let write = Write::update(&fixture.cx, Operation::Replace, user.clone(), after.clone());
                fixture.store.commit(write).await.unwrap();
                Some(after)
            }
            None => {
                fixture.delete(user).await.unwrap();
                members.retain(|(_, member)| member != n);
                None
            }
        };
    }
    Directory { fixture, users, groups, members }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 64, ..ProptestConfig::default() })]

    #[test]
    fn a_filter_finds_by_plan_what_it_finds_by_looking_at_everything(plot in plot()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let dir = tempfile::tempdir().unwrap();
            let directory = play(dir.path(), &plot).await;
            directory.agrees(&plot).await;
            directory.fixture.sound().await;
            while directory.fixture.store.index_step(4).await.unwrap() {}
            directory.agrees(&plot).await;
            directory.fixture.sound().await;
        });
    }
}

/// 1 000 users, numbered in most of their attributes; everybody has the title `everybody`.
async fn numbered(dir: &Path, attributes: &[&str]) -> Fixture {
    let fixture = open(dir, attributes).await;
    let user = |n: usize| {
        let at = fixture.cx.now + jiff::SignedDuration::from_secs(n as i64);
        let stamp = Stamp { id: Uuid::now_v7(), version: 1, created: at, last_modified: at };
        let Value::Object(attributes) = json!({
            "userName": format!("user{n}"), "displayName": format!("Name {n}"), "title": "everybody", "age": n,
            "nickName": format!("nick{n}"), "tags": [format!("low{n}"), format!("tag{n}")],
            "emails": [{ "value": format!("{n}@a.example", ), "type": "work" }, { "value": format!("{n}@z.example"), "type": "home" }],
        }) else {
            unreachable!()
        };
        Resource::from_stored(fixture.users().clone(), stamp, attributes)
    };
    let writes = (0..1_000).map(|n| Write::create(&fixture.cx, user(n))).collect();
    merged(&fixture.store, writes).await;
    fixture
}

#[tokio::test]
async fn eq_sw_and_or_on_indexed_attributes_read_their_candidates_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let fixture = numbered(dir.path(), &INDEXED).await;
    let at = |n: i64| provost_scim::instant::print(fixture.cx.now + jiff::SignedDuration::from_secs(n));
    let window = format!("meta.lastModified ge \"{}\" and meta.lastModified lt \"{}\"", at(100), at(110));
    // What it finds, and how many resources that may cost.
    let cases = [
        ("userName eq \"USER7\"", 1, 1),
        ("userName eq \"nobody\"", 0, 0),
        ("userName sw \"user77\"", 11, 11),
        ("userName sw \"nobody\"", 0, 0),
        ("age eq 7", 1, 1),
        ("age eq 7.5", 0, 0),
        ("userName eq \"user7\" and nickName co \"k\"", 1, 1),
        ("userName eq \"user7\" and nickName co \"x\"", 0, 1),
        ("userName eq \"user7\" or age eq 8 or displayName eq \"NAME 9\"", 3, 3),
        ("(userName eq \"user7\" or age eq 7) and title eq \"everybody\"", 1, 1),
        ("emails[type eq \"work\" and value eq \"7@a.example\"]", 1, 1),
        ("emails[value eq \"7@z.example\"] and title eq \"everybody\"", 1, 1),
        ("tags[value eq \"tag7\"]", 1, 1),
        ("tags eq \"tag7\" and tags eq \"low7\"", 1, 1),
        // The narrowest part is taken, wherever it stands and of whatever kind it is.
        ("title eq \"everybody\" and userName sw \"user77\"", 11, 11),
        ("userName sw \"user77\" and title eq \"everybody\"", 11, 11),
        ("title eq \"everybody\" and age gt 989", 10, 10),
        ("title eq \"everybody\" and (age eq 3 or age eq 4)", 2, 2),
        ("title sw \"every\" and title eq \"everybody\" and not (nickName pr) and displayName eq \"name 5\"", 0, 1),
        // Two bounds of a single value are one range; a contradiction is nothing at all.
        ("age gt 500 and age le 510", 10, 10),
        ("age ge 500 and (age lt 510 and title eq \"everybody\")", 10, 10),
        ("userName gt \"user998\" and userName sw \"user99\"", 1, 1),
        ("age gt 510 and age lt 500", 0, 0),
        (&window, 10, 10),
    ];
    for (filter, found, read) in cases {
        let before = fixture.store.keys_read(Space::Resources);
        assert_eq!(fixture.found(fixture.users(), filter).await.len(), found, "`{filter}`");
        let cost = fixture.store.keys_read(Space::Resources) - before;
        assert!(cost <= read, "`{filter}` read {cost} resources");
    }
}

#[tokio::test]
async fn two_bounds_of_an_attribute_with_many_values_may_be_met_by_different_ones() {
    let dir = tempfile::tempdir().unwrap();
    let fixture = numbered(dir.path(), &INDEXED).await;

    // No value is both (S-10.20), and inside brackets one element has to be (S-10.21).
    assert_eq!(fixture.found(fixture.users(), "tags lt \"m\" and tags ge \"tag998\"").await.len(), 2);
    assert!(fixture.found(fixture.users(), "tags[value lt \"m\" and value ge \"tag998\"]").await.is_empty());
    let read = fixture.store.keys_read(Space::Resources);
    assert!(fixture.found(fixture.users(), "emails[value lt \"5\" and value ge \"7\"]").await.is_empty());
    assert_eq!(fixture.store.keys_read(Space::Resources), read);
}

#[tokio::test]
async fn counting_the_parts_of_an_and_costs_no_more_than_the_narrowest_is_worth() {
    let dir = tempfile::tempdir().unwrap();
    let fixture = numbered(dir.path(), &INDEXED).await;
    let before = fixture.store.keys_read(Space::Index);

    fixture.found(fixture.users(), "title eq \"everybody\" and age eq 7 and displayName sw \"name 7\"").await;

    // Sixteen of each part at most, and then the one.
    let read = fixture.store.keys_read(Space::Index) - before;
    assert!(read <= 3 * 16 + 1, "{read}");
}

#[tokio::test]
async fn what_no_index_answers_is_scanned_until_the_index_is_built() {
    let dir = tempfile::tempdir().unwrap();
    let fixture = numbered(dir.path(), &[]).await;
    let cost = async |fixture: &Fixture, filter: &str, found: usize| {
        let before = fixture.store.keys_read(Space::Resources);
        assert_eq!(fixture.found(fixture.users(), filter).await.len(), found, "`{filter}`");
        fixture.store.keys_read(Space::Resources) - before
    };
    let filters = [
        ("age eq 7", 1),
        ("tags sw \"tag77\"", 11),
        ("age eq 7 or userName eq \"user9\"", 2),
        ("age gt 996 and age lt 999", 2),
    ];
    for (filter, found) in filters {
        assert_eq!(cost(&fixture, filter, found).await, 1_000, "`{filter}`");
    }
    fixture.store.close().await;
    let fixture = open(dir.path(), &INDEXED).await;
    for (filter, found) in filters {
        assert_eq!(cost(&fixture, filter, found).await, 1_000, "`{filter}`");
    }
    while fixture.store.build_indexes().await.unwrap() {}

    for (filter, found) in filters {
        assert_eq!(cost(&fixture, filter, found).await, found as u64, "`{filter}`");
    }
    for (filter, found) in
        [("nickName eq \"nick7\"", 1), ("age eq 7 or nickName eq \"nick8\"", 2), ("not (age gt 0)", 1)]
    {
        assert_eq!(cost(&fixture, filter, found).await, 1_000, "`{filter}`");
    }
}

#[tokio::test]
async fn a_query_looks_at_no_more_than_its_budget() {
    let fixture = Fixture::new().await;
    let users = fixture.many_users(9, |n| format!("user{n}")).await;
    let all: Vec<&Resource> = users.iter().collect();
    let group = fixture.group("team").await;
    fixture.members(&group, &all, &[]).await.unwrap();
    fixture.store.close().await;
    let dir = fixture._dir.unwrap();
    let with_budget = async |scan_resources_max: usize| {
        let config = StoreConfig { scan_resources_max, ..StoreConfig::new(dir.path(), &fixture.schemas) };
        let store = Store::open(&config, fixture.schemas.clone()).await.unwrap();
        Fixture { store, schemas: fixture.schemas.clone(), cx: fixture.cx.clone(), _dir: None }
    };
    // What it looks at: resources, and edges that are joined to them.
    let users = fixture.schemas.resource_types[0].clone();
    let groups = fixture.schemas.resource_types[1].clone();
    let cases = [
        (&users, "active eq true", 9),
        (&users, "userName sw \"user\"", 9),
        (&users, "userName eq \"user1\"", 1),
        (&users, "userName eq \"user1\" or userName eq \"user2\"", 2),
        (&users, "groups.display eq \"team\"", 18),
        (&groups, "members pr", 10),
        (&groups, "members[type eq \"Group\"] or displayName eq \"crew\"", 10),
        (&groups, "members[type eq \"Group\"] or displayName eq \"team\"", 1),
    ];
    for (resource_type, filter, looks) in cases {
        let enough = with_budget(looks).await;
        enough.found(resource_type, filter).await;
        enough.store.close().await;
        drop(enough);
        if looks > 1 {
            let scarce = with_budget(looks - 1).await;
            let refused = scarce.store.find(REALM, resource_type, scarce.filtered(resource_type, filter)).await;
            assert!(
                matches!(refused, Err(FindError::TooMany { resources_max }) if resources_max == looks - 1),
                "`{filter}`"
            );
            scarce.store.close().await;
        }
    }
}
