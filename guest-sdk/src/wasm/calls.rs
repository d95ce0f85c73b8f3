//! What a plugin asks of the host, as calls of the component's imports.

use super::convert::{pairs, to_pairs};
use super::imports::provost::plugin as wit;
use crate::{Member, directory, http, log, outbox, state};

pub(crate) fn log(level: log::Level, message: &str, fields: Vec<(String, String)>) {
    let level = match level {
        log::Level::Debug => wit::log::Level::Debug,
        log::Level::Info => wit::log::Level::Info,
        log::Level::Warn => wit::log::Level::Warn,
        log::Level::Error => wit::log::Level::Error,
    };
    wit::log::write(level, message, &to_pairs(fields));
}

pub(crate) fn config() -> String {
    wit::config::get()
}

pub(crate) fn state_get(key: &str) -> Result<Option<Vec<u8>>, state::Error> {
    Ok(wit::state::get(key)?)
}

pub(crate) fn state_put(key: &str, value: &[u8], ttl_s: Option<u64>) -> Result<(), state::Error> {
    Ok(wit::state::put(key, value, ttl_s)?)
}

pub(crate) fn state_delete(key: &str) -> Result<(), state::Error> {
    Ok(wit::state::delete(key)?)
}

pub(crate) fn state_compare_and_put(
    key: &str,
    expected: Option<&[u8]>,
    value: Option<&[u8]>,
) -> Result<(), state::Error> {
    Ok(wit::state::compare_and_put(key, expected, value)?)
}

pub(crate) fn state_scan(
    prefix: &str,
    after: Option<&str>,
    limit: u32,
) -> Result<Vec<(String, Vec<u8>)>, state::Error> {
    Ok(wit::state::scan(prefix, after, limit)?)
}

pub(crate) fn directory_get(resource_type: &str, id: &str) -> Result<Option<String>, directory::Error> {
    Ok(wit::directory::get(resource_type, id)?)
}

pub(crate) fn directory_find(
    resource_type: &str,
    filter: &str,
    cursor: Option<&str>,
    count: u32,
) -> Result<(Vec<String>, Option<String>), directory::Error> {
    let page = wit::directory::find(resource_type, filter, cursor, count)?;
    Ok((page.resources, page.next_cursor))
}

pub(crate) fn directory_members(group: &str, after: Option<&str>, count: u32) -> Result<Vec<Member>, directory::Error> {
    Ok(wit::directory::members(group, after, count)?.into_iter().map(Into::into).collect())
}

pub(crate) fn directory_is_member(group: &str, id: &str) -> Result<bool, directory::Error> {
    Ok(wit::directory::is_member(group, id)?)
}

pub(crate) fn directory_apply(write: directory::Write) -> Result<Option<String>, directory::WriteError> {
    let action = match write.action {
        directory::Action::Create => wit::directory_write::Action::Create,
        directory::Action::Replace => wit::directory_write::Action::Replace,
        directory::Action::Patch => wit::directory_write::Action::Patch,
        directory::Action::Delete => wit::directory_write::Action::Delete,
    };
    Ok(wit::directory_write::apply(&wit::directory_write::Request {
        action,
        resource_type: write.resource_type,
        id: write.id,
        body: write.body,
        if_match: write.if_match,
    })?)
}

pub(crate) fn metrics_count(name: &str, by: u64, labels: Vec<(String, String)>) {
    wit::metrics::count(name, by, &to_pairs(labels));
}

pub(crate) fn metrics_observe(name: &str, value: f64, labels: Vec<(String, String)>) {
    wit::metrics::observe(name, value, &to_pairs(labels));
}

pub(crate) fn enqueue(target: &str, payload: String, options: outbox::Options) -> Result<(), outbox::Error> {
    Ok(wit::outbox::enqueue(target, &payload, &options.into())?)
}

pub(crate) fn enqueue_request(
    target: &str,
    request: http::Request,
    options: outbox::Options,
) -> Result<(), outbox::Error> {
    let request = wit::outbox::Request {
        method: request.method,
        url: request.url,
        headers: to_pairs(request.headers),
        body: request.body,
        credential: request.credential,
    };
    Ok(wit::outbox::enqueue_request(target, &request, &options.into())?)
}

pub(crate) fn http_send(request: http::Request) -> Result<http::Response, http::Error> {
    let response = wit::http::send(&wit::http::Request {
        method: request.method,
        url: request.url,
        headers: to_pairs(request.headers),
        body: request.body,
        credential: request.credential,
        timeout_ms: request.timeout_ms,
    })?;
    Ok(http::Response { status: response.status, headers: pairs(response.headers), body: response.body })
}

impl From<outbox::Options> for wit::outbox::Options {
    fn from(options: outbox::Options) -> Self {
        Self { headers: to_pairs(options.headers), delay_s: options.delay_s, deduplicate: options.deduplicate }
    }
}

impl From<wit::state::Error> for state::Error {
    fn from(error: wit::state::Error) -> Self {
        match error {
            wit::state::Error::Quota => Self::Quota,
            wit::state::Error::Conflict => Self::Conflict,
            wit::state::Error::TooLarge => Self::TooLarge,
            wit::state::Error::Unavailable(reason) => Self::Unavailable(reason),
        }
    }
}

impl From<wit::directory::Error> for directory::Error {
    fn from(error: wit::directory::Error) -> Self {
        match error {
            wit::directory::Error::Invalid(reason) => Self::Invalid(reason),
            wit::directory::Error::TooLarge => Self::TooLarge,
            wit::directory::Error::Unavailable(reason) => Self::Unavailable(reason),
        }
    }
}

impl From<wit::directory_write::Error> for directory::WriteError {
    fn from(error: wit::directory_write::Error) -> Self {
        match error {
            wit::directory_write::Error::Denied(what) => Self::Denied(what),
            wit::directory_write::Error::Refused(refused) => {
                Self::Refused { status: refused.status, scim_type: refused.scim_type, detail: refused.detail }
            }
            wit::directory_write::Error::Looped(plugins) => Self::Looped(plugins),
            wit::directory_write::Error::Unavailable(reason) => Self::Unavailable(reason),
        }
    }
}

impl From<wit::outbox::Error> for outbox::Error {
    fn from(error: wit::outbox::Error) -> Self {
        match error {
            wit::outbox::Error::Denied(what) => Self::Denied(what),
            wit::outbox::Error::Quota => Self::Quota,
            wit::outbox::Error::TooLarge => Self::TooLarge,
            wit::outbox::Error::Invalid(reason) => Self::Invalid(reason),
        }
    }
}

impl From<wit::http::Error> for http::Error {
    fn from(error: wit::http::Error) -> Self {
        match error {
            wit::http::Error::Denied(what) => Self::Denied(what),
            wit::http::Error::Timeout => Self::Timeout,
            wit::http::Error::Dns(reason) => Self::Dns(reason),
            wit::http::Error::Connect(reason) => Self::Connect(reason),
            wit::http::Error::Tls(reason) => Self::Tls(reason),
            wit::http::Error::TooLarge => Self::TooLarge,
            wit::http::Error::Protocol(reason) => Self::Protocol(reason),
        }
    }
}
