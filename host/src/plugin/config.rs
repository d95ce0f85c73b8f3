//! One `[[plugin]]` table of the configuration: which component, what it may do, how much of it.
//!
//! Nothing is granted that the operator did not write down. Limits may only lower the server's own
//! ceilings; a higher value is an error that names the key and the ceiling, because an operator who
//! wrote it would otherwise believe it.

use std::collections::HashSet;
use std::fmt;
use std::time::Duration;

use provost_scim::Schemas;
use provost_scim::secret::PASSWORD;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::jobs::{self, JobConfig};
use super::policy::{BreakerConfig, FaultPolicy};
use crate::hook::{Act, JobPlan, Operation, PluginName};
use crate::limits;
use crate::outbound;

/// What stands for every attribute.
const ALL_PATHS: &str = "*";

/// How long a plugin's name may be, in bytes.
const NAME_BYTES_MAX: usize = 64;

/// One plugin, as the operator wrote it down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PluginConfig {
    /// The operator's name for it: lower-case letters, digits, `.`, `_` and `-`.
    pub name: PluginName,
    /// `builtin:NAME`, or the path of a component file.
    pub plugin: String,
    /// The file's SHA-256 in hexadecimal; another file is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Whether it is used at all.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// What happens to a request when it errs or faults: for all hook groups, or for each.
    #[serde(default)]
    pub on_fault: FaultPolicy,
    /// When it is no longer asked for a while, because it keeps faulting.
    #[serde(default)]
    pub breaker: BreakerConfig,
    /// The resource types it is asked about; absent for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub types: Option<Vec<String>>,
    /// What it is asked about, of `create`, `replace`, `patch`, `delete`, `read` and `search`; absent for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operations: Option<Vec<Act>>,
    /// The attribute paths that concern it: a replace or a patch that changes none of them is not its business. A create
    /// and a delete always are. Absent for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paths: Option<Vec<String>>,
    /// Its own configuration: handed to the plugin as a JSON object, never read here.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub config: Map<String, Value>,
    /// What it may do.
    #[serde(default)]
    pub grant: Grant,
    /// How much of it.
    #[serde(default)]
    pub limit: Limit,
    /// What it does on a clock: `[[plugin.job]]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub job: Vec<JobConfig>,
}

/// What a plugin may do. The default is nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = PluginGrant)]
pub struct Grant {
    /// The interfaces it may import.
    pub imports: Vec<Import>,
    /// The attribute paths it may see, beside `id`, `meta` and `schemas`; absent for all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read: Option<Vec<String>>,
    /// The attribute paths its verdicts may change; `*` for all.
    pub write: Vec<String>,
    /// Where its HTTP requests may go.
    pub http: Vec<outbound::Grant>,
    /// The names of the secrets that its HTTP requests may carry.
    pub secrets: Vec<String>,
    /// The targets it may enqueue messages for.
    pub outbox: Vec<String>,
    /// The resource types it may read.
    pub directory: Vec<String>,
    /// What it may change by itself: of which resource types, by which operations. `write` says which attributes.
    pub directory_write: Vec<DirectoryWrite>,
    /// What it may see in clear of what nobody else ever sees: `password`, in the reviews of the
    /// changes that set one. The stored hash is never shown.
    pub read_sensitive: Vec<String>,
    /// How many entries its state may hold, below the server's own bound.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state_entries: Option<u64>,
}

/// What a plugin may do by itself to resources of one type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DirectoryWrite {
    /// The resource type's name.
    #[serde(rename = "type")]
    pub resource_type: String,
    /// Of `create`, `replace`, `patch` and `delete`.
    pub operations: Vec<Operation>,
}

impl Grant {
    /// Whether it may see the passwords that are being set.
    pub(super) fn shows_password(&self) -> bool {
        self.read_sensitive.iter().any(|path| path == PASSWORD)
    }
}

/// An interface that a plugin may import.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Import {
    /// Lines in the server's log.
    Log,
    /// The plugin's configuration.
    Config,
    /// Its own durable memory.
    State,
    /// Reads of the directory.
    Directory,
    /// Changes of the directory.
    DirectoryWrite,
    /// Messages to be delivered.
    Outbox,
    /// HTTP requests.
    Http,
    /// Counters and distributions of its own.
    Metrics,
}

