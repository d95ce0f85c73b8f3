//! The one HTTP client: every request that leaves this server goes through here.
//!
//! A request is held against its [`Policy`] first: is the origin granted, with this method? Then
//! the name is resolved, addresses that are not the public internet's are refused unless the grant
//! says `private`, and the connection goes to an address that was checked. An answer that points
//! elsewhere is handed back as it is: no redirect is followed, no proxy is asked, no cookie is
//! kept. Time and bytes are bounded both ways.

mod address;
mod error;
mod grant;
mod pinned;
mod resolve;

#[cfg(test)]
mod tests;

use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, ClientBuilder, Url};
use tokio::time::timeout;
use tracing::warn;

pub use error::OutboundError;
pub use grant::{Grant, Method, Origin};
pub use pinned::ClientIdentity;

use crate::limits;
use address::Reach;
use resolve::{Names, Resolver};

/// How long an idle connection is kept for the next request to the same place.
const IDLE_CONNECTION: Duration = Duration::from_secs(30);

/// How many idle connections are kept for one place.
const IDLE_CONNECTIONS_MAX: usize = 8;

/// How many headers an answer may have.
const ANSWER_HEADERS_MAX: usize = 100;

/// Headers that belong to the connection or to the message's framing, and so to this client.
const OWN_HEADERS: [&str; 12] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// A request on its way out, as somebody asked for it: nothing in it has been checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// The method.
    pub method: String,
    /// An absolute URL.
    pub url: String,
    /// Headers, without those of the connection.
    pub headers: Vec<(String, String)>,
    /// The body; empty for none.
    pub body: Vec<u8>,
}

/// An answer, whatever its status.
#[derive(Debug, Clone, PartialEq)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// The headers, in the order they came.
    pub headers: Vec<(String, String)>,
    /// The whole body.
    pub body: Vec<u8>,
}

/// What one request may do.
#[derive(Debug, Clone, Copy)]
pub struct Policy<'a> {
    /// Where it may go, and how.
    pub grants: &'a [Grant],
    /// How long it may take, from the name's resolution to the answer's last byte.
    pub timeout: Duration,
    /// How large the answer's body may be.
    pub answer_bytes_max: usize,
}

impl Policy<'_> {
    /// Whether some grant covers this method and URL, without sending anything.
    ///
    /// # Errors
    /// [`OutboundError::Denied`] names what is not granted, [`OutboundError::Protocol`] what is no
    /// method or URL.
    pub fn permits(&self, method: &str, url: &str) -> Result<(), OutboundError> {
        let method = Method::parse(method)?;
        let url = grant::destination(url)?;
        grant::find(self.grants, method, &url).map(drop)
    }
}

/// The client. Cheap to clone; clones share their connections.
#[derive(Debug, Clone)]
pub struct Outbound {
    /// Connects to public addresses only.
    public: Client,
    /// Connects to private ones too. Its connections are its own, so that none made under a
    /// `private` grant serves a request without one.
    private: Client,
}

impl Default for Outbound {
    fn default() -> Self {
        Self::new()
    }
}

impl Outbound {
    /// A client that trusts the system's certificate authorities.
    pub fn new() -> Self {
        Self::resolving(Names::System)
    }

