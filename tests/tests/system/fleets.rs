//! `swarm` and three hosts: the main job, end to end.

use std::fs;

use anyhow::{Context as _, Result};
use fleet_tests::{Behaviour, Fleet, LONG, Output, Setup, Tree, eventually, wording};
use insta::assert_snapshot;
use serde_json::Value;

fn outcomes(output: &Output) -> Result<Vec<String>> {
    let summary = output.summary()?;
    let rows = summary["hosts"].as_array().context("rows")?;
    Ok(rows.iter().map(|row| row["outcome"].as_str().unwrap_or_default().to_owned()).collect())
}

#[test]
fn a_fleet_is_updated_and_a_bad_release_is_undone_on_every_host() -> Result<()> {
    let fleet = Fleet::of(3, &Setup::default())?;
    let good = fleet.update(&Tree::saying("good")?, &[])?.good()?;
    assert_eq!(outcomes(&good)?, ["updated"; 3]);
    let digest = good.summary()?["release"].as_str().context("a release")?.parse()?;
    for host in &fleet.hosts {
        assert_eq!(host.running(), Some(digest));
    }

    let crash =
        Behaviour { crash: Some("cannot reach the database".into()), ..Behaviour::default() };
    let bad = fleet.update(&Tree::agent(&crash)?, &[])?;
    assert_eq!(bad.code, 1);
    assert_eq!(outcomes(&bad)?, ["rolled_back"; 3]);
    for host in &fleet.hosts {
        let row = bad.row(&host.name)?;
        assert_eq!(row["code"], "rolled_back");
        assert_eq!(row["to"], Value::from(digest.to_string()));
        assert!(row["output"].to_string().contains("cannot reach the database"), "{row}");
        assert_eq!(host.running(), Some(digest));
    }
    Ok(())
}