impl Import {
    /// Every import there is.
    pub const ALL: [Import; 8] = [
        Self::Log,
        Self::Config,
        Self::State,
        Self::Directory,
        Self::DirectoryWrite,
        Self::Outbox,
        Self::Http,
        Self::Metrics,
    ];

    /// The interface's name in the WIT, and in `grant.imports`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Config => "config",
            Self::State => "state",
            Self::Directory => "directory",
            Self::DirectoryWrite => "directory-write",
            Self::Outbox => "outbox",
            Self::Http => "http",
            Self::Metrics => "metrics",
        }
    }
}

impl fmt::Display for Import {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How much a plugin may use of each thing; absent for the server's own default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = PluginLimit)]
pub struct Limit {
    /// How long one before-write hook may run, in milliseconds.
    pub hook_ms: Option<u64>,
    /// How long one observation or delivery may run, in milliseconds.
    pub delivery_ms: Option<u64>,
    /// How much linear memory one call may use, in MiB.
    pub memory_mib: Option<u64>,
    /// How large its answer may be, in KiB.
    pub output_kib: Option<u64>,
    /// How many log lines one call may write.
    pub log_lines: Option<u64>,
    /// How many calls to the host one call may make.
    pub host_calls: Option<u64>,
    /// How many HTTP requests one call may make.
    pub http_calls: Option<u64>,
    /// How many outbox messages one call may enqueue.
    pub outbox_messages: Option<u64>,
    /// How many of its hooks, and how many of its deliveries, run at once.
    pub concurrency: Option<u64>,
}

/// What is wrong with a plugin's configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("plugin `{plugin}`: {key}: {problem}")]
pub struct ConfigError {
    /// Whose.
    pub plugin: PluginName,
    /// The key, dotted, within the plugin's table.
    pub key: &'static str,
    /// One sentence, without the value of anything under `config`.
    pub problem: String,
}

/// The limits with units, after the ceilings.
#[derive(Debug, Clone)]
pub(super) struct Bounds {
    pub(super) hook: Duration,
    pub(super) delivery: Duration,
    pub(super) memory_bytes: usize,
    pub(super) output_bytes: usize,
    pub(super) log_lines: u32,
    pub(super) host_calls: u32,
    pub(super) http_calls: u32,
    pub(super) delivery_http_calls: u32,
    pub(super) job_host_calls: u32,
    pub(super) job_http_calls: u32,
    pub(super) outbox_messages: usize,
    pub(super) concurrency: usize,
}

/// Checks the whole list: each plugin, and that no name occurs twice.
///
/// # Errors
/// The first thing that is wrong.
pub fn check_configs(configs: &[PluginConfig]) -> Result<(), ConfigError> {
    let mut names = HashSet::new();
    for config in configs {
        config.check()?;
        if !names.insert(&config.name) {
            return Err(config.wrong("name", "another plugin has this name already"));
        }
    }
    Ok(())
}

impl PluginConfig {
    /// Checks everything that can be told without the component.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.check_name()?;
        self.check_source()?;
        self.check_grant()?;
        self.breaker.check().map_err(|(key, problem)| self.wrong(key, problem))?;
        self.jobs()?;
        self.bounds().map(drop)
    }

