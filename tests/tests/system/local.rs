//! What somebody can do who is logged in on a host, with the master gone.

use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result};
use fleet_tests::{
    Behaviour, Daemon, Fleet, Host, Output, Setup, Tree, eventually, host, program, wording,
};
use insta::assert_snapshot;
use protocol::CallerKind;
use serde_json::Value;

#[test]
fn a_host_is_rolled_back_on_the_spot_whether_its_updater_runs_or_not() -> Result<()> {
    let host = host()?;
    let (one, two) = (Tree::healthy("one")?, Tree::healthy("two")?);
    host.push(&one)?.result()?;
    host.push(&two)?.result()?;
    let status = host.local(&["status"])?.good()?;
    assert!(status.stdout.contains(&two.digest.to_string()), "{status:?}");

    host.local(&["rollback"])?.good()?;
    host.runs(&one.digest)?;
    let forward = |output: &Output| {
        output.code == 1 && output.stderr.contains(&format!("updater rollback --to {}", two.digest))
    };
    let again = host.local(&["rollback"])?;
    assert!(forward(&again), "{again:?}");
    let last = host.idle()?.last.context("a last transaction")?;
    assert_eq!(last.caller, CallerKind::Local);

    host.kill()?;
    let json: Value = host.local(&["status", "--json"])?.json()?;
    assert_eq!(json["updater"], Value::Null);
    let again = host.local(&["rollback"])?;
    assert!(forward(&again), "{again:?}");
    host.runs(&one.digest)?;
    assert_eq!(json["apps"]["agent"]["active"]["digest"], one.digest.to_string());
    host.local(&["rollback", "--to", &two.digest.to_string()])?.good()?;
    host.runs(&two.digest)?;
    // The daemon finds what was done without it.
    host.start()?;
    assert_eq!(host.app()?.active.context("a release")?.digest, two.digest);
    assert_eq!(host.running(), Some(two.digest));
    Ok(())
}

#[test]
fn a_check_says_all_that_is_wrong_at_once() -> Result<()> {
    let host = Host::alone_and_idle(&Setup::default())?;
    host.local(&["check"])?.good()?;
    let text = fs::read_to_string(host.config())?;
    let faults = [
        // What cannot be understood, and what cannot be meant.
        [("stop_grace", "stop_grase"), ("backoff", "back_off")],
        [("attempts = 5", "attempts = 0"), ("['bin/agent']", "['']")],
    ];
    let mut told = Vec::new();
    for pair in faults {
        let wrong = pair.iter().fold(text.clone(), |text, (from, to)| text.replace(from, to));
        fs::write(host.config(), wrong)?;
        let output = host.local(&["check"])?;
        assert_eq!(output.code, 1, "{output:?}");
        let said = format!("{}{}", output.stdout, output.stderr);
        // Warnings are about the machine too.
        told.extend(said.lines().filter(|line| line.starts_with("error")).map(wording));
    }
    assert_snapshot!(told.join("\n"), @r"
    error: line 21: app.agent.run.back_off: unknown key (did you mean backoff?)
    error: line 24: app.agent.run.stop_grase: unknown key (did you mean stop_grace?)
    error: app.agent.run.command: is empty (for releases without a process, say [])
    error: app.agent.health.attempts: must be more than zero
    error: app.agent.health.passes: is more than attempts: no release could pass
    ");
    Ok(())
}

#[test]
fn a_link_that_people_use_never_dangles() -> Result<()> {
    let host = host()?;
    host.push(&Tree::healthy("one")?)?.result()?;
    let agent = host.install().join("current/bin/agent");
    let over = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let looking = scope.spawn(|| {
            while !over.load(std::sync::atomic::Ordering::SeqCst) {
                fs::metadata(&agent)?;
            }
            anyhow::Ok(())
        });
        let pushed = (|| {
            for message in ["two", "three", "four"] {
                host.push(&Tree::healthy(message)?)?.result()?;
            }
            let bad = Behaviour { crash: Some("bad".into()), ..Behaviour::default() };
            host.push(&Tree::release(&bad)?)?.problem()?;
            host.rollback()?.result()
        })();
        over.store(true, std::sync::atomic::Ordering::SeqCst);
        pushed?;
        looking.join().ok().context("it does not panic")?
    })
}

#[test]
fn what_enroll_writes_is_nearly_a_running_host() -> Result<()> {
    let mut fleet = Fleet::new()?;
    let host = fleet.enroll("web-1", &Setup::default())?;
    let (agent, directory) = (host.agent, host.directory.clone());
    // What a person would do to the file: say where things are, and how the program is started.
    let file = directory.join("bundle/updater.toml");
    let text = fs::read_to_string(&file)?
        .replace("/var/lib/updater", &directory.join("state").display().to_string())
        .replace("/opt/agent", &directory.join("install").display().to_string())
        .replace("# command = ", "command = ")
        .replace("# release_pointer", "release_pointer")
        .replace("https://", "http://")
        .replace("http://127.0.0.1:", &format!("http://{}:", agent.ip()))
        .replace(
            "[self]\n",
            &format!("[self]\ninstall_dir = '{}'\n", directory.join("self").display()),
        );
    let more = format!("watch = '200ms'\n[app.agent.run.env]\nAGENT_LISTEN = '{agent}'\n");
    fs::write(&file, text + &more)?;
    let check =
        Command::new(program("updater")?).arg("check").arg("--config").arg(&file).output()?;
    assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stdout));

    let daemon = Daemon::start(&file, &directory.join("updater.log"), "")?;
    let host = fleet.hosts.first().context("a host")?;
    host.answers()?;
    let tree = Tree::agent(&Behaviour { message: "it works".into(), ..Behaviour::default() })?;
    fleet.update(&tree, &[])?.good()?;
    assert_eq!(host.ask_agent("/health")?["message"], "it works");
    daemon.stop()?;
    eventually("the port to be free", fleet_tests::LONG, || {
        std::net::TcpListener::bind(host.address).ok().map(drop)
    })
}

/// A rescue tells by the status that no other release of the updater would do better.
#[test]
fn a_configuration_that_cannot_be_used_is_the_hosts_own_fault() -> Result<()> {
    let host = host()?;
    host.kill()?;
    fs::write(host.config(), "nonsense = true\n")?;
    let ended = host.local(&["run"])?;
    assert_eq!(ended.code, 78, "{ended:?}");
    assert_snapshot!(wording(&ended.stderr), @r"
    error: failed to use the configuration:
      error: line 1: nonsense: unknown key (did you mean self?)
    ");
    Ok(())
}
