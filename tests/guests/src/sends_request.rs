//! Sends an HTTP request while a change is reviewed, and refuses it with everything that it learned.

use provost_sdk::prelude::*;

/// The request.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SendsRequest {
    url: String,
    credential: Option<String>,
    header: Option<(String, String)>,
}

impl Plugin for SendsRequest {
    const INFO: Info = Info { name: "sends_request", ..provost_sdk::info!() };

    fn review(&self, _: &Change) -> Result<Verdict> {
        let mut request = http::Request::get(&self.url);
        request.credential = self.credential.clone();
        request.headers.extend(self.header.clone());
        Ok(Verdict::conflict(match request.send() {
            Ok(answer) => {
                let body = String::from_utf8_lossy(&answer.body);
                format!("{} {:?} {body}", answer.status, answer.headers)
            }
            Err(error) => format!("no answer: {error:?}"),
        }))
    }
}

provost_sdk::export!(SendsRequest: before_write);
