//! Which units start which others: sockets and their services.

use zbus::proxy::CacheProperties;

use super::interface::SocketProxy;
use super::{Systemd, SystemdError};

/// What a unit starts, and what starts it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Activation {
    /// Of a socket: each connection gets a service of its own, which systemd starts (`Accept=yes`).
    pub accept: bool,
    /// What it may start. A socket: its own service, and services that take it and are loaded.
    pub triggers: Vec<String>,
    /// What may start it. A service: the sockets that it takes (`Sockets=`), and those whose own it is.
    pub triggered_by: Vec<String>,
}

impl Systemd {
    /// What a unit starts, and what starts it; it is loaded if it was not.
    pub async fn activation(&self, unit: &str) -> Result<Activation, SystemdError> {
        self.answer(self.read_activation(unit)).await.map_err(Self::refused("look at", unit))
    }

    async fn read_activation(&self, name: &str) -> zbus::Result<Activation> {
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
        Ok(Activation { accept, triggers, triggered_by })
    }
}
