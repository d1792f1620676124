//! Hosts in the store.

use std::collections::BTreeMap;

use pki::Fingerprint;
use protocol::HostName;

use explain::nearest;
use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, params};
use serde::Serialize;
use time::OffsetDateTime;

use crate::column::{Json, Stamp, Text};
use crate::{Event, Host, Pinned, Store, StoreError, event};

/// How many certificates that were issued before the last one, and that the host has not shown yet, are
/// taken.
const RENEWALS_BETWEEN: usize = 3;

/// A certificate that was issued to a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Certificate {
    /// What it is pinned by.
    pub fingerprint: Fingerprint,
    /// `agent` or `updater`.
    pub role: String,
    /// When it was issued.
    #[serde(with = "time::serde::rfc3339")]
    pub issued_at: OffsetDateTime,
    /// Until when it holds.
    #[serde(with = "time::serde::rfc3339")]
    pub not_after: OffsetDateTime,
}

impl Store {
    /// The host of that name, decommissioned or not.
    pub fn host(&self, name: &HostName) -> Result<Host, StoreError> {
        let connection = self.connection();
        find(&connection, name)?.ok_or_else(|| {
            let names = names(&connection).unwrap_or_default();
            StoreError::UnknownHost {
                name: name.to_string(),
                nearest: nearest(name.as_str(), names.iter().map(String::as_str)),
            }
        })
    }

    /// All hosts by name, those that are decommissioned among them.
    pub fn hosts(&self) -> Result<Vec<Host>, StoreError> {
        let connection = self.connection();
        let mut statement = connection.prepare("SELECT * FROM hosts ORDER BY name")?;
        let mut hosts = statement.query_map([], read)?.collect::<Result<Vec<_>, _>>()?;
        let mut statement = connection.prepare("SELECT host, key, value FROM labels")?;
        let mut labels: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            labels.entry(row.get(0)?).or_default().insert(row.get(1)?, row.get(2)?);
        }
        let mut between = issued_between(&connection, None)?;
        for host in &mut hosts {
            host.labels = labels.remove(host.name.as_str()).unwrap_or_default();
            host.pinned.between = between.remove(host.name.as_str()).unwrap_or_default();
        }
        Ok(hosts)
    }

    /// Writes down a host with its certificates, in one act with what `files` does: if either
    /// fails, neither has happened but for what `files` itself leaves. A decommissioned host of
    /// that name is replaced.
    pub fn enroll<E: From<StoreError>>(
        &self,
        host: &Host,
        certificates: &[Certificate],
        event: &Event,
        files: impl FnOnce() -> Result<(), E>,
    ) -> Result<(), E> {
        self.write(|transaction| {
            insert(transaction, host, certificates)?;
            event::insert(transaction, event)?;
            files()
        })
    }

    /// Sets and removes labels, and gives back all that the host has then.
    pub fn label(
        &self,
        name: &HostName,
        set: &BTreeMap<String, String>,
        remove: &[String],
        event: &Event,
    ) -> Result<BTreeMap<String, String>, StoreError> {
        self.host(name)?;
        self.write(|transaction| -> Result<(), StoreError> {
            for key in remove {
                let sql = "DELETE FROM labels WHERE host = ?1 AND key = ?2";
                transaction.execute(sql, params![Text(name), key])?;
            }
            set_labels(transaction, name, set)?;
            event::insert(transaction, event)
        })?;
        Ok(self.host(name)?.labels)
    }

    /// Takes a host out of the fleet: no certificate of its updater's is taken any more, and
    /// nothing is desired of it. What it did stays.
    pub fn decommission(&self, name: &HostName, event: &Event) -> Result<(), StoreError> {
        if self.host(name)?.decommissioned_at.is_some() {
            return Err(StoreError::Decommissioned(name.clone()));
        }
        self.write(|transaction| {
            transaction.execute(
                "UPDATE hosts SET decommissioned_at = ?2, fingerprint_current = NULL,
                 fingerprint_next = NULL WHERE name = ?1",
                params![Text(name), Stamp(event.time)],
            )?;
            transaction.execute("DELETE FROM desired WHERE host = ?1", [Text(name)])?;
            event::insert(transaction, event)
        })
    }

    /// The certificates that were issued to a host, the newest first.
    pub fn certificates(&self, name: &HostName) -> Result<Vec<Certificate>, StoreError> {
        let connection = self.connection();
        let mut statement =
            connection.prepare("SELECT * FROM certificates WHERE host = ?1 ORDER BY rowid DESC")?;
        let certificates = statement.query_map([Text(name)], |row| {
            Ok(Certificate {
                fingerprint: row.get::<_, Text<_>>("fingerprint")?.0,
                role: row.get("role")?,
                issued_at: row.get::<_, Stamp>("issued_at")?.0,
                not_after: row.get::<_, Stamp>("not_after")?.0,
            })
        })?;
        Ok(certificates.collect::<Result<_, _>>()?)
    }
}

