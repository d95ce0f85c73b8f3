//! Who may do what: bearer tokens, and the one question every pipeline function asks first.
//!
//! A token is made once, shown once, and kept only as its SHA-256. It has 256 random bits, so a
//! slow hash would protect nothing.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::TryRngCore;
use rand::rngs::OsRng;
use sha2::{Digest, Sha256};

use crate::context::{RequestContext, Scope};

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
    /// Create, replace, patch or delete resources.
    Write,
    /// See or change the server itself: plugins, outbox, tokens.
    Administer,
}

impl Action {
    fn needs(self) -> Scope {
        match self {
            Self::Read => Scope::Read,
            Self::Write => Scope::Write,
            Self::Administer => Scope::Admin,
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
    let needed = action.needs();
    if cx.actor.scopes.contains(&needed) { Ok(()) } else { Err(Forbidden { needed }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_tokens_differ_and_only_their_hashes_are_compared() {
        let (one, two) = (Token::generate().unwrap(), Token::generate().unwrap());

        assert_ne!(one.reveal(), two.reveal());
        assert_eq!(one.hash(), hash(one.reveal()));
        assert_ne!(one.hash(), two.hash());
        assert_eq!(one.reveal().len(), TOKEN_PREFIX.len() + 43);
    }
}
