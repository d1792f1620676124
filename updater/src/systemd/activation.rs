//! How sockets and services hang together.

use zbus::proxy::CacheProperties;

use super::bus::refused;
use super::interface::SocketProxy;
use super::{Systemd, SystemdError};

/// What one unit has to do with others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ties {
    /// Of a socket: each connection gets a service of its own, which systemd starts (`Accept=yes`).
    pub accept: bool,
    /// What it may start. A socket: its own service, and services that take it and are loaded.
    pub triggers: Vec<String>,
    /// What may start it. A service: the sockets that it takes (`Sockets=`), and those whose own it is.
    pub triggered_by: Vec<String>,
}

impl Systemd {
    /// What a unit has to do with others; it is loaded if it was not.
    pub async fn ties(&self, unit: &str) -> Result<Ties, SystemdError> {
        self.read_ties(unit).await.map_err(|source| refused("look at", unit, source))
    }

    async fn read_ties(&self, name: &str) -> zbus::Result<Ties> {
        let unit = self.unit(name).await?;
        let triggers = unit.triggers().await?;
        let triggered_by = unit.triggered_by().await?;
        let accept = if name.ends_with(".socket") {
            let socket = SocketProxy::builder(&self.connection)
                .path(unit.inner().path().to_owned())
                .cache_properties(CacheProperties::No)
                .build()
                .await?;
            socket.accept().await?
        } else {
            false
        };
        Ok(Ties { accept, triggers, triggered_by })
    }
}
