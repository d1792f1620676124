//! The reference updater's own clients drive this one: they know nothing of it, send forms, take a
//! 409 for an update that was undone, and look for their label.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use fleet_tests::{Behaviour, Client, Host, LONG, Packing, Release, Setup, Tree, eventually, host};
use reqwest::multipart::{Form, Part};
use serde_json::Value;

/// How long they wait for the answer to a rollback.
const CONTROL_TIMEOUT: Duration = Duration::from_secs(30);

/// A client as the reference has one.
struct ReferenceClient<'host>(&'host Client);

/// What it makes of an answer to a push.
#[derive(Debug, PartialEq)]
enum Pushed {
    Updated { sha: String, probe: String },
    Undone { error: String, stderr: String },
    Failed { error: String },
}

impl ReferenceClient<'_> {
    fn form(release: &Release, sha: &str) -> Form {
        let tarball = Part::bytes(release.bytes.clone()).file_name("tree.tgz");
        let form = Form::new().text("sha", sha.to_owned()).text("sha256", release.digest.hex());
        form.part("tarball", tarball)
    }

    fn push(&self, release: &Release, sha: &str) -> Result<Pushed> {
        let answer = self.0.post("/update").multipart(Self::form(release, sha)).send()?;
        let body: Value = answer.json()?;
        let text = |value: &Value| value.as_str().map(str::to_owned).context(format!("{body}"));
        if answer.status == 200 {
            let (sha, probe) = (text(&body["release"]["sha"])?, text(&body["probe"])?);
            return Ok(Pushed::Updated { sha, probe });
        }
        let error = text(&body["detail"]["error"])?;
        ensure!(body["detail"]["rolled_back"].is_boolean(), "{body}");
        Ok(match answer.status {
            409 => Pushed::Undone { error, stderr: text(&body["detail"]["stderr"])? },
            _ => Pushed::Failed { error },
        })
    }

    fn health(&self) -> Result<Value> {
        self.0.get("/health")?.json()
    }
}

/// The labels of a list of releases, by slot.
fn labels(body: &Value) -> Vec<(String, Option<String>)> {
    let releases = body["releases"].as_array().into_iter().flatten();
    let text = |value: &Value| value.as_str().map(str::to_owned);
    releases.map(|it| (text(&it["slot"]).unwrap_or_default(), text(&it["sha"]))).collect()
}

fn slots(active: &str, prev: Option<&str>) -> Vec<(String, Option<String>)> {
    let slot = |name: &str, sha: &str| (name.to_owned(), Some(sha.to_owned()));
    [Some(slot("active", active)), prev.map(|prev| slot("prev", prev))]
        .into_iter()
        .flatten()
        .collect()
}

fn release(message: &str) -> Result<Release> {
    let behaviour = Behaviour { message: message.to_owned(), ..Behaviour::default() };
    Tree::agent(&behaviour)?.pack(Packing::Gzip)
}

#[test]
fn its_client_pushes_reads_why_not_and_goes_back() -> Result<()> {
    let host = host()?;
    let client = ReferenceClient(host.master());
    assert_eq!(client.health()?["agent_status"], "none");
    let (one, two) = (release("one")?, release("two")?);
    for (release, sha) in [(&one, "aaa1111"), (&two, "bbb2222"), (&two, "bbb2222")] {
        let Pushed::Updated { sha: told, .. } = client.push(release, sha)? else {
            anyhow::bail!("{sha} was not taken")
        };
        assert_eq!(told, sha);
    }
    let health = client.health()?;
    assert_eq!((&health["role"], &health["agent_status"]), (&"updater".into(), &"ok".into()));
    assert_eq!(labels(&health), slots("bbb2222", Some("aaa1111")));
    assert_eq!(health["releases"][0]["digest"], two.digest.to_string());
    assert!(health["releases"][1]["installed_at"].is_string());
    assert_eq!(labels(&host.master().get("/releases")?.json()?), slots("bbb2222", Some("aaa1111")));

    // What crashes was undone, and that is a 409; the same once more is refused, and that is none.
    let broken = Behaviour { crash: Some("no port".to_owned()), ..Behaviour::default() };
    let broken = Tree::agent(&broken)?.pack(Packing::Gzip)?;
    let Pushed::Undone { error, stderr } = client.push(&broken, "ccc3333")? else {
        anyhow::bail!("it was not undone")
    };
    assert!(!error.is_empty() && stderr.contains("no port"), "{error}: {stderr}");
    let Pushed::Failed { error } = client.push(&broken, "ccc3333")? else {
        anyhow::bail!("nothing was undone this time")
    };
    assert!(error.contains("failed"), "{error}");

    let back = host.master().post("/rollback").send()?;
    let body: Value = back.json()?;
    assert_eq!((back.status, &body["status"]), (200, &"rolled_back".into()), "{body}");
    assert_eq!(body["release"]["sha"], "aaa1111");
    assert!(body["probe"].is_string(), "{body}");
    Ok(())
}

