//! One other server: who has an account there, and what it holds.

use std::collections::BTreeMap;

use provost_sdk::Value;
use provost_sdk::prelude::*;

/// One other SCIM server.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// What it is called in `grant.outbox` and in listings.
    pub name: String,
    /// Its SCIM base URL.
    pub url: String,
    /// The secret that the host puts into each request.
    pub credential: Option<String>,
    /// By attribute path: the values of which one has to be there. All paths have to fit.
    #[serde(default)]
    when: BTreeMap<String, Vec<Value>>,
    /// Attributes that are not sent.
    #[serde(default)]
    leave_out: Vec<String>,
    /// What becomes of the account of somebody who has none any more.
    #[serde(default)]
    pub on_leave: OnLeave,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnLeave {
    /// It is switched off, and switched on again for who comes back.
    #[default]
    Deactivate,
    Delete,
}

/// What is this server's own business.
const OURS: [&str; 4] = ["id", "meta", "groups", "externalId"];

impl Target {
    pub fn check(&self, at: usize) -> Vec<Finding> {
        let is_http = self.url.starts_with("https://") || self.url.starts_with("http://");
        let url = (!is_http || self.url.contains(['?', '#']))
            .then(|| Finding::new(format!("target[{at}].url"), "is not an http URL without query"));
        let name = self.name.is_empty().then(|| Finding::new(format!("target[{at}].name"), "is empty"));
        url.into_iter().chain(name).collect()
    }

    /// Whether somebody has an account there.
    pub fn concerns(&self, person: &Resource) -> bool {
        self.when.iter().all(|(path, wanted)| person.values(path).into_iter().any(|value| wanted.contains(value)))
    }

    /// What the account holds. Its `externalId` is the person's `id` here, which never changes.
    pub fn account_of(&self, person: &Resource) -> Resource {
        let id = person.id().map(str::to_owned);
        let mut account = person.clone();
        OURS.into_iter().chain(self.leave_out.iter().map(String::as_str)).for_each(|path| account.remove(path));
        if let Some(Value::Array(schemas)) = account.0.get_mut("schemas") {
            schemas.retain(|schema| !self.leave_out.iter().any(|left_out| schema.as_str() == Some(left_out)));
        }
        if let Some(id) = id {
            account.set("externalId", id);
        }
        account
    }

    pub fn users(&self) -> String {
        format!("{}/Users", self.url.trim_end_matches('/'))
    }
}
