//! Operations on `members`: edits to a group's edges, made without looking at them.

use serde_json::Value;
use uuid::Uuid;

use super::value::{as_list, is_nothing, note_single};
use super::{Op, no_value};
use crate::check::{self, Rules};
use crate::filter::{AttrPath, CompareOp, Filter, Literal};
use crate::path::{PatchPath, quoted};
use crate::resource::parse_id;
use crate::{Attribute, Invalid, Leniency, MembershipEdit, ResourceType, Switch};

/// What an operation at `members` does to the membership, if anything.
///
/// Adding nothing adds nothing; only `replace` with an empty list, and `remove` without a value,
/// make all members leave.
pub(super) fn edit(
    op: Op,
    path: &PatchPath,
    value: Option<&Value>,
    resource_type: &ResourceType,
    members: &Attribute,
    leniency: &Leniency,
) -> Result<Option<MembershipEdit>, Invalid> {
    if let Some(sub) = path.attribute.sub.as_deref().or(path.sub.as_deref()) {
        return Err(match members.sub_attribute(sub) {
            Some(sub) => {
                Invalid::mutability(format!("`members.{}` cannot change; members come and go whole", sub.name))
            }
            None => Invalid::path(format!("{} is not an attribute of `members`", quoted(&sub))),
        });
    }
    if let Some(filter) = &path.filter {
        filter.bind_member(resource_type)?;
    }
    match op {
        Op::Remove => remove(path.filter.as_ref(), value.filter(|value| !value.is_null()), leniency),
        Op::Add | Op::Replace => write(op, path.filter.as_ref(), value.ok_or_else(|| no_value(op))?, leniency),
    }
}

fn write(
    op: Op,
    filter: Option<&Filter>,
    value: &Value,
    leniency: &Leniency,
) -> Result<Option<MembershipEdit>, Invalid> {
    if let Some(filter) = filter {
        return write_selected(op, filter, value, leniency);
    }
    note_single(value, leniency);
    let members = match is_nothing(value) {
        true => Vec::new(),
        false => check::members(Value::Array(as_list(value)), Rules::patch(leniency))?,
    };
    Ok(match op {
        Op::Replace if members.is_empty() => Some(MembershipEdit::Clear),
        Op::Replace => Some(MembershipEdit::Replace(members)),
        _ if members.is_empty() => None,
        _ => Some(MembershipEdit::Add(members)),
    })
}

/// `add` at `members[value eq "…"]` says the same whether that member is there or not. Anything
/// else would change a member's parts, which are immutable.
fn write_selected(
    op: Op,
    filter: &Filter,
    value: &Value,
    leniency: &Leniency,
) -> Result<Option<MembershipEdit>, Invalid> {
    let immutable = || Invalid::mutability("`members` cannot be rewritten in place; members come and go whole");
    let (Op::Add, Some(ids)) = (op, named_ids(filter)) else {
        return Err(immutable());
    };
    let mut member = match value {
        Value::Object(fields) => fields.clone(),
        value if is_nothing(value) => return Ok(None),
        _ => return Err(immutable()),
    };
    let given = member.keys().find(|key| key.eq_ignore_ascii_case("value")).cloned();
    let id = match (ids.as_slice(), given.as_deref().and_then(|key| member.get(key)).and_then(Value::as_str)) {
        ([id], None) => id.clone(),
        ([id], Some(given)) if id == given => id.clone(),
        _ => return Err(immutable()),
    };
    if !leniency.allows(Switch::PatchCreateOnNoMatch) {
        return Err(immutable());
    }
    member.insert(given.unwrap_or_else(|| "value".into()), id.into());
    let members = check::members(Value::Array(vec![Value::Object(member)]), Rules::patch(leniency))?;
    Ok(Some(MembershipEdit::Add(members)))
}

fn remove(
    filter: Option<&Filter>,
    value: Option<&Value>,
    leniency: &Leniency,
) -> Result<Option<MembershipEdit>, Invalid> {
    let listed = match value {
        Some(_) if !leniency.allows(Switch::PatchRemoveWithValue) => {
            return Err(Invalid::syntax("a `remove` takes no `value`; select members by a filter"));
        }
        Some(value) => Some(listed_ids(value)?),
        None => None,
    };
    Ok(match (filter, listed) {
        (None, None) => Some(MembershipEdit::Clear),
        (None, Some(listed)) => removal(listed),
        // Where nobody selected is an error, it is the store that knows (L-P19).
        (Some(filter), None) if !leniency.is_on(Switch::PatchRemoveNoMatchOk) => {
            Some(MembershipEdit::RemoveWhere(filter.clone()))
        }
        (Some(filter), None) => match named_ids(filter) {
            Some(ids) => removal(ids).or_else(|| {
                leniency.noted.note(Switch::PatchRemoveNoMatchOk);
                None
            }),
            None => Some(MembershipEdit::RemoveWhere(filter.clone())),
        },
        (Some(filter), Some(listed)) => match named_ids(filter) {
            Some(ids) => removal(ids.into_iter().filter(|id| listed.contains(id)).collect()),
            None if listed.is_empty() => None,
            None => {
                let named = listed.into_iter().map(named).collect();
                Some(MembershipEdit::RemoveWhere(Filter::And(vec![filter.clone(), Filter::Or(named)])))
            }
        },
    })
}

fn named(id: String) -> Filter {
    let value = AttrPath { schema: None, name: "value".into(), sub: None };
    Filter::Compare(value, CompareOp::Eq, Literal::String(id))
}

/// What can be no member's id selects nobody.
fn removal(ids: Vec<String>) -> Option<MembershipEdit> {
    let ids: Vec<Uuid> = ids.iter().filter_map(|id| parse_id(id)).collect();
    (!ids.is_empty()).then_some(MembershipEdit::Remove(ids))
}

/// The ids that the `value` of a `remove` lists (L-P4), as objects or as strings.
fn listed_ids(value: &Value) -> Result<Vec<String>, Invalid> {
    let id = |element: &Value| match element {
        Value::String(id) => Some(id.clone()),
        Value::Object(fields) => {
            let value = fields.iter().find(|(name, _)| name.eq_ignore_ascii_case("value"));
            value.and_then(|(_, id)| id.as_str()).map(str::to_owned)
        }
        _ => None,
    };
    let wrong = || Invalid::value("the `value` of a `remove` at `members` must list members by their `value`");
    as_list(value).iter().map(|element| id(element).ok_or_else(wrong)).collect()
}

/// The ids that a filter names, if it is `value eq "…"` or several of these joined by `or`.
fn named_ids(filter: &Filter) -> Option<Vec<String>> {
    match filter {
        Filter::Compare(path, CompareOp::Eq, Literal::String(id)) if path.name.eq_ignore_ascii_case("value") => {
            Some(vec![id.clone()])
        }
        Filter::Or(parts) => {
            let ids: Option<Vec<_>> = parts.iter().map(named_ids).collect();
            ids.map(|ids| ids.concat())
        }
        _ => None,
    }
}
