//! The names of releases in the store: short, and understood beside those of older updaters.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use fleet_tests::{Host, Setup, host};
use protocol::Digest;
use serde_json::{Value, json};
use updater::release::{read_record, remove_tree};

/// What the path of a socket has room for.
const SOCKET_PATH: usize = 107;

fn name(host: &Host, digest: &Digest) -> Result<String> {
    let release = host.release(digest);
    let name = release.file_name().and_then(|name| name.to_str()).context("a name")?;
    Ok(name.to_owned())
}

#[test]
fn an_agent_has_room_for_a_socket_beside_its_files() -> Result<()> {
    let host = host()?;
    let one = host.installs("one")?;
    let told = host.ask_agent("/health")?["path"].as_str().context("a path")?.to_owned();
    assert_eq!(told, host.release(&one).display().to_string());
    assert_eq!(host.current(), fs::canonicalize(&told).ok());
    let below_install = told.len() - host.install().display().to_string().len();
    let left = SOCKET_PATH - below_install - "/".len();
    ensure!(left >= 78, "{left} bytes are left for the install directory and the socket's name");
    assert_eq!(name(&host, &one)?, one.hex()[..12]);
    assert_eq!(read_record(&host.release(&one))?.digest, one);
    host.rests()
}

/// An updater that knows whole names only, and was proven here.
fn older_updater() -> Value {
    json!({"format": 1, "releases": {
        Digest::from_bytes([9; 32]).to_string(): {
            "tree": null, "staged_at": "2026-01-02T03:04:05Z", "proven_at": "2026-01-02T03:04:05Z",
            "failed_at": null, "failure": null, "quarantined": false,
        },
    }})
}

#[test]
fn whole_names_are_given_while_an_older_updater_is_kept_and_stay() -> Result<()> {
    let host = Host::alone_and_idle(&Setup::default())?;
    let updaters = host.directory.join("state/apps/updater/releases.json");
    fs::create_dir_all(updaters.parent().context("a directory")?)?;
    // It is what the rescue would go back to.
    let release =
        host.directory.join("self/releases/store").join(Digest::from_bytes([9; 32]).hex());
    fs::create_dir_all(&release)?;
    fs::write(release.join(".release.json"), "{}")?;
    fs::write(&updaters, older_updater().to_string())?;
    host.start()?;
    let one = host.installs("one")?;
    assert_eq!(name(&host, &one)?, one.hex());

    remove_tree(&release)?;
    fs::remove_file(&updaters)?;
    let two = host.installs("two")?;
    assert_eq!(name(&host, &two)?, two.hex()[..12]);
    assert_eq!(name(&host, &one)?, one.hex());
    for expected in [one, two] {
        assert_eq!(host.rollback()?.result()?.to, Some(expected));
        host.runs(&expected)?;
    }
    host.rests()
}
