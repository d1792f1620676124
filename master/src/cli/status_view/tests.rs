use protocol::{ActiveRelease, AgentDeath, Digest, Phase};
use testing::at;

use super::*;

const NOW: i64 = 100_000;

fn digest(fill: u8) -> Digest {
    Digest::from_bytes([fill; 32])
}

fn app(runs: u8, desired: u8) -> AppStatus {
    AppStatus {
        app: "agent".parse().unwrap(),
        state: Some(Phase::Idle),
        since: Some(at(NOW - 7500)),
        agent: Some(AgentState::Running),
        stopped_since: None,
        healthy: true,
        reason: None,
        probe: None,
        died: None,
        active: Some(ActiveRelease {
            digest: digest(runs),
            version: Some(format!("1.{runs}.0")),
            sha: None,
            path: String::new(),
        }),
        prev: Some(digest(runs - 1)),
        desired: Some(digest(desired)),
        desired_version: None,
        drift: runs != desired,
        drift_reason: (runs != desired).then(|| "missed in 3f9a61c2, unreachable".to_owned()),
        missed: None,
        last: None,
        warnings: Vec::new(),
        start_refused: None,
    }
}

fn host(name: &str, app: AppStatus) -> HostStatus {
    HostStatus {
        host: name.parse().unwrap(),
        labels: BTreeMap::new(),
        skipped: None,
        held: None,
        reachable: true,
        error: None,
        updater_version: Some("0.1.0".to_owned()),
        updater_digest: Some(digest(1)),
        rollout: None,
        warnings: Vec::new(),
        apps: vec![app],
    }
}

/// Hosts that are well, one that dies again and again, one that missed a release, one that is away, and
/// one that left the fleet.
fn fleet() -> Vec<HostStatus> {
    let death = AgentDeath {
        how: "exited with status 137".to_owned(),
        at: at(NOW - 5),
        times: 14,
        since: at(NOW - 600),
        output: vec!["out of memory".to_owned()],
    };
    let reason = Some("its probe failed: connect to 127.0.0.1:8765: refused".to_owned());
    let crashing = AppStatus {
        died: Some(death),
        healthy: false,
        agent: Some(AgentState::Crashing),
        reason,
        ..app(8, 8)
    };
    let silent =
        AppStatus { state: None, agent: None, active: None, prev: None, since: None, ..app(8, 8) };
    let away = HostStatus {
        reachable: false,
        error: Some("failed to connect to 10.0.0.13:8766: Connection refused".to_owned()),
        updater_version: None,
        updater_digest: None,
        ..host("web-3.fra.example.org", silent.clone())
    };
    let gone = HostStatus {
        skipped: Some("decommissioned".to_owned()),
        apps: Vec::new(),
        ..host("old-1.fra.example.org", silent)
    };
    vec![
        gone,
        host("web-1.fra.example.org", app(8, 8)),
        host("web-2.fra.example.org", app(8, 8)),
        away,
        host("web-4.fra.example.org", crashing),
        host("web-5.fra.example.org", app(7, 8)),
    ]
}

fn screen(hosts: &[HostStatus], columns: Option<usize>) -> String {
    let names = learned(ReleaseNames::default(), hosts);
    let table = table(hosts, &names, at(NOW)).within(columns).render();
    let heard = |host: &HostStatus| (!host.reachable).then(|| at(NOW - 400));
    let notes: String = hosts.iter().map(|host| notes(host, heard(host), columns)).collect();
    let totals = totals(hosts, &names, columns, Style::default());
    format!("{table}\n{notes}\n{totals}")
}

#[test]
fn what_is_wrong_comes_first_and_the_totals_last_at_every_width() {
    for columns in [40, 80, 120, 220] {
        let shown = screen(&fleet(), Some(columns));
        insta::assert_snapshot!(format!("a_split_fleet_{columns}"), shown);
    }
    let piped = screen(&fleet(), None);
    assert!(piped.ends_with(
        "3 are not as they should be: web-3.fra.example.org, web-4.fra.example.org, web-5.fra.example.org\n"
    ));
}

#[test]
fn a_fleet_that_is_well_has_one_line_below_its_table() {
    let hosts = [host("web-1", app(8, 8)), host("web-2", app(8, 8))];
    insta::assert_snapshot!(screen(&hosts, Some(80)));
}

#[test]
fn a_host_of_which_nothing_is_known_says_why() {
    let broken = HostStatus {
        reachable: false,
        error: Some("failed to ask this host: swarm itself failed".to_owned()),
        apps: Vec::new(),
        ..host("web-1", app(1, 1))
    };
    assert_eq!(notes(&broken, None, None), "web-1: failed to ask this host: swarm itself failed\n");
}

#[test]
fn an_updater_is_told_from_another_of_its_version() {
    let status = |name: &str, version: &str, fill: u8| HostStatus {
        updater_version: Some(version.to_owned()),
        updater_digest: Some(digest(fill)),
        ..host(name, app(1, 1))
    };
    let hosts = [status("a", "1.0", 1), status("b", "1.0", 2), status("c", "1.1", 3)];
    let shown = hosts.each_ref().map(|host| updater(host, &hosts));
    assert_eq!(shown, ["1.0 (01010101)", "1.0 (02020202)", "1.1"]);
}
