//! What is changed of a host that is in the fleet: where it is reached, and its certificates.

use pki::Fingerprint;
use protocol::HostName;
use rusqlite::params;
use serde::Serialize;

use crate::column::Text;
use crate::hosts::insert_certificates;
use crate::{Address, Certificate, Event, Host, Pinned, Store, StoreError, event};

/// What is to be another; what is absent stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct HostChange {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<Address>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updater_port: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_port: Option<u16>,
    /// Empty ones are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notes: Option<String>,
}

impl Store {
    /// Changes a host's record, and gives it back as it is then.
    pub fn change_host(
        &self,
        name: &HostName,
        change: &HostChange,
        event: &Event,
    ) -> Result<Host, StoreError> {
        self.addressed(name)?;
        let HostChange { address, updater_port, agent_port, notes } = change;
        self.write(|transaction| -> Result<(), StoreError> {
            transaction.execute(
                "UPDATE hosts SET address = coalesce(?2, address),
                 updater_port = coalesce(?3, updater_port), agent_port = coalesce(?4, agent_port),
                 notes = nullif(coalesce(?5, notes), '') WHERE name = ?1",
                params![Text(name), address.as_ref().map(Text), updater_port, agent_port, notes],
            )?;
            event::insert(transaction, event)
        })?;
        self.host(name)
    }

    /// Writes down new certificates of a host, in one act with what `files` does. All else that is known
    /// of it stays.
    pub fn renew_host<E: From<StoreError>>(
        &self,
        name: &HostName,
        pinned: &Pinned,
        certificates: &[Certificate],
        event: &Event,
        files: impl FnOnce() -> Result<(), E>,
    ) -> Result<(), E> {
        self.addressed(name)?;
        let text = |fingerprint: Option<Fingerprint>| fingerprint.map(Text);
        self.write(|transaction| {
            let sql = "UPDATE hosts SET fingerprint_current = ?2, fingerprint_next = ?3
                       WHERE name = ?1";
            let pins = params![Text(name), text(pinned.current), text(pinned.next)];
            transaction.execute(sql, pins).map_err(StoreError::from)?;
            insert_certificates(transaction, name, certificates)?;
            event::insert(transaction, event)?;
            files()
        })
    }

    /// The updater has shown this certificate: it is the one in use, and those before it are not taken any
    /// more. False where nothing changes by that.
    pub fn use_certificate(
        &self,
        name: &HostName,
        shown: &Fingerprint,
        event: &Event,
    ) -> Result<bool, StoreError> {
        self.write(|transaction| {
            // One that another process has seen replaced since does not come back.
            let sql = "UPDATE hosts SET fingerprint_current = ?2,
                       fingerprint_next = nullif(fingerprint_next, ?2)
                       WHERE name = ?1 AND decommissioned_at IS NULL AND EXISTS (
                           SELECT 1 FROM certificates AS shown JOIN certificates AS used
                           ON used.fingerprint = hosts.fingerprint_current
                           WHERE shown.fingerprint = ?2 AND shown.host = ?1
                           AND shown.role = 'updater' AND shown.rowid > used.rowid)";
            let changed = transaction.execute(sql, params![Text(name), Text(shown)])? == 1;
            if changed {
                event::insert(transaction, event)?;
            }
            Ok(changed)
        })
    }

    fn addressed(&self, name: &HostName) -> Result<(), StoreError> {
        match self.host(name)?.decommissioned_at {
            Some(_) => Err(StoreError::Decommissioned(name.clone())),
            None => Ok(()),
        }
    }
}
