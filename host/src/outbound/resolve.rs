//! From a name to the addresses a connection may go to: the client never sees another.

use std::net::SocketAddr;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::OutboundError;
use super::address::{Reach, refusal};
use crate::limits;

/// Who knows the addresses of a name.
#[derive(Debug, Clone)]
pub(super) enum Names {
    /// The operating system.
    System,
    /// A table, for tests.
    #[cfg(test)]
    Table(std::sync::Arc<std::collections::HashMap<&'static str, Vec<std::net::IpAddr>>>),
    /// Another address at every look, for tests.
    #[cfg(test)]
    Turns(std::sync::Arc<std::sync::Mutex<Vec<std::net::IpAddr>>>),
}

impl Names {
    async fn look_up(&self, name: &str) -> Result<Vec<SocketAddr>, OutboundError> {
        match self {
            Self::System => {
                let found = tokio::net::lookup_host((name, 0)).await;
                let found = found.map_err(|error| OutboundError::Dns(error.to_string()))?;
                Ok(found.take(limits::HTTP_ADDRESSES_MAX).collect())
            }
            #[cfg(test)]
            Self::Table(table) => {
                let found = table.get(name).cloned().unwrap_or_default();
                Ok(found.into_iter().map(|address| SocketAddr::new(address, 0)).collect())
            }
            #[cfg(test)]
            Self::Turns(addresses) => {
                let next = addresses.lock().expect("no test panics here").pop();
                Ok(next.into_iter().map(|address| SocketAddr::new(address, 0)).collect())
            }
        }
    }
}

/// Resolves names, and keeps back the addresses that are out of reach.
#[derive(Debug)]
pub(super) struct Resolver {
    reach: Reach,
    names: Names,
    /// The operator's own proxy, which may lie anywhere.
    proxy: Option<String>,
}

impl Resolver {
    pub(super) fn new(reach: Reach, names: Names, proxy: Option<&str>) -> Self {
        Self { reach, names, proxy: proxy.map(str::to_owned) }
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let is_proxy = self.proxy.as_deref() == Some(name.as_str());
        let reach = if is_proxy { Reach::Private } else { self.reach };
        let names = self.names.clone();
        Box::pin(async move {
            let found = names.look_up(name.as_str()).await?;
            let (inside, outside): (Vec<_>, Vec<_>) = found.into_iter().partition(|a| reach.includes(a.ip()));
            match (inside.is_empty(), outside.first()) {
                (false, _) => Ok(Box::new(inside.into_iter()) as Addrs),
                (true, Some(address)) => Err(refusal(address.ip()).into()),
                (true, None) => Err(OutboundError::Dns("the name has no address".into()).into()),
            }
        })
    }
}
