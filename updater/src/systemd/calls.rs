//! systemd at the other end of an open connection: questions to it, each with a deadline.

use std::io;
use std::time::Duration;

use zbus::Connection;
use zbus::connection::Builder;
use zbus::proxy::CacheProperties;

use super::SystemdError;
use super::interface::{ManagerProxy, ServiceProxy, UnitProxy};

/// systemd, and how long one of its answers may take. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Systemd {
    pub(super) connection: Connection,
    pub(super) manager: ManagerProxy<'static>,
    pub(super) timeout: Duration,
}

impl Systemd {
    /// Connects to the bus at this address.
    pub(super) async fn open(address: &str, timeout: Duration) -> zbus::Result<Self> {
        let connection = Builder::address(address).build().await?;
        let manager = ManagerProxy::builder(&connection)
            .cache_properties(CacheProperties::No)
            .build()
            .await?;
        // Without it, systemd does not say on the bus what it does.
        manager.subscribe().await?;
        Ok(Self { connection, manager, timeout })
    }

    /// Waits for one answer, which may take several messages.
    pub(super) async fn answer<T>(
        &self,
        question: impl Future<Output = zbus::Result<T>>,
    ) -> zbus::Result<T> {
        let answer = tokio::time::timeout(self.timeout, question).await;
        answer.unwrap_or_else(|_| {
            let late = io::Error::new(io::ErrorKind::TimedOut, "timed out");
            Err(zbus::Error::InputOutput(late.into()))
        })
    }

    pub(super) async fn unit(&self, unit: &str) -> zbus::Result<UnitProxy<'static>> {
        let path = self.manager.load_unit(unit).await?;
        UnitProxy::builder(&self.connection)
            .path(path)
            .cache_properties(CacheProperties::No)
            .build()
            .await
    }

    pub(super) async fn service(
        &self,
        unit: &UnitProxy<'_>,
    ) -> zbus::Result<ServiceProxy<'static>> {
        ServiceProxy::builder(&self.connection)
            .path(unit.inner().path().to_owned())
            .cache_properties(CacheProperties::No)
            .build()
            .await
    }

    /// From a message of systemd's to an error that says what was asked.
    pub(super) fn refused(
        act: &'static str,
        unit: &str,
    ) -> impl FnOnce(zbus::Error) -> SystemdError {
        let unit = unit.to_owned();
        move |source| SystemdError::Refused { act, unit, source }
    }
}
