//! `swarm release list` and `rm`: what this master keeps, and what it need not keep.

use clap::Args;
use control::rollout::{
    KeptRelease, kept_releases, remove_release, resolve, superfluous, sweep_half_packed,
};
use explain::{Exit, Explain, Failure, FailureCode, when};
use indicatif::HumanBytes;
use protocol::HostName;

use crate::cli::Context;
use crate::cli::table_args::TableArgs;
use crate::output::Table;

/// Hosts that are named of each release.
const HOSTS: usize = 3;

/// The words of `swarm release list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Only those of this name
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// Which columns.
    #[command(flatten)]
    table: TableArgs,
}

/// The words of `swarm release rm`.
#[derive(Debug, Args)]
pub struct RemoveArgs {
    /// The release: NAME@VERSION, or a digest or its beginning
    #[arg(value_name = "RELEASE", required_unless_present = "keep")]
    releases: Vec<String>,
    /// Remove all but the last N of each name
    #[arg(long, value_name = "N", conflicts_with = "releases")]
    keep: Option<usize>,
}

impl ListArgs {
    /// Shows them, the last one seen first.
    pub(super) fn run(&self, context: &Context) -> Result<Exit, Failure> {
        let mut kept = kept_releases(&context.home, &context.store)?;
        kept.retain(|kept| self.name.is_none() || kept.release.name == self.name);
        if context.output.json() {
            context.output.document(&kept);
        } else if kept.is_empty() {
            context.output.note("no releases yet; swarm update keeps what it packs");
        } else {
            let table = self.table.applied(table(&kept), &context.output)?;
            context.output.data(&table.render());
        }
        Ok(Exit::Success)
    }
}

impl RemoveArgs {
    /// Removes them; all are looked at before the first goes.
    pub(super) fn run(&self, context: &Context) -> Result<Exit, Failure> {
        let Context { home, store, now, who, output, .. } = context;
        let kept = kept_releases(home, store)?;
        let going = match self.keep {
            Some(keep) => superfluous(kept, keep),
            None => self.named(context, kept)?,
        };
        for kept in &going {
            remove_release(home, store, kept, (who, now()))?;
        }
        let swept = sweep_half_packed(&home.archives(), now());
        if output.json() {
            output.document(&going);
            return Ok(Exit::Success);
        }
        for kept in &going {
            output.data(&format!("removed {}", called(kept)));
        }
        if going.is_empty() {
            output.note("nothing to remove");
        }
        if swept > 0 {
            output
                .note(&format!("removed what {swept} runs that were killed had left half packed"));
        }
        Ok(Exit::Success)
    }

    fn named(
        &self,
        context: &Context,
        kept: Vec<KeptRelease>,
    ) -> Result<Vec<KeptRelease>, Failure> {
        let mut wanted = Vec::new();
        for name in &self.releases {
            wanted.push(resolve(&context.store, name)?);
        }
        let known: Vec<_> = kept.iter().map(|kept| kept.release.digest).collect();
        if let Some(unknown) = wanted.iter().find(|digest| !known.contains(digest)) {
            return Err(Unknown(unknown.to_string()).into());
        }
        let going: Vec<_> =
            kept.into_iter().filter(|kept| wanted.contains(&kept.release.digest)).collect();
        for kept in &going {
            kept.check_removable()?;
        }
        Ok(going)
    }
}

/// A digest that is none of a release here.
#[derive(Debug, thiserror::Error)]
#[error("find the release {0:?}")]
struct Unknown(String);

impl Explain for Unknown {
    fn code(&self) -> FailureCode {
        FailureCode::UnknownRelease
    }

    fn hint(&self) -> Option<String> {
        Some("run: swarm release list".to_owned())
    }

    fn exit(&self) -> Exit {
        Exit::Usage
    }
}

fn called(kept: &KeptRelease) -> String {
    let release = &kept.release;
    match (&release.name, &release.version) {
        (Some(name), Some(version)) => format!("{name}@{version} ({})", release.digest.short()),
        _ => release.digest.short(),
    }
}

fn table(kept: &[KeptRelease]) -> Table {
    let headings = ["NAME", "VERSION", "DIGEST", "SIZE", "WHEN", "SHOULD RUN ON", "NOTES"];
    let mut table = Table::new(headings).spare(&[3, 4]);
    for kept in kept {
        let release = &kept.release;
        let shown: Vec<_> = kept.hosts.iter().take(HOSTS).map(HostName::as_str).collect();
        let more = match kept.hosts.len() - shown.len() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let mut notes = Vec::new();
        if kept.hosts.is_empty() && !kept.kept_for.is_empty() {
            notes.push("a host runs it or would go back to it");
        }
        if kept.quarantined {
            notes.push("quarantined");
        }
        if kept.in_rollout {
            notes.push("in a rollout");
        }
        if !kept.archive {
            notes.push("archive not here");
        }
        table.row([
            release.name.as_deref().unwrap_or_default(),
            release.version.as_deref().unwrap_or_default(),
            &release.digest.short(),
            &HumanBytes(release.size).to_string(),
            &when(release.packed_at),
            &format!("{}{more}", shown.join(", ")),
            &notes.join(", "),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use protocol::Digest;
    use store::KnownRelease;
    use testing::at;

    use super::*;

    #[test]
    fn a_list_of_releases_fits_every_screen() {
        let kept = |fill: u8, version: &str, hosts: u32| KeptRelease {
            release: KnownRelease {
                digest: Digest::from_bytes([fill; 32]),
                name: Some("greeter".to_owned()),
                version: Some(version.to_owned()),
                sha: None,
                size: 41_000_000,
                packed_at: at(0),
            },
            archive: true,
            hosts: (1..=hosts).map(|number| format!("web-{number}").parse().unwrap()).collect(),
            kept_for: Vec::new(),
            in_rollout: false,
            quarantined: false,
        };
        let all = [
            KeptRelease { in_rollout: true, ..kept(3, "1.9.0", 12) },
            KeptRelease { quarantined: true, archive: false, ..kept(2, "1.8.0", 0) },
            kept(1, "1.7.0", 0),
        ];
        for columns in [40, 80, 120, 220] {
            let text = table(&all).within(Some(columns)).render();
            assert!(text.lines().all(|line| line.len() <= columns), "{text}");
            insta::assert_snapshot!(format!("releases_{columns}"), text);
        }
    }
}
