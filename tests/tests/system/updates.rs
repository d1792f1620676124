//! One host, one good release after the other.

use std::fs;
use std::path::Path;

use anyhow::Result;
use fleet_tests::volume::{Volume, alone_with_mounts};
use fleet_tests::{Behaviour, Fleet, Host, Setup, Tree, host, wording};
use insta::assert_snapshot;
use protocol::{Code, Proof, ReleaseSlot, ReleaseState, Status, UpdaterState};

#[test]
fn a_release_is_installed_and_upgraded() -> Result<()> {
    let host = host()?;
    let health = host.health()?;
    assert_eq!(health.status, UpdaterState::Ok);
    assert!(!host.install().join("current").exists());

    let first = Tree::healthy("one")?;
    let result = host.push(&first)?.result()?;
    assert_eq!((result.status, result.code), (Status::Updated, None));
    assert_eq!((result.from, result.to), (None, Some(first.digest)));
    let slot = result.release.expect("a release");
    assert_eq!((slot.slot, slot.digest), (ReleaseSlot::Active, first.digest));
    assert_eq!(result.probe.expect("a probe").proof, Some(Proof::Echo));
    host.keeps(&first.digest, None)?;

    let second = host.installs("two")?;
    host.keeps(&second, Some(&first.digest))?;
    assert_eq!(host.history().len(), 2);
    Ok(())
}

#[test]
fn a_release_that_nobody_can_start_is_refused_before_the_old_one_is_stopped() -> Result<()> {
    let host = host()?;
    let good = host.installs("good")?;
    host.kill()?;
    let config = fs::read_to_string(host.config())?;
    let config = config.replace("command = ['bin/agent']\n", "");
    fs::write(host.config(), config)?;
    host.start()?;
    let pid = host.app()?.pid;
    let problem = host.push(&Tree::healthy("without a command")?)?.problem()?;
    assert_eq!(problem.code, Code::NotSupported, "{problem:?}");
    assert_snapshot!(wording(&problem.detail), @"failed to find the command that starts the release: write `command` under `[run]` in its release.toml, or under the app's `run` section in the updater's configuration; `run = []` where it has no process");
    assert_eq!(host.app()?.pid, pid, "the old agent was touched");
    host.keeps(&good, None)
}

#[test]
fn gzip_is_taken_as_zstd_is() -> Result<()> {
    let host = host()?;
    let release = Tree::agent(&Behaviour::default())?.pack(fleet_tests::Packing::Gzip)?;
    assert_eq!(host.push(&release)?.result()?.status, Status::Updated);
    host.keeps(&release.digest, None)
}

#[test]
fn a_release_that_runs_already_is_left_alone_unless_it_is_forced() -> Result<()> {
    let host = host()?;
    let release = Tree::healthy("one")?;
    host.push(&release)?.result()?;
    let pid = host.app()?.pid;

    assert_eq!(host.push(&release)?.result()?.status, Status::AlreadyCurrent);
    assert_eq!(host.app()?.pid, pid);

    let forced = host.order("/update?force=true", &release).send()?.result()?;
    assert_eq!(forced.status, Status::Updated);
    assert_ne!(host.app()?.pid, pid);
    host.keeps(&release.digest, None)
}

#[test]
fn without_a_pointer_the_new_process_is_the_proof() -> Result<()> {
    let host = Host::alone(&Setup::default().without_echo())?;
    let silent = |message: &str| {
        Tree::release(&Behaviour { silent: true, message: message.into(), ..Behaviour::default() })
    };
    let result = host.push(&silent("one")?)?.result()?;
    assert_eq!(result.probe.expect("a probe").proof, Some(Proof::Process));
    let result = host.push(&silent("two")?)?.result()?;
    assert_eq!(result.status, Status::Updated);
    assert_eq!(host.ask_agent("/health")?["message"], "two");
    Ok(())
}

#[test]
fn an_agent_that_ignores_term_is_stopped_all_the_same_and_that_is_said() -> Result<()> {
    let fleet = Fleet::of(1, &Setup::default())?;
    let stubborn = Behaviour { ignores_term: true, ..Behaviour::default() };
    assert_eq!(fleet.update(&Tree::agent(&stubborn)?, &[])?.code, 0);
    let output = fleet.update(&Tree::agent(&Behaviour::default())?, &[])?;
    assert_eq!(output.code, 0, "{output:?}");
    let row = output.row("web-1")?;
    assert_eq!(row["outcome"], "updated");
    let detail = row["detail"].as_str().unwrap_or_default();
    assert!(
        detail.ends_with("(agent) did not end on TERM within 500ms and had to be killed"),
        "{row}"
    );
    let log = fleet.hosts.first().map(Host::log).unwrap_or_default();
    assert!(log.contains("did not end on TERM within 500ms"), "{log}");
    Ok(())
}

#[test]
fn a_slow_start_is_waited_for() -> Result<()> {
    let host = Host::alone(&Setup::default().health("attempts", "30"))?;
    let slow = Tree::release(&Behaviour { slow_start_ms: 700, ..Behaviour::default() })?;
    assert_eq!(host.push(&slow)?.result()?.status, Status::Updated);
    Ok(())
}

