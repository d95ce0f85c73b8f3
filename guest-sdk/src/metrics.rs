//! The plugin's own counters and distributions, at the server's `/metrics`.
//!
//! ```
//! # use provost_sdk::metrics;
//! # fn main() {
//! # provost_sdk::testing::Host::new().run(|| {
//! metrics::count("records_sent", 1, &[("target", "mirror")]);
//! # });
//! # }
//! ```
//!
//! Labels take a few fixed values each; never an attribute's value.

use crate::host;

/// Adds to a counter.
pub fn count(name: &str, by: u64, labels: &[(&str, &str)]) {
    host::metrics_count(name, by, owned(labels));
}

/// Adds to a distribution.
pub fn observe(name: &str, value: f64, labels: &[(&str, &str)]) {
    host::metrics_observe(name, value, owned(labels));
}

fn owned(labels: &[(&str, &str)]) -> Vec<(String, String)> {
    labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}
