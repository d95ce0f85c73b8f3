//! `http`: requests to granted origins, within the call's own time.

use std::time::Duration;

use tokio::time::Instant;

use super::super::bindings::wit;
use super::super::guest::{Guest, Phase};
use super::pairs;
use crate::limits::HTTP_ANSWER_BYTES_MAX;
use crate::outbound::{OutboundError, Policy, Request, Response};
use wit::http::Error;

impl wit::http::Host for Guest {
    async fn send(&mut self, request: wit::http::Request) -> wasmtime::Result<Result<wit::http::Response, Error>> {
        self.enter("http.send")?;
        Ok(self.send_http(request).await)
    }
}

impl Guest {
    async fn send_http(&mut self, request: wit::http::Request) -> Result<wit::http::Response, Error> {
        if self.is(Phase::Lifecycle) {
            return Err(Error::Denied("no request can be sent while the plugin is being loaded".to_owned()));
        }
        self.http_calls += 1;
        let allowed = self.http_calls_max();
        if self.http_calls > allowed {
            return Err(Error::Denied(format!("one call may send no more than {allowed} requests")));
        }
        let left = self.deadline.saturating_duration_since(Instant::now());
        let asked = request.timeout_ms.map(|ms| Duration::from_millis(ms.into()));
        let policy = Policy {
            grants: &self.identity.config.grant.http,
            secrets: &self.identity.config.grant.secrets,
            timeout: asked.map_or(left, |asked| asked.min(left)),
            answer_bytes_max: HTTP_ANSWER_BYTES_MAX,
        };
        if let Some(origin) = policy.grants.iter().find(|grant| request.url.starts_with(&grant.origin.to_string())) {
            self.identity.usage.count(format!("http {} {}", origin.origin, request.method));
        }
        let wit::http::Request { method, url, headers, body, credential, .. } = request;
        let request = Request { method, url, headers: pairs(headers), body, credential };
        let answer = self.house.outbound.send(request, &policy).await;
        answer.map(response).map_err(error)
    }
}

fn response(answer: Response) -> wit::http::Response {
    let headers = answer.headers.into_iter().map(|(name, value)| wit::types::Pair { name, value }).collect();
    wit::http::Response { status: answer.status, headers, body: answer.body }
}

fn error(error: OutboundError) -> Error {
    match error {
        OutboundError::Denied(why) => Error::Denied(why),
        OutboundError::Timeout => Error::Timeout,
        OutboundError::Dns(why) => Error::Dns(why),
        // The interface has no word of its own for it; like a failed connection, it may be mended.
        OutboundError::Connect(why) | OutboundError::Secret(why) => Error::Connect(why),
        OutboundError::Tls(why) => Error::Tls(why),
        OutboundError::TooLarge => Error::TooLarge,
        // Nor for this one; the request may have been carried out, which a failed connection would deny.
        OutboundError::Closed(_) => Error::Protocol(error.to_string()),
        OutboundError::Protocol(why) => Error::Protocol(why),
    }
}
