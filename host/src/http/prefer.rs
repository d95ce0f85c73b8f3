//! `Prefer: return=minimal` and `return=representation` (RFC 7240): what a client would like to get back.
//!
//! It decides about PATCH only, where the protocol leaves the choice. POST and PUT always answer
//! with the resource: RFC 7644 sections 3.3 and 3.5.1 have no other success.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::header::HeaderName;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue};
use serde::Deserialize;

/// The header of a client's wishes.
const PREFER: HeaderName = HeaderName::from_static("prefer");

/// The header that says which wish was granted.
pub const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// What a successful PATCH answers with when the client does not say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PatchAnswer {
    /// 200 with the resource.
    #[default]
    Resource,
    /// 204 without a body.
    Nothing,
}

/// The preference `return`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Return {
    /// As little as possible.
    Minimal,
    /// The resource.
    Representation,
}

impl Return {
    /// The preference as `Preference-Applied` repeats it.
    pub fn applied(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Minimal => "return=minimal",
            Self::Representation => "return=representation",
        })
    }
}

/// What the client would like, if it says.
pub struct Prefer(pub Option<Return>);

impl<S: Sync> FromRequestParts<S> for Prefer {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(preferred(&parts.headers)))
    }
}

/// The first `return` counts, and any later one does not (RFC 7240 section 2). What it does not
/// know, a server ignores.
fn preferred(headers: &HeaderMap) -> Option<Return> {
    let wishes = wishes(headers);
    let (_, first) = wishes.iter().find(|(name, value)| name.eq_ignore_ascii_case("return") && value.is_some())?;
    match first.as_deref() {
        Some("minimal") => Some(Return::Minimal),
        Some("representation") => Some(Return::Representation),
        _ => None,
    }
}

/// Every preference in the order it was sent, with its value if it has one, without its parameters.
pub(super) fn wishes(headers: &HeaderMap) -> Vec<(String, Option<String>)> {
    let lines: Vec<_> = headers.get_all(PREFER).iter().filter_map(|line| line.to_str().ok()).collect();
    let lines = lines.join(",");
    let wishes = split(&lines, ',').into_iter().filter_map(|wish| split(wish, ';').into_iter().next());
    let taken_apart = wishes.map(|wish| match wish.split_once('=') {
        Some((name, value)) => (name.trim().to_owned(), Some(value.trim().trim_matches('"').to_owned())),
        None => (wish.trim().to_owned(), None),
    });
    taken_apart.collect()
}

/// Splits where no quotes are open.
fn split(text: &str, separator: char) -> Vec<&str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(|c| {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ => return c == separator && !quoted,
        }
        false
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(lines: &[&'static str], expected: Option<Return>) {
        let headers = lines.iter().map(|line| (PREFER, HeaderValue::from_static(line))).collect();
        assert_eq!(preferred(&headers), expected, "{lines:?}");
    }

    #[test]
    fn preferences_are_read_as_rfc_7240_writes_them() {
        check(&["return=minimal"], Some(Return::Minimal));
        check(&["return=representation"], Some(Return::Representation));
        check(&["Return = \"minimal\""], Some(Return::Minimal));
        check(
            &["respond-async, wait=100; x=\"a,return=representation\", return=minimal; foo=bar"],
            Some(Return::Minimal),
        );
        check(&["handling=lenient", "return=minimal"], Some(Return::Minimal));
        check(&["x=\"say \\\", return=representation\", return=minimal"], Some(Return::Minimal));
    }

    #[test]
    fn the_first_of_several_counts() {
        check(&["return=minimal, return=representation"], Some(Return::Minimal));
        check(&["return=representation", "return=minimal"], Some(Return::Representation));
        check(&["return=nonsense, return=minimal"], None);
    }

    #[test]
    fn what_is_no_such_preference_is_ignored() {
        for line in
            ["", "return", "return=", "return=everything", "minimal", "x-return=minimal", ",;=", "\"return=minimal"]
        {
            check(&[line], None);
        }
        check(&[], None);
    }
}
