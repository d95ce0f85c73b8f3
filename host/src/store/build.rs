//! Indexes that come and go while the store serves.
//!
//! An index that is new to a store with resources in it is made in steps, each one commit: the
//! entries of some resources, and the note how far it is, so that a restart goes on from there.
//! From its first moment every commit keeps it up, and writes *all* of a resource's entries in it,
//! changed or not. So a step expects each resource to be as it was read, and passes over those that
//! are not: whoever changed one has written its entries. Nobody clashes for ever, and nothing
//! stale is left. When the last resource is done, plans use the index from that moment on.
//!
//! What is no longer wanted is deleted in the same steps, and its number is free only afterwards.

use std::fmt;

use serde::Serialize;
use tracing::info;
use utoipa::ToSchema;

use super::catalog::{Entries, Entry};
use super::engine::{Batch, BatchError, Expect, Key, Scan, Space, Value};
use super::settle::{self, Row, State};
use super::{REALMS, Store, StoreError, commit_plain, keys, records};

/// How many resources one step goes through.
const RESOURCES_PER_STEP: usize = 500;

/// One index, and how far it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct IndexStatus {
    /// The resource type's name, or its number if no schema has it any more.
    pub resource_type: String,
    /// The attribute's path.
    pub attribute: String,
    /// How far it is.
    #[serde(flatten)]
    pub state: IndexState,
}

impl fmt::Display for IndexStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (resource_type, attribute) = (&self.resource_type, &self.attribute);
        match self.state {
            IndexState::Ready => write!(f, "the index of {resource_type}.{attribute} is ready"),
            IndexState::Building { resources } => {
                write!(f, "the index of {resource_type}.{attribute} is building: {resources} resources are done")
            }
            IndexState::Removing => write!(f, "the former index of {resource_type}.{attribute} is being removed"),
        }
    }
}

/// How far an index is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(tag = "state", rename_all = "camelCase")]
pub enum IndexState {
    /// It answers queries.
    Ready,
    /// It is being built; queries do without it until then.
    Building {
        /// How many resources were gone through.
        resources: u64,
    },
    /// Nobody wants it any more, and its entries are being deleted.
    Removing,
}

/// The entries of one resource in an index, if it is as it was read.
pub(super) struct Part {
    unchanged: Expect,
    entries: Vec<Key>,
}

impl Store {
    /// All indexes, and how far each one is.
    pub async fn indexes(&self) -> Vec<IndexStatus> {
        let rows = self.catalog.rows.lock().await;
        let status = |row: &Row| IndexStatus {
            resource_type: self.type_name(row.type_number),
            attribute: row.path.clone(),
            state: match row.state {
                State::Whole => IndexState::Ready,
                State::Building { resources, .. } => IndexState::Building { resources },
                State::Pending | State::Going => IndexState::Removing,
            },
        };
        rows.iter().map(status).collect()
    }

    /// Takes one step of building what is new and deleting what is not wanted any more. Answers
    /// whether something is left to do.
    ///
    /// # Errors
    /// When the store fails; the next step tries the same again.
    pub async fn build_indexes(&self) -> Result<bool, StoreError> {
        self.index_step(RESOURCES_PER_STEP).await
    }

    pub(super) async fn index_step(&self, resources_max: usize) -> Result<bool, StoreError> {
        let mut rows = self.catalog.rows.lock().await;
        let building = |row: &Row| matches!(row.state, State::Building { .. });
        let going = |row: &Row| row.state == State::Going;
        if let Some(at) = rows.iter().position(building) {
            *rows = self.build_step(rows.clone(), at, resources_max).await?;
        } else if let Some(at) = rows.iter().position(going) {
            *rows = self.remove_step(rows.clone(), at).await?;
        }
        Ok(rows.iter().any(|row| building(row) || going(row)))
    }

