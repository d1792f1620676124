//! Words of the command line: short ids, reasons, hosts by what became of them, and the tab key.

use anyhow::{Context as _, Result};
use fleet_tests::{Fleet, LONG, Output, Packing, Setup, Tree, eventually};

#[test]
fn a_plan_is_named_by_its_beginning_and_its_reason_is_kept() -> Result<()> {
    let fleet = Fleet::of(1, &Setup::default())?;
    let tree = Tree::saying("one")?;
    let root = tree.path().display().to_string();
    let words = ["--json", "plan", "--all", "--message", "a repaired login", "--root", &root];
    let planned = fleet.swarm(words)?.good()?.json()?;
    assert_eq!(planned["message"], "a repaired login");
    let digest = planned["plan"].as_str().context("a digest")?;
    let hex = digest.trim_start_matches("sha256:");
    let short = fleet.swarm(["update", "--plan", &hex[..3]])?;
    assert_eq!(short.code, 2, "{short:?}");
    assert!(short.stderr.contains("fewer than 4 characters"), "{short:?}");
    let other = if hex.starts_with("0000") { "1111" } else { "0000" };
    let unknown = fleet.swarm(["update", "--plan", other])?;
    assert_eq!(unknown.code, 2, "{unknown:?}");
    let kept = format!("plans kept here: {}", &hex[..8]);
    assert!(unknown.stderr.contains(&kept), "{unknown:?}");

    fleet.swarm(["update", "--plan", &hex[..4]])?.good()?;
    let history = fleet.swarm(["--json", "history"])?.good()?.json()?;
    assert_eq!(history[0]["message"], "a repaired login");
    let id = history[0]["id"].as_str().context("an id")?;
    for words in [&["history"][..], &["rollout", "list"], &["rollout", "show", &id[id.len() - 4..]]]
    {
        let said = fleet.swarm(words)?.good()?.stdout;
        assert!(said.contains("a repaired login"), "{words:?}: {said}");
    }
    assert_eq!(fleet.swarm(["rollout", "show", &id[id.len() - 3..]])?.code, 2);
    Ok(())
}

#[test]
fn hosts_that_failed_in_a_rollout_are_tried_again_by_its_name() -> Result<()> {
    let fleet = Fleet::of(2, &Setup::default())?;
    let tree = Tree::saying("one")?;
    fleet.hosts[1].stop()?;
    let failed = fleet.update(&tree, &[])?;
    assert_eq!(failed.code, 1, "{failed:?}");
    let rollout = failed.summary()?["rollout"].as_str().context("an id")?.to_owned();
    fleet.hosts[1].start()?;
    let root = tree.path().display().to_string();
    let words = ["--json", "update", "--failed-in", &rollout, "--root", &root];
    let again = fleet.swarm(words)?.good()?;
    let summary = again.summary()?;
    assert_eq!(summary["hosts"].as_array().map(Vec::len), Some(1), "{summary}");
    assert_eq!(again.row("web-2")?["outcome"], "updated");
    let done = summary["rollout"].as_str().context("an id")?;
    let none = fleet.swarm(["update", "--failed-in", done, "--root", &root])?;
    assert_eq!(none.code, 2, "{none:?}");
    assert!(none.stderr.contains("there are none"), "{none:?}");
    Ok(())
}

#[test]
fn updaters_are_replaced_alone() -> Result<()> {
    let fleet = Fleet::of(1, &Setup::default())?;
    let host = &fleet.hosts[0];
    let service = host.installs("one")?;
    let archive = fleet.sandbox().path().join("updater.tar.zst");
    let next = Tree::updater("alone")?.pack(Packing::Zstd)?;
    std::fs::write(&archive, &next.bytes)?;
    let archive = archive.display().to_string();
    let words = ["--json", "update", "--all", "--self-only", "--updater-archive", &archive];
    let row = fleet.swarm(words)?.good()?.row("web-1")?;
    assert_eq!(row["outcome"], "already_current", "{row}");
    eventually("the new updater to answer", LONG, || {
        host.health().ok().filter(|health| health.digest == next.digest)
    })?;
    assert_eq!(host.running(), Some(service));
    let asked = fleet.swarm(["history"])?.good()?.stdout;
    assert!(asked.contains("update of the updaters of --all"), "{asked}");
    let with_a_release = fleet.swarm(["update", "--all", "--self-only", "--root", "."])?;
    assert_eq!(with_a_release.code, 2, "{with_a_release:?}");
    Ok(())
}

#[test]
fn labels_are_changed_on_several_hosts_at_once() -> Result<()> {
    let fleet = Fleet::of(2, &Setup::default())?;
    let both = fleet.swarm(["label", "web-1", "web-2", "role=web"])?.good()?;
    assert_eq!(both.stdout, "web-1: role=web\nweb-2: role=web\n");
    let chosen = ["--json", "label", "--select", "role=web", "zone=a", "role-"];
    let chosen = fleet.swarm(chosen)?.good()?.json()?;
    assert_eq!(chosen[1]["labels"], serde_json::json!({"zone": "a"}));
    let absent = fleet.swarm(["label", "web-1", "role-"])?.good()?;
    assert!(absent.stderr.contains("web-1 has no label role"), "{absent:?}");
    for words in [&["label", "role=web"][..], &["label", "web-1"]] {
        assert_eq!(fleet.swarm(words)?.code, 2, "{words:?}");
    }
    Ok(())
}

