//! The configuration's bounds of connections.

use listener::Limits;

use crate::config::LimitsConfig;

impl From<&LimitsConfig> for Limits {
    fn from(config: &LimitsConfig) -> Self {
        Self {
            connections: config.connections,
            handshake_timeout: config.handshake_timeout.0,
            header_timeout: config.header_timeout.0,
            body_timeout: config.body_timeout.0,
        }
    }
}
