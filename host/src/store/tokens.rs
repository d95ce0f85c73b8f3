//! Bearer tokens: what is kept of them, which is never the token.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::engine::{Batch, Scan, Space};
use super::{Store, StoreError, commit_plain, keys, records};
use crate::context::{Realm, Scope};

/// How many tokens are listed at most.
const TOKENS_MAX: usize = 100_000;

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
}

impl Store {
    /// Keeps a token.
    ///
    /// # Errors
    /// When the store cannot write it.
    pub async fn token_put(&self, realm: Realm, token: &TokenRecord) -> Result<(), StoreError> {
        let mut batch = Batch::default();
        batch.put(Space::System, keys::token(realm, &token.hash), records::encode(token));
        commit_plain(&*self.engine, batch).await
    }

    /// The token with this hash. Whether it has expired is for the caller to see.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn token_by_hash(&self, hash: &[u8; 32]) -> Result<Option<TokenRecord>, StoreError> {
        let value = self.get_one(Space::System, keys::token(Realm::DEFAULT, hash)).await?;
        value.map(|value| records::decode(Space::System, &value)).transpose()
    }

    /// Every token, oldest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn tokens(&self, realm: Realm) -> Result<Vec<TokenRecord>, StoreError> {
        let found = self.engine.scan(Scan::new(Space::System, keys::tokens(realm), TOKENS_MAX)).await?;
        let tokens: Result<Vec<TokenRecord>, _> =
            found.iter().map(|(_, value)| records::decode(Space::System, value)).collect();
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
