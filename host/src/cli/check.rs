//! `provost check`

use std::process::ExitCode;
use std::sync::Arc;

use provost_scim::Schemas;

use super::{Failure, Place};
use crate::store::Store;

/// Checks the configuration, and the store if one is named. Fails the command if anything is wrong.
pub(super) async fn check(place: &Place) -> Result<ExitCode, Failure> {
    let config = place.load()?;
    match place.config_file() {
        Some(file) => println!("the configuration `{}` is good", file.display()),
        None => println!("there is no configuration file; the defaults are good"),
    }
    let Some(data) = &place.data else { return Ok(ExitCode::SUCCESS) };
    if !data.is_dir() {
        return Err(format!("there is no data directory `{}`", data.display()).into());
    }
    let schemas = Arc::new(Schemas::standard());
    let opened = Store::open(&config.store.at(data, &schemas), schemas).await?;
    let report = opened.check().await?;
    opened.close().await;
    for finding in &report.findings {
        println!("{finding}");
    }
    let keys: u64 = report.keys.values().sum();
    println!("the store `{}`: {keys} keys checked, {} findings", data.display(), report.problems);
    Ok(if report.is_sound() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
