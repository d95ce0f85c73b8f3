//! What the store remembers of the schemas it was written under: the name behind each resource
//! type's number, and a fingerprint of them all.
//!
//! A type that the configuration no longer has, and of which there are resources, keeps the store
//! from opening: nobody could read them, and their groups could not be mended. A schema that
//! changed does not; what no longer fits it is a matter for [`Store::check`].

use std::collections::BTreeMap;

use provost_scim::{Schemas, discovery};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::engine::{Batch, Engine, Space, count_of};
use super::{OpenError, REALMS, Store, StoreError, commit_plain, keys, records};

/// The names of all resource types that this store ever had, by number.
pub(super) type Names = BTreeMap<u16, String>;

/// The system space's row about types.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Row {
    names: Names,
}

/// Compares the types of the schemas with those the store knows, and remembers the new ones.
///
/// # Errors
/// [`OpenError::TypeGone`] and [`OpenError::NumberTaken`]; then nothing was changed.
pub(super) async fn settle(engine: &dyn Engine, schemas: &Schemas) -> Result<Names, OpenError> {
    let stored = engine.get(vec![(Space::System, keys::types())]).await.map_err(StoreError::from)?.remove(0);
    let row: Row = stored.map(|value| records::decode(Space::System, &value)).transpose()?.unwrap_or_default();
    let mut names = row.names.clone();
    for resource_type in &schemas.resource_types {
        let known = names.entry(resource_type.number).or_insert_with(|| resource_type.name.clone());
        if *known != resource_type.name {
            let (resource_type, known) = (resource_type.name.clone(), known.clone());
            return Err(OpenError::NumberTaken { resource_type, known });
        }
    }
    for (number, name) in row.names.iter().filter(|(number, _)| schemas.numbered(**number).is_none()) {
        let counts = REALMS.map(|realm| (Space::System, keys::resource_count(realm, *number)));
        let counts = engine.get(counts.to_vec()).await.map_err(StoreError::from)?;
        let resources: u64 = counts.iter().map(|count| count_of(count.as_deref())).sum();
        if resources > 0 {
            return Err(OpenError::TypeGone { resource_type: name.clone(), resources });
        }
    }
    if names != row.names {
        let mut batch = Batch::default();
        batch.put(Space::System, keys::types(), records::encode(&Row { names: names.clone() }));
        commit_plain(engine, batch).await?;
    }
    Ok(names)
}

impl Store {
    /// Whether these schemas are others than when this was asked last; never on a new store. From
    /// now on they are the known ones.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn schemas_changed(&self) -> Result<bool, StoreError> {
        let fingerprint = fingerprint(&self.schemas);
        let known = self.get_one(Space::System, keys::schemas()).await?;
        if known.as_deref() == Some(fingerprint.as_slice()) {
            return Ok(false);
        }
        let mut batch = Batch::default();
        batch.put(Space::System, keys::schemas(), fingerprint);
        commit_plain(&*self.engine, batch).await?;
        Ok(known.is_some())
    }
}

/// A hash of everything that decides whether a resource fits: not of descriptions, and not of the
/// order in which schemas and types were read.
fn fingerprint(schemas: &Schemas) -> Vec<u8> {
    let all = discovery::schemas(schemas, "").into_iter().chain(discovery::resource_types(schemas, ""));
    let mut told: Vec<String> = all.map(|resource| plain(Value::Object(resource)).to_string()).collect();
    told.sort_unstable();
    let mut hash = Sha256::new();
    for text in told {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text);
    }
    hash.finalize().to_vec()
}

fn plain(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let told = fields.into_iter().filter(|(name, _)| name != "description");
            told.map(|(name, value)| (name, plain(value))).collect()
        }
        Value::Array(values) => values.into_iter().map(plain).collect(),
        value => value,
    }
}
