//! Paths: how an attribute is named in filters, patches, sorting and index configuration.
//!
//! An [`AttrPath`] is a name as written. A [`PatchPath`] may select elements and one of their
//! parts: `emails[type eq "work"].value`. A [`Target`] is a name looked up in a resource type, with
//! the steps that lead to its values in a document.
//!
//! A schema's URN holds colons and dots itself, and the parser knows no schemas. So the last colon
//! divides for now; printing an `AttrPath` gives back the text, and looking it up divides again,
//! behind the longest URN that the resource type really has (S-10.6).

use std::fmt;
use std::sync::Arc;

use crate::error::shown;
use crate::filter::parse::Parser;
use crate::filter::{AttrPath, Filter, Target};
use crate::{AttributeType, Invalid, Leniency, Place, ResourceType, Returned, ScimType};

impl AttrPath {
    /// Reads `[schemaURN ":"] name ["." sub]`, or a schema URN alone.
    ///
    /// ```
    /// use provost_scim::filter::AttrPath;
    ///
    /// let path = AttrPath::parse("urn:ietf:params:scim:schemas:core:2.0:User:name.familyName").unwrap();
    /// assert_eq!((path.name.as_str(), path.sub.as_deref()), ("name", Some("familyName")));
    /// ```
    pub fn parse(text: &str) -> Option<Self> {
        let Some((schema, rest)) = text.rsplit_once(':') else {
            let (name, sub) = names(text)?;
            return Some(Self { schema: None, name, sub });
        };
        if !text.bytes().all(is_urn_byte) {
            return None;
        }
        match names(rest) {
            Some((name, sub)) if !schema.is_empty() => Some(Self { schema: Some(schema.to_owned()), name, sub }),
            _ => Some(Self { schema: Some(text.to_owned()), name: String::new(), sub: None }),
        }
    }

    /// Where this leads in a resource type.
    pub fn place<'a>(&self, resource_type: &'a ResourceType) -> Option<Place<'a>> {
        resource_type.place(&self.to_string())
    }
}

/// `name ["." name]`
fn names(text: &str) -> Option<(String, Option<String>)> {
    let (name, sub) = match text.split_once('.') {
        Some((name, sub)) => (name, Some(sub)),
        None => (text, None),
    };
    let fits = is_name(name) && sub.is_none_or(is_name);
    fits.then(|| (name.to_owned(), sub.map(str::to_owned)))
}

/// An attribute's name (RFC 7643 section 2.1); the `$` of `$ref` counts.
pub(crate) fn is_name(text: &str) -> bool {
    let rest = text.strip_prefix('$').unwrap_or(text);
    rest.starts_with(|c: char| c.is_ascii_alphabetic())
        && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

fn is_urn_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~:/?#@!$&'*+,;=%".contains(&byte)
}

/// A name as a sentence repeats it: in backticks, and no longer than a line.
pub(crate) fn quoted(name: &dyn fmt::Display) -> String {
    format!("`{}`", shown(&name.to_string()))
}

/// The path of a patch operation: `attrPath` or `attrPath[filter]["." name]` (RFC 7644 section 3.5.2).
#[derive(Debug, Clone, PartialEq)]
pub struct PatchPath {
    /// The attribute. With a filter, it has no sub-attribute of its own.
    pub attribute: AttrPath,
    /// Which of its elements.
    pub filter: Option<Filter>,
    /// Which part of the selected elements. Only behind a filter; else it is in `attribute`.
    pub sub: Option<String>,
}

impl PatchPath {
    /// Reads a path. What is wrong outside the brackets is `invalidPath`, inside `invalidFilter`
    /// (S-16.12).
    pub fn parse(text: &str, leniency: &Leniency) -> Result<Self, Invalid> {
        let Some(bracket) = text.find('[') else {
            let attribute = AttrPath::parse(text).ok_or_else(malformed)?;
            return Ok(Self { attribute, filter: None, sub: None });
        };
        let attribute = AttrPath::parse(&text[..bracket]).filter(|path| path.sub.is_none()).ok_or_else(malformed)?;
        let (filter, rest) = Parser::bracketed(text, bracket, leniency)?;
        let sub = match rest.strip_prefix('.') {
            Some(sub) if is_name(sub) => Some(sub.to_owned()),
            None if rest.is_empty() => None,
            _ => return Err(malformed()),
        };
        Ok(Self { attribute, filter: Some(filter), sub })
    }

    /// The same path with each name in its schema's own spelling. Names that lead nowhere stay.
    pub fn canonical(&self, resource_type: &ResourceType) -> Self {
        let Some(place) = self.attribute.place(resource_type) else {
            return self.clone();
        };
        let attribute = AttrPath {
            schema: place.extension.map(|schema| schema.id.clone()),
            name: place.attribute.map(|a| a.name.clone()).unwrap_or_default(),
            sub: place.sub.map(|a| a.name.clone()),
        };
        let spell = |name: &str| match place.attribute.and_then(|a| a.sub_attribute(name)) {
            Some(sub) => sub.name.clone(),
            None => name.to_owned(),
        };
        Self {
            attribute,
            filter: self.filter.as_ref().map(|filter| filter.respell(&spell)),
            sub: self.sub.as_deref().map(spell),
        }
    }
}

