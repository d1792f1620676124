//! A boot without a network: what an update left half done, and the agent, do not wait for one.

use anyhow::{Context as _, Result, ensure};
use fleet_tests::booted::{BootedFleet, Debian};
use fleet_tests::{LONG, Setup, Tree, eventually, on_each_debian};
use protocol::{Outcome, Phase};

const AGENT: &str = "[Service]\nUser=daemon\nEnvironment=AGENT_LISTEN=0.0.0.0:8765\n\
    WorkingDirectory=/opt/agent/current\nExecStart=/opt/agent/current/bin/agent\n\
    ExecStartPost=+/bin/touch /run/agent-was-started\n\
    [Install]\nWantedBy=multi-user.target\n";
/// A network that comes up only when the agent was started, and fails after a while.
const NETWORK: &str = "[Unit]\nBefore=network-online.target\n\
    [Service]\nType=oneshot\nRemainAfterExit=yes\nTimeoutStartSec=60\n\
    ExecStart=/bin/sh -c 'until [ -e /run/agent-was-started ]; do sleep 0.1; done'\n\
    [Install]\nRequiredBy=network-online.target\n";
/// What wants it: else no boot would wait for it.
const ONLINE: &str = "[Unit]\nWants=network-online.target\nAfter=network-online.target\n\
    [Service]\nType=oneshot\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n";

on_each_debian!(recovery_and_agents_do_not_wait_for_the_network);

fn recovery_and_agents_do_not_wait_for_the_network(debian: Debian) -> Result<()> {
    let setup = Setup::default().run("kind", "'systemd'").run("units", "['agent.service']");
    let Some(fleet) = BootedFleet::of_debian(debian, 1, &setup)? else { return Ok(()) };
    let host = &fleet.members[0];
    for (unit, text) in [("agent", AGENT), ("network", NETWORK), ("online", ONLINE)] {
        let path = format!("/etc/systemd/system/{unit}.service");
        host.machine.write(&path, text, 0o644)?;
    }
    host.machine.add_drop_in("units.conf")?;
    host.machine.ask("systemctl daemon-reload && systemctl enable --quiet agent network online")?;
    host.machine.ask("systemctl restart updater")?;
    host.answers()?;
    host.push(&Tree::healthy("one")?)?.result().with_context(|| host.journals())?;

    let two = Tree::healthy("two")?;
    let mut lines =
        host.order("/update?watch=1h", &two).header("accept", protocol::header::NDJSON).lines()?;
    lines.until(&format!("\"phase\":\"{}\"", Phase::Watching))?;
    host.machine.cut_power()?;
    host.sleep_through_watch()?;
    host.machine.boot()?;
    host.answers()?;
    let last = eventually("the end of the update", LONG, || {
        let app = host.app().ok().filter(|app| app.state == Phase::Idle)?;
        app.last.filter(|last| last.to == Some(two.digest))
    })
    .with_context(|| host.journals())?;
    assert_eq!(last.outcome, Outcome::Updated);
    host.runs(&two.digest)?;
    let network = host.machine.show("network.service", "Result")?;
    ensure!(network == "success", "the agent waited for the network: {}", host.journals());
    Ok(())
}
