//! `metrics`: the plugin's own counters and distributions, at `/metrics` beside the server's.
//!
//! A series that was once begun takes memory until the process ends, so each plugin has only so many.
//! What is too much, or makes no sense, is dropped and counted: measuring never fails a rule.

use std::collections::{HashMap, HashSet};
use std::sync::{LazyLock, Mutex, PoisonError};

use metrics::{Label, counter, histogram};

use super::super::bindings::wit;
use super::super::guest::Guest;
use crate::limits;
use wit::types::Pair;

/// What was dropped, by plugin and reason.
const DROPPED: &str = "provost_guest_metrics_dropped_total";

/// What every name of a plugin begins with.
const PREFIX: &str = "provost_guest_";

/// Labels with a meaning of their own.
const RESERVED: [&str; 3] = ["plugin", "le", "quantile"];

/// What has been begun in this process, which has one recorder for all of it.
static BEGUN: LazyLock<Mutex<Begun>> = LazyLock::new(Mutex::default);

#[derive(Default)]
struct Begun {
    /// A name is a counter's or a distribution's, whoever uses it.
    kinds: HashMap<String, Kind>,
    /// The series of each plugin.
    series: HashMap<String, HashSet<Vec<String>>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Counter,
    Distribution,
}

impl wit::metrics::Host for Guest {
    async fn count(&mut self, name: String, by: u64, labels: Vec<Pair>) -> wasmtime::Result<()> {
        self.enter("metrics.count")?;
        let plugin = self.identity.name();
        match series(plugin, Kind::Counter, &name, labels) {
            Ok(labels) => counter!(format!("{PREFIX}{name}"), labels).increment(by),
            Err(reason) => dropped(plugin, reason),
        }
        Ok(())
    }

    async fn observe(&mut self, name: String, value: f64, labels: Vec<Pair>) -> wasmtime::Result<()> {
        self.enter("metrics.observe")?;
        let plugin = self.identity.name();
        let measured = if value.is_finite() { series(plugin, Kind::Distribution, &name, labels) } else { Err("value") };
        match measured {
            Ok(labels) => histogram!(format!("{PREFIX}{name}"), labels).record(value),
            Err(reason) => dropped(plugin, reason),
        }
        Ok(())
    }
}

fn dropped(plugin: &str, reason: &'static str) {
    counter!(DROPPED, "plugin" => plugin.to_owned(), "reason" => reason).increment(1);
}

/// The labels of a series, if its plugin may have it.
fn series(plugin: &str, kind: Kind, name: &str, labels: Vec<Pair>) -> Result<Vec<Label>, &'static str> {
    if !is_name(name) {
        return Err("name");
    }
    let mut own: Vec<(String, String)> = super::pairs(labels);
    own.sort_unstable();
    let fits = |(name, value): &(String, String)| {
        let named = is_name(name) && !name.starts_with(|c: char| c.is_ascii_digit() || c == '_');
        named && !RESERVED.contains(&name.as_str()) && value.len() <= limits::GUEST_LABEL_BYTES_MAX
    };
    let twice = own.windows(2).any(|pair| pair[0].0 == pair[1].0);
    if own.len() > limits::GUEST_LABELS_MAX || twice || !own.iter().all(fits) {
        return Err("labels");
    }

    let mut begun = BEGUN.lock().unwrap_or_else(PoisonError::into_inner);
    if begun.kinds.get(name).is_some_and(|begun| *begun != kind) {
        return Err("kind");
    }
    let key = [name].into_iter().chain(own.iter().flat_map(|(n, v)| [n.as_str(), v.as_str()])).map(str::to_owned);
    let (key, of_plugin) = (key.collect::<Vec<_>>(), begun.series.entry(plugin.to_owned()).or_default());
    if !of_plugin.contains(&key) {
        if of_plugin.len() >= limits::GUEST_SERIES_MAX {
            return Err("series");
        }
        of_plugin.insert(key);
        begun.kinds.insert(name.to_owned(), kind);
    }
    drop(begun);
    let whose = Label::new("plugin", plugin.to_owned());
    Ok([whose].into_iter().chain(own.into_iter().map(|(name, value)| Label::new(name, value))).collect())
}

/// Whether this can be the name of a metric, or of a label.
fn is_name(text: &str) -> bool {
    let fits = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_');
    (1..=limits::GUEST_METRIC_NAME_BYTES_MAX).contains(&text.len()) && text.bytes().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(labels: &[(&str, &str)]) -> Vec<Pair> {
        labels.iter().map(|(name, value)| Pair { name: (*name).into(), value: (*value).into() }).collect()
    }

    #[test]
    fn names_and_labels_that_make_no_sense_are_dropped_with_their_reason() {
        let long = "x".repeat(65);
        for name in ["", "Upper", "with space", "dot.ted", "bücher", &long] {
            assert_eq!(series("senseless", Kind::Counter, name, Vec::new()), Err("name"), "{name}");
        }
        let vast = "x".repeat(limits::GUEST_LABEL_BYTES_MAX + 1);
        let many: Vec<String> = (0..9).map(|n| format!("l{n}")).collect();
        let many: Vec<(&str, &str)> = many.iter().map(|name| (name.as_str(), "v")).collect();
        for labels in [
            &[("plugin", "other")][..],
            &[("le", "1")],
            &[("1st", "v")],
            &[("A", "v")],
            &[("a", "1"), ("a", "2")],
            &[("a", &vast)],
            &many,
        ] {
            assert_eq!(series("senseless", Kind::Counter, "fine", pairs(labels)), Err("labels"), "{labels:?}");
        }
        let fine = series("senseless", Kind::Counter, "senseless_0", pairs(&many[..8])).unwrap();
        assert_eq!(fine[0], Label::new("plugin", "senseless"));
        assert_eq!(fine.len(), 9);
    }

    #[test]
    fn a_plugin_has_so_many_series_and_a_name_has_one_kind() {
        for number in 0..limits::GUEST_SERIES_MAX {
            series("greedy", Kind::Counter, "greedy_things", pairs(&[("n", &number.to_string())])).unwrap();
        }
        assert_eq!(series("greedy", Kind::Counter, "greedy_things", Vec::new()), Err("series"));
        assert_eq!(series("greedy", Kind::Distribution, "greedy_things", Vec::new()), Err("kind"));
        // What was begun goes on, in whatever order its labels come; and another plugin has its own.
        series("greedy", Kind::Counter, "greedy_things", pairs(&[("n", "1")])).unwrap();
        series("modest", Kind::Counter, "greedy_things", pairs(&[("b", "1"), ("a", "2")])).unwrap();
        series("modest", Kind::Counter, "greedy_things", pairs(&[("a", "2"), ("b", "1")])).unwrap();
        assert_eq!(BEGUN.lock().unwrap().series["modest"].len(), 1);
    }
}
