//! `outbox`: messages that are committed with the change, and delivered afterwards.

use super::super::bindings::wit;
use super::super::guest::{Guest, Phase};
use super::pairs;
use crate::hook::{HookGroup, StagedMessage, Work};
use crate::limits::OUTBOX_MESSAGE_BYTES_MAX;
use crate::outbound::{self, OutboundError, Policy};
use wit::outbox::{Error, Options, Request};

impl wit::outbox::Host for Guest {
    async fn enqueue(
        &mut self,
        target: String,
        payload: String,
        options: Options,
    ) -> wasmtime::Result<Result<(), Error>> {
        self.enter("outbox.enqueue")?;
        Ok(self.enqueue_payload(target, payload, options))
    }

    async fn enqueue_request(
        &mut self,
        target: String,
        request: Request,
        options: Options,
    ) -> wasmtime::Result<Result<(), Error>> {
        self.enter("outbox.enqueue-request")?;
        Ok(self.enqueue_http(target, request, options))
    }
}

impl Guest {
    fn enqueue_payload(&mut self, target: String, payload: String, options: Options) -> Result<(), Error> {
        if !self.identity.exports.has(HookGroup::Deliver) {
            let why = "the plugin does not export `deliver`; it can enqueue requests only";
            return Err(Error::Invalid(why.to_owned()));
        }
        if serde_json::from_str::<serde::de::IgnoredAny>(&payload).is_err() {
            return Err(Error::Invalid("the payload is not JSON".to_owned()));
        }
        self.stage_message(target, Work::Deliver { payload }, Vec::new(), options)
    }

    fn enqueue_http(&mut self, target: String, request: Request, options: Options) -> Result<(), Error> {
        let grant = &self.identity.config.grant;
        let timeout = self.identity.bounds.delivery;
        let policy = Policy { grants: &grant.http, secrets: &grant.secrets, timeout, answer_bytes_max: 0 };
        let Request { method, url, headers, body, credential } = request;
        let headers: Vec<_> = pairs(headers);
        // The secret is put in when the message leaves; what is kept is its name.
        let all = headers.iter().cloned().chain(pairs(options.headers.clone())).collect();
        let asked = outbound::Request { method, url, headers: all, body, credential };
        self.house.outbound.permits(&asked, &policy).map_err(|error| match error {
            OutboundError::Denied(why) => Error::Denied(why),
            OutboundError::TooLarge => Error::TooLarge,
            other => Error::Invalid(other.to_string()),
        })?;
        let outbound::Request { method, url, body, credential, .. } = asked;
        self.stage_message(target, Work::Request { method, url, body, credential }, headers, options)
    }

    fn stage_message(
        &mut self,
        target: String,
        work: Work,
        mut headers: Vec<(String, String)>,
        options: Options,
    ) -> Result<(), Error> {
        if !self.is(Phase::BeforeWrite) {
            return Err(Error::Invalid("messages can be enqueued in `before-write` only".to_owned()));
        }
        if !self.identity.config.grant.outbox.contains(&target) {
            return Err(Error::Denied(format!("the target `{}` is not granted", target.escape_default())));
        }
        if self.messages.len() >= self.identity.bounds.outbox_messages {
            return Err(Error::Quota);
        }
        headers.extend(pairs(options.headers));
        let message =
            StagedMessage { target, work, headers, delay_s: options.delay_s, deduplicate: options.deduplicate };
        if bytes(&message) > OUTBOX_MESSAGE_BYTES_MAX {
            return Err(Error::TooLarge);
        }
        self.identity.usage.count(format!("outbox {}", message.target));
        self.messages.push(message);
        Ok(())
    }
}

fn bytes(message: &StagedMessage) -> usize {
    let work = match &message.work {
        Work::Deliver { payload } => payload.len(),
        Work::Request { method, url, body, credential } => {
            method.len() + url.len() + body.len() + credential.as_ref().map_or(0, String::len)
        }
        Work::Observe => 0,
    };
    let headers: usize = message.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    let deduplicate = message.deduplicate.as_ref().map_or(0, String::len);
    message.target.len() + work + headers + deduplicate
}
