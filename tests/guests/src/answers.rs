//! Answers each change of one attribute by setting another. Two of them can go on for ever.

use provost_sdk::prelude::*;

/// What it listens to, and where it answers.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Answers {
    hears: String,
    sets: String,
}

impl Plugin for Answers {
    const INFO: Info = Info { name: "answers", ..provost_sdk::info!() };

    fn observe(&self, change: &Change, sequence: u64) -> Result {
        let Some(id) = change.resource_id.as_deref().filter(|_| change.changed(&self.hears)) else { return Ok(()) };
        let answer = Patch::new().replace(&self.sets, format!("answer {sequence}"));
        directory::patch(&change.resource_type, id, &answer)?;
        Ok(())
    }
}

provost_sdk::export!(Answers: observe);
