//! The archives of a rollout, and where to find them again.

use std::path::PathBuf;

use engine::Plan;
use protocol::Kind;
use serde::{Deserialize, Serialize};
use store::Store;
use tempfile::TempDir;
use time::OffsetDateTime;

use crate::home::Home;
use crate::rollout::{Goal, Prepared, Source, SourceError, own_archive};
use crate::updater_client::Push;

/// What a rollout sends.
#[derive(Debug)]
pub struct Archives {
    pub goal: Goal,
    pub own: Option<Push>,
    /// Goes with this: archives that are not kept.
    pub(super) _temporary: Vec<TempDir>,
}

impl Archives {
    /// Those of a source, and the updater's own.
    pub fn of(prepared: Prepared, own: Option<(Push, Option<TempDir>)>) -> Self {
        let Prepared { goal, temporary: release, .. } = prepared;
        let (own, updater) = own.unzip();
        Self { goal, own, _temporary: release.into_iter().chain(updater.flatten()).collect() }
    }

    /// None: the hosts have what they go to.
    pub const fn none(goal: Goal) -> Self {
        Self { goal, own: None, _temporary: Vec::new() }
    }
}

/// Where the archives were that are not in the master's home. It is kept with the rollout.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sources {
    /// The release's, and its manifest if that was named.
    pub archive: Option<(PathBuf, Option<PathBuf>)>,
    /// The updater's own; else it is the updater that lies beside this program.
    pub updater: Option<PathBuf>,
}

impl Sources {
    /// Where the archive of a source is.
    pub fn of(source: &Source, updater: Option<&PathBuf>) -> Self {
        let absolute = |path: &PathBuf| std::path::absolute(path).unwrap_or_else(|_| path.clone());
        let archive = match source {
            Source::Archive { path, manifest } => {
                Some((absolute(path), manifest.as_ref().map(absolute)))
            }
            Source::Root { .. } | Source::Release(_) => None,
        };
        Self { archive, updater: updater.map(absolute) }
    }

    /// Finds the archives of a plan again. What has changed since is not taken for them.
    pub async fn find(
        &self,
        home: &Home,
        store: &Store,
        plan: &Plan,
        now: OffsetDateTime,
    ) -> Result<Archives, SourceError> {
        let mut temporary = Vec::new();
        let goal = match (plan.kind, plan.target) {
            (Kind::Rollback, target) => Goal::Back(target),
            (_, None) => return Err(SourceError::Unknown("of the plan".to_owned())),
            (_, Some(target)) if !plan.archive => Goal::Activate(target),
            (_, Some(target)) => {
                let source = match &self.archive {
                    Some((path, manifest)) => {
                        Source::Archive { path: path.clone(), manifest: manifest.clone() }
                    }
                    None => Source::Release(target.to_string()),
                };
                let prepared = source.prepare(home, store, now, false).await?;
                if prepared.goal.target() != Some(target) {
                    return Err(SourceError::Changed(target));
                }
                temporary.extend(prepared.temporary);
                prepared.goal
            }
        };
        let own = match plan.own {
            None => None,
            Some(digest) => {
                let (push, kept) = own_archive(home, self.updater.as_deref()).await?;
                if push.digest != digest {
                    return Err(SourceError::Changed(digest));
                }
                temporary.extend(kept);
                Some(push)
            }
        };
        Ok(Archives { goal, own, _temporary: temporary })
    }
}
