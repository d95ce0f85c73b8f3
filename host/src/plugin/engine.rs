//! The engine that every guest runs on: its settings, its clock, and its seats.
//!
//! Instances come from a pool whose memory is laid out once; where the address space is too short
//! for that, they are allocated one by one, a little slower. Two rows of seats stand before the
//! pool, one for hooks and one for deliveries, so that the pool is never found empty and slow
//! deliveries never keep a change waiting.
//!
//! The clock is a thread of its own: it advances the epoch every millisecond while a guest runs,
//! which is when a guest gives its worker back to others. While none runs, the clock stands still.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::Thread;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tracing::{debug, info, warn};
use wasmtime::{Cache, CacheConfig, Config, Enabled, Engine, PoolingAllocationConfig};

use super::lane::SlowLane;
use crate::limits;

/// How long a guest runs before it gives its worker back to others.
const EPOCH: Duration = Duration::from_millis(1);

/// How many epochs the clock goes on after the last guest is done, so that a steady stream of
/// short calls does not wake it each time.
const EPOCHS_IDLE_MAX: u32 = 100;

/// How many core instances one component may be made of.
const CORE_INSTANCES_PER_COMPONENT_MAX: u32 = 32;

/// How many memories one component may have.
pub(super) const MEMORIES_PER_COMPONENT_MAX: u32 = 2;

/// How many tables one component may have.
pub(super) const TABLES_PER_COMPONENT_MAX: u32 = 16;

/// How much of a used memory is wiped in place, in bytes, rather than given back to the kernel
/// and faulted in again by the next call: where the kernel tells which pages were written to
/// (`PAGEMAP_SCAN`), only those are wiped.
const MEMORY_BYTES_RESIDENT: usize = 1024 * 1024;

/// The same where the kernel does not tell, and every page is wiped.
const MEMORY_BYTES_RESIDENT_BLIND: usize = 64 * 1024;

/// The same for a table.
const TABLE_BYTES_RESIDENT: usize = 64 * 1024;

/// The same for a stack.
const STACK_BYTES_RESIDENT: usize = 16 * 1024;

/// How much unmapped space lies behind a memory where address space is short.
const GUARD_BYTES: u64 = 64 * 1024;

/// The engine, its clock and its seats.
pub(super) struct Sandbox {
    pub(super) engine: Engine,
    pub(super) cache: Option<Cache>,
    /// One component is compiled at a time, so that a small machine stays responsive.
    pub(super) compiling: Semaphore,
    hooks: Arc<Semaphore>,
    deliveries: Arc<Semaphore>,
    clock: Arc<EpochClock>,
    pub(super) slow_lane: SlowLane,
}

/// Which row of seats a call sits in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Row {
    /// Somebody waits for the answer.
    Hooks,
    /// Nobody waits.
    Deliveries,
}

/// A seat in the pool, and in the plugin's own row.
pub(super) struct Seat {
    _plugin: OwnedSemaphorePermit,
    _pool: OwnedSemaphorePermit,
    _running: Running,
}

/// No seat became free in time.
#[derive(Debug)]
pub(super) struct Full;

impl Sandbox {
    /// Sets the engine up. Compiled components are kept under `data_dir`, if there is one.
    pub(super) fn new(data_dir: Option<&Path>) -> wasmtime::Result<Self> {
        let cache = data_dir.and_then(|dir| {
            let opened = open_cache(&dir.join("cache").join("wasmtime"));
            opened
                .inspect_err(|error| warn!(error = %error, "no cache for compiled plugins: each start compiles anew"))
                .ok()
        });
        let engine = pooled(cache.clone()).or_else(|error| {
            warn!(error = %format!("{error:#}"), "no room for a pool of plugin instances: allocating them one by one");
            one_by_one(cache.clone())
        })?;
        let clock = EpochClock::start(&engine)?;
        let seats = limits::GUEST_INSTANCES_MAX as usize;
        let deliveries = limits::DELIVERIES_MAX.min(seats / 2);
        Ok(Self {
            engine,
            cache,
            compiling: Semaphore::new(1),
            hooks: Arc::new(Semaphore::new(seats - deliveries)),
            deliveries: Arc::new(Semaphore::new(deliveries)),
            clock,
            slow_lane: SlowLane::default(),
        })
    }

    /// Says how much of what was loaded had been compiled before.
    pub(super) fn tell_cache(&self) {
        if let Some(cache) = &self.cache {
            let (hits, misses) = (cache.cache_hits(), cache.cache_misses());
            debug!(hits, misses, "{hits} compiled modules came from the cache, {misses} were compiled");
        }
    }

    /// A seat that is free at once.
    pub(super) fn free_seat(&self, own: &Arc<Semaphore>, row: Row) -> Option<Seat> {
        let plugin = own.clone().try_acquire_owned().ok()?;
        let pool = self.pool(row).clone().try_acquire_owned().ok()?;
        Some(Seat { _plugin: plugin, _pool: pool, _running: self.clock.run() })
    }

