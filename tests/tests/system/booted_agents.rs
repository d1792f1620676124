//! Agents and builds that the updater starts as units of their own: what others on the host see of them.

use anyhow::{Context as _, Result, ensure};
use fleet_tests::booted::{BootedFleet, Debian};
use fleet_tests::{Behaviour, LONG, Packing, Setup, Tree, eventually, on_each_debian};
use protocol::Status;

/// What an unprivileged user can find out about units: from systemd, and from the files that it makes
/// of them.
const LOOK: &str = "setpriv --reuid=nobody --regid=nogroup --clear-groups sh -c \
    \"systemctl show --all 'updater-*'; cat /run/systemd/transient/*; \
    cat /var/lib/updater/apps/agent/.new-* /var/lib/updater/apps/agent/*.env\" 2>/dev/null; true";
const SECRET: &str = "s3cret \"words\" $HOME `x` 'y' \\\nof two lines";

on_each_debian!(the_unit_of_an_agent_bears_a_reload_and_a_restart);

#[test]
fn nobody_else_on_the_host_reads_a_configured_variable() -> Result<()> {
    let setup = Setup::default()
        .app("user", "'daemon'")
        .app("build", "'auto'")
        .app("build_unit", "true")
        .app("build_env", "{ TOKEN = 's3cret of a build' }")
        .run("transient", "true")
        .run("env", &format!("{{ AGENT_LISTEN = '0.0.0.0:8765', TOKEN = {SECRET:?} }}"));
    let Some(fleet) = BootedFleet::of(1, &setup)? else { return Ok(()) };
    let host = &fleet.members[0];
    let tree = Tree::agent(&Behaviour::default())?;
    let script = "echo \"$TOKEN\" > told; until test -e /opt/agent/go; do sleep 0.1; done";
    tree.file("build.sh", script)?;
    tree.file("release.toml", "[build]\ncommand = ['sh', 'build.sh']\n")?;
    let release = tree.pack(Packing::Zstd)?;
    let looked = |unit: &str| -> Result<()> {
        let seen = host.machine.ask(LOOK)?;
        for there in [format!("Id=updater-{unit}"), "EnvironmentFile".to_owned()] {
            ensure!(seen.contains(&there), "{there} is not in:\n{seen}");
        }
        ensure!(!seen.contains("s3cret"), "{seen}");
        Ok(())
    };
    std::thread::scope(|scope| {
        let pushing = scope.spawn(|| host.push(&release)?.result());
        let told = "cat /opt/agent/releases/store/*/told";
        let told = eventually("the build to run", LONG, || {
            host.machine.ask(told).ok().filter(|told| !told.is_empty())
        });
        let looked = looked("build-agent");
        host.machine.ask("touch /opt/agent/go")?;
        let result = pushing.join().ok().context("it does not panic")?;
        assert_eq!(result.with_context(|| host.journals())?.status, Status::Updated);
        assert_eq!(told?, "s3cret of a build");
        looked
    })?;
    host.runs(&release.digest)?;
    looked("agent-")?;
    assert_eq!(host.ask_agent("/environment")?["TOKEN"], SECRET);
    let left = host.machine.ask("find /var/lib/updater/apps/agent -name '.new-*'")?;
    assert_eq!(left, "", "it lies around");
    Ok(())
}

fn the_unit_of_an_agent_bears_a_reload_and_a_restart(debian: Debian) -> Result<()> {
    let setup = Setup::default()
        .app("user", "'daemon'")
        .run("transient", "true")
        .run("env", "{ AGENT_LISTEN = '0.0.0.0:8765' }");
    let Some(fleet) = BootedFleet::of_debian(debian, 1, &setup)? else { return Ok(()) };
    let host = &fleet.members[0];
    let release = Tree::healthy("one")?;
    assert_eq!(host.push(&release)?.result()?.status, Status::Updated);
    host.runs(&release.digest)?;
    let list = "systemctl list-units --plain --no-legend 'updater-agent-*' | cut -d ' ' -f 1";
    let unit = host.machine.ask(list)?;
    // As every run of apt does, and needrestart after it.
    host.machine.ask("systemctl daemon-reload")?;
    assert_eq!(host.machine.show(&unit, "LoadState")?, "loaded", "{}", host.machine.console());
    host.machine.ask(&format!("systemctl restart {unit}"))?;
    host.runs(&release.digest)?;
    eventually("one agent, and no more", LONG, || {
        let units = host.machine.ask(list).ok()?;
        let running = host.app().ok()?.pid.is_some();
        (running && units.lines().count() == 1).then_some(())
    })
    .with_context(|| host.journals())?;
    host.machine.ask("updater stop")?;
    let left =
        host.machine.ask("find /var/lib/updater/apps/agent -name '*.env' ! -name release.env")?;
    assert_eq!(left, "", "it lies around");
    Ok(())
}
