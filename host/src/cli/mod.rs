//! The commands: what can be typed, and which function answers.

mod check;
mod demo;
mod office;
mod plugin;
mod print;
mod serve;
mod store;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use uuid::Uuid;

use crate::admin::{Call, GuardLift, Listing, NewToken, document};
use crate::clock::Clock;
use crate::config::Config;
use crate::context::Scope;
use crate::http::error_chain;

/// The file that is read when nobody names one.
const CONFIG_FILE: &str = "provost.toml";

/// Where data is kept when nobody says.
const DATA_DIR: &str = "provost-data";

/// A programmable SCIM host: SCIM 2.0 in front, sandboxed WebAssembly rules in the write path.
#[derive(Debug, Parser)]
#[command(name = "provost", version, about)]
struct Cli {
    #[command(flatten)]
    place: Place,
    #[command(subcommand)]
    command: Command,
}

/// Which configuration and which data a command means.
#[derive(Debug, Clone, Args)]
struct Place {
    /// The configuration; `provost.toml` in this directory if there is one.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The data directory; `provost-data` in this directory if none is named.
    #[arg(long, global = true, value_name = "DIR")]
    data: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server.
    Serve {
        /// Where SCIM clients connect, whatever the configuration says.
        #[arg(long, value_name = "ADDRESS")]
        listen: Option<std::net::SocketAddr>,
    },
    /// Watch the main job: a transform, a veto, a forward that survives its receiver's death.
    Demo {
        /// End after the story instead of staying up.
        #[arg(long)]
        exit: bool,
    },
    /// Make, list and revoke bearer tokens.
    #[command(subcommand)]
    Token(TokenCommand),
    /// List, check and try plugins.
    #[command(subcommand)]
    Plugin(plugin::PluginCommand),
    /// See which attributes are indexed.
    #[command(subcommand)]
    Index(IndexCommand),
    /// See committed changes.
    #[command(subcommand)]
    Journal(JournalCommand),
    /// See, redrive and drop messages that wait to be delivered.
    #[command(subcommand)]
    Outbox(OutboxCommand),
    /// See the plugins' jobs, and start one now.
    #[command(subcommand)]
    Job(JobCommand),
    /// See and lift the guard against mass deletion and mass deactivation.
    #[command(subcommand)]
    Guard(GuardCommand),
    /// Move a store to another directory and engine.
    #[command(subcommand)]
    Store(store::StoreCommand),
    /// Check the configuration; with `--data DIR`, also walk that store and prove that everything
    /// in it agrees, while no server has it open.
    Check,
    /// Print the description of the admin API, an OpenAPI 3.1 document: for making clients.
    AdminApi,
}

#[derive(Debug, Subcommand)]
enum TokenCommand {
    /// Make a token and show it once.
    Create {
        /// Who will use it.
        name: String,
        /// What it may do; `scim.read` and `scim.write` if none is named, `scim.me` with `--for`.
        #[arg(long = "scope", value_name = "SCOPE")]
        scopes: Vec<Scope>,
        /// Whose it is: the id of the user that `/Me` means for it.
        #[arg(long = "for", value_name = "USER_ID")]
        resource: Option<Uuid>,
        /// What it says of its bearer, such as `sub=ana`.
        #[arg(long = "claim", value_name = "NAME=VALUE", value_parser = claim)]
        claims: Vec<(String, String)>,
        /// After how many days it is worthless.
        #[arg(long)]
        days: Option<u32>,
    },
    /// List the tokens, without their secrets.
    List,
    /// Make a token worthless, at once.
    Revoke {
        /// The token's id, as `list` shows it.
        id: String,
    },
}

#[derive(Debug, Subcommand)]
enum IndexCommand {
    /// List the indexed attributes: ready, building with how many resources are done, or removing.
    List,
}

#[derive(Debug, Subcommand)]
enum GuardCommand {
    /// Show its bounds, what was counted, and whether it is lifted.
    Show,
    /// Let everything pass for a time.
    Lift {
        /// For how many minutes.
        #[arg(long, default_value_t = 10)]
        minutes: u32,
    },
}

#[derive(Debug, Subcommand)]
enum JournalCommand {
    /// Show the last changes.
    Tail {
        /// How many.
        #[arg(short = 'n', long, default_value_t = 20)]
        lines: usize,
        /// Stay, and show changes as they are committed.
        #[arg(short, long)]
        follow: bool,
    },
}