    /// The next resources' entries. Answers the rows as they are on disk then.
    async fn build_step(&self, mut rows: Vec<Row>, at: usize, resources_max: usize) -> Result<Vec<Row>, StoreError> {
        let row = &mut rows[at];
        let State::Building { after, resources } = &mut row.state else { return Ok(rows) };
        let entry = self.catalog.of(row.type_number).find(|entry| entry.number == row.number);
        let entry = entry.expect("what is being built is in the catalog");
        let (read, last, parts) = self.parts_behind(entry, after, resources_max).await?;
        let done = *resources + read as u64;
        match last {
            Some(last) => (*after, *resources) = (last, done),
            None => row.state = State::Whole,
        }
        self.commit_parts(parts, &rows).await?;
        let row = &rows[at];
        if row.state == State::Whole {
            entry.set_whole();
            let (name, attribute) = (self.type_name(row.type_number), &row.path);
            info!(
                resource_type = name,
                attribute,
                resources = done,
                "the index of {name}.{attribute} is ready: {done} resources"
            );
        }
        Ok(rows)
    }

    /// Reads on behind a resource's key: how many, the last one's key, and the entries of each
    /// that has any.
    pub(super) async fn parts_behind(
        &self,
        entry: &Entry,
        after: &[u8],
        resources_max: usize,
    ) -> Result<(usize, Option<Key>, Vec<Part>), StoreError> {
        let corrupt = || StoreError::Corrupt { space: Space::Resources };
        let resource_type = self.schemas.numbered(entry.type_number).ok_or_else(corrupt)?;
        for realm in REALMS {
            let range = keys::resources(realm, entry.type_number).after(after);
            let found = self.engine.scan(Scan::new(Space::Resources, range, resources_max)).await?;
            let Some(last) = found.last().map(|(key, _)| key.clone()) else { continue };
            let (read, mut parts) = (found.len(), Vec::new());
            for (key, value) in found {
                let id = keys::last_id(&key).ok_or_else(corrupt)?;
                let stored = records::decode_resource(Space::Resources, resource_type, id, &value)?;
                let entries = Entries::of(std::iter::once(entry), realm, &stored.resource).building;
                if !entries.is_empty() {
                    let unchanged = Expect::Value(Space::Resources, key, Some(value));
                    parts.push(Part { unchanged, entries: entries.into_iter().collect() });
                }
            }
            return Ok((read, Some(last), parts));
        }
        Ok((0, None, Vec::new()))
    }

    /// Writes the entries of those resources that did not change meanwhile, and the rows.
    pub(super) async fn commit_parts(&self, mut parts: Vec<Part>, rows: &[Row]) -> Result<(), StoreError> {
        loop {
            let mut batch = Batch::default();
            settle::put_rows(&mut batch, rows);
            for Part { unchanged, entries } in &parts {
                batch.expect.push(unchanged.clone());
                entries.iter().for_each(|key| batch.put(Space::Index, key.clone(), Value::new()));
            }
            match self.engine.commit(batch).await {
                Ok(_) => return Ok(()),
                // Whoever changed it, or ended it, has seen to its entries.
                Err(BatchError::Clash(changed)) if changed < parts.len() => drop(parts.remove(changed)),
                Err(BatchError::Failed(error)) => return Err(error.into()),
                Err(error @ (BatchError::Clash(_) | BatchError::Over(_))) => {
                    return Err(StoreError::unavailable(format!("a step of an index was refused: {error}")));
                }
            }
        }
    }

    /// Deletes the next entries of what nobody wants any more. Answers the rows as they are on disk then.
    async fn remove_step(&self, mut rows: Vec<Row>, at: usize) -> Result<Vec<Row>, StoreError> {
        if let Some(batch) = settle::deletions(&*self.engine, &rows[at]).await? {
            commit_plain(&*self.engine, batch).await?;
            return Ok(rows);
        }
        let gone = rows.remove(at);
        let mut batch = Batch::default();
        settle::put_rows(&mut batch, &rows);
        commit_plain(&*self.engine, batch).await?;
        let (name, attribute) = (self.type_name(gone.type_number), gone.path);
        info!(resource_type = name, attribute, "the former index of {name}.{attribute} is removed");
        Ok(rows)
    }
}