    /// A client that trusts nobody but servers whose certificate has one of these SHA-256 digests, in
    /// hexadecimal, and shows this identity where it is asked for one.
    ///
    /// # Errors
    /// What is wrong with the identity.
    pub fn pinned(pins: Vec<String>, identity: Option<&ClientIdentity>) -> Result<Self, &'static str> {
        let config = pinned::config(pins, identity)?;
        let client = |reach| builder(reach, Names::System).tls_backend_preconfigured(config.clone()).build();
        let broken = "the client could not be made";
        Ok(Self {
            public: client(Reach::Public).map_err(|_| broken)?,
            private: client(Reach::Private).map_err(|_| broken)?,
        })
    }

    fn resolving(names: Names) -> Self {
        // Another part of the process may have chosen a provider already; any will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self { public: client(Reach::Public, names.clone()), private: client(Reach::Private, names) }
    }

    /// Sends one request and reads its answer whole.
    ///
    /// # Errors
    /// [`OutboundError`] says what did not happen; an answer with an error status is no error.
    pub async fn send(&self, request: Request, policy: &Policy<'_>) -> Result<Response, OutboundError> {
        let method = Method::parse(&request.method)?;
        let url = grant::destination(&request.url)?;
        let grant = grant::find(policy.grants, method, &url)?;
        let reach = if grant.private { Reach::Private } else { Reach::Public };
        address::check_literal(&url, reach)?;
        let headers = own_headers_apart(&request.headers)?;
        if request.body.len() > limits::HTTP_REQUEST_BYTES_MAX {
            return Err(OutboundError::TooLarge);
        }

        let client = match reach {
            Reach::Public => &self.public,
            Reach::Private => &self.private,
        };
        let exchange = exchange(client, method, url, headers, request.body, policy.answer_bytes_max);
        timeout(policy.timeout, exchange).await.unwrap_or(Err(OutboundError::Timeout))
    }
}

fn builder(reach: Reach, names: Names) -> ClientBuilder {
    Client::builder()
        .user_agent(concat!("provost/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .no_proxy()
        .dns_resolver(Resolver::new(reach, names))
        .connect_timeout(Duration::from_millis(limits::HTTP_CONNECT_MILLIS_MAX))
        .pool_idle_timeout(IDLE_CONNECTION)
        .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
        .http1_max_headers(ANSWER_HEADERS_MAX)
        .http2_max_header_list_size(limits::HTTP_HEADER_BYTES_MAX as u32)
}

fn client(reach: Reach, names: Names) -> Client {
    let plain = || builder(reach, names.clone());
    plain().build().unwrap_or_else(|error| {
        // A machine without certificate authorities can still speak plain HTTP.
        warn!(error = %error, "no certificate authorities could be read: https requests will fail");
        let trusts_nobody = plain().tls_certs_only([]).build();
        trusts_nobody.expect("a client that trusts nobody needs nothing from the system")
    })
}

fn own_headers_apart(asked: &[(String, String)]) -> Result<HeaderMap, OutboundError> {
    let bytes: usize = asked.iter().map(|(name, value)| name.len() + value.len()).sum();
    if bytes > limits::HTTP_HEADER_BYTES_MAX {
        return Err(OutboundError::TooLarge);
    }
    let mut headers = HeaderMap::with_capacity(asked.len());
    for (name, value) in asked {
        let name: HeaderName = name.parse().map_err(|_| OutboundError::protocol("a header's name is not a name"))?;
        if OWN_HEADERS.contains(&name.as_str()) {
            return Err(OutboundError::denied(format!("the header `{name}` is the host's to set")));
        }
        let value = HeaderValue::from_str(value)
            .map_err(|_| OutboundError::protocol(format!("the value of header `{name}` has forbidden characters")))?;
        headers.append(name, value);
    }
    Ok(headers)
}

async fn exchange(
    client: &Client,
    method: Method,
    url: Url,
    headers: HeaderMap,
    body: Vec<u8>,
    answer_bytes_max: usize,
) -> Result<Response, OutboundError> {
    let mut request = client.request(method.into(), url).headers(headers);
    if !body.is_empty() {
        request = request.body(body);
    }
    let mut answer = request.send().await.map_err(OutboundError::from_client)?;

    let status = answer.status().as_u16();
    let headers = answer_headers(answer.headers())?;
    if answer.content_length().is_some_and(|length| length > answer_bytes_max as u64) {
        return Err(OutboundError::TooLarge);
    }
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(OutboundError::from_client)? {
        if body.len() + chunk.len() > answer_bytes_max {
            return Err(OutboundError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Response { status, headers, body })
}

fn answer_headers(headers: &HeaderMap) -> Result<Vec<(String, String)>, OutboundError> {
    let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if bytes > limits::HTTP_HEADER_BYTES_MAX {
        return Err(OutboundError::TooLarge);
    }
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    Ok(headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect())
}
