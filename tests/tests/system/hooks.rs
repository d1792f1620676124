//! What a release has run around its switch: hooks and migrations, and what comes of their failures.

use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result};
use fleet_tests::{
    Behaviour, Host, LONG, Output, Packing, Release, Setup, Tree, eventually, program, wording,
};
use insta::assert_snapshot;
use protocol::{AgentState, Code, Outcome, Status, header};

/// Everything that a release can have run writes what it is, and between which releases.
const HOOKS: &str = "[hooks]\nbefore_switch = 'bin/note before_switch'\n\
    after_switch = 'bin/note after_switch'\nbefore_rollback = 'bin/note before_rollback'\n\
    after_rollback = 'bin/note after_rollback'\n";
const MIGRATIONS: &str =
    "[migrations]\nbackup = 'bin/note backup'\nup = 'bin/note up'\ndown = 'bin/note down'\n";
const ONE_WAY: &str = "[migrations]\nbackup = 'bin/note backup'\nup = 'bin/note up'\n";
/// The last line names the backup, whatever was printed before.
const NOTE: &str = "#!/bin/sh\necho \"$1 $RELEASE_VERSION $RELEASE_PREVIOUS_VERSION\" >> data/log\n\
    echo copying\necho \"data/backup-$RELEASE_VERSION\"\n";

fn setup() -> Setup {
    Setup::default().app("links", "['data/']").app("keep", "5")
}

/// A release of this version. `toml` is the rest of its `release.toml`.
fn tree(version: u32, toml: &str, behaviour: &Behaviour) -> Result<Tree> {
    let tree = Tree::agent(behaviour)?;
    tree.file("release.toml", &format!("version = '{version}'\n{toml}"))?;
    tree.program("bin/note", NOTE)?;
    Ok(tree)
}

fn good(version: u32, toml: &str) -> Result<Release> {
    tree(version, toml, &Behaviour::default())?.pack(Packing::Zstd)
}

fn bad(version: u32, toml: &str) -> Result<Release> {
    let crash = Some("no such column".to_owned());
    tree(version, toml, &Behaviour { crash, ..Behaviour::default() })?.pack(Packing::Zstd)
}

/// Replaces what one of the commands does.
fn with(version: u32, toml: &str, name: &str, script: &str) -> Result<Release> {
    let tree = tree(
        version,
        &toml.replace(&format!("bin/note {name}"), "bin/other"),
        &Behaviour::default(),
    )?;
    tree.program("bin/other", &format!("#!/bin/sh\n{script}\n"))?;
    tree.pack(Packing::Zstd)
}

fn installs(host: &Host, release: &Release) -> Result<()> {
    let result = host.push(release)?.result()?;
    anyhow::ensure!(result.status == Status::Updated, "{result:?}");
    Ok(())
}

/// What was noted since it was last asked.
fn noted(host: &Host) -> Vec<String> {
    let path = host.install().join("shared/data/log");
    let text = fs::read_to_string(&path).unwrap_or_default();
    drop(fs::remove_file(path));
    text.lines().map(|line| line.trim().to_owned()).collect()
}

#[test]
fn a_handover_is_told_to_both_agents_and_taken_back_when_that_fails() -> Result<()> {
    let host = Host::alone(&setup().handover())?;
    let turns = "[hooks]\nactivate = 'bin/note activate'\ndrain = 'bin/note drain'\n\
        undrain = 'bin/note undrain'\n";
    installs(&host, &good(1, "")?)?;
    let two = good(2, turns)?;
    installs(&host, &two)?;
    assert_eq!(noted(&host), ["activate 2 1", "drain 2 1"]);

    let pid = host.app()?.pid;
    let three = with(3, turns, "drain", "echo still busy; exit 4")?;
    let problem = host.push(&three)?.problem()?;
    assert_eq!(problem.code, Code::RolledBack);
    assert_snapshot!(wording(&problem.detail), @"drain of SHORT: `bin/other` exited with status 4");
    assert!(problem.output.iter().any(|line| line == "still busy"), "{problem:?}");
    assert_eq!(noted(&host), ["activate 3 2", "undrain 3 2"]);
    assert_eq!(host.app()?.pid, pid, "the old agent was touched");
    host.runs(&two.digest)?;
    host.rests()
}

