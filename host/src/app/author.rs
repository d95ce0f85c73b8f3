//! The way of a plugin's own change into the pipeline, for the plugin host, which lies below it.

use std::sync::Arc;

use futures::FutureExt as _;
use tracing::warn;

use crate::context::RequestContext;
use crate::hook::{Author, OwnChangeError};
use crate::http::{answered, error_chain};
use crate::pipeline::{Pipeline, WriteError};

/// What a client is answered who should come again.
const NOT_NOW: u16 = 503;

/// What plugins change goes through this pipeline, for as long as somebody else keeps it.
pub(super) fn author(pipeline: &Arc<Pipeline>) -> Author {
    let pipeline = Arc::downgrade(pipeline);
    Arc::new(move |cx, change| {
        let pipeline = pipeline.upgrade();
        async move {
            let stopping = || OwnChangeError::Unavailable("the server is stopping".to_owned());
            let outcome = pipeline.ok_or_else(stopping)?.make_own(&cx, change).await;
            outcome.map_err(|error| told(&cx, &error))
        }
        .boxed()
    })
}

/// The error in the words of the interface. What is the server's own trouble goes to the log; the
/// plugin is told no more of it than a client would be.
fn told(cx: &RequestContext, error: &WriteError) -> OwnChangeError {
    let (status, scim_type, detail) = answered(error);
    match error {
        WriteError::Ungranted(_) => OwnChangeError::Denied(detail),
        WriteError::Looped { .. } => OwnChangeError::Looped(detail),
        _ => {
            if status >= 500 {
                let (who, reason) = (&cx.actor.subject, error_chain(error));
                warn!(request.id = %cx.request_id, reason, "a change by `{who}` was not made");
            }
            match status {
                NOT_NOW => OwnChangeError::Unavailable(detail),
                _ => OwnChangeError::Refused { status, scim_type: scim_type.map(|keyword| keyword.as_str()), detail },
            }
        }
    }
}
