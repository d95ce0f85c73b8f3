//! Passwords: a new one on its way in, and the hash that is all that stays of it (checklist S-21).
//!
//! The two never meet in one type. What a client sends is a [`NewPassword`], which stands beside a
//! draft's attributes and is never among them; what a resource holds is a [`PasswordHash`]. Nothing
//! here hashes: that takes time and randomness, and is the host's.

use std::fmt;

use precis_profiles::OpaqueString;
use precis_profiles::precis_core::profile::PrecisFastInvocation;
use serde_json::Value;

use crate::{Attribute, Attributes, Draft, Invalid, Mutability, Resource, ResourceType};

/// The attribute that holds a resource's password, where its base schema has it.
pub const PASSWORD: &str = "password";

/// How every stored hash begins.
const ARGON2ID: &str = "$argon2id$";

/// How long a hash may be, with its parameters and salt, in bytes.
const HASH_BYTES_MAX: usize = 512;

/// A password in clear. Its `Debug` shows nothing of it, so it cannot slip into a log.
#[derive(Clone, PartialEq, Eq)]
pub struct NewPassword(String);

impl NewPassword {
    /// A password as its owner typed it.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The password as it is hashed and compared: prepared by the PRECIS profile OpaqueString
    /// (RFC 8265 section 4.2, S-21.3), so that one password typed on two keyboards is one.
    pub fn prepared(&self) -> Result<Self, Invalid> {
        match OpaqueString::enforce(self.0.as_str()) {
            Ok(prepared) => Ok(Self(prepared.into_owned())),
            Err(_) if self.0.is_empty() => Err(Invalid::value("`password` is empty")),
            Err(_) => Err(Invalid::value("`password` holds a character that no password may hold")),
        }
    }

    /// The password itself, for hashing it, and for a rule that may see it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for NewPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NewPassword")
    }
}

/// What is stored of a password: an argon2id hash with its salt and parameters, as a PHC string.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// Takes a PHC string of argon2id; anything else, a password in clear above all, is none.
    pub fn parse(text: &str) -> Option<Self> {
        let phc = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'$' | b'=' | b',' | b'+' | b'/' | b'.' | b'-');
        let fits = text.starts_with(ARGON2ID) && text.len() <= HASH_BYTES_MAX && text.bytes().all(phc);
        fits.then(|| Self(text.to_owned()))
    }

    /// The PHC string.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash")
    }
}

impl Draft {
    /// The hash of the password in force, unless the proposal takes it away.
    pub fn password_hash(&self) -> Option<PasswordHash> {
        hash_in(&self.resource_type, &self.attributes)
    }

    /// Puts a hash in the place of the new password, or of the one in force.
    pub fn seal(&mut self, hash: &PasswordHash) {
        self.secret = None;
        self.attributes.insert(PASSWORD.to_owned(), Value::from(hash.as_str()));
    }

    /// Takes the password away: the account has none any more (S-21.6).
    pub fn clear_password(&mut self) {
        self.secret = None;
        self.attributes.shift_remove(PASSWORD);
    }
}

impl Resource {
    /// The hash of the password in force.
    pub fn password_hash(&self) -> Option<PasswordHash> {
        hash_in(self.resource_type(), self.attributes())
    }
}

fn hash_in(resource_type: &ResourceType, attributes: &Attributes) -> Option<PasswordHash> {
    resource_type.schema.attribute(PASSWORD).filter(|a| is_password(a))?;
    PasswordHash::parse(attributes.get(PASSWORD)?.as_str()?)
}

/// Whether an attribute of a base schema is its password: one that can be written and never read.
pub(crate) fn is_password(attribute: &Attribute) -> bool {
    attribute.name == PASSWORD && attribute.mutability == Mutability::WriteOnly
}