fn insert(
    transaction: &Transaction<'_>,
    host: &Host,
    certificates: &[Certificate],
) -> Result<(), StoreError> {
    match find(transaction, &host.name)? {
        Some(Host { decommissioned_at: None, .. }) => {
            return Err(StoreError::HostExists(host.name.clone()));
        }
        Some(_) => {
            transaction.execute("DELETE FROM hosts WHERE name = ?1", [Text(&host.name)])?;
        }
        None => {}
    }
    transaction.execute(
        "INSERT INTO hosts (name, address, has_updater, updater_port, agent_port, sans,
         fingerprint_current, fingerprint_next, enrolled_at, decommissioned_at, notes, held)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        params![
            Text(&host.name),
            Text(&host.address),
            host.has_updater,
            host.updater_port,
            host.agent_port,
            Json(&host.sans),
            host.pinned.current.map(Text),
            host.pinned.next.map(Text),
            Stamp(host.enrolled_at),
            host.decommissioned_at.map(Stamp),
            host.notes,
            host.held.as_ref().map(Json),
        ],
    )?;
    set_labels(transaction, &host.name, &host.labels)?;
    insert_certificates(transaction, &host.name, certificates)
}

pub(super) fn insert_certificates(
    transaction: &Transaction<'_>,
    host: &HostName,
    certificates: &[Certificate],
) -> Result<(), StoreError> {
    for certificate in certificates {
        transaction.execute(
            "INSERT INTO certificates (fingerprint, host, role, issued_at, not_after)
             VALUES (?1, ?2, ?3, ?4, ?5)",
            params![
                Text(certificate.fingerprint),
                Text(host),
                certificate.role,
                Stamp(certificate.issued_at),
                Stamp(certificate.not_after),
            ],
        )?;
    }
    Ok(())
}

fn set_labels(
    transaction: &Transaction<'_>,
    name: &HostName,
    labels: &BTreeMap<String, String>,
) -> Result<(), StoreError> {
    for (key, value) in labels {
        let sql = "INSERT OR REPLACE INTO labels (host, key, value) VALUES (?1, ?2, ?3)";
        transaction.execute(sql, params![Text(name), key, value])?;
    }
    Ok(())
}

fn find(connection: &Connection, name: &HostName) -> Result<Option<Host>, StoreError> {
    let sql = "SELECT * FROM hosts WHERE name = ?1";
    let Some(mut host) = connection.query_row(sql, [Text(name)], read).optional()? else {
        return Ok(None);
    };
    let mut statement = connection.prepare("SELECT key, value FROM labels WHERE host = ?1")?;
    let labels = statement.query_map([Text(name)], |row| Ok((row.get(0)?, row.get(1)?)))?;
    host.labels = labels.collect::<Result<_, _>>()?;
    let between = issued_between(connection, Some(name))?.remove(name.as_str());
    host.pinned.between = between.unwrap_or_default();
    Ok(Some(host))
}

/// The certificates that were issued to updaters since the one in use, without the last one, by host; of
/// this host, or of all.
fn issued_between(
    connection: &Connection,
    name: Option<&HostName>,
) -> Result<BTreeMap<String, Vec<Fingerprint>>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT issued.host, issued.fingerprint FROM certificates AS issued
         JOIN hosts ON hosts.name = issued.host
         JOIN certificates AS used ON used.fingerprint = hosts.fingerprint_current
         WHERE (?1 IS NULL OR issued.host = ?1) AND issued.role = 'updater'
         AND issued.rowid > used.rowid AND issued.fingerprint IS NOT hosts.fingerprint_next
         ORDER BY issued.rowid DESC",
    )?;
    let mut rows = statement.query([name.map(Text)])?;
    let mut between: BTreeMap<String, Vec<Fingerprint>> = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let of_host = between.entry(row.get(0)?).or_default();
        if of_host.len() < RENEWALS_BETWEEN {
            of_host.push(row.get::<_, Text<_>>(1)?.0);
        }
    }
    Ok(between)
}

fn names(connection: &Connection) -> Result<Vec<String>, StoreError> {
    let mut statement = connection.prepare("SELECT name FROM hosts")?;
    let names = statement.query_map([], |row| row.get(0))?;
    Ok(names.collect::<Result<_, _>>()?)
}

fn read(row: &Row<'_>) -> rusqlite::Result<Host> {
    Ok(Host {
        name: row.get::<_, Text<_>>("name")?.0,
        address: row.get::<_, Text<_>>("address")?.0,
        has_updater: row.get("has_updater")?,
        updater_port: row.get("updater_port")?,
        agent_port: row.get("agent_port")?,
        sans: row.get::<_, Json<_>>("sans")?.0,
        labels: BTreeMap::new(),
        pinned: Pinned {
            current: row.get::<_, Option<Text<_>>>("fingerprint_current")?.map(|text| text.0),
            next: row.get::<_, Option<Text<_>>>("fingerprint_next")?.map(|text| text.0),
            between: Vec::new(),
        },
        enrolled_at: row.get::<_, Stamp>("enrolled_at")?.0,
        decommissioned_at: row.get::<_, Option<Stamp>>("decommissioned_at")?.map(|stamp| stamp.0),
        notes: row.get("notes")?,
        held: row.get::<_, Option<Json<_>>>("held")?.map(|json| json.0),
    })
}