#[test]
fn a_program_that_is_too_slow_is_told_with_the_key_that_gives_it_more_time() -> Result<()> {
    let setup = Setup::default().health("attempts", "1").health("timeout", "'100ms'");
    let host = Host::alone(&setup)?;
    let slow = Tree::release(&Behaviour { slow_start_ms: 60_000, ..Behaviour::default() })?;
    let problem = host.undoes(&slow)?;
    let said = "it runs and has not answered yet: if it needs longer to start, raise [app.agent.health] attempts";
    assert!(problem.detail.contains(said), "{problem:?}");
    Ok(())
}

#[test]
fn old_releases_go_and_the_kept_ones_can_be_gone_back_to() -> Result<()> {
    let host = Host::alone(&Setup::default().app("keep", "3"))?;
    let mut all = Vec::new();
    for message in ["a", "b", "c", "d"] {
        all.push(host.installs(message)?);
    }
    assert_eq!(host.store().len(), 3);
    let unknown = serde_json::json!({ "digest": all[0] });
    let problem = host.master().post("/rollback").json(&unknown).send()?.problem()?;
    assert_eq!(problem.code, Code::UnknownRelease);
    let known = serde_json::json!({ "digest": all[1] });
    let result = host.master().post("/rollback").json(&known).send()?.result()?;
    assert_eq!((result.status, result.to), (Status::RolledBack, Some(all[1])));
    host.keeps(&all[1], Some(&all[3]))
}

#[test]
fn a_release_can_be_staged_first_and_activated_later() -> Result<()> {
    let host = host()?;
    let release = Tree::healthy("staged")?;
    let path = format!("/releases/{}", release.digest);
    let put = |host: &Host| {
        host.master()
            .call(reqwest::Method::PUT, &path)
            .header("content-type", release.media_type())
            .body(release.bytes.clone())
            .send()
    };
    assert_eq!(put(&host)?.status, 201);
    assert!(!host.install().join("current").exists());
    assert_eq!(host.releases()?.releases[0].state, ReleaseState::Staged);
    assert_eq!(put(&host)?.status, 200);

    let order = serde_json::json!({ "digest": release.digest });
    let result = host.master().post("/update").json(&order).send()?.result()?;
    assert_eq!(result.status, Status::Updated);
    host.keeps(&release.digest, None)
}

#[test]
fn there_is_nothing_to_go_back_to_at_first() -> Result<()> {
    let host = host()?;
    assert_eq!(host.rollback()?.problem()?.code, Code::NoPreviousRelease);
    host.installs("one")?;
    assert_eq!(host.rollback()?.problem()?.code, Code::NoPreviousRelease);
    Ok(())
}

#[test]
fn what_an_agent_writes_outlives_its_release() -> Result<()> {
    let host = Host::alone(&Setup::default().app("links", "['data/']"))?;
    host.installs("one")?;
    fs::write(host.install().join("shared/data/note"), "kept")?;
    host.installs("two")?;
    assert_eq!(host.ask_agent("/health")?["data"], "kept");
    host.rollback()?.result()?;
    assert_eq!(host.ask_agent("/health")?["data"], "kept");
    Ok(())
}

#[test]
fn lesson_17_an_agents_environment_is_small_and_not_the_updaters() -> Result<()> {
    let host = host()?;
    let digest = host.installs("one")?;
    let environment = host.ask_agent("/environment")?;
    let names: Vec<&str> =
        environment.as_object().expect("an object").keys().map(String::as_str).collect();
    for name in &names {
        let known = ["PATH", "HOME", "LANG", "USER", "LOGNAME", "SHELL", "AGENT_LISTEN", "PWD"];
        let ours = name.starts_with("RELEASE_") || known.contains(name);
        // What a shell adds by itself.
        assert!(ours || ["_", "OLDPWD", "SHLVL"].contains(name), "{name} has leaked: {names:?}");
    }
    assert_eq!(environment["RELEASE_DIGEST"], digest.to_string());
    Ok(())
}

#[test]
fn a_dead_agent_is_started_again() -> Result<()> {
    let host = host()?;
    let digest = host.installs("one")?;
    let pid = host.app()?.pid.expect("a process");
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(pid.cast_signed()),
        nix::sys::signal::Signal::SIGKILL,
    )?;
    let started = fleet_tests::eventually("a new agent", fleet_tests::LONG, || {
        host.app().ok()?.pid.filter(|new| *new != pid)
    })?;
    assert_ne!(started, pid);
    host.runs(&digest)
}

/// This mounts a small disk within a release, which takes root.
#[test]
fn what_cannot_be_removed_is_named_and_everything_else_goes() -> Result<()> {
    alone_with_mounts()?;
    let host = host()?;
    let first = host.installs("one")?;
    let first = host.release(&first).display().to_string();
    let volume = Volume::small(&Path::new(&first).join("held"), 4 << 20, 64)?;
    for message in ["two", "three", "four", "five"] {
        host.installs(message)?;
    }
    // Three are kept, and nothing was removed of the one that is held.
    assert_eq!(host.store().len(), 4);
    let named = |warning: &String| warning.contains(&first);
    let app = host.app()?;
    assert!(app.warnings.iter().any(named), "{:?}", app.warnings);
    drop(volume);
    host.installs("six")?;
    assert_eq!(host.store().len(), 3);
    assert!(!host.app()?.warnings.iter().any(named));
    Ok(())
}
