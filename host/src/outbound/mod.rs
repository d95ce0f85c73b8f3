//! The one HTTP client: every request that leaves this server goes through here.
//!
//! A request is held against its [`Policy`] first: is the origin granted, with this method? Then
//! the name is resolved, addresses that are not the public internet's are refused unless the grant
//! says `private`, and the connection goes to an address that was checked. An answer that points
//! elsewhere is handed back as it is: no redirect is followed, no cookie is kept, and no proxy is
//! asked but the operator's. Time and bytes are bounded both ways. A request that names a secret gets
//! it here, at the last moment, so that nobody else ever holds it.

mod address;
mod configured;
mod credentials;
mod error;
mod grant;
mod oauth;
mod pinned;
mod resolve;
mod secret;

#[cfg(test)]
mod tests;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, ClientBuilder, Url};
use tokio::time::timeout;
use tracing::warn;

pub use configured::OutboundConfig;
pub use error::OutboundError;
pub use grant::{Grant, Method, Origin};
pub use pinned::ClientIdentity;
pub use secret::{Kind, Secret, SecretConfig, SecretConfigs, check_secrets};

use crate::clock::Clock;
use crate::limits;
use address::Reach;
use configured::Settings;
use credentials::{Credential, Credentials};
use resolve::{Names, Resolver};

/// How long an idle connection is kept for the next request to the same place.
const IDLE_CONNECTION: Duration = Duration::from_secs(30);

/// How many idle connections are kept for one place.
const IDLE_CONNECTIONS_MAX: usize = 8;

/// How many headers an answer may have.
const ANSWER_HEADERS_MAX: usize = 100;

/// The status with which a receiver refuses a credential.
const UNAUTHORIZED: u16 = 401;

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
    /// The name of a secret that is to be put into it.
    pub credential: Option<String>,
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
    /// The names of the secrets it may carry.
    pub secrets: &'a [String],
    /// How long it may take, from the name's resolution to the answer's last byte.
    pub timeout: Duration,
    /// How large the answer's body may be.
    pub answer_bytes_max: usize,
}

/// The client. Cheap to clone; clones share their connections.
#[derive(Clone)]
pub struct Outbound {
    /// Connects to public addresses only.
    public: Client,
    /// Connects to private ones too. Its connections are its own, so that none made under a
    /// `private` grant serves a request without one.
    private: Client,
    /// What both were made from.
    settings: Arc<Settings>,
    credentials: Credentials,
}

impl Default for Outbound {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Outbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Outbound")
    }
}

/// A request that may be sent.
struct Permitted<'a> {
    method: Method,
    url: Url,
    headers: HeaderMap,
    reach: Reach,
    credential: Option<&'a Credential>,
}

impl Outbound {
    /// A client that trusts the system's certificate authorities, and has no secrets.
    pub fn new() -> Self {
        Self::resolving(Names::System)
    }

    /// The client as the operator configured it. The clock tells when a token has to be renewed.
    ///
    /// # Errors
    /// The dotted key that is wrong, and how.
    pub fn configured(
        config: &OutboundConfig,
        secrets: &SecretConfigs,
        clock: &Clock,
    ) -> Result<Self, (String, String)> {
        let credentials = Credentials::new(secrets, clock, &Credentials::default());
        Ok(Self { credentials, ..Self::with(Names::System, settings(config)?) })
    }

    /// The client that takes this one's place when the configuration was read again. A connection is used again only
    /// under the settings it was made with, and a token only with the secret it was got with.
    ///
    /// # Errors
    /// The dotted key that is wrong, and how. This client stays as it is.
    pub fn next(
        &self,
        config: &OutboundConfig,
        secrets: &SecretConfigs,
        clock: &Clock,
    ) -> Result<Self, (String, String)> {
        let settings = settings(config)?;
        let credentials = Credentials::new(secrets, clock, &self.credentials);
        let clients = if settings == *self.settings { self.clone() } else { Self::with(Names::System, settings) };
        Ok(Self { credentials, ..clients })
    }

    /// Whether this is that client: the same connections, secrets and tokens.
    pub fn is(&self, other: &Self) -> bool {
        self.settings == other.settings && self.credentials.are(&other.credentials)
    }

    /// Whether there is a secret of this name.
    pub fn has_secret(&self, name: &str) -> bool {
        self.credentials.has(name)
    }

    /// The file whose authorities it trusts beside the system's.
    pub fn file(&self) -> Option<&Path> {
        self.settings.file()
    }

