//! The master's pins, on every single connection.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context as _, Result};
use fleet_tests::{
    Behaviour, Ca, Exchange, Fleet, Output, Setup, Tree, impersonate_updater, wording,
};
use insta::assert_snapshot;
use serde_json::{Value, json};

#[test]
fn lesson_29_the_fingerprint_is_checked_on_the_connection_that_carries_the_archive() -> Result<()> {
    let mut fleet = Fleet::new()?;
    fleet.enroll("web-1", &Setup::default())?;
    let host = &fleet.hosts[0];
    // Another certificate of this CA, for this very host: only the fingerprint is not the recorded one.
    let second = fleet.sandbox().path().join("second");
    Ca::load(&fleet.home())?.issue("updater/web-1", &second)?;
    let orders = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&orders);
    // It is the pinned one who is asked how it is, and the other one who would be sent the archive.
    let identities = [host.directory.join("bundle/updater"), second];
    impersonate_updater(host, &identities, move |mut exchange: Exchange| {
        if exchange.head.starts_with("POST ") {
            counted.fetch_add(1, Ordering::SeqCst);
        }
        let digest = format!("sha256:{}", "01".repeat(32));
        let health = json!({
            "format": 1, "status": "ok", "host": "web-1", "version": "0.1.0", "digest": digest,
            "uptime_seconds": 5, "epoch": 1,
            "apps": {"agent": {
                "state": "idle", "since": "2026-01-01T00:00:00Z", "healthy": true,
                "agent": "running", "pid": 4, "active": null, "last": null,
            }},
        });
        exchange.respond(200, "application/json", health.to_string())
    })?;
    let tree = Tree::agent(&Behaviour::default())?;
    let update = fleet.update(&tree, &[])?;
    assert_eq!(update.code, 1);
    let row = update.row("web-1")?;
    assert_eq!(row["code"], "not_trusted", "{row}");
    let detail = row["detail"].as_str().context("a detail")?;
    assert_snapshot!(wording(detail), @"failed to talk to ADDRESS as this host's updater: trust the other side: its certificate has the fingerprint HEX, which is not the recorded one");
    assert_eq!(orders.load(Ordering::SeqCst), 0, "it was sent an order");
    Ok(())
}

#[test]
fn a_host_is_known_by_the_files_of_each_renewal_and_then_by_what_it_shows() -> Result<()> {
    let mut fleet = Fleet::new()?;
    fleet.enroll("web-1", &Setup::default())?;
    let pinned = || -> Result<_> {
        Ok(fleet.swarm(["--json", "show", "web-1"])?.good()?.json()?["pinned"].take())
    };
    let enrolled = pinned()?;
    let mut renewals = Vec::new();
    for name in ["first", "second"] {
        let directory = fleet.sandbox().path().join(name);
        let mut renew = fleet.command(["enroll", "--renew", "web-1", "--out-dir"])?;
        let said = Output::of(renew.arg(&directory))?.good()?.stderr;
        renewals.push((directory, pinned()?["next"].take(), said));
    }
    let [(first, issued, _), (_, last, said)] = &renewals[..] else { panic!("{renewals:?}") };
    assert!(said.contains("and by that of the renewal before"), "{said}");
    assert_eq!(
        pinned()?,
        json!({"current": enrolled["current"], "next": last, "between": [issued]})
    );

    // The files of the first renewal are the ones that are brought to the host.
    for file in ["updater.crt", "updater.key"] {
        let to = fleet.hosts[0].directory.join("bundle/updater").join(file);
        fs::remove_file(&to)?;
        fs::copy(first.join("updater").join(file), to)?;
    }
    fleet.start()?;
    let until = || -> Result<_> {
        let mut checked = fleet.swarm(["--json", "check", "web-1"])?.good()?.json()?;
        Ok(checked[0]["certificate_until"].take())
    };
    let issued_until = |fingerprint: &Value| -> Result<Value> {
        let shown = fleet.swarm(["--json", "show", "web-1"])?.good()?.json()?;
        let all = shown["certificates"].as_array().context("certificates")?;
        let found = all.iter().find(|it| it["fingerprint"] == *fingerprint).context("it")?;
        Ok(found["not_after"].clone())
    };
    assert_eq!(until()?, issued_until(issued)?);
    assert_eq!(pinned()?, json!({"current": issued, "next": last}));
    Ok(())
}
