//! What the clients did, what was acknowledged, and what nobody knows.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use provost_tests::Received;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};

use super::process::{Reply, Server};

/// A person as the server should show it.
#[derive(Debug, Clone, PartialEq)]
struct State {
    title: Option<String>,
    member: bool,
}

/// One person, whom one client at a time writes.
#[derive(Debug, Clone)]
struct Person {
    id: Option<String>,
    /// The state that was acknowledged last; `None` when there is none, not yet or not any more.
    known: Option<State>,
    /// What the state is if the change under way at the kill was made.
    maybe: Option<Option<State>>,
    /// Acknowledged changes, as the receiver should see them.
    told: Vec<Told>,
}

/// A change as the receiver sees it.
#[derive(Debug, Clone, PartialEq)]
enum Told {
    Put(Option<String>),
    Delete,
}

/// All people, by `externalId`.
#[derive(Default)]
pub struct Ledger(Mutex<BTreeMap<String, Person>>);

impl Ledger {
    /// How many changes were acknowledged.
    pub fn acknowledged(&self) -> usize {
        self.0.lock().unwrap().values().map(|person| person.told.len()).sum()
    }

    /// After a restart: everything acknowledged is there, and what was under way is whole or absent.
    pub async fn settle(&self, server: &Server, group: &str) {
        let people: Vec<(String, Person)> = self.0.lock().unwrap().clone().into_iter().collect();
        let members = members(server, group).await;
        for (name, mut person) in people {
            let found = find(server, &name).await;
            let shown = found.as_ref().map(|user| State {
                title: user["title"].as_str().map(str::to_owned),
                member: members.contains(&user["id"].as_str().unwrap().to_owned()),
            });
            match person.maybe.take() {
                _ if shown == person.known => {}
                Some(maybe) if shown == maybe => person.known = maybe,
                maybe => panic!("{name}: acknowledged {:?}, under way {maybe:?}, found {shown:?}", person.known),
            }
            if let Some(user) = &found {
                // Both ends of a membership, and the whole body, or none of it.
                let lists = user["groups"].as_array().is_some_and(|groups| groups.iter().any(|g| g["value"] == group));
                assert_eq!(Some(lists), shown.map(|state| state.member), "{name}: the ends of the edge differ");
                assert_eq!(user["emails"], json!([{ "value": format!("{name}@example.org") }]), "{name}: half a user");
                person.id = Some(user["id"].as_str().unwrap().to_owned());
            } else if let Some(id) = person.id.take() {
                let (status, _) = server.ask("GET", &format!("/Users/{id}"), None).await;
                assert_eq!(status, 404, "{name} is found by id and not by name");
                assert!(!members.contains(&id), "{name} is deleted and a member");
            }
            self.0.lock().unwrap().insert(name, person);
        }
    }

    /// Every acknowledged change arrived, and messages about one person never went backwards.
    pub fn compare_with(&self, received: &[Received]) {
        let mut lanes: HashMap<&str, Vec<&Received>> = HashMap::new();
        for message in received {
            lanes.entry(message.path.strip_prefix("/people/").unwrap()).or_default().push(message);
        }
        for (name, person) in self.0.lock().unwrap().iter() {
            let arrived = lanes.remove(name.as_str()).unwrap_or_default();
            let sequences: Vec<u64> = arrived.iter().map(|message| sequence(&message.key)).collect();
            assert!(sequences.is_sorted(), "{name}: out of order: {sequences:?}");
            let mut seen = arrived.iter().map(|message| told(message));
            for expected in &person.told {
                // In order: each is found behind the one before it.
                assert!(
                    seen.any(|told| told == *expected),
                    "{name}: {expected:?} never arrived, or too early: {arrived:#?}"
                );
            }
        }
        assert!(lanes.is_empty(), "messages about nobody: {:?}", lanes.keys());
    }
}

fn told(message: &Received) -> Told {
    match message.method.as_str() {
        "DELETE" => Told::Delete,
        _ => Told::Put(message.body["title"].as_str().map(str::to_owned)),
    }
}

/// The journal's sequence number stands in the key, before the last dash.
fn sequence(key: &str) -> u64 {
    key.rsplit('-').nth(1).and_then(|part| part.parse().ok()).unwrap_or_else(|| panic!("not a key: {key}"))
}

