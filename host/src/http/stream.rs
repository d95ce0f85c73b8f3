//! Bodies that are made while they are sent: answers with the members of large groups.
//!
//! The body is text with crowds in between. A crowd's next page is read only when the connection
//! has taken the one before, so a slow client costs a page or two of memory and no more. If a page
//! cannot be read, the body ends in an error and the connection is cut, not closed: what the client
//! has so far never looks whole.

use std::collections::VecDeque;

use axum::body::{Body, Bytes};
use provost_scim::Attributes;
use serde_json::Value;

use super::respond::json;
use crate::pipeline::{Crowd, Holding};
use crate::store::StoreError;

/// One resource with its crowd.
pub(super) fn one(document: &Attributes, crowd: Crowd) -> Body {
    let mut pieces = Pieces::default();
    pieces.object(document, Some(crowd));
    pieces.into_body()
}

/// A list with the crowds of some of its resources, by place.
pub(super) fn page(mut list: Attributes, crowds: Vec<(usize, Crowd)>) -> Body {
    let resources = match list.remove("Resources") {
        Some(Value::Array(resources)) => resources,
        _ => Vec::new(),
    };
    let mut pieces = Pieces::default();
    pieces.open(&list);
    pieces.text(b",\"Resources\":[");
    let mut crowds = crowds.into_iter().peekable();
    for (place, resource) in resources.iter().enumerate() {
        if place > 0 {
            pieces.text(b",");
        }
        let crowd = crowds.next_if(|(of, _)| *of == place).map(|(_, crowd)| crowd);
        match resource {
            Value::Object(document) => pieces.object(document, crowd),
            other => pieces.text(&json(other)),
        }
    }
    pieces.text(b"]}");
    pieces.into_body()
}

/// What a body is made of, in order.
#[derive(Default)]
struct Pieces {
    pieces: VecDeque<Piece>,
    /// Whether the first crowd has begun its list.
    begun: bool,
}

enum Piece {
    Text(Vec<u8>),
    Crowd(Box<Crowd>),
}

impl Pieces {
    fn text(&mut self, text: &[u8]) {
        match self.pieces.back_mut() {
            Some(Piece::Text(last)) => last.extend_from_slice(text),
            _ => self.pieces.push_back(Piece::Text(text.to_vec())),
        }
    }

    /// An object without its end. Every object here has a member: `schemas` at least.
    fn open(&mut self, object: &Attributes) {
        let mut text = json(object);
        text.pop();
        self.text(&text);
    }

    fn object(&mut self, object: &Attributes, crowd: Option<Crowd>) {
        self.open(object);
        self.pieces.extend(crowd.map(|crowd| Piece::Crowd(Box::new(crowd))));
        self.text(b"}");
    }

    fn into_body(self) -> Body {
        Body::from_stream(futures::stream::try_unfold(self, |mut pieces| async move {
            Ok::<_, StoreError>(pieces.next().await?.map(|bytes| (bytes, pieces)))
        }))
    }

    async fn next(&mut self) -> Result<Option<Bytes>, StoreError> {
        loop {
            let page = match self.pieces.front_mut() {
                None => return Ok(None),
                Some(Piece::Text(text)) => {
                    let text = std::mem::take(text);
                    self.pieces.pop_front();
                    return Ok(Some(text.into()));
                }
                Some(Piece::Crowd(crowd)) => crowd.next().await?,
            };
            match page {
                Some(page) if page.members.is_empty() => {}
                Some(page) => {
                    let before: &[u8] = if self.begun { b"," } else { b",\"members\":[" };
                    self.begun = true;
                    // Without the brackets: the list goes on with the next page.
                    let list = json(&page.members);
                    let bytes = [before, &list[1..list.len() - 1]].concat();
                    return Ok(Some(Bytes::from_owner(Counted { bytes, _held: page.held })));
                }
                None => {
                    self.pieces.pop_front();
                    if std::mem::take(&mut self.begun) {
                        return Ok(Some(Bytes::from_static(b"]")));
                    }
                }
            }
        }
    }
}

/// Bytes of members: counted as held until the connection lets go of them.
struct Counted {
    bytes: Vec<u8>,
    _held: Holding,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}
