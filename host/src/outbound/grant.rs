//! Where a request may go: origins, methods, and the address that a text names.

use std::fmt;

use reqwest::Url;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::OutboundError;

/// One origin that requests may go to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = HttpGrant)]
pub struct Grant {
    /// Scheme, host and port, matched exactly: `https://hr.example.org`, `http://127.0.0.1:9000`.
    #[schema(value_type = String)]
    pub origin: Origin,
    /// The methods that may be used there.
    pub methods: Vec<Method>,
    /// Whether the origin may lie at a private, loopback or link-local address.
    #[serde(default)]
    pub private: bool,
}

/// Scheme, host and port.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Origin {
    scheme: String,
    /// Lower case, without a last dot; an IPv6 address in its brackets.
    host: String,
    port: u16,
}

impl Origin {
    /// The origin of a URL that [`destination`] made.
    pub(super) fn of(url: &Url) -> Self {
        Self {
            scheme: url.scheme().to_owned(),
            host: url.host_str().unwrap_or_default().to_owned(),
            port: url.port_or_known_default().unwrap_or_default(),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.host)?;
        match (self.scheme.as_str(), self.port) {
            ("http", 80) | ("https", 443) => Ok(()),
            (_, port) => write!(f, ":{port}"),
        }
    }
}

impl From<Origin> for String {
    fn from(origin: Origin) -> Self {
        origin.to_string()
    }
}

impl TryFrom<String> for Origin {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let url = destination(&text).map_err(|error| format!("`{text}` is not an origin: {error}"))?;
        if url.path() != "/" || url.query().is_some() {
            return Err(format!("`{text}` is not an origin: it goes on behind host and port"));
        }
        Ok(Self::of(&url))
    }
}

/// The methods a request may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
#[schema(as = HttpMethod)]
#[expect(missing_docs, reason = "their names say it")]
pub enum Method {
    Get,
    Head,
    Options,
    Post,
    Put,
    Patch,
    Delete,
}

impl Method {
    const ALL: [Method; 7] = [Self::Get, Self::Head, Self::Options, Self::Post, Self::Put, Self::Patch, Self::Delete];

    /// The method of this name, in capitals.
    ///
    /// # Errors
    /// When there is none, or it is one that no plugin may use.
    pub fn parse(name: &str) -> Result<Self, OutboundError> {
        Self::ALL.into_iter().find(|method| method.as_str() == name).ok_or_else(|| {
            OutboundError::protocol("the method is none of GET, HEAD, OPTIONS, POST, PUT, PATCH, DELETE")
        })
    }

    /// The method as it stands on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Options => "OPTIONS",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}

impl From<Method> for reqwest::Method {
    fn from(method: Method) -> Self {
        match method {
            Method::Get => Self::GET,
            Method::Head => Self::HEAD,
            Method::Options => Self::OPTIONS,
            Method::Post => Self::POST,
            Method::Put => Self::PUT,
            Method::Patch => Self::PATCH,
            Method::Delete => Self::DELETE,
        }
    }
}

/// The grant that covers this request.
pub(super) fn find<'a>(grants: &'a [Grant], method: Method, url: &Url) -> Result<&'a Grant, OutboundError> {
    let origin = Origin::of(url);
    let mut there = grants.iter().filter(|grant| grant.origin == origin).peekable();
    if there.peek().is_none() {
        return Err(OutboundError::denied(format!("no grant names the origin {origin}")));
    }
    there
        .find(|grant| grant.methods.contains(&method))
        .ok_or_else(|| OutboundError::denied(format!("no grant allows {} at {origin}", method.as_str())))
}

/// Reads a URL and puts its host into the one spelling that grants are compared in. The parser
/// has already made `HTTP://EXAMPLE.org` lower case and `http://0x7f.1` the address it stands for.
pub(super) fn destination(text: &str) -> Result<Url, OutboundError> {
    let mut url = Url::parse(text).map_err(|error| OutboundError::protocol(format!("not an absolute URL: {error}")))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(OutboundError::denied(format!("the scheme `{}` is neither http nor https", url.scheme())));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(OutboundError::denied("the URL carries a user name or password"));
    }
    url.set_fragment(None);
    if let Some(host) = url.domain().and_then(|host| host.strip_suffix('.')).map(str::to_owned) {
        url.set_host(Some(&host)).map_err(|error| OutboundError::protocol(format!("not a host: {error}")))?;
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(text: &str) -> Result<String, String> {
        Origin::try_from(text.to_owned()).map(String::from)
    }

    #[test]
    fn one_origin_has_one_spelling() {
        for text in [
            "https://hr.example.org",
            "HTTPS://HR.Example.ORG:443/",
            "https://hr.example.org.",
            "https://hr.example.org.:443",
        ] {
            assert_eq!(origin(text).unwrap(), "https://hr.example.org", "{text}");
        }
        for text in ["http://127.0.0.1:9000", "http://0x7f.1:9000", "http://2130706433:9000", "http://127.0.0.1.:9000"]
        {
            assert_eq!(origin(text).unwrap(), "http://127.0.0.1:9000", "{text}");
        }
        assert_eq!(origin("http://[::FFFF:127.0.0.1]").unwrap(), "http://[::ffff:7f00:1]");
        assert_eq!(origin("https://bücher.example").unwrap(), "https://xn--bcher-kva.example");
    }

    #[test]
    fn what_is_no_origin_is_refused_with_its_reason() {
        for (text, reason) in [
            ("hr.example.org", "absolute"),
            ("ftp://hr.example.org", "`ftp`"),
            ("https://ana:secret@hr.example.org", "user name"),
            ("https://hr.example.org/scim", "goes on"),
            ("https://hr.example.org?x=1", "goes on"),
            ("https://", "absolute"),
        ] {
            assert!(origin(text).unwrap_err().contains(reason), "{text}: {:?}", origin(text));
        }
    }

    #[test]
    fn a_grant_covers_its_scheme_host_port_and_methods_only() {
        let grants = [Grant {
            origin: Origin::try_from("https://hr.example.org".to_owned()).unwrap(),
            methods: vec![Method::Get],
            private: false,
        }];
        let asked = |method: &str, url: &str| {
            find(&grants, Method::parse(method).unwrap(), &destination(url).unwrap()).map(drop)
        };

        assert_eq!(asked("GET", "https://HR.example.org:443/people?id=1#x"), Ok(()));
        for (method, url) in [
            ("POST", "https://hr.example.org/"),
            ("GET", "http://hr.example.org/"),
            ("GET", "https://hr.example.org:8443/"),
            ("GET", "https://hr.example.org.evil.test/"),
            ("GET", "https://evil.test/https://hr.example.org"),
            ("GET", "https://www.hr.example.org/"),
        ] {
            assert!(matches!(asked(method, url), Err(OutboundError::Denied(_))), "{method} {url}");
        }
    }

    #[test]
    fn methods_are_a_closed_set_in_capitals() {
        assert_eq!(Method::parse("PATCH"), Ok(Method::Patch));
        for name in ["get", "CONNECT", "TRACE", "", "GET "] {
            assert!(Method::parse(name).is_err(), "{name}");
        }
    }
}
