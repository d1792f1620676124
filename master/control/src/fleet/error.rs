//! What can go wrong before a host is asked.

use explain::Explain;
use store::StoreError;

/// Why no host can be asked.
#[derive(Debug, thiserror::Error)]
pub enum FleetError {
    /// The master's own identity cannot be used.
    #[error("use the master's identity")]
    Identity(#[from] pki::IdentityError),
    /// The store does not answer.
    #[error("read what is known of the fleet")]
    Store(#[from] StoreError),
}

impl Explain for FleetError {}
