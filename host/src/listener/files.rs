//! The files of a certificate: what the operator names, and what is made of it.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{InconsistentKeys, RootCertStore, ServerConfig, version};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use tracing::warn;

use super::validity::Validity;
use crate::limits;

/// `[server.tls]` and `[admin.tls]`: files in PEM, relative to the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsFiles {
    /// The server's certificate, and behind it those that lead to its authority.
    pub certificate: PathBuf,
    /// Its private key: PKCS#8, PKCS#1 or SEC1, not encrypted.
    pub key: PathBuf,
    /// The authorities that clients must have a certificate of; absent if they need none.
    #[serde(default)]
    pub client_ca: Option<PathBuf>,
    /// The oldest version of TLS that is spoken.
    #[serde(default)]
    pub min_version: TlsVersion,
}

impl TlsFiles {
    /// Lets every file that is named relatively begin in this directory.
    pub fn relative_to(&mut self, directory: &Path) {
        for file in [&mut self.certificate, &mut self.key].into_iter().chain(&mut self.client_ca) {
            *file = directory.join(&file);
        }
    }

    /// The files that are read.
    pub(super) fn all(&self) -> impl Iterator<Item = &Path> {
        [&self.certificate, &self.key].into_iter().chain(&self.client_ca).map(PathBuf::as_path)
    }
}

/// The versions of TLS that can be the oldest one spoken (RFC 7644 section 7.2 wants 1.2 at least).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub enum TlsVersion {
    /// 1.2 and 1.3.
    #[default]
    #[serde(rename = "1.2")]
    Tls12,
    /// 1.3 only.
    #[serde(rename = "1.3")]
    Tls13,
}

/// The files of a certificate cannot be used. Nothing in the text comes out of a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{section}.tls.{key}`: the file `{}` {reason}", .file.display())]
pub struct TlsError {
    /// `server` or `admin`.
    pub section: &'static str,
    /// Which key of the table.
    pub key: &'static str,
    /// The file that it names.
    pub file: PathBuf,
    /// What is wrong, and what was expected.
    pub reason: String,
}

/// What the files hold, ready to be shown.
pub(super) struct Loaded {
    pub(super) config: Arc<ServerConfig>,
    /// The SHA-256 of the server's own certificate, in hexadecimal.
    pub(super) pin: String,
    /// Tells whether any file has changed.
    pub(super) digest: [u8; 32],
    /// From when until when the server's own certificate is good.
    pub(super) validity: Option<Validity>,
}

/// Reads the files and checks that they go together.
///
/// # Errors
/// The key, its file, and what is wrong with it.
pub(super) fn load(section: &'static str, files: &TlsFiles) -> Result<Loaded, TlsError> {
    let wrong = |key: &'static str, file: &Path, reason: &str| TlsError {
        section,
        key,
        file: file.to_owned(),
        reason: reason.to_owned(),
    };
    let mut digest = Sha256::new();
    let mut read = |key: &'static str, file: &Path| -> Result<Vec<u8>, TlsError> {
        let bytes = contents(file).map_err(|reason| wrong(key, file, &reason))?;
        digest.update((bytes.len() as u64).to_be_bytes());
        digest.update(&bytes);
        Ok(bytes)
    };

    let chain_bytes = read("certificate", &files.certificate)?;
    let chain = certificates(&chain_bytes).map_err(|reason| wrong("certificate", &files.certificate, reason))?;
    let key_bytes = read("key", &files.key)?;
    let no_key = "holds no private key; expected PKCS#8, PKCS#1 or SEC1 in PEM, not encrypted";
    let key = PrivateKeyDer::from_pem_slice(&key_bytes).map_err(|_| wrong("key", &files.key, no_key))?;
    warn_if_public(section, &files.key);

    let versions: &[&rustls::SupportedProtocolVersion] = match files.min_version {
        TlsVersion::Tls12 => &[&version::TLS12, &version::TLS13],
        TlsVersion::Tls13 => &[&version::TLS13],
    };
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(versions)
        .expect("ring has suites for TLS 1.2 and 1.3");
    let builder = match &files.client_ca {
        None => builder.with_no_client_auth(),
        Some(file) => {
            let bytes = read("client_ca", file)?;
            let mut roots = RootCertStore::empty();
            for certificate in certificates(&bytes).map_err(|reason| wrong("client_ca", file, reason))? {
                let refused = "holds a certificate that cannot be an authority's";
                roots.add(certificate).map_err(|_| wrong("client_ca", file, refused))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.map_err(|e| wrong("client_ca", file, &e.to_string()))?)
        }
    };

    let pin = hexadecimal(&Sha256::digest(&chain[0]));
    let validity = Validity::of(&chain[0]);
    let mut config = builder.with_single_cert(chain, key).map_err(|error| match error {
        rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
            let reason = format!("is not the key of the certificate in `{}`", files.certificate.display());
            wrong("key", &files.key, &reason)
        }
        rustls::Error::InvalidCertificate(_) => {
            wrong("certificate", &files.certificate, "begins with something that is no X.509 certificate")
        }
        _ => wrong("key", &files.key, "holds a key that cannot be used; expected RSA, ECDSA (P-256, P-384) or Ed25519"),
    })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Loaded { config: Arc::new(config), pin, digest: digest.finalize().into(), validity })
}

/// The SHA-256 in hexadecimal.
fn hexadecimal(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The certificates in a PEM file, in their order; at least one.
fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, &'static str> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match all {
        Ok(all) if all.is_empty() => Err("holds no certificate in PEM"),
        Ok(all) => Ok(all),
        Err(_) => Err("is no PEM: a certificate in it is cut off or not base64"),
    }
}

fn contents(file: &Path) -> Result<Vec<u8>, String> {
    let cannot = |error: std::io::Error| format!("cannot be read: {error}");
    let mut bytes = Vec::new();
    let bound = limits::TLS_FILE_BYTES_MAX;
    fs::File::open(file).and_then(|file| file.take(bound + 1).read_to_end(&mut bytes)).map_err(cannot)?;
    if bytes.len() as u64 > bound {
        return Err(format!("is larger than {bound} bytes, and so no certificate or key"));
    }
    Ok(bytes)
}

fn warn_if_public(section: &str, key: &Path) {
    if fs::metadata(key).is_ok_and(|metadata| metadata.permissions().mode() & 0o004 != 0) {
        warn!(
            "the private key `{}` of `{section}.tls` can be read by everybody on this machine; `chmod 600` ends that",
            key.display()
        );
    }
}