    /// A client that trusts nobody but servers whose certificate has one of these SHA-256 digests, in
    /// hexadecimal, and shows this identity where it is asked for one.
    ///
    /// # Errors
    /// What is wrong with the identity.
    pub fn pinned(pins: Vec<String>, identity: Option<&ClientIdentity>) -> Result<Self, &'static str> {
        let config = pinned::config(pins, identity)?;
        let client = |reach| {
            let builder = builder(reach, &Names::System, None).tls_backend_preconfigured(config.clone());
            builder.build().map_err(|_| "the client could not be made")
        };
        let mut pinned = Self::new();
        (pinned.public, pinned.private) = (client(Reach::Public)?, client(Reach::Private)?);
        Ok(pinned)
    }

    fn resolving(names: Names) -> Self {
        Self::with(names, Settings::default())
    }

    fn with(names: Names, settings: Settings) -> Self {
        install_provider();
        Self {
            public: client(Reach::Public, &names, &settings),
            private: client(Reach::Private, &names, &settings),
            settings: Arc::new(settings),
            credentials: Credentials::default(),
        }
    }

    /// Looks whether every secret is where the configuration says.
    ///
    /// # Errors
    /// The dotted key of the first that is not, and what is wrong.
    pub async fn check_secrets(&self) -> Result<(), (String, String)> {
        for credential in self.credentials.all() {
            let missing = |(key, text): secret::Problem| (format!("secret.{}.{key}", credential.name), text);
            credential.config.read().await.map_err(missing)?;
        }
        Ok(())
    }

    /// Whether this request may be sent under this policy, without sending anything.
    ///
    /// # Errors
    /// [`OutboundError::Denied`] names what is not granted, [`OutboundError::Protocol`] what is no
    /// method, URL or header.
    pub fn permits(&self, request: &Request, policy: &Policy<'_>) -> Result<(), OutboundError> {
        self.permit(request, policy).map(drop)
    }

    fn permit(&self, request: &Request, policy: &Policy<'_>) -> Result<Permitted<'_>, OutboundError> {
        let method = Method::parse(&request.method)?;
        let url = grant::destination(&request.url)?;
        let grant = grant::find(policy.grants, method, &url)?;
        let reach = if grant.private { Reach::Private } else { Reach::Public };
        let headers = own_headers_apart(&request.headers)?;
        let credential = request.credential.as_deref();
        let credential =
            credential.map(|name| self.credentials.permit(name, policy.secrets, grant, &url, &headers)).transpose()?;
        Ok(Permitted { method, url, headers, reach, credential })
    }

    /// Sends one request and reads its answer whole. A secret that the answer repeats is blotted out.
    ///
    /// # Errors
    /// [`OutboundError`] says what did not happen; an answer with an error status is no error.
    pub async fn send(&self, request: Request, policy: &Policy<'_>) -> Result<Response, OutboundError> {
        let permitted = self.permit(&request, policy)?;
        address::check_literal(&permitted.url, permitted.reach)?;
        if request.body.len() > limits::HTTP_REQUEST_BYTES_MAX {
            return Err(OutboundError::TooLarge);
        }
        let exchange = async {
            match permitted.credential {
                Some(credential) => self.with_secret(credential, &permitted, request.body, policy).await,
                None => self.exchange(&permitted, permitted.headers.clone(), request.body, policy).await,
            }
        };
        let allowed = self.settings.timeout.map_or(policy.timeout, |most| policy.timeout.min(most));
        timeout(allowed, exchange).await.unwrap_or(Err(OutboundError::Timeout))
    }

    /// The same for a request of this module's own, with headers that nobody else sees.
    async fn send_own(&self, request: Request, own: HeaderMap, policy: &Policy<'_>) -> Result<Response, OutboundError> {
        let mut permitted = self.permit(&request, policy)?;
        address::check_literal(&permitted.url, permitted.reach)?;
        permitted.headers.extend(own);
        let exchange = self.exchange(&permitted, permitted.headers.clone(), request.body, policy);
        timeout(policy.timeout, exchange).await.unwrap_or(Err(OutboundError::Timeout))
    }

    async fn with_secret(
        &self,
        credential: &Credential,
        permitted: &Permitted<'_>,
        body: Vec<u8>,
        policy: &Policy<'_>,
    ) -> Result<Response, OutboundError> {
        let mut renewed = false;
        loop {
            let mut headers = permitted.headers.clone();
            let filled = credential.fill(self, &mut headers).await?;
            let answer = self.exchange(permitted, headers, body.clone(), policy).await?;
            if answer.status == UNAUTHORIZED && !renewed && credential.renewed(&filled).await {
                renewed = true;
                continue;
            }
            let headers = answer.headers.into_iter().map(|(name, value)| (name, filled.blot_text(value)));
            return Ok(Response { status: answer.status, headers: headers.collect(), body: filled.blot(answer.body) });
        }
    }

    async fn exchange(
        &self,
        permitted: &Permitted<'_>,
        headers: HeaderMap,
        body: Vec<u8>,
        policy: &Policy<'_>,
    ) -> Result<Response, OutboundError> {
        let client = match permitted.reach {
            Reach::Public => &self.public,
            Reach::Private => &self.private,
        };
        exchange(client, permitted.method, permitted.url.clone(), headers, body, policy.answer_bytes_max).await
    }
}

/// `[outbound]` as it was found good, or the dotted key that is wrong.
fn settings(config: &OutboundConfig) -> Result<Settings, (String, String)> {
    config.settings().map_err(|(key, text)| (format!("outbound.{key}"), text))
}

/// Another part of the process may have chosen a provider already; any will do.
fn install_provider() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

fn builder(reach: Reach, names: &Names, proxy_name: Option<&str>) -> ClientBuilder {
    Client::builder()
        .user_agent(concat!("provost/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .no_proxy()
        .dns_resolver(Resolver::new(reach, names.clone(), proxy_name))
        .connect_timeout(Duration::from_millis(limits::HTTP_CONNECT_MILLIS_MAX))
        .pool_idle_timeout(IDLE_CONNECTION)
        .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
        .http1_max_headers(ANSWER_HEADERS_MAX)
        .http2_max_header_list_size(limits::HTTP_HEADER_BYTES_MAX as u32)
}

fn client(reach: Reach, names: &Names, settings: &Settings) -> Client {
    let plain = || builder(reach, names, settings.proxy_name());
    settings.on(plain()).and_then(ClientBuilder::build).unwrap_or_else(|error| {
        // A machine without certificate authorities can still speak plain HTTP.
        warn!(error = %error.without_url(), "no certificate authorities could be read: https requests will fail");
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
