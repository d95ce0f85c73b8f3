//! Puts secrets into requests, at the moment they leave, and takes them out of what comes back.
//!
//! Who asked for the request knows a name. The name must be granted, the secret must be allowed to go
//! to that origin, and it crosses no network in clear. What it is stays here: errors name it, answers that
//! repeat it are blotted.

use std::collections::HashMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use reqwest::Url;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};

use super::grant::{Grant, Origin};
use super::oauth::Tokens;
use super::secret::{Kind, Secret, SecretConfig, SecretConfigs};
use super::{Outbound, OutboundError};
use crate::clock::Clock;

/// What stands in an answer where a secret stood.
const BLOT: &[u8] = b"[secret]";

/// Every secret that requests can carry. Clones share tokens.
#[derive(Clone, Default)]
pub(super) struct Credentials(Arc<HashMap<String, Arc<Credential>>>);

/// One secret, with the tokens that were got for it.
pub(super) struct Credential {
    pub(super) name: String,
    pub(super) config: SecretConfig,
    tokens: Tokens,
}

/// What was put into one request.
pub(super) struct Filled {
    /// What must not be seen in the answer.
    texts: Vec<Secret>,
}

impl Credentials {
    /// Those of the configuration. One that says what it said `before` keeps its token, and no other does.
    pub(super) fn new(configs: &SecretConfigs, clock: &Clock, before: &Self) -> Self {
        let credential = |(name, config): (&String, &SecretConfig)| {
            let same = before.0.get(name).filter(|before| before.config == *config);
            let new = || {
                let tokens = Tokens::new(clock.clone());
                Arc::new(Credential { name: name.clone(), config: config.clone(), tokens })
            };
            (name.clone(), same.cloned().unwrap_or_else(new))
        };
        Self(Arc::new(configs.iter().map(credential).collect()))
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Credential> {
        self.0.values().map(Arc::as_ref)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Whether these are the same, with the same tokens.
    pub(super) fn are(&self, other: &Self) -> bool {
        let same =
            |(name, one): (&String, &Arc<Credential>)| other.0.get(name).is_some_and(|two| Arc::ptr_eq(one, two));
        self.0.len() == other.0.len() && self.0.iter().all(same)
    }

    /// The secret of this name, if it may be put into this request.
    pub(super) fn permit(
        &self,
        name: &str,
        granted: &[String],
        grant: &Grant,
        url: &Url,
        headers: &HeaderMap,
    ) -> Result<&Credential, OutboundError> {
        // One sentence for both, so that nobody can find out which secrets there are.
        let known = self.0.get(name).filter(|_| granted.iter().any(|granted| granted == name)).map(Arc::as_ref);
        let credential = known
            .ok_or_else(|| OutboundError::denied(format!("no secret named `{}` is granted", name.escape_default())))?;
        let origin = Origin::of(url);
        if credential.config.origins.as_ref().is_some_and(|origins| !origins.contains(&origin)) {
            return Err(OutboundError::denied(format!("the secret `{name}` is not for the origin {origin}")));
        }
        if url.scheme() != "https" && !grant.private {
            let why = format!("the secret `{name}` goes over https only, unless the grant says `private = true`");
            return Err(OutboundError::denied(why));
        }
        let header = credential.header();
        if headers.contains_key(&header) {
            return Err(OutboundError::denied(format!("the header `{header}` is the secret's to set")));
        }
        Ok(credential)
    }
}

impl Credential {
    /// The header that it fills.
    fn header(&self) -> HeaderName {
        let named = self.config.header.as_deref().and_then(|name| name.parse().ok());
        named.unwrap_or(AUTHORIZATION)
    }

    /// Puts the secret into the request.
    pub(super) async fn fill(&self, outbound: &Outbound, headers: &mut HeaderMap) -> Result<Filled, OutboundError> {
        let secret = self.config.read().await.map_err(|(_, why)| {
            // The place is for the operator; whoever asked for the request only learns the name.
            tracing::warn!(secret = self.name, "the secret `{}` is not at hand: {why}", self.name);
            OutboundError::Secret(format!("the secret `{}` is not at hand", self.name))
        })?;
        let (value, sent) = match self.config.kind {
            Kind::Bearer => (format!("Bearer {}", secret.reveal()), None),
            Kind::Header => (secret.reveal().to_owned(), None),
            Kind::Basic => {
                let username = self.config.username.as_deref().unwrap_or_default();
                let pair = BASE64_STANDARD.encode(format!("{username}:{}", secret.reveal()));
                (format!("Basic {pair}"), Secret::new(pair).ok())
            }
            Kind::Oauth => {
                let token = self.tokens.get(self, &secret, outbound).await?;
                (format!("Bearer {}", token.reveal()), Some(token))
            }
        };
        let unfit = |_| OutboundError::Secret(format!("the secret `{}` does not fit a header", self.name));
        let mut value = HeaderValue::try_from(value).map_err(unfit)?;
        value.set_sensitive(true);
        headers.insert(self.header(), value);
        Ok(Filled { texts: sent.into_iter().chain([secret]).collect() })
    }

    /// Whether another attempt with a new token may help, since this one was refused.
    pub(super) async fn renewed(&self, filled: &Filled) -> bool {
        match self.config.kind {
            Kind::Oauth => self.tokens.refused(filled.texts.first()).await,
            Kind::Bearer | Kind::Basic | Kind::Header => false,
        }
    }
}

impl Filled {
    /// The same text without what was sent.
    pub(super) fn blot(&self, mut bytes: Vec<u8>) -> Vec<u8> {
        for text in self.texts.iter().map(|text| text.reveal().as_bytes()) {
            let mut clean = Vec::with_capacity(bytes.len());
            let mut rest = bytes.as_slice();
            while let Some(at) = rest.windows(text.len()).position(|window| window == text) {
                clean.extend_from_slice(&rest[..at]);
                clean.extend_from_slice(BLOT);
                rest = &rest[at + text.len()..];
            }
            clean.extend_from_slice(rest);
            bytes = clean;
        }
        bytes
    }

    /// The same for a header's value.
    pub(super) fn blot_text(&self, text: String) -> String {
        String::from_utf8_lossy(&self.blot(text.into_bytes())).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sent_is_blotted_wherever_it_stands_and_nothing_else_is() {
        let filled = |text: &str| Filled { texts: vec![Secret::new(text.to_owned()).unwrap()] };

        assert_eq!(filled("hush").blot(b"hushhush hus".to_vec()), b"[secret][secret] hus");
        assert_eq!(filled("secret").blot(b"a secret".to_vec()), b"a [secret]");
        assert_eq!(filled("hush").blot(Vec::new()), b"");
        assert_eq!(filled("hush").blot_text("Bearer hush".to_owned()), "Bearer [secret]");
    }
}
