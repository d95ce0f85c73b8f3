//! The operator's configuration: `provost.toml`, with `PROVOST__SECTION__KEY` from the environment on top.
//!
//! The file is read alone first, so that a mistake in it is shown with its line; then the
//! environment is laid over it, and a mistake there is blamed on its variable.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use figment::Figment;
use figment::providers::{Env, Format, Toml};
use provost_scim::discovery::BulkFacts;
use provost_scim::{Leniency, Schemas};
use serde::Deserialize;

use crate::delivery::Patience;
use crate::hook::{Act, HookGroup, OnFault, Operation};
use crate::http::PatchAnswer;
use crate::limits;
use crate::listener::TlsFiles;
use crate::outbound::{OutboundConfig, SecretConfigs, check_secrets};
use crate::pipeline::{GuardRules, MeRules, PasswordRules};
use crate::plugin::{self, PluginConfig};
use crate::schemas::{self, BadSchemas};
pub use crate::store::EngineName;
use crate::store::{Index, IndexError, StoreConfig};

/// What every environment variable of the configuration begins with.
const ENV_PREFIX: &str = "PROVOST__";

/// The whole configuration. Every key has a default.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The SCIM door.
    pub server: Server,
    /// The operators' door.
    pub admin: Admin,
    /// How the protocol is spoken.
    pub scim: Scim,
    /// How much one bulk request may hold.
    pub bulk: Bulk,
    /// How many may be deleted and deactivated before somebody must look.
    pub guard: GuardRules,
    /// Where data is kept.
    pub store: StoreSection,
    /// How persistent deliveries are.
    pub delivery: DeliverySection,
    /// What is written to the log.
    pub log: Log,
    /// How requests leave this server.
    pub outbound: OutboundConfig,
    /// What is put into them, by name.
    pub secret: SecretConfigs,
    /// The plugins, in the order they are asked.
    pub plugin: Vec<PluginConfig>,
    /// The file this was read from, to read it again.
    #[serde(skip)]
    pub file: Option<PathBuf>,
    /// What stands in the file, as it stands there.
    #[serde(skip)]
    pub settings: Settings,
    /// What is allowed and still worth a word to the operator.
    #[serde(skip)]
    pub remarks: Vec<String>,
}

/// The file's own keys and values. They may be secrets, so they cannot be shown.
#[derive(Clone, Default, PartialEq)]
pub struct Settings(pub toml::Table);

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("..")
    }
}

/// `[server]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Server {
    /// Where SCIM clients connect.
    pub listen: SocketAddr,
    /// What every SCIM endpoint's path begins with.
    pub base_path: String,
    /// How clients reach this server from outside, without path: `https://id.example.org`. By
    /// default the address it listens on, `https://` with `tls` and `http://` without.
    pub public_url: Option<String>,
    /// How large a request body may be, in bytes.
    pub body_bytes_max: usize,
    /// How many resources a page holds at most.
    pub page_resources_max: usize,
    /// How long a cursor can be used, in seconds.
    pub cursor_timeout_seconds: u64,
    /// The certificate that clients are shown; without one, HTTP is spoken in clear.
    pub tls: Option<TlsFiles>,
    /// Whether HTTP in clear may leave this machine: for a proxy elsewhere that ends TLS.
    pub plain_http: bool,
    /// How many clients are connected at once; more wait until one leaves.
    pub connections_max: usize,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            base_path: "/scim/v2".to_owned(),
            public_url: None,
            body_bytes_max: limits::BODY_BYTES_MAX,
            page_resources_max: limits::PAGE_RESOURCES_MAX,
            cursor_timeout_seconds: limits::CURSOR_SECONDS_DEFAULT,
            tls: None,
            plain_http: false,
            connections_max: limits::CONNECTIONS_DEFAULT,
        }
    }
}

