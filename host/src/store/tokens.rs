//! Bearer tokens: what is kept of them, which is never the token.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::engine::{Batch, Scan, Space};
use super::{Store, StoreError, commit_plain, keys, records};
use crate::context::{Realm, Scope};

/// How many tokens are listed at most.
const TOKENS_MAX: usize = 100_000;

/// The format of a token's record; before it came [`records`]' own, without binding and claims.
const FORMAT: u8 = 2;

/// A token, without the token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenRecord {
    /// Names the token in listings, logs and the journal.
    pub id: String,
    /// What its maker called it.
    pub name: String,
    /// The SHA-256 of the token.
    pub hash: [u8; 32],
    /// What it may be used for.
    pub scopes: Vec<Scope>,
    /// When it was made.
    pub created: Timestamp,
    /// From when on it is no longer good.
    pub expires: Option<Timestamp>,
    /// The one resource that it was made for: its bearer's own.
    pub resource: Option<Uuid>,
    /// What it says of its bearer.
    pub claims: BTreeMap<String, String>,
}

/// A token's record as the first release wrote it.
#[derive(Serialize, Deserialize)]
struct FirstRecord {
    id: String,
    name: String,
    hash: [u8; 32],
    scopes: Vec<Scope>,
    created: Timestamp,
    expires: Option<Timestamp>,
}

impl From<FirstRecord> for TokenRecord {
    fn from(first: FirstRecord) -> Self {
        let FirstRecord { id, name, hash, scopes, created, expires } = first;
        Self { id, name, hash, scopes, created, expires, resource: None, claims: BTreeMap::new() }
    }
}

/// Reads a record of either format.
fn read(value: &[u8]) -> Result<TokenRecord, StoreError> {
    match value.first() {
        Some(&FORMAT) => records::decode_as(FORMAT, Space::System, value),
        _ => records::decode::<FirstRecord>(Space::System, value).map(TokenRecord::from),
    }
}

impl Store {
    /// Keeps a token.
    ///
    /// # Errors
    /// When the store cannot write it.
    pub async fn token_put(&self, realm: Realm, token: &TokenRecord) -> Result<(), StoreError> {
        let mut batch = Batch::default();
        batch.put(Space::System, keys::token(realm, &token.hash), records::encode_as(FORMAT, token));
        commit_plain(&*self.engine, batch).await
    }

    /// The token with this hash. Whether it has expired is for the caller to see.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn token_by_hash(&self, hash: &[u8; 32]) -> Result<Option<TokenRecord>, StoreError> {
        let value = self.get_one(Space::System, keys::token(Realm::DEFAULT, hash)).await?;
        value.map(|value| read(&value)).transpose()
    }

    /// Every token, oldest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn tokens(&self, realm: Realm) -> Result<Vec<TokenRecord>, StoreError> {
        let found = self.engine.scan(Scan::new(Space::System, keys::tokens(realm), TOKENS_MAX)).await?;
        let tokens: Result<Vec<TokenRecord>, _> = found.iter().map(|(_, value)| read(value)).collect();
        let mut tokens = tokens?;
        tokens.sort_by(|a, b| (a.created, &a.id).cmp(&(b.created, &b.id)));
        Ok(tokens)
    }

    /// Forgets a token: from now on nobody can use it. Answers whether it was there.
    ///
    /// # Errors
    /// When the store cannot write it.
    pub async fn token_revoke(&self, realm: Realm, id: &str) -> Result<bool, StoreError> {
        let Some(token) = self.tokens(realm).await?.into_iter().find(|token| token.id == id) else {
            return Ok(false);
        };
        let mut batch = Batch::default();
        batch.delete(Space::System, keys::token(realm, &token.hash));
        commit_plain(&*self.engine, batch).await?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_of_the_first_release_is_read_as_one_without_binding_and_claims() {
        let first = FirstRecord {
            id: "a".into(),
            name: "entra".into(),
            hash: [7; 32],
            scopes: vec![Scope::Read, Scope::Admin],
            created: Timestamp::UNIX_EPOCH,
            expires: None,
        };

        let token = read(&records::encode(&first)).unwrap();

        assert_eq!((token.scopes.as_slice(), token.resource), ([Scope::Read, Scope::Admin].as_slice(), None));
        assert!(token.claims.is_empty());
        let claims = BTreeMap::from([("sub".to_owned(), "ana".to_owned())]);
        let token = TokenRecord { resource: Some(Uuid::from_u128(7)), claims, ..token };
        assert_eq!(read(&records::encode_as(FORMAT, &token)).unwrap(), token);
        assert!(read(&[3, 0, 0]).is_err() && read(&[]).is_err());
    }
}
