//! `provost check`

use std::process::ExitCode;
use std::sync::Arc;

use provost_scim::Schemas;

use super::{Failure, Place};
use crate::store::{IndexState, Store};

/// Checks the configuration, and the store if one is named. Fails the command if anything is wrong.
pub(super) async fn check(place: &Place) -> Result<ExitCode, Failure> {
    let config = place.load()?;
    let schemas = Arc::new(Schemas::standard());
    config.store.indexes(&schemas)?;
    match place.config_file() {
        Some(file) => println!("the configuration `{}` is good", file.display()),
        None => println!("there is no configuration file; the defaults are good"),
    }
    let Some(data) = &place.data else { return Ok(ExitCode::SUCCESS) };
    if !data.is_dir() {
        return Err(format!("there is no data directory `{}`", data.display()).into());
    }
    let opened = Store::open(&config.store.as_it_is(data, &schemas), schemas).await?;
    let report = opened.check().await?;
    let indexes = opened.indexes().await;
    opened.close().await;
    for finding in &report.findings {
        println!("{finding}");
    }
    for index in indexes.iter().filter(|index| index.state != IndexState::Ready) {
        println!("{index}");
    }
    let keys: u64 = report.keys.values().sum();
    println!("the store `{}`: {keys} keys checked, {} findings", data.display(), report.problems);
    Ok(if report.is_sound() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
