//! From one set of plugins to the next, without a restart.
//!
//! The order: read the list, keep what stays as it is, load the rest aside, and only if all of it is good, put the new
//! set in the present one's place, at once. A plugin that stays keeps its counters, breakers and seats. Then what is good
//! now is written down, for a start on which something is not.
//!
//! A list that was read again, since the operator changed a file, is applied whole or not at all, and with it the secrets
//! and the settings that requests leave with. An order by command looks at its own plugin only, so that an unfinished
//! edit elsewhere never stands in its way.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};

use futures::future::join_all;
use jiff::Timestamp;
use serde::Serialize;
use tracing::{info, warn};
use utoipa::ToSchema;

use super::keep::{Kept, LastGood};
use super::load::{self, BUILTIN_PREFIX, Fetched, Predecessor};
use super::orders::{Listed, Order, Orders};
use super::set::{Plugin, PluginSet};
use super::{House, PluginConfig, PluginHost, check_configs, grant, meter};
use crate::hook::PluginName;
use crate::outbound::{OutboundConfig, SecretConfigs};

/// What a reload applies, as the operator wrote it down.
#[derive(Debug)]
pub struct Written {
    /// The plugins.
    pub plugins: Vec<PluginConfig>,
    /// How their requests leave.
    pub outbound: OutboundConfig,
    /// What may be put into them.
    pub secrets: SecretConfigs,
}

/// Reads again what the operator wrote down.
pub type Source = Arc<dyn Fn() -> Result<Written, String> + Send + Sync>;

/// What a change did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = PluginsChanged)]
pub struct Changed {
    /// The plugins that were loaded anew.
    pub loaded: Vec<PluginName>,
    /// Those that were switched off.
    pub disabled: Vec<PluginName>,
    /// Those that are gone.
    pub removed: Vec<PluginName>,
    /// Whether those that stayed are asked in another order.
    pub reordered: bool,
    /// Whether requests leave otherwise: with other secrets, or other settings under `[outbound]`.
    pub outbound: bool,
}

/// Why the plugins were not changed. The set that ran before runs on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// The order or the list makes no sense.
    #[error("the plugins were not changed: {0}")]
    Senseless(String),
    /// Some plugin cannot be used as it would be.
    #[error("the plugins were not changed: {}", .0.iter().map(|(_, reason)| reason.as_str()).collect::<Vec<_>>().join("; "))]
    Unusable(Vec<(PluginName, String)>),
    /// What was changed could not be written down.
    #[error("the plugins were not changed: `{}` cannot be written: {why}", .file.display())]
    Unwritable {
        /// Which file.
        file: PathBuf,
        /// Why.
        why: String,
    },
}

/// A change that was refused and still waits for the operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = RefusedChange)]
pub struct Refused {
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// Who or what wanted it.
    pub by: String,
    /// One sentence: what is wrong.
    pub reason: String,
    /// The plugins that cannot be used as they would be, each with its reason.
    pub plugins: BTreeMap<PluginName, String>,
}

impl Refused {
    /// Why this plugin could not be changed, if it is one of them.
    pub fn reason_of(&self, name: &PluginName) -> Option<&str> {
        self.plugins.get(name).map(String::as_str)
    }
}

/// What changes are made from. Whoever holds it makes one.
#[derive(Default)]
pub(super) struct Ledger {
    source: Option<Source>,
    /// The list as it was last applied, before what was changed by command.
    configured: Vec<PluginConfig>,
    orders: Orders,
    kept: Kept,
}

/// What is looked at again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    /// Every component.
    Everything,
    /// Only what is listed otherwise than before, or does not run.
    Differences,
}

/// A plugin of the next set.
struct Prepared {
    plugin: Arc<Plugin>,
    /// What was loaded, if it was.
    fetched: Option<Fetched>,
}

impl PluginHost {
    /// Where [`PluginHost::reload`] reads what it applies.
    pub async fn read_from(&self, source: Source) {
        self.ledger.lock().await.source = Some(source);
    }