/// `[scim]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Scim {
    /// What a PATCH answers with when its client does not say: `resource` (200) or `nothing` (204).
    pub patch_answer: PatchAnswer,
    /// Whether changes need `If-Match`; those without are answered with 428.
    pub require_if_match: bool,
    /// Which deviations of clients are understood.
    pub leniency: Leniency,
    /// Files with schemas, or directories of them, relative to this configuration.
    pub schemas: Vec<PathBuf>,
    /// Files with resource types, or directories of them, relative to this configuration.
    pub resource_types: Vec<PathBuf>,
    /// What passwords must be like.
    pub passwords: PasswordRules,
    /// Whose resource `/Me` is, and how people register.
    pub me: MeRules,
}

/// `[bulk]`
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Bulk {
    /// How many operations a bulk request may hold; 0 switches bulk requests off.
    pub operations_max: u64,
    /// How large a bulk request may be, in bytes.
    pub payload_bytes_max: usize,
}

impl Default for Bulk {
    fn default() -> Self {
        Self { operations_max: limits::BULK_OPERATIONS_MAX, payload_bytes_max: limits::BULK_PAYLOAD_BYTES_MAX }
    }
}

impl Bulk {
    /// The bounds as they are published, unless bulk requests are off.
    pub fn facts(self) -> Option<BulkFacts> {
        let Self { operations_max, payload_bytes_max } = self;
        (operations_max > 0)
            .then_some(BulkFacts { max_operations: operations_max, max_payload_bytes: payload_bytes_max as u64 })
    }
}

/// `[admin]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Admin {
    /// Where the admin API listens. Port 0 takes any free port, and the data directory's
    /// `admin.address` says which: that is how the commands find it.
    pub listen: SocketAddr,
    /// The certificate that operators are shown; without one, HTTP is spoken in clear.
    pub tls: Option<TlsFiles>,
    /// Whether HTTP in clear may leave this machine: for a proxy elsewhere that ends TLS.
    pub plain_http: bool,
    /// How many operators are connected at once; more wait until one leaves.
    pub connections_max: usize,
    /// What the commands show where `tls.client_ca` wants a certificate.
    pub client: Option<ClientFiles>,
}

impl Default for Admin {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            tls: None,
            plain_http: false,
            connections_max: limits::ADMIN_CONNECTIONS_DEFAULT,
            client: None,
        }
    }
}

/// `[admin.client]`: files in PEM, relative to the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientFiles {
    /// The certificate, and behind it those that lead to its authority.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// `[store]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StoreSection {
    /// Which engine keeps the data.
    pub engine: EngineName,
    /// How much of the data the engine may hold in memory, in MiB.
    pub cache_mib: u64,
    /// How many days past versions and journal rows are kept; 0 keeps them for ever.
    pub keep_days: u32,
    /// How many resources, and memberships joined to them, one query may look at.
    pub scan_resources_max: usize,
    /// The attributes that are indexed beside the usual ones: `[[store.index]]`.
    pub index: Vec<IndexTable>,
}

/// `[[store.index]]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IndexTable {
    /// The resource type's name.
    #[serde(rename = "type")]
    pub resource_type: String,
    /// The attribute as a filter names it, an extension's behind its URN.
    pub attribute: String,
}

impl Default for StoreSection {
    fn default() -> Self {
        Self {
            engine: EngineName::Sled,
            cache_mib: 64,
            keep_days: 365,
            scan_resources_max: limits::SCAN_RESOURCES_MAX,
            index: Vec::new(),
        }
    }
}

impl StoreSection {
    /// The store in this data directory, as configured.
    ///
    /// # Errors
    /// The type and the attribute that cannot be indexed, and why.
    pub fn at(&self, data: &Path, schemas: &Schemas) -> Result<StoreConfig, ConfigError> {
        let indexes = Some(self.indexes(schemas)?);
        Ok(StoreConfig { indexes, ..self.as_it_is(data, schemas) })
    }

