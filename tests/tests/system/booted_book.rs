//! The book is typed: "Getting started" line by line, on three hosts that have nothing of ours, and the example
//! that runs as a unit.

use std::env;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use fleet_tests::booted::{BootedFleet, Debian, Lab, package};
use fleet_tests::{Example, Output, Setup, program};

/// What stands in for the parts of a network that a lab does not have: `ssh HOST LINE`, and `scp` to a home.
/// `HOSTS` is the directory with the way into each host, by its address.
const SSH: &str = r#"#!/bin/sh
exec env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin $(cat "$HOSTS/${1#root@}") sh -c "cd && $2"
"#;
const SCP: &str = r#"#!/bin/sh
set -e
shift # -r
for to; do :; done
to=${to%:}
for from; do
    [ "$from" = "$to:" ] || tar -C "$(dirname "$from")" -c "$(basename "$from")" | ssh "$to" "tar --no-same-owner -x"
done
"#;
/// The packages are made before; their programs are those of this machine.
const MAKE: &str = "#!/bin/sh\n[ \"$*\" = package ]\n";
const SUDO: &str = "#!/bin/sh\n[ \"$1 $2 $3\" = 'apt install -y' ] && [ -e \"$4\" ]\n";

/// Whose process the Python of a host is.
const USER: &str = "for process in /proc/[0-9]*; do \
    case $(readlink $process/exe) in */python3*) stat -c %U $process; esac; done";

/// The blocks that are to be pasted, in their order.
fn blocks(page: &str) -> Result<Vec<String>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(page);
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let blocks = text.split("```sh\n").skip(1);
    Ok(blocks.filter_map(|rest| Some(rest.split_once("```")?.0.to_owned())).collect())
}

#[test]
fn the_first_page_works_as_it_is_typed() -> Result<()> {
    let Some(lab) = Lab::open(Debian::This)? else { return Ok(()) };
    let place = tempfile::tempdir()?;
    let directory = |name: &str| -> Result<_> {
        let path = place.path().join(name);
        fs::create_dir(&path)?;
        Ok(path)
    };
    let (bin, hosts, home, tree) =
        (directory("bin")?, directory("hosts")?, directory("home")?, directory("tree")?);
    for (name, text) in [("ssh", SSH), ("scp", SCP), ("make", MAKE), ("sudo", SUDO)] {
        Output::of(Command::new("install").args(["-m", "755", "/dev/null"]).arg(bin.join(name)))?
            .good()?;
        fs::write(bin.join(name), text)?;
    }
    fs::create_dir(tree.join("packages"))?;
    for part in ["updater", "master"] {
        let made = package(part)?;
        let name = made.file_name().context("a package has a name")?;
        fs::copy(&made, tree.join("packages").join(name))?;
    }
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("examples");
    std::os::unix::fs::symlink(examples, tree.join("examples"))?;

    let page = blocks("docs/getting-started.md")?;
    let mut machines = Vec::new();
    // Their own addresses, and a watch that is over sooner, unless it is to be timed: `make first-page`.
    let is_timed = env::var_os("FIRST_PAGE_AS_WRITTEN").is_some();
    let mut typed = page.join("\n");
    if !is_timed {
        typed = typed.replace("watch = \"10s\"", "watch = \"1s\"");
    }
    for number in 1..=3 {
        let host = lab.host(&format!("web-{number}"))?;
        typed = typed.replace(&format!("10.0.0.1{number}"), &host.address.to_string());
        machines.push(host);
    }
    std::thread::scope(|scope| {
        let all: Vec<_> = machines.iter().map(|host| scope.spawn(|| host.boot())).collect();
        all.into_iter().try_for_each(|one| one.join().ok().context("it does not panic")?)
    })?;
    for host in &machines {
        let enter = host.command(["env"])?;
        let words = enter.get_args().map(|word| word.to_string_lossy().into_owned());
        let way = words.collect::<Vec<_>>().join(" ");
        fs::write(hosts.join(host.address.to_string()), format!("nsenter {way}"))?;
    }

    let programs = program("swarm")?;
    let programs = programs.parent().context("a program is in a directory")?;
    let path = format!("{}:{}:/usr/bin:/bin:/usr/sbin:/sbin", bin.display(), programs.display());
    let mut shell = Command::new("sh");
    shell.args(["-e", "-c", &typed]).current_dir(&tree).stdin(Stdio::null());
    shell.env_remove("SWARM_HOME").env("PATH", path).env("HOSTS", &hosts);
    shell.env("HOME", &home).env("SWARM_HOME", home.join("fleet"));
    let begun = Instant::now();
    let said = Output::of(&mut shell)?;
    ensure!(said.code == 0, "{said:?}\n{}", machines[0].journal("updater"));
    if is_timed {
        println!("the first page, typed on three hosts: {} s", begun.elapsed().as_secs());
    }
    for part in ["No module named 'no_such_module'", "2.0", "3.0"] {
        ensure!(said.stdout.contains(part), "{part}: {said:?}");
    }
    for host in &machines {
        ensure!(
            host.ask("readlink -f /opt/agent/current/server.py | xargs cat")?.contains("release 1")
        );
        assert_eq!(host.ask(USER)?, "agent");
        ensure!(!host.path("/root").join(&host.name).exists(), "keys are left in /root");
    }
    Ok(())
}

#[test]
fn what_the_readme_types_is_in_the_first_page() -> Result<()> {
    let page = blocks("docs/getting-started.md")?;
    let readme = blocks("README.md")?;
    ensure!(readme.len() > 2, "the README types nothing");
    for block in readme {
        ensure!(page.contains(&block), "only in the README: {block}");
    }
    Ok(())
}

#[test]
fn the_example_of_a_unit_lives_as_one() -> Result<()> {
    let example = Example::named("systemd");
    let setup = Setup::of_example(&example)?.app("user", "'agent'").patient();
    let Some(fleet) = BootedFleet::idle(Debian::This, 1, &setup)? else { return Ok(()) };
    let member = fleet.members.first().context("a host")?;
    let machine = &member.machine;
    member.install_package(&package("updater")?)?;
    machine.add_drop_in("units.conf")?;
    machine.ask("systemctl daemon-reload && systemctl start updater")?;
    member.answers()?;
    let update = |from: &str, to: &str| -> Result<Output> {
        let tree = example.tree(member.agent)?;
        tree.replace("server.py", from, to)?;
        let root = tree.path().display().to_string();
        fleet.swarm(["--json", "update", "--all", "--root", &root])
    };
    update("release 1", "release 1")?.good().with_context(|| member.journals())?;
    update("release 1", "release 2")?.good().with_context(|| member.journals())?;
    let bad = update("from http", "from no_such")?;
    ensure!(bad.row("web-1")?["outcome"] == "rolled_back", "{bad:?}");
    assert_eq!(machine.show("hello.service", "User")?, "agent");
    let code = "cat /opt/agent/current/server.py";
    ensure!(machine.ask(code)?.contains("release 2"), "it does not run the second one");
    Ok(())
}
