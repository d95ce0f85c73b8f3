//! One attribute's value: does it fit, and how is it written when it does (RFC 7643 section 2.3).

use std::collections::HashSet;
use std::fmt;

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::Value;

use crate::error::shown;
use crate::fold::fold;
use crate::{Attribute, AttributeType, Attributes, Invalid, Leniency, Mutability, Place, Switch, instant};

/// How forgiving a check is. What is forgiven is noted in the [`Leniency`].
#[derive(Debug, Clone, Copy)]
pub enum Rules<'a> {
    /// For the bodies of POST and PUT.
    Body(&'a Leniency),
    /// For the values of patch operations.
    Patch(&'a Leniency),
    /// For what is about to be stored: nothing is coerced or dropped any more.
    Outcome,
}

impl<'a> Rules<'a> {
    /// For the bodies of POST and PUT.
    pub fn body(leniency: &'a Leniency) -> Self {
        Self::Body(leniency)
    }

    /// For the values of patch operations.
    pub fn patch(leniency: &'a Leniency) -> Self {
        Self::Patch(leniency)
    }

    /// Whether `"True"` is a boolean (L-P6, L-B5).
    fn bool_string(self) -> bool {
        self.allow(Switch::BodyBoolStrings, Switch::PatchBoolStrings)
    }

    /// Whether a name that no schema knows is dropped (L-P15, L-B3).
    pub(super) fn unknown_name(self) -> bool {
        self.allow(Switch::BodyUnknownAttributes, Switch::PatchUnknownSubattrs)
    }

    /// Whether a string for a single complex attribute means its `value` (L-P8, L-B12).
    fn scalar_for_complex(self) -> bool {
        self.allow(Switch::BodyEnterpriseManagerString, Switch::PatchScalarForComplex)
    }

    /// Whether a string for a member means its `value` (L-P9).
    pub(super) fn scalar_member(self) -> bool {
        match self {
            Self::Patch(leniency) => leniency.allows(Switch::PatchScalarMembers),
            Self::Body(_) | Self::Outcome => false,
        }
    }

    /// Whether an address's `country` may be any text (L-B11).
    fn country_free_text(self) -> bool {
        // It was let in as it is, perhaps in other times.
        matches!(self, Self::Outcome) || self.allow(Switch::BodyCountryFreeText, Switch::BodyCountryFreeText)
    }

    /// Whether readOnly values stay: this is the server's own document, not a client's.
    pub(super) fn keeps_read_only(self) -> bool {
        matches!(self, Self::Outcome)
    }

    fn allow(self, in_body: Switch, in_patch: Switch) -> bool {
        match self {
            Self::Body(leniency) => leniency.allows(in_body),
            Self::Patch(leniency) => leniency.allows(in_patch),
            Self::Outcome => false,
        }
    }
}

/// Checks the value of a core attribute and writes it the one way it is stored: lists without
/// nulls and repeated elements, sub-attributes in the schema's spelling and order, dateTimes in
/// UTC with milliseconds, binary as padded base64. readOnly sub-attributes are dropped before
/// anything looks at them (S-6.1).
///
/// `None` means unassigned: `null`, an empty list, an empty object (S-3.13).
pub fn value(attribute: &Attribute, value: Value, rules: Rules<'_>) -> Result<Option<Value>, Invalid> {
    check_value(At::attribute(None, &attribute.name), attribute, value, rules)
}

/// The same for any place that holds an attribute or a sub-attribute, so that errors name its
/// whole path. A place without an attribute is an extension's container.
pub fn value_at(place: &Place<'_>, value: Value, rules: Rules<'_>) -> Result<Option<Value>, Invalid> {
    let container = place.extension.map(|e| e.id.as_str());
    match (place.attribute, place.sub, place.extension) {
        (Some(attribute), Some(sub), _) => {
            check_value(At { container, parent: Some(&attribute.name), name: &sub.name }, sub, value, rules)
        }
        (Some(attribute), None, _) => check_value(At::attribute(container, &attribute.name), attribute, value, rules),
        (None, _, Some(schema)) => container_of(&schema.id, &schema.attributes, value, rules),
        (None, _, None) => Err(Invalid::path("the path is empty")),
    }
}

/// An extension's container: an object of that schema's attributes.
pub(super) fn container_of(
    urn: &str,
    attributes: &[Attribute],
    value: Value,
    rules: Rules<'_>,
) -> Result<Option<Value>, Invalid> {
    let fields = match value {
        Value::Null => return Ok(None),
        Value::Object(fields) => fields,
        _ => return Err(Invalid::value(format!("`{urn}` must be an object"))),
    };
    let fields = check_fields(Owner { container: Some(urn), parent: None }, attributes, fields, rules)?;
    Ok((!fields.is_empty()).then_some(Value::Object(fields)))
}

/// Where a value stands, for the sentence that says what is wrong with it.
#[derive(Debug, Clone, Copy)]
pub(super) struct At<'a> {
    container: Option<&'a str>,
    parent: Option<&'a str>,
    name: &'a str,
}

