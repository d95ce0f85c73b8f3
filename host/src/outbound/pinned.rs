//! A client for one server that is known by its very certificate, not by a name and an authority.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use sha2::{Digest as _, Sha256};

/// A certificate and its key, in PEM: what a client shows where one is asked for.
pub struct ClientIdentity {
    /// The certificate, and behind it those that lead to its authority.
    pub certificate: Vec<u8>,
    /// The private key.
    pub key: Vec<u8>,
}

/// TLS with a server whose certificate has one of these SHA-256 digests, in hexadecimal.
///
/// # Errors
/// What is wrong with the identity.
pub(super) fn config(pins: Vec<String>, identity: Option<&ClientIdentity>) -> Result<ClientConfig, &'static str> {
    let provider = Arc::new(ring::default_provider());
    let algorithms = provider.signature_verification_algorithms;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring has suites for TLS 1.2 and 1.3")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Pinned { pins, algorithms }));
    let Some(ClientIdentity { certificate, key }) = identity else { return Ok(builder.with_no_client_auth()) };
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(certificate).collect();
    let chain = chain.ok().filter(|chain| !chain.is_empty()).ok_or("the certificate's file holds no certificate")?;
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| "the key's file holds no private key")?;
    builder.with_client_auth_cert(chain, key).map_err(|_| "certificate and key do not go together")
}

/// Takes the certificates it knows and no other; whoever shows one must also have its key.
#[derive(Debug)]
struct Pinned {
    pins: Vec<String>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let digest: String = Sha256::digest(end_entity).iter().map(|byte| format!("{byte:02x}")).collect();
        match self.pins.contains(&digest) {
            true => Ok(ServerCertVerified::assertion()),
            false => Err(rustls::Error::General("whoever listens there shows another certificate".to_owned())),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