    /// Loads the first set. What does not load comes back as it was last good, or is quarantined.
    pub(super) async fn begin(&self, configured: Vec<PluginConfig>, orders: Orders) {
        let mut ledger = self.ledger.lock().await;
        if let Some(keep) = &self.keep {
            ledger.kept = keep.read().unwrap_or_else(|error| {
                warn!(%error, "the record of the last good plugins cannot be read: what does not load now is quarantined");
                Kept::default()
            });
        }
        let listed = orders.lay_over(configured.clone());
        ledger.configured = configured;
        ledger.orders = orders;
        let house = self.set().house.clone();
        let prepared = self.prepare(&ledger, &house, listed, Look::Everything).await;
        let returned = prepared.into_iter().map(async |prepared| match prepared.plugin.unloaded() {
            None => prepared,
            Some(reason) => {
                let back = self.last_good(&ledger, &house, &prepared.plugin, reason).await;
                match &back {
                    Some(_) => warn!(plugin.name = %prepared.plugin.written.name, "what was last good runs: {reason}"),
                    None => warn!(plugin.name = %prepared.plugin.written.name, "quarantined: {reason}"),
                }
                back.map(|plugin| Prepared { plugin, fetched: None }).unwrap_or(prepared)
            }
        });
        let prepared = join_all(returned).await;
        self.put_in_place(&house, &prepared);
        self.remember(&mut ledger, &prepared).await;
    }

    /// Reads again the list, every component, the secrets' places and `[outbound]`, and applies what is different; all of
    /// it or nothing.
    ///
    /// # Errors
    /// What is wrong, and with which plugin. The set that ran before runs on.
    pub async fn reload(&self, by: &str) -> Result<Changed, ChangeError> {
        let mut ledger = self.ledger.lock().await;
        let outcome = self.read_again(&mut ledger, by).await;
        let refused = outcome.as_ref().err().map(|error| Refused {
            at: self.set().house.clock.now(),
            by: by.to_owned(),
            reason: error.to_string(),
            plugins: match error {
                ChangeError::Unusable(plugins) => plugins.iter().cloned().collect(),
                ChangeError::Senseless(_) | ChangeError::Unwritable { .. } => BTreeMap::new(),
            },
        });
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = refused;
        self.tell(by, &outcome);
        outcome
    }

    async fn read_again(&self, ledger: &mut Ledger, by: &str) -> Result<Changed, ChangeError> {
        let (configured, house) = match ledger.source.clone() {
            None => (ledger.configured.clone(), self.set().house.clone()),
            Some(source) => {
                let read = tokio::task::spawn_blocking(move || source()).await;
                let read = read.unwrap_or_else(|_| Err("the server is stopping".to_owned()));
                let written = read.map_err(ChangeError::Senseless)?;
                let house = self.house_for(&written).await.map_err(ChangeError::Senseless)?;
                (written.plugins, house)
            }
        };
        let orders = match &self.orders_file {
            Some(file) => Orders::read(file).map_err(ChangeError::Senseless)?,
            None => Orders::default(),
        };
        let listed = orders.lay_over(configured.clone());
        let changed = self.apply(ledger, &house, listed, Look::Everything, by).await?;
        ledger.configured = configured;
        ledger.orders = orders;
        Ok(changed)
    }

    /// The present house, or one with another way out if that is what is written.
    async fn house_for(&self, written: &Written) -> Result<Arc<House>, String> {
        let house = self.set().house.clone();
        let wrong = |(key, text): (String, String)| format!("`{key}` in the configuration is wrong: {text}");
        let outbound = house.outbound.next(&written.outbound, &written.secrets, &house.clock).map_err(wrong)?;
        outbound.check_secrets().await.map_err(wrong)?;
        Ok(if outbound.is(&house.outbound) { house } else { Arc::new(House { outbound, ..House::clone(&house) }) })
    }

    /// Does what an operator orders, and writes it down.
    ///
    /// # Errors
    /// What is wrong. The set that ran before runs on.
    pub async fn order(&self, order: Order, by: &str) -> Result<Changed, ChangeError> {
        let mut ledger = self.ledger.lock().await;
        let outcome = self.obey(&mut ledger, &order, by).await;
        self.tell(by, &outcome);
        outcome
    }

