//! What is said to whom, and when: relative to the first day, or on the last.

use std::time::Duration;

use provost_sdk::Value;
use provost_sdk::prelude::*;

/// How long a message may be late and is still sent: what was due longer ago is not news any more.
const LATE_DAYS: i64 = 2;

/// How long it is remembered that a message was sent.
const REMEMBERED: Duration = Duration::from_secs(400 * 24 * 60 * 60);

const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// One message.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Message {
    /// What it is called, in the request and in the memory of what was sent.
    name: String,
    /// How many days after the first day it is due; before it, if negative. A message without days
    /// is sent to those who have lost their access.
    days: Option<i32>,
    /// Where it is posted.
    url: String,
    /// The secret that the host puts into the request.
    credential: Option<String>,
    #[serde(default)]
    to: To,
}

/// Who is in the message besides the person it is about.
#[derive(Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum To {
    #[default]
    Person,
    Manager,
    /// The manager, and everybody with the same one.
    Team,
}

impl Message {
    pub fn is_dated(&self) -> bool {
        self.days.is_some()
    }

    pub fn is_farewell(&self) -> bool {
        self.days.is_none()
    }

    pub fn check(&self, at: usize) -> Vec<Finding> {
        let is_http = self.url.starts_with("https://") || self.url.starts_with("http://");
        let url = (!is_http).then(|| Finding::new(format!("message[{at}].url"), "is not an http URL"));
        let name = self.name.is_empty().then(|| Finding::new(format!("message[{at}].name"), "is empty"));
        url.into_iter().chain(name).collect()
    }

    /// Posts the message, once in a person's life. The receiver can tell a repetition by its key.
    pub fn send(&self, id: &str, person: &Resource) -> Result {
        let key = format!("sent:{}:{id}", self.name);
        if state::get(&key)?.is_some() {
            return Ok(());
        }
        let body = json!({ "message": self.name, "person": person, "to": self.receivers(id, person)? });
        let mut request = http::Request::post(&*self.url).json(&body)?.header("idempotency-key", &*key);
        request.credential = self.credential.clone();
        request.send()?.success(&format!("the receiver of `{}`", self.name))?;
        Ok(state::put_for(&key, "", REMEMBERED)?)
    }

    fn receivers(&self, id: &str, person: &Resource) -> Result<Vec<Value>> {
        let manager = person.text(&format!("{ENTERPRISE}:manager.value"));
        let (To::Manager | To::Team, Some(manager)) = (&self.to, manager) else {
            return Ok(if self.to == To::Person { vec![address(person)] } else { Vec::new() });
        };
        let mut receivers = Vec::new();
        receivers.extend(directory::get::<Resource>("User", manager)?.as_ref().map(address));
        if self.to == To::Team {
            let team =
                filter::and([filter::eq(&format!("{ENTERPRISE}:manager.value"), manager), filter::eq("active", true)]);
            directory::walk("User", &team, |mate: Resource| {
                receivers.extend((mate.id() != Some(id)).then(|| address(&mate)));
                Ok(())
            })?;
        }
        Ok(receivers)
    }
}

fn address(person: &Resource) -> Value {
    json!({ "id": person.id(), "displayName": person.get("displayName"), "emails": person.get("emails") })
}

/// Sends what is due now relative to the first day. One that fails does not keep the others waiting.
pub fn send_due(messages: &[Message], start_date: Option<&str>, now_ms: u64) -> Result<String> {
    let Some(path) = start_date else { return Ok("there is no `start_date`, so nothing is due".to_owned()) };
    let (mut sent, mut failed) = (0, None);
    for message in messages {
        let Some(days) = message.days else { continue };
        // Whose first day is `days` ago, or as many more as a message may be late.
        let first = |days_ago: i64| time::date_time(now_ms.saturating_add_signed(-days_ago * time::DAY_MS as i64));
        let days = i64::from(days);
        let due = filter::and([
            filter::compare(path, "le", first(days)),
            filter::compare(path, "gt", first(days + LATE_DAYS)),
        ]);
        directory::walk("User", &due, |person: Resource| {
            match message.send(person.id().unwrap_or_default(), &person) {
                Ok(()) => sent += 1,
                Err(failure) => failed = Some(failure),
            }
            Ok(())
        })?;
    }
    match failed {
        None => Ok(format!("{sent} messages were sent or had been sent")),
        Some(failure) => Err(failure),
    }
}
