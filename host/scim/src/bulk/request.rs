//! The envelope of a bulk request, and its operations one by one.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::references::{Reference, references};
use crate::error::shown;
use crate::message::BULK_REQUEST;
use crate::patch::{PATCH_OP, take};
use crate::version::EntityTags;
use crate::{Invalid, Leniency, ResourceType, Schemas, Switch};

/// The endpoints that are not resources, and so cannot be asked in bulk.
const NOT_IN_BULK: [&str; 5] = ["Bulk", "Me", "ServiceProviderConfig", "ResourceTypes", "Schemas"];

/// A bulk request, read.
#[derive(Debug, Clone, PartialEq)]
pub struct BulkRequest {
    /// After so many errors the rest is not done (S-18.6).
    pub fail_on_errors: Option<u64>,
    /// The operations, in the client's order.
    pub operations: Vec<Operation>,
    /// The POST that each bulkId names, by its place in `operations`.
    pub posts: HashMap<String, usize>,
}

/// One operation.
#[derive(Debug, Clone, PartialEq)]
pub struct Operation {
    /// The method as it is echoed; absent if there was none to read.
    pub method: Option<String>,
    /// The client's name for it, to be echoed.
    pub bulk_id: Option<String>,
    /// What is to be done, unless the operation is wrong.
    pub task: Result<Task, Mistake>,
    /// Which operations it speaks of.
    pub(super) references: Vec<Reference>,
}

/// What one operation is to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Task {
    /// POST
    Create {
        /// What is made.
        resource_type: Arc<ResourceType>,
        /// From what.
        body: Value,
    },
    /// PUT
    Replace {
        /// What is replaced.
        at: Target,
        /// By what.
        body: Value,
    },
    /// PATCH
    Patch {
        /// What is changed.
        at: Target,
        /// The PatchOp message.
        body: Value,
    },
    /// DELETE
    Delete {
        /// What is deleted.
        at: Target,
    },
}

/// The resource that an operation's path names.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    /// Its type.
    pub resource_type: Arc<ResourceType>,
    /// What stands behind the endpoint: an id, or `bulkId:…` until [`Task::resolve`].
    pub id: String,
    /// The versions that the operation may meet (S-18.2).
    pub if_match: Option<EntityTags>,
}

/// Why an operation is wrong by itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Mistake {
    /// It breaks the protocol.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// Its path leads to no endpoint.
    #[error("there is no endpoint at this path")]
    NoSuchEndpoint,
}

/// Why a bulk request is not worked on at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BulkError {
    /// The envelope breaks the protocol.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// It holds too many operations.
    #[error("the request holds more operations than {operations_max}, the limit `maxOperations`")]
    TooManyOperations {
        /// The bound.
        operations_max: u64,
    },
}

impl BulkRequest {
    /// Reads the envelope (S-18.1, S-18.6, S-18.7, S-18.14) and each operation in it (S-18.2).
    /// Members that the protocol does not know are ignored; names may stand in any letter case
    /// (S-2.15).
    pub fn parse(body: Value, schemas: &Schemas, operations_max: u64, leniency: &Leniency) -> Result<Self, BulkError> {
        let Value::Object(mut body) = body else {
            return Err(Invalid::syntax("a bulk request must be a JSON object").into());
        };
        let is_bulk = |urn: &Value| urn.as_str().is_some_and(|urn| urn.eq_ignore_ascii_case(BULK_REQUEST));
        match take(&mut body, "schemas")? {
            Some(Value::Array(urns)) if urns.iter().any(is_bulk) => {}
            None if leniency.allows(Switch::BodyInferSchemas) => {}
            _ => return Err(Invalid::syntax(format!("`schemas` must contain `{BULK_REQUEST}`")).into()),
        }
        let fail_on_errors = fail_on_errors(take(&mut body, "failOnErrors")?)?;
        let operations = match take(&mut body, "Operations")? {
            Some(Value::Array(operations)) if operations.is_empty() => {
                return Err(Invalid::syntax("`Operations` must hold at least one operation").into());
            }
            Some(Value::Array(operations)) => operations,
            Some(_) => return Err(Invalid::syntax("`Operations` must be an array").into()),
            None => return Err(Invalid::syntax("`Operations` is missing").into()),
        };
        if operations.len() as u64 > operations_max {
            return Err(BulkError::TooManyOperations { operations_max });
        }
        let read = operations.into_iter().map(|operation| Operation::read(operation, schemas, leniency));
        let operations: Vec<Operation> = read.collect();
        let posts = posts(&operations)?;
        Ok(Self { fail_on_errors, operations, posts })
    }
}

fn fail_on_errors(value: Option<Value>) -> Result<Option<u64>, Invalid> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match value.as_u64() {
            Some(errors) if errors > 0 => Ok(Some(errors)),
            _ => Err(Invalid::value("`failOnErrors` must be an integer of at least 1")),
        },
    }
}

/// Each bulkId names one operation (S-18.7). Only a POST can be referred to by it: what the others
/// speak of has an id already.
fn posts(operations: &[Operation]) -> Result<HashMap<String, usize>, Invalid> {
    let mut named = HashMap::with_capacity(operations.len());
    for (index, operation) in operations.iter().enumerate() {
        if let Some(bulk_id) = &operation.bulk_id
            && named.insert(bulk_id.clone(), index).is_some()
        {
            return Err(Invalid::value(format!("the `bulkId` `{}` is given twice", shown(bulk_id))));
        }
    }
    named.retain(|_, index| operations[*index].method.as_deref() == Some("POST"));
    Ok(named)
}

