//! Handing a change to the plugins, and applying what they answer.
//!
//! The first refusal is final. Each plugin sees its predecessors' changes. What a plugin changes
//! is checked the moment it is applied: an answer that breaks the schema, or touches what the
//! plugin was not granted, is that plugin's fault, never the client's.

use provost_scim::{Draft, Invalid, ResourceType, Stamp, changed_paths, check, covers, patch, validate};
use serde_json::Value;
use tracing::warn;

use super::membership::Asking;
use super::{Pipeline, WriteError};
use crate::context::RequestContext;
use crate::hook::{Attribution, Change, Consulted, Effects, Fault, FaultKind, OnFault, PluginName, Trouble, Verdict};
use crate::trace;

/// A change that every plugin let pass, with what they want sent and remembered.
pub(super) struct Reviewed {
    pub(super) change: Change,
    pub(super) effects: Vec<(PluginName, Effects)>,
    pub(super) changed_by: Vec<Attribution>,
}

impl Pipeline {
    /// Hands the change to each plugin in turn, in the order the operator chose.
    pub(super) async fn review(
        &self,
        cx: &RequestContext,
        asking: &Asking<'_>,
        change: Change,
    ) -> Result<Reviewed, WriteError> {
        let reviewers = self.hooks(cx).reviewers(&change);
        let mut reviewed = Reviewed { change, effects: Vec::new(), changed_by: Vec::new() };
        for reviewer in &reviewers {
            let by = || reviewer.attribution.clone();
            let outcome = match self.hooks(cx).review(reviewer, cx, &reviewed.change).await {
                Ok((Verdict::Reject(refusal), _)) => return Err(WriteError::Refused { by: by(), refusal }),
                Ok((Verdict::Hold(hold), _)) => return Err(WriteError::Held { by: by(), hold }),
                Ok((Verdict::Proceed, effects)) => Ok((None, effects)),
                Ok((Verdict::Patch(operations), effects)) => {
                    let change = self.patched(cx, asking, reviewer, &reviewed.change, operations).await?;
                    change.map(|change| (Some(change), effects))
                }
                Ok((Verdict::Replace(document), effects)) => {
                    let change = self.replaced(cx, asking, reviewer, &reviewed.change, document).await?;
                    change.map(|change| (Some(change), effects))
                }
                Err(trouble) => Err(trouble),
            };
            match outcome {
                Ok((changed, effects)) => reviewed.accept(reviewer, changed, effects),
                Err(trouble) => refuse_or_skip(cx, reviewer, trouble)?,
            }
        }
        Ok(reviewed)
    }

    /// The change after a plugin's patch; the inner error is the plugin's, the outer the store's.
    async fn patched(
        &self,
        cx: &RequestContext,
        asking: &Asking<'_>,
        reviewer: &Consulted,
        change: &Change,
        operations: Value,
    ) -> Result<Result<Change, Trouble>, WriteError> {
        let leniency = &self.settings.leniency;
        let proposed = change.proposed.clone().ok_or_else(nothing_to_change).and_then(|draft| {
            let operations = patch::parse_operations(operations)?;
            patch::apply(draft, change.current.as_ref(), &operations, leniency)
        });
        self.changed(cx, asking, reviewer, change, proposed).await
    }

    /// The change after a plugin answered a whole document.
    async fn replaced(
        &self,
        cx: &RequestContext,
        asking: &Asking<'_>,
        reviewer: &Consulted,
        change: &Change,
        document: Value,
    ) -> Result<Result<Change, Trouble>, WriteError> {
        let proposed =
            change.proposed.as_ref().ok_or_else(nothing_to_change).and_then(|draft| {
                check::replacement(change.current.as_ref(), draft, document, &self.settings.leniency)
            });
        self.changed(cx, asking, reviewer, change, proposed).await
    }

