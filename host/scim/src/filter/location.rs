//! Filters that ask for `meta.location`, which is not stored: it is made of the server's address,
//! the endpoint and the id. So what asks for it asks for the id (S-10.35).

use super::{Bound, CompareOp, Operand, Target};
use crate::{AttributeType, Invalid};

impl Bound {
    /// The same filter for documents without `meta.location`, where that is `prefix` and then the
    /// id. `prefix` ends in a slash.
    ///
    /// # Errors
    /// `meta[location …]` cannot be honoured: inside the brackets there is no id.
    pub fn with_location(self, prefix: &str) -> Result<Self, Invalid> {
        let all =
            |parts: Vec<Self>| parts.into_iter().map(|part| part.with_location(prefix)).collect::<Result<Vec<_>, _>>();
        Ok(match self {
            Self::And(parts) => Self::And(all(parts)?),
            Self::Or(parts) => Self::Or(all(parts)?),
            Self::Not(part) => Self::Not(Box::new(part.with_location(prefix)?)),
            Self::Present(target) if is_location(&target) => always(),
            Self::Compare { target, op, operand: Operand::Text(text) } if is_location(&target) => {
                compare(op, &text, prefix)
            }
            Self::Element { target, filter } if target.path == "meta" && filter.mentions("location") => {
                return Err(Invalid::filter("`location` cannot be asked for in brackets; write `meta.location`"));
            }
            other @ (Self::Present(_) | Self::Compare { .. } | Self::Element { .. } | Self::Never) => other,
        })
    }
}

fn is_location(target: &Target) -> bool {
    target.path == "meta.location"
}

/// What a comparison of the location says about the id. An id has no slash, so the last slash of a
/// location is the prefix's.
fn compare(op: CompareOp, text: &str, prefix: &str) -> Bound {
    let behind = text.strip_prefix(prefix);
    let (head, tail) = match text.rfind('/') {
        Some(slash) => text.split_at(slash + 1),
        None => ("", text),
    };
    let of_id = |op: CompareOp, text: &str| {
        let steps = vec!["id".to_owned()];
        let target = Target { path: "id".to_owned(), steps, kind: AttributeType::String, case_exact: true };
        Bound::Compare { target, op, operand: Operand::Text(text.to_owned()) }
    };
    match (op, behind) {
        (CompareOp::Ne, _) => Bound::Not(Box::new(compare(CompareOp::Eq, text, prefix))),
        (CompareOp::Eq | CompareOp::Sw | CompareOp::Gt | CompareOp::Ge | CompareOp::Lt | CompareOp::Le, Some(id)) => {
            of_id(op, id)
        }
        (CompareOp::Eq, None) => Bound::Never,
        (CompareOp::Sw, None) => if_so(prefix.starts_with(text)),
        (CompareOp::Gt | CompareOp::Ge, None) => if_so(prefix > text),
        (CompareOp::Lt | CompareOp::Le, None) => if_so(prefix < text),
        (CompareOp::Co, _) if prefix.contains(text) => always(),
        (CompareOp::Co | CompareOp::Ew, _) if head.is_empty() => of_id(op, tail),
        (CompareOp::Co, _) if prefix.ends_with(head) => of_id(CompareOp::Sw, tail),
        (CompareOp::Ew, _) if prefix.ends_with(head) => of_id(CompareOp::Eq, tail),
        (CompareOp::Co | CompareOp::Ew, _) => Bound::Never,
    }
}

fn if_so(holds: bool) -> Bound {
    if holds { always() } else { Bound::Never }
}

fn always() -> Bound {
    Bound::Not(Box::new(Bound::Never))
}
