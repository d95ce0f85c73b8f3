//! A running server: everything wired, in the order it starts and in the order it stops.

mod author;

use std::fs;
use std::io::{self, Write as _};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tracing::{error, info, warn};

use crate::access::Token;
use crate::admin::{self, Desk, Running};
use crate::clock::Clock;
use crate::config::{Config, ConfigError};
use crate::context::{Realm, Scope};
use crate::delivery::Delivery;
use crate::http::{self, Ailment, Api, Health};
use crate::listener::{Certificates, Listener, Reading, TlsError};
use crate::outbound::Outbound;
use crate::pipeline::{Pipeline, Settings};
use crate::plugin::{Backing, PluginHost, PluginState, Refused, SandboxError};
use crate::schedule::Schedule;
use crate::schemas::BadSchemas;
use crate::store::{OpenError, Store, StoreError, TokenRecord};
use crate::trace::Recent;
use crate::watch::Watch;
use crate::{telemetry, upkeep};

include!(concat!(env!("OUT_DIR"), "/builtins.rs"));

/// The file in the data directory that holds the first administrator's token.
pub const ADMIN_TOKEN_FILE: &str = "admin.token";

/// The file in the data directory that says where a running server's admin API listens.
pub const ADMIN_ADDRESS_FILE: &str = "admin.address";

/// The file in the data directory that says which certificates a running server's admin API may
/// show, the newest first: SHA-256 in hexadecimal, one a line. The commands speak to no other.
pub const ADMIN_PINS_FILE: &str = "admin.certificates";

