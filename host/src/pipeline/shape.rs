//! Having the plugins shape what is about to be answered.
//!
//! A plugin may remove, mask or add attributes, and nothing else: which resources there are, in
//! which order, who they are, in which state, and whom they hold was settled before, and so was
//! what a filter matched. A group's members do not come here at all. What the caller asked to see
//! is picked from the shaped document afterwards.
//!
//! What a plugin makes of a document is held to its grant and to the schema. What does not hold is
//! the plugin's fault, and of that answer nothing is used.

use std::sync::Arc;

use provost_scim::{Attributes, Invalid, ResourceType, changed_paths, check, project, resource};
use tracing::warn;

use super::review::granted;
use super::{Pipeline, ReadError};
use crate::context::{Capacity, RequestContext};
use crate::hook::{Act, Consulted, Fault, FaultKind, OnFault, Trouble};
use crate::limits::SHAPE_DOCUMENTS_MAX;

/// What belongs to the server and to its joins.
const SETTLED: [&str; 4] = ["id", "meta", "groups", "members"];

impl Pipeline {
    /// Whether any plugin shapes such answers. What a plugin is told of its own change is not shaped by others.
    pub(super) fn is_shaped(&self, cx: &RequestContext, act: Act, of: &ResourceType) -> bool {
        cx.capacity != Capacity::Plugin && !self.hooks(cx).shapers(act, &of.name).is_empty()
    }

    /// Hands documents of one type to each plugin in turn, in the operator's order.
    ///
    /// # Errors
    /// [`ReadError::Troubled`] when one gave no usable answer, and nothing is shown without it.
    pub(super) async fn shape(
        &self,
        cx: &RequestContext,
        act: Act,
        of: &Arc<ResourceType>,
        documents: Vec<Attributes>,
    ) -> Result<Vec<Attributes>, ReadError> {
        let shapers = self.hooks(cx).shapers(act, &of.name);
        if shapers.is_empty() {
            return Ok(documents);
        }
        let visible = documents.into_iter().map(|document| project::without_secrets(of, document));
        let mut documents: Vec<Attributes> = visible.collect();
        for shaper in &shapers {
            for batch in documents.chunks_mut(SHAPE_DOCUMENTS_MAX) {
                match self.shaped(cx, shaper, act, of, batch).await {
                    Ok(shaped) => batch.iter_mut().zip(shaped).for_each(|(before, after)| *before = after),
                    Err(trouble) => refuse_or_skip(cx, shaper, trouble)?,
                }
            }
        }
        Ok(documents)
    }

    /// What one plugin makes of some documents, if all of it may be shown.
    async fn shaped(
        &self,
        cx: &RequestContext,
        shaper: &Consulted,
        act: Act,
        of: &Arc<ResourceType>,
        batch: &[Attributes],
    ) -> Result<Vec<Attributes>, Trouble> {
        let hooks = self.hooks(cx);
        let mut shaped = hooks.shape(shaper, cx, act, of, batch).await?;
        let held = match shaped.len() == batch.len() {
            true => batch.iter().zip(&mut shaped).try_for_each(|(before, after)| hold(shaper, of, before, after)),
            false => Err(Invalid::value("there are not as many resources as before")),
        };
        match held {
            Ok(()) => Ok(shaped),
            Err(invalid) => {
                let fault =
                    Fault::new(FaultKind::Output, format!("what it made of an answer cannot be shown: {invalid}"));
                hooks.blame(shaper, &fault);
                Err(fault.into())
            }
        }
    }
}

/// Holds one shaped document to what may not change, to the plugin's grant, and to the schema.
fn hold(shaper: &Consulted, of: &ResourceType, before: &Attributes, after: &mut Attributes) -> Result<(), Invalid> {
    if let Some(name) = SETTLED.into_iter().find(|name| before.get(*name) != after.get(*name)) {
        return Err(Invalid::mutability(format!("`{name}` belongs to the server")));
    }
    after.retain(|_, value| !value.is_null() && value.as_object().is_none_or(|object| !object.is_empty()));
    check::shaped(before, after, of)?;
    for path in changed_paths(Some(before), Some(after), of) {
        granted(shaper, of, &path)?;
    }
    if before.get("schemas") != after.get("schemas") {
        return Err(Invalid::mutability("`schemas` belongs to the server"));
    }
    // The containers say which extensions there are.
    after.insert("schemas".to_owned(), resource::schema_urns(of, after).into());
    Ok(())
}

/// What the operator chose for a plugin that gave no usable answer.
fn refuse_or_skip(cx: &RequestContext, shaper: &Consulted, trouble: Trouble) -> Result<(), ReadError> {
    let by = shaper.attribution.clone();
    match shaper.on_fault {
        OnFault::Refuse => Err(ReadError::Troubled { by, trouble }),
        OnFault::Skip => {
            warn!(
                plugin.name = %by.plugin, request.id = %cx.request_id, %trouble,
                "plugin `{}` gave no usable answer; what is shown is as it was before it", by.plugin
            );
            Ok(())
        }
    }
}
