//! `provost check`

use std::process::ExitCode;

use super::{Failure, Place};
use crate::app::outbound;
use crate::clock::Clock;
use crate::listener::Certificates;
use crate::store::{IndexState, Store};

/// The exit code for a store that is sound, and holds resources that no longer fit their schemas.
const UNFIT: u8 = 3;

/// Checks the configuration and its schemas, and the store if one is named. Fails the command if
/// anything is wrong; in its own way if nothing is broken and only the schemas have changed.
pub(super) async fn check(place: &Place) -> Result<ExitCode, Failure> {
    let config = place.load()?;
    let schemas = config.schemas()?;
    config.check_beside(&schemas)?;
    outbound(&config, &Clock::System).await?;
    config.remarks.iter().for_each(|remark| println!("{remark}"));
    for (section, tls) in [("server", &config.server.tls), ("admin", &config.admin.tls)] {
        let read = tls.as_ref().map(|files| Certificates::read(section, files, |_| ())).transpose()?;
        let validity = read.and_then(|read| read.reading().borrow().validity);
        validity.and_then(|it| it.remark(section, Clock::System.now())).iter().for_each(|remark| println!("{remark}"));
    }
    match place.config_file() {
        Some(file) => println!("the configuration `{}` is good", file.display()),
        None => println!("there is no configuration file; the defaults are good"),
    }
    println!("{} schemas and {} resource types", schemas.schemas.len(), schemas.resource_types.len());
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
    for misfit in &report.misfits {
        println!("{misfit}");
    }
    if report.is_cut() {
        println!("there is more than is listed here");
    }
    for index in indexes.iter().filter(|index| index.state != IndexState::Ready) {
        println!("{index}");
    }
    let keys: u64 = report.keys.values().sum();
    println!("the store `{}`: {keys} keys checked, {} findings", data.display(), report.problems);
    println!("{} resources do not fit their schemas", report.unfit);
    Ok(match (report.is_sound(), report.fits()) {
        (true, true) => ExitCode::SUCCESS,
        (true, false) => ExitCode::from(UNFIT),
        (false, _) => ExitCode::FAILURE,
    })
}
