//! Secrets as the operator writes them down: `[secret.NAME]`, and where each one's text is.
//!
//! A [`Secret`] cannot be printed, logged or serialised. What names one in errors and logs is its
//! name and where it is kept, never what it is.

use std::collections::BTreeMap;
use std::fmt;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use reqwest::header::HeaderName;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use tokio::io::AsyncReadExt as _;

use super::OWN_HEADERS;
use super::grant::{self, Origin};
use crate::limits;

/// A text that nobody but a receiver may see. It has no `Debug`, no `Display` and no `Serialize`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The text itself, for whoever sends it.
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }

    /// Takes a text whose length and characters fit a header.
    pub(super) fn new(text: String) -> Result<Self, &'static str> {
        if text.len() < limits::SECRET_BYTES_MIN {
            return Err("is shorter than four characters");
        }
        if text.len() > limits::SECRET_BYTES_MAX {
            return Err("is larger than a secret may be");
        }
        if text.chars().any(char::is_control) {
            return Err("has characters that no header can carry");
        }
        Ok(Self(text))
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Read as anything first: serde's own words for a wrong type repeat what they found.
        match serde_json::Value::deserialize(deserializer) {
            Ok(serde_json::Value::String(text)) => Self::new(text).map_err(|why| D::Error::custom(format!("it {why}"))),
            Ok(_) | Err(_) => Err(D::Error::custom("a secret is a text in quotes")),
        }
    }
}

/// How a secret is put into a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// `Authorization: Bearer SECRET` (RFC 6750).
    #[default]
    Bearer,
    /// `Authorization: Basic`, as the password of `username` (RFC 7617).
    Basic,
    /// As the value of `header`.
    Header,
    /// `Authorization: Bearer TOKEN`, with a token that the host gets for `client_id` and this as its
    /// client secret (RFC 6749 section 4.4).
    Oauth,
}

/// `[secret.NAME]`: where a secret is kept, and how and where it is sent.
#[derive(Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretConfig {
    /// A file that holds it, relative to the configuration; white space at its end does not count.
    #[serde(default)]
    pub file: Option<PathBuf>,
    /// The environment variable that holds it.
    #[serde(default)]
    pub env: Option<String>,
    /// The secret itself.
    #[serde(default)]
    pub value: Option<Secret>,
    /// How it is put into a request.
    #[serde(default)]
    pub kind: Kind,
    /// The user name of `basic`.
    #[serde(default)]
    pub username: Option<String>,
    /// The header of `header`.
    #[serde(default)]
    pub header: Option<String>,
    /// Where `oauth` gets its tokens.
    #[serde(default)]
    pub token_url: Option<String>,
    /// Who asks for them.
    #[serde(default)]
    pub client_id: Option<String>,
    /// What they are to allow.
    #[serde(default)]
    pub scope: Option<String>,
    /// Whom they are for.
    #[serde(default)]
    pub audience: Option<String>,
    /// Whether `token_url` may lie at a private address, or be plain HTTP.
    #[serde(default)]
    pub private: bool,
    /// The origins it may be sent to; absent for all that a plugin with this secret is granted.
    #[serde(default)]
    pub origins: Option<Vec<Origin>>,
}