    /// The same store for whoever only looks into it: what is indexed stays as it is.
    pub fn as_it_is(&self, data: &Path, schemas: &Schemas) -> StoreConfig {
        StoreConfig {
            cache_bytes: self.cache_mib * 1024 * 1024,
            engine: self.engine,
            indexes: None,
            scan_resources_max: self.scan_resources_max,
            ..StoreConfig::new(data, schemas)
        }
    }

    /// What is indexed: the usual attributes, and those that the operator names.
    ///
    /// # Errors
    /// The type and the attribute that cannot be indexed, and why.
    pub fn indexes(&self, schemas: &Schemas) -> Result<Vec<Index>, ConfigError> {
        let named = self.index.iter().map(|table| Index::named(schemas, &table.resource_type, &table.attribute));
        let wrong =
            |error: IndexError| ConfigError::Senseless { key: "store.index".to_owned(), text: error.to_string() };
        let mut indexes = Index::standard(schemas);
        indexes.extend(named.collect::<Result<Vec<_>, _>>().map_err(wrong)?);
        Ok(indexes)
    }
}

/// `[delivery]`
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DeliverySection {
    /// After so many failed attempts a message is parked.
    pub attempts_max: u32,
    /// The first wait between attempts, in milliseconds; it doubles from there.
    pub backoff_ms_min: u64,
    /// The longest wait between attempts, in milliseconds.
    pub backoff_ms_max: u64,
}

impl Default for DeliverySection {
    fn default() -> Self {
        let patience = Patience::default();
        Self {
            attempts_max: patience.attempts_max,
            backoff_ms_min: patience.backoff_millis_min,
            backoff_ms_max: patience.backoff_millis_max,
        }
    }
}

impl From<DeliverySection> for Patience {
    fn from(section: DeliverySection) -> Self {
        Self {
            attempts_max: section.attempts_max,
            backoff_millis_min: section.backoff_ms_min,
            backoff_millis_max: section.backoff_ms_max,
        }
    }
}

