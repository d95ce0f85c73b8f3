//! From a configuration to a plugin that can be called, or to the one sentence that says why not.
//!
//! The order: read, pin, look at the manifest, compile, inspect, hold against the grants, link, ask the plugin who it is
//! and what it thinks of its configuration. Nothing of the component runs before the last two.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};
use tracing::{info, warn};
use wasmtime::component::{Component, InstancePre, Linker};

use super::bindings::{access, before_write, deliver, lifecycle, observe, schedule, shape};
use super::call;
use super::config::{Import, PluginConfig};
use super::engine::{MEMORIES_PER_COMPONENT_MAX, TABLES_PER_COMPONENT_MAX};
use super::guest::{Guest, Identity};
use super::inspect::{Exports, Inspected, inspect};
use super::manifest::{self, Ask};
use super::sight::Sight;
use super::usage::Usage;
use super::{Builtins, House, grant, imports};
use crate::hook::HookGroup;
use crate::limits;

/// What the name of a component inside this binary begins with.
pub(super) const BUILTIN_PREFIX: &str = "builtin:";

/// How much of a file is looked at to tell what it is.
const PREAMBLE_BYTES: usize = 8;

/// How long a plugin's version may be, in bytes; the rest is cut.
const VERSION_BYTES_MAX: usize = 64;

/// How long a plugin's summary may be, in bytes; the rest is cut.
const SUMMARY_BYTES_MAX: usize = 512;

/// How long the list of what is wrong with a plugin's configuration may be, in bytes; the rest is cut.
const REASON_BYTES_MAX: usize = 2_048;

/// What WebAssembly counts memory in.
const PAGE_BYTES: u64 = 64 * 1024;

/// A plugin that can be called.
pub(super) struct Loaded {
    pub(super) version: String,
    pub(super) summary: String,
    pub(super) imports: Vec<Import>,
    pub(super) before_write: Option<before_write::BeforeWriteHooksPre<Guest>>,
    pub(super) observe: Option<observe::ObserveHooksPre<Guest>>,
    pub(super) deliver: Option<deliver::DeliverHooksPre<Guest>>,
    pub(super) access: Option<access::AccessHooksPre<Guest>>,
    pub(super) shape: Option<shape::ShapeHooksPre<Guest>>,
    pub(super) schedule: Option<schedule::ScheduleHooksPre<Guest>>,
}

/// What loading came to; what was learned on the way is kept even when it failed.
pub(super) struct Outcome {
    pub(super) identity: Option<Arc<Identity>>,
    pub(super) ask: Option<Ask>,
    pub(super) result: Result<Loaded, String>,
}

/// A component's bytes, and what stood beside them.
#[derive(Debug, Clone)]
pub(super) struct Fetched {
    pub(super) bytes: Arc<Vec<u8>>,
    /// Their SHA-256 in hexadecimal.
    pub(super) digest: String,
    /// The manifest in a file beside the component's own.
    pub(super) beside: Option<String>,
}

/// What a plugin's predecessor was and asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Predecessor<'a> {
    pub(super) digest: &'a str,
    pub(super) ask: Option<&'a Ask>,
}

/// Loads one plugin. Never fails as a whole: a plugin that cannot be used has a reason.
pub(super) async fn load(
    house: &Arc<House>,
    config: &PluginConfig,
    fetched: Result<&Fetched, &String>,
    predecessor: Option<Predecessor<'_>>,
) -> Outcome {
    let mut outcome = Outcome { identity: None, ask: None, result: Err(String::new()) };
    let digest = fetched.map(|fetched| fetched.digest.clone()).unwrap_or_default();
    outcome.result = match attempt(house, config, fetched, predecessor, &mut outcome).await {
        Ok(loaded) => {
            let (name, version) = (&config.name, &loaded.version);
            info!(plugin.name = %name, version, digest, "plugin `{name}` {version} is loaded");
            Ok(loaded)
        }
        Err(problem) => Err(format!("plugin `{}`: `{}` {problem}", config.name, config.plugin)),
    };
    outcome
}