#[test]
fn the_answer_to_its_rollback_does_not_wait_for_a_long_watch() -> Result<()> {
    let host = Host::alone(&Setup::default())?;
    let (one, two) = (Tree::healthy("one")?, Tree::healthy("two")?);
    host.push(&one)?.result()?;
    host.push(&two)?.result()?;
    host.stop()?;
    let config = fs::read_to_string(host.config())?;
    fs::write(host.config(), config.replace("watch = '300ms'", "watch = '1h'"))?;
    host.start()?;
    let asked = Instant::now();
    let back = host.master().post("/rollback").send()?;
    assert!(asked.elapsed() < CONTROL_TIMEOUT);
    let body: Value = back.json()?;
    assert_eq!((back.status, &body["status"]), (200, &"rolled_back".into()), "{body}");
    assert_eq!(body["release"]["digest"], one.digest.to_string());
    assert!(body["probe"].as_str().is_some_and(|probe| !probe.is_empty()), "{body}");
    assert_eq!(host.running(), Some(one.digest));
    Ok(())
}

#[test]
fn its_client_replaces_the_updater_and_finds_its_label() -> Result<()> {
    let host = host()?;
    let next = Tree::updater("next")?.pack(Packing::Zstd)?;
    let send = |form: Form| host.master().post("/update-self").multipart(form).send();
    let unmeant = send(ReferenceClient::form(&next, "ddd4444"))?;
    assert_eq!(unmeant.status, 400);
    let body: Value = unmeant.json()?;
    let error = body["detail"]["error"].as_str().context("why")?;
    assert!(error.contains("confirm_self=true"), "{error}");
    assert!(!host.directory.join("state/apps/updater/history.jsonl").exists());

    let tarball = Part::bytes(next.bytes.clone()).file_name("tree.tgz");
    let form = Form::new()
        .text("sha", "ddd4444")
        .text("sha256", next.digest.hex())
        .text("confirm_self", "True")
        .part("tarball", tarball);
    let body: Value = send(form)?.json()?;
    assert_eq!(body["status"], "self_update_queued", "{body}");
    assert_eq!(body["release"]["sha"], "ddd4444");
    let client = ReferenceClient(host.master());
    eventually("the label of the new updater", LONG, || {
        client.health().ok().filter(|health| health["sha"] == "ddd4444").map(|_| ())
    })
    .with_context(|| host.log())
}

#[test]
fn what_a_form_says_wrongly_is_told_in_its_own_words() -> Result<()> {
    let host = host()?;
    let release = release("one")?;
    let tarball = || Part::bytes(release.bytes.clone()).file_name("tree.tgz");
    for (name, value, expected) in [
        ("sha256", "sha1:abc", "the part sha256 must be 64 hex digits"),
        ("force", "true", "there is no part \"force\""),
        ("sha", "a\u{1b}[2J", "must be printable"),
    ] {
        let form = Form::new().text(name, value).part("tarball", tarball());
        let answer = host.master().post("/update").multipart(form).send()?;
        let body: Value = answer.json()?;
        let error = body["detail"]["error"].as_str().context("why")?;
        assert_eq!(answer.status, 400, "{body}");
        assert!(error.contains(expected), "{error}");
    }
    assert!(host.store().is_empty() && host.incoming().is_empty());
    Ok(())
}
