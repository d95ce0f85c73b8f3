//! The bare things that ours are measured against.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::routing::get;
use provost::context::Actor;
use sled::Transactional as _;
use tempfile::TempDir;
use wasmtime::component::{Component, HasSelf, Linker, ResourceTable};
use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Store};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

mod world {
    wasmtime::component::bindgen!({
        path: "../wit",
        world: "before-write-hooks",
        exports: { default: async },
    });
}

mod imports {
    wasmtime::component::bindgen!({
        inline: "package bench:bench; world config-only { import provost:plugin/config@0.1.0; }",
        path: "../wit",
        world: "bench:bench/config-only",
    });
}

/// What the guest may reach: an empty WASI and its configuration.
struct Guest {
    wasi: WasiCtx,
    table: ResourceTable,
    config: Arc<str>,
}

impl WasiView for Guest {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl imports::provost::plugin::config::Host for Guest {
    fn get(&mut self) -> String {
        self.config.to_string()
    }
}

impl imports::provost::plugin::types::Host for Guest {}

/// wasmtime with the same allocator, and nothing of ours: no limits, no deadline, no semaphore.
pub struct Bare {
    engine: Engine,
    instance: world::BeforeWriteHooksPre<Guest>,
    config: Arc<str>,
}

/// What of wasmtime's own safety is switched on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Safety {
    /// Nothing: a guest that never ends is never ended.
    Off,
    /// What a host of other people's guests needs, and ours has: guests can be interrupted, and no stack is handed on
    /// with what the one before left there.
    On,
}

impl Bare {
    pub fn new(component: &Path, config: String, safety: Safety) -> Self {
        let mut pool = PoolingAllocationConfig::default();
        pool.total_component_instances(16).total_core_instances(64).total_memories(32).total_tables(64);
        pool.linear_memory_keep_resident(2 << 20).table_keep_resident(512 << 10).pagemap_scan(Enabled::Auto);
        pool.async_stack_keep_resident(16 << 10);
        let mut settings = Config::new();
        settings.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
        if safety == Safety::On {
            settings.epoch_interruption(true).async_stack_zeroing(true);
        }
        let engine = Engine::new(&settings).expect("an engine");
        let component = Component::from_file(&engine, component).expect("a component");
        let mut linker: Linker<Guest> = Linker::new(&engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker).expect("WASI");
        imports::ConfigOnly::add_to_linker::<Guest, HasSelf<Guest>>(&mut linker, |guest| guest).expect("config");
        let instance = linker.instantiate_pre(&component).expect("every import is there");
        let instance = world::BeforeWriteHooksPre::new(instance).expect("the hook is there");
        Self { engine, instance, config: config.into() }
    }

    /// Hands the guest what ours hands it.
    pub async fn call(&self, actor: &Actor, document: &str) {
        use world::exports::provost::plugin::before_write::{Change, Context};
        use world::provost::plugin::types::{Caller, Operation};

        let wasi = WasiCtx::builder().build();
        let guest = Guest { wasi, table: ResourceTable::new(), config: self.config.clone() };
        let mut store = Store::new(&self.engine, guest);
        // Nobody advances the epoch.
        store.set_epoch_deadline(1);
        let plugin = self.instance.instantiate_async(&mut store).await.expect("an instance");
        let cx = Context {
            request_id: "bench".to_owned(),
            realm: "default".to_owned(),
            operation: Operation::Create,
            resource_type: "User".to_owned(),
            resource_id: None,
            caller: Caller {
                subject: actor.subject.clone(),
                client: actor.client.clone(),
                scopes: actor.scopes.iter().map(|scope| scope.as_str().to_owned()).collect(),
                claims: "{}".to_owned(),
            },
            attempt: 1,
            remaining_ms: 500,
            dry_run: false,
            now_ms: 0,
            attributes: Vec::new(),
        };
        let change = Change {
            current: None,
            proposed: Some(document.to_owned()),
            operations: None,
            changed_paths: vec!["userName".to_owned()],
            membership: None,
        };
        let answer = plugin.provost_plugin_before_write().call_review(&mut store, &cx, &change).await;
        answer.expect("no trap").expect("a verdict");
    }
}

/// sled with the store's shape: one transaction over a body and nine small keys, then a flush that
/// every commit of the round shares.
pub struct RawSled {
    _dir: TempDir,
    db: sled::Db,
    bodies: sled::Tree,
    keys: sled::Tree,
    next: AtomicU64,
}

impl RawSled {
    pub fn open() -> Self {
        let dir = TempDir::new().expect("a temporary directory");
        let db = sled::Config::new().path(dir.path()).flush_every_ms(None).open().expect("sled opens");
        let (bodies, keys) = (db.open_tree("bodies").expect("a tree"), db.open_tree("keys").expect("a tree"));
        Self { _dir: dir, db, bodies, keys, next: AtomicU64::new(0) }
    }

    pub async fn commit(self: &Arc<Self>, writers: usize, body: &str) {
        let (this, body) = (self.clone(), body.to_owned());
        let done = tokio::task::spawn_blocking(move || {
            for _ in 0..writers {
                let id = this.next.fetch_add(1, Ordering::Relaxed).to_be_bytes();
                let written = (&this.bodies, &this.keys).transaction(|(bodies, keys)| {
                    bodies.insert(&id, body.as_bytes())?;
                    for index in 0_u8..9 {
                        keys.insert([&[index][..], b"some-indexed-value-", &id].concat(), &id)?;
                    }
                    Ok::<_, sled::transaction::ConflictableTransactionError<()>>(())
                });
                written.expect("a transaction");
            }
            this.db.flush().expect("a flush");
        });
        done.await.expect("the blocking part ends");
    }
}

/// An axum server that answers these bytes.
pub async fn same_bytes(body: String) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let router = Router::new().route(
        "/Users/one",
        get(move || std::future::ready(([("content-type", "application/scim+json")], body.clone()))),
    );
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}/Users/one")
}
