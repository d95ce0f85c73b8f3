//! The operator's configuration: `provost.toml`, with `PROVOST__SECTION__KEY` from the environment on top.
//!
//! The file is read alone first, so that a mistake in it is shown with its line; then the
//! environment is laid over it, and a mistake there is blamed on its variable.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use figment::Figment;
use figment::providers::{Env, Format, Toml};
use provost_scim::{Leniency, Schemas};
use serde::Deserialize;

use crate::delivery::Patience;
use crate::http::PatchAnswer;
use crate::limits;
use crate::plugin::{self, PluginConfig};
use crate::store::StoreConfig;

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
    /// Where data is kept.
    pub store: StoreSection,
    /// How persistent deliveries are.
    pub delivery: DeliverySection,
    /// What is written to the log.
    pub log: Log,
    /// The plugins, in the order they are asked.
    pub plugin: Vec<PluginConfig>,
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
    /// default `http://` and the address it listens on.
    pub public_url: Option<String>,
    /// How large a request body may be, in bytes.
    pub body_bytes_max: usize,
    /// How many resources a page holds at most.
    pub page_resources_max: usize,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            base_path: "/scim/v2".to_owned(),
            public_url: None,
            body_bytes_max: limits::BODY_BYTES_MAX,
            page_resources_max: limits::PAGE_RESOURCES_MAX,
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
}

/// `[admin]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Admin {
    /// Where the admin API listens. Port 0 takes any free port, and the data directory's
    /// `admin.address` says which: that is how the commands find it.
    pub listen: SocketAddr,
}

impl Default for Admin {
    fn default() -> Self {
        Self { listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)) }
    }
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
}

impl Default for StoreSection {
    fn default() -> Self {
        Self { engine: EngineName::Sled, cache_mib: 64, keep_days: 365 }
    }
}

impl StoreSection {
    /// The store in this data directory, as configured.
    pub fn at(&self, data: &Path, schemas: &Schemas) -> StoreConfig {
        StoreConfig { cache_bytes: self.cache_mib * 1024 * 1024, ..StoreConfig::new(data, schemas) }
    }
}

/// The engines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EngineName {
    /// Embedded, the default.
    Sled,
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
            let wrong = |e: toml::de::Error| ConfigError::Wrong { file: file.to_owned(), text: e.to_string() };
            toml::from_str::<Self>(&text).map_err(wrong)?;
        }
        // The file is known to be good, so what fails now came from the environment.
        let both = Figment::from(Toml::string(&text)).merge(Env::prefixed(ENV_PREFIX).split("__"));
        let config: Self = both.extract().map_err(|error| ConfigError::WrongVariable {
            variable: format!("{ENV_PREFIX}{}", error.path.join("__").to_uppercase()),
            text: error.kind.to_string(),
        })?;
        config.check()?;
        Ok(config)
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
        if self.server.page_resources_max == 0 {
            return senseless("server.page_resources_max", "expected at least 1");
        }
        if self.delivery.attempts_max == 0 {
            return senseless("delivery.attempts_max", "expected at least 1");
        }
        if self.delivery.backoff_ms_min > self.delivery.backoff_ms_max {
            return senseless("delivery.backoff_ms_min", "expected at most `delivery.backoff_ms_max`");
        }
        plugin::check_configs(&self.plugin)?;
        Ok(())
    }

    /// The absolute base URI that clients use, without a trailing slash, for a server that
    /// listens on `bound`.
    pub fn base_url(&self, bound: SocketAddr) -> String {
        let path = &self.server.base_path;
        match &self.server.public_url {
            Some(url) => format!("{}{path}", url.trim_end_matches('/')),
            None => format!("http://{bound}{path}"),
        }
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
    fn two_plugins_cannot_share_a_name() {
        let one = "[[plugin]]\nname = \"a\"\nplugin = \"builtin:forward\"\n";

        assert!(wrong(&format!("{one}{one}")).contains("another plugin has this name"));
    }
}
