//! Agents that are units of a real systemd: they are updated in order, and whatever a bad one does is
//! a clear failure, with its last lines in the journal, and a reversal.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use fleet_tests::booted::{BootedFleet, Member};
use fleet_tests::{Behaviour, Packing, Release, Setup, Tree, eventually};
use protocol::{AgentState, Code, Problem, Status, TransactionResult};

const AGENT: &str = "[Unit]\nStartLimitIntervalSec=1h\nStartLimitBurst=3\n\
    [Service]\nUser=daemon\nEnvironment=AGENT_LISTEN=0.0.0.0:8765\n\
    WorkingDirectory=/opt/agent/current\nExecStart=/opt/agent/current/bin/agent\n\
    [Install]\nWantedBy=multi-user.target\n";
const SIBLING: &str = "[Unit]\nAfter=agent.service\n[Service]\nExecStart=/bin/sleep infinity\n";

/// A host with an agent of two units, made by an administrator, that no release was sent to yet.
fn booted(setup: Setup) -> Result<Option<BootedFleet>> {
    let setup = setup
        .app("user", "'daemon'")
        .run("kind", "'systemd'")
        .run("units", "['agent.service', 'sibling.service']")
        .run("unit_files", "['agent.service', 'sibling.service', 'extra.service']")
        .run("start_timeout", "'10s'")
        .run("stop_grace", "'3s'")
        .run("env", "{ FLAVOUR = 'a \"b\" $HOME' }");
    let Some(fleet) = BootedFleet::of(1, &setup)? else { return Ok(None) };
    let machine = &fleet.members[0].machine;
    machine.write("/etc/systemd/system/agent.service", AGENT, 0o644)?;
    machine.write("/etc/systemd/system/sibling.service", SIBLING, 0o644)?;
    machine.add_drop_in("units.conf")?;
    machine.ask("systemctl daemon-reload && systemctl enable --quiet agent")?;
    machine.ask("systemctl restart updater")?;
    fleet.members[0].answers()?;
    Ok(Some(fleet))
}

