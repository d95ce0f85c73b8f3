//! Profile sync: a job that fetches what is missing of a person from another system.
//!
//! Each run takes the people that a filter finds, asks for each, and writes what it learned with a
//! status beside it. Who fails is left for later and keeps nobody waiting.

use std::collections::BTreeMap;

use provost_sdk::Value;
use provost_sdk::prelude::*;

/// Whom to ask about whom.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ProfileSync {
    /// Whom it concerns: a SCIM filter.
    find: String,
    /// Where a person's record is. `{path}` stands for the person's value at that path.
    url: String,
    credential: Option<String>,
    /// By attribute path: where the value is in the answer, as a JSON pointer.
    #[serde(default)]
    fill: BTreeMap<String, String>,
    /// An identifier to add to a list of `{ system, value }`.
    identifier: Option<Identifier>,
    /// The list that holds the status of each sync, as `{ name, status, at }`.
    status: Option<Status>,
    /// How many people one run takes on.
    #[serde(default = "default_batch")]
    batch: u32,
    /// How many minutes somebody who failed is left alone.
    #[serde(default = "default_rest")]
    rest_minutes: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Identifier {
    path: String,
    system: String,
    /// Where it is in the answer, as a JSON pointer.
    from: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Status {
    path: String,
    name: String,
}

/// What became of one person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Ok,
    /// The other system does not know the person yet.
    Pending,
    Failed,
}

impl Outcome {
    fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Pending => "PENDING",
            Self::Failed => "FAILED",
        }
    }
}

impl Plugin for ProfileSync {
    const INFO: Info = provost_sdk::info!();

    fn check(&self) -> Vec<Finding> {
        let is_http = self.url.starts_with("https://") || self.url.starts_with("http://");
        let url = (!is_http).then(|| Finding::new("url", "is not an http URL"));
        let pointers = self.fill.iter().filter(|(_, pointer)| !pointer.starts_with('/'));
        let pointers = pointers.map(|(path, _)| Finding::new(format!("fill.{path}"), "is not a JSON pointer: `/a/b`"));
        let from = self.identifier.iter().filter(|identifier| !identifier.from.starts_with('/'));
        let from = from.map(|_| Finding::new("identifier.from", "is not a JSON pointer: `/a/b`"));
        let idle = self.fill.is_empty() && self.identifier.is_none();
        let idle = idle.then(|| Finding::new("fill", "is empty, and so is `identifier`: nothing would be written"));
        url.into_iter().chain(pointers).chain(from).chain(idle).collect()
    }

    fn run(&self, job: &Job) -> Result<String> {
        let mut counts = BTreeMap::new();
        let mut cursor = None;
        let mut left = self.batch;
        while left > 0 {
            let page = directory::find::<Resource>("User", &self.find, cursor.as_deref(), 100)?;
            for person in page.resources {
                let id = person.id().unwrap_or_default();
                if left == 0 || rests(id)? {
                    continue;
                }
                left -= 1;
                let outcome = self.sync(id, &person, job.now_ms)?;
                if outcome != Outcome::Ok {
                    state::put_for(&rest_key(id), "", std::time::Duration::from_secs(60 * self.rest_minutes))?;
                }
                metrics::count("people", 1, &[("outcome", outcome.as_str())]);
                *counts.entry(outcome.as_str()).or_insert(0) += 1;
            }
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
        let counts: Vec<String> = counts.into_iter().map(|(outcome, count)| format!("{outcome}: {count}")).collect();
        Ok(if counts.is_empty() { "nobody lacks anything".to_owned() } else { counts.join(", ") })
    }
}

provost_sdk::manifest!("../plugin.toml");
provost_sdk::export!(ProfileSync: schedule);

impl ProfileSync {
    /// Asks about one person and writes what was learned. Only the directory itself can fail this.
    fn sync(&self, id: &str, person: &Resource, now_ms: u64) -> Result<Outcome> {
        let (outcome, record) = match self.ask(person) {
            Ok(Some(record)) => (Outcome::Ok, record),
            Ok(None) => (Outcome::Pending, Value::Null),
            Err(failure) => {
                log::warn("somebody could not be synced", &[("id", &id), ("why", &failure)]);
                (Outcome::Failed, Value::Null)
            }
        };
        let patch = self.learned(person, &record);
        let patch = self.with_status(patch, person, outcome, now_ms);
        if patch.operations().is_empty() {
            return Ok(outcome);
        }
        match directory::patch("User", id, &patch) {
            Ok(_) => Ok(outcome),
            Err(failure) if failure.is_retryable() => Err(failure),
            Err(failure) => {
                log::warn("what was learned about somebody was refused", &[("id", &id), ("why", &failure)]);
                Ok(Outcome::Failed)
            }
        }
    }

