//! A disk that does not answer holds up those who ask it, and no other.

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;
use std::thread;

use anyhow::{Context as _, Result, ensure};
use fleet_tests::volume::{Volume, alone_with_mounts};
use fleet_tests::{Host, LONG, Output, Packing, Setup, Tree, eventually, host, program};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use protocol::Code;

/// More than the updater has threads that answer.
const PUTS: usize = 6;

/// How often the updater has this file open.
fn opened(host: &Host, path: &Path) -> Result<usize> {
    let descriptors = fs::read_dir(format!("/proc/{}/fd", host.updater()?))?;
    let leads = descriptors.flatten().filter_map(|entry| fs::read_link(entry.path()).ok());
    Ok(leads.filter(|target| target == path).count())
}

#[test]
fn health_is_answered_while_every_put_waits_for_the_disk() -> Result<()> {
    let host = host()?;
    let release = Tree::healthy("one")?;
    host.push(&release)?.result()?;

    // A pipe in the place of what is known of the releases: to read it is to wait for its writer.
    let file = fs::canonicalize(host.state().join("releases.json"))?;
    let (kept, pipe) = (file.with_extension("kept"), file.with_extension("pipe"));
    mkfifo(&pipe, Mode::S_IRUSR | Mode::S_IWUSR)?;
    let writer = File::options().read(true).write(true).open(&pipe)?;
    fs::rename(&file, &kept)?;
    fs::rename(&pipe, &file)?;

    thread::scope(|scope| {
        let puts: Vec<_> = (0..PUTS).map(|_| scope.spawn(|| host.stage(&release))).collect();
        let waiting = eventually("every PUT to wait for the disk", LONG, || {
            opened(&host, &file).ok().filter(|readers| *readers >= PUTS)
        });
        let health = waiting.and_then(|_| host.health());
        // Whatever came of that, let them go.
        fs::rename(&kept, &file)?;
        drop(writer);
        for put in puts {
            let problem = put.join().expect("no panic")?.problem()?;
            assert_eq!(problem.code, Code::Internal, "{problem:?}");
        }
        assert!(health?.apps.contains_key(&"agent".parse()?));
        anyhow::Ok(())
    })?;
    assert_eq!(host.stage(&release)?.status, 200);
    Ok(())
}

/// Whether a process waits in the kernel, where no signal reaches it.
fn hangs(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with('D'))
}

/// This mounts a disk of its own, which takes root.
#[test]
fn what_the_kernel_does_not_let_go_is_named_by_updater_stop() -> Result<()> {
    alone_with_mounts()?;
    let setup = Setup::default()
        .without_command()
        .without_echo()
        .health("command", "['true']")
        .run("kill_timeout", "'1s'");
    let host = Host::alone_and_idle(&setup)?;
    let disk = host.directory.join("disk");
    let volume = Volume::small(&disk, 24 << 20, 300)?;
    host.start()?;
    let tree = Tree::empty()?;
    tree.file("release.toml", "[run]\ncommand = ['bin/writer']\n")?;
    let (go, file) = (host.directory.join("go"), disk.join("file"));
    let script = format!(
        "#!/bin/sh\nwhile [ ! -e '{}' ]; do sleep 0.05; done\necho x > '{}'\n",
        go.display(),
        file.display()
    );
    tree.program("bin/writer", &script)?;
    host.push(&tree.pack(Packing::Zstd)?)?.result()?;
    let pid = host.app()?.pid.context("a process")?;
    let stop = || {
        let mut stop = Command::new(program("updater")?);
        Output::of(stop.arg("stop").arg("--config").arg(host.config()))
    };

    let frozen = volume.freeze()?;
    fs::write(&go, "")?;
    eventually("the program to hang", LONG, || hangs(pid).then_some(()))?;
    let stuck = stop()?;
    let named = format!("{pid} (writer) did not go although they were killed");
    ensure!(stuck.code != 0 && stuck.stderr.contains(&named), "{stuck:?}");
    ensure!(hangs(pid), "{}", host.log());
    drop(frozen);
    stop()?.good()?;
    ensure!(!Path::new("/proc").join(pid.to_string()).exists());
    Ok(())
}
