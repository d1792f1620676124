//! Signing with `swarm`, on this machine and for a key that is elsewhere; and what is left to
//! somebody who has everything of the master's but the release key.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use fleet_tests::{
    Ca, Fleet, Output, Packing, ReleaseKey, Setup, SignatureFiles, Tree, program, wording,
};
use insta::assert_snapshot;
use pki::Paths;
use protocol::{Code, SignedManifest};
use reqwest::multipart::{Form, Part};

fn asking(key: &ReleaseKey) -> Result<Fleet> {
    let keys = format!("['{}']", key.public_file().display());
    let setup = Setup::default().app("trusted_keys", &keys).self_update("trusted_keys", &keys);
    Fleet::of(1, &setup)
}

/// Packs a tree with `swarm pack`.
fn packed(fleet: &Fleet, tree: &Tree, name: &str) -> Result<String> {
    let archive = fleet.sandbox().path().join(name).display().to_string();
    fleet.swarm(["pack", &tree.path().display().to_string(), "-o", &archive])?.good()?;
    Ok(archive)
}

fn update(fleet: &Fleet, archive: &str) -> Result<Output> {
    fleet.swarm(["--json", "update", "--all", "--archive", archive])
}

fn with_suffix(archive: &str, suffix: &str) -> PathBuf {
    format!("{archive}{suffix}").into()
}

