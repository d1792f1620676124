//! A release that cuts its host off from the master: it may have harmed the host, and nobody can say.

use std::fs;
use std::thread;

use anyhow::{Context as _, Result};
use fleet_tests::{Fleet, LONG, Proxy, Setup, Tree, eventually};
use protocol::Phase;

#[test]
fn lesson_37_a_release_that_cuts_its_host_off_stops_the_rollout() -> Result<()> {
    let mut fleet = Fleet::new()?;
    for name in ["web-1", "web-2", "web-3"] {
        fleet.enroll(name, &Setup::default())?;
    }
    let host = &fleet.hosts[0];
    let behind = fleet.sandbox().free_port()?;
    let config = fs::read_to_string(host.config())?;
    fs::write(host.config(), config.replace(&host.address.to_string(), &behind.to_string()))?;
    let proxy = Proxy::start(host.address, behind)?;
    fleet.start()?;
    fleet.update(&Tree::saying("one")?, &[])?.good()?;

    let bad = Tree::saying("two")?;
    let paused = thread::scope(|scope| {
        let update = scope
            .spawn(|| fleet.update(&bad, &["--canary", "1", "--watch", "1h", "--timeout", "2s"]));
        eventually("the release to run", LONG, || {
            host.app().ok().filter(|app| app.state == Phase::Watching)
        })?;
        proxy.sever();
        update.join().ok().context("it does not panic")?
    })?;
    assert_eq!(paused.code, 3, "{paused:?}");
    let row = paused.row("web-1")?;
    assert_eq!((&row["outcome"], &row["code"]), (&"unclear".into(), &"lost".into()));
    assert!(row["to"].is_null(), "nobody saw what it runs: {row}");
    // No failure is claimed anywhere.
    assert!(paused.stdout.contains("\"host.unclear\""), "{paused:?}");
    assert!(!paused.stdout.contains("\"host.failed\""), "{paused:?}");
    assert!(paused.stdout.contains("what became of web-1 is not known (lost)"), "{paused:?}");
    for host in &fleet.hosts[1..] {
        assert_eq!(paused.row(&host.name)?["outcome"], "skipped");
        assert_eq!(host.ask_agent("/health")?["message"], "one");
    }
    let id = paused.summary()?["rollout"].as_str().context("an id")?.to_owned();
    fleet.swarm(["rollout", "abort", &id])?.good()?;
    Ok(())
}