/// `[log]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// `text` for people, `json` for collectors.
    pub format: LogFormat,
    /// A filter in `tracing`'s syntax: `info`, or `warn,provost=debug`.
    pub level: String,
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::Text, level: "info".to_owned() }
    }
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// The configuration cannot be used; nothing was started.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("the configuration `{}` cannot be read", .file.display())]
    Unreadable {
        /// Which file.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not TOML, or a key in it is wrong. The text shows the line.
    #[error("the configuration `{}` is wrong:\n{text}", .file.display())]
    Wrong {
        /// Which file.
        file: PathBuf,
        /// Line, key, and what was expected.
        text: String,
    },
    /// A variable of the environment is wrong.
    #[error("the environment variable `{variable}` is wrong: {text}")]
    WrongVariable {
        /// Which variable.
        variable: String,
        /// What was expected.
        text: String,
    },
    /// A value is well formed but makes no sense.
    #[error("`{key}` in the configuration is wrong: {text}")]
    Senseless {
        /// The key, dotted.
        key: String,
        /// What was expected.
        text: String,
    },
    /// A plugin's table makes no sense.
    #[error(transparent)]
    Plugin(#[from] plugin::ConfigError),
}

impl Config {
    /// Reads the file, if there is one, and lays the environment over it.
    ///
    /// # Errors
    /// The key, the line or variable, and what was expected there.
    pub fn load(file: Option<&Path>) -> Result<Self, ConfigError> {
        let text = match file {
            Some(file) => std::fs::read_to_string(file)
                .map_err(|source| ConfigError::Unreadable { file: file.to_owned(), source })?,
            None => String::new(),
        };
        if let Some(file) = file {
            let wrong = |e: toml::de::Error| ConfigError::Wrong { file: file.to_owned(), text: shown(&text, &e) };
            toml::from_str::<Self>(&text).map_err(wrong)?;
        }
        // The file is known to be good, so what fails now came from the environment.
        let both = Figment::from(Toml::string(&text)).merge(Env::prefixed(ENV_PREFIX).split("__"));
        let mut config: Self = both.extract().map_err(|error| ConfigError::WrongVariable {
            variable: format!("{ENV_PREFIX}{}", error.path.join("__").to_uppercase()),
            text: match error.path.first().is_some_and(|table| table == "secret") {
                true => without_value(&error.kind.to_string()),
                false => error.kind.to_string(),
            },
        })?;
        if let Some(dir) = file.and_then(Path::parent) {
            let paths = config.scim.schemas.iter_mut().chain(&mut config.scim.resource_types);
            let client = config.admin.client.iter_mut().flat_map(|client| [&mut client.certificate, &mut client.key]);
            paths.chain(client).for_each(|path| *path = dir.join(&path));
            let tls = config.server.tls.iter_mut().chain(&mut config.admin.tls);
            tls.for_each(|files| files.relative_to(dir));
            config.secret.values_mut().for_each(|secret| secret.relative_to(dir));
            config.outbound.relative_to(dir);
        }
        config.check()?;
        config.settings = Settings(text.parse().unwrap_or_default());
        config.file = file.map(Path::to_owned);
        config.remarks = config.public_secrets(file.unwrap_or(Path::new("")));
        Ok(config)
    }

    /// The schemas and resource types that are served: the standard's and those of the files.
    ///
    /// # Errors
    /// Every mistake in every file.
    pub fn schemas(&self) -> Result<Arc<Schemas>, BadSchemas> {
        schemas::load(&self.scim.schemas, &self.scim.resource_types).map(Arc::new)
    }

    fn check(&self) -> Result<(), ConfigError> {
        let senseless =
            |key: &str, text: &str| Err(ConfigError::Senseless { key: key.to_owned(), text: text.to_owned() });
        let path = &self.server.base_path;
        if !path.starts_with('/') || path.ends_with('/') || path.contains(['{', '}', '?', '#', '*']) {
            return senseless("server.base_path", "expected a path like `/scim/v2`, with no slash at its end");
        }
        if let Some(url) = &self.server.public_url {
            let url = url::Url::parse(url).ok().filter(|u| matches!(u.scheme(), "http" | "https") && u.path() == "/");
            if url.is_none_or(|u| u.query().is_some() || u.fragment().is_some()) {
                return senseless("server.public_url", "expected a URL like `https://id.example.org`, with no path");
            }
        }
        if self.server.body_bytes_max == 0 {
            return senseless("server.body_bytes_max", "expected at least 1");
        }
        if self.bulk.payload_bytes_max == 0 {
            return senseless(
                "bulk.payload_bytes_max",
                "expected at least 1; `bulk.operations_max = 0` switches bulk off",
            );
        }
        if self.server.page_resources_max == 0 {
            return senseless("server.page_resources_max", "expected at least 1");
        }
        if self.server.cursor_timeout_seconds == 0 {
            return senseless("server.cursor_timeout_seconds", "expected at least 1");
        }
        self.check_listeners()?;
        if self.delivery.attempts_max == 0 {
            return senseless("delivery.attempts_max", "expected at least 1");
        }
        if self.delivery.backoff_ms_min > self.delivery.backoff_ms_max {
            return senseless("delivery.backoff_ms_min", "expected at most `delivery.backoff_ms_max`");
        }
        if self.store.scan_resources_max == 0 {
            return senseless("store.scan_resources_max", "expected at least 1");
        }
        if self.store.index.len() > limits::INDEXES_MAX {
            let text = format!("expected at most {} attributes", limits::INDEXES_MAX);
            return senseless("store.index", &text);
        }
        plugin::check_configs(&self.plugin)?;
        self.check_outbound()?;
        let wrong = |table: &str, (key, text): (&str, String)| senseless(&format!("{table}.{key}"), &text);
        self.scim.passwords.check().or_else(|e| wrong("scim.passwords", e))?;
        self.guard.check().or_else(|(key, text)| senseless(&format!("guard.{key}"), &text))?;
        self.check_policy().or_else(|text| senseless("scim.me.registration.policy", &text))
    }

    /// What leaves this server can leave it, and carries no secret that there is not.
    fn check_outbound(&self) -> Result<(), ConfigError> {
        self.outbound.check().map_err(|(key, text)| ConfigError::Senseless { key: format!("outbound.{key}"), text })?;
        check_secrets(&self.secret).map_err(|(key, text)| ConfigError::Senseless { key, text })?;
        let known = |name: &str| self.secret.contains_key(name);
        self.plugin.iter().try_for_each(|plugin| plugin.check_secrets(known))?;
        Ok(())
    }

    /// A sentence for each secret that everybody on this machine can read.
    fn public_secrets(&self, file: &Path) -> Vec<String> {
        let sentence = |(name, secret): (&String, &crate::outbound::SecretConfig)| {
            let file = secret.public_file(file)?;
            Some(format!(
                "the secret `{name}` can be read by everybody on this machine, in `{}`; `chmod 600` ends that",
                file.display()
            ))
        };
        self.secret.iter().filter_map(sentence).collect()
    }

    /// Nobody speaks HTTP in clear beyond this machine unless the operator says so.
    ///
    /// # Errors
    /// The address that would be open, and the two ways out.
    pub fn check_listeners(&self) -> Result<(), ConfigError> {
        let Self { server, admin, .. } = self;
        let doors = [
            ("server", server.listen, server.tls.is_some() || server.plain_http, server.connections_max),
            ("admin", admin.listen, admin.tls.is_some() || admin.plain_http, admin.connections_max),
        ];
        for (section, address, fits, connections_max) in doors {
            if !fits && !address.ip().to_canonical().is_loopback() {
                let text = format!(
                    "{address} is not a loopback address, and plain HTTP is only for loopback, behind a proxy that \
                     ends TLS; set `{section}.tls`, or `{section}.plain_http = true` if the network is safe by itself"
                );
                return Err(ConfigError::Senseless { key: format!("{section}.listen"), text });
            }
            if connections_max == 0 {
                let text = "expected at least 1".to_owned();
                return Err(ConfigError::Senseless { key: format!("{section}.connections_max"), text });
            }
        }
        Ok(())
    }

    /// What can be judged only beside the schemas: which attributes are indexed, whose `/Me` is, and what plugins' tables
    /// name.
    ///
    /// # Errors
    /// The key, and what was expected.
    pub fn check_beside(&self, schemas: &Schemas) -> Result<(), ConfigError> {
        let indexes = self.store.indexes(schemas)?;
        let wrong = |(key, text): (&str, String)| ConfigError::Senseless { key: format!("scim.me.{key}"), text };
        self.scim.me.check(schemas, &indexes).map_err(wrong)?;
        self.plugin.iter().try_for_each(|plugin| plugin.check_beside(schemas))?;
        Ok(())
    }

    /// Nobody registers but past a plugin that is asked about every new User and can say no.
    fn check_policy(&self) -> Result<(), String> {
        let Some(registration) = &self.scim.me.registration else { return Ok(()) };
        let policy = &registration.policy;
        match self.plugin.iter().find(|plugin| plugin.name == *policy) {
            None => Err(format!("there is no plugin `{policy}`")),
            Some(plugin) if !plugin.enabled => Err(format!("plugin `{policy}` is switched off")),
            Some(plugin) if !plugin.subscribes("User", Act::Change(Operation::Create)) => {
                Err(format!("plugin `{policy}` is not asked about new Users; see its `types` and `operations`"))
            }
            Some(plugin) if plugin.on_fault.at(HookGroup::BeforeWrite) != OnFault::Refuse => {
                Err(format!("plugin `{policy}` needs `on_fault = \"refuse\"`, or people register when it fails"))
            }
            Some(_) => Ok(()),
        }
    }

    /// The absolute base URI that clients use, without a trailing slash, for a server that
    /// listens on `bound`.
    pub fn base_url(&self, bound: SocketAddr) -> String {
        let path = &self.server.base_path;
        match &self.server.public_url {
            Some(url) => format!("{}{path}", url.trim_end_matches('/')),
            None if self.server.tls.is_some() => format!("https://{bound}{path}"),
            None => format!("http://{bound}{path}"),
        }
    }
}

/// A mistake as it is shown: with its line, but not the line itself where secrets stand.
fn shown(text: &str, error: &toml::de::Error) -> String {
    let at = error.span().map_or(0, |span| span.start).min(text.len());
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count();
    let names_secret = |text: &str| {
        let text = text.trim_start_matches(|c: char| c == '[' || c == '"' || c == '\'' || c.is_whitespace());
        text.strip_prefix("secret").is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
    };
    let table = text.lines().take(line + 1).filter(|line| line.trim_start().starts_with('[')).last();
    if table.is_some_and(names_secret) || text.lines().nth(line).is_some_and(names_secret) {
        return format!("line {}, which holds a secret and is not shown: {}", line + 1, without_value(error.message()));
    }
    error.to_string()
}

/// What was expected, without what was found.
fn without_value(message: &str) -> String {
    match message.split_once(", expected ") {
        Some((found, expected)) if found.starts_with("invalid ") => format!("expected {expected}"),
        _ => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn wrong(text: &str) -> String {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Config::load(Some(file.path())).unwrap_err().to_string()
    }

    #[test]
    fn an_empty_file_gives_the_documented_defaults() {
        let config = Config::load(None).unwrap();

        assert_eq!(config.server.listen.to_string(), "127.0.0.1:8080");
        assert_eq!(config.base_url(config.server.listen), "http://127.0.0.1:8080/scim/v2");
        assert!(config.plugin.is_empty());
    }

    #[test]
    fn the_base_path_is_a_path_and_nothing_more_s_1_1() {
        for path in ["scim/v2", "/scim/v2/", "/scim?tenant=1", "/scim#v2"] {
            let text = wrong(&format!("[server]\nbase_path = \"{path}\"\n"));
            assert!(text.contains("server.base_path"), "{text}");
        }
    }

    #[test]
    fn a_mistake_is_shown_with_its_line_its_key_and_what_was_expected() {
        let text = wrong("[server]\nlisten = \"127.0.0.1:8080\"\nbody_bytes_max = \"much\"\n");

        assert!(
            text.contains("line 3") && text.contains("body_bytes_max") && text.contains("expected usize"),
            "{text}"
        );
    }

    #[test]
    fn an_unknown_key_is_named_with_those_that_exist() {
        let text = wrong("[server]\nlisen = \"127.0.0.1:8080\"\n");

        assert!(text.contains("line 2") && text.contains("lisen") && text.contains("`listen`"), "{text}");
    }

    #[test]
    fn an_attribute_that_cannot_be_indexed_is_named_with_its_type_and_the_reason() {
        let refused = |resource_type: &str, attribute: &str| {
            let table = IndexTable { resource_type: resource_type.into(), attribute: attribute.into() };
            let section = StoreSection { index: vec![table], ..StoreSection::default() };
            let text = section.indexes(&Schemas::standard()).unwrap_err().to_string();
            assert!(text.contains("`store.index`") && text.contains(resource_type), "{text}");
            assert!(text.contains(&format!("`{attribute}`")), "{text}");
            text
        };
        assert!(refused("Person", "title").contains("only `User`, `Group`"));
        assert!(refused("User", "tittle").contains("no such attribute"));
        assert!(refused("User", "password").contains("never returned"));
        assert!(refused("User", "name").contains("name one of its sub-attributes"));
        let enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
        assert!(refused("User", enterprise).contains("name one of its sub-attributes"));
        assert!(refused("User", &format!("{enterprise}:desk")).contains("no such attribute"));
        assert!(refused("User", "groups.display").contains("computed from memberships"));
        assert!(refused("Group", "members").contains("computed from memberships"));
        assert!(refused("User", "meta.location").contains("how the server is reached"));
    }

    #[test]
    fn indexes_stand_beside_the_usual_ones_however_they_are_written() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let attributes = [
            "active",
            "TITLE",
            "phoneNumbers",
            "Department",
            "urn:ietf:params:scim:schemas:core:2.0:User:name.familyName",
        ];
        let tables =
            attributes.map(|attribute| format!("[[store.index]]\ntype = \"User\"\nattribute = \"{attribute}\"\n"));
        std::fs::write(file.path(), tables.concat()).unwrap();

        let indexes = Config::load(Some(file.path())).unwrap().store.indexes(&Schemas::standard()).unwrap();

        let paths: Vec<&str> = indexes.iter().map(|index| index.target.path.as_str()).collect();
        let department = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department";
        assert!(
            paths.ends_with(&["active", "title", "phoneNumbers.value", department, "name.familyName"]),
            "{paths:?}"
        );
        assert!(paths.contains(&"userName"));
        let text = wrong("[[store.index]]\ntype = \"User\"\natribute = \"title\"\n");
        assert!(text.contains("line 3") && text.contains("`attribute`"), "{text}");
    }

    #[test]
    fn the_budget_of_a_query_is_never_nothing() {
        assert!(wrong("[store]\nscan_resources_max = 0\n").contains("`store.scan_resources_max`"));
        assert_eq!(Config::load(None).unwrap().store.scan_resources_max, 1_000_000);
    }

    #[test]
    fn cursors_live_for_a_second_at_least() {
        let text = wrong("[server]\ncursor_timeout_seconds = 0\n");

        assert!(text.contains("server.cursor_timeout_seconds") && text.contains("at least 1"), "{text}");
    }

    #[test]
    fn http_in_clear_stays_on_this_machine_unless_the_operator_says_otherwise() {
        for (section, address) in
            [("server", "0.0.0.0:80"), ("server", "192.168.1.5:80"), ("admin", "[::]:0"), ("admin", "[2a00::1]:0")]
        {
            let table = format!("[{section}]\nlisten = \"{address}\"\n");
            let text = wrong(&table);
            assert!(text.contains(&format!("{section}.listen")) && text.contains(address), "{text}");
            assert!(text.contains(&format!("`{section}.tls`")) && text.contains("plain_http = true"), "{text}");
            for rest in ["plain_http = true", "tls = { certificate = \"c.pem\", key = \"k.pem\" }"] {
                let file = tempfile::NamedTempFile::new().unwrap();
                std::fs::write(file.path(), format!("{table}{rest}\n")).unwrap();
                Config::load(Some(file.path())).unwrap();
            }
        }
        for address in ["127.0.0.1:0", "127.8.9.1:0", "[::1]:0", "[::ffff:127.0.0.1]:0"] {
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), format!("[server]\nlisten = \"{address}\"\n")).unwrap();
            Config::load(Some(file.path())).unwrap();
        }
        assert!(wrong("[admin]\nconnections_max = 0\n").contains("admin.connections_max"));
    }

    #[test]
    fn a_mistake_beside_a_secret_is_told_without_the_secret() {
        for (text, words) in [
            ("[secret.crm]\nvalu = \"hunter2-4711\"\n", "`value`"),
            ("[secret.crm]\nvalue = \"hunter2-4711\"\nenv = \"CRM\"\n", "exactly one of"),
            ("[secret.crm]\nvalue = \"hunter2-4711\"\nkind = \"basic\"\n", "secret.crm.username"),
            ("[secret.crm]\nvalue = \"hunter2-4711\"\nusername = \"provost\"\n", "secret.crm.username"),
            ("[secret.crm]\nvalue = \"hunter2-4711\", kind = 1\n", "line 2"),
            ("[secret.crm]\nvalue = [\"hunter2-4711\"]\n", "a text in quotes"),
            ("[secret.crm]\nvalue = hunter2-4711\n", "line 2"),
            ("[secret.crm]\nvalue = \"hunter2-4711\n\"\n", "which holds a secret"),
            ("[secret]\ncrm = \"hunter2-4711\"\n", "line 2"),
            ("secret.crm = { value = \"hunter2-4711\", kin = \"basic\" }\n", "line 1"),
            ("secret = \"hunter2-4711\"\n", "line 1"),
            ("[secret.\"Hunter 2\"]\nvalue = \"hunter2-4711\"\n", "lower-case"),
        ] {
            let said = wrong(text);
            assert!(said.contains(words) && !said.contains("4711"), "{text}: {said}");
        }
        assert!(wrong("[secret.crm]\nvalue = 471147114711\n").contains("a text in quotes"));
        assert!(!wrong("[secret.crm]\nvalue = 471147114711\n").contains("4711"));
    }

    #[test]
    fn a_plugin_is_granted_no_secret_that_there_is_not() {
        let plugin = "[[plugin]]\nname = \"a\"\nplugin = \"builtin:forward\"\n[plugin.grant]\nimports = [\"http\"]\n\
                      http = [{ origin = \"https://crm\", methods = [\"GET\"] }]\nsecrets = [\"crm\"]\n";
        let text = wrong(plugin);
        assert!(text.contains("grant.secrets") && text.contains("`a`") && text.contains("[secret.crm]"), "{text}");

        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), format!("{plugin}[secret.crm]\nvalue = \"hunter2-4711\"\n")).unwrap();
        let config = Config::load(Some(file.path())).unwrap();
        assert!(config.remarks.is_empty(), "a temporary file is its owner's only: {:?}", config.remarks);
        assert!(!format!("{config:?}").contains("4711"), "{config:?}");

        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(0o644)).unwrap();
        let remarks = Config::load(Some(file.path())).unwrap().remarks.join("");
        assert!(remarks.contains("`crm`") && remarks.contains("chmod 600") && !remarks.contains("4711"), "{remarks}");
    }

    #[test]
    fn certificates_are_found_beside_the_configuration() {
        let directory = tempfile::TempDir::new().unwrap();
        let file = directory.path().join("provost.toml");
        let tls = "tls = { certificate = \"c.pem\", key = \"/k.pem\", client_ca = \"ca.pem\", min_version = \"1.3\" }";
        std::fs::write(&file, format!("[server]\n{tls}\n")).unwrap();

        let config = Config::load(Some(&file)).unwrap();

        let tls = config.server.tls.clone().unwrap();
        assert_eq!(tls.certificate, directory.path().join("c.pem"));
        assert_eq!(tls.key, Path::new("/k.pem"));
        assert_eq!(tls.client_ca, Some(directory.path().join("ca.pem")));
        assert_eq!(config.base_url(config.server.listen), "https://127.0.0.1:8080/scim/v2");
        let text = wrong("[server]\ntls = { certificate = \"c.pem\", key = \"k.pem\", min_version = \"1.1\" }\n");
        assert!(text.contains("1.1") && text.contains("`1.2`") && text.contains("`1.3`"), "{text}");
    }

    #[test]
    fn an_unknown_engine_is_named_with_those_that_exist() {
        let text = wrong("[store]\nengine = \"rocks\"\n");

        assert!(text.contains("line 2") && text.contains("rocks"), "{text}");
        for engine in EngineName::ALL {
            assert!(text.contains(&format!("`{engine}`")), "{text}");
        }
    }

    #[test]
    fn two_plugins_cannot_share_a_name() {
        let one = "[[plugin]]\nname = \"a\"\nplugin = \"builtin:forward\"\n";

        assert!(wrong(&format!("{one}{one}")).contains("another plugin has this name"));
    }
}