#[test]
fn lesson_18_units_follow_their_release_and_come_back_with_it() -> Result<()> {
    let Some(fleet) = booted(Setup::default())? else { return Ok(()) };
    let (host, machine) = (&fleet.members[0], &fleet.members[0].machine);
    let checked = machine.ask("updater check --running 2>&1 || true")?;
    ensure!(!checked.contains("error: app.agent.run"), "{checked}");

    // The units are told which release they are; the proof is by echo.
    let one = Tree::healthy("one")?;
    assert_eq!(pushed(host, &one)?.status, Status::Updated);
    host.runs(&one.digest)?;
    assert_eq!(host.ask_agent("/environment")?["FLAVOUR"], "a \"b\" $HOME");
    assert_eq!(machine.show("sibling.service", "ActiveState")?, "active");
    let order = "systemctl show -P ActiveEnterTimestampMonotonic agent sibling | grep . | sort -nc";
    machine.ask(order).context("they were not started in order")?;
    let sibling = machine.show("sibling.service", "InvocationID")?;

    // A release that ships unit files: they are read, and siblings run the new ones.
    let two = shipping("two", &[("sibling.service", SIBLING), ("extra.service", SIBLING)])?;
    let reloads = reloads(host)?;
    assert_eq!(pushed(host, &two)?.status, Status::Updated);
    host.runs(&two.digest)?;
    ensure!(machine.show("sibling.service", "InvocationID")? != sibling, "it kept the old code");
    assert_eq!(machine.show("extra.service", "LoadState")?, "loaded");
    assert_eq!(machine.show("sibling.service", "NeedDaemonReload")?, "no");
    ensure!(self::reloads(host)? > reloads, "systemd was not told to read them");

    // A bad one with a bad unit file: the file goes, and what was there before is back.
    let bad = "[Service]\nExecStart=/bin/sh -c 'echo the new sibling says no >&2; exit 7'\n";
    let three = shipping("three", &[("sibling.service", bad)])?;
    let problem = refused(host, &three)?;
    ensure!(
        problem.detail.contains("sibling.service: it exited with status 7")
            || problem.detail.contains("sibling.service exited with status 7"),
        "{problem:?}"
    );
    ensure!(problem.output.iter().any(|line| line == "the new sibling says no"), "{problem:?}");
    host.runs(&two.digest)?;
    assert_eq!(machine.show("extra.service", "LoadState")?, "loaded");
    assert_eq!(machine.ask("cat /etc/systemd/system/sibling.service")?, SIBLING.trim_end());

    // One without: a daemon-reload only since files go away; then none at all.
    let four = Tree::healthy("four")?;
    assert_eq!(pushed(host, &four)?.status, Status::Updated);
    assert_eq!(machine.show("extra.service", "LoadState")?, "not-found");
    let before = self::reloads(host)?;
    let five = Tree::healthy("five")?;
    assert_eq!(pushed(host, &five)?.status, Status::Updated);
    assert_eq!(self::reloads(host)?, before, "nothing had changed");

    // A file that the host does not name is refused before anything is touched.
    let foreign = shipping("six", &[("dbus.service", SIBLING)])?;
    let answer = host.push(&foreign)?;
    ensure!(answer.status == 501 && answer.text().contains("unit_files"), "{answer:?}");
    host.runs(&five.digest)?;

    // An operator stops and starts them; a reboot starts what was enabled, and the updater the rest.
    machine.ask("updater stop")?;
    assert_eq!(machine.show("agent.service", "ActiveState")?, "inactive");
    machine.ask("updater start")?;
    host.runs(&five.digest)?;
    machine.power_off()?;
    machine.boot()?;
    host.answers()?;
    host.runs(&five.digest)?;
    eventually("both units to run after the boot", fleet_tests::LONG, || {
        let state = machine.show("sibling.service", "ActiveState").ok()?;
        let agent = host.app().ok().filter(|app| app.agent == AgentState::Running)?;
        (state == "active").then_some(agent)
    })
    .with_context(|| host.journals())?;
    Ok(())
}

#[test]
fn units_that_fail_in_every_way_are_told_and_undone() -> Result<()> {
    // Here the proof is by the units' control groups.
    let setup = Setup::default().without_echo().health("watch", "'1s'");
    let Some(fleet) = booted(setup)? else { return Ok(()) };
    let (host, machine) = (&fleet.members[0], &fleet.members[0].machine);

    // A first install that fails leaves the host as it was.
    let crash = |words: &str| Behaviour { crash: Some(words.to_owned()), ..Behaviour::default() };
    let problem = refused(host, &Tree::release(&crash("first words"))?)?;
    ensure!(problem.output.iter().any(|line| line == "first words"), "{problem:?}");
    machine.ask("test ! -e /etc/systemd/system/agent.service.d && test ! -e /opt/agent/current")?;
    let good = Tree::healthy("good")?;
    assert_eq!(pushed(host, &good)?.status, Status::Updated);

    // Again and again: a start limit of three starts an hour never meets the good one.
    for number in 0..3 {
        let problem = refused(host, &Tree::release(&crash(&format!("dying {number}")))?)?;
        let last = format!("dying {number}");
        ensure!(problem.detail.contains("exited with status 3"), "{problem:?}");
        ensure!(problem.output.contains(&last), "{problem:?}");
        host.runs(&good.digest)?;
    }

    // It dies in the watch, and systemd starts it again at once: it looks alive, and is not the same.
    let restarts = "[Service]\nRestart=always\nRestartSec=0\n";
    let drop_in = "/etc/systemd/system/agent.service.d/10-restart.conf";
    machine.write(drop_in, restarts, 0o644)?;
    machine.ask("systemctl daemon-reload")?;
    let dies = Behaviour { dies_after: Some(1), ..Behaviour::default() };
    let problem = host.order("/update?watch=1h", &Tree::release(&dies)?).send()?.problem()?;
    assert_eq!(problem.code, Code::RolledBack, "{problem:?}");
    // Whichever is seen first: that the unit is not the same, or that nobody answers meanwhile.
    let told = ["agent.service", "failures in a row during the watch"];
    ensure!(told.iter().any(|why| problem.detail.contains(why)), "{problem:?}");
    ensure!(problem.output.iter().any(|line| line.contains("dies, as it was told")), "{problem:?}");
    let problem = refused(host, &Tree::release(&crash("all the time"))?)?;
    ensure!(problem.output.iter().any(|line| line == "all the time"), "{problem:?}");
    host.runs(&good.digest)?;
    assert_eq!(machine.show("agent.service", "NRestarts")?, "0");
    // Outside of updates that is systemd's to do, and the updater takes it as it comes.
    machine.ask("systemctl kill --signal=KILL agent")?;
    host.runs(&good.digest)?;
    let current = host.push(&good)?.result()?;
    assert_eq!(current.status, Status::AlreadyCurrent);
    machine.ask(&format!("rm {drop_in} && systemctl daemon-reload"))?;

    // It never says that it is ready.
    let slow = AGENT.replace("[Service]", "[Service]\nType=notify");
    let problem = refused(host, &shipping("slow", &[("agent.service", &slow)])?)?;
    ensure!(problem.detail.contains("is still starting"), "{problem:?}");
    host.runs(&good.digest)?;

    // What cannot be started is told while the old one still runs.
    let pid = machine.show("agent.service", "MainPID")?;
    machine.ask("systemctl mask --runtime --quiet sibling.service; rm -f /etc/systemd/system/sibling.service; systemctl daemon-reload")?;
    refuses(host, "sibling.service: it is masked")?;
    machine.ask("systemctl unmask --runtime --quiet sibling.service; systemctl daemon-reload")?;
    refuses(host, "sibling.service: it has no unit file")?;
    assert_eq!(machine.show("agent.service", "MainPID")?, pid, "it was stopped for nothing");
    Ok(())
}

