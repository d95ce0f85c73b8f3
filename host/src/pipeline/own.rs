//! A plugin's own changes: the same functions as a client's, under the plugin's own grant.
//!
//! What it may do to which resources is asked here, before anything is looked at; which attributes
//! it may set is held against the difference, where an owner's reach is. Every other rule is asked
//! as always, the plugin's own review among them: rules do not step aside for whoever made them.
//!
//! Plugins that answer each other's changes are stopped by the number of them that stand behind
//! one another, and told who they are.

use provost_scim::version::EntityTags;
use provost_scim::{Attributes, Invalid, Projection, ResourceType, message, patch, resource};
use serde_json::Value;
use tracing::warn;

use super::review::within;
use super::{At, Pipeline, Precondition, WriteError};
use crate::access::{self, Action};
use crate::context::RequestContext;
use crate::hook::{Change, Operation, OwnChange, OwnRights, PluginName, Trail};
use crate::limits::HOPS_MAX;

/// The operator did not grant a plugin this change.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("plugin `{plugin}` may not {what}; its `{grant}` does not cover it")]
pub struct Ungranted {
    /// Which plugin.
    pub plugin: PluginName,
    /// What it wanted to do.
    pub what: String,
    /// The grant's key.
    pub grant: &'static str,
}

impl Pipeline {
    /// Makes a change that the last plugin of the request's trail makes by itself. Answers with the
    /// resource as it is afterwards, without members and groups; on a delete with nothing.
    ///
    /// # Errors
    /// Nothing is stored, sent or remembered when this fails.
    pub async fn make_own(&self, cx: &RequestContext, change: OwnChange) -> Result<Option<Attributes>, WriteError> {
        access::allow(cx, Action::Write)?;

        let (plugin, rights) = self.own_rights(cx)?;
        if !rights.allow(change.operation, &change.resource_type) {
            let (verb, of) = (change.operation.as_str(), change.resource_type.escape_default());
            let what = format!("{verb} resources of the type `{of}`");
            return Err(ungranted(plugin, what, "grant.directory_write").into());
        }
        if cx.trail.len() > HOPS_MAX {
            let trail = Trail(&cx.trail).to_string();
            warn!(plugin.name = %plugin, request.id = %cx.request_id, trail, "plugins answer each other's changes: {trail}");
            return Err(WriteError::Looped { trail });
        }
        let unknown =
            || Invalid::path(format!("there is no resource type `{}`", change.resource_type.escape_default()));
        let of = self.schemas.resource_type(&change.resource_type).ok_or_else(unknown)?.clone();
        let leniency = &self.leniency(cx);
        let projection = Projection::from_query(&[], &["members", "groups"], leniency)?;

        if change.operation == Operation::Create {
            let answer = self.create(cx, &of, body(&change)?, &projection).await?;
            return Ok(Some(answer.document));
        }
        let if_match = change.if_match.as_deref().map(|tag| EntityTags::parse_with(tag, leniency));
        let unknown = || WriteError::NotFound { resource_type: of.name.clone() };
        let id = change.id.as_deref().and_then(resource::parse_id).ok_or_else(unknown)?;
        let at = At { resource_type: of, id, precondition: Precondition { if_match, if_none_match: None } };
        let answer = match change.operation {
            Operation::Replace | Operation::Create => self.replace(cx, &at, body(&change)?, &projection).await?,
            Operation::Patch => self.patch(cx, &at, body(&change)?, &projection).await?,
            Operation::Delete => {
                self.delete(cx, &at).await?;
                return Ok(None);
            }
        };
        Ok(Some(answer.document))
    }

    /// Holds a change to the attributes that its plugin may set.
    pub(super) fn within_grant(&self, cx: &RequestContext, change: &Change) -> Result<(), Ungranted> {
        let (plugin, rights) = self.own_rights(cx)?;
        let Some(proposed) = &change.proposed else { return Ok(()) };
        let of: &ResourceType = &proposed.resource_type;
        match change.changed_paths.iter().find(|path| !within(&rights.may_write, of, path)) {
            Some(path) => Err(ungranted(plugin, format!("set `{path}`"), "grant.write")),
            None => Ok(()),
        }
    }

    /// Who makes the change, and by which rights, as they are now.
    fn own_rights<'a>(&self, cx: &'a RequestContext) -> Result<(&'a PluginName, OwnRights), Ungranted> {
        let nobody = || ungranted(&PluginName::from(""), "change anything".to_owned(), "grant.directory_write");
        let plugin = cx.trail.last().ok_or_else(nobody)?;
        Ok((plugin, self.hooks(cx).own_rights(plugin).unwrap_or_default()))
    }
}

/// The body as it would be a client's: read with the same bounds, and around a patch's operations the message.
fn body(change: &OwnChange) -> Result<Value, Invalid> {
    let text = change.body.as_deref().ok_or_else(|| Invalid::syntax("this change needs a body"))?;
    match change.operation {
        Operation::Patch => {
            message::parse(format!(r#"{{"schemas":["{}"],"Operations":{text}}}"#, patch::PATCH_OP).as_bytes())
        }
        Operation::Create | Operation::Replace | Operation::Delete => message::parse(text.as_bytes()),
    }
}

fn ungranted(plugin: &PluginName, what: String, grant: &'static str) -> Ungranted {
    Ungranted { plugin: plugin.clone(), what, grant }
}
