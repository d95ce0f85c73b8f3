//! `provost store copy`

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;

use super::{Failure, Place};
use crate::app::ADMIN_TOKEN_FILE;
use crate::store::{self, CopyError, EngineName, StoreConfig};

/// What can be done with a store that no server has open.
#[derive(Debug, Subcommand)]
pub(super) enum StoreCommand {
    /// Copy a store to an empty directory, to the other engine if no other is named, and verify the
    /// copy. No server may run on either.
    Copy {
        /// The data directory to copy.
        #[arg(long, value_name = "DIR")]
        from: PathBuf,
        /// Where the copy goes: an empty directory, or one that is not there yet.
        #[arg(long, value_name = "DIR")]
        to: PathBuf,
        /// The engine that keeps the copy, `sled` or `fjall`.
        #[arg(long, value_name = "ENGINE")]
        engine: Option<EngineName>,
    },
}

/// Copies, telling of each space, and says how the copy is used.
pub(super) async fn run(place: &Place, command: StoreCommand) -> Result<ExitCode, Failure> {
    let StoreCommand::Copy { from, to, engine } = command;
    let config = place.load()?;
    let schemas = config.schemas()?;
    let found = store::engine_of(&from)?;
    let engine = engine.unwrap_or(found.other());
    let target = StoreConfig { engine, ..config.store.as_it_is(&to, &schemas) };
    let copied = store::copy(&from, &target, schemas, &[ADMIN_TOKEN_FILE], |space, moved| {
        println!("{space}\t{} entries\t{} bytes", moved.entries, moved.bytes);
    })
    .await;
    match copied {
        Ok(report) => {
            let keys: u64 = report.keys.values().sum();
            println!("`{}` ({found}) is copied to `{}` ({engine}) and verified", from.display(), to.display());
            println!("the store `{}`: {keys} keys checked, 0 findings", to.display());
            println!("to use it, set `store.engine = \"{engine}\"`, and `--data {}`", to.display());
            Ok(ExitCode::SUCCESS)
        }
        Err(CopyError::Unsound { report }) => {
            report.findings.iter().for_each(|finding| println!("{finding}"));
            Err(CopyError::Unsound { report }.into())
        }
        Err(error) => Err(error.into()),
    }
}
