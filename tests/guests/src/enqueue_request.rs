//! Enqueues an HTTP request that the host sends by itself.

use provost_sdk::prelude::*;

/// The request; its body says what the change was.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct EnqueueRequest {
    url: String,
    #[serde(default = "post")]
    method: String,
    #[serde(default = "hook")]
    target: String,
    credential: Option<String>,
    deduplicate: Option<String>,
    #[serde(default)]
    delay_s: u64,
    /// How many of them.
    #[serde(default = "one")]
    times: u32,
}

impl Plugin for EnqueueRequest {
    const INFO: Info = Info { name: "enqueue_request", ..provost_sdk::info!() };

    fn review(&self, change: &Change) -> Result<Verdict> {
        for number in 1..=self.times {
            let body = json!({
                "operation": change.operation.as_str(),
                "resourceType": change.resource_type,
                "resourceId": change.resource_id,
                "requestId": change.request_id,
                "number": number,
                "resource": change.proposed::<Resource>()?,
            });
            let mut request = http::Request::new(&self.method, &self.url).json(&body)?;
            request.credential = self.credential.clone();
            let mut options = outbox::Options::new().header("x-guest", "enqueue_request");
            options.deduplicate = self.deduplicate.clone();
            options.delay_s = self.delay_s;
            outbox::enqueue_request(&self.target, request, options)?;
        }
        Ok(Verdict::proceed())
    }
}

provost_sdk::export!(EnqueueRequest: before_write);

fn post() -> String {
    "POST".to_owned()
}

fn hook() -> String {
    "hook".to_owned()
}

fn one() -> u32 {
    1
}