impl fmt::Debug for SecretConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretConfig").field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// What is wrong with a secret: the key behind `secret.NAME`, and one sentence.
pub type Problem = (&'static str, String);

impl SecretConfig {
    /// Checks everything that can be told without the secret itself.
    ///
    /// # Errors
    /// The key, and what was expected.
    pub fn check(&self) -> Result<(), Problem> {
        let wrong = |key, text: &str| Err((key, text.to_owned()));
        let sources = [self.file.is_some(), self.env.is_some(), self.value.is_some()];
        if sources.iter().filter(|is| **is).count() != 1 {
            return wrong("file", "expected exactly one of `file`, `env` and `value`");
        }
        let keys = [
            ("username", self.username.is_some(), Kind::Basic, true),
            ("header", self.header.is_some(), Kind::Header, true),
            ("token_url", self.token_url.is_some(), Kind::Oauth, true),
            ("client_id", self.client_id.is_some(), Kind::Oauth, true),
            ("scope", self.scope.is_some(), Kind::Oauth, false),
            ("audience", self.audience.is_some(), Kind::Oauth, false),
            ("private", self.private, Kind::Oauth, false),
        ];
        for (key, given, kind, needed) in keys {
            match (given, kind == self.kind) {
                (true, false) => return wrong(key, "belongs to another `kind` than this secret has"),
                (false, true) if needed => return wrong(key, "this `kind` needs it"),
                (true, true) | (false, _) => {}
            }
        }
        if self.username.as_ref().is_some_and(|name| name.contains(':') || name.chars().any(char::is_control)) {
            return wrong("username", "a user name has no colon and no control characters (RFC 7617)");
        }
        if let Some(header) = &self.header {
            let name: HeaderName = header.parse().map_err(|_| ("header", "is no header's name".to_owned()))?;
            if OWN_HEADERS.contains(&name.as_str()) || name.as_str() == "idempotency-key" {
                return wrong("header", "this header is the host's to set");
            }
        }
        if let Some(url) = &self.token_url {
            let url = grant::destination(url).map_err(|error| ("token_url", error.to_string()))?;
            if url.scheme() != "https" && !self.private {
                return wrong("token_url", "a client secret goes over https only, unless `private = true`");
            }
        }
        Ok(())
    }

    /// Lets a file that is named relatively begin in this directory.
    pub fn relative_to(&mut self, directory: &Path) {
        if let Some(file) = &mut self.file {
            *file = directory.join(&file);
        }
    }

    /// The file with the secret in it that everybody on this machine can read, if it is so: its own,
    /// or the configuration.
    pub fn public_file<'a>(&'a self, configuration: &'a Path) -> Option<&'a Path> {
        let file = self.file.as_deref().or(self.value.as_ref().map(|_| configuration))?;
        let mode = std::fs::metadata(file).ok()?.permissions().mode();
        (mode & 0o004 != 0).then_some(file)
    }

    /// The secret as it is now: a file is read at every use, so that it can be replaced.
    pub(super) async fn read(&self) -> Result<Secret, Problem> {
        if let Some(value) = &self.value {
            return Ok(value.clone());
        }
        if let Some(variable) = &self.env {
            let unset = |_| ("env", format!("the environment variable `{variable}` is not set, or is no text"));
            let text = std::env::var(variable).map_err(unset)?;
            return Secret::new(text).map_err(|why| ("env", format!("the environment variable `{variable}` {why}")));
        }
        let Some(file) = &self.file else { return Err(("file", "the secret is kept nowhere".to_owned())) };
        let wrong = |why: &str| ("file", format!("the file `{}` {why}", file.display()));
        let opened = tokio::fs::File::open(file).await.map_err(|error| wrong(&format!("cannot be read: {error}")))?;
        let mut bytes = Vec::new();
        let bounded = opened.take(limits::SECRET_BYTES_MAX as u64 + 2).read_to_end(&mut bytes).await;
        bounded.map_err(|error| wrong(&format!("cannot be read: {error}")))?;
        let text = String::from_utf8(bytes).map_err(|_| wrong("is no text"))?;
        Secret::new(text.trim_end().to_owned()).map_err(wrong)
    }
}

/// All secrets of the configuration, by name.
pub type SecretConfigs = BTreeMap<String, SecretConfig>;

/// Checks every secret, and its name.
///
/// # Errors
/// The dotted key of the first thing that is wrong, and what was expected.
pub fn check_secrets(secrets: &SecretConfigs) -> Result<(), (String, String)> {
    if secrets.len() > limits::SECRETS_MAX {
        return Err(("secret".to_owned(), format!("expected at most {} secrets", limits::SECRETS_MAX)));
    }
    for (name, secret) in secrets {
        let fits = name.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-'));
        if !fits || name.is_empty() || name.len() > 64 {
            let rule = "a secret's name has 1 to 64 lower-case letters, digits, `.`, `_` or `-`";
            return Err(("secret".to_owned(), rule.to_owned()));
        }
        secret.check().map_err(|(key, text)| (format!("secret.{name}.{key}"), text))?;
    }
    Ok(())
}
