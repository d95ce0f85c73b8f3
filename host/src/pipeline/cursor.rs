//! Cursors: where a page ended, sealed, so that only this server can make one and only the same
//! caller can use it, for the same query (RFC 9865, checklist S-13.15).
//!
//! Nothing of a cursor is kept here: it holds a position in an order, never a result. It is
//! encrypted because positions hold attribute values, and it is bound to its query by what the
//! encryption authenticates and the cursor itself does not carry. What does not open is one error,
//! whatever the reason: "not yours" and "does not exist" look the same (S-13.14).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{Key, KeyInit, XChaCha20Poly1305, XNonce};
use provost_scim::{Invalid, Projection, ScimType, Search};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::context::RequestContext;
use crate::limits::CURSOR_BYTES_MAX;
use crate::store::Position;

/// How many bytes of a sealed cursor are its nonce.
const NONCE_BYTES: usize = 24;

/// Where a page ended, and what the next one must know of the first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// When it was made, in milliseconds since the epoch.
    pub issued: i64,
    /// How many resources each page holds at most. Not among what it is bound to, so that another
    /// count can be told from another query (S-13.8).
    pub count: usize,
    /// Where the next page begins.
    pub position: Position,
}

/// What a cursor is good for: one caller's one query.
pub struct Purpose([u8; 32]);

impl Purpose {
    /// This caller's search at this endpoint. Other scopes make another caller, so that a cursor
    /// ends when its maker's permissions change.
    pub fn of(cx: &RequestContext, endpoint: &str, search: &Search) -> Self {
        let mut hash = Sha256::new();
        let mut part = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_be_bytes());
            hash.update(bytes);
        };
        part(&cx.realm.0.to_be_bytes());
        part(cx.actor.subject.as_bytes());
        let scopes: Vec<&str> = cx.actor.scopes.iter().map(|scope| scope.as_str()).collect();
        part(scopes.join(" ").as_bytes());
        part(endpoint.as_bytes());
        for text in [&search.filter, &search.sort_by] {
            part(&[u8::from(text.is_some())]);
            part(text.as_deref().unwrap_or_default().as_bytes());
        }
        part(&[u8::from(search.descending)]);
        let (kind, names): (u8, &[String]) = match &search.projection {
            Projection::Default => (0, &[]),
            Projection::Only(names) => (1, names),
            Projection::Except(names) => (2, names),
        };
        part(&[kind]);
        names.iter().for_each(|name| part(name.as_bytes()));
        Self(hash.finalize().into())
    }
}

/// Seals cursors and opens them.
#[derive(Clone)]
pub struct Cursors(XChaCha20Poly1305);

impl Cursors {
    /// With the store's key, which outlives a restart.
    pub fn new(key: &[u8; 32]) -> Self {
        Self(XChaCha20Poly1305::new(&Key::from(*key)))
    }

    /// The cursor as a client hands it back: letters, digits, `-` and `_` (S-13.2).
    pub fn seal(&self, cursor: &Cursor, purpose: &Purpose) -> String {
        let nonce: [u8; NONCE_BYTES] = rand::random();
        let plain = postcard::to_stdvec(cursor).expect("a cursor holds nothing that postcard cannot write");
        let payload = Payload { msg: &plain, aad: &purpose.0 };
        let sealed =
            self.0.encrypt(&XNonce::from(nonce), payload).expect("a cursor is far smaller than the cipher's bound");
        URL_SAFE_NO_PAD.encode([nonce.as_slice(), &sealed].concat())
    }

    /// What was sealed.
    ///
    /// # Errors
    /// `invalidCursor`, when it was not sealed here, or for another purpose.
    pub fn open(&self, text: &str, purpose: &Purpose) -> Result<Cursor, Invalid> {
        let opened = || {
            let bytes = URL_SAFE_NO_PAD.decode(text).ok().filter(|_| text.len() <= CURSOR_BYTES_MAX)?;
            let (nonce, sealed) = bytes.split_first_chunk::<NONCE_BYTES>()?;
            let payload = Payload { msg: sealed, aad: &purpose.0 };
            let plain = self.0.decrypt(&XNonce::from(*nonce), payload).ok()?;
            postcard::from_bytes(&plain).ok()
        };
        opened().ok_or_else(invalid)
    }
}

/// The one answer to every cursor that does not fit.
pub fn invalid() -> Invalid {
    Invalid::new(
        ScimType::InvalidCursor,
        "the cursor is not one that this server made for this query and this caller; ask for the first page again",
    )
}

#[cfg(test)]
mod tests {

