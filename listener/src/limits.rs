//! What connections may take.

use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit};

/// What connections may take: how many there are, and how long each may keep silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections of each of the four kinds (no hello yet, no certificate yet, masters, others).
    pub connections: usize,
    /// From the first byte to the end of the TLS handshake.
    pub handshake_timeout: Duration,
    /// For the head of a request.
    pub header_timeout: Duration,
    /// For a peer that stops to read, and for the rest of what a refused one sends.
    pub body_timeout: Duration,
}

impl Limits {
    /// The size of each of the four pools. What else the program opens must never fail because of
    /// connections: together they get four fifths of the descriptors at most.
    pub(crate) fn pool_size(&self) -> usize {
        let wanted = self.connections;
        let Ok((descriptors, _)) = getrlimit(Resource::RLIMIT_NOFILE) else { return wanted };
        let possible = usize::try_from(descriptors / 5).unwrap_or(wanted).max(1);
        if possible < wanted {
            tracing::warn!(
                "limits.connections is {wanted}, and {descriptors} open files allow {possible}"
            );
        }
        wanted.min(possible)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_are_left_for_the_programs_own_work() {
        let (descriptors, _) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        let most = usize::try_from(descriptors / 5).unwrap();
        let size = |connections| {
            let timeout = Duration::ZERO;
            let limits = Limits {
                connections,
                handshake_timeout: timeout,
                header_timeout: timeout,
                body_timeout: timeout,
            };
            limits.pool_size()
        };
        assert_eq!(size(usize::MAX), most);
        assert_eq!(size(1), 1);
    }
}
