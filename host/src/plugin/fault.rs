//! What went wrong in a guest, read off the engine's error and what the call had noted.

use std::fmt::Write as _;
use std::time::Duration;

use wasmtime::{PoolConcurrencyLimitError, Trap, WasmBacktrace};

use super::backtrace;
use super::guest::Guest;
use crate::hook::{Fault, FaultKind};
use crate::limits;

/// A limit of ours that a guest ran into, raised as a trap.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Breach {
    #[error("ran longer than {} ms", .0.as_millis())]
    Deadline(Duration),
    #[error("made more than {0} calls to the host")]
    HostCalls(u32),
}

/// The guest did not get as far as its own code.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("no instance could be made")]
struct NotStarted;

/// Marks an error as one of instantiation.
pub(super) fn not_started(error: wasmtime::Error) -> wasmtime::Error {
    error.context(NotStarted)
}

/// The guest was not called at all.
pub(super) fn unavailable(why: impl Into<String>) -> Fault {
    Fault::new(FaultKind::Unavailable, why)
}

/// Turns the engine's error into a fault.
pub(super) fn read(error: &wasmtime::Error, guest: &Guest) -> Fault {
    let trace = error.downcast_ref::<WasmBacktrace>();
    let (kind, mut detail) = classify(error, trace.is_some(), guest);
    if let Some(last) = guest.last_host_call()
        && kind == FaultKind::Deadline
    {
        let _ = write!(detail, "; its last call to the host was {last}");
    }
    if let Some(trace) = trace {
        let _ = write!(detail, "; in {}", backtrace::summary(trace));
    }
    let stderr = guest.wasi.stderr();
    if !stderr.is_empty() {
        let _ = write!(detail, "; stderr: {stderr}");
    }
    detail.truncate(detail.floor_char_boundary(limits::FAULT_DETAIL_BYTES_MAX));
    Fault::new(kind, detail)
}

fn classify(error: &wasmtime::Error, in_guest: bool, guest: &Guest) -> (FaultKind, String) {
    if let Some(breach) = error.downcast_ref::<Breach>() {
        let kind = match breach {
            Breach::Deadline(_) => FaultKind::Deadline,
            Breach::HostCalls(_) => FaultKind::HostCalls,
        };
        return (kind, breach.to_string());
    }
    if error.is::<PoolConcurrencyLimitError>() {
        return (FaultKind::Busy, "no instance was free".to_owned());
    }
    let cause = error.root_cause().to_string();
    if error.downcast_ref::<Trap>() == Some(&Trap::StackOverflow) {
        return (FaultKind::Stack, cause);
    }
    // An allocator that was refused memory gives up with a trap of its own.
    if let Some(wanted) = guest.memory.refused() {
        return (FaultKind::Memory, format!("{wanted}, and then: {cause}"));
    }
    if error.is::<Trap>() {
        return (FaultKind::Trap, cause);
    }
    if cause.contains("fuel allocated for hostcalls") {
        return match in_guest {
            true => (FaultKind::HostCalls, format!("handed the host more than {} bytes", limits::HOST_CALL_BYTES_MAX)),
            false => (FaultKind::OutputSize, format!("answered more than {} bytes", guest.output_bytes())),
        };
    }
    if error.is::<NotStarted>() {
        return (FaultKind::Busy, format!("{NotStarted}: {cause}"));
    }
    match in_guest {
        true => (FaultKind::Trap, cause),
        false => (FaultKind::Output, format!("the answer does not fit the interface: {cause}")),
    }
}
