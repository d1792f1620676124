//! Plans that an operator may want carried out exactly as they were made.

use protocol::Digest;
use rusqlite::{OptionalExtension as _, Row, params};
use time::OffsetDateTime;

use crate::column::{Json, Stamp, Text};
use crate::{Planned, Store, StoreError};

/// A plan, in the engine's own form.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredPlan {
    /// What it is named by.
    pub digest: Digest,
    /// It, and where its archives were.
    pub planned: Planned,
    pub who: String,
    pub made_at: OffsetDateTime,
}

impl Store {
    /// Keeps a plan. One of the same digest is the same plan, and was made again just now.
    pub fn keep_plan(&self, plan: &StoredPlan) -> Result<(), StoreError> {
        self.write(|transaction| {
            transaction.execute(
                "INSERT OR REPLACE INTO plans (digest, plan, sources, who, made_at)
                 VALUES (?1, ?2, ?3, ?4, ?5)",
                params![
                    Text(plan.digest),
                    Json(&plan.planned.plan),
                    Json(&plan.planned.sources),
                    plan.who,
                    Stamp(plan.made_at),
                ],
            )?;
            Ok(())
        })
    }

    /// The plan of that digest.
    pub fn plan(&self, digest: &Digest) -> Result<StoredPlan, StoreError> {
        let sql = "SELECT * FROM plans WHERE digest = ?1";
        let found = self.connection().query_row(sql, [Text(digest)], read).optional()?;
        found.ok_or(StoreError::UnknownPlan(*digest))
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<StoredPlan> {
    Ok(StoredPlan {
        digest: row.get::<_, Text<_>>("digest")?.0,
        planned: Planned {
            plan: row.get::<_, Json<_>>("plan")?.0,
            sources: row.get::<_, Json<_>>("sources")?.0,
        },
        who: row.get("who")?,
        made_at: row.get::<_, Stamp>("made_at")?.0,
    })
}