    async fn obey(&self, ledger: &mut Ledger, order: &Order, by: &str) -> Result<Changed, ChangeError> {
        let Some(file) = self.orders_file.clone() else {
            return Err(ChangeError::Senseless("there is no data directory to keep it in".to_owned()));
        };
        let component = self.copied(order).await.map_err(ChangeError::Senseless)?;
        let orders = ledger.orders.clone().after(order, &ledger.configured, component);
        let orders = orders.map_err(ChangeError::Senseless)?;
        let before = self.set();
        let listed = orders.lay_over(ledger.configured.clone());
        let changed = self.apply(ledger, &before.house, listed, Look::Differences, by).await?;
        if orders != ledger.orders
            && let Err(error) = orders.write(&file)
        {
            self.swap(before);
            return Err(ChangeError::Unwritable { file, why: error.to_string() });
        }
        ledger.orders = orders;
        if let Order::Enable(name) = order
            && let Some(plugin) = self.set().plugin(name)
        {
            plugin.breakers.close();
        }
        self.forget(ledger);
        Ok(changed)
    }

    /// Copies the component of an upgrade or an install into the data directory, where nobody moves it away.
    async fn copied(&self, order: &Order) -> Result<Option<(String, Option<String>)>, String> {
        let (source, pin) = match order {
            Order::Upgrade { file, sha256, .. } => (file.to_string_lossy().into_owned(), sha256.as_ref()),
            Order::Install(config) => (config.plugin.clone(), config.sha256.as_ref()),
            Order::Enable(_) | Order::Disable(_) | Order::Remove(_) | Order::Move { .. } => return Ok(None),
        };
        let is_builtin = source.starts_with(BUILTIN_PREFIX);
        if !is_builtin && !Path::new(&source).is_absolute() {
            return Err(format!("`{}` is not an absolute path on the server's machine", source.escape_default()));
        }
        let wrong = |why: String| format!("`{}` {why}", source.escape_default());
        let fetched = load::fetch(&source, self.builtins).await.map_err(wrong)?;
        if let Some(pin) = pin.filter(|pin| !pin.eq_ignore_ascii_case(&fetched.digest)) {
            return Err(wrong(format!(
                "is not the file that was meant: its SHA-256 is {}, and not {pin}",
                fetched.digest
            )));
        }
        if is_builtin {
            // It comes with the binary, and another binary may bring another one.
            return Ok(Some((source, pin.cloned())));
        }
        let keep = self.keep.clone().ok_or("there is no data directory to keep it in")?;
        let kept = tokio::task::spawn_blocking(move || {
            let path = keep.put(&fetched.digest, &fetched.bytes, fetched.beside.as_deref())?;
            Ok::<_, std::io::Error>((path, fetched.digest))
        });
        let (path, digest) = kept
            .await
            .map_err(|_| "the server is stopping".to_owned())?
            .map_err(|error| wrong(format!("could not be copied: {error}")))?;
        Ok(Some((path.to_string_lossy().into_owned(), Some(digest))))
    }

    /// Makes the next set ready and puts it in place, if all of it is good.
    async fn apply(
        &self,
        ledger: &mut Ledger,
        house: &Arc<House>,
        listed: Vec<Listed>,
        look: Look,
        by: &str,
    ) -> Result<Changed, ChangeError> {
        let configs: Vec<PluginConfig> = listed.iter().map(|listed| listed.config.clone()).collect();
        check_configs(&configs).map_err(|error| ChangeError::Senseless(error.to_string()))?;
        let before = self.set();
        let prepared = self.prepare(ledger, house, listed, look).await;
        // One that did not run before does no harm if it still does not.
        let ran = |name: &PluginName| before.plugin(name).is_none_or(|plugin| plugin.unloaded().is_none());
        let unusable: Vec<(PluginName, String)> = prepared
            .iter()
            .filter_map(|next| Some((next.plugin.written.name.clone(), next.plugin.unloaded()?.to_owned())))
            .filter(|(name, _)| ran(name))
            .collect();
        if !unusable.is_empty() {
            return Err(ChangeError::Unusable(unusable));
        }
        let outbound = !Arc::ptr_eq(&before.house, house);
        let changed = Changed { outbound, ..changed(&before, &prepared) };
        if changed != Changed::default() {
            self.put_in_place(house, &prepared);
            self.remember(ledger, &prepared).await;
            let names = |names: &[PluginName]| names.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
            info!(
                by,
                loaded = names(&changed.loaded),
                disabled = names(&changed.disabled),
                removed = names(&changed.removed),
                reordered = changed.reordered,
                outbound,
                "the plugins were changed by {by}"
            );
        }
        Ok(changed)
    }