/// How long requests in flight may take to end after a stop was asked for, in seconds.
const STOP_SECONDS_MAX: u64 = 20;

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The operator's schemas cannot be used.
    #[error(transparent)]
    Schemas(#[from] BadSchemas),
    /// The configuration does not go with the schemas.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The store cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The store opened and then failed.
    #[error("the store could not be prepared")]
    Store(#[from] StoreError),
    /// The files of a certificate cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// An address is taken or not ours.
    #[error("`{key}` cannot listen on {address}")]
    Listen {
        /// The configuration's key.
        key: &'static str,
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// A file in the data directory cannot be written.
    #[error("`{}` cannot be written", .file.display())]
    File {
        /// Which file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// No randomness for the first token.
    #[error("the operating system gave no randomness for the administrator's token")]
    Entropy(#[source] rand::rand_core::OsError),
    /// The sandbox cannot be set up on this machine.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
}

/// A running server.
pub struct App {
    /// Where SCIM clients connect.
    pub listens: SocketAddr,
    /// Where the admin API listens.
    pub admin_listens: SocketAddr,
    /// The absolute base URI of the SCIM endpoints.
    pub base_url: String,
    /// The administrator's token, if this start made it.
    pub new_admin_token: Option<Token>,
    /// The pipeline, for doors of the same process.
    pub pipeline: Arc<Pipeline>,
    /// The store, for looking at what is really in it.
    pub store: Arc<Store>,
    /// The plugins.
    pub plugins: Arc<PluginHost>,
    /// The delivery worker.
    pub delivery: Delivery,
    /// How the certificates' files were read the last time: the SCIM door's, and the admin API's.
    pub certificates: [Option<watch::Receiver<Reading>>; 2],
    /// The plugins' jobs.
    pub schedule: Schedule,
    data: PathBuf,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl App {
    /// Opens the store, loads the plugins, opens the doors: in this order, so that nobody is
    /// served before everything is there.
    ///
    /// # Errors
    /// What could not be opened, and why. A plugin that does not load is no such error: the
    /// server runs, degraded.
    pub async fn start(config: &Config, data: &Path, clock: Clock) -> Result<Self, StartError> {
        telemetry::measure();
        let schemas = config.schemas()?;
        config.check_beside(&schemas)?;
        config.check_listeners()?;
        config.remarks.iter().for_each(|remark| warn!("{remark}"));
        let outbound = outbound(config, &clock).await?;
        let store = Arc::new(Store::open(&config.store.at(data, &schemas)?, schemas.clone()).await?);
        // Behind the store, since only who has that open may say in the data directory what is shown.
        let certificates = certificates(config, data)?;
        if store.schemas_changed().await? {
            warn!(
                "the schemas are not those of the last start; stop the server and run `provost check --data` to see which resources no longer fit"
            );
        }
        let new_admin_token = first_token(&store, data, &clock).await?;
        let backing = Backing::Store { store: store.clone(), schemas: schemas.clone() };
        let plugins =
            PluginHost::start(config.plugin.clone(), Some(data), backing, outbound, BUILTINS, clock.clone()).await?;
        let plugins = Arc::new(plugins);
        if let Some(source) = crate::watch::source(config, schemas.clone()) {
            plugins.read_from(source).await;
        }
        let watch = Watch::open(plugins.clone(), config.file.clone());

        let scim = listen("server.listen", config.server.listen).await?;
        let admin = listen("admin.listen", config.admin.listen).await?;
        let (listens, admin_listens) = (scim.1, admin.1);
        let base_url = config.base_url(listens);
        let scim = Listener::new("server", scim.0, certificates[0].as_deref(), config.server.connections_max);
        let admin = Listener::new("admin", admin.0, certificates[1].as_deref(), config.admin.connections_max);
        let readings = certificates.each_ref().map(|kept| kept.as_ref().map(|kept| kept.reading()));

        let settings = Settings {
            base_url: base_url.clone(),
            leniency: config.scim.leniency.clone(),
            require_if_match: config.scim.require_if_match,
            page_resources_max: config.server.page_resources_max,
            cursor_timeout_seconds: config.server.cursor_timeout_seconds,
            passwords: config.scim.passwords.clone(),
            me: config.scim.me.clone(),
            guard: config.guard.clone(),
        };
        let pipeline = Arc::new(Pipeline::new(store.clone(), plugins.roster().clone(), schemas, settings));
        pipeline.recount(clock.now()).await?;
        plugins.write_through(author::author(&pipeline));
        let recent = Recent::default();

        let (stop, stopped) = watch::channel(false);
        let (delivery, delivering) = Delivery::start(
            store.clone(),
            plugins.roster().clone(),
            clock.clone(),
            config.delivery.into(),
            stopped.clone(),
        );
        let (schedule, scheduling) =
            Schedule::start(store.clone(), plugins.roster().clone(), clock.clone(), stopped.clone());
        let health = health(plugins.clone(), store.clone(), readings.clone(), clock.clone());
        let api = Api {
            pipeline: pipeline.clone(),
            store: store.clone(),
            clock: clock.clone(),
            base_path: config.server.base_path.as_str().into(),
            body_bytes_max: config.server.body_bytes_max,
            bulk: config.bulk.facts(),
            patch_answer: config.scim.patch_answer,
            recent: recent.clone(),
            health: health.clone(),
        };
        let running = Running {
            plugins: plugins.clone(),
            delivery: delivery.clone(),
            schedule: schedule.clone(),
            recent,
            guard: pipeline.guard().clone(),
            health,
        };
        let desk = Arc::new(Desk::serving(store.clone(), clock.clone(), running));
        let keep_days = Some(config.store.keep_days).filter(|days| *days > 0);
        let mut tasks = vec![
            tokio::spawn(serve(scim, http::router(api), stopped.clone())),
            tokio::spawn(upkeep::indexes(store.clone(), stopped.clone())),
            tokio::spawn(serve(admin, admin::router(desk, Arc::new(telemetry::metrics)), stopped.clone())),
            tokio::spawn(telemetry::keep_metrics(stopped.clone())),
            tokio::spawn(watch.run(stopped.clone())),
            tokio::spawn(upkeep::run(store.clone(), clock.clone(), keep_days, stopped.clone())),
            delivering,
            scheduling,
        ];
        let [_, admin_certificates] = &certificates;
        write_file(data, ADMIN_ADDRESS_FILE, &admin_address(admin_listens, admin_certificates.is_some()))?;
        let kept = certificates.into_iter().flatten();
        tasks.extend(kept.map(|kept| tokio::spawn(kept.keep(clock.clone(), stopped.clone()))));
        info!(address = %listens, base_url, "SCIM is served at {base_url}");
        let data = data.to_owned();
        Ok(Self {
            listens,
            admin_listens,
            base_url,
            new_admin_token,
            pipeline,
            store,
            plugins,
            delivery,
            certificates: readings,
            schedule,
            data,
            stop,
            tasks,
        })
    }

    /// Lets requests, deliveries and jobs in flight end, closes the doors and the store.
    pub async fn stop(self) {
        self.stop_within(Duration::from_secs(STOP_SECONDS_MAX)).await;
    }

    /// The same for whoever has another patience: what has not ended by then is cut off, as by a crash.
    pub async fn stop_within(self, patience: Duration) {
        info!("stopping: requests in flight may end");
        let _ = self.stop.send(true);
        let cut_off: Vec<_> = self.tasks.iter().map(JoinHandle::abort_handle).collect();
        let all = futures::future::join_all(self.tasks);
        if tokio::time::timeout(patience, all).await.is_err() {
            warn!(
                "some requests, deliveries or jobs did not end within {} seconds and were cut off",
                patience.as_secs()
            );
            cut_off.iter().for_each(tokio::task::AbortHandle::abort);
        }
        let _ = fs::remove_file(self.data.join(ADMIN_ADDRESS_FILE));
        let _ = fs::remove_file(self.data.join(ADMIN_PINS_FILE));
        self.store.close().await;
        info!("stopped");
    }
}

async fn listen(key: &'static str, address: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let failed = |source| StartError::Listen { key, address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

async fn serve(listener: Listener, router: Router, mut stopped: watch::Receiver<bool>) {
    let stop = async move {
        let _ = stopped.wait_for(|stopped| *stopped).await;
    };
    if let Err(error) = axum::serve(listener, router).with_graceful_shutdown(stop).await {
        tracing::error!(%error, "a listener broke off");
    }
}

/// The client for everything that leaves this server, once every secret is where it should be.
pub(crate) async fn outbound(config: &Config, clock: &Clock) -> Result<Outbound, ConfigError> {
    let wrong = |(key, text)| ConfigError::Senseless { key, text };
    let outbound = Outbound::configured(&config.outbound, &config.secret, clock).map_err(wrong)?;
    outbound.check_secrets().await.map_err(wrong)?;
    Ok(outbound)
}

/// The certificates of both doors, those of the admin API announced to the commands; where a door
/// has none and can be reached from elsewhere, the log says so.
fn certificates(config: &Config, data: &Path) -> Result<[Option<Arc<Certificates>>; 2], StartError> {
    for (section, address, plain) in [
        ("server", config.server.listen, config.server.plain_http && config.server.tls.is_none()),
        ("admin", config.admin.listen, config.admin.plain_http && config.admin.tls.is_none()),
    ] {
        if plain && !address.ip().to_canonical().is_loopback() {
            warn!(
                %address,
                "`{section}.plain_http`: tokens and people's data cross the network in clear between {address} and \
                 whoever connects"
            );
        }
    }
    let pins = data.to_owned();
    let announce = move |shown: &[&str]| {
        if let Err(error) = write_file(&pins, ADMIN_PINS_FILE, &shown.join("\n")) {
            error!(reason = %http::error_chain(&error), "the commands will not find this server");
        }
    };
    // What a killed server left would speak of a certificate that is not shown any more.
    let _ = fs::remove_file(data.join(ADMIN_PINS_FILE));
    let server = config.server.tls.as_ref().map(|files| Certificates::read("server", files, |_| ())).transpose()?;
    let admin = config.admin.tls.as_ref().map(|files| Certificates::read("admin", files, announce)).transpose()?;
    Ok([server.map(Arc::new), admin.map(Arc::new)])
}

/// Where the commands find the admin API: on this machine, if it listens on every address.
fn admin_address(mut bound: SocketAddr, tls: bool) -> String {
    if bound.ip().is_unspecified() {
        let loopback = if bound.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() };
        bound.set_ip(loopback);
    }
    if tls { format!("https://{bound}") } else { bound.to_string() }
}

/// On the first start of a data directory, makes one administrator's token. The file comes before
/// the record: after a crash between the two, the next start makes both anew.
async fn first_token(store: &Store, data: &Path, clock: &Clock) -> Result<Option<Token>, StartError> {
    if !store.tokens(Realm::DEFAULT).await?.is_empty() {
        return Ok(None);
    }
    let token = Token::generate().map_err(StartError::Entropy)?;
    write_file(data, ADMIN_TOKEN_FILE, token.reveal())?;
    let record = TokenRecord {
        id: "admin".to_owned(),
        name: "first administrator".to_owned(),
        hash: token.hash(),
        scopes: Scope::ADMINISTRATOR.into(),
        created: clock.now(),
        expires: None,
        resource: None,
        claims: std::collections::BTreeMap::new(),
    };
    store.token_put(Realm::DEFAULT, &record).await?;
    Ok(Some(token))
}

/// Writes a file that only its owner can read, whole or not at all.
fn write_file(data: &Path, name: &str, text: &str) -> Result<(), StartError> {
    use std::os::unix::fs::OpenOptionsExt as _;

    let file = data.join(name);
    let failed = |source| StartError::File { file: file.clone(), source };
    let new = data.join(format!("{name}.new"));
    let _ = fs::remove_file(&new);
    let mut writer = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new).map_err(failed)?;
    writeln!(writer, "{text}").and_then(|()| writer.sync_all()).map_err(failed)?;
    fs::rename(&new, &file).map_err(failed)
}

fn health(
    plugins: Arc<PluginHost>,
    store: Arc<Store>,
    certificates: [Option<watch::Receiver<Reading>>; 2],
    clock: Clock,
) -> Arc<dyn Fn() -> Health + Send + Sync> {
    // A reason may name files: that is for operators, and /health is for anybody.
    Arc::new(move || {
        let trouble = certificates.iter().flatten().filter_map(|reading| {
            let trouble = reading.borrow().trouble.clone()?;
            let told = format!("the certificate of `{}.tls` could not be renewed", trouble.section);
            Some(Ailment { told: format!("{told}; the log says why"), reason: format!("{told}: {trouble}") })
        });
        let now = clock.now();
        let untimely = ["server", "admin"]
            .into_iter()
            .zip(&certificates)
            .filter_map(|(section, reading)| reading.as_ref()?.borrow().validity?.trouble(section, now));
        let stopped = store.has_stopped().then(|| "the store takes no more changes; restart the server".to_owned());
        let alike = |told: String| Ailment { reason: told.clone(), told };
        let statuses = plugins.statuses();
        let plugged = statuses.iter().filter_map(|status| {
            let (is, reason) = match &status.state {
                PluginState::Quarantined { reason } => ("is quarantined", reason),
                PluginState::Outdated { reason } => ("runs as it was last good", reason),
                PluginState::Ready | PluginState::Disabled => return None,
            };
            let told = format!("plugin `{}` {is}; `provost plugin list` says why", status.name);
            Some(Ailment { told, reason: reason.clone() })
        });
        // A plugin that runs and could not be changed says so itself; one that was to be added cannot.
        let said = |refused: &Refused| statuses.iter().any(|status| refused.reason_of(&status.name).is_some());
        let refused = plugins.refused().filter(|refused| !said(refused)).map(|refused| {
            let told = "the last change of the plugins was not applied; `provost plugin list` says why";
            Ailment { told: told.to_owned(), reason: refused.reason }
        });
        let certificates = trouble.chain(untimely.map(alike));
        Health { degraded: stopped.map(alike).into_iter().chain(plugged).chain(refused).chain(certificates).collect() }
    })
}
