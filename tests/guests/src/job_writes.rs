//! A job that goes through everybody who matches a filter, page by page, and makes them match no more.

use provost_sdk::prelude::*;

/// Whom it looks for, and how they change.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct JobWrites {
    filter: String,
    removes: String,
    /// How many at a time.
    count: u32,
}

impl Plugin for JobWrites {
    const INFO: Info = Info { name: "job_writes", ..provost_sdk::info!() };

    fn run(&self, _job: &Job) -> Result<String> {
        let (mut changed, mut pages, mut cursor) = (0, 0, None);
        loop {
            let page = directory::find::<User>("User", &self.filter, cursor.as_deref(), self.count)?;
            pages += 1;
            for user in &page.resources {
                let id = user.id.as_deref().ok_or_else(|| Failure::new("a stored user has an id"))?;
                directory::patch("User", id, &Patch::new().remove(&self.removes))?;
                changed += 1;
            }
            cursor = page.next_cursor;
            if cursor.is_none() {
                return Ok(format!("{changed} changed on {pages} pages"));
            }
        }
    }
}

provost_sdk::export!(JobWrites: schedule);
