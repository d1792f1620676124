//! Every hostile archive, pushed to a real updater: it says which rule which entry breaks, nothing
//! of the archive is left, nothing else has changed, memory is bounded, and the next push works.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use fleet_tests::archives::hostile::{Hostile, LIMITS, LINKS, families, family};
use fleet_tests::archives::{Tar, zstd};
use fleet_tests::{Entry, Host, Packing, Release, Setup, entries_below, forget_peak, memory_of};
use nix::unistd::Pid;

/// What the updater may have at most, in MiB: in a build that is not optimised, with a zstd window
/// of 8 MiB.
const MEMORY: f64 = 64.0;
/// Someone without any rights.
const NOBODY: u32 = 65_534;

/// A host with something around it that must stay as it is.
struct Watched {
    host: Host,
    // After the host: it ends what that started.
}

impl Watched {
    fn new() -> Result<Self> {
        let limits =
            LIMITS.iter().fold(Setup::default(), |setup, (key, value)| setup.limits(key, value));
        let host = Host::alone_and_idle(&limits.app("links", LINKS))?;
        std::fs::write(host.sandbox().path().join("outside"), "mine")?;
        std::fs::create_dir_all(host.install().join("shared/etc"))?;
        std::fs::write(host.install().join("shared/etc/agent.conf"), "shared")?;
        std::fs::write(host.install().join("outside"), "mine")?;
        Ok(Self { host })
    }

    /// All that an archive must not change: everything but where it is unpacked, and what is
    /// written down of the refusal.
    fn all_else(&self) -> Result<BTreeMap<PathBuf, Entry>> {
        let state = self.host.state();
        let left_out = [
            state.join("history.jsonl"),
            state.join("evidence"),
            self.host.directory.join("updater.log"),
            // A copy of the program, for one who may not see the first: root's, and large.
            self.host.directory.join("updater-program"),
        ];
        entries_below(self.host.sandbox().path(), &left_out)
    }

    /// Pushes all of them, with a good one before and after each.
    fn refuses_all(&self, cases: &[Hostile]) -> Result<()> {
        let processes = self.host.updater_processes();
        self.takes("the first")?;
        for case in cases {
            let before = self.all_else()?;
            self.refuses(case, &processes, &before).with_context(|| case.what.clone())?;
            self.takes(&case.what).with_context(|| format!("after {}", case.what))?;
        }
        Ok(())
    }

    /// Pushes it, and looks at everything.
    fn refuses(
        &self,
        case: &Hostile,
        processes: &[Pid],
        before: &BTreeMap<PathBuf, Entry>,
    ) -> Result<()> {
        processes.iter().copied().for_each(forget_peak);
        let problem = self.host.stage(&case.release)?.problem()?;
        ensure!(problem.code == case.code, "it is refused for another reason: {problem:?}");
        let found = (problem.rule.as_deref(), &problem.entry);
        ensure!(found == (case.rule, &case.entry), "another rule is named: {problem:?}");
        let peaks = processes.iter().filter_map(|process| memory_of(*process, "VmHWM"));
        let peak = peaks.fold(0.0, f64::max);
        ensure!(peak > 0.0 && peak < MEMORY, "the updater had {peak} MiB");
        ensure!(self.host.incoming().is_empty(), "left over: {:?}", self.host.incoming());
        let after = self.all_else()?;
        ensure!(after == *before, "something has changed:\n{before:#?}\n{after:#?}");
        Ok(())
    }

    /// Pushes an archive that is good, and like no other.
    fn takes(&self, text: &str) -> Result<()> {
        let good = Tar::new().file("text", text.as_bytes()).end();
        let good = Release::of_bytes(zstd(good.bytes()), Packing::Zstd);
        let answer = self.host.stage(&good)?;
        ensure!(answer.status == 201, "a good archive is not taken: {answer:?}");
        ensure!(self.host.store().contains(&good.digest.hex()), "it is not in the store");
        Ok(())
    }
}

/// One test a family, so that the name of the test says what got through.
macro_rules! families {
    ($($name:ident)*) => {
        const TESTED: &[&str] = &[$(stringify!($name)),*];
        $(
            #[test]
            fn $name() -> Result<()> {
                let watched = Watched::new()?;
                watched.host.start()?;
                let installed = watched.host.installs("the old one")?;
                watched.refuses_all(&family(stringify!($name)))?;
                watched.host.keeps(&installed, None)
            }
        )*
    };
}

families! { bounds combined extensions headers kinds links manifests names streams twins }

#[test]
fn every_family_is_tested_and_has_its_cases() {
    assert!(families().eq(TESTED.iter().copied()));
    let cases: Vec<Hostile> = families().flat_map(family).collect();
    let mut names = BTreeSet::new();
    assert!(cases.len() > 80, "only {}", cases.len());
    for case in &cases {
        assert!(names.insert(&case.what), "{} is there twice", case.what);
    }
    let rules: BTreeSet<&str> = cases.iter().filter_map(|case| case.rule).collect();
    for rule in archive::Rule::all() {
        assert!(rules.contains(rule.code()), "no case breaks {}", rule.code());
    }
}

/// What root may do hides what the checks do not catch, and the other way round.
#[test]
fn an_updater_without_privileges_refuses_the_same() -> Result<()> {
    for name in ["kinds", "links", "combined"] {
        let watched = Watched::new()?;
        watched.host.start_as(NOBODY)?;
        let some: Vec<Hostile> = family(name).into_iter().step_by(3).collect();
        watched.refuses_all(&some)?;
    }
    Ok(())
}
