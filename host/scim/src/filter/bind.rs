//! From tree to meaning: every name looked up, every literal held against its attribute's type.
//!
//! What comes out cannot fail any more, so whether a filter is right never depends on the data it
//! is used on. A filter that cannot be honoured is refused; it is never widened (S-10.38).

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;

use super::{AttrPath, Bound, CompareOp, Filter, Literal, Operand, Target};
use crate::path::{is_secret, quoted};
use crate::{Attribute, AttributeType, Invalid, Leniency, Place, ResourceType, Switch, compare};

impl Filter {
    /// Binds to one resource type. An attribute that it does not have is `invalidFilter` (S-10.12),
    /// unless L-F11 says that it merely has no value.
    pub fn bind(&self, resource_type: &ResourceType, leniency: &Leniency) -> Result<Bound, Invalid> {
        let mut binder = Binder::new(leniency);
        binder.forgive_unknown = leniency.is_on(Switch::FilterUnknownAttrFalse);
        let bound = binder.filter(self, &Scope::Resource(resource_type))?;
        if !binder.unknown.is_empty() {
            leniency.noted.note(Switch::FilterUnknownAttrFalse);
        }
        Ok(bound)
    }

    /// Binds to each of several types, in their order. An attribute that one of them does not have has
    /// no value there (S-9.5); one that none of them has is `invalidFilter` (S-10.12).
    pub fn bind_each(&self, types: &[Arc<ResourceType>], leniency: &Leniency) -> Result<Vec<Bound>, Invalid> {
        let mut bound = Vec::with_capacity(types.len());
        let mut unknown_to_all: Option<BTreeSet<String>> = None;
        for resource_type in types {
            let mut binder = Binder::new(leniency);
            binder.forgive_unknown = true;
            bound.push(binder.filter(self, &Scope::Resource(resource_type))?);
            unknown_to_all = Some(match unknown_to_all {
                Some(others) => others.intersection(&binder.unknown).cloned().collect(),
                None => binder.unknown,
            });
        }
        match unknown_to_all.unwrap_or_default().first() {
            Some(path) if !leniency.allows(Switch::FilterUnknownAttrFalse) => {
                Err(Invalid::filter(format!("no resource type has an attribute {}", quoted(path))))
            }
            _ => Ok(bound),
        }
    }

    /// Binds the filter inside `members[…]`. [`Bound::matches`] then takes one member, as an object
    /// of `value`, `type`, `$ref` and `display`.
    pub fn bind_member(&self, resource_type: &ResourceType) -> Result<Bound, Invalid> {
        match resource_type.attribute("members") {
            Some(members) => self.bind_element(members, &Leniency::default()),
            None => Err(Invalid::filter(format!("{} has no members", resource_type.name))),
        }
    }

    /// Binds the filter inside `attribute[…]`, for a patch path (S-16.12, L-P7).
    pub(crate) fn bind_element(&self, attribute: &Attribute, leniency: &Leniency) -> Result<Bound, Invalid> {
        let mut binder = Binder::new(leniency);
        binder.bool_strings = Switch::PatchBoolInFilter;
        binder.filter(self, &Scope::Element(attribute))
    }
}

/// Where the names of a filter are looked up.
enum Scope<'a> {
    Resource(&'a ResourceType),
    /// Inside brackets: the parts of one element.
    Element(&'a Attribute),
}

struct Binder<'a> {
    leniency: &'a Leniency,
    /// The switch for strings that are compared with booleans.
    bool_strings: Switch,
    forgive_unknown: bool,
    /// The paths that were forgiven.
    unknown: BTreeSet<String>,
}

/// A name that was looked up.
struct Found<'a> {
    target: Target,
    place: Place<'a>,
}

impl<'l> Binder<'l> {
    fn new(leniency: &'l Leniency) -> Self {
        Self { leniency, bool_strings: Switch::FilterBoolString, forgive_unknown: false, unknown: BTreeSet::new() }
    }

    fn filter(&mut self, filter: &Filter, scope: &Scope<'_>) -> Result<Bound, Invalid> {
        match filter {
            Filter::And(parts) => self.all(parts, scope).map(Bound::And),
            Filter::Or(parts) => self.all(parts, scope).map(Bound::Or),
            Filter::Not(part) => self.filter(part, scope).map(not),
            Filter::Present(path) => {
                let found = self.find(path, scope)?;
                Ok(found.map_or(Bound::Never, |found| Bound::Present(found.target)))
            }
            // `eq null` asks whether the attribute is unassigned (S-10.29).
            Filter::Compare(path, CompareOp::Eq, Literal::Null) => {
                self.filter(&Filter::Present(path.clone()), scope).map(not)
            }
            Filter::Compare(path, CompareOp::Ne, Literal::Null) => self.filter(&Filter::Present(path.clone()), scope),
            // No value is equal, rather than some value differs (S-10.30).
            Filter::Compare(path, CompareOp::Ne, literal) => self.compare(path, CompareOp::Eq, literal, scope).map(not),
            Filter::Compare(path, op, literal) => self.compare(path, *op, literal, scope),
            Filter::Element(path, inner) => self.element(path, inner, scope),
        }
    }

    fn all(&mut self, parts: &[Filter], scope: &Scope<'_>) -> Result<Vec<Bound>, Invalid> {
        parts.iter().map(|part| self.filter(part, scope)).collect()
    }

