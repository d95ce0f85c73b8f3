//! Other SCIM servers (RFC 7644), as a client of theirs.
//!
//! What goes wrong is told apart here. What may pass is a failure that is tried again: no connection, 408, 425, 429, 5xx,
//! and a clash of two who make the same. That a resource is not there any more is an answer. Everything else is a failure
//! that stays, in the other server's words.
//!
//! ```
//! # use provost_sdk::{Patch, Resource, Result, Server, filter, json};
//! # fn main() -> Result {
//! # let nobody = r#"{ "totalResults": 0 }"#;
//! # let host = provost_sdk::testing::Host::new().answer(200, nobody).answer(201, r#"{ "id": "7" }"#).answer(404, "");
//! # host.run(|| {
//! let crm = Server::new("crm", "https://crm.example/scim/v2").credential("crm-token");
//! let ana: Resource = serde_json::from_value(json!({ "userName": "ana" }))?;
//!
//! let found = crm.find("Users", &filter::eq("userName", "ana"), &["id"])?;
//! assert!(found.is_empty());
//! let id = crm.create("Users", &ana)?;
//! let was_there = crm.patch("Users", &id, &Patch::new().replace("active", false))?;
//! assert!(!was_there);
//! # Ok(())
//! # })
//! # }
//! ```

use std::cell::Cell;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::{Failure, Patch, Resource, Result, filter, http};

const SCIM_JSON: &str = "application/scim+json";
const PATCH_OP: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

/// How much of another server's words a failure repeats, in characters.
const WORDS_MAX: usize = 200;

/// Another SCIM server. An endpoint is what stands behind its base URL: `Users`, `Groups`.
#[derive(Debug, Clone)]
pub struct Server {
    name: String,
    url: String,
    credential: Option<String>,
    calls: Cell<u32>,
    calls_max: u32,
}

impl Server {
    /// The server at this base URL, asked by a delivery or an observer. Its name stands in failures.
    pub fn new(name: impl Into<String>, url: &str) -> Self {
        let url = url.trim_end_matches('/').to_owned();
        Self { name: name.into(), url, credential: None, calls: Cell::new(0), calls_max: http::DELIVERY_CALLS_MAX }
    }

