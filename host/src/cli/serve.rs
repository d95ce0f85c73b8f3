//! `provost serve`

use std::net::SocketAddr;
use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};

use super::{Failure, Place};
use crate::app::{ADMIN_TOKEN_FILE, App};
use crate::clock::Clock;
use crate::telemetry;

/// Runs the server until SIGINT or SIGTERM.
pub(super) async fn serve(place: &Place, listen: Option<SocketAddr>, clock: Clock) -> Result<ExitCode, Failure> {
    let mut config = place.load()?;
    if let Some(listen) = listen {
        config.server.listen = listen;
    }
    telemetry::start(&config.log)?;
    let app = App::start(&config, place.data(), clock).await?;
    if let Some(token) = &app.new_admin_token {
        println!("administrator token: {}", token.reveal());
        println!("it is also in {}, and nowhere else", place.data().join(ADMIN_TOKEN_FILE).display());
    }
    println!("serving {}", app.base_url);
    stop_asked().await?;
    app.stop().await;
    Ok(ExitCode::SUCCESS)
}

/// Returns when the process is asked to end.
pub(super) async fn stop_asked() -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted,
        _ = terminate.recv() => Ok(()),
    }
}
