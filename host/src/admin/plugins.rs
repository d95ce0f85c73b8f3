//! The operator's plugins: how they are, and how they change.

use serde_json::Value;

use super::answer::{Closed, PluginList};
use super::desk::told;
use super::{Desk, DeskError};
use crate::context::{Actor, RequestContext};
use crate::hook::PluginName;
use crate::plugin::{Order, PluginHost};

impl Desk {
    pub(super) fn plugin_list(&self) -> Result<Value, DeskError> {
        let plugins = self.plugins()?;
        told(PluginList { plugins: plugins.statuses(), refused: plugins.refused() })
    }

    pub(super) fn plugin_show(&self, name: &PluginName) -> Result<Value, DeskError> {
        let statuses = self.plugins()?.statuses();
        let found = statuses.into_iter().find(|status| status.name == *name).ok_or_else(|| no_such(name))?;
        told(found)
    }

    pub(super) fn plugin_grants(&self, name: &PluginName) -> Result<Value, DeskError> {
        told(self.plugins()?.grants(name).ok_or_else(|| no_such(name))?)
    }

    pub(super) async fn plugin_reload(&self, cx: &RequestContext) -> Result<Value, DeskError> {
        told(self.plugins()?.reload(&who(&cx.actor)).await?)
    }

    pub(super) async fn plugin_order(&self, cx: &RequestContext, order: Order) -> Result<Value, DeskError> {
        told(self.plugins()?.order(order, &who(&cx.actor)).await?)
    }

    pub(super) fn plugin_close_breaker(&self, cx: &RequestContext, name: &PluginName) -> Result<Value, DeskError> {
        match self.plugins()?.close_breakers(name, &who(&cx.actor)) {
            true => told(Closed { closed: name.clone() }),
            false => Err(no_such(name)),
        }
    }

    fn plugins(&self) -> Result<&PluginHost, DeskError> {
        Ok(&self.running()?.plugins)
    }
}

fn no_such(name: &PluginName) -> DeskError {
    DeskError::NotFound(format!("plugin `{}`", name.0.escape_default()))
}

/// Who wanted a change, for the log.
fn who(actor: &Actor) -> String {
    match &actor.client {
        Some(client) => format!("{} ({client})", actor.subject),
        None => actor.subject.clone(),
    }
}
