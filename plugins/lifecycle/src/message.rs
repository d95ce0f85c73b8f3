//! What is said to whom, and when: relative to the first day, or on the last.

use std::time::Duration;

use provost_sdk::Value;
use provost_sdk::prelude::*;

/// How long a message may be late and is still sent: what was due longer ago is not news any more.
const LATE_DAYS: i64 = 2;

/// How long it is remembered that a message was sent.
const REMEMBERED: Duration = Duration::from_secs(400 * 24 * 60 * 60);

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
    /// Whether it is due on a day, and not when access ends.
    pub fn is_dated(&self) -> bool {
        self.days.is_some()
    }

    pub fn check(&self, at: usize, found: &mut Findings) {
        found.url(format!("message[{at}].url"), &self.url);
        found.filled(format!("message[{at}].name"), &self.name);
    }

    /// Posts the message, once in a person's life. The receiver can tell a repetition by its key.
    pub fn send(&self, id: &str, person: &Resource) -> Result {
        let once = state::once(&format!("sent:{}:{id}", self.name), REMEMBERED, |key| {
            let body = json!({ "message": self.name, "person": person, "to": self.receivers(id, person)? });
            let request = http::Request::post(&*self.url).json(&body)?.header("idempotency-key", key);
            let request = self.credential.iter().fold(request, http::Request::credential);
            request.send()?.success(&format!("the receiver of `{}`", self.name)).map(drop)
        });
        once.map(drop)
    }

    fn receivers(&self, id: &str, person: &Resource) -> Result<Vec<Value>> {
        if self.to == To::Person {
            return Ok(vec![address(person)]);
        }
        let Some(manager) = person.manager() else { return Ok(Vec::new()) };
        let boss = directory::get::<Resource>("User", manager)?;
        let team = if self.to == To::Team { directory::team_of(manager)? } else { Vec::new() };
        Ok(boss.iter().chain(team.iter().filter(|mate| mate.id() != Some(id))).map(address).collect())
    }
}

fn address(person: &Resource) -> Value {
    json!({ "id": person.id(), "displayName": person.get("displayName"), "emails": person.get("emails") })
}

/// Sends what is due now relative to the first day. One that fails does not keep the others waiting.
pub fn send_due(messages: &[Message], start_date: Option<&str>, now_ms: u64) -> Result<String> {
    let Some(path) = start_date else { return Ok("there is no `start_date`, so nothing is due".to_owned()) };
    let sent =
        messages.iter().filter_map(|message| Some((message, i64::from(message.days?)))).map(|(message, days)| {
            // Whose first day is `days` ago, or as many more as a message may be late.
            let first = |days_ago: i64| time::days_later(now_ms, -days_ago);
            let due = filter::dated(path, first(days + LATE_DAYS), first(days));
            directory::visit("User", &due, |person: Resource| message.send(person.id().unwrap_or_default(), &person))
        });
    let sent: Vec<Result<u64>> = sent.collect();
    let sent: u64 = sent.into_iter().sum::<Result<u64>>()?;
    Ok(format!("{sent} messages were sent or had been sent"))
}
