//! The schemas and resource types of the configuration, read from the operator's files.
//!
//! Here is the reading only; what the files may say, and how it becomes [`Schemas`], is
//! [`definition`]'s. Every mistake of every file is told at once, and with any of them nothing is
//! taken: a server never runs on half of its schemas.

use std::fmt;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use provost_scim::Schemas;
use provost_scim::definition::{self, Document, Mistake};

use crate::limits::{SCHEMA_FILE_BYTES_MAX, SCHEMA_FILES_MAX};

/// How many mistakes are told one by one.
const MISTAKES_TOLD_MAX: usize = 100;

/// The schemas cannot be used; nothing was started.
#[derive(Debug, thiserror::Error)]
pub struct BadSchemas {
    mistakes: Vec<Mistake>,
}

impl fmt::Display for BadSchemas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the schemas of the configuration are wrong:")?;
        for mistake in self.mistakes.iter().take(MISTAKES_TOLD_MAX) {
            write!(f, "\n  {mistake}")?;
        }
        match self.mistakes.len().checked_sub(MISTAKES_TOLD_MAX) {
            None | Some(0) => Ok(()),
            Some(more) => write!(f, "\n  and {more} more"),
        }
    }
}

/// The standard's schemas together with those of these files. A directory stands for the `.json`
/// files directly in it, in the order of their names.
///
/// # Errors
/// Every mistake in every file: which file, which attribute, and why.
pub fn load(schemas: &[PathBuf], resource_types: &[PathBuf]) -> Result<Schemas, BadSchemas> {
    let mut mistakes = Vec::new();
    let schemas = documents(schemas, &mut mistakes);
    let resource_types = documents(resource_types, &mut mistakes);
    let read = definition::read(&schemas, &resource_types);
    match (read, mistakes.is_empty()) {
        (Ok(schemas), true) => Ok(schemas),
        (read, _) => {
            mistakes.extend(read.err().unwrap_or_default());
            Err(BadSchemas { mistakes })
        }
    }
}

fn documents(paths: &[PathBuf], mistakes: &mut Vec<Mistake>) -> Vec<Document> {
    let mut files = Vec::new();
    for path in paths {
        match files_at(path) {
            Ok(found) => files.extend(found),
            Err(reason) => mistakes.push(mistake(path, reason)),
        }
    }
    if let Some(over) = files.get(SCHEMA_FILES_MAX) {
        mistakes.push(mistake(over, format!("there are more than {SCHEMA_FILES_MAX} files")));
        files.truncate(SCHEMA_FILES_MAX);
    }
    let mut documents = Vec::new();
    for file in files {
        match bytes(&file).map(|bytes| Document::parse(file.display().to_string(), &bytes)) {
            Ok(Ok(document)) => documents.push(document),
            Ok(Err(wrong)) => mistakes.push(wrong),
            Err(reason) => mistakes.push(mistake(&file, reason)),
        }
    }
    documents
}

fn files_at(path: &Path) -> Result<Vec<PathBuf>, String> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let unreadable = |error| format!("this directory cannot be read: {error}");
    let mut files = Vec::new();
    for entry in fs::read_dir(path).map_err(unreadable)? {
        let file = entry.map_err(unreadable)?.path();
        if file.extension().is_some_and(|extension| extension == "json") && !file.is_dir() {
            files.push(file);
        }
    }
    files.sort();
    match files.is_empty() {
        true => Err("there is no `.json` file in this directory".to_owned()),
        false => Ok(files),
    }
}

fn bytes(file: &Path) -> Result<Vec<u8>, String> {
    let unreadable = |error| format!("cannot be read: {error}");
    let mut bytes = Vec::new();
    let bound = SCHEMA_FILE_BYTES_MAX as u64 + 1;
    fs::File::open(file).map_err(unreadable)?.take(bound).read_to_end(&mut bytes).map_err(unreadable)?;
    match bytes.len() > SCHEMA_FILE_BYTES_MAX {
        true => Err(format!("is larger than {SCHEMA_FILE_BYTES_MAX} bytes")),
        false => Ok(bytes),
    }
}

fn mistake(file: &Path, reason: impl Into<String>) -> Mistake {
    Mistake { file: file.display().to_string(), path: String::new(), reason: reason.into() }
}