#[test]
fn lesson_19_a_process_is_a_unit_of_its_own_and_dies_as_a_whole() -> Result<()> {
    let setup = Setup::default().app("user", "'daemon'").run("transient", "true").without_echo();
    let setup = setup.run("tasks", "512").run("memory", "'1GiB'");
    let Some(fleet) = BootedFleet::of(1, &setup)? else { return Ok(()) };
    let (host, machine) = (&fleet.members[0], &fleet.members[0].machine);
    let leaves = Behaviour { leaves_a_child: true, ..Behaviour::default() };
    let one = Tree::release(&leaves)?;
    assert_eq!(pushed(host, &one)?.status, Status::Updated);
    let unit = machine
        .ask("systemctl list-units --plain --no-legend 'updater-agent-*' | cut -d' ' -f1")?;
    ensure!(unit.ends_with(".service") && !unit.contains('\n'), "{unit}");
    assert_eq!(machine.show(&unit, "User")?, "daemon");
    assert_eq!(machine.show(&unit, "TasksMax")?, "512");
    assert_eq!(machine.show(&unit, "MemoryMax")?, (1_u64 << 30).to_string());
    // Nothing that confines the updater confines it.
    let pid = machine.show(&unit, "MainPID")?;
    let status = machine.ask(&format!("grep NoNewPrivs /proc/{pid}/status"))?;
    ensure!(status.ends_with('0'), "{status}");
    let variables = host.ask_agent("/environment")?;
    let variables: Vec<_> = variables.as_object().context("an object")?.keys().cloned().collect();
    let stated = [
        "AGENT_LISTEN",
        "HOME",
        "LANG",
        "LOGNAME",
        "PATH",
        // The shell that the release begins with.
        "PWD",
        "RELEASE_DIGEST",
        "RELEASE_INSTANCE",
        "RELEASE_PATH",
        "RELEASE_VERSION",
        "USER",
    ];
    assert_eq!(variables, stated);

    // It outlives the updater, which finds it again.
    machine.ask("systemctl kill --signal=KILL --kill-whom=all updater")?;
    host.answers()?;
    eventually("the agent to be found again", fleet_tests::LONG, || {
        host.app().ok().filter(|app| app.pid.map(|found| found.to_string()) == Some(pid.clone()))
    })
    .with_context(|| host.journals())?;

    // A drill beside it makes units of its own, and takes them away.
    fleet.drills()?;
    assert_eq!(machine.show(&unit, "MainPID")?, pid);

    // With it goes the child that made a session of its own and ignores TERM.
    assert_eq!(pushed(host, &Tree::healthy("two")?)?.status, Status::Updated);
    let agents = machine.ask("grep -lx agent /proc/[0-9]*/comm 2>/dev/null | wc -l")?;
    assert_eq!(agents, "1", "the child of the first one lives");
    let crash = Behaviour { crash: Some("last words".to_owned()), ..Behaviour::default() };
    let problem = refused(host, &Tree::release(&crash)?)?;
    ensure!(problem.detail.contains("exited with status 3"), "{problem:?}");
    ensure!(problem.output.iter().any(|line| line == "last words"), "{problem:?}");
    Ok(())
}