    /// Keeps what stays as it is, and loads the rest aside, several at a time.
    async fn prepare(&self, ledger: &Ledger, house: &Arc<House>, listed: Vec<Listed>, look: Look) -> Vec<Prepared> {
        let before = self.set();
        let all = listed.into_iter().map(async |Listed { config, origin }| {
            let present = before.plugin(&config.name);
            let prepared = self.prepare_one(ledger, house, config, present, look).await;
            prepared.plugin.stands_in(origin);
            prepared
        });
        join_all(all).await
    }

    async fn prepare_one(
        &self,
        ledger: &Ledger,
        house: &Arc<House>,
        config: PluginConfig,
        present: Option<&Arc<Plugin>>,
        look: Look,
    ) -> Prepared {
        let same = present.filter(|present| present.written == config);
        if !config.enabled {
            let plugin = same.cloned().unwrap_or_else(|| Arc::new(Plugin::disabled(house, config)));
            return Prepared { plugin, fetched: None };
        }
        if let Some(same) = same.filter(|same| look == Look::Differences && same.is_ready()) {
            return Prepared { plugin: same.clone(), fetched: None };
        }
        let fetched = load::fetch(&config.plugin, self.builtins).await;
        if let (Some(same), Ok(fetched)) = (same, &fetched)
            && same.is_ready()
            && same.outdated().is_none()
            // What it names may be gone, though it says what it said.
            && house.has_what_is_named(&config).is_ok()
            && (&same.digest, &same.beside) == (&fetched.digest, &fetched.beside)
        {
            return Prepared { plugin: same.clone(), fetched: None };
        }
        let running = present.filter(|present| present.is_ready());
        let running = running.map(|present| Predecessor { digest: &present.digest, ask: present.ask.as_ref() });
        let recorded = ledger.kept.plugins.get(&config.name);
        let recorded = recorded.map(|kept| Predecessor { digest: &kept.digest, ask: kept.ask.as_ref() });
        let plugin = Plugin::load(house, config, fetched.as_ref(), running.or(recorded)).await;
        // What is as broken as it was stays what it was, with its counters.
        if let (Some(same), Some(reason)) = (same, plugin.unloaded())
            && same.unloaded() == Some(reason)
        {
            return Prepared { plugin: same.clone(), fetched: None };
        }
        let fetched = fetched.ok().filter(|_| plugin.is_ready());
        Prepared { plugin: Arc::new(plugin), fetched }
    }

    /// The plugin as it was last good, with no more than the operator grants it now.
    async fn last_good(
        &self,
        ledger: &Ledger,
        house: &Arc<House>,
        failed: &Plugin,
        reason: &str,
    ) -> Option<Arc<Plugin>> {
        let (keep, kept) = (self.keep.as_ref()?, ledger.kept.plugins.get(&failed.written.name)?);
        let component = keep.component(&kept.digest);
        let mut fetched = load::fetch(component.to_str()?, self.builtins).await.ok()?;
        if fetched.digest != kept.digest {
            return None;
        }
        fetched.beside.clone_from(&kept.beside);
        let table = grant::no_more_than(&kept.table, &failed.written.grant);
        let plugin = Plugin::load(house, table, Ok(&fetched), None).await;
        let plugin = plugin.last_good_of(failed.written.clone(), reason.to_owned());
        plugin.stands_in(failed.origin());
        plugin.is_ready().then(|| Arc::new(plugin))
    }

    fn put_in_place(&self, house: &Arc<House>, prepared: &[Prepared]) {
        let plugins = prepared.iter().map(|next| next.plugin.clone()).collect();
        self.swap(Arc::new(PluginSet::new(house.clone(), plugins)));
    }

