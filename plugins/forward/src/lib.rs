//! Forward: mirrors every change to an HTTP target, in order, at least once.
//!
//! A review enqueues what is to be sent, so it is committed with the change or not at all. The
//! host hands it to `deliver` afterwards, again and again until the target has it.

use provost_sdk::prelude::*;

/// Where the records go, and what they are called there.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Forward {
    /// The collection; a record's name is added behind a slash.
    url: String,
    /// What the target is called in `grant.outbox` and in listings.
    #[serde(default = "forward")]
    target: String,
    #[serde(default)]
    id: Id,
    #[serde(default = "users")]
    resource_types: Vec<String>,
    /// Attributes that are not sent.
    #[serde(default)]
    leave_out: Vec<String>,
}

/// What a record is called at the target.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Id {
    /// `externalId`, or `id` where there is none.
    #[default]
    ExternalId,
    Id,
}

/// One message: a record to put, or to delete when it has no resource. Without a name of its own
/// it is called by the resource's `id`, which a create learns at its commit.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    name: Option<String>,
    resource: Option<Resource>,
}

impl Plugin for Forward {
    const INFO: Info = provost_sdk::info!();

    fn check(&self) -> Vec<Finding> {
        let is_http = self.url.starts_with("https://") || self.url.starts_with("http://");
        let plain = !self.url.contains(['?', '#']);
        if is_http && plain { Vec::new() } else { vec![Finding::new("url", "is not an http URL without query")] }
    }

    fn review(&self, change: &Change) -> Result<Verdict> {
        if !self.resource_types.contains(&change.resource_type) {
            return Ok(Verdict::proceed());
        }
        let (before, after) = (change.current::<Resource>()?, change.proposed::<Resource>()?);
        let old_name = before.as_ref().map(|resource| self.name(resource));
        let new_name = after.as_ref().map(|resource| self.name(resource));

        if let Some(name) = old_name.clone().filter(|_| old_name != new_name) {
            outbox::enqueue(&self.target, &Record { name, resource: None }, outbox::Options::new())?;
        }
        if let (Some(name), Some(mut resource)) = (new_name, after) {
            resource.remove("meta");
            self.leave_out.iter().for_each(|path| resource.remove(path));
            outbox::enqueue(&self.target, &Record { name, resource: Some(resource) }, outbox::Options::new())?;
        }
        Ok(Verdict::proceed())
    }

    fn deliver(&self, message: &Message) -> Result {
        let Record { name, resource } = message.payload()?;
        let id = message.resource_id.as_deref().ok_or(Failure::new("the message names no resource"))?;
        let url = format!("{}/{}", self.url.trim_end_matches('/'), http::escape(name.as_deref().unwrap_or(id)));
        let deletes = resource.is_none();
        let request = match resource {
            Some(mut resource) => {
                resource.set("id", id);
                http::Request::put(url).json(&resource)?
            }
            None => http::Request::delete(url),
        };

        let answer = request.header("idempotency-key", &message.key).send()?;
        match answer.status {
            200..=299 => Ok(()),
            404 | 410 if deletes => Ok(()),
            status if answer.is_retryable() => Err(Failure::retryable(format!("the target answered {status}"))),
            status => Err(Failure::new(format!("the target answered {status}"))),
        }
    }
}

provost_sdk::manifest!("../plugin.toml");
provost_sdk::export!(Forward: before_write, deliver);

impl Forward {
    /// The resource's own name at the target, if it has one there. A name that a URL would read as
    /// a step between directories is none.
    fn name(&self, resource: &Resource) -> Option<String> {
        let external_id = resource.text("externalId").filter(|name| !matches!(*name, "" | "." | ".."));
        external_id.filter(|_| self.id == Id::ExternalId).map(str::to_owned)
    }
}

fn forward() -> String {
    "forward".to_owned()
}

fn users() -> Vec<String> {
    vec!["User".to_owned()]
}

#[cfg(test)]
mod tests;
