//! Bulk requests: many operations, each through the same functions as a request of its own.
//!
//! Permission, preconditions, plugins, validation and commit are thus those of `write.rs`, for
//! each operation anew: nothing here decides any of it. What is here is the order, the ids that
//! take the place of `bulkId:…`, the circles, and when to stop. An operation that fails leaves
//! nothing behind and says why; those before it stay.
//!
//! POSTs that refer to each other in a circle are made without what is not there yet, and then
//! patched; plugins see both. A circle is whole or not at all: when one of its members fails, those
//! already made are deleted again, so that no resource points at what never was.
//!
//! The job is a task of its own. When its client goes away it ends, between two operations and
//! never within one.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use provost_scim::bulk::{self, BulkRequest, Mistake, Step, Target, Task};
use provost_scim::{Invalid, Projection, ResourceType, resource};
use tokio::sync::oneshot;
use uuid::Uuid;

use super::disk::Disk;
use super::{At, Pipeline, Precondition, WriteError};
use crate::context::RequestContext;
use crate::hook::{Hold, Refusal};
use crate::limits::BULK_DETAIL_BYTES_MAX;
use crate::store::StoreError;

/// What became of one operation.
#[derive(Debug)]
pub struct Outcome {
    /// Its method, as far as it has one.
    pub method: Option<String>,
    /// The client's name for it.
    pub bulk_id: Option<String>,
    /// Where the resource is.
    pub location: Option<String>,
    /// What was done, or why nothing was.
    pub done: Result<Done, OperationError>,
}

/// What an operation did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Done {
    /// A resource was made.
    Created {
        /// The state it has.
        etag: String,
    },
    /// A resource was replaced or patched.
    Changed {
        /// The state it has.
        etag: String,
    },
    /// A resource was deleted.
    Deleted,
}

/// Why one operation of a bulk request did not happen.
#[derive(Debug, thiserror::Error)]
pub enum OperationError {
    /// Its path leads nowhere.
    #[error("there is no endpoint at this path")]
    NoSuchEndpoint,
    /// It failed as it would have failed by itself.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// Its circle of references cannot be made one by one.
    #[error("the references between these operations form a circle in which each requires another to be there first")]
    Knot,
    /// It was made, could not be completed, and could not be deleted again.
    #[error(
        "it was made without what it refers to in a circle, could not be completed, and could not be deleted again"
    )]
    Stranded {
        /// Why it could not be completed.
        #[source]
        why: Box<OperationError>,
    },
}

impl From<Invalid> for OperationError {
    fn from(invalid: Invalid) -> Self {
        Self::Write(invalid.into())
    }
}

impl From<Mistake> for OperationError {
    fn from(mistake: Mistake) -> Self {
        match mistake {
            Mistake::Invalid(invalid) => invalid.into(),
            Mistake::NoSuchEndpoint => Self::NoSuchEndpoint,
        }
    }
}

impl Pipeline {
    /// Works on a bulk request, and tells what became of each operation that was worked on, in the
    /// client's order (RFC 7644 section 3.7). Permission is asked for each operation (checklist S-18.15).
    ///
    /// # Errors
    /// When it is not known what is on disk: then nothing is acknowledged.
    pub async fn bulk(&self, cx: &RequestContext, request: BulkRequest) -> Result<Vec<Outcome>, StoreError> {
        let pipeline = Self { disk: Disk::together(), ..self.clone() };
        let cx = cx.clone();
        let (tell, told) = oneshot::channel();
        tokio::spawn(async move {
            let outcomes = Job::new(pipeline, cx, request).run(|| tell.is_closed()).await;
            // Whoever asked may have gone; nobody else cares.
            drop(tell.send(outcomes));
        });
        told.await.unwrap_or_else(|_| Err(StoreError::unavailable("a bulk request broke off")))
    }
}

/// A bulk request under way.
struct Job {
    pipeline: Pipeline,
    cx: RequestContext,
    /// What operations are asked to show: nobody looks at it.
    projection: Projection,
    fail_on_errors: Option<u64>,
    errors: u64,
    steps: Vec<Step>,
    posts: HashMap<String, usize>,
    entries: Vec<Entry>,
}

/// One operation under way.
struct Entry {
    method: Option<String>,
    bulk_id: Option<String>,
    task: Option<Result<Task, Mistake>>,
    location: Option<String>,
    /// What a POST has made.
    made: Option<(Uuid, Arc<ResourceType>)>,
    done: Option<Result<Done, OperationError>>,
}