impl Operation {
    fn read(operation: Value, schemas: &Schemas, leniency: &Leniency) -> Self {
        let mut wrong = Self {
            method: None,
            bulk_id: None,
            task: Err(Invalid::syntax("an operation must be a JSON object").into()),
            references: Vec::new(),
        };
        let Value::Object(mut fields) = operation else { return wrong };
        let method = take(&mut fields, "method").map(|method| match method {
            Some(Value::String(method)) => Some(shown(&method).to_ascii_uppercase()),
            _ => None,
        });
        let bulk_id = take(&mut fields, "bulkId");
        wrong.method = method.clone().unwrap_or_default();
        if let Ok(Some(Value::String(bulk_id))) = &bulk_id {
            wrong.bulk_id = Some(bulk_id.clone());
        }
        let task = method.and_then(|method| Ok((method, bulk_id?))).map_err(Mistake::from);
        let task = task.and_then(|(method, bulk_id)| task_of(method.as_deref(), bulk_id, fields, schemas, leniency));
        match task {
            Ok(mut task) => Self { references: references(&mut task, leniency), task: Ok(task), ..wrong },
            Err(mistake) => Self { task: Err(mistake), ..wrong },
        }
    }
}

fn task_of(
    method: Option<&str>,
    bulk_id: Option<Value>,
    mut fields: Map<String, Value>,
    schemas: &Schemas,
    leniency: &Leniency,
) -> Result<Task, Mistake> {
    if !matches!(method, Some("POST" | "PUT" | "PATCH" | "DELETE")) {
        return Err(Invalid::syntax("`method` must be POST, PUT, PATCH or DELETE").into());
    }
    match bulk_id {
        None | Some(Value::Null) if method == Some("POST") => {
            return Err(Invalid::syntax("a POST needs a `bulkId`").into());
        }
        None | Some(Value::Null) => {}
        Some(Value::String(bulk_id)) if !bulk_id.is_empty() => {}
        Some(_) => return Err(Invalid::syntax("`bulkId` must be a string that is not empty").into()),
    }
    let Some(Value::String(path)) = take(&mut fields, "path")? else {
        return Err(Invalid::syntax("`path` must be a string").into());
    };
    let (resource_type, id) = endpoint(&path, schemas, leniency)?;
    let version = take(&mut fields, "version")?;
    let data = take(&mut fields, "data")?;
    let at = match (method, id) {
        (Some("POST"), None) => return Ok(Task::Create { resource_type, body: object(data)? }),
        (Some("POST"), Some(_)) => {
            return Err(Invalid::syntax("the `path` of a POST must be the endpoint of a resource type").into());
        }
        (_, None) => return Err(Invalid::syntax("`path` must name a resource, as in `/Users/{id}`").into()),
        (_, Some(id)) => Target { resource_type, id, if_match: if_match(version, leniency)? },
    };
    Ok(match method {
        Some("PUT") => Task::Replace { at, body: object(data)? },
        Some("PATCH") => Task::Patch { at, body: patch(data, leniency)? },
        _ => Task::Delete { at },
    })
}

/// The resource type at a path, with or without its first slash, and what stands behind.
fn endpoint(
    path: &str,
    schemas: &Schemas,
    leniency: &Leniency,
) -> Result<(Arc<ResourceType>, Option<String>), Mistake> {
    let path = path.strip_prefix('/').unwrap_or(path);
    let (segment, rest) = match path.split_once('/') {
        Some((segment, rest)) => (segment, Some(rest).filter(|rest| !rest.is_empty())),
        None => (path, None),
    };
    let is = |known: &str| {
        known == segment || (known.eq_ignore_ascii_case(segment) && leniency.allows(Switch::PathsAnyCase))
    };
    if segment == ".search" || rest == Some(".search") || NOT_IN_BULK.iter().any(|known| is(known)) {
        return Err(
            Invalid::syntax("`path` must lead to a resource type; this endpoint cannot be asked in bulk").into()
        );
    }
    let found = schemas.resource_types.iter().find(|of| of.endpoint.strip_prefix('/').is_some_and(is));
    let found = found.ok_or(Mistake::NoSuchEndpoint)?;
    Ok((found.clone(), rest.map(str::to_owned)))
}

fn if_match(version: Option<Value>, leniency: &Leniency) -> Result<Option<EntityTags>, Invalid> {
    match version {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(version)) => Ok(Some(EntityTags::parse_with(&version, leniency))),
        Some(_) => Err(Invalid::syntax("`version` must be a string")),
    }
}

fn object(data: Option<Value>) -> Result<Value, Invalid> {
    data.filter(Value::is_object).ok_or_else(|| Invalid::syntax("`data` must be a JSON object"))
}

/// A PatchOp message, or its operations bare (S-18.3, L-B14).
fn patch(data: Option<Value>, leniency: &Leniency) -> Result<Value, Invalid> {
    let has = |fields: &Map<String, Value>, name: &str| fields.keys().any(|key| key.eq_ignore_ascii_case(name));
    let wrapped = |operations: Value| json!({ "schemas": [PATCH_OP], "Operations": operations });
    match data {
        Some(Value::Array(operations)) if leniency.bulk.patch_bare_array => Ok(wrapped(operations.into())),
        Some(Value::Object(one))
            if has(&one, "op") && !has(&one, "Operations") && leniency.allows(Switch::BulkPatchBareArray) =>
        {
            Ok(wrapped(vec![Value::Object(one)].into()))
        }
        data => object(data),
    }
}
