//! One person's account at one target: found, made, changed, switched off.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use provost_sdk::Value;
use provost_sdk::prelude::*;

use crate::target::{OnLeave, Target};

const SCIM_JSON: &str = "application/scim+json";

const PREFIX: &str = "account:";

/// What is remembered of an account.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Known {
    /// What the target calls it.
    remote: String,
    /// A digest of what was last sent.
    sent: u64,
    active: bool,
}

pub struct Account<'a> {
    target: &'a Target,
    id: &'a str,
    known: Option<Known>,
}

impl<'a> Account<'a> {
    pub fn of(target: &'a Target, id: &'a str) -> Result<Self> {
        Ok(Self { target, id, known: state::get_json(&key(target, id))? })
    }

    /// Makes the account what it is to be; sends nothing if it was sent already.
    pub fn becomes(self, person: Option<Resource>) -> Result {
        match (person, self.known.as_ref()) {
            (Some(mut person), _) => {
                // A create learns the id at its commit.
                person.set("externalId", self.id);
                self.holds(&person)
            }
            (None, Some(_)) => self.ends(),
            (None, None) => Ok(()),
        }
    }

    fn holds(&self, person: &Resource) -> Result {
        let sent = digest(person);
        if self.known.as_ref().is_some_and(|known| known.sent == sent) {
            return Ok(());
        }
        let known = self.known.as_ref().map(|known| known.remote.clone());
        let remote = match known {
            Some(remote) if self.put(&remote, person)? => remote,
            // It was deleted over there, or was never known.
            _ => match self.find(person)? {
                Some(remote) => match self.put(&remote, person)? {
                    true => remote,
                    false => return Err(Failure::retryable("the account went away while it was changed")),
                },
                None => self.post(person)?,
            },
        };
        let active = person.get("active") != Some(&Value::Bool(false));
        state::put_json(&key(self.target, self.id), &Known { remote, sent, active })
    }

    fn ends(&self) -> Result {
        let Some(known) = &self.known else { return Ok(()) };
        let url = self.url(&known.remote);
        let key = key(self.target, self.id);
        if self.target.on_leave == OnLeave::Delete {
            let answer = self.send(http::Request::delete(url))?;
            if !matches!(answer.status, 404 | 410) {
                answer.success(&self.target.name)?;
            }
            return Ok(state::delete(&key)?);
        }
        if !known.active {
            return Ok(());
        }
        let off = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": [{ "op": "replace", "path": "active", "value": false }],
        });
        let answer = self.send(body(http::Request::patch(url), &off)?)?;
        if matches!(answer.status, 404 | 410) {
            return Ok(state::delete(&key)?);
        }
        answer.success(&self.target.name)?;
        state::put_json(&key, &Known { remote: known.remote.clone(), sent: 0, active: false })
    }

    /// Answers whether the account was there.
    fn put(&self, remote: &str, person: &Resource) -> Result<bool> {
        let answer = self.send(body(http::Request::put(self.url(remote)), person)?)?;
        if matches!(answer.status, 404 | 410) {
            return Ok(false);
        }
        answer.success(&self.target.name)?;
        Ok(true)
    }

    fn post(&self, person: &Resource) -> Result<String> {
        let answer = self.send(body(http::Request::post(self.target.users()), person)?)?;
        if answer.status == 409 {
            return Err(Failure::retryable(format!("{} has such an account, and does not show it", self.target.name)));
        }
        let made: Resource = answer.success(&self.target.name)?.json()?;
        let id = made.id().map(str::to_owned);
        id.ok_or_else(|| Failure::new(format!("{} made an account without an id", self.target.name)))
    }

    /// The account that is there already: by the identifier that it got from here, or by its name.
    fn find(&self, person: &Resource) -> Result<Option<String>> {
        for path in ["externalId", "userName"] {
            let Some(value) = person.text(path) else { continue };
            let query = http::escape(&filter::eq(path, value));
            let url = format!("{}?filter={query}&attributes=id", self.target.users());
            let answer = self.send(http::Request::get(url))?.success(&self.target.name)?;
            let found: Value = answer.json()?;
            let found = found["Resources"].as_array().map(Vec::as_slice).unwrap_or_default();
            match found {
                [] => {}
                [one] => return Ok(one["id"].as_str().map(str::to_owned)),
                _ => return Err(Failure::new(format!("{} has several accounts of this `{path}`", self.target.name))),
            }
        }
        Ok(None)
    }

    fn url(&self, remote: &str) -> String {
        format!("{}/{}", self.target.users(), http::escape(remote))
    }

    fn send(&self, request: http::Request) -> Result<http::Response> {
        let mut request = request.header("accept", SCIM_JSON);
        request.credential = self.target.credential.clone();
        Ok(request.send()?)
    }
}

/// Hands every known account to `each`: its target, the person, and whether it is switched on.
pub fn walk(mut each: impl FnMut(&str, &str, bool) -> Result) -> Result {
    state::walk_json(PREFIX, |rest, known: Known| match rest.rsplit_once(':') {
        Some((target, id)) => each(target, id, known.active),
        None => Ok(()),
    })
}

fn key(target: &Target, id: &str) -> String {
    format!("{PREFIX}{}:{id}", target.name)
}

fn body(request: http::Request, document: &impl Serialize) -> Result<http::Request> {
    let body = provost_sdk::serde_json::to_vec(document)?;
    Ok(request.body(body).header("content-type", SCIM_JSON))
}

/// Another build of this plugin may digest in another way; then everything is sent once more.
fn digest(person: &Resource) -> u64 {
    let mut hasher = DefaultHasher::new();
    provost_sdk::json!(person).to_string().hash(&mut hasher);
    // Nought stands for nothing.
    hasher.finish().max(1)
}