impl Job {
    fn new(pipeline: Pipeline, cx: RequestContext, request: BulkRequest) -> Self {
        let steps = request.plan();
        let BulkRequest { fail_on_errors, operations, posts } = request;
        let entries = operations.into_iter().map(|operation| Entry {
            method: operation.method,
            bulk_id: operation.bulk_id,
            task: Some(operation.task),
            location: None,
            made: None,
            done: None,
        });
        let (entries, projection) = (entries.collect(), Projection::Only(vec!["id".to_owned()]));
        Self { pipeline, cx, projection, fail_on_errors, errors: 0, steps, posts, entries }
    }

    async fn run(mut self, nobody_waits: impl Fn() -> bool) -> Result<Vec<Outcome>, StoreError> {
        for step in std::mem::take(&mut self.steps) {
            if self.is_over() || nobody_waits() {
                break;
            }
            match step {
                Step::One(index) => {
                    let done = self.one(index).await;
                    self.note(index, done);
                }
                Step::Circle(members) => self.circle(&members).await,
                Step::Knot(members) => self.fail_all(&members, || OperationError::Knot),
            }
        }
        self.pipeline.disk.settle(&self.pipeline.store).await?;
        Ok(self.entries.into_iter().filter_map(Entry::outcome).collect())
    }

    /// Whether so many errors have occurred that the rest is not done (checklist S-18.6).
    fn is_over(&self) -> bool {
        self.fail_on_errors.is_some_and(|errors_max| self.errors >= errors_max)
    }

    fn note(&mut self, index: usize, done: Result<Done, OperationError>) {
        self.errors += u64::from(done.is_err());
        self.entries[index].done = Some(done.map_err(shortened));
    }

    /// Lets each operation fail that was not worked on yet.
    fn fail_all(&mut self, indexes: &[usize], error: impl Fn() -> OperationError) {
        for index in indexes {
            if self.entries[*index].done.is_none() && !self.is_over() {
                self.note(*index, Err(error()));
            }
        }
    }

    async fn one(&mut self, index: usize) -> Result<Done, OperationError> {
        let task = self.task(index)?;
        self.perform(index, task).await
    }

    fn task(&mut self, index: usize) -> Result<Task, OperationError> {
        let task = self.entries[index].task.take().expect("a plan has each operation once");
        Ok(task?)
    }

    /// Resolves what the task refers to, and does it.
    async fn perform(&mut self, index: usize, mut task: Task) -> Result<Done, OperationError> {
        let resolved = task.resolve(&self.pipeline.leniency(&self.cx), &|bulk_id| self.id_of(bulk_id));
        let (pipeline, cx, projection) = (&self.pipeline, &self.cx, &self.projection);
        match task {
            Task::Create { resource_type, body } => {
                resolved?;
                let answer = pipeline.create(cx, &resource_type, body, projection).await?;
                let id = answer.document.get("id").and_then(|id| resource::parse_id(id.as_str()?));
                let entry = &mut self.entries[index];
                entry.made = Some((id.expect("whatever is shown has its id"), resource_type));
                entry.location = Some(answer.location);
                Ok(Done::Created { etag: answer.etag })
            }
            Task::Replace { at, body } => {
                self.entries[index].location = pipeline.location_of(&at);
                resolved?;
                let answer = pipeline.replace(cx, &addressed(at)?, body, projection).await?;
                Ok(Done::Changed { etag: answer.etag })
            }
            Task::Patch { at, body } => {
                self.entries[index].location = pipeline.location_of(&at);
                resolved?;
                let answer = pipeline.patch(cx, &addressed(at)?, body, projection).await?;
                Ok(Done::Changed { etag: answer.etag })
            }
            Task::Delete { at } => {
                self.entries[index].location = pipeline.location_of(&at);
                resolved?;
                pipeline.delete(cx, &addressed(at)?).await?;
                Ok(Done::Deleted)
            }
        }
    }

    /// What a POST has made. The plan has it run before whoever asks.
    fn id_of(&self, bulk_id: &str) -> Result<Uuid, Invalid> {
        let post = self.posts.get(bulk_id).ok_or_else(|| bulk::no_such_post(bulk_id))?;
        self.entries[*post].made.as_ref().map(|(id, _)| *id).ok_or_else(|| bulk::failed_post(bulk_id))
    }

