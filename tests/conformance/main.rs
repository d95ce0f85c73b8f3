//! What others say of the protocol, held against a server in its own process: a public conformance suite, the
//! request patterns of identity providers, and the list of the protocol's statements.

#![allow(clippy::unwrap_used, reason = "tests")]

mod seeds;
mod sequences;
mod statements;
mod suite;
