//! A disk that does not answer holds up those who ask it, and no other.

use std::fs::{self, File};
use std::thread;

use anyhow::Result;
use fleet_tests::{Host, LONG, Tree, eventually, host};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use protocol::Code;

/// More than the updater has threads that answer.
const PUTS: usize = 6;

/// How often the updater has this file open.
fn opened(host: &Host, path: &std::path::Path) -> Result<usize> {
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