/// An agent whose parts heed no TERM is killed, by the updater, and nobody else is.
#[test]
fn lesson_20_whoever_only_looks_like_a_unit_lives_when_that_is_killed() -> Result<()> {
    let Some(fleet) = booted(Setup::default())? else { return Ok(()) };
    let host = &fleet.members[0];
    be_patient(host)?;
    kills_its_own(host, || Ok("agent.service".to_owned()))
}

#[test]
fn lesson_20_whoever_only_looks_like_a_process_lives_when_that_is_killed() -> Result<()> {
    let setup = Setup::default().app("user", "'daemon'").run("stop_grace", "'1s'");
    let setup = setup.run("transient", "true").run("env", "{ AGENT_LISTEN = '0.0.0.0:8765' }");
    let Some(fleet) = BootedFleet::of(1, &setup)? else { return Ok(()) };
    let host = &fleet.members[0];
    kills_its_own(host, || {
        host.machine
            .ask("systemctl list-units --plain --no-legend 'updater-agent-*' | cut -d' ' -f1")
    })
}

/// Updates, reverses, rolls back and stops agents that have to be killed, beside a stranger that has
/// all that the first of them was told from others by, but for its control group.
fn kills_its_own(host: &Member, unit: impl Fn() -> Result<String>) -> Result<()> {
    let machine = &host.machine;
    let stubborn = |message: &str| {
        let message = message.to_owned();
        let parts = Behaviour { message, leaves_a_child: true, ..Behaviour::default() };
        Tree::release(&Behaviour { ignores_term: true, ..parts })
    };
    let processes = || {
        let group = machine.show(&unit()?, "ControlGroup")?;
        machine.ask(&format!("cat /sys/fs/cgroup{group}/cgroup.procs"))
    };
    pushed(host, &stubborn("one")?)?;
    let first = processes()?;
    let leader = machine.show(&unit()?, "MainPID")?;
    ensure!(first.lines().count() > 1, "there is no child: {first}");
    // The same program from the same directory, as the same user and with the same variables, its mark
    // among them.
    machine.ask(&format!(
        "tr '\\0' '\\n' </proc/{leader}/environ >/run/variables
         systemd-run --quiet --unit=stranger --uid=daemon --working-directory=/opt/agent/current \
             --property=EnvironmentFile=/run/variables \
             /usr/bin/env AGENT_LISTEN=0.0.0.0:8799 /opt/agent/current/bin/agent"
    ))?;
    let stranger = machine.show("stranger.service", "MainPID")?;
    // And its number is the one that the updater has written down.
    machine.ask("systemctl stop updater")?;
    let path = "/var/lib/updater/apps/agent/instance.json";
    let mut record: serde_json::Value = serde_json::from_slice(&fs::read(machine.path(path))?)?;
    let stat = fs::read_to_string(machine.path(&format!("/proc/{stranger}/stat")))?;
    let start_time = stat.split(' ').nth(21).context("a start time")?;
    record["leader"]["pid"] = stranger.parse()?;
    record["leader"]["start_time"] = start_time.parse()?;
    machine.write(path, record.to_string(), 0o600)?;
    machine.ask("systemctl start updater")?;
    host.answers()?;

    let are_gone = |those: &str| {
        let left = machine.ask(&format!(
            "for pid in {}; do [ ! -e /proc/$pid ] || cat /proc/$pid/status; done",
            those.replace('\n', " ")
        ))?;
        ensure!(left.is_empty(), "they live: {left}\n{}", host.journals());
        let main = machine.show("stranger.service", "MainPID")?;
        ensure!(main == stranger, "the stranger was killed\n{}", host.journals());
        Ok(())
    };
    pushed(host, &stubborn("two")?)?;
    are_gone(&first)?;
    let second = processes()?;
    let crash = Behaviour { crash: Some("no".to_owned()), ..Behaviour::default() };
    refused(host, &Tree::release(&crash)?)?;
    are_gone(&second)?;
    let back = processes()?;
    machine.ask("updater stop")?;
    are_gone(&back)
}

