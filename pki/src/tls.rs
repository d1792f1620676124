//! What all TLS configurations here share: the crypto provider and the protocol version.
//!
//! The provider is always passed on, never installed for the process.

use std::sync::Arc;

use protocol::HostName;
use rustls::SupportedProtocolVersion;
use rustls::client::VerifierBuilderError;
use rustls::crypto::{CryptoProvider, ring};

use crate::Role;

/// TLS 1.3 and nothing older.
pub(crate) const VERSIONS: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13];

/// What is spoken inside (RFC 7301).
pub(crate) const HTTP_1_1: &[u8] = b"http/1.1";

pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// Why a TLS configuration could not be made.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// No fingerprint was recorded for the host, so that any updater of the fleet could pose as it.
    #[error("trust the updater of {0}: no fingerprint of its certificate is recorded")]
    NotPinned(HostName),
    /// The host's name cannot be dialled.
    #[error("dial {0} by its name")]
    NoServerName(HostName),
    /// The server's own certificate is for something else.
    #[error("serve as an updater: our own certificate is for {0}")]
    NotAnUpdater(Role),
    /// The CA cannot be used.
    #[error("use the CA to verify the other side")]
    Verifier(#[from] VerifierBuilderError),
    /// rustls does not take the configuration.
    #[error("put a TLS configuration together")]
    Tls(#[from] rustls::Error),
}