    /// The person's record in the other system; none if it has none.
    fn ask(&self, person: &Resource) -> Result<Option<Value>> {
        let mut request = http::Request::get(self.address(person)?).header("accept", "application/json");
        request.credential = self.credential.clone();
        let answer = request.send()?;
        if matches!(answer.status, 404 | 410) {
            return Ok(None);
        }
        let answer = answer.success("the other system")?;
        Ok(Some(answer.json().map_err(|_| Failure::new("the other system did not answer with JSON"))?))
    }

    fn address(&self, person: &Resource) -> Result<String> {
        let mut address = String::new();
        let mut rest = self.url.as_str();
        while let Some((before, behind)) = rest.split_once('{') {
            let (path, behind) = behind.split_once('}').ok_or_else(|| Failure::new("`url` lacks a `}`"))?;
            let value = person.text(path).ok_or_else(|| Failure::new(format!("the person has no text at `{path}`")))?;
            address.push_str(before);
            address.push_str(&http::escape(value));
            rest = behind;
        }
        address.push_str(rest);
        Ok(address)
    }

    fn learned(&self, person: &Resource, record: &Value) -> Patch {
        let values = self.fill.iter().filter_map(|(path, pointer)| Some((path, record.pointer(pointer)?)));
        let new = values.filter(|(path, value)| !value.is_null() && person.get(path) != Some(value));
        let patch = new.fold(Patch::new(), |patch, (path, value)| patch.replace(path, value.clone()));
        let Some(Identifier { path, system, from }) = &self.identifier else { return patch };
        let value = match record.pointer(from) {
            Some(Value::String(text)) if !text.is_empty() => text.clone(),
            Some(Value::Number(number)) => number.to_string(),
            _ => return patch,
        };
        let known =
            person.values(path).into_iter().any(|known| known["system"] == **system && known["value"] == *value);
        match known {
            true => patch,
            false => patch.add(path, json!([{ "system": system, "value": value }])),
        }
    }

    /// Replaces this sync's own entry in the list of statuses, if it says something new.
    fn with_status(&self, patch: Patch, person: &Resource, outcome: Outcome, now_ms: u64) -> Patch {
        let Some(Status { path, name }) = &self.status else { return patch };
        let statuses = person.values(path);
        let own = statuses.iter().find(|status| status["name"] == **name);
        if own.is_some_and(|own| own["status"] == outcome.as_str()) && patch.operations().is_empty() {
            return patch;
        }
        let patch = match own {
            Some(_) => patch.remove(&format!("{path}[{}]", filter::eq("name", name.as_str()))),
            None => patch,
        };
        let at = time::date_time(now_ms);
        patch.add(path, json!([{ "name": name, "status": outcome.as_str(), "at": at }]))
    }
}

fn rest_key(id: &str) -> String {
    format!("rests:{id}")
}

fn rests(id: &str) -> Result<bool> {
    Ok(state::get(&rest_key(id))?.is_some())
}

fn default_batch() -> u32 {
    200
}

fn default_rest() -> u64 {
    60
}

#[cfg(test)]
mod tests;
