//! Where an operator's call goes: to the running server's admin API, or, where none runs, to a
//! desk of our own over the store. A store belongs to one process at a time.

use std::fs;
use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::{Failure, Place, print};
use crate::admin::{self, Call, Desk, Listing};
use crate::app::{ADMIN_ADDRESS_FILE, ADMIN_PINS_FILE, ADMIN_TOKEN_FILE};
use crate::clock::Clock;
use crate::outbound::{ClientIdentity, Grant, Method, Outbound, OutboundError, Policy, Request};
use crate::store::Store;

/// How long a running server may take to answer, in seconds.
const ANSWER_SECONDS_MAX: u64 = 30;

/// How large its answer may be, in bytes.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;

/// How often `--follow` looks, in milliseconds.
const FOLLOW_MILLIS: u64 = 500;

/// One of the two ways to an answer.
enum Office {
    Server(Client),
    Store(Desk),
}

/// Asks, and prints what comes back.
pub(super) async fn ask(place: &Place, call: Call, show: fn(&Value)) -> Result<ExitCode, Failure> {
    let office = Office::find(place).await?;
    show(&office.answer(call).await?);
    office.close().await;
    Ok(ExitCode::SUCCESS)
}

/// `provost journal tail`
pub(super) async fn tail(place: &Place, lines: usize, follow: bool) -> Result<ExitCode, Failure> {
    let office = Office::find(place).await?;
    let mut listing = Listing { limit: Some(lines), ..Listing::default() };
    loop {
        let shown = office.answer(Call::Journal(listing.clone())).await?;
        print::journal(&shown);
        if let Some(last) = shown["entries"].as_array().and_then(|entries| entries.last()) {
            listing.after = Some(last["sequence"].to_string());
        }
        if !follow {
            office.close().await;
            return Ok(ExitCode::SUCCESS);
        }
        // Behind the first look come all that follow, from the beginning if there was nothing yet.
        listing = Listing { after: Some(listing.after.unwrap_or_else(|| "0".to_owned())), ..Listing::default() };
        tokio::time::sleep(Duration::from_millis(FOLLOW_MILLIS)).await;
    }
}

impl Office {
    async fn find(place: &Place) -> Result<Self, Failure> {
        let data = place.data();
        if !data.is_dir() {
            return Err(format!(
                "there is no data directory `{}`; `--data DIR` names another, `provost serve` makes one",
                data.display()
            )
            .into());
        }
        if let Some(client) = Client::find(place, data)?
            && client.is_there().await
        {
            return Ok(Self::Server(client));
        }
        let config = place.load()?;
        let schemas = config.schemas()?;
        let store = Store::open(&config.store.as_it_is(data, &schemas), schemas).await?;
        Ok(Self::Store(Desk::offline(Arc::new(store), Clock::System)))
    }

    async fn answer(&self, call: Call) -> Result<Value, Failure> {
        match self {
            Self::Server(client) => client.send(&call).await,
            Self::Store(desk) => Ok(desk.answer(&admin::local(&Clock::System), call).await?),
        }
    }

    async fn close(self) {
        if let Self::Store(desk) = self {
            desk.store().close().await;
        }
    }
}

/// Speaks to a running server's admin API.
struct Client {
    base: String,
    token: String,
    outbound: Outbound,
    grant: Grant,
}

impl Client {
    /// The server that says it runs on this data directory, if one does.
    fn find(place: &Place, data: &Path) -> Result<Option<Self>, Failure> {
        let Some(address) = read_line(&data.join(ADMIN_ADDRESS_FILE))? else { return Ok(None) };
        let token = read_line(&data.join(ADMIN_TOKEN_FILE))?.ok_or_else(|| {
            format!("`{}` is missing; it holds the token for the running server", data.join(ADMIN_TOKEN_FILE).display())
        })?;
        let safe = address.starts_with("https://");
        let base = if safe { address } else { format!("http://{address}") };
        let outbound = if safe { Self::pinned(place, data)? } else { Outbound::new() };
        let methods = vec![Method::Get, Method::Post, Method::Delete];
        let grant = Grant { origin: base.clone().try_into()?, methods, private: true };
        Ok(Some(Self { base, token, outbound, grant }))
    }

    /// Trusts the certificate that the running server shows and no other, whatever name is in it.
    fn pinned(place: &Place, data: &Path) -> Result<Outbound, Failure> {
        // Without the file nobody is trusted: a server that was killed may have left only its address.
        let pins = read_line(&data.join(ADMIN_PINS_FILE))?.unwrap_or_default().lines().map(str::to_owned).collect();
        let identity = place.load()?.admin.client.map(|files| -> Result<_, Failure> {
            let read = |file: &Path| fs::read(file).map_err(|e| format!("`{}` cannot be read: {e}", file.display()));
            Ok(ClientIdentity { certificate: read(&files.certificate)?, key: read(&files.key)? })
        });
        let identity = identity.transpose()?;
        Ok(Outbound::pinned(pins, identity.as_ref()).map_err(|problem| format!("`admin.client`: {problem}"))?)
    }

    /// Whether anybody listens; after a kill the address may be a dead one.
    async fn is_there(&self) -> bool {
        !matches!(self.request(&Call::TokenList).await, Err(OutboundError::Connect(_)))
    }

    async fn send(&self, call: &Call) -> Result<Value, Failure> {
        let response = self.request(call).await.map_err(|error| match error {
            OutboundError::Tls(why) | OutboundError::Closed(why) if self.base.starts_with("https://") => format!(
                "no TLS connection to the running server: {why}; where `admin.tls.client_ca` is set, the commands \
                 need `admin.client` in the configuration"
            )
            .into(),
            other => Failure::from(other),
        })?;
        let answer: Value = serde_json::from_slice(&response.body)?;
        match response.status {
            200..=299 => Ok(answer),
            401 => Err("the running server does not know the token in `admin.token`".into()),
            _ => Err(answer["detail"].as_str().unwrap_or("the running server could not answer").to_owned().into()),
        }
    }

    async fn request(&self, call: &Call) -> Result<crate::outbound::Response, OutboundError> {
        let wire = call.wire();
        let headers = vec![
            ("authorization".to_owned(), format!("Bearer {}", self.token)),
            ("content-type".to_owned(), "application/json".to_owned()),
        ];
        let body = wire.body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
        let request = Request {
            method: wire.method.to_owned(),
            url: format!("{}{}", self.base, wire.path),
            headers,
            body,
            credential: None,
        };
        let policy = Policy {
            grants: std::slice::from_ref(&self.grant),
            secrets: &[],
            timeout: Duration::from_secs(ANSWER_SECONDS_MAX),
            answer_bytes_max: ANSWER_BYTES_MAX,
        };
        self.outbound.send(request, &policy).await
    }
}

fn read_line(file: &Path) -> Result<Option<String>, Failure> {
    match fs::read_to_string(file) {
        Ok(text) => Ok(Some(text.trim().to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("`{}` cannot be read: {error}", file.display()).into()),
    }
}