async fn attempt(
    house: &Arc<House>,
    written: &PluginConfig,
    fetched: Result<&Fetched, &String>,
    predecessor: Option<Predecessor<'_>>,
    learned: &mut Outcome,
) -> Result<Loaded, String> {
    let bounds = written.check().and_then(|()| house.has_what_is_named(written)).and_then(|()| written.bounds());
    let bounds = bounds.map_err(|error| format!("is not configured well: {}: {}", error.key, error.problem))?;

    let Fetched { bytes, digest, beside } = fetched.map_err(Clone::clone)?;
    check_pin(written, digest)?;
    check_preamble(bytes)?;
    let ask = manifest::ask(bytes, beside.as_deref())?;
    check_asks(written, digest, ask.as_ref(), predecessor)?;
    let config = grant::effective(written, ask.as_ref());
    learned.ask = ask;

    let component = compile(house, bytes.clone()).await?;
    let Inspected { exports, imports } = inspect(&component, &house.sandbox.engine)?;
    let config_json = serde_json::Value::Object(config.config.clone()).to_string();
    let sight = Sight::of(&config.grant);
    let identity =
        Arc::new(Identity { config: config.clone(), bounds, config_json, exports, sight, usage: Usage::default() });
    learned.identity = Some(identity.clone());
    check_grants(written, &config, &imports)?;
    if !config.job.is_empty() && !exports.has(HookGroup::Schedule) {
        return Err("exports no `schedule`, and has jobs to do; take its `[[plugin.job]]` out".to_owned());
    }
    check_resources(&component, identity.bounds.memory_bytes)?;

    let linked = link(house, &config, &component)?;
    let (lifecycle, loaded) = bind(&linked, exports, imports)?;
    describe(house, &identity, &lifecycle, loaded).await
}

/// Reads a component and the manifest beside it.
///
/// The error is the sentence's second half: what is wrong, and what to do.
pub(super) async fn fetch(source: &str, builtins: Builtins) -> Result<Fetched, String> {
    let (bytes, beside) = read(source, builtins).await?;
    let digest = digest(&bytes);
    Ok(Fetched { bytes: Arc::new(bytes), digest, beside })
}

async fn read(source: &str, builtins: Builtins) -> Result<(Vec<u8>, Option<String>), String> {
    if let Some(name) = source.strip_prefix(BUILTIN_PREFIX) {
        let found = builtins.iter().find(|(builtin, _)| *builtin == name);
        return found.map(|(_, bytes)| (bytes.to_vec(), None)).ok_or_else(|| {
            let known: Vec<&str> = builtins.iter().map(|(builtin, _)| *builtin).collect();
            format!(
                "is not in this binary; it carries: {}",
                if known.is_empty() { "nothing".into() } else { known.join(", ") }
            )
        });
    }
    let path = PathBuf::from(source);
    on_blocking_thread(move || Ok((read_file(&path)?, manifest::read_beside(&path)?))).await?
}

fn read_file(path: &Path) -> Result<Vec<u8>, String> {
    let size = std::fs::metadata(path).map_err(|error| format!("cannot be read: {error}; check the path"))?;
    if size.is_dir() {
        return Err("is a directory; name the component file in it".to_owned());
    }
    if size.len() > limits::COMPONENT_BYTES_MAX as u64 {
        let (found, allowed) = (size.len(), limits::COMPONENT_BYTES_MAX);
        return Err(format!(
            "is too large: {found} bytes, and {allowed} are allowed; build it in release mode and strip it"
        ));
    }
    std::fs::read(path).map_err(|error| format!("cannot be read: {error}; check its permissions"))
}

pub(super) fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn check_pin(config: &PluginConfig, digest: &str) -> Result<(), String> {
    match &config.sha256 {
        Some(pin) if !pin.eq_ignore_ascii_case(digest) => Err(format!(
            "is not the file that was pinned: its SHA-256 is {digest}; restore the file, or change `sha256` if it was meant to change"
        )),
        Some(_) | None => Ok(()),
    }
}