    /// Makes the members of a circle, then adds to each what could not be there yet.
    async fn circle(&mut self, members: &[usize]) {
        let Err((culprit, error)) = self.try_circle(members).await else { return };

        // What was made goes, the last first; the culprit speaks for itself.
        let because = self.entries[culprit].bulk_id.clone().unwrap_or_default();
        self.note(culprit, Err(error));
        for index in members.iter().rev().copied() {
            let deleted = self.delete_again(index).await;
            let entry = &mut self.entries[index];
            let why = match entry.done.take() {
                // It was never begun.
                None if deleted.is_none() => continue,
                Some(Err(why)) => why,
                None | Some(Ok(_)) => {
                    self.errors += 1;
                    bulk::failed_circle(&because).into()
                }
            };
            entry.done = Some(Err(match deleted {
                Some(Err(_)) => OperationError::Stranded { why: Box::new(why) },
                Some(Ok(())) | None => why,
            }));
        }
        self.fail_all(members, || bulk::failed_circle(&because).into());
    }

    /// Notes what was done only when all is done.
    async fn try_circle(&mut self, members: &[usize]) -> Result<(), (usize, OperationError)> {
        let mut waiting: HashSet<usize> = members.iter().copied().collect();
        let mut rests = Vec::new();
        let mut done = Vec::with_capacity(members.len());
        for index in members.iter().copied() {
            let blame = |error| (index, error);
            let mut task = self.task(index).map_err(blame)?;
            let later = |bulk_id: &str| self.posts.get(bulk_id).is_some_and(|post| waiting.contains(post));
            let rest = task.detach(&self.pipeline.leniency(&self.cx), &later);
            rests.push(rest);
            done.push(self.perform(index, task).await.map_err(blame)?);
            waiting.remove(&index);
        }
        for ((index, rest), done) in members.iter().copied().zip(rests).zip(&mut done) {
            let (Some(body), Some((id, resource_type))) = (rest, self.entries[index].made.clone()) else { continue };
            let at = Target { resource_type, id: id.to_string(), if_match: None };
            let completed = self.perform(index, Task::Patch { at, body }).await;
            if let Done::Changed { etag } = completed.map_err(|error| (index, error))? {
                *done = Done::Created { etag };
            }
        }
        for (index, done) in members.iter().copied().zip(done) {
            self.note(index, Ok(done));
        }
        Ok(())
    }

    /// Deletes what a POST has made, if it has.
    async fn delete_again(&mut self, index: usize) -> Option<Result<(), WriteError>> {
        let entry = &mut self.entries[index];
        let (id, resource_type) = entry.made.take()?;
        let at = At { resource_type, id, precondition: Precondition::default() };
        let deleted = match self.pipeline.delete(&self.cx, &at).await {
            Err(WriteError::NotFound { .. }) => Ok(()),
            deleted => deleted,
        };
        if deleted.is_ok() {
            self.entries[index].location = None;
        }
        Some(deleted)
    }
}

impl Entry {
    fn outcome(self) -> Option<Outcome> {
        let Self { method, bulk_id, location, done, .. } = self;
        Some(Outcome { method, bulk_id, location, done: done? })
    }
}

impl Pipeline {
    /// Where the resource is that a path names, if the path can stand in a URI.
    fn location_of(&self, at: &Target) -> Option<String> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:@!$&'()*+,;=".contains(&byte);
        let base_url = &self.settings.base_url;
        at.id.bytes().all(fits).then(|| format!("{base_url}{}/{}", at.resource_type.endpoint, at.id))
    }
}

/// An id that cannot be one names nothing (checklist S-5.6).
fn addressed(at: Target) -> Result<At, WriteError> {
    let Target { resource_type, id, if_match } = at;
    let id =
        resource::parse_id(&id).ok_or_else(|| WriteError::NotFound { resource_type: resource_type.name.clone() })?;
    Ok(At { resource_type, id, precondition: Precondition { if_match, if_none_match: None } })
}

/// What plugins say is cut, so that a thousand refusals together have a bound.
fn shortened(mut error: OperationError) -> OperationError {
    if let OperationError::Write(
        WriteError::Refused { refusal: Refusal { detail: words, .. }, .. }
        | WriteError::Held { hold: Hold { reason: words, .. }, .. },
    ) = &mut error
    {
        words.truncate(words.floor_char_boundary(BULK_DETAIL_BYTES_MAX));
    }
    error
}

#[cfg(test)]
mod tests;
