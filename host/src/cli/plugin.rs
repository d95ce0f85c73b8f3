//! `provost plugin`: list the running ones; check and try one without a server.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Subcommand, ValueEnum};
use provost_scim::{
    Draft, Invalid, Leniency, Member, Resource, ResourceType, Schemas, Stamp, changed_paths, check, patch, validate,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{Failure, Place, office, print};
use crate::admin::{self, Call};
use crate::app::BUILTINS;
use crate::clock::Clock;
use crate::hook::{
    Cause, Change, Committed, Effects, Hooks as _, MembershipChange, Message, Operation, PluginName, Refusal, Texts,
    Verdict, Work,
};
use crate::plugin::{BreakerConfig, FaultPolicy, Grant, Import, Limit, Order, PluginConfig, PluginHost, PluginState};

#[derive(Debug, Subcommand)]
pub(super) enum PluginCommand {
    /// Every plugin of the running server, and how it is.
    List,
    /// What a plugin asks for, what it is granted, and what of it it has used.
    Grants {
        /// The plugin's name.
        name: String,
    },
    /// Read the configuration's plugins and their components again; all of it is applied, or nothing.
    Reload,
    /// Switch a plugin on, and lift its quarantine.
    Enable {
        /// The plugin's name.
        name: String,
    },
    /// Switch a plugin off.
    Disable {
        /// The plugin's name.
        name: String,
    },
    /// Put another component in a plugin's place.
    Upgrade {
        /// The plugin's name.
        name: String,
        /// The component's file.
        file: PathBuf,
        /// What its SHA-256 must be.
        #[arg(long, value_name = "HEX")]
        sha256: Option<String>,
    },
    /// Add a plugin behind the others. Its component is copied into the data directory.
    Install {
        /// The component's file, or `builtin:NAME`.
        file: String,
        /// The name it gets.
        #[arg(long)]
        name: String,
        /// A TOML file with the rest of its table: `on_fault`, `config`, `grant`, `limit` and so on.
        #[arg(long, value_name = "FILE")]
        table: Option<PathBuf>,
        /// What its SHA-256 must be.
        #[arg(long, value_name = "HEX")]
        sha256: Option<String>,
    },
    /// Take out a plugin that was installed by command.
    Remove {
        /// The plugin's name.
        name: String,
    },
    /// Have a plugin asked before another.
    Move {
        /// The plugin's name.
        name: String,
        /// Before which one.
        #[arg(long, value_name = "OTHER")]
        before: String,
    },
    /// Close a plugin's breakers, so that it is asked again at once.
    CloseBreaker {
        /// The plugin's name.
        name: String,
    },
    /// Whether plugins load, and what they export: those of the configuration, or one component.
    Check {
        /// A component file, or `builtin:NAME`; all plugins of the configuration if absent.
        component: Option<String>,
        /// A JSON file with the plugin's configuration.
        #[arg(long, value_name = "FILE")]
        with: Option<PathBuf>,
    },
    /// Run one hook of one component on an input file, in the real sandbox, without a server.
    Run {
        /// A component file, `builtin:NAME`, or the name of a plugin in the configuration.
        component: String,
        /// A JSON file: `operation`, `resourceType`, `current`, `proposed`, `operations`, `membership`, `payload`, `target`, `config`, `grant`.
        #[arg(long, value_name = "FILE")]
        input: PathBuf,
        /// Which hook.
        #[arg(long, value_enum, default_value_t = Hook::BeforeWrite)]
        hook: Hook,
    },
}

/// A hook that can be tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Hook {
    BeforeWrite,
    Observe,
    Deliver,
}

/// What a trial run is given. Everything is optional but what the hook needs.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Input {
    #[serde(default = "create")]
    operation: Operation,
    #[serde(default = "user")]
    resource_type: String,
    /// The resource before.
    current: Option<Value>,
    /// The resource as it would be; made from `current` and `operations` if absent.
    proposed: Option<Value>,
    /// PatchOp `Operations`.
    operations: Option<Value>,
    /// A group's members that come and go, by id.
    #[serde(default)]
    membership: Membership,
    /// For `deliver`: what was enqueued.
    payload: Option<Value>,
    /// For `deliver`: for whom.
    #[serde(default)]
    target: String,
    /// The plugin's configuration.
    config: Option<Map<String, Value>>,
    /// What it may do; by default every import, and every attribute.
    grant: Option<Grant>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
struct Membership {
    added: Vec<Uuid>,
    removed: Vec<Uuid>,
    total_before: u64,
}

fn create() -> Operation {
    Operation::Create
}

