//! Counts and observes what its configuration says.

use provost_sdk::prelude::*;

/// What is measured at each change.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Measures {
    name: String,
    #[serde(default)]
    labels: Vec<(String, String)>,
    /// How many series of it: each has another value of the label `number`.
    #[serde(default)]
    series: u32,
}

impl Plugin for Measures {
    const INFO: Info = Info { name: "measures", ..provost_sdk::info!() };

    fn review(&self, _: &Change) -> Result<Verdict> {
        let labels: Vec<(&str, &str)> = self.labels.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        metrics::count(&self.name, 2, &labels);
        metrics::observe(&format!("{}_seconds", self.name), 0.5, &labels);
        for number in 0..self.series {
            metrics::count(&self.name, 1, &[("number", &number.to_string())]);
        }
        Ok(Verdict::proceed())
    }
}

provost_sdk::export!(Measures: before_write);
