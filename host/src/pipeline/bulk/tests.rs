//! Clients that go away: a job ends between two operations and never within one. With a scripted
//! fake in the place of the plugins, which stops each operation until it is told to go on.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::Timestamp;
use provost_scim::bulk::BulkRequest;
use provost_scim::message::BULK_REQUEST;
use provost_scim::{Attributes, Leniency, ResourceType, Schemas};
use serde_json::{Value, json};
use tokio::sync::{Semaphore, mpsc};

use super::*;
use crate::context::{Actor, Realm, Scope};
use crate::hook::{
    Act, Attribution, Change, Committed, Consulted, Decision, Effects, Fault, HookGroup, Hooks, Inquiry, JobRun,
    Message, OnFault, PluginName, Roster, Trouble, Verdict,
};
use crate::pipeline::{MeRules, PasswordRules, Settings};
use crate::store::{Store, StoreConfig};

/// Tells of each review, and holds it until there is a permit.
struct Gate {
    reviews: mpsc::UnboundedSender<()>,
    permits: Semaphore,
}

impl Hooks for Gate {
    fn reviewers(&self, _: &Change) -> Vec<Consulted> {
        let attribution = Attribution { plugin: "gate".into(), version: String::new() };
        vec![Consulted {
            attribution,
            group: HookGroup::BeforeWrite,
            on_fault: OnFault::Refuse,
            may_write: Arc::new([]),
        }]
    }

    fn review<'a>(
        &'a self,
        _: &'a Consulted,
        _: &'a RequestContext,
        _: &'a Change,
    ) -> BoxFuture<'a, Result<(Verdict, Effects), Trouble>> {
        async {
            self.reviews.send(()).unwrap();
            self.permits.acquire().await.unwrap().forget();
            Ok((Verdict::Proceed, Effects::default()))
        }
        .boxed()
    }

    fn blame(&self, _: &Consulted, _: &Fault) {}

    fn observers(&self, _: &Change) -> Vec<PluginName> {
        Vec::new()
    }

    fn observe<'a>(&'a self, _: &'a Message, _: &'a Committed, _: u32) -> BoxFuture<'a, Result<(), Trouble>> {
        async { Ok(()) }.boxed()
    }

    fn deliver<'a>(&'a self, _: &'a Message, _: u32) -> BoxFuture<'a, Result<(), Trouble>> {
        async { Ok(()) }.boxed()
    }

    fn send<'a>(&'a self, _: &'a Message, _: u32) -> BoxFuture<'a, Result<(), Trouble>> {
        async { Ok(()) }.boxed()
    }

    fn gatekeepers(&self, _: Act, _: &str) -> Vec<Consulted> {
        Vec::new()
    }

    fn decide<'a>(
        &'a self,
        _: &'a Consulted,
        _: &'a RequestContext,
        _: Inquiry<'a>,
    ) -> BoxFuture<'a, Result<Decision, Trouble>> {
        async { Ok(Decision::Allow) }.boxed()
    }

    fn shapers(&self, _: Act, _: &str) -> Vec<Consulted> {
        Vec::new()
    }

    fn shape<'a>(
        &'a self,
        _: &'a Consulted,
        _: &'a RequestContext,
        _: Act,
        _: &'a ResourceType,
        documents: &'a [Attributes],
    ) -> BoxFuture<'a, Result<Vec<Attributes>, Trouble>> {
        async { Ok(documents.to_vec()) }.boxed()
    }

    fn run<'a>(&'a self, _: &'a RequestContext, _: &'a JobRun) -> BoxFuture<'a, Result<String, Trouble>> {
        async { Ok(String::new()) }.boxed()
    }
}

/// The versions that the journal tells of, after the client of these operations went away while
/// the first was reviewed.
async fn journal_after_leaving(operations: Value) -> Vec<(String, u64)> {
    let dir = tempfile::tempdir().unwrap();
    let schemas = Arc::new(Schemas::standard());
    let store = Arc::new(Store::open(&StoreConfig::new(dir.path(), &schemas), schemas.clone()).await.unwrap());
    let (reviews, mut told) = mpsc::unbounded_channel();
    let gate = Arc::new(Gate { reviews, permits: Semaphore::new(0) });
    let settings = Settings {
        base_url: String::new(),
        leniency: Leniency::default(),
        require_if_match: false,
        page_resources_max: 9,
        cursor_timeout_seconds: 60,
        passwords: PasswordRules::default(),
        me: MeRules::default(),
        guard: crate::pipeline::GuardRules::default(),
    };
    let roster = Arc::new(Roster::new(gate.clone()));
    let pipeline = Pipeline::new(store.clone(), roster.clone(), schemas.clone(), settings);
    let actor = Actor { subject: "hr".into(), scopes: vec![Scope::Write], ..Actor::default() };
    let now = Timestamp::from_millisecond(1_700_000_000_000).unwrap();
    let cx = RequestContext::new("request-1", Realm::DEFAULT, actor, now);
    let body = json!({ "schemas": [BULK_REQUEST], "Operations": operations });
    let request = BulkRequest::parse(body, &schemas, 9, &Leniency::default()).unwrap();

    let mut asked = Box::pin(pipeline.bulk(&cx, request));
    assert!(futures::poll!(asked.as_mut()).is_pending());
    told.recv().await.unwrap();
    drop(asked);
    gate.permits.add_permits(9);
    // The job holds the roster until it has ended; so do this function and the pipeline.
    while Arc::strong_count(&roster) > 2 {
        tokio::task::yield_now().await;
    }

    let journal = store.journal(Realm::DEFAULT, 0, 9).await.unwrap();
    journal.into_iter().map(|entry| (entry.resource_type, entry.version)).collect()
}

#[tokio::test]
async fn when_the_client_goes_away_the_operation_under_way_ends_and_no_other_begins() {
    let user = |name: &str| {
        let data = json!({ "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": name });
        json!({ "method": "POST", "path": "/Users", "bulkId": name, "data": data })
    };

    let journal = journal_after_leaving(json!([user("ana"), user("ben")])).await;

    assert_eq!(journal, [("User".to_owned(), 1)]);
}

#[tokio::test]
async fn when_the_client_goes_away_a_circle_under_way_is_completed() {
    let group = |name: &str, member: &str| {
        let schemas = ["urn:ietf:params:scim:schemas:core:2.0:Group"];
        let members = [json!({ "value": format!("bulkId:{member}") })];
        let data = json!({ "schemas": schemas, "displayName": name, "members": members });
        json!({ "method": "POST", "path": "/Groups", "bulkId": name, "data": data })
    };

    let journal = journal_after_leaving(json!([group("a", "b"), group("b", "a"), group("c", "a")])).await;

    let of = |version| ("Group".to_owned(), version);
    assert_eq!(journal, [of(1), of(1), of(2)]);
}
