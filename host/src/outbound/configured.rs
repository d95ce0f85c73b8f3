//! `[outbound]`: what the operator says of every request that leaves this server.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::{Certificate, ClientBuilder, NoProxy, Proxy, Url};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde::Deserialize;

use crate::limits;

/// `[outbound]`
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OutboundConfig {
    /// The HTTP proxy that requests go through: `http://proxy:3128`. The proxy then resolves names, so
    /// that only addresses written out as such are held to be public.
    pub proxy: Option<String>,
    /// Hosts that are reached without it: names with all below them, addresses, networks.
    pub no_proxy: Vec<String>,
    /// Certificate authorities that are trusted beside the system's, in PEM.
    pub ca_file: Option<PathBuf>,
    /// How long resolving and connecting may take, in milliseconds.
    pub connect_ms: u64,
    /// How long any request may take, in milliseconds, whatever a plugin asks for.
    pub timeout_ms: u64,
}

impl Default for OutboundConfig {
    fn default() -> Self {
        Self {
            proxy: None,
            no_proxy: Vec::new(),
            ca_file: None,
            connect_ms: limits::HTTP_CONNECT_MILLIS_MAX,
            timeout_ms: limits::DELIVERY_MILLIS_MAX,
        }
    }
}

impl std::fmt::Debug for OutboundConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // A proxy's URL may hold a password.
        f.debug_struct("OutboundConfig").field("proxied", &self.proxy.is_some()).finish_non_exhaustive()
    }
}

/// `[outbound]` as it was found good: two that are equal make clients that do the same.
#[derive(Clone, Default, PartialEq)]
pub(super) struct Settings {
    proxy: Option<(Url, String)>,
    ca_file: Option<PathBuf>,
    /// What stood in that file.
    authorities: Vec<CertificateDer<'static>>,
    connect: Option<Duration>,
    /// How long any request may take.
    pub(super) timeout: Option<Duration>,
}

impl OutboundConfig {
    /// Checks everything that can be told without reading a file.
    ///
    /// # Errors
    /// The key behind `outbound`, and what was expected.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        if let Some(proxy) = &self.proxy {
            let url =
                Url::parse(proxy).ok().filter(|url| url.scheme() == "http" && url.has_host() && url.path() == "/");
            if url.is_none() {
                return Err(("proxy", "expected a URL like `http://proxy.example.org:3128`".to_owned()));
            }
        } else if !self.no_proxy.is_empty() {
            return Err(("no_proxy", "has no effect without `outbound.proxy`".to_owned()));
        }
        if self.no_proxy.iter().any(|host| host.trim().is_empty() || host.contains(',')) {
            return Err(("no_proxy", "expected a list of hosts, addresses or networks".to_owned()));
        }
        for (key, millis, ceiling) in [
            ("connect_ms", self.connect_ms, limits::HTTP_CONNECT_MILLIS_MAX),
            ("timeout_ms", self.timeout_ms, limits::DELIVERY_MILLIS_MAX),
        ] {
            if millis == 0 || millis > ceiling {
                return Err((key, format!("expected at least 1 and at most {ceiling}")));
            }
        }
        Ok(())
    }

    /// Lets a file that is named relatively begin in this directory.
    pub fn relative_to(&mut self, directory: &Path) {
        if let Some(file) = &mut self.ca_file {
            *file = directory.join(&file);
        }
    }

    /// Reads what has to be read.
    ///
    /// # Errors
    /// The key behind `outbound`, and what is wrong with it.
    pub(super) fn settings(&self) -> Result<Settings, (&'static str, String)> {
        self.check()?;
        let proxy = self.proxy.as_deref().and_then(|proxy| Url::parse(proxy).ok());
        let authorities = self.ca_file.as_deref().map(authorities).transpose().map_err(|text| ("ca_file", text))?;
        Ok(Settings {
            proxy: proxy.map(|proxy| (proxy, self.no_proxy.join(","))),
            ca_file: self.ca_file.clone(),
            authorities: authorities.unwrap_or_default(),
            connect: Some(Duration::from_millis(self.connect_ms)),
            timeout: Some(Duration::from_millis(self.timeout_ms)),
        })
    }
}

impl Settings {
    /// The name of the proxy, which may lie in the private network while other names may not.
    pub(super) fn proxy_name(&self) -> Option<&str> {
        self.proxy.as_ref().and_then(|(url, _)| url.domain())
    }

    /// The file with the authorities.
    pub(super) fn file(&self) -> Option<&Path> {
        self.ca_file.as_deref()
    }

    /// Puts these settings on a client.
    pub(super) fn on(&self, mut builder: ClientBuilder) -> reqwest::Result<ClientBuilder> {
        if let Some((proxy, direct)) = &self.proxy {
            builder = builder.proxy(Proxy::all(proxy.clone())?.no_proxy(NoProxy::from_string(direct)));
        }
        if !self.authorities.is_empty() {
            let authorities: reqwest::Result<Vec<_>> =
                self.authorities.iter().map(|der| Certificate::from_der(der)).collect();
            builder = builder.tls_certs_merge(authorities?);
        }
        if let Some(connect) = self.connect {
            builder = builder.connect_timeout(connect);
        }
        Ok(builder)
    }
}

/// The authorities in a file; at least one.
fn authorities(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let wrong = |why: &str| format!("the file `{}` {why}", file.display());
    let bytes = fs::read(file).map_err(|error| wrong(&format!("cannot be read: {error}")))?;
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    let all = all.map_err(|_| wrong("is no PEM: a certificate in it is cut off or not base64"))?;
    if all.is_empty() {
        return Err(wrong("holds no certificate in PEM"));
    }
    let mut roots = rustls::RootCertStore::empty();
    for certificate in &all {
        let refused = |_| wrong("holds a certificate that cannot be an authority's");
        roots.add(certificate.clone()).map_err(refused)?;
    }
    Ok(all)
}