    async fn changed(
        &self,
        cx: &RequestContext,
        asking: &Asking<'_>,
        reviewer: &Consulted,
        change: &Change,
        proposed: Result<Draft, Invalid>,
    ) -> Result<Result<Change, Trouble>, WriteError> {
        let outcome = match proposed {
            Ok(proposed) => self.accepted(cx, asking, reviewer, change, proposed).await,
            Err(invalid) => Err(invalid.into()),
        };
        match outcome {
            Ok(change) => Ok(Ok(change)),
            Err(WriteError::Invalid(invalid)) => {
                let fault = Fault::new(FaultKind::Output, format!("its change is invalid: {invalid}"));
                self.hooks(cx).blame(reviewer, &fault);
                cx.trace.blamed(&reviewer.attribution, &fault);
                Ok(Err(fault.into()))
            }
            Err(other) => Err(other),
        }
    }

    /// Holds a plugin's proposal to the plugin's grant and to the schema.
    async fn accepted(
        &self,
        cx: &RequestContext,
        asking: &Asking<'_>,
        reviewer: &Consulted,
        change: &Change,
        mut proposed: Draft,
    ) -> Result<Change, WriteError> {
        let before = change.proposed.as_ref().ok_or_else(nothing_to_change)?;
        let paths = changed_paths(Some(&before.attributes), Some(&proposed.attributes), &proposed.resource_type);
        paths.iter().try_for_each(|path| granted(reviewer, &proposed.resource_type, path))?;
        if proposed.secret != before.secret {
            granted(reviewer, &proposed.resource_type, "password")?;
            proposed.secret = self.held_password(&proposed)?;
        }
        let membership = match proposed.membership == before.membership {
            true => change.membership.clone(),
            false => {
                granted(reviewer, &proposed.resource_type, "members")?;
                let group = change.current.as_ref().map(|r| r.id());
                self.membership(cx, asking, group, &proposed, &self.settings.leniency).await?
            }
        };
        // What was complete before the plugin must be complete afterwards.
        let stamp = Stamp { id: change.id, version: 1, created: cx.now, last_modified: cx.now };
        if validate(before.clone(), stamp).is_ok() {
            validate(proposed.clone(), stamp)?;
        }
        let differences = trace::differences(paths, &before.attributes, &proposed.attributes, &proposed.resource_type);
        cx.trace.changed(&reviewer.attribution, differences);
        let mut change = Change { proposed: Some(proposed), membership, ..change.clone() };
        change.note_changed_paths();
        Ok(change)
    }
}

impl Reviewed {
    fn accept(&mut self, reviewer: &Consulted, changed: Option<Change>, effects: Effects) {
        if let Some(change) = changed {
            self.change = change;
            self.changed_by.push(reviewer.attribution.clone());
        }
        self.effects.push((reviewer.attribution.plugin.clone(), effects));
    }
}

impl Change {
    /// Computes `changed_paths` anew from `current` and `proposed`.
    pub(super) fn note_changed_paths(&mut self) {
        let Some(proposed) = &self.proposed else { return };
        let before = self.current.as_ref().map(|r| r.attributes());
        self.changed_paths = proposed.changed_paths(before);
        if !self.membership.is_empty() {
            self.changed_paths.push("members".to_owned());
        }
    }
}

/// Whether the operator lets the plugin change this path, however the grant was spelled.
pub(super) fn granted(reviewer: &Consulted, of: &ResourceType, path: &str) -> Result<(), Invalid> {
    match within(&reviewer.may_write, of, path) {
        true => Ok(()),
        false => Err(Invalid::mutability(format!("`{path}` is outside its write grant"))),
    }
}

/// Whether these granted paths reach this one.
pub(super) fn within(may_write: &[String], of: &ResourceType, path: &str) -> bool {
    may_write.iter().any(|grant| {
        let canonical = of.place(grant).map(|place| place.path());
        covers(canonical.as_deref().unwrap_or(grant), path)
    })
}

fn nothing_to_change() -> Invalid {
    Invalid::no_target("a delete has no proposed resource to change")
}

/// What the operator chose for a plugin that gave no usable answer.
fn refuse_or_skip(cx: &RequestContext, reviewer: &Consulted, trouble: Trouble) -> Result<(), WriteError> {
    let by = reviewer.attribution.clone();
    match reviewer.on_fault {
        OnFault::Refuse => Err(WriteError::Troubled { by, trouble }),
        OnFault::Skip => {
            warn!(
                plugin.name = %by.plugin, request.id = %cx.request_id, %trouble,
                "plugin `{}` gave no usable answer; the change goes on without it", by.plugin
            );
            Ok(())
        }
    }
}