    use jiff::Timestamp;
    use proptest::prelude::*;

    use super::*;
    use crate::context::{Actor, Realm, Scope};

    fn context(realm: u32, subject: &str, scopes: &[Scope]) -> RequestContext {
        let actor = Actor { subject: subject.into(), scopes: scopes.into(), ..Actor::default() };
        RequestContext::new("1", Realm(realm), actor, Timestamp::UNIX_EPOCH)
    }

    fn cursor(key: Vec<u8>) -> Cursor {
        let position = (1_u16, (Some(key), uuid::Uuid::from_u128(7)));
        let position = postcard::from_bytes(&postcard::to_stdvec(&position).unwrap()).unwrap();
        Cursor { issued: 5, count: 10, position }
    }

    fn search() -> Search {
        Search { filter: Some("a".into()), sort_by: Some("b".into()), ..Search::default() }
    }

    #[test]
    fn s_13_15_a_cursor_opens_for_its_own_purpose_only() {
        let cursors = Cursors::new(&[7; 32]);
        let own = || Purpose::of(&context(0, "ana", &[Scope::Read]), "User", &search());
        let sealed = cursors.seal(&cursor(b"x".to_vec()), &own());

        assert_eq!(cursors.open(&sealed, &own()), Ok(cursor(b"x".to_vec())));
        let projected = |projection| Search { projection, ..search() };
        let others = [
            Purpose::of(&context(1, "ana", &[Scope::Read]), "User", &search()),
            Purpose::of(&context(0, "ben", &[Scope::Read]), "User", &search()),
            Purpose::of(&context(0, "ana", &[Scope::Read, Scope::Write]), "User", &search()),
            Purpose::of(&context(0, "ana", &[Scope::Read]), "Group", &search()),
            Purpose::of(
                &context(0, "ana", &[Scope::Read]),
                "User",
                &Search { filter: Some("ab".into()), sort_by: None, ..search() },
            ),
            Purpose::of(&context(0, "ana", &[Scope::Read]), "User", &Search { filter: None, ..search() }),
            Purpose::of(
                &context(0, "ana", &[Scope::Read]),
                "User",
                &Search { sort_by: Some(String::new()), ..search() },
            ),
            Purpose::of(&context(0, "ana", &[Scope::Read]), "User", &Search { descending: true, ..search() }),
            Purpose::of(&context(0, "ana", &[Scope::Read]), "User", &projected(Projection::Only(vec!["a".into()]))),
            Purpose::of(&context(0, "ana", &[Scope::Read]), "User", &projected(Projection::Except(vec!["a".into()]))),
        ];
        for (number, other) in others.iter().enumerate() {
            assert_eq!(cursors.open(&sealed, other), Err(invalid()), "purpose {number}");
        }
        assert_eq!(Cursors::new(&[8; 32]).open(&sealed, &own()), Err(invalid()), "another store's key");
    }

    #[test]
    fn s_13_2_a_cursor_is_of_unreserved_characters_has_a_bound_and_shows_no_value() {
        let cursors = Cursors::new(&[7; 32]);
        let purpose = Purpose([0; 32]);
        // The longest key: each byte escaped, and the hash of the rest.
        let sealed = cursors.seal(&cursor(vec![2; 2 * 256 + 34]), &purpose);

        assert!(sealed.len() <= CURSOR_BYTES_MAX / 2, "{}", sealed.len());
        assert!(sealed.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b)), "{sealed}");
        let one = cursors.seal(&cursor(b"secret".to_vec()), &purpose);
        assert!(!URL_SAFE_NO_PAD.decode(&one).unwrap().windows(6).any(|bytes| bytes == b"secret"));
        assert_ne!(one, cursors.seal(&cursor(b"secret".to_vec()), &purpose), "each has a nonce of its own");
    }

    proptest! {
        #[test]
        fn s_13_7_no_other_text_opens(text in "[A-Za-z0-9_=-]{0,120}|\\PC{0,40}", byte in 0_usize..80, flip in 1_u8..) {
            let (cursors, purpose) = (Cursors::new(&[7; 32]), Purpose([0; 32]));
            prop_assert_eq!(cursors.open(&text, &purpose), Err(invalid()));

            let mut sealed = URL_SAFE_NO_PAD.decode(cursors.seal(&cursor(b"x".to_vec()), &purpose)).unwrap();
            let byte = byte % sealed.len();
            sealed[byte] ^= flip;
            prop_assert_eq!(cursors.open(&URL_SAFE_NO_PAD.encode(sealed), &purpose), Err(invalid()));
        }
    }
}