    fn element(&mut self, path: &AttrPath, inner: &Filter, scope: &Scope<'_>) -> Result<Bound, Invalid> {
        let Some(found) = self.find(path, scope)? else {
            let inside = inner.names().into_iter().map(|name| inside_of(path, &name.to_string()));
            self.unknown.extend(inside);
            return Ok(Bound::Never);
        };
        let Place { attribute: Some(attribute), sub: None, .. } = found.place else {
            return Err(Invalid::filter(format!("{} cannot have brackets", quoted(path))));
        };
        let selectable = attribute.multi_valued || attribute.kind == AttributeType::Complex;
        if !selectable || matches!(scope, Scope::Element(_)) {
            return Err(Invalid::filter(format!("{} has no elements to select", quoted(path))));
        }
        let before = std::mem::take(&mut self.unknown);
        let filter = self.filter(inner, &Scope::Element(attribute))?;
        let inside = std::mem::replace(&mut self.unknown, before);
        self.unknown.extend(inside.iter().map(|name| inside_of(path, name)));
        Ok(Bound::Element { target: found.target, filter: Box::new(filter) })
    }

    fn compare(
        &mut self,
        path: &AttrPath,
        op: CompareOp,
        literal: &Literal,
        scope: &Scope<'_>,
    ) -> Result<Bound, Invalid> {
        let Some(found) = self.find(path, scope)? else {
            return Ok(Bound::Never);
        };
        let mut target = found.target;
        if target.kind == AttributeType::Complex {
            let value = target.implied_value(&found.place);
            target = value
                .filter(|_| self.leniency.allows(Switch::FilterImpliedValue))
                .ok_or_else(|| Invalid::filter(format!("{} needs a sub-attribute to be compared", quoted(path))))?;
        }
        if !is_allowed(op, target.kind) {
            return Err(Invalid::filter(format!(
                "`{op}` cannot be used on {}, which is {}",
                quoted(path),
                noun(target.kind)
            )));
        }
        let operand = self.fit(literal, &target).ok_or_else(|| {
            Invalid::filter(format!("{} is {}, and is compared with something else", quoted(path), noun(target.kind)))
        })?;
        Ok(Bound::Compare { target, op, operand })
    }

    /// The literal as a value of the target's type (S-10.34).
    fn fit(&self, literal: &Literal, target: &Target) -> Option<Operand> {
        let value = match literal {
            Literal::Null => return None,
            Literal::Boolean(value) => Value::Bool(*value),
            Literal::Number(number) => Value::Number(number.clone()),
            Literal::String(text) if target.kind == AttributeType::Boolean => {
                let flag = match text.to_ascii_lowercase().as_str() {
                    "true" => true,
                    "false" => false,
                    _ => return None,
                };
                if !self.leniency.allows(self.bool_strings) {
                    return None;
                }
                Value::Bool(flag)
            }
            Literal::String(text) => Value::String(text.clone()),
        };
        compare::operand(&value, target)
    }

    /// Looks up a name. `None` is an unknown name that was forgiven.
    fn find<'a>(&mut self, path: &AttrPath, scope: &Scope<'a>) -> Result<Option<Found<'a>>, Invalid> {
        let (found, owner) = match scope {
            Scope::Resource(resource_type) => {
                let place = path.place(resource_type);
                (place.map(|place| Found { target: Target::at(&place), place }), resource_type.name.as_str())
            }
            Scope::Element(attribute) => (find_in_element(path, attribute), attribute.name.as_str()),
        };
        match found {
            Some(found) if is_secret(&found.place) => {
                Err(Invalid::filter(format!("{} cannot be filtered by", quoted(path))))
            }
            Some(found) => Ok(Some(found)),
            None if self.forgive_unknown => {
                self.unknown.insert(path.to_string().to_ascii_lowercase());
                Ok(None)
            }
            None => Err(Invalid::filter(format!("{} is not an attribute of `{owner}`", quoted(path)))),
        }
    }
}

/// Inside brackets, names are sub-attributes; the elements of a simple list are their own `value`
/// (S-10.24).
fn find_in_element<'a>(path: &AttrPath, attribute: &'a Attribute) -> Option<Found<'a>> {
    if path.schema.is_some() || path.sub.is_some() {
        return None;
    }
    let complex = attribute.kind == AttributeType::Complex;
    let part = match complex {
        true => attribute.sub_attribute(&path.name)?,
        false if path.name.eq_ignore_ascii_case("value") => attribute,
        false => return None,
    };
    let place = Place { extension: None, attribute: Some(part), sub: None };
    let mut target = Target::at(&place);
    if !complex {
        target.path = "value".into();
        target.steps.clear();
    }
    Some(Found { target, place })
}

/// How an unknown name in brackets is remembered.
fn inside_of(path: &AttrPath, name: &str) -> String {
    format!("{path}[{name}]").to_ascii_lowercase()
}

fn not(bound: Bound) -> Bound {
    Bound::Not(Box::new(bound))
}

/// Which operators a type knows (S-10.32).
fn is_allowed(op: CompareOp, kind: AttributeType) -> bool {
    use CompareOp::{Eq, Ge, Gt, Le, Lt, Ne};
    match kind {
        AttributeType::String | AttributeType::Reference => true,
        AttributeType::DateTime | AttributeType::Integer | AttributeType::Decimal => {
            matches!(op, Eq | Ne | Gt | Ge | Lt | Le)
        }
        AttributeType::Boolean | AttributeType::Binary => matches!(op, Eq | Ne),
        AttributeType::Complex => false,
    }
}

/// The type as a sentence names it.
pub(crate) fn noun(kind: AttributeType) -> &'static str {
    match kind {
        AttributeType::String => "text",
        AttributeType::Boolean => "a boolean",
        AttributeType::Decimal => "a number",
        AttributeType::Integer => "an integer",
        AttributeType::DateTime => "a dateTime",
        AttributeType::Binary => "binary",
        AttributeType::Reference => "a reference",
        AttributeType::Complex => "complex",
    }
}
