//! What the tests and benches share: a server of their own, guests, and a receiver to forward to.
//!
//! Everything is real: the sockets are on 127.0.0.1, the store is on disk, the guests are
//! components in the sandbox. Whoever waits here waits for an event.

pub mod binary;
pub mod door;
pub mod engine;
pub mod footprint;
pub mod gate;
pub mod guests;
pub mod process;
pub mod receiver;
pub mod server;

pub use door::{Answer, Door};
pub use gate::Gate;
pub use process::Process;
pub use receiver::{Received, Receiver};
pub use server::TestServer;
