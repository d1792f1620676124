//! Hearing from systemd when units change. Nothing here polls.

use futures_util::StreamExt as _;
use futures_util::stream::select_all;
use protocol::Period;
use tokio::runtime::Handle;
use tokio::sync::watch;
use zbus::fdo::{PropertiesChangedStream, PropertiesProxy};
use zbus::proxy::CacheProperties;

use super::state::UnitState;
use super::{Systemd, SystemdError};
use crate::sys::spawn_task;

impl Systemd {
    /// Has changed whenever one of these units has, and is closed when the connection broke.
    pub async fn changes(&self, units: &[&str]) -> Result<watch::Receiver<()>, SystemdError> {
        let mut all = Vec::new();
        for unit in units {
            let stream = self.answer(self.changes_of(unit)).await;
            all.push(stream.map_err(Self::refused("look at", unit))?);
        }
        let (sender, changes) = watch::channel(());
        // Taken as they come: a connection brings nothing behind what is not taken, no answer either, and
        // a unit that is started again and again changes more often than it can be looked at.
        let forwarding = async move {
            let mut all = select_all(all);
            loop {
                tokio::select! {
                    change = all.next() => match change {
                        Some(_) => drop(sender.send(())),
                        None => return,
                    },
                    () = sender.closed() => return,
                }
            }
        };
        spawn_task(&Handle::current(), "changes of units", forwarding);
        Ok(changes)
    }

    /// Waits until a unit is down, and says how it stands then.
    pub async fn until_ended(&self, unit: &str) -> Result<UnitState, SystemdError> {
        let mut changes = self.changes(&[unit]).await?;
        loop {
            let state = self.state(unit).await?;
            if state.is_down() {
                return Ok(state);
            }
            changes.changed().await.map_err(|_| SystemdError::broken())?;
        }
    }

    /// The same of one that ends now: it waits no longer than for one answer.
    pub async fn ended(&self, unit: &str) -> Result<UnitState, SystemdError> {
        tokio::time::timeout(self.timeout, self.until_ended(unit)).await.map_err(|_| {
            SystemdError::Late {
                act: "see the end of",
                unit: unit.to_owned(),
                deadline: Period(self.timeout),
            }
        })?
    }

    async fn changes_of(&self, unit: &str) -> zbus::Result<PropertiesChangedStream> {
        let path = self.unit(unit).await?.inner().path().to_owned();
        let properties = PropertiesProxy::builder(&self.connection)
            .destination("org.freedesktop.systemd1")
            .path(path)
            .cache_properties(CacheProperties::No)
            .build()
            .await?;
        properties.receive_properties_changed().await
    }
}
