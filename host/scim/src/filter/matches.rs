//! What a bound filter says about one document.

use serde_json::{Value, json};

use super::{Bound, CompareOp, Operand, Target};
use crate::{Attributes, ResourceType, compare};

impl Bound {
    /// Whether a document satisfies the filter. The document is whole: `schemas`, `id`, `meta`,
    /// core attributes by name, extension containers by URN. `members` and `groups` need to be there
    /// only if [`Self::mentions`] them. A filter bound by [`super::Filter::bind_member`] takes one member.
    pub fn matches(&self, document: &Attributes) -> bool {
        self.holds(&Node::Object(document))
    }

    /// Whether one element of a list satisfies a filter bound for what stands in its brackets.
    pub(crate) fn matches_element(&self, element: &Value) -> bool {
        self.holds(&Node::Value(element))
    }

    /// Every attribute of the document that the filter looks at. For `emails[…]` that is `emails`.
    pub fn targets(&self) -> Vec<&Target> {
        let mut targets = Vec::new();
        self.collect(&mut targets);
        targets
    }

    /// Whether the filter looks at this top-level attribute or one of its parts: `members`.
    pub fn mentions(&self, root: &str) -> bool {
        self.targets().iter().any(|target| target.steps.first().is_some_and(|step| step == root))
    }

    /// Whether no resource of this type can satisfy the filter, as its `meta.resourceType` and the
    /// attributes that it does not have already show. A query over several types need not look at
    /// such a type (S-9.3).
    pub fn rules_out(&self, resource_type: &ResourceType) -> bool {
        let meta = json!({ "resourceType": resource_type.name });
        self.known(&Attributes::from_iter([("meta".to_owned(), meta)])) == Some(false)
    }

    /// What the filter says if a document's `meta.resourceType` is all that is known of it.
    fn known(&self, document: &Attributes) -> Option<bool> {
        let parts = |parts: &[Bound], decisive: bool| {
            let mut all_known = true;
            for part in parts {
                match part.known(document) {
                    Some(known) if known == decisive => return Some(decisive),
                    Some(_) => {}
                    None => all_known = false,
                }
            }
            all_known.then_some(!decisive)
        };
        match self {
            Self::And(all) => parts(all, false),
            Self::Or(all) => parts(all, true),
            Self::Not(part) => part.known(document).map(|known| !known),
            Self::Compare { target, .. } | Self::Present(target) => {
                (target.path == "meta.resourceType").then(|| self.matches(document))
            }
            Self::Element { target, filter } => {
                let inside = |inner: &&Target| inner.path == "resourceType";
                (target.path == "meta" && filter.targets().iter().all(inside)).then(|| self.matches(document))
            }
            Self::Never => Some(false),
        }
    }

    fn collect<'a>(&'a self, targets: &mut Vec<&'a Target>) {
        match self {
            Self::And(parts) | Self::Or(parts) => parts.iter().for_each(|part| part.collect(targets)),
            Self::Not(part) => part.collect(targets),
            Self::Compare { target, .. } | Self::Present(target) | Self::Element { target, .. } => targets.push(target),
            Self::Never => {}
        }
    }

    fn holds(&self, node: &Node<'_>) -> bool {
        match self {
            Self::And(parts) => parts.iter().all(|part| part.holds(node)),
            Self::Or(parts) => parts.iter().any(|part| part.holds(node)),
            Self::Not(part) => !part.holds(node),
            Self::Compare { target, op: CompareOp::Ne, operand } => !node.any_value(target, CompareOp::Eq, operand),
            Self::Compare { target, op, operand } => node.any_value(target, *op, operand),
            Self::Present(target) => node.at(&target.steps, &mut compare::is_assigned),
            Self::Element { target, filter } => node.at(&target.steps, &mut |element| filter.matches_element(element)),
            Self::Never => false,
        }
    }
}

/// What the steps of a target begin at.
enum Node<'a> {
    Object(&'a Attributes),
    Value(&'a Value),
}

impl Node<'_> {
    fn at(&self, steps: &[String], found: &mut dyn FnMut(&Value) -> bool) -> bool {
        match self {
            Self::Object(object) => compare::each_in_object(object, steps, found),
            Self::Value(value) => compare::each_value(value, steps, found),
        }
    }

    /// Any one value is enough (S-10.20).
    fn any_value(&self, target: &Target, op: CompareOp, operand: &Operand) -> bool {
        self.at(&target.steps, &mut |value| {
            compare::operand(value, target).is_some_and(|value| compares(&value, op, operand))
        })
    }
}

fn compares(value: &Operand, op: CompareOp, operand: &Operand) -> bool {
    let order = || compare::order(value, operand);
    match op {
        CompareOp::Eq => value == operand,
        CompareOp::Ne => value != operand,
        CompareOp::Gt => order().is_gt(),
        CompareOp::Ge => order().is_ge(),
        CompareOp::Lt => order().is_lt(),
        CompareOp::Le => order().is_le(),
        CompareOp::Co | CompareOp::Sw | CompareOp::Ew => match (value, operand) {
            (Operand::Text(value), Operand::Text(part)) => match op {
                CompareOp::Sw => value.starts_with(part.as_str()),
                CompareOp::Ew => value.ends_with(part.as_str()),
                _ => value.contains(part.as_str()),
            },
            _ => false,
        },
    }
}