#[derive(Debug, Subcommand)]
enum OutboxCommand {
    /// List waiting messages, oldest first.
    List {
        /// Parked messages only: the dead letters.
        #[arg(long)]
        parked: bool,
        /// How many.
        #[arg(short = 'n', long, default_value_t = 50)]
        lines: usize,
        /// Begin behind this key.
        #[arg(long, value_name = "KEY")]
        after: Option<String>,
    },
    /// Try a parked message again; what waits behind it follows in order.
    Redrive {
        /// The message's key, as `list` shows it.
        key: String,
    },
    /// Give a message up for good.
    Drop {
        /// The message's key, as `list` shows it.
        key: String,
    },
}

#[derive(Debug, Subcommand)]
enum JobCommand {
    /// List the jobs: when they are due, whether they run, how they last ended.
    List,
    /// Start a job now, whatever the clock says; `list` tells how it ended.
    Run {
        /// The plugin's name.
        plugin: String,
        /// The job's name.
        job: String,
    },
}

/// Why a command failed: a sentence for the person at the terminal.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Reads the command line, does what it says, and tells the shell how it went.
pub fn main() -> ExitCode {
    main_at(Clock::System)
}

/// The same, with a clock for `serve` that is the caller's. The `provost` command offers no way to choose it.
pub fn main_at(clock: Clock) -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error),
    };
    match runtime.block_on(run(cli, clock)) {
        Ok(code) => code,
        Err(error) => failed(error.as_ref()),
    }
}

fn failed(error: &dyn std::error::Error) -> ExitCode {
    eprintln!("provost: {}", error_chain(error));
    ExitCode::FAILURE
}

async fn run(Cli { place, command }: Cli, clock: Clock) -> Result<ExitCode, Failure> {
    match command {
        Command::Serve { listen } => serve::serve(&place, listen, clock).await,
        Command::Demo { exit } => demo::demo(exit).await,
        Command::Token(command) => office::ask(&place, command.call(), print::tokens).await,
        Command::Plugin(command) => plugin::run(&place, command).await,
        Command::Index(IndexCommand::List) => office::ask(&place, Call::IndexList, print::indexes).await,
        Command::Journal(JournalCommand::Tail { lines, follow }) => office::tail(&place, lines, follow).await,
        Command::Outbox(command) => office::ask(&place, command.call(), print::outbox).await,
        Command::Job(command) => office::ask(&place, command.call(), print::jobs).await,
        Command::Guard(command) => office::ask(&place, command.call(), print::guard).await,
        Command::Store(command) => store::run(&place, command).await,
        Command::Check => check::check(&place).await,
        Command::AdminApi => {
            std::io::stdout().write_all(document().as_bytes())?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

impl TokenCommand {
    fn call(self) -> Call {
        match self {
            Self::Create { name, scopes, resource, claims, days } => {
                let scopes = match (scopes.is_empty(), resource) {
                    (false, _) => scopes,
                    (true, None) => vec![Scope::Read, Scope::Write],
                    (true, Some(_)) => vec![Scope::Me],
                };
                Call::TokenCreate(NewToken { name, scopes, days, resource, claims: claims.into_iter().collect() })
            }
            Self::List => Call::TokenList,
            Self::Revoke { id } => Call::TokenRevoke { id },
        }
    }
}

fn claim(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE, such as sub=ana".to_owned()),
    }
}

impl GuardCommand {
    fn call(self) -> Call {
        match self {
            Self::Show => Call::GuardShow,
            Self::Lift { minutes } => Call::GuardLift(GuardLift { minutes }),
        }
    }
}

impl OutboxCommand {
    fn call(self) -> Call {
        match self {
            Self::List { parked, lines, after } => {
                Call::OutboxList(Listing { after, limit: Some(lines), parked: Some(parked) })
            }
            Self::Redrive { key } => Call::OutboxRedrive { key },
            Self::Drop { key } => Call::OutboxDrop { key },
        }
    }
}

impl JobCommand {
    fn call(self) -> Call {
        match self {
            Self::List => Call::JobList,
            Self::Run { plugin, job } => Call::JobRun { plugin, job },
        }
    }
}

impl Place {
    /// The file that is meant: the one named, or `provost.toml` here if there is one.
    fn config_file(&self) -> Option<PathBuf> {
        self.config.clone().or_else(|| Some(PathBuf::from(CONFIG_FILE)).filter(|file| file.exists()))
    }

    fn load(&self) -> Result<Config, Failure> {
        Ok(Config::load(self.config_file().as_deref())?)
    }

    fn data(&self) -> &Path {
        self.data.as_deref().unwrap_or(Path::new(DATA_DIR))
    }
}