fn malformed() -> Invalid {
    Invalid::path(
        "the path cannot be read: expected an attribute, perhaps with a filter in brackets or one sub-attribute",
    )
}

impl fmt::Display for PatchPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.attribute)?;
        if let Some(filter) = &self.filter {
            write!(f, "[{filter}]")?;
        }
        match &self.sub {
            Some(sub) => write!(f, ".{sub}"),
            None => Ok(()),
        }
    }
}

impl Filter {
    /// The attributes that the filter speaks of, as written; those in brackets without what stands
    /// before the brackets.
    pub(crate) fn names(&self) -> Vec<&AttrPath> {
        match self {
            Self::And(parts) | Self::Or(parts) => parts.iter().flat_map(Self::names).collect(),
            Self::Not(part) => part.names(),
            Self::Compare(path, ..) | Self::Present(path) | Self::Element(path, _) => vec![path],
        }
    }

    /// The same filter with each attribute's name as `spell` writes it. For filters in brackets.
    fn respell(&self, spell: &dyn Fn(&str) -> String) -> Self {
        let name = |path: &AttrPath| AttrPath { name: spell(&path.name), ..path.clone() };
        let all = |parts: &[Filter]| parts.iter().map(|part| part.respell(spell)).collect();
        match self {
            Self::And(parts) => Self::And(all(parts)),
            Self::Or(parts) => Self::Or(all(parts)),
            Self::Not(part) => Self::Not(Box::new(part.respell(spell))),
            Self::Compare(path, op, literal) => Self::Compare(name(path), *op, literal.clone()),
            Self::Present(path) => Self::Present(name(path)),
            Self::Element(path, part) => Self::Element(name(path), part.clone()),
        }
    }
}

impl Target {
    /// Looks up a configured path, for an index: `userName`, `emails.value`,
    /// `urn:…:enterprise:2.0:User:department`. Secrets and complex attributes have no values to
    /// index, so they are not found.
    pub fn resolve(path: &str, resource_type: &ResourceType) -> Option<Self> {
        let place = resource_type.place(path)?;
        let target = Self::at(&place);
        (!is_secret(&place) && target.kind != AttributeType::Complex).then_some(target)
    }

    /// Looks up `sortBy`. A complex attribute sorts by its `value` (S-11.1); what has no order, or
    /// must not be told, is `invalidValue` (S-11.7).
    pub fn for_sort(sort_by: &str, resource_type: &ResourceType) -> Result<Self, Invalid> {
        let refuse = |why: &str| Invalid::new(ScimType::InvalidValue, format!("{} {why}", quoted(&sort_by)));
        let Some(place) = resource_type.place(sort_by) else {
            return Err(refuse(&format!("is not an attribute of {}", resource_type.name)));
        };
        if is_secret(&place) {
            return Err(refuse("cannot be sorted by"));
        }
        let target = Self::at(&place);
        let target = match target.kind {
            AttributeType::Complex => target.implied_value(&place).ok_or_else(|| refuse("needs a sub-attribute"))?,
            _ => target,
        };
        match target.kind {
            AttributeType::Binary => Err(refuse("is binary and has no order")),
            _ => Ok(target),
        }
    }

    /// Looks up `sortBy` in each of several types, in their order. A type that does not have the
    /// attribute has no value to sort by (S-9.5); one that no type has is `invalidValue` (S-11.7).
    pub fn for_sort_each(sort_by: &str, types: &[Arc<ResourceType>]) -> Result<Vec<Option<Self>>, Invalid> {
        let has_it = |resource_type: &Arc<ResourceType>| resource_type.place(sort_by).is_some();
        if !types.iter().any(has_it) {
            let detail = format!("no resource type has an attribute {}", quoted(&sort_by));
            return Err(Invalid::new(ScimType::InvalidValue, detail));
        }
        let target = |t: &Arc<ResourceType>| has_it(t).then(|| Self::for_sort(sort_by, t)).transpose();
        types.iter().map(target).collect()
    }

    /// The target at a place. An extension's container counts as complex.
    pub(crate) fn at(place: &Place<'_>) -> Self {
        let steps = [
            place.extension.map(|schema| schema.id.clone()),
            place.attribute.map(|attribute| attribute.name.clone()),
            place.sub.map(|sub| sub.name.clone()),
        ];
        let last = place.sub.or(place.attribute);
        let kind = last.map_or(AttributeType::Complex, |attribute| attribute.kind);
        Self {
            path: place.path(),
            steps: steps.into_iter().flatten().collect(),
            kind,
            case_exact: last.is_some_and(|attribute| attribute.case_exact) || kind == AttributeType::Reference,
        }
    }

    /// The `value` of a complex attribute that was named without a sub-attribute (S-10.23).
    pub(crate) fn implied_value(&self, place: &Place<'_>) -> Option<Self> {
        let sub = place.attribute?.sub_attribute("value")?;
        let place = Place { sub: Some(sub), ..*place };
        (!is_secret(&place)).then(|| Self::at(&place))
    }
}

/// Whether this is never returned, such as a password. Comparing or sorting by it would tell it,
/// one guess at a time (S-10.37).
pub(crate) fn is_secret(place: &Place<'_>) -> bool {
    [place.attribute, place.sub].into_iter().flatten().any(|attribute| attribute.returned == Returned::Never)
}