#[test]
fn the_reason_of_a_failure_is_on_the_screen() -> Result<()> {
    let fleet = Fleet::of(1, &Setup::default())?;
    let crash = Behaviour { crash: Some("no such table: users".into()), ..Behaviour::default() };
    let tree = Tree::agent(&crash)?;
    let root = tree.path().display().to_string();
    let output = fleet.swarm(["update", "--all", "--root", &root])?;
    assert_eq!(output.code, 1);
    assert_snapshot!(wording(&format!("{}{}", output.stdout, output.stderr)), @r"
    HOST  OUTCOME  FROM  TO  TIME  WHY
    web-1  rolled_back  -  -  DURATION  SHORT: the agent exited with status 3; nothing was here before, so nothing runs

    web-1: the last lines of its output
      | agent 
      | no such table: users

    1 host: 1 rolled back
    note: TEMPORARY is no git work tree and its release.toml has no [pack]: everything in it is packed, except what looks like a secret and what builds leave behind
    packed SHORT: 2 files, SIZE
    TIME  batch 1 of 1: 1 host
    TIME  SHORT is quarantined on web-1: it failed there
    TIME  web-1  rolled_back  DURATION: SHORT: the agent exited with status 3; nothing was here before, so nothing runs
    to see what is wrong there: swarm why web-1
    ");
    Ok(())
}

#[test]
fn lesson_43_a_host_that_has_the_release_is_left_alone_and_one_that_is_down_is_named() -> Result<()>
{
    let fleet = Fleet::of(3, &Setup::default())?;
    let tree = Tree::saying("one")?;
    let first = fleet.swarm(["--json", "update", "--host", "web-1", "--root", &root(&tree)])?;
    assert_eq!(outcomes(&first.good()?)?, ["updated"]);
    let pid = fleet.hosts[0].app()?.pid;
    fleet.hosts[2].stop()?;

    let output = fleet.update(&tree, &[])?;
    assert_eq!(output.code, 1);
    assert_eq!(output.row("web-1")?["outcome"], "already_current");
    assert_eq!(output.row("web-2")?["outcome"], "updated");
    assert_eq!(output.row("web-3")?["outcome"], "unreachable");
    assert_eq!(fleet.hosts[0].app()?.pid, pid);
    Ok(())
}

#[test]
fn a_damaged_release_that_runs_is_mended_by_an_update_and_others_are_left_alone() -> Result<()> {
    let fleet = Fleet::of(2, &Setup::default())?;
    let tree = Tree::saying("one")?;
    tree.file("templates/page.html", "<p>as it was</p>")?;
    let first = fleet.update(&tree, &[])?.good()?;
    let digest = first.summary()?["release"].as_str().context("a release")?.parse()?;
    let pids = || fleet.hosts.iter().map(|host| Ok(host.app()?.pid)).collect::<Result<Vec<_>>>();
    let release = fleet.hosts[0].release(&digest);
    let page = release.join("templates/page.html");
    let another = "templates/page.html is not as it was";
    for (harm, said) in [("changed", another), ("removed", another), ("all", "sent anew")] {
        let before = pids()?;
        match harm {
            "changed" => fs::write(&page, "something else")?,
            "removed" => fs::remove_file(&page)?,
            // The program runs on without any of its files.
            _ => fs::rename(&release, fleet.hosts[0].install().join("taken-away"))?,
        }
        let planned = fleet.update(&tree, &["--dry-run"])?.good()?;
        assert!(planned.stdout.contains(said), "{planned:?}");
        let output = fleet.update(&tree, &[])?.good()?;
        assert_eq!(outcomes(&output)?, ["updated", "already_current"], "{output:?}");
        assert_eq!(fs::read_to_string(&page)?, "<p>as it was</p>");
        let after = pids()?;
        assert!(after[0] != before[0] && after[1] == before[1], "{before:?} {after:?}");
        fleet.hosts[0].runs(&digest)?;
    }
    let again = fleet.update(&tree, &[])?.good()?;
    assert_eq!(outcomes(&again)?, ["already_current"; 2]);
    // Without its archive it is not said to be what it is not.
    fs::write(&page, "something else")?;
    let back =
        fleet.swarm(["--json", "rollback", "--host", "web-1", "--to", &digest.to_string()])?;
    assert_eq!(back.row("web-1")?["code"], "unknown_release", "{back:?}");
    Ok(())
}

fn root(tree: &Tree) -> String {
    tree.path().display().to_string()
}

#[test]
fn lesson_39_a_dry_run_touches_nothing() -> Result<()> {
    let fleet = Fleet::of(1, &Setup::default())?;
    let output = fleet.update(&Tree::saying("one")?, &["--dry-run"])?.good()?;
    assert!(output.stdout.contains("web-1"), "{output:?}");
    assert!(fleet.hosts[0].store().is_empty());
    assert_eq!(fleet.hosts[0].app()?.last, None);
    Ok(())
}

#[test]
fn a_fleet_is_rolled_back() -> Result<()> {
    let fleet = Fleet::of(2, &Setup::default())?;
    let one = fleet.update(&Tree::saying("one")?, &[])?.good()?.summary()?["release"].clone();
    fleet.update(&Tree::saying("two")?, &[])?.good()?;
    let back = fleet.swarm(["--json", "rollback", "--all"])?.good()?;
    assert_eq!(outcomes(&back)?, ["rolled_back"; 2]);
    for host in &fleet.hosts {
        assert_eq!(host.ask_agent("/health")?["release"], one);
    }
    Ok(())
}

#[test]
fn lesson_37_a_broken_connection_is_asked_about() -> Result<()> {
    let fleet = Fleet::of(1, &Setup::default())?;
    let host = &fleet.hosts[0];
    let tree = Tree::saying("one")?;
    let output = std::thread::scope(|scope| {
        let pushing = scope.spawn(|| fleet.update(&tree, &["--watch", "1h"]));
        eventually("the watch", LONG, || {
            host.app().ok().filter(|app| app.state == protocol::Phase::Watching)
        })?;
        host.kill()?;
        host.sleep_through_watch()?;
        host.start()?;
        pushing.join().expect("it does not panic")
    })?;
    assert_eq!(output.row("web-1")?["outcome"], "updated", "{output:?}");
    assert_eq!(output.code, 0);
    Ok(())
}

#[test]
fn what_runs_where_and_what_was_done_can_be_asked() -> Result<()> {
    let fleet = Fleet::of(2, &Setup::default())?;
    let release = fleet.update(&Tree::saying("one")?, &[])?.good()?.summary()?["release"].clone();
    let digest = release.as_str().context("a digest")?;
    let short = &digest["sha256:".len().."sha256:".len() + 8];
    let mut told = Vec::new();
    // How long each has run is some seconds.
    let seconds = regex::Regex::new(r"\b\d+(\.\d)? s\b")?;
    for command in ["status", "list", "check", "history"] {
        let all: &[&str] = if ["status", "check"].contains(&command) { &["--all"] } else { &[] };
        let output = fleet.swarm(std::iter::once(&command).chain(all))?.good()?;
        let mut shown = output.stdout.replace(env!("CARGO_PKG_VERSION"), "VERSION");
        for host in &fleet.hosts {
            for port in [host.address.port(), host.agent.port()] {
                shown = shown.replace(&port.to_string(), "PORT");
            }
        }
        let shown = seconds.replace_all(&shown, "DURATION");
        told.push(wording(&format!("{command}:\n{shown}")));
        let json: Value = fleet
            .swarm(["--json", command].iter().chain(all))?
            .good()?
            .json()
            .with_context(|| command.to_owned())?;
        assert!(!json.is_null());
    }
    assert_snapshot!(told.join("\n\n"), @r"
    status:
    HOST  APP  STATE  AGENT  RUNS  PREV  SHOULD RUN  RESTARTS  AGE  UPDATER
    web-1  agent  idle  running  SHORT  -  SHORT  0  DURATION  VERSION
    web-2  agent  idle  running  SHORT  -  SHORT  0  DURATION  VERSION

    2 hosts: 2 run SHORT

    list:
    HOST  ADDRESS  UPDATER PORT  AGENT PORT  LABELS  NOTES
    web-1  ADDRESS  PORT  PORT  -  -
    web-2  ADDRESS  PORT  PORT  -  -

    check:
    HOST  CHECK  UPDATER  CERTIFICATE UNTIL  AGENT  DETAIL
    web-1  fine  VERSION  TIME  agent running  -
    web-2  fine  VERSION  TIME  agent running  -

    2 hosts: 2 fine

    history:
    ROLLOUT  STARTED  TOOK  RESULT  WHAT
    SHORT  TIME  DURATION  completed  update of --all to SHORT, by USER: 2 updated
    ");
    let status = fleet.swarm(["status", "--all"])?.good()?;
    assert!(status.stdout.contains(short), "{status:?}");
    for command in ["show", "log", "why"] {
        fleet.swarm([command, "web-1"])?.good()?;
    }
    Ok(())
}

#[test]
fn lesson_28_the_master_speaks_to_no_other_hosts_updater() -> Result<()> {
    let fleet = Fleet::of(2, &Setup::default())?;
    // web-2's updater answers on web-1's address.
    let [one, two] = &fleet.hosts[..] else { panic!("two hosts") };
    let (one_address, two_address) = (one.address.to_string(), two.address.to_string());
    one.stop()?;
    two.stop()?;
    let text = fs::read_to_string(two.config())?;
    fs::write(two.config(), text.replace(&two_address, &one_address))?;
    two.start_crashing("")?;
    eventually("web-2 to listen there", LONG, || std::net::TcpStream::connect(one.address).ok())?;
    let tree = Tree::saying("one")?;
    let output = fleet.swarm(["--json", "update", "--host", "web-1", "--root", &root(&tree)])?;
    assert_eq!(output.code, 1, "{output:?}");
    assert_eq!(output.row("web-1")?["outcome"], "unreachable");
    assert!(two.store().is_empty() && one.store().is_empty());
    Ok(())
}

#[test]
fn an_update_can_wait_for_the_masters_confirmation() -> Result<()> {
    let fleet = Fleet::of(1, &Setup::default())?;
    let output = fleet.update(&Tree::saying("one")?, &["--confirm"])?.good()?;
    assert_eq!(output.row("web-1")?["outcome"], "updated");
    Ok(())
}

#[test]
fn secrets_are_not_packed_and_the_same_tree_has_one_digest() -> Result<()> {
    let fleet = Fleet::new()?;
    let tree = Tree::saying("one")?;
    tree.file(".env", "PASSWORD=x")?;
    tree.file("server.key", "x")?;
    let pack = |name: &str| -> Result<Vec<u8>> {
        let archive = fleet.sandbox().path().join(name);
        let file = archive.display().to_string();
        fleet.swarm(["pack", &root(&tree), "-o", &file])?.good()?;
        Ok(fs::read(archive)?)
    };
    let bytes = pack("one.tar.zst")?;
    assert_eq!(bytes, pack("two.tar.zst")?);
    let mut archive = tar::Archive::new(zstd::Decoder::new(bytes.as_slice())?);
    let mut names = Vec::new();
    for entry in archive.entries()? {
        names.push(entry?.path()?.display().to_string());
    }
    assert!(names.iter().any(|name| name == "bin/agent"), "{names:?}");
    assert!(!names.iter().any(|name| name == ".env" || name == "server.key"), "{names:?}");
    Ok(())
}

#[test]
fn keys_are_their_owners_alone_and_nothing_is_overwritten() -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let mut fleet = Fleet::new()?;
    let bundle = fleet.enroll("web-1", &Setup::default())?.directory.join("bundle");
    let mode = |path: &str| -> Result<u32> {
        Ok(fs::metadata(bundle.join(path))?.permissions().mode() & 0o777)
    };
    assert_eq!(mode("")?, 0o700);
    for key in ["agent/worker.key", "updater/updater.key"] {
        assert_eq!(mode(key)?, 0o600, "{key}");
    }
    for file in ["agent/ca.crt", "agent/worker.crt", "updater/ca.crt", "updater/updater.crt"] {
        assert!(bundle.join(file).is_file(), "{file}");
    }
    assert!(bundle.join("updater.toml").is_file());
    let key = fs::read(bundle.join("updater/updater.key"))?;
    let again = fleet.swarm([
        "enroll",
        "--updater",
        "--name",
        "web-9",
        "--address",
        "10.0.0.9",
        "--out-dir",
        &bundle.display().to_string(),
    ])?;
    assert_ne!(again.code, 0);
    assert_eq!(fs::read(bundle.join("updater/updater.key"))?, key);
    let ca = fs::read(fleet.home().join("ca/ca.key"))?;
    fleet.swarm(["init"])?;
    assert_eq!(fs::read(fleet.home().join("ca/ca.key"))?, ca);
    Ok(())
}

/// What the packer knows of a release reaches its build: `.git` is not packed.
#[test]
fn a_build_knows_the_commit_and_the_tag_that_it_builds() -> Result<()> {
    let fleet = Fleet::of(1, &Setup::default().app("build", "'auto'"))?;
    let tree = Tree::saying("one")?;
    tree.file("Makefile", "all:\n\tenv > build.env\n")?;
    for arguments in
        [&["init", "-q"][..], &["add", "-A"], &["commit", "-qm", "x"], &["tag", "v1.4.0"]]
    {
        let git = ["-c", "user.name=x", "-c", "user.email=x@example.org"];
        let mut command = std::process::Command::new("git");
        let made = command.current_dir(tree.path()).args(git).args(arguments).status()?;
        anyhow::ensure!(made.success(), "{arguments:?}");
    }
    let output = fleet.swarm(["update", "-v", "--all", "--root", &root(&tree)])?.good()?;
    assert!(output.stderr.contains("staged: built with make from Makefile"), "{}", output.stderr);
    let current = fleet.hosts[0].install().join("current");
    let built = format!("\n{}", fs::read_to_string(current.join("build.env"))?);
    assert!(built.contains("\nRELEASE_DESCRIBE=v1.4.0\n"), "{built}");
    let record: Value = serde_json::from_slice(&fs::read(current.join(".release.json"))?)?;
    let commit = record["commit"].as_str().context("a commit")?;
    assert!(built.contains(&format!("\nRELEASE_COMMIT={commit}\n")), "{built}");
    assert_eq!((&record["describe"], &record["sha"]), (&"v1.4.0".into(), &record["commit"]));
    assert_eq!(record["built_with"], "make from Makefile");
    Ok(())
}