    /// From here on, whoever asks for the plugins gets these.
    fn swap(&self, next: Arc<PluginSet>) {
        let before = self.set();
        for plugin in before.plugins().filter_map(|plugin| Some((&plugin.written.name, plugin.loaded()?))) {
            meter::loaded(plugin.0, &plugin.1.version, false);
        }
        for plugin in next.plugins().filter_map(|plugin| Some((&plugin.written.name, plugin.loaded()?))) {
            meter::loaded(plugin.0, &plugin.1.version, true);
        }
        *self.present.write().unwrap_or_else(PoisonError::into_inner) = next.clone();
        self.roster.set(next);
    }

    /// Writes down what is good now, for a start on which it is not.
    async fn remember(&self, ledger: &mut Ledger, prepared: &[Prepared]) {
        let Some(keep) = self.keep.clone() else { return };
        let mut plugins = BTreeMap::new();
        for Prepared { plugin, .. } in prepared {
            let name = &plugin.written.name;
            let good = plugin.is_ready() && plugin.outdated().is_none();
            let last_good = match good {
                true => Some(LastGood {
                    digest: plugin.digest.clone(),
                    table: plugin.written.clone(),
                    beside: plugin.beside.clone(),
                    ask: plugin.ask.clone(),
                }),
                false => ledger.kept.plugins.get(name).cloned(),
            };
            plugins.extend(last_good.map(|last_good| (name.clone(), last_good)));
        }
        let kept = Kept { plugins };
        let components: Vec<Fetched> = prepared.iter().filter_map(|next| next.fetched.clone()).collect();
        if kept.plugins.is_empty() && ledger.kept.plugins.is_empty() {
            return;
        }
        ledger.kept = kept.clone();
        let needed = needed(ledger, &keep);
        let written = tokio::task::spawn_blocking(move || {
            for component in components {
                keep.put(&component.digest, &component.bytes, None)?;
            }
            keep.record(&kept)?;
            keep.prune(&needed)
        });
        let written = written.await.unwrap_or_else(|_| Err(std::io::Error::other("the server is stopping")));
        if let Err(error) = written {
            warn!(%error, "the last good plugins could not be written down; a broken component could not be replaced by them");
        }
    }

    /// Deletes the components that nobody names any more.
    fn forget(&self, ledger: &Ledger) {
        let Some(keep) = &self.keep else { return };
        if let Err(error) = keep.prune(&needed(ledger, keep))
            && error.kind() != std::io::ErrorKind::NotFound
        {
            warn!(%error, "components that nobody needs could not be deleted");
        }
    }

    fn tell(&self, by: &str, outcome: &Result<Changed, ChangeError>) {
        meter::change(match outcome {
            Ok(changed) if *changed == Changed::default() => "unchanged",
            Ok(_) => "applied",
            Err(_) => "refused",
        });
        if let Err(error) = outcome {
            warn!(by, %error, "a change of the plugins by {by} was refused, and those that ran run on");
        }
        self.changes.send_modify(|count| *count += 1);
    }
}

/// The digests of the components that are recorded, or named by command.
fn needed(ledger: &Ledger, keep: &super::Keep) -> BTreeSet<String> {
    let recorded = ledger.kept.plugins.values().map(|kept| kept.digest.clone());
    recorded.chain(ledger.orders.sources().filter_map(|source| keep.digest_of(source))).collect()
}

fn changed(before: &PluginSet, prepared: &[Prepared]) -> Changed {
    let mut changed = Changed::default();
    for Prepared { plugin, .. } in prepared {
        let name = &plugin.written.name;
        if before.plugin(name).is_some_and(|present| Arc::ptr_eq(present, plugin)) {
            continue;
        }
        if plugin.written.enabled { &mut changed.loaded } else { &mut changed.disabled }.push(name.clone());
    }
    let next: Vec<&PluginName> = prepared.iter().map(|next| &next.plugin.written.name).collect();
    let names: Vec<&PluginName> = before.plugins().map(|plugin| &plugin.written.name).collect();
    changed.removed = names.iter().filter(|name| !next.contains(name)).map(|name| (*name).clone()).collect();
    let stayed = names.iter().filter(|name| next.contains(name));
    changed.reordered = !stayed.eq(next.iter().filter(|name| names.contains(name)));
    changed
}