#[test]
fn lesson_22_a_unit_that_never_ends_is_waited_for_so_long_and_no_longer() -> Result<()> {
    let Some(fleet) = booted(Setup::default())? else { return Ok(()) };
    let (host, machine) = (&fleet.members[0], &fleet.members[0].machine);
    be_patient(host)?;
    let stubborn = Behaviour { ignores_term: true, ..Behaviour::default() };
    pushed(host, &Tree::release(&stubborn)?)?;
    let pid = machine.show("agent.service", "MainPID")?;
    // `stop_grace` is three seconds.
    let next = Tree::healthy("next")?;
    pushed(host, &next)?;
    host.runs(&next.digest)?;
    machine.ask(&format!("test ! -e /proc/{pid}")).context("the old one lives")?;
    Ok(())
}

#[test]
fn lesson_25_a_later_start_has_the_variables_of_its_release_and_no_others() -> Result<()> {
    let Some(fleet) = booted(Setup::default())? else { return Ok(()) };
    let (host, machine) = (&fleet.members[0], &fleet.members[0].machine);
    let good = Tree::healthy("good")?;
    pushed(host, &good)?;
    let variables = || -> Result<Vec<(String, serde_json::Value)>> {
        host.runs(&good.digest)?;
        let all = host.ask_agent("/environment")?;
        let all = all.as_object().context("an object")?.clone().into_iter();
        // Which start it is differs, as it should.
        let of_systemd = ["INVOCATION_ID", "JOURNAL_STREAM", "SYSTEMD_EXEC_PID"];
        Ok(all.filter(|(name, _)| !of_systemd.contains(&name.as_str())).collect())
    };
    let first = variables()?;
    machine.ask("systemctl restart agent")?;
    assert_eq!(variables()?, first);
    let crash = Behaviour { crash: Some("no".to_owned()), ..Behaviour::default() };
    refused(host, &Tree::release(&crash)?)?;
    assert_eq!(variables()?, first);
    machine.cut_power()?;
    machine.boot()?;
    assert_eq!(variables()?, first);
    Ok(())
}

