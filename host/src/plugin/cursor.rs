//! Where a page of a plugin's question ended: the position of the last resource it saw.
//!
//! A position is a place in the order of ids and not an index, so whoever changes what it walks over
//! skips nobody. It holds no attribute's value and gives no right, so it is bound to its question, but not sealed.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use super::backing::DirectoryError;
use crate::limits::CURSOR_BYTES_MAX;
use crate::store::Position;

/// How many bytes of a question's digest stand in a cursor.
const QUERY_BYTES: usize = 12;

/// One question: a resource type and a filter.
pub(super) struct Query([u8; QUERY_BYTES]);

impl Query {
    pub(super) fn of(resource_type: &str, filter: &str) -> Self {
        let digest = Sha256::new().chain_update(resource_type).chain_update([0]).chain_update(filter).finalize();
        Self(*digest.first_chunk().expect("a digest is longer"))
    }

    /// The cursor of the page behind this position.
    pub(super) fn seal(&self, position: &Position) -> String {
        let position = postcard::to_stdvec(position).expect("a position holds nothing that postcard cannot write");
        URL_SAFE_NO_PAD.encode([&self.0[..], &position].concat())
    }

    /// The position in a cursor that was made for this question.
    pub(super) fn open(&self, cursor: &str) -> Result<Position, DirectoryError> {
        let opened = || {
            let bytes = URL_SAFE_NO_PAD.decode(cursor).ok().filter(|_| cursor.len() <= CURSOR_BYTES_MAX)?;
            let position = bytes.strip_prefix(&self.0)?;
            postcard::from_bytes(position).ok()
        };
        opened().ok_or_else(|| {
            DirectoryError::Invalid("the cursor is none that `find` answered to this question".to_owned())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_opens_for_its_own_question_only() {
        let position = (1_u16, (None::<Vec<u8>>, uuid::Uuid::from_u128(7)));
        let position: Position = postcard::from_bytes(&postcard::to_stdvec(&position).unwrap()).unwrap();
        let query = Query::of("User", "active eq true");

        let cursor = query.seal(&position);

        assert_eq!(query.open(&cursor).unwrap(), position);
        for other in [Query::of("User", "active eq false"), Query::of("Group", "active eq true")] {
            assert!(other.open(&cursor).is_err());
        }
        for length in 0..cursor.len() {
            assert!(query.open(&cursor[..length]).is_err());
        }
        assert!(query.open("2").is_err() && query.open(&"A".repeat(10_000)).is_err());
    }
}
