//! Who may do what: bearer tokens, and the one question every pipeline function asks first.
//!
//! A token is made once, shown once, and kept only as its SHA-256. It has 256 random bits, so a
//! slow hash would protect nothing.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::TryRngCore;
use rand::rngs::OsRng;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::context::{Capacity, RequestContext, Scope};

/// What every token begins with, so that a leaked one is recognised by secret scanners.
const TOKEN_PREFIX: &str = "provost_";

/// How many random bytes a token carries.
const TOKEN_BYTES: usize = 32;

/// A bearer token in clear. Has no `Debug` or `Display`, so it cannot slip into a log.
pub struct Token(String);

impl Token {
    /// A new token from the operating system's randomness.
    ///
    /// # Errors
    /// When the operating system has none to give.
    pub fn generate() -> Result<Self, rand::rand_core::OsError> {
        let mut bytes = [0_u8; TOKEN_BYTES];
        OsRng.try_fill_bytes(&mut bytes)?;
        Ok(Self(format!("{TOKEN_PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))))
    }

    /// The token as its owner sends it. For the one moment it is shown.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What the store keeps.
    pub fn hash(&self) -> TokenHash {
        hash(&self.0)
    }
}

/// The SHA-256 of a token.
pub type TokenHash = [u8; 32];

/// What the store keeps of a presented token.
pub fn hash(presented: &str) -> TokenHash {
    Sha256::digest(presented.as_bytes()).into()
}

/// What somebody wants to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Read or search resources.
    Read,
    /// Create, replace or patch resources.
    Write,
    /// Delete resources.
    Delete,
    /// See or change the server itself: plugins, outbox, tokens.
    Administer,
    /// Try a change out.
    Try,
}

impl Action {
    /// The scopes of which one is enough; the first is the one to ask for.
    fn needs(self, capacity: Capacity) -> &'static [Scope] {
        match (self, capacity) {
            (Self::Read, Capacity::Owner(_)) => &[Scope::Me, Scope::Read],
            (Self::Write, Capacity::Owner(_)) => &[Scope::Me, Scope::Write],
            (Self::Delete, Capacity::Owner(_)) => &[Scope::MeDelete, Scope::Write],
            (Self::Write, Capacity::Applicant { .. }) => &[Scope::Register],
            (Self::Read, Capacity::Client | Capacity::Applicant { .. } | Capacity::Plugin) => &[Scope::Read],
            (Self::Write, Capacity::Client | Capacity::Plugin)
            | (Self::Delete, Capacity::Client | Capacity::Applicant { .. } | Capacity::Plugin) => &[Scope::Write],
            (Self::Administer, _) => &[Scope::Admin],
            (Self::Try, _) => &[Scope::Try],
        }
    }
}

/// The credential does not allow the action.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this needs the scope `{needed}`, which the credential does not have")]
pub struct Forbidden {
    /// The scope that is missing.
    pub needed: Scope,
}

/// Asks whether the actor may do this. The first line of every pipeline function.
///
/// # Errors
/// [`Forbidden`] names the missing scope.
pub fn allow(cx: &RequestContext, action: Action) -> Result<(), Forbidden> {
    // What a plugin may change by itself is in its grant, to which the pipeline holds it.
    if cx.capacity == Capacity::Plugin && matches!(action, Action::Write | Action::Delete) {
        return Ok(());
    }
    // Owning one resource gives no right to any other.
    let capacity = if let Capacity::Owner(_) = cx.capacity { Capacity::Client } else { cx.capacity };
    one_of(cx, action.needs(capacity))
}

/// The same for one resource, which its owner may do more with than others may.
///
/// # Errors
/// [`Forbidden`] names the missing scope.
pub fn allow_on(cx: &RequestContext, action: Action, id: Uuid) -> Result<(), Forbidden> {
    match cx.capacity {
        Capacity::Owner(own) if own == id => one_of(cx, action.needs(cx.capacity)),
        Capacity::Owner(_) | Capacity::Client | Capacity::Applicant { .. } | Capacity::Plugin => allow(cx, action),
    }
}

/// The same for one's own resource, before it is known which that is.
///
/// # Errors
/// [`Forbidden`] names the missing scope.
pub fn allow_on_own(cx: &RequestContext, action: Action) -> Result<(), Forbidden> {
    one_of(cx, action.needs(Capacity::Owner(Uuid::nil())))
}

fn one_of(cx: &RequestContext, enough: &[Scope]) -> Result<(), Forbidden> {
    match enough.iter().any(|scope| cx.actor.scopes.contains(scope)) {
        true => Ok(()),
        false => Err(Forbidden { needed: enough[0] }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::{Actor, Realm};

    #[test]
    fn two_tokens_differ_and_only_their_hashes_are_compared() {
        let (one, two) = (Token::generate().unwrap(), Token::generate().unwrap());

        assert_ne!(one.reveal(), two.reveal());
        assert_eq!(one.hash(), hash(one.reveal()));
        assert_ne!(one.hash(), two.hash());
        assert_eq!(one.reveal().len(), TOKEN_PREFIX.len() + 43);
    }

    #[test]
    fn an_owners_rights_reach_the_owned_resource_and_nothing_else() {
        let (own, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let cx = |scopes: &[Scope], capacity| {
            let actor = Actor { scopes: scopes.to_vec(), ..Actor::default() };
            let cx = RequestContext::new("r", Realm::DEFAULT, actor, jiff::Timestamp::UNIX_EPOCH);
            RequestContext { capacity, ..cx }
        };
        let owner = cx(&[Scope::Me], Capacity::Owner(own));
        let everything = [Action::Read, Action::Write, Action::Delete, Action::Administer];
        let allowed = |cx: &RequestContext, id| everything.map(|action| allow_on(cx, action, id).is_ok());

        assert_eq!(allowed(&owner, own), [true, true, false, false]);
        assert_eq!(allowed(&owner, other), [false; 4]);
        assert_eq!(everything.map(|action| allow(&owner, action).is_ok()), [false; 4]);
        assert_eq!(allowed(&cx(&[Scope::Me], Capacity::Client), own), [false; 4]);
        assert_eq!(allowed(&cx(&[Scope::MeDelete], Capacity::Owner(own)), own), [false, false, true, false]);
        assert_eq!(allowed(&cx(&[Scope::Write], Capacity::Owner(own)), own), [false, true, true, false]);

        let plugin = cx(&[], Capacity::Plugin);
        assert_eq!(allowed(&plugin, own), [false, true, true, false]);

        let applicant = cx(&[Scope::Register], Capacity::Applicant { anonymous: false });
        assert_eq!(allowed(&applicant, own), [false, true, false, false]);
        assert_eq!(allowed(&cx(&[Scope::Register], Capacity::Client), own), [false; 4]);
    }
}
