//! Groups by name, and which memberships this plugin gave.

use std::collections::BTreeSet;

use provost_sdk::prelude::*;

/// The ids of the groups that this plugin gave a person.
type Given = BTreeSet<String>;

/// Where it is remembered what a person was given.
pub fn given_key(person: &str) -> String {
    format!("given:{person}")
}

/// The id of the group with this name.
pub fn find(name: &str) -> Result<Option<String>> {
    let page = directory::find::<Resource>("Group", &filter::eq("displayName", name), None, 2)?;
    match &page.resources[..] {
        [] => Ok(None),
        [group] => Ok(group.id().map(str::to_owned)),
        _ => Err(Failure::new(format!("there are several groups `{name}`"))),
    }
}

/// Makes a group; answers with its id.
pub fn create(name: &str) -> Result<String> {
    let group = json!({ "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": name });
    let made = directory::create("Group", &group)?;
    made.id().map(str::to_owned).ok_or_else(|| Failure::new("the host made a group without an id"))
}

/// Whether a person is in a group by somebody's hand, and so will stay in it.
pub fn stays(name: &str, person: &str) -> Result<bool> {
    let Some(group) = find(name)? else { return Ok(false) };
    let given = given(person)?;
    Ok(directory::is_member(&group, person)? && !given.contains(&group))
}

/// Gives a person these memberships, and takes away what was given before and is not among them.
///
/// What is about to be given is remembered first: after a crash it counts as given, and is given
/// again. A membership that is there already is somebody else's, and stays so. The old go before the
/// new come, since the two may exclude each other.
pub fn settle(person: &str, due: &BTreeSet<String>) -> Result {
    let key = given_key(person);
    let before = given(person)?;
    let mut ours: Given = due.intersection(&before).cloned().collect();
    for group in due.difference(&before) {
        if !directory::is_member(group, person)? {
            ours.insert(group.clone());
        }
    }
    let meanwhile: Given = before.union(&ours).cloned().collect();
    if meanwhile != before {
        state::put_json(&key, &meanwhile)?;
    }
    for group in before.difference(due) {
        if directory::is_member(group, person)? {
            directory::leave(group, person)?;
        }
    }
    for group in &ours {
        if !directory::is_member(group, person)? {
            directory::join(group, person)?;
        }
    }
    match ours.is_empty() {
        true if meanwhile.is_empty() => Ok(()),
        true => Ok(state::delete(&key)?),
        false if ours == meanwhile => Ok(()),
        false => state::put_json(&key, &ours),
    }
}

fn given(person: &str) -> Result<Given> {
    Ok(state::get_json(&given_key(person))?.unwrap_or_default())
}
