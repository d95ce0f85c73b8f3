//! Asks the directory, in a review or a job, and tells in a refusal's detail or the report what it heard, as JSON.

use provost_sdk::Value;
use provost_sdk::prelude::*;

/// The questions; each is asked only if it is there.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ReadsDirectory {
    /// For `get` and `find`; `User` unless it is set.
    resource_type: Option<String>,
    get: Option<String>,
    find: Option<String>,
    /// How many resources `find` asks for at a time; it goes on to the last page.
    count: Option<u32>,
    members: Option<String>,
    /// A group and a user.
    is_member: Option<(String, String)>,
}

impl Plugin for ReadsDirectory {
    const INFO: Info = Info { name: "reads_directory", ..provost_sdk::info!() };

    fn review(&self, _change: &Change) -> Result<Verdict> {
        Ok(Verdict::forbid(self.heard()?.to_string()))
    }

    fn run(&self, _job: &Job) -> Result<String> {
        Ok(self.heard()?.to_string())
    }
}

impl ReadsDirectory {
    fn heard(&self) -> Result<Value> {
        let resource_type = self.resource_type.as_deref().unwrap_or("User");
        let count = self.count.unwrap_or(10);
        let mut heard = json!({});
        if let Some(id) = &self.get {
            heard["get"] = json!(directory::get::<Resource>(resource_type, id)?);
        }
        if let Some(filter) = &self.find {
            let (mut found, mut pages, mut cursor) = (Vec::new(), 0, None);
            loop {
                let page = directory::find::<Resource>(resource_type, filter, cursor.as_deref(), count)?;
                pages += 1;
                found.extend(page.resources);
                cursor = page.next_cursor;
                if cursor.is_none() {
                    break;
                }
            }
            heard["find"] = json!({ "resources": found, "pages": pages });
        }
        if let Some(group) = &self.members {
            let members = directory::members(group, None, count)?;
            let members = members.iter().map(|m| json!({ "id": m.id, "type": m.resource_type }));
            heard["members"] = members.collect();
        }
        if let Some((group, id)) = &self.is_member {
            heard["isMember"] = json!(directory::is_member(group, id)?);
        }
        Ok(heard)
    }
}

provost_sdk::export!(ReadsDirectory: before_write, schedule);