#[test]
fn everything_is_run_in_its_order_and_knows_both_releases() -> Result<()> {
    let host = Host::alone(&setup())?;
    let all = format!("{HOOKS}{MIGRATIONS}");
    let (one, two) = (good(1, "")?, good(2, &all)?);
    installs(&host, &one)?;
    assert_eq!(noted(&host), Vec::<String>::new());
    let there = ["before_switch 2 1", "backup 2 1", "up 2 1", "after_switch 2 1"];
    installs(&host, &two)?;
    assert_eq!(noted(&host), there);
    assert_eq!(host.rollback()?.result()?.to, Some(one.digest));
    let back = ["before_rollback 2 1", "backup 2 1", "down 2 1", "after_rollback 2 1"];
    assert_eq!(noted(&host), back);
    host.keeps(&one.digest, Some(&two.digest))?;
    // And forward again, also by a rollback that goes to it.
    installs(&host, &two)?;
    assert_eq!(noted(&host), there);
    // Again, the data has its form already.
    let order = serde_json::json!({ "digest": two.digest, "force": true });
    host.master().post("/update").json(&order).send()?.result()?;
    assert_eq!(noted(&host), ["before_switch 2", "after_switch 2"]);
    host.keeps(&two.digest, Some(&one.digest))
}

#[test]
fn a_hook_before_the_switch_that_fails_leaves_everything_as_it_was() -> Result<()> {
    let host = Host::alone(&setup())?;
    let one = good(1, "")?;
    installs(&host, &one)?;
    let pid = host.app()?.pid;
    let two = with(2, HOOKS, "before_switch", "echo the balancer said no; exit 7")?;
    let problem = host.push(&two)?.problem()?;
    assert_eq!(problem.code, Code::HookFailed, "{problem:?}");
    assert_snapshot!(wording(&problem.detail), @"before_switch of SHORT: `bin/other` exited with status 7");
    assert_eq!(problem.output, ["the balancer said no"]);
    assert_eq!(host.app()?.pid, pid);
    host.keeps(&one.digest, None)?;
    // It is not the release's fault for ever: nothing of it has run.
    assert_eq!(host.push(&two)?.problem()?.code, Code::HookFailed);
    Ok(())
}

#[test]
fn what_a_hook_said_first_is_shown_and_all_of_it_kept() -> Result<()> {
    let host = Host::alone(&setup())?;
    installs(&host, &good(1, "")?)?;
    let script = "echo 'error: the balancer is away'; seq 500; for i in 1 2 3 4 5; do echo waits; done; exit 7";
    let problem = host.push(&with(2, HOOKS, "before_switch", script)?)?.problem()?;
    let output = &problem.output;
    assert_eq!(output.first().map(String::as_str), Some("error: the balancer is away"));
    assert_eq!(output.last().map(String::as_str), Some("… 4 more lines that say the same"));
    assert_eq!(output.len(), 40);
    let transaction = problem.transaction.context("a transaction")?;
    let evidence = host.state().join("evidence").join(transaction.as_str());
    let kept: serde_json::Value =
        serde_json::from_slice(&fs::read(evidence.join("evidence.json"))?)?;
    let ran = &kept["commands"][0];
    assert_eq!(
        (&ran["name"], ran["output"][0].as_str()),
        (&"before_switch".into(), Some(output[0].as_str()))
    );
    let log = fs::read_to_string(evidence.join(ran["log"].as_str().context("a file")?))?;
    assert_eq!(log.lines().count(), 506);
    // What fails on the way back comes to what was kept before.
    let both = "[hooks]\nafter_switch = 'bin/other'\nafter_rollback = 'bin/other'\n";
    let problem = host.undoes(&with(3, both, "", "echo no; exit 1")?)?;
    let transaction = problem.transaction.context("a transaction")?;
    let evidence = host.state().join("evidence").join(transaction.as_str());
    let kept: serde_json::Value =
        serde_json::from_slice(&fs::read(evidence.join("evidence.json"))?)?;
    for (number, name) in ["after_switch", "after_rollback"].into_iter().enumerate() {
        assert_eq!(kept["commands"][number]["log"], format!("{name}.log"));
        assert_eq!(fs::read_to_string(evidence.join(format!("{name}.log")))?, "no\n");
    }
    // Of what goes well nothing is left.
    installs(&host, &good(4, HOOKS)?)?;
    assert!(!host.state().join("command.log").exists());
    Ok(())
}