    /// Checks that the resource types and attributes that it names are there: a misspelt one would silently grant, or
    /// subscribe to, nothing.
    ///
    /// # Errors
    /// The first name that is not, with those that are.
    pub fn check_beside(&self, schemas: &Schemas) -> Result<(), ConfigError> {
        let all: Vec<String> = schemas.resource_types.iter().map(|of| format!("`{}`", of.name)).collect();
        let all = all.join(", ");
        let resource_type = |key: &'static str, name: &String| match schemas.resource_type(name) {
            Some(_) => Ok(()),
            None => Err(self.wrong(key, format!("there is no resource type `{}`, only {all}", name.escape_default()))),
        };
        let attribute = |key: &'static str, path: &String| {
            if path == ALL_PATHS || schemas.resource_types.iter().any(|of| of.place(path).is_some()) {
                return Ok(());
            }
            let (path, rule) =
                (path.escape_default(), "a path is like `name.givenName`, an extension's behind its URN");
            Err(self.wrong(key, format!("none of {all} has an attribute `{path}`; {rule}")))
        };
        let Self { types, paths, grant, .. } = self;
        types.iter().flatten().try_for_each(|name| resource_type("types", name))?;
        paths.iter().flatten().try_for_each(|path| attribute("paths", path))?;
        grant.read.iter().flatten().try_for_each(|path| attribute("grant.read", path))?;
        grant.write.iter().try_for_each(|path| attribute("grant.write", path))?;
        grant.directory.iter().try_for_each(|name| resource_type("grant.directory", name))?;
        grant.directory_write.iter().try_for_each(|of| resource_type("grant.directory_write", &of.resource_type))
    }

    /// Checks that the secrets that it is granted are there.
    ///
    /// # Errors
    /// The first one that is not.
    pub fn check_secrets(&self, is_known: impl Fn(&str) -> bool) -> Result<(), ConfigError> {
        match self.grant.secrets.iter().find(|name| !is_known(name)) {
            None => Ok(()),
            Some(name) => Err(self.wrong("grant.secrets", format!("there is no `[secret.{}]`", name.escape_default()))),
        }
    }

    fn wrong(&self, key: &'static str, problem: impl Into<String>) -> ConfigError {
        ConfigError { plugin: self.name.clone(), key, problem: problem.into() }
    }

    /// The plans of its jobs.
    pub(super) fn jobs(&self) -> Result<Vec<JobPlan>, ConfigError> {
        jobs::plans(&self.name, &self.job).map_err(|(key, problem)| self.wrong(key, problem))
    }

    fn check_name(&self) -> Result<(), ConfigError> {
        let name = &*self.name.0;
        let fits = name.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-'));
        if fits && name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.len() <= NAME_BYTES_MAX {
            return Ok(());
        }
        let rule = "a name has 1 to 64 lower-case letters, digits, `.`, `_` or `-`, and begins with a letter or digit";
        Err(self.wrong("name", rule))
    }

    fn check_source(&self) -> Result<(), ConfigError> {
        if self.plugin.is_empty() || self.plugin == super::load::BUILTIN_PREFIX {
            return Err(self.wrong("plugin", "expected `builtin:NAME` or the path of a component file"));
        }
        match &self.sha256 {
            Some(pin) if pin.len() != 64 || !pin.bytes().all(|b| b.is_ascii_hexdigit()) => {
                Err(self.wrong("sha256", "expected 64 hexadecimal digits"))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn check_grant(&self) -> Result<(), ConfigError> {
        let grant = &self.grant;
        let imports = |import| grant.imports.contains(&import);
        if grant.write.iter().any(String::is_empty) {
            return Err(self.wrong("grant.write", "an attribute path is empty"));
        }
        if grant.read.iter().flatten().any(String::is_empty) {
            return Err(self.wrong("grant.read", "an attribute path is empty"));
        }
        if self.paths.iter().flatten().any(String::is_empty) {
            return Err(self.wrong("paths", "an attribute path is empty"));
        }
        if grant.state_entries.is_some_and(|entries| entries > limits::STATE_ENTRIES_MAX) {
            let ceiling = limits::STATE_ENTRIES_MAX;
            return Err(self.wrong("grant.state_entries", format!("is above the server's ceiling of {ceiling}")));
        }
        if grant.state_entries.is_some() && !imports(Import::State) {
            return Err(self.wrong("grant.state_entries", "has no effect unless grant.imports has \"state\""));
        }
        if grant.outbox.iter().any(String::is_empty) {
            return Err(self.wrong("grant.outbox", "a target's name is empty"));
        }
        if let Some(open) = grant.http.iter().find(|g| g.methods.is_empty()) {
            return Err(self.wrong("grant.http", format!("the origin {} has no methods", open.origin)));
        }
        if !grant.outbox.is_empty() && !imports(Import::Outbox) {
            return Err(self.wrong("grant.outbox", "has no effect unless grant.imports has \"outbox\""));
        }
        if !grant.http.is_empty() && !imports(Import::Http) && !imports(Import::Outbox) {
            return Err(self.wrong("grant.http", "has no effect unless grant.imports has \"http\" or \"outbox\""));
        }
        if !grant.secrets.is_empty() && grant.http.is_empty() {
            return Err(self.wrong("grant.secrets", "has no effect unless grant.http says where they may be sent"));
        }
        if grant.read_sensitive.iter().any(|path| path != PASSWORD) {
            return Err(self.wrong("grant.read_sensitive", "expected nothing but \"password\""));
        }
        if !grant.directory.is_empty() && !imports(Import::Directory) {
            return Err(self.wrong("grant.directory", "has no effect unless grant.imports has \"directory\""));
        }
        if !grant.directory_write.is_empty() && !imports(Import::DirectoryWrite) {
            let problem = "has no effect unless grant.imports has \"directory-write\"";
            return Err(self.wrong("grant.directory_write", problem));
        }
        if let Some(empty) = grant.directory_write.iter().find(|grant| grant.operations.is_empty()) {
            return Err(self.wrong("grant.directory_write", format!("`{}` has no operations", empty.resource_type)));
        }
        Ok(())
    }

    /// The limits, held against the ceilings.
    pub(super) fn bounds(&self) -> Result<Bounds, ConfigError> {
        let limit = &self.limit;
        let within = |key, asked: Option<u64>, least: u64, ceiling: u64| match asked {
            None => Ok(ceiling),
            Some(value) if value > ceiling => {
                Err(self.wrong(key, format!("{value} is above the server's ceiling of {ceiling}")))
            }
            Some(value) if value < least => Err(self.wrong(key, format!("must be at least {least}"))),
            Some(value) => Ok(value),
        };
        let mib = within("limit.memory_mib", limit.memory_mib, 1, limits::GUEST_MEMORY_BYTES_MAX as u64 >> 20)?;
        let kib = within("limit.output_kib", limit.output_kib, 1, limits::GUEST_OUTPUT_BYTES_MAX as u64 >> 10)?;
        let log_lines = within("limit.log_lines", limit.log_lines, 0, limits::LOG_LINES_MAX.into())?;
        let host_calls = within("limit.host_calls", limit.host_calls, 0, limits::HOST_CALLS_MAX.into())?;
        let http_calls = within("limit.http_calls", limit.http_calls, 0, limits::HTTP_CALLS_MAX.into())?;
        let messages_max = limits::OUTBOX_MESSAGES_PER_CALL_MAX as u64;
        let concurrency = within("limit.concurrency", limit.concurrency, 1, limits::GUEST_INSTANCES_MAX.into())?;
        Ok(Bounds {
            hook: Duration::from_millis(within("limit.hook_ms", limit.hook_ms, 1, limits::HOOK_MILLIS_MAX)?),
            delivery: Duration::from_millis(within(
                "limit.delivery_ms",
                limit.delivery_ms,
                1,
                limits::DELIVERY_MILLIS_MAX,
            )?),
            memory_bytes: (mib as usize) << 20,
            output_bytes: (kib as usize) << 10,
            log_lines: log_lines as u32,
            host_calls: host_calls as u32,
            http_calls: http_calls as u32,
            job_host_calls: limit.host_calls.map_or(limits::JOB_HOST_CALLS_MAX, |_| host_calls as u32),
            delivery_http_calls: limit.http_calls.map_or(limits::DELIVERY_HTTP_CALLS_MAX, |_| http_calls as u32),
            job_http_calls: limit.http_calls.map_or(limits::JOB_HTTP_CALLS_MAX, |_| http_calls as u32),
            outbox_messages: within("limit.outbox_messages", limit.outbox_messages, 0, messages_max)? as usize,
            concurrency: match limit.concurrency {
                None => limits::GUEST_CALLS_PER_PLUGIN_DEFAULT as usize,
                Some(_) => concurrency as usize,
            },
        })
    }

    /// Whether the operator wants it asked about this.
    pub fn subscribes(&self, resource_type: &str, act: Act) -> bool {
        let type_fits = self.types.as_ref().is_none_or(|types| types.iter().any(|t| t == resource_type));
        let act_fits = self.operations.as_ref().is_none_or(|all| all.contains(&act));
        type_fits && act_fits
    }
}

fn yes() -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hook::{HookGroup, OnFault};

    fn parse(rest: &str) -> Result<PluginConfig, toml::de::Error> {
        toml::from_str(&format!("name = \"p\"\nplugin = \"p.wasm\"\n{rest}"))
    }

    fn problem(rest: &str) -> String {
        parse(rest).unwrap().check().unwrap_err().to_string()
    }

    #[test]
    fn a_plugin_needs_a_name_and_a_source_and_is_granted_nothing() {
        let config = parse("").unwrap();

        config.check().unwrap();
        assert!(config.enabled);
        assert_eq!(config.on_fault.at(HookGroup::BeforeWrite), OnFault::Refuse);
        assert!(config.grant.imports.is_empty() && config.grant.write.is_empty() && config.grant.http.is_empty());
        assert_eq!(config.bounds().unwrap().hook, Duration::from_millis(limits::HOOK_MILLIS_MAX));
    }

    #[test]
    fn a_full_table_reads_as_it_is_written() {
        let config = parse(
            r#"
            sha256 = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
            enabled = false
            on_fault = "skip"
            types = ["User"]
            operations = ["create", "patch"]
            config = { target = { url = "https://hr.example.org" }, retries = 3 }
            [grant]
            imports = ["log", "http", "outbox", "directory"]
            write = ["displayName"]
            http = [{ origin = "https://HR.example.org", methods = ["GET"], private = true }]
            outbox = ["mirror"]
            directory = ["Group"]
            [limit]
            hook_ms = 100
            memory_mib = 8
            "#,
        )
        .unwrap();

        config.check().unwrap();
        assert_eq!(config.grant.http[0].origin.to_string(), "https://hr.example.org");
        assert_eq!(config.config["target"]["url"], "https://hr.example.org");
        assert_eq!(config.bounds().unwrap().memory_bytes, 8 << 20);
        assert!(config.subscribes("User", Act::Change(Operation::Patch)));
        assert!(!config.subscribes("User", Act::Change(Operation::Delete)));
        assert!(!config.subscribes("Group", Act::Change(Operation::Patch)));
    }

    #[test]
    fn an_unknown_key_is_refused_at_every_level() {
        for rest in ["onfault = \"skip\"", "[grant]\nimport = []", "[limit]\nhook_s = 1"] {
            assert!(parse(rest).is_err(), "{rest}");
        }
        for rest in ["[grant]\nimports = [\"files\"]", "[[grant.http]]\norigin = \"x\"\nmethods = [\"GET\"]"] {
            assert!(parse(rest).is_err(), "{rest}");
        }
    }

    #[test]
    fn a_limit_above_its_ceiling_names_the_key_and_the_ceiling() {
        assert_eq!(
            problem("[limit]\nhook_ms = 900"),
            "plugin `p`: limit.hook_ms: 900 is above the server's ceiling of 500"
        );
        for key in [
            "delivery_ms",
            "memory_mib",
            "output_kib",
            "log_lines",
            "host_calls",
            "http_calls",
            "outbox_messages",
            "concurrency",
        ] {
            let problem = problem(&format!("[limit]\n{key} = 1000000"));
            assert!(problem.contains(&format!("limit.{key}")) && problem.contains("ceiling of"), "{problem}");
        }
        assert_eq!(problem("[limit]\nhook_ms = 0"), "plugin `p`: limit.hook_ms: must be at least 1");
    }

    #[test]
    fn a_grant_that_could_have_no_effect_is_refused() {
        assert!(problem("[grant]\noutbox = [\"m\"]").contains("grant.outbox"));
        assert!(problem("[grant]\ndirectory = [\"User\"]").contains("grant.directory"));
        let own = |operations: &str| format!("directory_write = [{{ type = \"User\", operations = [{operations}] }}]");
        assert!(problem(&format!("[grant]\n{}", own("\"patch\""))).contains("imports has \"directory-write\""));
        let imported = format!("[grant]\nimports = [\"directory-write\"]\n{}", own(""));
        assert!(problem(&imported).contains("`User` has no operations"));
        assert!(problem("[grant]\nread_sensitive = [\"pin\"]").contains("grant.read_sensitive"));
        let http = "[[grant.http]]\norigin = \"http://a.test\"\nmethods = [\"GET\"]";
        assert!(problem(http).contains("grant.http"));
        assert!(
            problem("[grant]\nimports = [\"http\"]\nhttp = [{ origin = \"http://a.test\", methods = [] }]")
                .contains("no methods")
        );
    }

    #[test]
    fn names_are_plain_and_occur_once() {
        for name in ["", "Ana", "a b", "-a", "a/b", &"a".repeat(65)] {
            let config = PluginConfig { name: name.into(), ..parse("").unwrap() };
            assert!(config.check().is_err(), "{name}");
        }
        let twice = [parse("").unwrap(), parse("").unwrap()];
        assert_eq!(check_configs(&twice).unwrap_err().key, "name");
    }

    #[test]
    fn a_pin_is_a_whole_digest() {
        for pin in ["", "abc", &"g".repeat(64)] {
            assert!(problem(&format!("sha256 = \"{pin}\"")).contains("sha256"), "{pin}");
        }
    }
}
