//! Answers operators: permission first, then the store, the plugins or a worker.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::SignedDuration;
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::answer::{
    Dropped, IndexList, JobList, JournalList, MadeToken, OutboxList, Redriven, RequestList, Revoked, ShownHealth,
    ShownRequest, Started, TokenList,
};
use super::call::{Call, GuardLift, Listing, NewToken};
use crate::access::{self, Action, Forbidden, Token};
use crate::clock::Clock;
use crate::context::{Actor, Realm, RequestContext, Scope};
use crate::delivery::Delivery;
use crate::hook::JobName;
use crate::http::Health;
use crate::limits::{GUARD_LIFT_MINUTES_MAX, TOKEN_CLAIM_BYTES_MAX, TOKEN_CLAIMS_MAX};
use crate::pipeline::Guard;
use crate::plugin::{ChangeError, PluginHost};
use crate::schedule::{JobStatus, NotStarted, Schedule};
use crate::store::{OutboxKey, OutboxRow, Store, StoreError, TokenRecord};
use crate::trace::Recent;

/// How many rows one listing shows at most.
pub(super) const ROWS_MAX: usize = 1_000;

/// How many rows a listing shows when nobody says.
pub(super) const ROWS_DEFAULT: usize = 20;

/// Why an operator's call was not done.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    /// The token lacks the scope.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// No such thing.
    #[error("there is no {0}")]
    NotFound(String),
    /// The call makes no sense.
    #[error("{0}")]
    Senseless(String),
    /// Well said, but not in the present state of things.
    #[error("{0}")]
    NotNow(String),
    /// No randomness for a token.
    #[error("the operating system gave no randomness for a token")]
    Entropy(#[source] rand::rand_core::OsError),
    /// The plugins were not changed.
    #[error(transparent)]
    Plugins(#[from] ChangeError),
    /// The store failed.
    #[error("the store could not answer")]
    Store(#[source] StoreError),
}

impl From<StoreError> for DeskError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// What only a running server has.
pub struct Running {
    /// The plugins.
    pub plugins: Arc<PluginHost>,
    /// The delivery worker.
    pub delivery: Delivery,
    /// The plugins' jobs.
    pub schedule: Schedule,
    /// The last requests.
    pub recent: Recent,
    /// The guard against mass changes.
    pub guard: Arc<Guard>,
    /// Whether all is well.
    pub health: Arc<dyn Fn() -> Health + Send + Sync>,
}

/// Who answers.
pub struct Desk {
    store: Arc<Store>,
    clock: Clock,
    running: Option<Running>,
}

/// The operator at the command line of the machine itself: whoever may open the data directory.
pub fn local(clock: &Clock) -> RequestContext {
    let (subject, client) = ("local".to_owned(), Some("command line".to_owned()));
    let actor = Actor { subject, client, scopes: Scope::ADMINISTRATOR.into(), ..Actor::default() };
    RequestContext::new("local", Realm::DEFAULT, actor, clock.now())
}

impl Desk {
    /// A running server's desk.
    pub fn serving(store: Arc<Store>, clock: Clock, running: Running) -> Self {
        Self { store, clock, running: Some(running) }
    }

    /// A desk over a store that no server has open.
    pub fn offline(store: Arc<Store>, clock: Clock) -> Self {
        Self { store, clock, running: None }
    }

    /// The desk's clock.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The store, for credentials.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Does what the operator asks and answers with JSON.
    ///
    /// # Errors
    /// The reason names the thing that is missing or wrong.
    pub async fn answer(&self, cx: &RequestContext, call: Call) -> Result<Value, DeskError> {
        access::allow(cx, Action::Administer)?;

        match call {
            Call::TokenCreate(new) => self.token_create(cx, new).await,
            Call::TokenList => {
                let tokens = self.store.tokens(cx.realm).await?;
                told(TokenList { tokens: tokens.into_iter().map(Into::into).collect() })
            }
            Call::TokenRevoke { id } => match self.store.token_revoke(cx.realm, &id).await? {
                true => told(Revoked { revoked: id }),
                false => Err(DeskError::NotFound(format!("token `{id}`"))),
            },
            Call::PluginList => self.plugin_list(),
            Call::PluginShow { name } => self.plugin_show(&name),
            Call::PluginGrants { name } => self.plugin_grants(&name),
            Call::PluginReload => self.plugin_reload(cx).await,
            Call::PluginOrder(order) => self.plugin_order(cx, order).await,
            Call::PluginCloseBreaker { name } => self.plugin_close_breaker(cx, &name),
            Call::IndexList => told(IndexList { indexes: self.store.indexes().await }),
            Call::OutboxList(listing) => self.outbox_list(&listing).await,
            Call::OutboxRedrive { key } => self.redrive(key).await,
            Call::OutboxDrop { key } => self.drop_message(key).await,
            Call::Journal(listing) => self.journal(&listing).await,
            Call::RequestList(listing) => {
                let last = self.running()?.recent.last(listing.limit.unwrap_or(ROWS_DEFAULT).min(ROWS_MAX));
                told(RequestList { requests: last })
            }
            Call::RequestShow { id } => self.request(cx, &id),
            Call::JobList => self.job_list(cx).await,
            Call::JobRun { plugin, job } => self.job_run(JobName { plugin: plugin.as_str().into(), job }).await,
            Call::GuardShow => told(self.running()?.guard.status(cx.now)),
            Call::GuardLift(lift) => self.guard_lift(cx, lift),
            Call::Health => told(ShownHealth::from((self.running()?.health)())),
        }
    }

    async fn job_list(&self, cx: &RequestContext) -> Result<Value, DeskError> {
        let jobs = match &self.running {
            Some(running) => running.schedule.list().await,
            None => self.store.jobs(cx.realm).await?.iter().map(|(name, row)| JobStatus::of(name, row)).collect(),
        };
        told(JobList { jobs })
    }

    async fn job_run(&self, name: JobName) -> Result<Value, DeskError> {
        match self.running()?.schedule.run(name.clone()).await {
            Ok(()) => told(Started { plugin: name.plugin, job: name.job, started: true }),
            Err(NotStarted::Unknown(name)) => {
                Err(DeskError::NotFound(format!("job `{name}`; `provost job list` shows them")))
            }
            Err(refused) => Err(DeskError::NotNow(refused.to_string())),
        }
    }

    async fn token_create(&self, cx: &RequestContext, new: NewToken) -> Result<Value, DeskError> {
        if new.name.trim().is_empty() || new.scopes.is_empty() {
            return Err(DeskError::Senseless("a token needs a name and at least one scope".to_owned()));
        }
        check_claims(&new.claims)?;
        if let Some(id) = new.resource
            && self.store.types_of(cx.realm, &[id]).await? != [Some("User".to_owned())]
        {
            return Err(DeskError::Senseless(format!("there is no User with the id {id} to make a token for")));
        }
        let secret = Token::generate().map_err(DeskError::Entropy)?;
        let record = TokenRecord {
            id: Uuid::new_v4().simple().to_string()[..12].to_owned(),
            name: new.name,
            hash: secret.hash(),
            scopes: new.scopes,
            created: cx.now,
            expires: new.days.map(|days| cx.now + SignedDuration::from_hours(24 * i64::from(days))),
            resource: new.resource,
            claims: new.claims,
        };
        self.store.token_put(cx.realm, &record).await?;
        told(MadeToken { shown: record.into(), token: secret.reveal().to_owned() })
    }

    /// What only a running server has.
    pub(super) fn running(&self) -> Result<&Running, DeskError> {
        self.running.as_ref().ok_or_else(|| DeskError::NotFound("running server, and this needs one".to_owned()))
    }

    fn guard_lift(&self, cx: &RequestContext, GuardLift { minutes }: GuardLift) -> Result<Value, DeskError> {
        if !(1..=GUARD_LIFT_MINUTES_MAX).contains(&minutes) {
            let text = format!("the guard is lifted for 1 to {GUARD_LIFT_MINUTES_MAX} minutes at a time");
            return Err(DeskError::Senseless(text));
        }
        let guard = &self.running()?.guard;
        guard.lift(cx, minutes);
        told(guard.status(cx.now))
    }

    /// What the plugins did in a request; attribute values only for those who may see values.
    fn request(&self, cx: &RequestContext, id: &str) -> Result<Value, DeskError> {
        let found = self.running()?.recent.find(id);
        let found = found.ok_or_else(|| {
            DeskError::NotFound(format!("request `{id}` among the last ones in which a plugin was asked"))
        })?;
        let plugins = found.trace.steps(cx.actor.scopes.contains(&Scope::Values));
        told(ShownRequest { request: found, plugins })
    }

    async fn outbox_list(&self, listing: &Listing) -> Result<Value, DeskError> {
        let after = listing.after.as_deref().map(outbox_key).transpose()?;
        let limit = listing.limit.unwrap_or(ROWS_DEFAULT).min(ROWS_MAX);
        let only_parked = listing.parked.unwrap_or(false);
        let rows = self.outbox_rows(after, limit, only_parked).await?;
        let counts = self.store.outbox_counts(Realm::DEFAULT).await?;
        let messages = rows.into_iter().map(Into::into).collect();
        told(OutboxList { waiting: counts.waiting, parked: counts.parked, messages })
    }

    /// Up to `limit` rows behind `after`, reading on until there are as many that match.
    async fn outbox_rows(
        &self,
        mut after: Option<OutboxKey>,
        limit: usize,
        only_parked: bool,
    ) -> Result<Vec<OutboxRow>, StoreError> {
        let settled = self.store.settled();
        let mut found = Vec::new();
        while found.len() < limit {
            let rows = self.store.outbox_rows(after, settled, ROWS_MAX).await?;
            let Some(last) = rows.last() else { break };
            after = Some(last.key);
            found.extend(rows.into_iter().filter(|row| !only_parked || row.parked.is_some()));
        }
        found.truncate(limit);
        Ok(found)
    }

    async fn redrive(&self, text: String) -> Result<Value, DeskError> {
        let key = outbox_key(&text)?;
        let found = match self.running.as_ref().map(|running| &running.delivery) {
            Some(delivery) => delivery.redrive(key).await?,
            None => self.store.outbox_redrive(key).await?.is_some(),
        };
        if found { told(Redriven { redriven: text }) } else { Err(DeskError::NotFound(format!("message `{text}`"))) }
    }

    async fn drop_message(&self, text: String) -> Result<Value, DeskError> {
        let key = outbox_key(&text)?;
        let found = match self.running.as_ref().map(|running| &running.delivery) {
            Some(delivery) => delivery.drop_message(key).await?,
            None => self.store.outbox_done(key).await?,
        };
        if found { told(Dropped { dropped: text }) } else { Err(DeskError::NotFound(format!("message `{text}`"))) }
    }

    async fn journal(&self, listing: &Listing) -> Result<Value, DeskError> {
        let limit = listing.limit.unwrap_or(ROWS_DEFAULT).min(ROWS_MAX);
        let entries = match &listing.after {
            Some(after) => {
                let senseless = |_| DeskError::Senseless("`after` must be a sequence number".to_owned());
                self.store.journal(Realm::DEFAULT, after.parse().map_err(senseless)?, limit).await?
            }
            None => self.store.journal_tail(Realm::DEFAULT, limit).await?,
        };
        told(JournalList { entries: entries.into_iter().map(Into::into).collect() })
    }
}

/// An answer as JSON.
pub(super) fn told(answer: impl Serialize) -> Result<Value, DeskError> {
    Ok(json!(answer))
}

/// Holds a token's claims to their bounds.
fn check_claims(claims: &BTreeMap<String, String>) -> Result<(), DeskError> {
    let senseless = |text: String| Err(DeskError::Senseless(text));
    if claims.len() > TOKEN_CLAIMS_MAX {
        return senseless(format!("a token carries at most {TOKEN_CLAIMS_MAX} claims"));
    }
    match claims.iter().find(|(name, value)| name.is_empty() || name.len() + value.len() > TOKEN_CLAIM_BYTES_MAX) {
        Some(_) => senseless(format!("a claim has a name, and at most {TOKEN_CLAIM_BYTES_MAX} bytes with its value")),
        None => Ok(()),
    }
}

fn outbox_key(text: &str) -> Result<OutboxKey, DeskError> {
    text.parse()
        .map_err(|_| DeskError::Senseless(format!("`{text}` is not a message's key; `provost outbox list` shows them")))
}
