//! What a plugin is: its configuration, with methods for the moments it is asked.

use std::collections::BTreeSet;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{Change, Context, Decision, Inquiry, Job, Message, Resource, Result, Verdict, config};

/// A plugin: a type that is its own configuration.
///
/// The host makes a fresh instance for every call and the SDK fills `self` from the operator's
/// configuration, so nothing a method learns in one call is there in the next; what must last
/// goes to [`crate::state`]. Each method has a default that lets everything pass; implement those
/// whose groups [`crate::export!`] names.
///
/// ```
/// use provost_sdk::prelude::*;
///
/// /// Nobody becomes an administrator by provisioning.
/// #[derive(Deserialize)]
/// #[serde(deny_unknown_fields)]
/// struct NoAdmins {
///     title: String,
/// }
///
/// impl Plugin for NoAdmins {
///     const INFO: Info = provost_sdk::info!();
///
///     fn review(&self, change: &Change) -> Result<Verdict> {
///         let Some(user) = change.proposed::<User>()? else { return Ok(Verdict::proceed()) };
///         if user.title.as_ref() == Some(&self.title) {
///             return Ok(Verdict::forbid("`title` names a role that is given by hand only"));
///         }
///         Ok(Verdict::proceed())
///     }
/// }
///
/// provost_sdk::export!(NoAdmins: before_write);
/// # fn main() {}
/// ```
pub trait Plugin: DeserializeOwned {
    /// Who the plugin is; [`crate::info!`] reads it from `Cargo.toml`.
    const INFO: Info;

    /// Looks for what is wrong with a configuration that has the right shape. The shape itself
    /// (a missing key, a number instead of a text) is checked before, by deserialising it.
    fn check(&self) -> Vec<Finding> {
        Vec::new()
    }

    /// The whole check of a configuration, called once before the plugin is used.
    ///
    /// The default deserialises it and asks [`Plugin::check`]; few plugins need another.
    fn check_config(config: &Value) -> Vec<Finding> {
        match config::from_value::<Self>(config) {
            Ok(plugin) => plugin.check(),
            Err(finding) => vec![finding],
        }
    }

    /// Before a change is committed. Messages enqueued and state written here are committed with
    /// the change or not at all. After a version clash the host asks again.
    fn review(&self, change: &Change) -> Result<Verdict> {
        let _ = change;
        Ok(Verdict::proceed())
    }

    /// After a change is committed: at least once, in order per resource. `sequence` grows along
    /// the changes of one resource.
    fn observe(&self, change: &Change, sequence: u64) -> Result {
        let _ = (change, sequence);
        Ok(())
    }

    /// Who may do and see what. Asked before anything is read or written for the caller: once for
    /// each resource type that the request shows or changes. Nothing can be written here.
    fn decide(&self, inquiry: &Inquiry) -> Result<Decision> {
        let _ = inquiry;
        Ok(Decision::Allow)
    }

    /// What an answer shows: change the resources in place. Nothing that is stored changes, and
    /// the projection that the caller asked for is applied afterwards. Filters see what is stored, so
    /// what is masked for secrecy must be narrowed or refused in [`Plugin::decide`] as well.
    fn shape(&self, context: &Context, resources: &mut [Resource]) -> Result {
        let _ = (context, resources);
        Ok(())
    }

    /// One run of a job on a clock. Answers with one sentence for the operator: what was done. A
    /// run that was cut off is made again, so it must be able to go on where it was.
    fn run(&self, job: &Job) -> Result<String> {
        let _ = job;
        Ok(String::new())
    }

    /// One message that this plugin enqueued: at least once, in order per resource.
    fn deliver(&self, message: &Message) -> Result {
        let _ = message;
        Ok(())
    }
}

/// Who a plugin is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Info {
    /// Its name, usually the crate's.
    pub name: &'static str,
    /// Its version: changes, refusals and log lines are attributed to it.
    pub version: &'static str,
    /// One sentence for listings.
    pub summary: &'static str,
}

/// Something about the configuration that the operator must mend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The configuration key, dotted: `target.url`. Empty for the whole.
    pub path: String,
    /// One sentence.
    pub message: String,
}

impl Finding {
    /// A finding about the key at `path`.
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into() }
    }
}

/// What is wrong with a configuration, gathered for [`Plugin::check`].
///
/// ```
/// use provost_sdk::Findings;
///
/// let (url, names) = ("ldap://crm.example", ["crm", "wiki", "crm"]);
/// let mut found = Findings::new();
/// found.unless(!names.is_empty(), "target", "is empty");
/// found.url("url", url);
/// found.distinct(names, |at| format!("target[{at}].name"));
///
/// let paths: Vec<String> = found.into_vec().into_iter().map(|finding| finding.path).collect();
/// assert_eq!(paths, ["url", "target[2].name"]);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings(Vec<Finding>);

impl Findings {
    /// Nothing is wrong yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Unless this holds, the key at `path` is wrong.
    pub fn unless(&mut self, holds: bool, path: impl Into<String>, message: impl Into<String>) {
        if !holds {
            self.0.push(Finding::new(path, message));
        }
    }

    /// The text at `path` must not be empty.
    pub fn filled(&mut self, path: impl Into<String>, text: &str) {
        self.unless(!text.is_empty(), path, "is empty");
    }

    /// The text at `path` must be the URL of an HTTP endpoint.
    pub fn url(&mut self, path: impl Into<String>, url: &str) {
        self.unless(url.starts_with("https://") || url.starts_with("http://"), path, "is not an http URL");
    }

    /// Each of these texts must be no other's. `path` makes the key of one out of its place.
    pub fn distinct<'a>(&mut self, texts: impl IntoIterator<Item = &'a str>, path: impl Fn(usize) -> String) {
        let mut seen = BTreeSet::new();
        for (at, text) in texts.into_iter().enumerate() {
            self.unless(seen.insert(text), path(at), "is another one's, too");
        }
    }

    /// All of it.
    pub fn into_vec(self) -> Vec<Finding> {
        self.0
    }
}
