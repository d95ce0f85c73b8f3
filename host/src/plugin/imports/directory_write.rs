//! `directory-write`: changes of the directory, through the same pipeline as any client's.
//!
//! Here it is only said who makes the change, in which chain of causes, and when; what the plugin
//! may do is the pipeline's question, as it is for every other way in.

use super::super::bindings::wit;
use super::super::encode::Visible;
use super::super::guest::{Guest, Phase};
use crate::context::{Actor, Capacity, RequestContext};
use crate::hook::{Operation, OwnChange, OwnChangeError};
use wit::directory_write::{Action, Error, Refused, Request};

impl wit::directory_write::Host for Guest {
    async fn apply(&mut self, request: Request) -> wasmtime::Result<Result<Option<String>, Error>> {
        self.enter("directory-write.apply")?;
        Ok(self.directory_apply(request).await)
    }
}

impl Guest {
    async fn directory_apply(&mut self, request: Request) -> Result<Option<String>, Error> {
        if !self.is(Phase::After) {
            let why =
                "nothing can be changed here; only observers, deliveries and jobs may, by `grant.directory_write`";
            return Err(Error::Denied(why.to_owned()));
        }
        let author = self.house.author.get().cloned();
        let author = author.ok_or_else(|| Error::Unavailable("there is no server to change anything in".to_owned()))?;
        let change = OwnChange {
            operation: match request.action {
                Action::Create => Operation::Create,
                Action::Replace => Operation::Replace,
                Action::Patch => Operation::Patch,
                Action::Delete => Operation::Delete,
            },
            resource_type: request.resource_type,
            id: request.id,
            body: request.body,
            if_match: request.if_match,
        };
        let resource_type = self.house.backing.resource_type(&change.resource_type);
        let document = author(self.own_context(), change).await?;
        Ok(document
            .zip(resource_type)
            .map(|(document, resource_type)| Visible::of(&document, &resource_type).text(&self.identity.sight)))
    }

    /// The context of a change that the plugin makes in this call. It has the name of what caused it, so that the
    /// whole chain is found under one.
    fn own_context(&self) -> RequestContext {
        let occasion = &self.occasion;
        let actor = Actor { subject: format!("plugin:{}", self.identity.name()), ..Actor::default() };
        let now = self.house.clock.now();
        let cx = RequestContext::new(occasion.request_id.clone(), occasion.realm, actor, now);
        RequestContext { capacity: Capacity::Plugin, trail: occasion.trail.clone(), ..cx }
    }
}

impl From<OwnChangeError> for Error {
    fn from(error: OwnChangeError) -> Self {
        match error {
            OwnChangeError::Denied(why) => Self::Denied(why),
            OwnChangeError::Refused { status, scim_type, detail } => {
                Self::Refused(Refused { status, scim_type: scim_type.map(str::to_owned), detail })
            }
            OwnChangeError::Looped(trail) => Self::Looped(trail),
            OwnChangeError::Unavailable(why) => Self::Unavailable(why),
        }
    }
}
