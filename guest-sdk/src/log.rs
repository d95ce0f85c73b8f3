//! Lines in the server's log, attributed to this plugin and this request.
//!
//! ```
//! # use provost_sdk::log;
//! # fn main() {
//! # provost_sdk::testing::Host::new().run(|| {
//! log::info("the record was sent", &[("status", &201)]);
//! # });
//! # }
//! ```
//!
//! Write what happened and where; never an attribute's value and never a secret.

use std::fmt::Display;

use crate::host;

/// How much a line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// For the plugin's author.
    Debug,
    /// Worth knowing.
    Info,
    /// Somebody should look.
    Warn,
    /// Something did not happen.
    Error,
}

/// For the plugin's author.
pub fn debug(message: &str, fields: &[(&str, &dyn Display)]) {
    write(Level::Debug, message, fields);
}

/// Worth knowing.
pub fn info(message: &str, fields: &[(&str, &dyn Display)]) {
    write(Level::Info, message, fields);
}

/// Somebody should look.
pub fn warn(message: &str, fields: &[(&str, &dyn Display)]) {
    write(Level::Warn, message, fields);
}

/// Something did not happen.
pub fn error(message: &str, fields: &[(&str, &dyn Display)]) {
    write(Level::Error, message, fields);
}

/// A line of any level.
pub fn write(level: Level, message: &str, fields: &[(&str, &dyn Display)]) {
    let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), value.to_string())).collect();
    host::log(level, message, fields);
}
