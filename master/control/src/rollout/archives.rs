//! The archives of a rollout, and where to find them again.

use std::path::PathBuf;

use engine::Plan;
use protocol::Kind;
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use crate::pack::{LeftOut, Packed};
use crate::rollout::{Goal, Prepared, Source, SourceContext, SourceError, own_archive};
use crate::updater_client::ReleaseArchive;

/// What a rollout sends.
#[derive(Debug)]
pub struct Archives {
    pub goal: Goal,
    pub updater: Option<ReleaseArchive>,
    /// What was not packed of the release, where that is known.
    pub(super) left_out: Vec<LeftOut>,
    /// Goes with this: archives that are not kept.
    pub(super) _temporary: Vec<TempDir>,
}

impl Archives {
    /// The archives of a source, and of the updaters' own release.
    pub fn of(
        prepared: Prepared,
        updater: Option<(ReleaseArchive, Option<TempDir>)>,
        sources: &Sources,
    ) -> Self {
        let Prepared { goal, temporary: release, .. } = prepared;
        let (updater, kept) = updater.unzip();
        Self {
            goal,
            updater,
            left_out: sources.left_out.clone(),
            _temporary: release.into_iter().chain(kept.flatten()).collect(),
        }
    }

    /// The updaters' own release alone.
    pub fn of_updaters(updater: Option<(ReleaseArchive, Option<TempDir>)>) -> Self {
        let (updater, kept) = updater.unzip();
        Self {
            goal: Goal::UpdatersOnly,
            updater,
            left_out: Vec::new(),
            _temporary: kept.flatten().into_iter().collect(),
        }
    }

    /// None: the hosts have what they go to.
    pub const fn none(goal: Goal) -> Self {
        Self { goal, updater: None, left_out: Vec::new(), _temporary: Vec::new() }
    }
}

/// How many names are kept of what was not packed.
const LEFT_OUT: usize = 1_000;

/// Where the archives were that are not in the master's home, and what was left out when one was packed. It is
/// kept with the rollout.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sources {
    /// The release's, and its manifest if that was named.
    pub archive: Option<(PathBuf, Option<PathBuf>)>,
    /// The updater's updater; else it is the updater that lies beside this program.
    pub updater: Option<PathBuf>,
    /// The first thousand.
    pub left_out: Vec<LeftOut>,
}

impl Sources {
    /// Where the archive of a source is, and what was not packed into it.
    pub fn of(source: &Source, packed: Option<&Packed>, updater: Option<&PathBuf>) -> Self {
        let archive = match source {
            Source::Archive { path, manifest } => {
                Some((absolute(path), manifest.as_ref().map(absolute)))
            }
            Source::Root { .. } | Source::Release(_) => None,
        };
        let left_out = packed.map(|packed| packed.left_out.as_slice()).unwrap_or_default();
        let left_out = left_out.iter().take(LEFT_OUT).cloned().collect();
        Self { archive, updater: updater.map(absolute), left_out }
    }

    /// Where the updaters' own release is, if it is not the one beside this program.
    pub fn of_updaters(updater: Option<&PathBuf>) -> Self {
        Self { updater: updater.map(absolute), ..Self::default() }
    }

    /// Finds the archives of a plan again. What has changed since is not taken for them.
    pub async fn find(
        &self,
        context: &SourceContext<'_>,
        plan: &Plan,
    ) -> Result<Archives, SourceError> {
        let mut temporary = Vec::new();
        let goal = match (plan.kind, plan.target) {
            (Kind::Rollback, target) => Goal::Back(target),
            (_, None) => Goal::UpdatersOnly,
            (_, Some(target)) if !plan.has_archive => Goal::Activate(target),
            (_, Some(target)) => {
                let source = match &self.archive {
                    Some((path, manifest)) => {
                        Source::Archive { path: path.clone(), manifest: manifest.clone() }
                    }
                    None => Source::Release(target.to_string()),
                };
                let prepared = source.prepare(context, false).await?;
                if prepared.goal.target() != Some(target) {
                    return Err(SourceError::Changed(target));
                }
                temporary.extend(prepared.temporary);
                prepared.goal
            }
        };
        let updater = match plan.updater {
            None => None,
            Some(digest) => {
                let (archive, kept) = own_archive(context, self.updater.as_deref()).await?;
                if archive.digest != digest {
                    return Err(SourceError::Changed(digest));
                }
                temporary.extend(kept);
                Some(archive)
            }
        };
        Ok(Archives { goal, updater, left_out: self.left_out.clone(), _temporary: temporary })
    }
}

fn absolute(path: &PathBuf) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.clone())
}
