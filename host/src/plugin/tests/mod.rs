//! The plugin host, with real guests small enough to be read.

mod documents;
mod faults;
mod guests;
mod imports;
mod loading;
mod sandbox;
mod telling;
mod verdicts;

use std::path::PathBuf;

use provost_scim::{Attributes, Draft, NewPassword, Schemas};
use serde_json::json;
use tempfile::TempDir;
use uuid::Uuid;

use super::{Backing, PluginConfig, PluginHost, PluginState, PluginStatus};
use crate::clock::Clock;
use crate::context::{Actor, Realm, RequestContext, Scope};
use crate::hook::{
    Change, Effects, Fault, FaultKind, Hooks as _, MembershipChange, Operation, Texts, Trouble, Verdict,
};
use crate::outbound::Outbound;

/// A directory of components, and the plugins made of them.
struct Bench {
    directory: TempDir,
    configs: Vec<PluginConfig>,
}

impl Bench {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap(), configs: Vec::new() }
    }

    /// One plugin, named like its file, with the rest of its table.
    fn with(mut self, name: &str, component: &[u8], rest: &str) -> Self {
        let path = self.path(name);
        std::fs::write(&path, component).unwrap();
        let table = format!("name = {name:?}\nplugin = {:?}\n{rest}", path.to_str().unwrap());
        self.configs.push(toml::from_str(&table).unwrap());
        self
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(format!("{name}.wasm"))
    }

    async fn host(&self) -> PluginHost {
        self.host_on(Backing::memory()).await
    }

    async fn host_on(&self, backing: Backing) -> PluginHost {
        let (configs, data) = (self.configs.clone(), self.directory.path());
        PluginHost::start(configs, Some(data), backing, Outbound::new(), &[], Clock::System).await.unwrap()
    }
}

/// A host with one plugin.
async fn host_of(component: &[u8], rest: &str) -> PluginHost {
    Bench::new().with("p", component, rest).host().await
}

/// Asks the host's first plugin about a new user.
async fn review(host: &PluginHost) -> Result<(Verdict, Effects), Trouble> {
    let change = new_user();
    let reviewers = host.set().reviewers(&change);
    host.set().review(&reviewers[0], &cx(), &change).await
}

async fn fault(host: &PluginHost) -> Fault {
    match review(host).await {
        Err(Trouble::Fault(fault)) => fault,
        other => panic!("expected a fault: {other:?}"),
    }
}

fn status(host: &PluginHost) -> PluginStatus {
    host.statuses().remove(0)
}

#[track_caller]
fn quarantined(status: &PluginStatus) -> String {
    match &status.state {
        PluginState::Quarantined { reason } => reason.clone(),
        other => panic!("expected a quarantine: {other:?}"),
    }
}

fn cx() -> RequestContext {
    let actor = Actor { subject: "tester".into(), scopes: vec![Scope::Write], ..Actor::default() };
    RequestContext::new("r-1", Realm::DEFAULT, actor, jiff::Timestamp::UNIX_EPOCH)
}

fn new_user() -> Change {
    let mut attributes = Attributes::new();
    attributes.insert("userName".into(), json!("ana"));
    let resource_type = Schemas::standard().resource_type("User").unwrap().clone();
    let secret = Some(NewPassword::new("s3cret"));
    Change {
        operation: Operation::Create,
        resource_type: "User".into(),
        id: Uuid::from_u128(7),
        current: None,
        proposed: Some(Draft { resource_type, attributes, membership: Vec::new(), secret }),
        operations: None,
        changed_paths: vec!["userName".into(), "password".into()],
        membership: MembershipChange::default(),
        attempt: 1,
        texts: Texts::default(),
    }
}

/// Faults are counted by kind and remembered with their request.
fn assert_recorded(host: &PluginHost, kind: FaultKind) {
    let status = status(host);
    assert_eq!(status.faults.get(kind.as_str()), Some(&1));
    assert_eq!(status.recent[0].kind, kind);
    assert_eq!(status.recent[0].request_id.as_deref(), Some("r-1"));
}
