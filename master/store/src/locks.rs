//! Beginning a rollout, and the locks on its hosts: no two rollouts touch one host.

use protocol::HostName;
use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, params};
use serde_json::Value;

use crate::column::{Json, Stamp, Text};
use crate::{Event, Rollout, RolloutId, Store, StoreError, event};

/// What a rollout was begun with, in the form of those who use it.
#[derive(Debug, Clone, PartialEq)]
pub struct Planned {
    pub plan: Value,
    /// Where the archives were.
    pub sources: Value,
}

/// Whether a rollout was begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Started {
    /// It was, and its hosts are its own.
    Yes,
    /// It was not: another one has these.
    Locked(Locked),
}

/// Hosts that another rollout has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Locked {
    pub rollout: RolloutId,
    /// The hosts of the two.
    pub hosts: Vec<HostName>,
}

impl Store {
    /// Writes down a rollout, and locks the hosts that it changes: all of them, or none.
    pub fn start_rollout(
        &self,
        rollout: &Rollout,
        planned: &Planned,
        hosts: &[HostName],
        told: &Event,
    ) -> Result<Started, StoreError> {
        self.write(|transaction| {
            if let Some(locked) = conflict(transaction, hosts)? {
                return Ok(Started::Locked(locked));
            }
            insert(transaction, rollout, planned)?;
            for host in hosts {
                let sql = "INSERT INTO locks (host, rollout) VALUES (?1, ?2)";
                transaction.execute(sql, params![Text(host), Text(rollout.id)])?;
            }
            event::insert(transaction, told)?;
            Ok(Started::Yes)
        })
    }

    /// The rollout that has a host, if one has.
    pub fn holder(&self, host: &HostName) -> Result<Option<RolloutId>, StoreError> {
        holder_of(&self.connection(), host)
    }

    /// The hosts that a rollout has.
    pub fn locked_hosts(&self, rollout: RolloutId) -> Result<Vec<HostName>, StoreError> {
        let connection = self.connection();
        let mut statement =
            connection.prepare("SELECT host FROM locks WHERE rollout = ?1 ORDER BY host")?;
        let hosts = statement.query_map([Text(rollout)], |row| Ok(row.get::<_, Text<_>>(0)?.0))?;
        Ok(hosts.collect::<Result<_, _>>()?)
    }

    /// What a rollout was begun with. One that format 1 wrote has nothing of the kind.
    pub fn planned(&self, rollout: RolloutId) -> Result<Option<Planned>, StoreError> {
        let sql = "SELECT planned, sources FROM rollouts WHERE id = ?1";
        let read = |row: &Row<'_>| {
            let plan = row.get::<_, Option<Json<_>>>(0)?;
            let sources = row.get::<_, Option<Json<_>>>(1)?;
            Ok(plan
                .zip(sources)
                .map(|(plan, sources)| Planned { plan: plan.0, sources: sources.0 }))
        };
        let found = self.connection().query_row(sql, [Text(rollout)], read).optional()?;
        found.ok_or(StoreError::UnknownRollout(rollout))
    }
}

pub(super) fn unlock(transaction: &Transaction<'_>, id: RolloutId) -> Result<(), StoreError> {
    transaction.execute("DELETE FROM locks WHERE rollout = ?1", [Text(id)])?;
    Ok(())
}

fn conflict(connection: &Connection, hosts: &[HostName]) -> Result<Option<Locked>, StoreError> {
    let mut locked: Option<Locked> = None;
    for host in hosts {
        match (holder_of(connection, host)?, &mut locked) {
            (Some(rollout), None) => {
                locked = Some(Locked { rollout, hosts: vec![host.clone()] });
            }
            (Some(rollout), Some(locked)) if rollout == locked.rollout => {
                locked.hosts.push(host.clone());
            }
            _ => {}
        }
    }
    Ok(locked)
}

fn insert(
    transaction: &Transaction<'_>,
    rollout: &Rollout,
    planned: &Planned,
) -> Result<(), StoreError> {
    transaction.execute(
        "INSERT INTO rollouts
         (id, kind, app, release, selection, who, epoch, policy, started_at, state, plan, planned,
          sources)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
        params![
            Text(rollout.id),
            Text(rollout.kind),
            Text(&rollout.app),
            rollout.release.map(Text),
            rollout.selection,
            rollout.who,
            rollout.epoch,
            Json(&rollout.policy),
            Stamp(rollout.started_at),
            rollout.state,
            rollout.plan.map(Text),
            Json(&planned.plan),
            Json(&planned.sources),
        ],
    )?;
    Ok(())
}

/// A host that is in another rollout.
fn holder_of(connection: &Connection, host: &HostName) -> Result<Option<RolloutId>, StoreError> {
    let sql = "SELECT rollout FROM locks WHERE host = ?1";
    let rollout = connection.query_row(sql, [Text(host)], |row| row.get::<_, Text<_>>(0));
    Ok(rollout.optional()?.map(|text| text.0))
}
