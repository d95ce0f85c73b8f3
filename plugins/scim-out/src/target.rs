//! One other server: what it is to hold, and how it comes there.

use provost_sdk::mirror::{self, Mirror};
use provost_sdk::prelude::*;

/// One other SCIM server.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// What it is called in `grant.outbox` and in listings.
    pub name: String,
    /// Its SCIM base URL.
    pub url: String,
    /// The secret that the host puts into each request.
    credential: Option<String>,
    /// Who has an account there.
    #[serde(default)]
    when: When,
    /// Which groups are there; none, if it is not written down.
    groups: Option<When>,
    /// Attributes that are not sent.
    #[serde(default)]
    leave_out: Vec<String>,
    /// What becomes of the account of somebody who has none any more.
    #[serde(default)]
    on_leave: OnLeave,
}

#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum OnLeave {
    /// It is switched off, and switched on again for who comes back.
    #[default]
    Deactivate,
    Delete,
}

impl Target {
    pub fn server(&self) -> Server {
        let server = Server::new(&*self.name, &self.url);
        self.credential.iter().fold(server, Server::credential)
    }

    pub fn has_groups(&self) -> bool {
        self.groups.is_some()
    }

    pub fn resource_types(&self) -> &[&str] {
        if self.has_groups() { &["User", "Group"] } else { &["User"] }
    }

    /// Whether this is to be there.
    pub fn concerns(&self, resource_type: &str, resource: &Resource) -> bool {
        match resource_type {
            "User" => self.when.fits(resource),
            "Group" => self.groups.as_ref().is_some_and(|groups| groups.fits(resource)),
            _ => false,
        }
    }

    /// Makes one resource there what it is here. `others` are the other ends of memberships that changed: members of a
    /// group, or the groups of somebody who was deleted.
    pub fn send(&self, mirror: &Mirror, resource_type: &str, id: &str, others: &[String]) -> Result {
        let wanted = directory::get::<Resource>(resource_type, id)?;
        let twin = match wanted.filter(|wanted| self.concerns(resource_type, wanted)) {
            Some(mut wanted) => {
                wanted.leave_out(self.leave_out.iter().map(String::as_str));
                let kind = if resource_type == "Group" { mirror::GROUPS } else { mirror::USERS };
                Some(mirror.hold(&kind, id, wanted)?)
            }
            None if resource_type == "User" && self.on_leave == OnLeave::Deactivate => mirror.switch_off(id)?,
            None => {
                mirror.delete(id)?;
                None
            }
        };
        match twin {
            Some(twin) if twin.is_new && self.has_groups() => {
                mirror.settle(id, &twin, if twin.is_group() { &[] } else { others })
            }
            Some(twin) if twin.is_group() => mirror.change_members(id, &twin, others),
            _ => Ok(()),
        }
    }
}
