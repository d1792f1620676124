//! Who may speak: the CA, roles, certificates, and the TLS configurations made of them.
//!
//! Knows nothing of updates, of HTTP and of who may call which route. Never installs a process-wide
//! crypto provider, never reads a clock (times are parameters) and never overwrites a file.
//!
//! Who may prove what:
//!
//! | role | usage | names in the certificate besides the role |
//! |---|---|---|
//! | `master`, `monitor/<name>` | client | none |
//! | `updater/<host>` | server: its API; client: its HTTPS probes | the host's |
//! | `agent/<host>` | server: its health; client: reads its own updater's `/health` | the host's, `localhost`, 127.0.0.1 |
//!
//! What a usage cannot say, the role does: it is checked in the handshake, by verifiers that wrap
//! those of rustls, and again by each route.
//!
//! Join tokens, certificate requests, renewal and revocation lists belong here too: tokens and
//! requests beside [`Authority`], which signs; lists beside the verifiers in [`server_config`].

#![warn(missing_docs)]

mod bundle;
mod certificate_authority;
mod client;
mod files;
mod fingerprint;
mod handshake;
mod identity;
mod issue;
mod peer;
mod probe;
mod role;
mod server;
#[cfg(test)]
mod testing;
mod tls;

pub use bundle::{Bundle, PrivatePem, place_updater, replace_bundle, write_bundles};
pub use certificate_authority::{Authority, AuthorityError};
pub use client::{server_name, updater_client_config};
pub use files::{FileError, IdentityFiles, check_key, read_key};
pub use fingerprint::{Fingerprint, FingerprintError};
pub use handshake::{HandshakeError, Refusal};
pub use identity::{Credentials, Identity, IdentityError, Paths};
pub use issue::{AltName, AltNameError, DEFAULT_LIFETIME, Issued, Request};
pub use peer::{Peer, PeerError, peer_of};
pub use probe::{ProbeTrust, probe_client_config};
pub use role::{Fleet, MonitorName, Role, RoleUri, RoleUriError, WordError};
pub use server::server_config;
pub use tls::TlsError;