async fn find(server: &Server, name: &str) -> Option<Value> {
    let (status, body) = server.ask("GET", &format!("/Users?filter=externalId+eq+%22{name}%22"), None).await;
    assert_eq!(status, 200);
    let by_external_id = body["Resources"].as_array().unwrap().clone();
    let (_, body) = server.ask("GET", &format!("/Users?filter=userName+eq+%22{name}%22"), None).await;
    assert_eq!(body["Resources"].as_array().unwrap(), &by_external_id, "{name}: two indexes differ");
    assert!(by_external_id.len() <= 1, "{name} is there twice");
    by_external_id.into_iter().next()
}

async fn members(server: &Server, group: &str) -> Vec<String> {
    let (status, body) = server.ask("GET", &format!("/Groups/{group}"), None).await;
    assert_eq!(status, 200);
    let members = body["members"].as_array().cloned().unwrap_or_default();
    members.into_iter().map(|member| member["value"].as_str().unwrap().to_owned()).collect()
}

/// One client: makes people, changes them, and deletes some, until the server is gone.
pub struct People {
    ledger: Arc<Ledger>,
    prefix: String,
    random: rand::rngs::StdRng,
}

impl People {
    pub fn new(ledger: Arc<Ledger>, round: usize, client: usize, seed: u64) -> Self {
        Self { ledger, prefix: format!("p{round}-{client}"), random: rand::rngs::StdRng::seed_from_u64(seed) }
    }

    /// Goes on until a connection breaks.
    pub async fn live(mut self, server: Arc<Server>, group: String, acknowledged: impl Fn()) {
        for number in 0.. {
            let name = format!("{}-{number}", self.prefix);
            let body = json!({
                "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
                "userName": name, "externalId": name, "emails": [{ "value": format!("{name}@example.org") }],
            });
            let fresh = State { title: None, member: false };
            self.ledger.0.lock().unwrap().insert(
                name.clone(),
                Person { id: None, known: None, maybe: Some(Some(fresh.clone())), told: Vec::new() },
            );
            let Reply::Answered(status, body) = server.send("POST", "/Users", Some(body)).await else { return };
            assert_eq!(status, 201, "{body}");
            let id = body["id"].as_str().unwrap().to_owned();
            self.acknowledge(&name, Some(id.clone()), Some(fresh.clone()), Some(Told::Put(None)));
            acknowledged();

            let mut state = fresh;
            for step in 0..self.random.random_range(0..5) {
                let (path, operation, told) = match self.random.random_range(0..3) {
                    0 => {
                        state.member = true;
                        let operation = json!({ "op": "add", "path": "members", "value": [{ "value": id }] });
                        (format!("/Groups/{group}?excludedAttributes=members"), operation, None)
                    }
                    _ => {
                        let title = format!("title {step}");
                        state.title = Some(title.clone());
                        let operation = json!({ "op": "replace", "path": "title", "value": title });
                        (format!("/Users/{id}"), operation, Some(Told::Put(Some(title))))
                    }
                };
                self.expect(&name, Some(state.clone()));
                let body = provost_tests::server::patch(json!([operation]));
                let Reply::Answered(status, body) = server.send("PATCH", &path, Some(body)).await else { return };
                assert_eq!(status, 200, "{body}");
                self.acknowledge(&name, Some(id.clone()), Some(state.clone()), told);
                acknowledged();
            }

            if self.random.random_bool(0.3) {
                self.expect(&name, None);
                let Reply::Answered(status, body) = server.send("DELETE", &format!("/Users/{id}"), None).await else {
                    return;
                };
                assert_eq!(status, 204, "{body}");
                self.acknowledge(&name, Some(id), None, Some(Told::Delete));
                acknowledged();
            }
        }
    }

    fn expect(&self, name: &str, state: Option<State>) {
        self.ledger.0.lock().unwrap().get_mut(name).unwrap().maybe = Some(state);
    }

    fn acknowledge(&self, name: &str, id: Option<String>, state: Option<State>, told: Option<Told>) {
        let mut people = self.ledger.0.lock().unwrap();
        let person = people.get_mut(name).unwrap();
        person.id = id;
        person.known = state;
        person.maybe = None;
        person.told.extend(told);
    }
}
