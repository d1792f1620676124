//! Plans that an operator may want carried out exactly as they were made.

use protocol::Digest;
use rusqlite::{OptionalExtension as _, Row, params};
use time::OffsetDateTime;

use crate::column::{Json, Stamp, Text};
use crate::short_id::check_length;
use crate::{Planned, Store, StoreError};

/// So many plans are named where another was meant.
const NAMED: usize = 5;

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

    /// The digest of the plan whose digest this is, or of the only one whose digest begins so; four
    /// characters at least.
    pub fn find_plan(&self, name: &str) -> Result<Digest, StoreError> {
        check_length("plan", name.strip_prefix("sha256:").unwrap_or(name))?;
        let kept = self.plans()?;
        let found: Vec<_> = kept.iter().filter(|plan| plan.begins_with(name)).collect();
        match found[..] {
            [plan] => Ok(*plan),
            [] => Err(StoreError::NoSuchPlan {
                name: name.to_owned(),
                kept: kept.iter().take(NAMED).map(Digest::short).collect(),
            }),
            _ => Err(StoreError::ManyPlans { name: name.to_owned(), count: found.len() }),
        }
    }

    /// The digests of all plans that are kept, the newest first.
    pub fn plans(&self) -> Result<Vec<Digest>, StoreError> {
        let connection = self.connection();
        let mut statement = connection.prepare("SELECT digest FROM plans ORDER BY made_at DESC")?;
        let read = |row: &Row<'_>| Ok(row.get::<_, Text<Digest>>(0)?.0);
        Ok(statement.query_map([], read)?.collect::<Result<_, _>>()?)
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