/// Tells what the file is by its first bytes: magic, version, and whether it is a component.
fn check_preamble(bytes: &[u8]) -> Result<(), String> {
    match bytes.first_chunk::<PREAMBLE_BYTES>() {
        Some([0, b'a', b's', b'm', _, _, 1, 0]) => Ok(()),
        Some([0, b'a', b's', b'm', _, _, 0, 0]) => {
            Err("is a core module, not a component; build it with `--target wasm32-wasip2`".to_owned())
        }
        Some(_) | None => {
            Err("is not WebAssembly; name the `.wasm` file that `cargo build --target wasm32-wasip2` made".to_owned())
        }
    }
}

/// Compiles off the workers, one component at a time; or takes the result from the cache.
async fn compile(house: &House, bytes: Arc<Vec<u8>>) -> Result<Component, String> {
    let turn = house.sandbox.compiling.acquire().await;
    let _turn = turn.map_err(|_| "was not compiled: the server is stopping")?;
    let engine = house.sandbox.engine.clone();
    on_blocking_thread(move || {
        let component = Component::from_binary(&engine, bytes.as_slice())
            .map_err(|error| format!("is damaged, or needs what this server does not run: {}; build it again", innermost(&error)))?;
        if let Err(error) = component.initialize_copy_on_write_image() {
            warn!(error = %format!("{error:#}"), "a plugin's memory image could not be prepared: its calls will be slower");
        }
        Ok(component)
    })
    .await?
}

/// Another version may ask for what its predecessor asked for, and for what is granted; for more, it has to wait.
fn check_asks(
    config: &PluginConfig,
    digest: &str,
    ask: Option<&Ask>,
    predecessor: Option<Predecessor<'_>>,
) -> Result<(), String> {
    let (Some(ask), Some(predecessor)) = (ask, predecessor.filter(|before| before.digest != digest)) else {
        return Ok(());
    };
    match grant::exceeding(ask, predecessor.ask, &config.grant) {
        more if more.is_empty() => Ok(()),
        more => Err(cut(
            format!(
                "asks for more than the version before it, and than is granted: {}; add it to its `grant`, or keep the old version",
                more.join("; ")
            ),
            REASON_BYTES_MAX,
        )),
    }
}

fn check_grants(written: &PluginConfig, effective: &PluginConfig, wanted: &[super::Import]) -> Result<(), String> {
    match wanted.iter().find(|import| !effective.grant.imports.contains(import)) {
        None => Ok(()),
        Some(import) if written.grant.imports.contains(import) => Err(format!(
            "wants the import `{import}`, and does not ask for it in its manifest; add it there, or use another plugin"
        )),
        Some(import) => Err(format!(
            "wants the import `{import}`, which is not granted; add \"{import}\" to its `grant.imports`, or use another plugin"
        )),
    }
}

fn check_resources(component: &Component, memory_bytes: usize) -> Result<(), String> {
    let Some(required) = component.resources_required() else {
        return Err("instantiates modules it imports, which this server does not run; link it statically".to_owned());
    };
    if required.num_memories > MEMORIES_PER_COMPONENT_MAX {
        return Err(format!(
            "has {} memories, and {MEMORIES_PER_COMPONENT_MAX} are allowed; merge its modules",
            required.num_memories
        ));
    }
    if required.num_tables > TABLES_PER_COMPONENT_MAX {
        return Err(format!(
            "has {} tables, and {TABLES_PER_COMPONENT_MAX} are allowed; merge its modules",
            required.num_tables
        ));
    }
    let initial = required.max_initial_memory_size.unwrap_or(0).saturating_mul(PAGE_BYTES);
    if initial > memory_bytes as u64 {
        return Err(format!(
            "begins with {} KiB of memory, and {} KiB are allowed; raise its `limit.memory_mib`, or build it with less",
            initial >> 10,
            memory_bytes >> 10
        ));
    }
    let elements = required.max_initial_table_size.unwrap_or(0);
    if elements > limits::GUEST_TABLE_ELEMENTS_MAX as u64 {
        let allowed = limits::GUEST_TABLE_ELEMENTS_MAX;
        return Err(format!("begins with a table of {elements} elements, and {allowed} are allowed; build it smaller"));
    }
    Ok(())
}