fn user() -> String {
    "User".to_owned()
}

pub(super) async fn run(place: &Place, command: PluginCommand) -> Result<ExitCode, Failure> {
    match command {
        PluginCommand::List => office::ask(place, Call::PluginList, print::plugins).await,
        PluginCommand::Grants { name } => {
            office::ask(place, Call::PluginGrants { name: named(&name) }, print::grants).await
        }
        PluginCommand::Reload => office::ask(place, Call::PluginReload, print::changed).await,
        PluginCommand::CloseBreaker { name } => {
            office::ask(place, Call::PluginCloseBreaker { name: named(&name) }, print::changed).await
        }
        PluginCommand::Enable { name } => order(place, Order::Enable(named(&name))).await,
        PluginCommand::Disable { name } => order(place, Order::Disable(named(&name))).await,
        PluginCommand::Remove { name } => order(place, Order::Remove(named(&name))).await,
        PluginCommand::Move { name, before } => {
            order(place, Order::Move { name: named(&name), before: named(&before) }).await
        }
        PluginCommand::Upgrade { name, file, sha256 } => {
            order(place, Order::Upgrade { name: named(&name), file: absolute(&file)?, sha256 }).await
        }
        PluginCommand::Install { file, name, table, sha256 } => {
            order(place, Order::Install(Box::new(to_install(file, &name, table, sha256)?))).await
        }
        PluginCommand::Check { component, with } => check_plugins(place, component, with).await,
        PluginCommand::Run { component, input, hook } => try_hook(place, &component, &input, hook).await,
    }
}

async fn order(place: &Place, order: Order) -> Result<ExitCode, Failure> {
    office::ask(place, Call::PluginOrder(order), print::changed).await
}

fn named(name: &str) -> PluginName {
    PluginName::from(name)
}

/// The server may have been started somewhere else.
fn absolute(file: &Path) -> Result<PathBuf, Failure> {
    fs::canonicalize(file).map_err(|error| format!("`{}` cannot be read: {error}", file.display()).into())
}

fn to_install(
    file: String,
    name: &str,
    table: Option<PathBuf>,
    sha256: Option<String>,
) -> Result<PluginConfig, Failure> {
    let source = match file.starts_with("builtin:") {
        true => file,
        false => absolute(Path::new(&file))?.to_string_lossy().into_owned(),
    };
    let mut rest = match &table {
        None => toml::Table::new(),
        Some(file) => {
            let text =
                fs::read_to_string(file).map_err(|error| format!("`{}` cannot be read: {error}", file.display()))?;
            text.parse().map_err(|error| format!("`{}` is wrong:\n{error}", file.display()))?
        }
    };
    let mut insert = |key: &str, value: String| rest.insert(key.to_owned(), toml::Value::String(value));
    insert("name", name.to_owned());
    insert("plugin", source);
    if let Some(sha256) = sha256 {
        insert("sha256", sha256);
    }
    Ok(rest.try_into().map_err(|error| format!("the plugin's table is wrong: {error}"))?)
}