    /// Waits for a seat: first among the plugin's own calls, then in the pool.
    pub(super) async fn seat(&self, own: &Arc<Semaphore>, row: Row, patience: Duration) -> Result<Seat, Full> {
        let pool = self.pool(row);
        let both = async {
            let plugin = own.clone().acquire_owned().await?;
            let pool = pool.clone().acquire_owned().await?;
            Ok::<_, tokio::sync::AcquireError>((plugin, pool))
        };
        let (plugin, pool) = timeout(patience, both).await.map_err(|_| Full)?.map_err(|_| Full)?;
        Ok(Seat { _plugin: plugin, _pool: pool, _running: self.clock.run() })
    }

    fn pool(&self, row: Row) -> &Arc<Semaphore> {
        match row {
            Row::Hooks => &self.hooks,
            Row::Deliveries => &self.deliveries,
        }
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.clock.stop();
    }
}

fn pooled(cache: Option<Cache>) -> wasmtime::Result<Engine> {
    let instances = limits::GUEST_INSTANCES_MAX;
    let scans = PoolingAllocationConfig::is_pagemap_scan_available();
    let memory_bytes_resident = if scans { MEMORY_BYTES_RESIDENT } else { MEMORY_BYTES_RESIDENT_BLIND };
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(instances)
        .total_stacks(instances)
        .total_core_instances(instances * CORE_INSTANCES_PER_COMPONENT_MAX)
        .total_memories(instances * MEMORIES_PER_COMPONENT_MAX)
        .total_tables(instances * TABLES_PER_COMPONENT_MAX)
        .max_core_instances_per_component(CORE_INSTANCES_PER_COMPONENT_MAX)
        .max_memories_per_component(MEMORIES_PER_COMPONENT_MAX)
        .max_tables_per_component(TABLES_PER_COMPONENT_MAX)
        .max_memory_size(limits::GUEST_MEMORY_BYTES_MAX)
        .table_elements(limits::GUEST_TABLE_ELEMENTS_MAX)
        .linear_memory_keep_resident(memory_bytes_resident)
        .table_keep_resident(TABLE_BYTES_RESIDENT)
        .async_stack_keep_resident(STACK_BYTES_RESIDENT)
        .pagemap_scan(Enabled::Auto);
    let mut settings = settings(cache);
    settings.allocation_strategy(pool);
    let engine = Engine::new(&settings)?;
    info!(instances, pagemap_scan = scans, "plugin instances come from a pool");
    Ok(engine)
}

/// Reserves no more address space for a memory than it may ever use.
fn one_by_one(cache: Option<Cache>) -> wasmtime::Result<Engine> {
    let mut settings = settings(cache);
    settings.memory_reservation(limits::GUEST_MEMORY_BYTES_MAX as u64).memory_guard_size(GUARD_BYTES);
    Engine::new(&settings)
}

fn settings(cache: Option<Cache>) -> Config {
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        .concurrency_support(false)
        .epoch_interruption(true)
        .async_stack_zeroing(true)
        .cache(cache);
    config
}

fn open_cache(directory: &Path) -> wasmtime::Result<Cache> {
    make_private(directory)?;
    let mut config = CacheConfig::new();
    config.with_directory(directory.canonicalize()?);
    Cache::new(config)
}

/// Whoever can write compiled code can run it here, so the directory is the owner's alone.
fn make_private(directory: &Path) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(directory, fs::Permissions::from_mode(0o700))?;
    }
    Ok(())
}

/// Advances the engine's epoch while guests run.
struct EpochClock {
    running: AtomicUsize,
    stopped: AtomicBool,
    thread: std::sync::OnceLock<Thread>,
}

/// While this lives, the clock goes.
struct Running(Arc<EpochClock>);

impl EpochClock {
    fn start(engine: &Engine) -> io::Result<Arc<Self>> {
        let clock = Arc::new(Self {
            running: AtomicUsize::new(0),
            stopped: AtomicBool::new(false),
            thread: Default::default(),
        });
        let (mine, engine) = (clock.clone(), engine.weak());
        let thread = std::thread::Builder::new().name("plugin-epochs".into()).spawn(move || {
            let mut idle = 0;
            while !mine.stopped.load(Ordering::Acquire) {
                idle = if mine.running.load(Ordering::Acquire) == 0 { idle + 1 } else { 0 };
                if idle > EPOCHS_IDLE_MAX {
                    // An `unpark` that came since the check makes this return at once.
                    std::thread::park();
                    idle = 0;
                    continue;
                }
                std::thread::sleep(EPOCH);
                match engine.upgrade() {
                    Some(engine) => engine.increment_epoch(),
                    None => return,
                }
            }
        })?;
        let _ = clock.thread.set(thread.thread().clone());
        Ok(clock)
    }

    fn run(self: &Arc<Self>) -> Running {
        if self.running.fetch_add(1, Ordering::AcqRel) == 0 {
            self.wake();
        }
        Running(self.clone())
    }

    fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        self.wake();
    }

    fn wake(&self) {
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::AcqRel);
    }
}
