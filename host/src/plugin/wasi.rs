//! The empty WASI: everything a standard library links against, and nothing behind it.
//!
//! No files, no environment, no arguments, no sockets, no names. Random numbers are there, a few
//! at a time; clocks tell the time, and whoever sleeps on them sleeps within the call's deadline.
//! What a guest writes to stderr is kept, its last bytes only, for the fault it usually announces.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};
use wasmtime_wasi::{WasiCtx, WasiCtxView};

use crate::limits;

/// One call's WASI. Most calls never touch it, so it is made when first asked for.
#[derive(Default)]
pub(super) struct Wasi {
    made: Option<(WasiCtx, ResourceTable)>,
    stderr: Tail,
}

impl Wasi {
    pub(super) fn view(&mut self) -> WasiCtxView<'_> {
        let stderr = &self.stderr;
        let (ctx, table) = self.made.get_or_insert_with(|| {
            let mut table = ResourceTable::new();
            table.set_max_capacity(limits::GUEST_HANDLES_MAX);
            let mut ctx = WasiCtx::builder();
            ctx.stderr(stderr.clone())
                .allow_tcp(false)
                .allow_udp(false)
                .allow_ip_name_lookup(false)
                .max_random_size(limits::GUEST_RANDOM_BYTES_MAX);
            (ctx.build(), table)
        });
        WasiCtxView { ctx, table }
    }

    /// What the guest wrote to stderr last.
    pub(super) fn stderr(&self) -> String {
        self.stderr.text()
    }
}

/// The last bytes of a stream.
#[derive(Clone, Default)]
struct Tail(Arc<Mutex<VecDeque<u8>>>);

impl Tail {
    fn push(&self, bytes: &[u8]) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = &bytes[bytes.len().saturating_sub(limits::STDERR_BYTES_MAX)..];
        let overflow = (kept.len() + bytes.len()).saturating_sub(limits::STDERR_BYTES_MAX);
        kept.drain(..overflow);
        kept.extend(bytes);
    }

    fn text(&self) -> String {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(kept.make_contiguous()).trim().to_owned()
    }
}

impl IsTerminal for Tail {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Tail {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        // Asked for by WASI 0.3 only, which is not linked.
        Box::new(tokio::io::empty())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

impl OutputStream for Tail {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.push(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(limits::STDERR_BYTES_MAX)
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Tail {
    async fn ready(&mut self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_bytes_of_stderr_are_kept() {
        let tail = Tail::default();

        tail.push(&[b'a'; limits::STDERR_BYTES_MAX - 1]);
        tail.push(b"xyz");
        assert_eq!(tail.text().len(), limits::STDERR_BYTES_MAX);
        assert!(tail.text().ends_with("axyz"));

        tail.push(&vec![b'b'; 10 * limits::STDERR_BYTES_MAX]);
        assert_eq!(tail.text(), "b".repeat(limits::STDERR_BYTES_MAX));
    }
}