/// Offers what is granted, and an empty WASI; then checks every import against it, once.
fn link(house: &House, config: &PluginConfig, component: &Component) -> Result<InstancePre<Guest>, String> {
    let mut linker = Linker::<Guest>::new(&house.sandbox.engine);
    let offer = wasmtime_wasi::p2::add_to_linker_async(&mut linker)
        .and_then(|()| config.grant.imports.iter().try_for_each(|import| imports::link(&mut linker, *import)));
    offer.map_err(|error| format!("could not be linked: {}; this is a mistake of the server", innermost(&error)))?;
    linker
        .instantiate_pre(component)
        .map_err(|error| format!("does not fit this server's interface: {error:#}; rebuild it with this server's SDK"))
}

fn bind(
    linked: &InstancePre<Guest>,
    exports: Exports,
    imports: Vec<Import>,
) -> Result<(lifecycle::LifecycleHooksPre<Guest>, Loaded), String> {
    let misfit = |group: &str, error: wasmtime::Error| {
        format!("exports a `{group}` of another shape: {}; rebuild it with this server's SDK", innermost(&error))
    };
    macro_rules! bind {
        ($group:ident, $bindings:ident::$hooks:ident) => {{
            let bound = exports.has(HookGroup::$group).then(|| $bindings::$hooks::new(linked.clone()));
            bound.transpose().map_err(|error| misfit(HookGroup::$group.as_str(), error))?
        }};
    }
    let lifecycle = lifecycle::LifecycleHooksPre::new(linked.clone()).map_err(|error| misfit("lifecycle", error))?;
    let loaded = Loaded {
        version: String::new(),
        summary: String::new(),
        imports,
        before_write: bind!(BeforeWrite, before_write::BeforeWriteHooksPre),
        observe: bind!(Observe, observe::ObserveHooksPre),
        deliver: bind!(Deliver, deliver::DeliverHooksPre),
        access: bind!(Access, access::AccessHooksPre),
        shape: bind!(Shape, shape::ShapeHooksPre),
        schedule: bind!(Schedule, schedule::ScheduleHooksPre),
    };
    Ok((lifecycle, loaded))
}

/// Asks the plugin who it is, and what it thinks of its configuration.
async fn describe(
    house: &Arc<House>,
    identity: &Arc<Identity>,
    lifecycle: &lifecycle::LifecycleHooksPre<Guest>,
    loaded: Loaded,
) -> Result<Loaded, String> {
    let info = call::describe(house, identity, lifecycle).await;
    let info = info.map_err(|fault| format!("failed to describe itself: {fault}; this is a mistake of the plugin"))?;
    let findings = call::check_config(house, identity, lifecycle).await;
    let findings = findings
        .map_err(|fault| format!("failed to check its configuration: {fault}; this is a mistake of the plugin"))?;
    if !findings.is_empty() {
        let listed: Vec<String> =
            findings.iter().map(|finding| format!("`config.{}`: {}", finding.path, finding.message)).collect();
        return Err(cut(format!("does not accept its configuration; mend {}", listed.join("; ")), REASON_BYTES_MAX));
    }
    let (version, summary) = (cut(info.version, VERSION_BYTES_MAX), cut(info.summary, SUMMARY_BYTES_MAX));
    Ok(Loaded { version, summary, ..loaded })
}

/// A guest's own words, no longer than they may be, and on one line.
fn cut(mut text: String, bytes_max: usize) -> String {
    text.truncate(text.floor_char_boundary(bytes_max));
    text.replace(char::is_control, " ")
}

async fn on_blocking_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, String> {
    tokio::task::spawn_blocking(work).await.map_err(|_| "was not loaded: the server is stopping".to_owned())
}

fn innermost(error: &wasmtime::Error) -> String {
    error.root_cause().to_string()
}