    /// With the secret of this name, which the host puts into each request.
    pub fn credential(mut self, name: impl Into<String>) -> Self {
        self.credential = Some(name.into());
        self
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Asked by a job, which may send more requests.
    pub fn for_job(mut self) -> Self {
        self.calls_max = http::JOB_CALLS_MAX;
        self
    }

    /// Fails unless so many more requests fit into this call. A delivery that fails with this is tried again, and goes on
    /// where it was if it remembers that.
    pub fn room(&self, requests: u32) -> Result {
        match self.calls.get() + requests <= self.calls_max {
            true => Ok(()),
            false => Err(Failure::retryable(format!("{} is sent the rest by the next attempt", self.name))),
        }
    }

    /// Those that match a filter, on the first page, with these attributes.
    pub fn find(&self, endpoint: &str, filter: &str, attributes: &[&str]) -> Result<Vec<Resource>> {
        #[derive(serde::Deserialize)]
        struct List {
            #[serde(default, rename = "Resources")]
            resources: Vec<Resource>,
        }
        let (filter, attributes) = (http::escape(filter), attributes.join(","));
        let url = format!("{}/{endpoint}?filter={filter}&attributes={attributes}", self.url);
        let list: List = self.good(self.send(http::Request::get(url))?)?.json()?;
        Ok(list.resources)
    }

    /// One by its id, with these attributes; none if it is not there.
    pub fn get(&self, endpoint: &str, id: &str, attributes: &[&str]) -> Result<Option<Resource>> {
        let url = format!("{}?attributes={}", self.at(endpoint, id), attributes.join(","));
        self.read(self.send(http::Request::get(url))?)
    }

    /// Makes one and answers with its id. A clash with one that is there already (409) is a failure that is tried again:
    /// who looks it up before will find it then.
    pub fn create(&self, endpoint: &str, body: &impl Serialize) -> Result<String> {
        let answer = self.send(with(http::Request::post(format!("{}/{endpoint}", self.url)), body)?)?;
        if answer.status == 409 {
            return Err(Failure::retryable(format!("{}: it is there already", self.words(&answer))));
        }
        let made: Option<Resource> = self.read(answer)?;
        let id = made.as_ref().and_then(Resource::id).map(str::to_owned);
        id.ok_or_else(|| Failure::new(format!("{} made a resource without an id", self.name)))
    }

    /// Gives one a whole new state. Answers whether it is there.
    pub fn replace(&self, endpoint: &str, id: &str, body: &impl Serialize) -> Result<bool> {
        self.change(with(http::Request::put(self.at(endpoint, id)), body)?)
    }

    /// Changes one. Answers whether it is there. An empty patch is not sent.
    pub fn patch(&self, endpoint: &str, id: &str, patch: &Patch) -> Result<bool> {
        if patch.is_empty() {
            return Ok(true);
        }
        self.change(with(http::Request::patch(self.at(endpoint, id)), &patch_op(patch))?)
    }

    /// Reads one and patches what differs, for resources that are too large to be sent as a whole. Attributes that `wanted`
    /// does not have stay as they are. Answers whether it is there.
    pub fn amend(&self, endpoint: &str, id: &str, wanted: &Resource) -> Result<bool> {
        let names: Vec<&str> = wanted.0.keys().map(String::as_str).filter(|name| *name != "schemas").collect();
        let Some(mut there) = self.get(endpoint, id, &names)? else { return Ok(false) };
        there.0.retain(|name, _| wanted.0.contains_key(name));
        self.patch(endpoint, id, &Patch::between(&there, wanted)?)
    }

    /// Adds and removes members of a group, all by their ids over there, in one request that names no others. Whoever is a
    /// member already, or is none, is passed over. Answers whether the group is there.
    pub fn change_members(&self, group: &str, add: &[String], remove: &[String]) -> Result<bool> {
        let answer = self.patch_members(group, add, remove)?;
        // RFC 7644 section 3.5.2 lets a server refuse to remove who is no member.
        let is_strict = answer.status == 400 && self.error(&answer)["scimType"] == "noTarget";
        if !is_strict {
            return self.is_there(answer);
        }
        self.room(2)?;
        let Some(there) = self.get("Groups", group, &["members"])? else { return Ok(false) };
        let there = there.values("members.value");
        let left: Vec<String> = remove.iter().filter(|id| there.contains(&&json!(id))).cloned().collect();
        if add.is_empty() && left.is_empty() {
            return Ok(true);
        }
        self.is_there(self.patch_members(group, add, &left)?)
    }

    /// Makes these, by their ids over there, all the members of a group. Answers whether the group is there.
    pub fn replace_members(&self, group: &str, members: &[String]) -> Result<bool> {
        self.patch("Groups", group, &Patch::new().replace("members", values(members)))
    }

    /// Deletes one. Answers whether it was there.
    pub fn delete(&self, endpoint: &str, id: &str) -> Result<bool> {
        self.change(http::Request::delete(self.at(endpoint, id)))
    }

    fn patch_members(&self, group: &str, add: &[String], remove: &[String]) -> Result<http::Response> {
        let one = |id: &String| format!("members[{}]", filter::eq("value", id.as_str()));
        let mut patch = remove.iter().fold(Patch::new(), |patch, id| patch.remove(&one(id)));
        if !add.is_empty() {
            patch = patch.add("members", values(add));
        }
        self.send(with(http::Request::patch(self.at("Groups", group)), &patch_op(&patch))?)
    }

    fn at(&self, endpoint: &str, id: &str) -> String {
        format!("{}/{endpoint}/{}", self.url, http::escape(id))
    }

    fn change(&self, request: http::Request) -> Result<bool> {
        let answer = self.send(request)?;
        self.is_there(answer)
    }

    fn is_there(&self, answer: http::Response) -> Result<bool> {
        match answer.status {
            404 | 410 => Ok(false),
            _ => self.good(answer).map(|_| true),
        }
    }

    fn read<T: DeserializeOwned>(&self, answer: http::Response) -> Result<Option<T>> {
        match answer.status {
            404 | 410 => Ok(None),
            _ => Ok(Some(self.good(answer)?.json()?)),
        }
    }

    fn send(&self, request: http::Request) -> Result<http::Response> {
        self.calls.set(self.calls.get() + 1);
        let mut request = request.header("accept", SCIM_JSON);
        request.credential.clone_from(&self.credential);
        Ok(request.send()?)
    }

    fn good(&self, answer: http::Response) -> Result<http::Response> {
        match answer.is_success() || answer.is_retryable() {
            true => answer.success(&self.name),
            false => Err(Failure::new(self.words(&answer))),
        }
    }

    fn error(&self, answer: &http::Response) -> Value {
        answer.json().unwrap_or_default()
    }

    /// What it answered, with the keyword and the sentence of its SCIM error (RFC 7644 section 3.12).
    fn words(&self, answer: &http::Response) -> String {
        let error = self.error(answer);
        let parts = ["scimType", "detail"].into_iter().filter_map(|key| error[key].as_str());
        let said: Vec<String> = parts.map(|part| part.chars().take(WORDS_MAX).collect()).collect();
        let said = if said.is_empty() { String::new() } else { format!(" ({})", said.join(": ")) };
        format!("{} answered {}{said}", self.name, answer.status)
    }
}

fn with(request: http::Request, body: &impl Serialize) -> Result<http::Request> {
    Ok(request.body(serde_json::to_vec(body)?).header("content-type", SCIM_JSON))
}

fn patch_op(patch: &Patch) -> Value {
    json!({ "schemas": [PATCH_OP], "Operations": patch.operations() })
}

fn values(ids: &[String]) -> Vec<Value> {
    ids.iter().map(|id| json!({ "value": id })).collect()
}
