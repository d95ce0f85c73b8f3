//! Tokens for OAuth client credentials (RFC 6749 section 4.4): got by the host, kept until shortly
//! before they expire or the client secret is another, and got anew once after a receiver refused one.

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::{SignedDuration, Timestamp};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use serde::Deserialize;
use tokio::sync::Mutex;
use url::form_urlencoded;

use super::credentials::Credential;
use super::grant::{self, Grant, Method, Origin};
use super::secret::{Secret, SecretConfig};
use super::{Outbound, OutboundError, Policy, Request};
use crate::clock::Clock;
use crate::limits;

/// The present token of one secret. Whoever needs one while it is being got waits for it.
pub(super) struct Tokens {
    clock: Clock,
    present: Mutex<Option<Token>>,
}

struct Token {
    text: Secret,
    /// The client secret that it was got with.
    got_with: Secret,
    renew_at: Timestamp,
}

impl Token {
    fn is_good(&self, secret: &Secret, now: Timestamp) -> bool {
        self.got_with == *secret && now < self.renew_at
    }
}

/// What a token endpoint answers (RFC 6749 section 5.1).
#[derive(Deserialize)]
struct Answer {
    access_token: String,
    token_type: String,
    #[serde(default)]
    expires_in: Option<u64>,
}

impl Tokens {
    pub(super) fn new(clock: Clock) -> Self {
        Self { clock, present: Mutex::new(None) }
    }

    /// A token that can be used for a while.
    pub(super) async fn get(
        &self,
        credential: &Credential,
        secret: &Secret,
        outbound: &Outbound,
    ) -> Result<Secret, OutboundError> {
        let mut present = self.present.lock().await;
        if let Some(token) = present.as_ref().filter(|token| token.is_good(secret, self.clock.now())) {
            return Ok(token.text.clone());
        }
        let token = self.fetch(credential, secret, outbound).await?;
        Ok(present.insert(token).text.clone())
    }

    /// Forgets a token that a receiver refused, so that the next one is new.
    pub(super) async fn refused(&self, text: Option<&Secret>) -> bool {
        let mut present = self.present.lock().await;
        if present.as_ref().is_some_and(|token| Some(&token.text) == text) {
            *present = None;
        }
        true
    }

    async fn fetch(
        &self,
        credential: &Credential,
        secret: &Secret,
        outbound: &Outbound,
    ) -> Result<Token, OutboundError> {
        let config = &credential.config;
        let failed = |why: &str| OutboundError::Secret(format!("no token for the secret `{}`: {why}", credential.name));
        let url = config.token_url.clone().ok_or_else(|| failed("it has no `token_url`"))?;
        let origin = Origin::of(&grant::destination(&url).map_err(|_| failed("its `token_url` is no URL"))?);
        let grants = [Grant { origin, methods: vec![Method::Post], private: config.private }];
        let policy = Policy {
            grants: &grants,
            secrets: &[],
            timeout: Duration::from_millis(limits::TOKEN_MILLIS_MAX),
            answer_bytes_max: limits::TOKEN_ANSWER_BYTES_MAX,
        };

        let request = Request {
            method: Method::Post.as_str().to_owned(),
            url,
            headers: vec![
                ("content-type".to_owned(), "application/x-www-form-urlencoded".to_owned()),
                ("accept".to_owned(), "application/json".to_owned()),
            ],
            body: form(config).into_bytes(),
            credential: None,
        };
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, client(config.client_id.as_deref().unwrap_or_default(), secret));

        let asked = self.clock.now();
        let answer = outbound.send_own(request, headers, &policy).await.map_err(|error| failed(&error.to_string()))?;
        if answer.status != 200 {
            return Err(failed(&format!("the token endpoint answered {}", answer.status)));
        }
        // Nothing of the answer is repeated: all of it may be the token.
        let answer: Answer = serde_json::from_slice(&answer.body)
            .map_err(|_| failed("what the token endpoint answered is no token (RFC 6749 section 5.1)"))?;
        if !answer.token_type.eq_ignore_ascii_case("bearer") {
            return Err(failed("the token endpoint gave a token of another type than `Bearer`"));
        }
        let text = Secret::new(answer.access_token).map_err(|why| failed(&format!("its access token {why}")))?;
        Ok(Token { text, got_with: secret.clone(), renew_at: renew_at(asked, answer.expires_in) })
    }
}

/// What is asked for, as a form (RFC 6749 section 4.4.2).
fn form(config: &SecretConfig) -> String {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("grant_type", "client_credentials");
    let optional = [("scope", &config.scope), ("audience", &config.audience)];
    for (name, value) in optional.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?))) {
        form.append_pair(name, value);
    }
    form.finish()
}

/// Client id and secret as HTTP Basic, each in the form's encoding (RFC 6749 section 2.3.1).
fn client(id: &str, secret: &Secret) -> HeaderValue {
    let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let pair = BASE64_STANDARD.encode(format!("{}:{}", encoded(id), encoded(secret.reveal())));
    let mut value = HeaderValue::try_from(format!("Basic {pair}")).expect("base64 fits a header");
    value.set_sensitive(true);
    value
}

/// When a token is due to be got anew: a tenth of its life before its end, a minute at most.
fn renew_at(asked: Timestamp, expires_in: Option<u64>) -> Timestamp {
    let life = expires_in.unwrap_or(limits::TOKEN_SECONDS_DEFAULT).min(limits::TOKEN_SECONDS_MAX);
    let early = (life / 10).min(60);
    asked + SignedDuration::from_secs(i64::try_from(life - early).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_renewed_before_it_expires() {
        let asked: Timestamp = "2030-01-01T00:00:00Z".parse().unwrap();
        let seconds = |expires_in| renew_at(asked, expires_in).duration_since(asked).as_secs();

        assert_eq!(seconds(Some(3_600)), 3_540);
        assert_eq!(seconds(Some(100)), 90);
        assert_eq!(seconds(Some(0)), 0);
        assert_eq!(seconds(None), 270);
        assert_eq!(seconds(Some(u64::MAX)), 86_400 - 60);
    }

    #[test]
    fn a_client_is_named_in_the_encoding_of_forms() {
        let value = client("a b", &Secret::new("p:s%".to_owned()).unwrap());

        assert_eq!(value.to_str().unwrap(), format!("Basic {}", BASE64_STANDARD.encode("a+b:p%3As%25")));
        assert!(value.is_sensitive());
    }
}
