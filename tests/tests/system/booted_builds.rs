//! Where systemd runs, a build is confined in a unit of its own, and nothing of it is left.

use anyhow::{Context as _, Result, ensure};
use fleet_tests::booted::{BootedFleet, Member};
use fleet_tests::{Behaviour, LONG, Packing, Release, Setup, Tree, eventually};
use protocol::{Code, Phase, Status};

/// Writes down what it sees and what it may do.
const LOOK_AROUND: &str = "exec > built 2>&1\n\
    id -un\n\
    grep -e ^CapBnd -e ^NoNewPrivs /proc/self/status\n\
    cat /etc/updater/identity/updater.key && echo reads the key\n\
    ls /etc/updater/identity && echo sees the identity\n\
    cat /etc/updater/probe/client.key && echo reads the key of the probe\n\
    touch /opt/agent/outside && echo writes outside\n\
    touch /var/tmp/$$ /tmp/$$ && echo has a place of its own\n\
    tail -n +3 /proc/net/dev | cut -d: -f1\n\
    unit=$(sed -n 's#^0::/system.slice/##p' /proc/self/cgroup)\n\
    systemctl show --property MemoryMax,TasksMax,RuntimeMaxUSec $unit\n\
    echo '$HOME' \"$1\"\n\
    env | cut -d= -f1 | sort | tr '\\n' ' '\n\
    setsid sleep 1000 &\n";

#[test]
fn lesson_17_a_build_is_confined_and_leaves_nothing() -> Result<()> {
    let setup = Setup::default()
        .app("user", "'daemon'")
        .app("build", "'auto'")
        .app("build_unit", "true")
        .app("build_network", "false")
        .app("build_memory", "'640MiB'")
        .app("build_timeout", "'90s'")
        .health("identity", "'/etc/updater/probe'")
        .run("transient", "true");
    let Some(fleet) = BootedFleet::of(1, &setup)? else { return Ok(()) };
    let host = &fleet.members[0];
    let machine = &host.machine;
    // Whoever may read it elsewhere, a build may not.
    machine.write("/etc/updater/probe/client.key", "key\n", 0o644)?;

    let built = built(host, &release("one", LOOK_AROUND)?)?;
    let lines: Vec<&str> = built.lines().map(str::trim).collect();
    let has = |wanted: &str| lines.contains(&wanted);
    for wanted in [
        "daemon",
        "CapBnd:\t0000000000000000",
        "NoNewPrivs:\t1",
        "has a place of its own",
        "lo",
        "MemoryMax=671088640",
        "TasksMax=2048",
        "$HOME a $word",
        "CARGO_NET_OFFLINE CMAKE_BUILD_PARALLEL_LEVEL GOPROXY HOME JOBS LANG LOGNAME MAKEFLAGS PATH PIP_NO_INDEX PWD \
         TMPDIR USER UV_OFFLINE YARN_ENABLE_NETWORK npm_config_offline",
    ] {
        ensure!(has(wanted), "{wanted:?} is not in\n{built}");
    }
    ensure!(lines.iter().any(|line| line.starts_with("RuntimeMaxUSec=1min")), "{built}");
    for unwanted in [
        "reads the key",
        "sees the identity",
        "reads the key of the probe",
        "writes outside",
        "host0",
    ] {
        ensure!(!has(unwanted), "{unwanted:?} is in\n{built}");
    }
    let left = machine.ask("grep -lx sleep /proc/[0-9]*/comm 2>/dev/null | wc -l")?;
    assert_eq!(left, "0", "what the build started lives");

    // The network is there where the host allows it.
    machine
        .ask("sed -i 's/build_network = false/build_network = true/' /etc/updater/updater.toml")?;
    machine.ask("systemctl restart updater")?;
    host.answers()?;
    let built = self::built(host, &release("two", LOOK_AROUND)?)?;
    ensure!(built.lines().any(|line| line.trim() == "host0"), "{built}");

    // How it ends is told, with its last words.
    let answer = host.push(&release("three", "echo last words; exit 5")?)?;
    let problem = answer.problem()?;
    assert_eq!(problem.code, Code::BuildFailed, "{problem:?}");
    ensure!(problem.detail.contains("exited with status 5"), "{problem:?}");
    ensure!(problem.output.iter().any(|line| line == "last words"), "{problem:?}");

    // An updater that is killed leaves it, and the next one ends it, though its own are no units.
    let endless = release("four", "echo endless; exec sleep 1000")?;
    let order = host.order("/update", &endless).header("accept", protocol::header::NDJSON);
    order.lines()?.until("\"building\"")?;
    let units = || machine.ask("systemctl list-units --plain --no-legend 'updater-build-*'");
    eventually("the build to run", LONG, || units().ok().filter(|units| !units.is_empty()))?;
    machine.ask("sed -i 's/build_unit = true/build_unit = false/' /etc/updater/updater.toml")?;
    machine.ask("systemctl kill --signal=KILL --kill-whom=all updater")?;
    host.answers().with_context(|| host.journals())?;
    eventually("the build to end", LONG, || units().ok().filter(String::is_empty))?;
    eventually("the transaction to end", LONG, || {
        host.app().ok().filter(|app| app.state == Phase::Idle)
    })?;
    Ok(())
}

/// Pushes a release, and gives what its build wrote down.
fn built(host: &Member, release: &Release) -> Result<String> {
    let answer = host.push(release)?.result();
    let result = answer.with_context(|| host.journals())?;
    assert_eq!(result.status, Status::Updated);
    host.machine.ask("cat /opt/agent/current/built")
}

fn release(message: &str, script: &str) -> Result<Release> {
    let behaviour = Behaviour { message: message.to_owned(), ..Behaviour::default() };
    let tree = Tree::agent(&behaviour)?;
    tree.file("build.sh", script)?;
    tree.file("release.toml", "[build]\ncommand = ['sh', 'build.sh', 'a $word']\n")?;
    tree.pack(Packing::Zstd)
}