#[test]
fn a_release_is_signed_here_or_where_the_key_is_and_minisign_agrees() -> Result<()> {
    let key = ReleaseKey::generate()?;
    let fleet = asking(&key)?;
    let secret = key.secret_file().display().to_string();

    let here = packed(&fleet, &Tree::saying("here")?, "here.tar.zst")?;
    let refused = update(&fleet, &here)?;
    let row = refused.row("web-1")?;
    assert_eq!((refused.code, row["code"].as_str()), (1, Some("signature_rejected")), "{row}");
    assert_snapshot!(wording(row["detail"].as_str().context("why")?), @"this host takes only signed releases, and the archive came without a signed manifest: sign it with swarm release sign, and send both files with it (in a form, before the part tarball); nothing runs there");

    let signed = fleet.swarm(["--json", "release", "sign", &here, "--key", &secret])?.good()?;
    assert_eq!(signed.json()?["key"], key.line()?);
    let manifest = with_suffix(&here, ".manifest");
    key.verify_file(&manifest)?;
    let counter = SignedManifest::parse(&fs::read(&manifest)?)?.counter;
    assert!(counter > 20_260_000_000_000, "{counter}");
    assert_eq!(update(&fleet, &here)?.good()?.row("web-1")?["outcome"], "updated");

    let away = packed(&fleet, &Tree::saying("away")?, "away.tar.zst")?;
    let next = (counter + 1).to_string();
    fleet.swarm(["release", "manifest", &away, "--counter", &next])?.good()?;
    let unsigned = update(&fleet, &away)?;
    assert_eq!(unsigned.code, 2, "{unsigned:?}");
    assert_snapshot!(wording(&unsigned.stderr), @r#"{"error":{"causes":["find the signature of SANDBOX/away.tar.zst.manifest: SANDBOX/away.tar.zst.manifest.minisig is not there"],"code":"bad_signature","exit":2,"hint":"run: minisign -S -H -m SANDBOX/away.tar.zst.manifest","message":"failed to use the release's signature"}}"#);
    key.sign_file(&with_suffix(&away, ".manifest"))?;
    let updated = update(&fleet, &away)?.good()?;
    assert_eq!(updated.row("web-1")?["outcome"], "updated");
    Ok(())
}

#[test]
fn what_other_tools_pack_is_counted_as_the_host_counts_it() -> Result<()> {
    let key = ReleaseKey::generate()?;
    let fleet = asking(&key)?;
    let secret = key.secret_file().display().to_string();
    let ways = [("gnu", "--gzip", "1"), ("pax", "--zstd", "2"), ("ustar", "--gzip", "3")];
    for (format, compression, counter) in ways {
        let tree = Tree::saying(format)?;
        tree.file(&format!("{}/file", "deep/".repeat(12)), &"x".repeat(3000))?;
        fs::hard_link(tree.path().join("agent.json"), tree.path().join("same.json"))?;
        tree.link("link", "agent.json")?;
        if format != "ustar" {
            tree.file(&format!("long/{}", "n".repeat(180)), "long")?;
        }
        let archive = fleet.sandbox().path().join(format).display().to_string();
        let tar = Command::new("tar")
            .args(["--create", "--format", format, compression, "--file", &archive, "--directory"])
            .arg(tree.path())
            .arg(".")
            .status()?;
        ensure!(tar.success(), "{tar}");
        fleet
            .swarm(["release", "sign", &archive, "--key", &secret, "--counter", counter])?
            .good()?;
        let output = update(&fleet, &archive)?;
        assert_eq!(output.row("web-1")?["outcome"], "updated", "{format}: {output:?}");
    }
    Ok(())
}

/// `swarm`, with another home.
fn swarm(home: &Path, words: &[&str]) -> Result<Output> {
    Output::of(Command::new(program("swarm")?).arg("--home").arg(home).args(words))
}

#[test]
fn who_holds_the_masters_whole_home_runs_nothing_new() -> Result<()> {
    let key = ReleaseKey::generate()?;
    let fleet = asking(&key)?;
    let host = &fleet.hosts[0];
    let secret = key.secret_file().display().to_string();
    let good = packed(&fleet, &Tree::saying("good")?, "good.tar.zst")?;
    fleet.swarm(["release", "sign", &good, "--key", &secret])?.good()?;
    update(&fleet, &good)?.good()?;
    let (release, updater) = (host.running().context("it runs")?, host.health()?.digest);

    let home = fleet.sandbox().path().join("stolen");
    ensure!(Command::new("cp").arg("-a").arg(fleet.home()).arg(&home).status()?.success());
    let evil = Tree::saying("evil")?;
    let root = evil.path().display().to_string();
    let by_swarm = swarm(&home, &["--json", "update", "--all", "--force", "--root", &root])?;
    assert_eq!(by_swarm.row("web-1")?["code"], "signature_rejected", "{by_swarm:?}");
    let archive = packed(&fleet, &evil, "evil.tar.zst")?;
    for suffix in [".manifest", ".manifest.minisig"] {
        fs::copy(with_suffix(&good, suffix), with_suffix(&archive, suffix))?;
    }
    let mismatched = swarm(&home, &["update", "--all", "--archive", &archive])?;
    assert_eq!(mismatched.code, 2, "{mismatched:?}");
    assert_snapshot!(wording(&mismatched.stderr), @r"
    error: failed to use the release's signature
    caused by: send SANDBOX/evil.tar.zst with SANDBOX/evil.tar.zst.manifest: they do not belong together
    hint: the archive has changed since; sign it again: swarm release sign SANDBOX/evil.tar.zst
    ");

    // Without swarm: as the master, and as a master that the stolen CA makes.
    let genuine = SignatureFiles {
        manifest: fs::read(with_suffix(&good, ".manifest"))?,
        signature: fs::read(with_suffix(&good, ".manifest.minisig"))?,
    };
    let own_key = ReleaseKey::generate()?;
    let evil = evil.pack(Packing::Zstd)?;
    let forged = own_key.sign(&evil, u64::MAX, |_| {})?;
    let made = Ca::load(&home)?.issue("master", &home.join("made"))?;
    for identity in [Paths::master(&home), made] {
        let master = host.client_as(Some(&identity))?;
        for signed in [&SignatureFiles::default(), &genuine, &forged] {
            let stage = format!("/releases/{}", evil.digest);
            for (method, path) in [
                (reqwest::Method::POST, "/update?force=true&retry_quarantined=true"),
                (reqwest::Method::PUT, stage.as_str()),
                (reqwest::Method::POST, "/update-self?confirm_self=true"),
            ] {
                let call = master.call(method, path).header("content-type", evil.media_type());
                let call = call.header("content-digest", &evil.content_digest()).signed(signed);
                let problem = call.body(evil.bytes.clone()).send()?.problem()?;
                assert_eq!(problem.code, Code::SignatureRejected, "{path}: {problem:?}");
            }
            let file = |bytes: &[u8]| Part::bytes(bytes.to_vec()).file_name("file");
            let form = Form::new()
                .part("manifest", file(&signed.manifest))
                .part("signature", file(&signed.signature))
                .part("tarball", file(&evil.bytes))
                .text("sha256", evil.digest.hex())
                .text("confirm_self", "true");
            let answer = master.post("/update").multipart(form).send()?;
            if signed == &genuine {
                // It is the manifest of what runs: no byte of the form's archive is looked at.
                assert_eq!(answer.result()?.to, Some(release));
            } else {
                assert_eq!(answer.problem()?.code, Code::SignatureRejected);
            }
        }
        for path in ["/update", "/rollback"] {
            let digest = serde_json::json!({"digest": evil.digest});
            let problem = master.post(path).json(&digest).send()?.problem()?;
            assert_eq!(problem.code, Code::UnknownRelease, "{problem:?}");
        }
    }
    assert_eq!(host.store(), [release.hex()]);
    assert!(host.incoming().is_empty(), "{:?}", host.incoming());
    assert_eq!(host.running(), Some(release));
    assert_eq!(host.health()?.digest, updater);
    Ok(())
}