#[test]
fn a_build_decides_nothing_about_unit_files() -> Result<()> {
    let Some(fleet) = booted(Setup::default().app("build", "'auto'"))? else { return Ok(()) };
    let (host, machine) = (&fleet.members[0], &fleet.members[0].machine);
    let text = |name: &str| machine.ask(&format!("cat /etc/systemd/system/{name}"));

    // What a dependency might do while it is built, as the app's user.
    let tree = Tree::agent(&Behaviour::default())?;
    tree.units(&[("sibling.service", SIBLING)])?;
    let manifest = fs::read_to_string(tree.path().join("release.toml"))?;
    tree.file("release.toml", &format!("{manifest}\n[build]\ncommand = ['sh', 'build.sh']\n"))?;
    let planted = "[Service]\nUser=root\nExecStart=/bin/sleep 1000\n";
    let script = format!(
        "id -un > built\nprintf '{planted}' > units/sibling.service\n\
         printf '{planted}' > units/extra.service\n\
         printf '\"extra.service\" = \"units/extra.service\"\\n' > more\n\
         sed -i '/^.units.$/r more' release.toml\n",
        planted = planted.replace('\n', "\\n"),
    );
    tree.file("build.sh", &script)?;
    let hostile = tree.pack(Packing::Zstd)?;
    assert_eq!(pushed(host, &hostile)?.status, Status::Updated);
    assert_eq!(machine.ask("cat /opt/agent/current/built")?, "daemon");
    let built = machine.ask("cat /opt/agent/current/release.toml")?;
    ensure!(built.contains("extra.service"), "the build has changed nothing:\n{built}");
    assert_eq!(text("sibling.service")?, SIBLING.trim_end());
    assert_eq!(machine.show("extra.service", "LoadState")?, "not-found");

    // Nor does what writes to the tree later: by a descriptor that was open before the seal.
    machine.ask(&format!("printf '{planted}' > /opt/agent/current/units/sibling.service"))?;
    machine.ask("updater restart")?;
    host.runs(&hostile.digest)?;
    assert_eq!(text("sibling.service")?, SIBLING.trim_end());

    // A rollback to it finds them again, whatever the next release had.
    let next = shipping("next", &[("sibling.service", SIBLING), ("extra.service", SIBLING)])?;
    assert_eq!(pushed(host, &next)?.status, Status::Updated);
    assert_eq!(machine.show("extra.service", "LoadState")?, "loaded");
    machine.ask("updater rollback")?;
    host.runs(&hostile.digest)?;
    assert_eq!(text("sibling.service")?, SIBLING.trim_end());
    assert_eq!(machine.show("extra.service", "LoadState")?, "not-found");

    // One whose unit file comes out of the build only is refused before anything is touched.
    let tree = Tree::agent(&Behaviour::default())?;
    tree.file("release.toml", "[units]\n'sibling.service' = 'made/by/the/build'\n")?;
    let problem = host.push(&tree.pack(Packing::Zstd)?)?.problem()?;
    assert_eq!(problem.code, Code::ArchiveRejected, "{problem:?}");
    assert_eq!(problem.entry.as_deref(), Some("made/by/the/build"), "{problem:?}");
    host.runs(&hostile.digest)?;
    Ok(())
}

/// systemd itself waits for ever until the agent has stopped.
fn be_patient(host: &Member) -> Result<()> {
    let drop_in = "/etc/systemd/system/agent.service.d/10-patient.conf";
    host.machine.write(drop_in, "[Service]\nTimeoutStopSec=infinity\n", 0o644)?;
    host.machine.ask("systemctl daemon-reload").map(drop)
}

fn pushed(host: &Member, release: &Release) -> Result<TransactionResult> {
    host.push(release)?.result().with_context(|| host.journals())
}

/// Pushes a release that has to be undone.
fn refused(host: &Member, release: &Release) -> Result<Problem> {
    let problem = host.push(release)?.problem()?;
    let undone = problem.code == Code::RolledBack;
    ensure!(undone, "{problem:?}\n{}", host.journals());
    Ok(problem)
}

/// Pushes a release that the host cannot start, which is no fault of the release.
fn refuses(host: &Member, why: &str) -> Result<()> {
    let problem = host.push(&Tree::healthy(why)?)?.problem()?;
    ensure!(problem.code == Code::NotSupported && problem.detail.contains(why), "{problem:?}");
    Ok(())
}

/// A healthy release with unit files.
fn shipping(message: &str, units: &[(&str, &str)]) -> Result<Release> {
    let behaviour = Behaviour { message: message.to_owned(), ..Behaviour::default() };
    let tree = Tree::agent(&behaviour)?;
    tree.units(units)?;
    tree.pack(Packing::Zstd)
}

/// How often systemd has read its unit files.
fn reloads(host: &Member) -> Result<usize> {
    let read = host
        .machine
        .ask("journalctl --sync; journalctl -o cat _PID=1 | grep -c '^Reloading' || true")?;
    Ok(read.parse()?)
}