/// As bash asks: the words so far, and which of them the cursor is at.
fn offered(fleet: &Fleet, words: &[&str]) -> Result<Vec<String>> {
    let mut command = fleet.command(["--"])?;
    let place = (words.len() - 1).to_string();
    command.args(words).env("SWARM_COMPLETE", "bash").env("SWARM_HOME", fleet.home());
    command.env("_CLAP_COMPLETE_INDEX", place).env("_CLAP_IFS", "\n");
    // The words of the harness would come before those of the shell.
    let mut asked = std::process::Command::new(command.get_program());
    asked.arg("--").args(words);
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => asked.env(name, value),
            None => asked.env_remove(name),
        };
    }
    let said = Output::of(&mut asked)?.good()?.stdout;
    Ok(said.lines().map(str::to_owned).collect())
}

#[test]
fn the_tab_key_offers_the_fleet_as_it_is() -> Result<()> {
    let fleet = Fleet::of(2, &Setup::default())?;
    fleet.swarm(["label", "web-2", "role=db"])?.good()?;
    assert_eq!(offered(&fleet, &["swarm", "why", "we"])?, ["web-1", "web-2"]);
    assert_eq!(offered(&fleet, &["swarm", "status", "--select", "ro"])?, ["role=db"]);
    let tree = Tree::saying("one")?;
    let rollout = fleet.update(&tree, &[])?.good()?.summary()?;
    let id = rollout["rollout"].as_str().context("an id")?;
    let short = &id[id.len() - 8..];
    assert_eq!(offered(&fleet, &["swarm", "rollout", "show", &short[..1]])?, [short]);
    Ok(())
}

/// A mistake is told before anything is begun, with what to type.
#[test]
fn a_mistake_says_what_to_type() -> Result<()> {
    let fleet = Fleet::of(1, &Setup::default())?;
    let tree = Tree::saying("one")?;
    tree.file("release.toml", "name = \"greeter\"\nversion = \"1.8.0\"\n")?;
    let root = tree.path().display().to_string();
    let typo = fleet.swarm(["update", "--all", "--app", "agnet", "--root", &root])?;
    assert_eq!(typo.code, 2, "{typo:?}");
    assert!(typo.stderr.contains("no host has an app agnet (1 has agent)"), "{typo:?}");
    assert_eq!(fleet.swarm(["--json", "history"])?.good()?.json()?, serde_json::json!([]));

    fleet.update(&tree, &[])?.good()?;
    let id = fleet.swarm(["--json", "history"])?.good()?.json()?[0]["id"].to_string();
    let over = fleet.swarm(["rollout", "rollback", id.trim_matches('"')])?;
    assert!(over.stderr.contains("swarm rollout undo ID"), "{over:?}");
    let half = fleet.swarm(["update", "--all", "--release", "1.8.0"])?;
    assert!(half.stderr.contains("did you mean greeter@1.8.0?"), "{half:?}");
    let canary = fleet.swarm(["update", "--all", "--root", &root, "--canary", "one"])?;
    assert!(canary.stderr.contains("expected a whole number, such as 1"), "{canary:?}");
    for limit in ["0", "-1"] {
        let none = fleet.swarm(["history", "--limit", limit])?;
        assert!(none.stderr.contains("a whole number from 1 on"), "{none:?}");
    }
    let list = fleet.swarm(["rollout", "list", "--limit", "0"])?;
    assert!(list.stderr.contains("a whole number from 1 on"), "{list:?}");
    let zip = fleet.swarm(["pack", &root, "--output", "release.zip"])?;
    assert!(zip.stderr.contains("ends in .tar.zst, .tar.gz or .tgz"), "{zip:?}");
    let waits = ["--json", "update", "--all", "--force", "--root", &root, "--approve", "start"];
    let waits = fleet.swarm(waits)?.summary()?;
    let id = waits["rollout"].as_str().context("an id")?;
    let resumed = fleet.swarm(["rollout", "resume", id])?;
    assert!(resumed.stderr.contains("swarm rollout approve ID"), "{resumed:?}");
    fleet.swarm(["rollout", "abort", id])?.good()?;
    let nowhere = fleet.swarm(["pack", &root, "--output", "/nonexistent/release.tar.zst"])?;
    assert!(!nowhere.stderr.contains(".swarm-"), "{nowhere:?}");
    fleet.hosts[0].stop()?;
    let gone = fleet.update(&tree, &[])?.row("web-1")?;
    let why = gone["detail"].as_str().context("a detail")?;
    assert!(why.contains("systemctl status updater"), "{why}");
    Ok(())
}