impl<'a> At<'a> {
    pub(super) fn attribute(container: Option<&'a str>, name: &'a str) -> Self {
        Self { container, parent: None, name }
    }

    pub(super) fn sub(self, name: &'a str) -> Self {
        Self { container: self.container, parent: Some(self.name), name }
    }
}

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`")?;
        if let Some(container) = self.container {
            write!(f, "{container}:")?;
        }
        if let Some(parent) = self.parent {
            write!(f, "{parent}.")?;
        }
        write!(f, "{}`", self.name)
    }
}

/// What an object's fields belong to: the resource, an extension's container, a complex attribute.
#[derive(Debug, Clone, Copy)]
pub(super) struct Owner<'a> {
    pub(super) container: Option<&'a str>,
    pub(super) parent: Option<&'a str>,
}

impl<'a> Owner<'a> {
    fn at(self, name: &'a str) -> At<'a> {
        At { container: self.container, parent: self.parent, name }
    }
}

/// Checks each field of one object; answers those that are assigned, in the schema's order.
pub(super) fn check_fields(
    owner: Owner<'_>,
    attributes: &[Attribute],
    fields: Attributes,
    rules: Rules<'_>,
) -> Result<Attributes, Invalid> {
    let mut given: Vec<Option<Value>> = vec![None; attributes.len()];
    for (name, value) in fields {
        let Some(index) = attributes.iter().position(|a| a.name.eq_ignore_ascii_case(&name)) else {
            if value.is_null() || rules.unknown_name() {
                continue;
            }
            return Err(Invalid::value(format!("no schema here knows {}", owner.at(&shown(&name)))));
        };
        if given[index].is_some() {
            return Err(Invalid::syntax(format!("{} is given twice", owner.at(&attributes[index].name))));
        }
        given[index] = Some(value);
    }
    let mut checked = Attributes::new();
    for (attribute, value) in attributes.iter().zip(given) {
        let Some(value) = value else { continue };
        if attribute.mutability == Mutability::ReadOnly && !rules.keeps_read_only() {
            continue;
        }
        if let Some(value) = check_value(owner.at(&attribute.name), attribute, value, rules)? {
            checked.insert(attribute.name.clone(), value);
        }
    }
    Ok(checked)
}

pub(super) fn check_value(
    at: At<'_>,
    attribute: &Attribute,
    value: Value,
    rules: Rules<'_>,
) -> Result<Option<Value>, Invalid> {
    if !attribute.multi_valued || value.is_null() {
        return check_single(at, attribute, value, rules);
    }
    let Value::Array(elements) = value else {
        return Err(Invalid::value(format!("{at} must be a list")));
    };
    let mut seen = HashSet::new();
    let mut checked = Vec::with_capacity(elements.len());
    for element in elements {
        if let Some(element) = check_single(at, attribute, element, rules)?
            && seen.insert(element.to_string())
        {
            checked.push(element);
        }
    }
    if checked.iter().filter(|e| e.get("primary") == Some(&Value::Bool(true))).count() > 1 {
        return Err(Invalid::value(format!("{at} has more than one primary element")));
    }
    Ok((!checked.is_empty()).then_some(Value::Array(checked)))
}

fn check_single(at: At<'_>, attribute: &Attribute, value: Value, rules: Rules<'_>) -> Result<Option<Value>, Invalid> {
    let wrong = |expected: &str| Err(Invalid::value(format!("{at} must be {expected}")));
    let value = match (attribute.kind, value) {
        (_, Value::Null) => return Ok(None),
        (AttributeType::String, Value::String(text)) => {
            let is_country = at.parent == Some("addresses") && at.name == "country";
            if is_country && !is_country_code(&text) && !rules.country_free_text() {
                return wrong("two letters of ISO 3166-1");
            }
            if attribute.closed && !is_canonical(attribute, &text) {
                return wrong(&one_of(&attribute.canonical_values));
            }
            Value::String(text)
        }
        (AttributeType::String, _) => return wrong("a string"),
        (AttributeType::Boolean, Value::Bool(flag)) => Value::Bool(flag),
        (AttributeType::Boolean, Value::String(text)) => match boolean(&text) {
            Some(flag) if rules.bool_string() => Value::Bool(flag),
            _ => return wrong("true or false"),
        },
        (AttributeType::Boolean, _) => return wrong("true or false"),
        (AttributeType::Integer, Value::Number(number)) if !number.is_f64() => Value::Number(number),
        (AttributeType::Integer, _) => return wrong("a whole number without fraction or exponent"),
        (AttributeType::Decimal, Value::Number(number)) => match number.as_f64().map(Value::from) {
            Some(decimal @ Value::Number(_)) => decimal,
            _ => return wrong("a number"),
        },
        (AttributeType::Decimal, _) => return wrong("a number"),
        (AttributeType::DateTime, Value::String(text)) => match instant::parse(&text) {
            Some(at) => Value::String(instant::print(at)),
            None => return wrong("a dateTime, such as 2011-05-13T04:42:34Z"),
        },
        (AttributeType::DateTime, _) => return wrong("a dateTime in a string"),
        (AttributeType::Binary, Value::String(text)) => match binary(&text) {
            Some(bytes) => Value::String(base64::engine::general_purpose::STANDARD.encode(bytes)),
            None => return wrong("base64"),
        },
        (AttributeType::Binary, _) => return wrong("base64 in a string"),
        (AttributeType::Reference, Value::String(text)) if is_uri_reference(&text) => Value::String(text),
        (AttributeType::Reference, Value::String(_)) => return wrong("a URI, absolute or relative"),
        (AttributeType::Reference, _) => return wrong("a URI in a string"),
        (AttributeType::Complex, Value::Object(fields)) => return complex(at, attribute, fields, rules),
        (AttributeType::Complex, Value::String(text)) if !attribute.multi_valued => {
            if attribute.sub_attribute("value").is_none() || !rules.scalar_for_complex() {
                return wrong("an object");
            }
            let fields = Attributes::from_iter([("value".to_owned(), Value::String(text))]);
            return complex(at, attribute, fields, rules);
        }
        (AttributeType::Complex, _) => return wrong("an object"),
    };
    Ok(Some(value))
}

fn complex(at: At<'_>, attribute: &Attribute, fields: Attributes, rules: Rules<'_>) -> Result<Option<Value>, Invalid> {
    let owner = Owner { container: at.container, parent: Some(at.name) };
    let fields = check_fields(owner, &attribute.sub_attributes, fields, rules)?;
    Ok((!fields.is_empty()).then_some(Value::Object(fields)))
}

/// A boolean that came as a string, in any letter case.
fn boolean(text: &str) -> Option<bool> {
    [("true", true), ("false", false)]
        .into_iter()
        .find(|(word, _)| text.eq_ignore_ascii_case(word))
        .map(|(_, flag)| flag)
}

fn is_country_code(text: &str) -> bool {
    text.len() == 2 && text.bytes().all(|c| c.is_ascii_alphabetic())
}

/// Whether a closed list has this value; letter case counts as it does for the attribute (S-3.14).
fn is_canonical(attribute: &Attribute, text: &str) -> bool {
    let same = |value: &String| if attribute.case_exact { value == text } else { fold(value) == fold(text) };
    attribute.canonical_values.iter().any(same)
}

fn one_of(values: &[String]) -> String {
    const LISTED_MAX: usize = 16;
    match values.len() <= LISTED_MAX {
        true => format!("one of `{}`", values.join("`, `")),
        false => "one of its canonical values, which its schema lists".to_owned(),
    }
}

/// Whether this can be a URI or a relative reference (RFC 3986 section 4.1, S-3.7): none of the
/// characters that stand in none. Letters beyond ASCII are let pass, as IRIs have them.
fn is_uri_reference(text: &str) -> bool {
    !text.chars().any(|c| c.is_whitespace() || c.is_control() || "<>\"{}|\\^`".contains(c))
}

/// Decodes base64 as liberally as S-3.6 wants it: either alphabet, padded or not, with newlines.
pub fn binary(text: &str) -> Option<Vec<u8>> {
    const CONFIG: GeneralPurposeConfig =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    const LIBERAL: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, CONFIG);
    let standard: String = text
        .chars()
        .filter(|c| !matches!(c, ' ' | '\t' | '\r' | '\n'))
        .map(|c| match c {
            '-' => '+',
            '_' => '/',
            c => c,
        })
        .collect();
    LIBERAL.decode(standard).ok()
}