#[test]
fn a_hook_after_the_switch_that_fails_or_hangs_reverses() -> Result<()> {
    // Only the one that hangs has so little time.
    let cases = [
        (HOOKS, "10m", "echo cache is cold; exit 3"),
        ("[hooks]\nafter_switch = 'bin/note after_switch'\n", "1s", "sleep 600 & sleep 600"),
    ];
    let mut told = Vec::new();
    for (hooks, timeout, script) in cases {
        let host = Host::alone(&setup().app("hooks_timeout", &format!("'{timeout}'")))?;
        let one = good(1, "")?;
        installs(&host, &one)?;
        let problem = host.undoes(&with(2, hooks, "after_switch", script)?)?;
        told.push(wording(&problem.detail));
        let transaction = problem.transaction.context("a transaction")?;
        let evidence = host.master().get(&format!("/evidence/{transaction}"))?;
        assert!(evidence.text().contains("\"after_switch\""), "{evidence:?}");
        host.keeps(&one.digest, None)?;
        let expected = ["before_switch 2 1", "before_rollback 2 1", "after_rollback 2 1"];
        assert_eq!(noted(&host), if hooks == HOOKS { &expected[..] } else { &[] });
    }
    assert_snapshot!(told.join("\n"), @r"
    after_switch of SHORT: `bin/other` exited with status 3
    after_switch of SHORT: `bin/other` failed to finish within 1s: it was ended
    ");
    Ok(())
}

#[test]
fn a_migration_that_fails_is_undone_and_its_output_told() -> Result<()> {
    let host = Host::alone(&setup())?;
    let one = good(1, "")?;
    installs(&host, &one)?;
    let two = with(2, MIGRATIONS, "up", "echo table is locked; exit 1")?;
    let problem = host.undoes(&two)?;
    assert_snapshot!(wording(&problem.detail), @"up of SHORT: `bin/other` exited with status 1");
    assert!(problem.output.contains(&"table is locked".to_owned()), "{problem:?}");
    assert_eq!(noted(&host), ["backup 2 1", "down 2 1"]);
    host.keeps(&one.digest, None)?;
    // A backup that fails is no reason to touch the data.
    host.undoes(&with(3, MIGRATIONS, "backup", "exit 1")?)?;
    assert_eq!(noted(&host), Vec::<String>::new());
    host.keeps(&one.digest, None)
}

#[test]
fn a_release_that_fails_after_its_migration_takes_the_data_back_with_it() -> Result<()> {
    let host = Host::alone(&setup())?;
    let one = good(1, "")?;
    installs(&host, &one)?;
    host.undoes(&bad(2, MIGRATIONS)?)?;
    assert_eq!(noted(&host), ["backup 2 1", "up 2 1", "down 2 1"]);
    host.keeps(&one.digest, None)
}

#[test]
fn a_rollback_over_several_migrations_undoes_them_one_after_the_other() -> Result<()> {
    let host = Host::alone(&setup())?;
    let (one, two) = (good(1, "")?, good(2, MIGRATIONS)?);
    let (three, four) = (good(3, "")?, good(4, MIGRATIONS)?);
    for release in [&one, &two, &three, &four] {
        installs(&host, release)?;
    }
    noted(&host);
    let to = |release: &Release| {
        let order = serde_json::json!({ "digest": release.digest });
        host.master().post("/rollback").json(&order).send()?.result()
    };
    to(&three)?;
    assert_eq!(noted(&host), ["backup 4 3", "down 4 3"]);
    // The third brought nothing of its own, but runs on what the second did.
    to(&two)?;
    assert_eq!(noted(&host), Vec::<String>::new());
    to(&four)?;
    assert_eq!(noted(&host), ["backup 4 2", "up 4 2"]);
    to(&one)?;
    assert_eq!(noted(&host), ["backup 4 1", "down 4 1", "down 2 1"]);
    Ok(())
}

#[test]
fn what_cannot_be_undone_is_said_before_and_not_gone_back_over() -> Result<()> {
    let host = Host::alone(&setup())?;
    let (one, two) = (good(1, "")?, good(2, ONE_WAY)?);
    installs(&host, &one)?;
    let mut lines = host.order("/update", &two).header("accept", header::NDJSON).lines()?;
    let said = lines.until("cannot be undone")?;
    assert!(said.contains("backing_up"), "{said}");
    assert!(lines.until("\"result\"")?.contains("updated"));
    noted(&host);

    let refused = host.rollback()?.problem()?;
    assert_eq!((refused.code.status(), &refused.code), (409, &Code::Irreversible));
    assert_snapshot!(wording(&refused.detail), @"the migration of SHORT cannot be undone, its backup said: data/backup-2; --irreversible goes back over that all the same, and leaves the data as it is");
    assert_eq!(noted(&host), Vec::<String>::new());
    host.keeps(&two.digest, Some(&one.digest))?;

    let mut local = Command::new(program("updater")?);
    local.args(["rollback", "--irreversible", "--config"]).arg(host.config());
    Output::of(&mut local)?.good()?;
    host.keeps(&one.digest, Some(&two.digest))
}

#[test]
fn a_release_that_fails_after_what_cannot_be_undone_stays_and_says_where_the_backup_is()
-> Result<()> {
    let host = Host::alone(&setup())?;
    let (one, two) = (good(1, "")?, bad(2, ONE_WAY)?);
    installs(&host, &one)?;
    let answer = host.push(&two)?;
    let problem = answer.problem()?;
    assert_eq!((&problem.code, problem.rolled_back), (&Code::Irreversible, Some(false)));
    // 409 would say that what ran before runs.
    assert_eq!((answer.status, problem.stranded), (500, true));
    assert_snapshot!(wording(&problem.detail), @"the agent exited with status 3; the migration of SHORT cannot be undone, its backup said: data/backup-2; active names SHORT, and no agent runs");
    assert!(problem.output.iter().any(|line| line.contains("no such column")), "{problem:?}");
    let last = host.idle()?.last.context("a last one")?;
    assert_eq!((last.outcome, last.to), (Outcome::Stranded, Some(two.digest)));
    assert_eq!(noted(&host), ["backup 2 1", "up 2 1"]);

    assert_eq!(host.rollback()?.problem()?.code, Code::Irreversible);
    let order = serde_json::json!({ "irreversible": true });
    let back = host.master().post("/rollback").json(&order).send()?.result()?;
    assert_eq!(back.to, Some(one.digest));
    assert_eq!(host.running(), Some(one.digest));
    Ok(())
}

#[test]
fn nothing_is_started_on_data_that_is_half_way() -> Result<()> {
    let host = Host::alone(&setup())?;
    let one = good(1, "")?;
    installs(&host, &one)?;
    let two = with(2, ONE_WAY, "up", "echo half >> data/log; exit 1")?;
    let problem = host.push(&two)?.problem()?;
    assert_eq!(problem.code, Code::Irreversible);
    assert_snapshot!(wording(&problem.detail), @"up of SHORT: `bin/other` exited with status 1; the migration of SHORT cannot be undone, its backup said: data/backup-2; active names SHORT, and no agent runs, nor is one started until that is ordered");
    host.stop()?;
    host.start()?;
    assert_eq!(host.app()?.agent, AgentState::Stopped);
    // Nor by an operator, whom no status advises to.
    for word in ["start", "restart"] {
        let mut local = Command::new(program("updater")?);
        let refused = Output::of(local.args([word, "--config"]).arg(host.config()))?;
        assert!(refused.code == 1 && refused.stderr.contains("stored data"), "{refused:?}");
    }
    let app = host.app()?;
    assert!(app.agent == AgentState::Stopped && app.start_refused.is_some(), "{app:?}");
    // Another release that brings no migration of its own cannot know what it finds.
    assert_eq!(host.push(&good(3, "")?)?.problem()?.code, Code::Irreversible);
    let order = serde_json::json!({ "digest": one.digest, "irreversible": true });
    host.master().post("/rollback").json(&order).send()?.result()?;
    host.runs(&one.digest)
}

#[test]
fn who_says_irreversible_gets_the_old_release_back_all_the_same() -> Result<()> {
    let host = Host::alone(&setup())?;
    let (one, two) = (good(1, "")?, bad(2, ONE_WAY)?);
    installs(&host, &one)?;
    let problem = host.order("/update?irreversible=true", &two).send()?.problem()?;
    assert_eq!((problem.code, problem.rolled_back), (Code::RolledBack, Some(true)));
    assert_eq!(noted(&host), ["backup 2 1", "up 2 1"]);
    host.keeps(&one.digest, None)
}

#[test]
fn lesson_27_a_crash_in_the_migration_does_not_copy_the_data_again() -> Result<()> {
    let host = Host::alone(&setup())?;
    let (one, two) = (good(1, "")?, good(2, MIGRATIONS)?);
    installs(&host, &one)?;
    host.stop()?;
    host.start_crashing("migration_begun,migrated")?;
    host.answers()?;
    drop(host.push(&two));
    eventually("the migration to be finished", LONG, || {
        host.app().ok().filter(|app| app.active.as_ref().is_some_and(|is| is.digest == two.digest))
    })?;
    host.idle()?;
    // What was killed before it could say that it was done is run again; the backup is not.
    assert_eq!(noted(&host), ["backup 2 1", "up 2 1"]);
    host.runs(&two.digest)?;
    host.rollback()?.result()?;
    host.keeps(&one.digest, Some(&two.digest))
}

#[test]
fn lesson_27_failed_updates_leave_what_a_rollback_needs() -> Result<()> {
    let host = Host::alone(&setup())?;
    let (one, two) = (good(1, "")?, good(2, MIGRATIONS)?);
    installs(&host, &one)?;
    installs(&host, &two)?;
    for version in 3..6 {
        host.undoes(&bad(version, MIGRATIONS)?)?;
    }
    noted(&host);
    assert_eq!(host.rollback()?.result()?.to, Some(one.digest));
    assert_eq!(noted(&host), ["backup 2 1", "down 2 1"]);
    host.keeps(&one.digest, Some(&two.digest))
}

#[test]
fn what_the_host_says_of_hooks_wins() -> Result<()> {
    let hooks = "{ before_switch = ['bin/note', 'the host'], after_switch = [] }";
    let host = Host::alone(&setup().app("hooks", hooks))?;
    installs(&host, &good(1, HOOKS)?)?;
    assert_eq!(noted(&host), ["the host 1"]);
    Ok(())
}