async fn check_plugins(place: &Place, component: Option<String>, with: Option<PathBuf>) -> Result<ExitCode, Failure> {
    let configs = match component {
        Some(component) => {
            let config = with.map(|file| read_json(&file)).transpose()?.unwrap_or_default();
            vec![trial(&component, config, everything(&*place.load()?.schemas()?))]
        }
        None => place.load()?.plugin,
    };
    let host = PluginHost::offline(configs, BUILTINS).await?;
    let mut good = true;
    for status in host.statuses() {
        match &status.state {
            PluginState::Quarantined { reason } => {
                good = false;
                eprintln!("provost: {reason}");
            }
            PluginState::Ready | PluginState::Outdated { .. } => {
                println!("{} {}: {}", status.name, status.version, status.summary);
                println!("  sha256  {}", status.digest);
                println!("  exports {}", status.hooks.join(" "));
                println!("  imports {}", status.imports.join(" "));
                match host.grants(&status.name).and_then(|grants| grants.asked) {
                    None => println!("  asks for nothing in writing"),
                    Some(asked) => asked.iter().for_each(|line| println!("  asks    {line}")),
                }
            }
            PluginState::Disabled => println!("{}: switched off", status.name),
        }
    }
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn try_hook(place: &Place, component: &str, input: &PathBuf, hook: Hook) -> Result<ExitCode, Failure> {
    let mut input: Input = serde_json::from_value(read_json(input)?)
        .map_err(|error| format!("`{}` is no input for a hook: {error}", input.display()))?;
    let configured = place.load()?;
    let schemas = configured.schemas()?;
    let mut config = match configured.plugin.into_iter().find(|plugin| *plugin.name.0 == *component) {
        Some(configured) => configured,
        None => trial(component, Map::new(), everything(&schemas)),
    };
    config.config = input.config.take().unwrap_or(config.config);
    config.grant = input.grant.take().unwrap_or(config.grant);
    config.enabled = true;

    let host = PluginHost::offline(vec![config], BUILTINS).await?;
    if let PluginState::Quarantined { reason } = &host.statuses()[0].state {
        return Err(reason.clone().into());
    }
    let outcome = match hook {
        Hook::BeforeWrite => review(&host, &input, &schemas).await?,
        Hook::Observe => observe(&host, &input, &schemas).await?,
        Hook::Deliver => deliver(&host, &input).await?,
    };
    println!("{}", serde_json::to_string_pretty(&outcome)?);
    Ok(ExitCode::SUCCESS)
}

/// A component on trial, under its own name.
fn trial(component: &str, config: Map<String, Value>, grant: Grant) -> PluginConfig {
    PluginConfig {
        job: Vec::new(),
        name: PluginName::from("trial"),
        plugin: component.to_owned(),
        sha256: None,
        enabled: true,
        on_fault: FaultPolicy::default(),
        breaker: BreakerConfig::default(),
        types: None,
        operations: None,
        paths: None,
        config,
        grant,
        limit: Limit::default(),
    }
}

/// What a trial may do when nobody says: import everything and change everything; reach nothing.
fn everything(schemas: &Schemas) -> Grant {
    let directory = schemas.resource_types.iter().map(|of| of.name.clone()).collect();
    Grant { imports: Import::ALL.to_vec(), write: vec!["*".to_owned()], directory, ..Grant::default() }
}

fn read_json<T: serde::de::DeserializeOwned>(file: &PathBuf) -> Result<T, Failure> {
    let text = fs::read_to_string(file).map_err(|error| format!("`{}` cannot be read: {error}", file.display()))?;
    Ok(serde_json::from_str(&text).map_err(|error| format!("`{}` is not JSON as expected: {error}", file.display()))?)
}

async fn review(host: &PluginHost, input: &Input, schemas: &Schemas) -> Result<Value, Failure> {
    let change = input.change(schemas)?;
    let reviewers = host.set().reviewers(&change);
    let reviewer = reviewers.first().ok_or("the plugin has no before-write hook for this change")?;
    let (verdict, effects) = host.set().review(reviewer, &admin::local(&Clock::System), &change).await?;

    let mut outcome = match verdict {
        Verdict::Proceed => json!({ "verdict": "proceed" }),
        Verdict::Reject(refusal) => rejected(&refusal),
        Verdict::Hold(hold) => json!({ "verdict": "hold", "reason": hold.reason, "approvals": hold.approvals }),
        Verdict::Patch(operations) => {
            let draft = change.proposed.clone().ok_or("a delete cannot be changed")?;
            let parsed = patch::parse_operations(operations.clone())?;
            let after = patch::apply(draft, change.current.as_ref(), &parsed, &Leniency::default())?;
            let mut outcome = changed(&change, &after);
            outcome["verdict"] = json!("patch");
            outcome["operations"] = operations;
            outcome
        }
        Verdict::Replace(document) => {
            let draft = change.proposed.as_ref().ok_or("a delete cannot be changed")?;
            let after = check::replacement(change.current.as_ref(), draft, document, &Leniency::default())?;
            let mut outcome = changed(&change, &after);
            outcome["verdict"] = json!("replace");
            outcome
        }
    };
    staged(&mut outcome, &effects);
    Ok(outcome)
}

fn rejected(refusal: &Refusal) -> Value {
    json!({
        "verdict": "reject",
        "status": refusal.status.as_str(),
        "scimType": refusal.scim_type.map(|scim_type| scim_type.as_str()),
        "detail": refusal.detail,
    })
}

fn changed(change: &Change, after: &Draft) -> Value {
    let before = change.proposed.as_ref().map(|draft| &draft.attributes);
    json!({
        "resource": after.document(None),
        "changedPaths": changed_paths(before, Some(&after.attributes), &after.resource_type),
    })
}

fn staged(outcome: &mut Value, effects: &Effects) {
    if !effects.messages.is_empty() {
        let messages = effects.messages.iter().map(|message| match &message.work {
            Work::Deliver { payload } => {
                json!({ "target": message.target, "payload": serde_json::from_str::<Value>(payload).unwrap_or_default() })
            }
            Work::Request { method, url, credential, .. } => {
                json!({ "target": message.target, "method": method, "url": url, "credential": credential })
            }
            Work::Observe => json!({ "target": message.target }),
        });
        outcome["messages"] = messages.collect();
    }
    if !effects.state.is_empty() {
        let keys = effects.state.iter().map(|write| json!({ "key": write.key, "deleted": write.value.is_none() }));
        outcome["state"] = keys.collect();
    }
}

async fn observe(host: &PluginHost, input: &Input, schemas: &Schemas) -> Result<Value, Failure> {
    let change = input.change(schemas)?;
    let after = change.proposed.clone().map(|draft| validate(draft, stamp(change.id))).transpose()?;
    let committed = Committed {
        sequence: 1,
        operation: change.operation,
        resource_type: change.resource_type.clone(),
        id: change.id,
        before: change.current.clone(),
        after,
        changed_paths: change.changed_paths.clone(),
        membership: change.membership.clone(),
    };
    host.set().observe(&input.message(Work::Observe), &committed, 1).await?;
    Ok(json!({ "observed": true }))
}

async fn deliver(host: &PluginHost, input: &Input) -> Result<Value, Failure> {
    let payload = input.payload.clone().unwrap_or_default().to_string();
    host.set().deliver(&input.message(Work::Deliver { payload }), 1).await?;
    Ok(json!({ "delivered": true }))
}

fn stamp(id: Uuid) -> Stamp {
    let now = Clock::System.now();
    Stamp { id, version: 1, created: now, last_modified: now }
}

impl Input {
    /// The change, checked as a client's would be.
    fn change(&self, schemas: &Schemas) -> Result<Change, Failure> {
        let of = schemas.resource_type(&self.resource_type);
        let of = of.ok_or_else(|| format!("there is no resource type `{}`", self.resource_type))?;
        let current = self.current.clone().map(|body| resource(body, of)).transpose()?;
        let id = current.as_ref().map_or_else(Uuid::new_v4, Resource::id);
        let leniency = Leniency::default();
        let operations = self.operations.clone().map(patch::parse_operations).transpose()?;
        let proposed = match (&self.proposed, &current, &operations) {
            (Some(body), Some(current), _) => Some(check::replace(current, body.clone(), &leniency)?),
            (Some(body), None, _) => Some(check::create(body.clone(), of, &leniency)?),
            (None, Some(current), Some(operations)) => {
                Some(patch::apply(current.to_draft(), Some(current), operations, &leniency)?)
            }
            (None, ..) if self.operation == Operation::Delete => None,
            (None, ..) => return Err("the input needs `proposed`, or `current` and `operations`".into()),
        };
        let before = current.as_ref().map(Resource::attributes);
        let changed_paths = proposed.as_ref().map(|after| changed_paths(before, Some(&after.attributes), of));
        Ok(Change {
            operation: self.operation,
            resource_type: of.name.clone(),
            id,
            current,
            proposed,
            operations: operations.as_deref().map(|operations| patch::normalised(operations, of)),
            changed_paths: changed_paths.unwrap_or_default(),
            membership: self.membership.change(),
            attempt: 1,
            texts: Texts::default(),
        })
    }

    fn message(&self, work: Work) -> Message {
        let cx = admin::local(&Clock::System);
        Message {
            key: "trial-1-0".to_owned(),
            plugin: PluginName::from("trial"),
            target: self.target.clone(),
            work,
            headers: Vec::new(),
            cause: Cause {
                sequence: 1,
                request_id: cx.request_id.to_string(),
                actor: (*cx.actor).clone(),
                operation: self.operation,
                resource_type: self.resource_type.clone(),
                id: Uuid::new_v4(),
                version: 1,
                at_ms: cx.now.as_millisecond(),
                trail: [].into(),
            },
        }
    }
}

impl Membership {
    fn change(&self) -> MembershipChange {
        let members = |ids: &[Uuid]| ids.iter().map(|id| Member { id: *id, resource_type: Some(user()) }).collect();
        MembershipChange {
            added: members(&self.added),
            removed: members(&self.removed),
            total_before: self.total_before,
        }
    }
}

/// A resource as if it were stored; under its own `id` if it has one.
fn resource(body: Value, of: &Arc<ResourceType>) -> Result<Resource, Invalid> {
    let id = body["id"].as_str().and_then(|id| id.parse().ok()).unwrap_or_else(Uuid::new_v4);
    validate(check::create(body, of, &Leniency::default())?, stamp(id))
}
