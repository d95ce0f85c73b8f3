//! From tree to text: the filter language again, and a bracketed form for people and tests.
//!
//! What is printed here parses to the same tree, parentheses included, so a filter can be stored,
//! logged by its shape, or handed on as text.

use std::fmt;

use super::{AttrPath, CompareOp, Filter, Literal};

impl Filter {
    /// The tree in a form where nothing depends on precedence: `(or (eq a 1) (pr b))`.
    pub fn to_tree(&self) -> String {
        match self {
            Self::And(parts) => format!("(and {})", trees(parts)),
            Self::Or(parts) => format!("(or {})", trees(parts)),
            Self::Not(part) => format!("(not {})", part.to_tree()),
            Self::Compare(path, op, literal) => format!("({op} {path} {literal})"),
            Self::Present(path) => format!("(pr {path})"),
            Self::Element(path, part) => format!("(element {path} {})", part.to_tree()),
        }
    }

    /// How deep the printed form nests parentheses and brackets.
    pub(super) fn nesting(&self) -> usize {
        match self {
            Self::And(parts) | Self::Or(parts) => parts
                .iter()
                .map(|part| part.nesting() + usize::from(self.needs_parentheses_around(part)))
                .max()
                .unwrap_or(0),
            Self::Not(part) | Self::Element(_, part) => 1 + part.nesting(),
            Self::Compare(..) | Self::Present(_) => 0,
        }
    }

    fn needs_parentheses_around(&self, part: &Filter) -> bool {
        match part {
            Self::Or(_) => true,
            Self::And(_) => matches!(self, Self::And(_)),
            _ => false,
        }
    }

    fn print_parts(&self, f: &mut fmt::Formatter<'_>, parts: &[Filter], word: &str) -> fmt::Result {
        for (index, part) in parts.iter().enumerate() {
            if index > 0 {
                write!(f, " {word} ")?;
            }
            if self.needs_parentheses_around(part) {
                write!(f, "({part})")?;
            } else {
                write!(f, "{part}")?;
            }
        }
        Ok(())
    }
}

fn trees(parts: &[Filter]) -> String {
    parts.iter().map(Filter::to_tree).collect::<Vec<_>>().join(" ")
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::And(parts) => self.print_parts(f, parts, "and"),
            Self::Or(parts) => self.print_parts(f, parts, "or"),
            Self::Not(part) => write!(f, "not ({part})"),
            Self::Compare(path, op, literal) => write!(f, "{path} {op} {literal}"),
            Self::Present(path) => write!(f, "{path} pr"),
            Self::Element(path, part) => write!(f, "{path}[{part}]"),
        }
    }
}

impl fmt::Display for AttrPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(schema) = &self.schema {
            f.write_str(schema)?;
            if self.name.is_empty() {
                return Ok(());
            }
            f.write_str(":")?;
        }
        f.write_str(&self.name)?;
        match &self.sub {
            Some(sub) => write!(f, ".{sub}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for CompareOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Boolean(value) => write!(f, "{value}"),
            Self::Number(value) => write!(f, "{value}"),
            Self::String(value) => write!(f, "{}", serde_json::Value::from(value.as_str())),
        }
    }
}
