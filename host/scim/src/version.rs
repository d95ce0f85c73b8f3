//! Entity tags in `If-Match` and `If-None-Match` (RFC 7644 section 3.14).
//!
//! Tags are compared weakly, in `If-Match` too: HTTP asks for strong comparison there, under which
//! the weak tags that SCIM's own examples send would never match (S-19.3).

use crate::{Leniency, Switch};

/// The tags of one precondition header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntityTags {
    /// `*`: any version.
    Any,
    /// One of these; the opaque parts, without `W/` and quotes.
    OneOf(Vec<String>),
}

impl EntityTags {
    /// Reads a header's value as [`Leniency::default`] allows.
    pub fn parse(header: &str) -> Self {
        Self::parse_with(header, &Leniency::default())
    }

    /// Whether a resource of this version satisfies the header.
    pub fn matches(&self, version: u64) -> bool {
        match self {
            Self::Any => true,
            Self::OneOf(tags) => {
                let version = version.to_string();
                tags.contains(&version)
            }
        }
    }

    /// Reads a header's value. Some clients strip the quotes of a tag; whether it counts then,
    /// `leniency` decides (S-19.4, L-Q8). What is no tag at all matches no version.
    pub fn parse_with(header: &str, leniency: &Leniency) -> Self {
        if header.trim() == "*" {
            return Self::Any;
        }
        let mut tags = Vec::new();
        let mut rest = header;
        loop {
            rest = rest.trim_start_matches([' ', '\t', ',']);
            if rest.is_empty() {
                return Self::OneOf(tags);
            }
            let tag = rest.strip_prefix("W/").unwrap_or(rest);
            // Commas may stand inside quotes, so the closing quote ends a quoted tag.
            if let Some(opened) = tag.strip_prefix('"') {
                let Some((opaque, after)) = opened.split_once('"') else {
                    return Self::OneOf(tags);
                };
                tags.push(opaque.to_owned());
                rest = after;
            } else {
                let (opaque, after) = tag.split_once(',').unwrap_or((tag, ""));
                if leniency.allows(Switch::EtagUnquoted) {
                    tags.push(opaque.trim().to_owned());
                }
                rest = after;
            }
        }
    }
}
