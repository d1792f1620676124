//! Hosts that ask for signatures: nothing new runs there that no release key has signed, and what
//! is refused is refused before a byte of it is asked for.

use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result};
use fleet_tests::{
    Answer, Behaviour, Host, LONG, Output, Packing, Release, ReleaseKey, Setup, SignatureFiles,
    Tree, eventually, host, program, wording,
};
use insta::assert_snapshot;
use protocol::{Code, Kind, Outcome, SignatureRule, SignedManifest, Status};
use reqwest::Method;
use reqwest::multipart::{Form, Part};

/// A host whose app and whose updater take what this key has signed.
fn asking(key: &ReleaseKey) -> Result<Host> {
    Host::alone(&trusting(Setup::default(), &key.line()?))
}

fn trusting(setup: Setup, key: &str) -> Setup {
    let keys = format!("['{key}']");
    setup.app("trusted_keys", &keys).self_update("trusted_keys", &keys)
}

/// The head of an order for a release, and nothing of its body. The first answer is given back:
/// `100 Continue` would be one.
fn ask(host: &Host, line: &str, release: &Release, signed: &SignatureFiles) -> Result<Answer> {
    let mut connection = host.connect()?;
    connection.send(format!(
        "{line} HTTP/1.1\r\nhost: web-1\r\ncontent-type: {}\r\ncontent-digest: {}\r\n\
         content-length: {}\r\nexpect: 100-continue\r\n{}\r\n",
        release.media_type(),
        release.content_digest(),
        release.bytes.len(),
        signed.head(),
    ))?;
    connection.read_answer()
}

fn push(host: &Host, release: &Release, signed: &SignatureFiles) -> Result<Answer> {
    host.order("/update", release).signed(signed).send()
}

fn refused(answer: &Answer, rule: SignatureRule) -> Result<()> {
    let problem = answer.problem()?;
    let found = (problem.code.status(), &problem.code, problem.rule.as_deref());
    assert_eq!(found, (422, &Code::SignatureRejected, Some(&*rule.to_string())), "{problem:?}");
    Ok(())
}

/// Nothing was taken: no release, no litter, and no transaction that would have begun.
fn untouched(host: &Host) {
    assert!(host.store().is_empty(), "{:?}", host.store());
    assert!(host.incoming().is_empty(), "{:?}", host.incoming());
    assert!(host.history().is_empty(), "{:?}", host.history());
    assert!(!host.state().join("counter.json").exists());
}

#[test]
fn every_refusal_comes_before_a_byte_of_the_archive_is_asked_for() -> Result<()> {
    let (key, stranger) = (ReleaseKey::generate()?, ReleaseKey::generate()?);
    let host = asking(&key)?;
    let release = Tree::healthy("one")?;
    let sign = |change: fn(&mut SignedManifest)| key.sign(&release, 7, change);
    let good = sign(|_| {})?;
    let text = String::from_utf8(good.manifest.clone())?;
    let changed = text.replace("counter = 7", "counter = 8");
    let cases = [
        (SignatureRule::Unsigned, SignatureFiles::default()),
        (SignatureRule::Unsigned, SignatureFiles { signature: Vec::new(), ..good.clone() }),
        (SignatureRule::Unsigned, SignatureFiles { manifest: Vec::new(), ..good.clone() }),
        (SignatureRule::Malformed, SignatureFiles { signature: b"x".to_vec(), ..good.clone() }),
        (SignatureRule::Malformed, key.sign_text("app = 'agent'\n")?),
        (SignatureRule::Malformed, key.sign_text(&format!("{text}more = 1\n"))?),
        (SignatureRule::BadSignature, SignatureFiles { manifest: changed.into(), ..good.clone() }),
        (SignatureRule::UnknownKey, stranger.sign(&release, 7, |_| {})?),
        (SignatureRule::WrongApp, sign(|manifest| manifest.app = "web".parse().unwrap())?),
        (SignatureRule::WrongApp, sign(|manifest| manifest.app = "updater".parse().unwrap())?),
        (SignatureRule::WrongDigest, key.sign(&Tree::healthy("two")?, 7, |_| {})?),
        (SignatureRule::WrongLength, sign(|manifest| manifest.archive_bytes += 1)?),
        (SignatureRule::Expired, sign(|manifest| manifest.not_after -= time::Duration::days(2))?),
    ];
    let stage = format!("PUT /releases/{}", release.digest);
    for (rule, signed) in &cases {
        for line in ["POST /update", &stage] {
            let answer = ask(&host, line, &release, signed)?;
            refused(&answer, *rule).with_context(|| format!("{line}: {rule:?}"))?;
        }
    }
    let huge = sign(|manifest| manifest.unpacked_bytes = 1 << 50)?;
    let problem = ask(&host, "POST /update", &release, &huge)?.problem()?;
    let found = (problem.code, problem.rule.as_deref());
    assert_eq!(found, (Code::ArchiveRejected, Some("unpacked_bytes")));
    untouched(&host);

    // With the right one the bytes are asked for; whoever leaves then has begun something.
    for line in ["POST /update", &stage] {
        eventually("the archive to be asked for", LONG, || {
            ask(&host, line, &release, &good).ok().filter(|answer| answer.status == 100)
        })?;
    }
    eventually("the release to be taken", LONG, || {
        push(&host, &release, &good).ok()?.result().ok()
    })?;
    assert_eq!(host.running(), Some(release.digest));
    let outcomes: Vec<_> = host.history().iter().map(|line| line["outcome"].clone()).collect();
    assert_eq!(outcomes, ["interrupted", "interrupted", "updated"]);
    Ok(())
}

/// Sends an archive without saying how long it is.
fn push_unmeasured(
    host: &Host,
    announced: &Release,
    bytes: &[u8],
    signed: &SignatureFiles,
) -> Result<Answer> {
    let chunks: Vec<_> =
        bytes.chunks(512).map(|chunk| Ok::<_, std::io::Error>(chunk.to_vec())).collect();
    let body = reqwest::Body::wrap_stream(tokio_stream::iter(chunks));
    host.order("/update", announced).signed(signed).body(body).send()
}

#[test]
fn an_archive_that_is_not_what_was_signed_never_becomes_a_release() -> Result<()> {
    let key = ReleaseKey::generate()?;
    let host = asking(&key)?;
    let (release, other) = (Tree::healthy("the one that was signed")?, Tree::healthy("other")?);
    let good = key.sign(&release, 1, |_| {})?;
    assert!(other.bytes.len() <= release.bytes.len());

    let swapped = push_unmeasured(&host, &release, &other.bytes, &good)?;
    assert_eq!(swapped.problem()?.code, Code::DigestMismatch);
    let shorter = key.sign(&release, 1, |manifest| manifest.archive_bytes -= 1)?;
    let longer = push_unmeasured(&host, &release, &release.bytes, &shorter)?;
    refused(&longer, SignatureRule::WrongLength)?;
    let longer = key.sign(&release, 1, |manifest| manifest.archive_bytes += 1)?;
    let shorter = push_unmeasured(&host, &release, &release.bytes, &longer)?;
    refused(&shorter, SignatureRule::WrongLength)?;
    for step in [-1, 1] {
        let sizes = key.sign(&release, 1, |manifest| {
            manifest.unpacked_bytes = manifest.unpacked_bytes.saturating_add_signed(step);
        })?;
        refused(&push(&host, &release, &sizes)?, SignatureRule::UnpackedBytes)?;
        let entries = key.sign(&release, 1, |manifest| {
            manifest.entries = manifest.entries.saturating_add_signed(step);
        })?;
        refused(&push(&host, &release, &entries)?, SignatureRule::Entries)?;
    }
    // What a release says of itself changes nothing about who may sign it.
    let weakening = Tree::agent(&Behaviour::default())?;
    weakening.file("release.toml", "name = 'x'\ntrusted_keys = []\n")?;
    let weakening = weakening.pack(Packing::Zstd)?;
    let signed = key.sign(&weakening, 1, |_| {})?;
    assert_eq!(push(&host, &weakening, &signed)?.problem()?.code, Code::ArchiveRejected);
    assert!(host.store().is_empty() && host.incoming().is_empty());
    // None of this has raised the counter.
    assert_eq!(push(&host, &release, &good)?.result()?.status, Status::Updated);
    Ok(())
}

#[test]
fn an_older_counter_is_refused_and_going_back_is_not() -> Result<()> {
    let key = ReleaseKey::generate()?;
    let host = asking(&key)?;
    let releases = [Tree::healthy("one")?, Tree::healthy("two")?, Tree::healthy("three")?];
    let [one, two, three] = &releases;
    for (release, counter) in [(one, 5), (two, 8)] {
        push(&host, release, &key.sign(release, counter, |_| {})?)?.result()?;
    }
    for counter in [0, 7, 8] {
        let signed = key.sign(three, counter, |_| {})?;
        refused(&ask(&host, "POST /update", three, &signed)?, SignatureRule::Counter)?;
    }
    // It is remembered across a power cut, outside of the releases.
    host.kill()?;
    host.start()?;
    refused(
        &ask(&host, "POST /update", three, &key.sign(three, 7, |_| {})?)?,
        SignatureRule::Counter,
    )?;

    // What is here may come back, with or without its old manifest, and the history says so.
    assert_eq!(host.rollback()?.result()?.to, Some(one.digest));
    let back = host.history().pop().context("a line")?;
    assert_eq!(
        (back["kind"].as_str(), back["outcome"].as_str()),
        (Some("rollback"), Some("rolled_back"))
    );
    let digest = serde_json::json!({"digest": two.digest});
    assert_eq!(host.master().post("/update").json(&digest).send()?.result()?.to, Some(two.digest));
    assert_eq!(host.push(one)?.result()?.to, Some(one.digest));
    assert_eq!(push(&host, two, &key.sign(two, 1, |_| {})?)?.result()?.to, Some(two.digest));

    // A counter that cannot be read is not taken for none.
    fs::write(host.state().join("counter.json"), "{")?;
    let problem = push(&host, three, &key.sign(three, 9, |_| {})?)?.problem()?;
    assert_eq!(problem.code, Code::Internal);
    assert_snapshot!(wording(&problem.detail), @"failed to read the highest counter in SANDBOX/web-1/state/apps/agent/counter.json: EOF while parsing an object at line 1 column 1; put the file right, or remove it to take a signed release of any counter");
    fs::remove_file(host.state().join("counter.json"))?;
    assert_eq!(push(&host, three, &key.sign(three, 9, |_| {})?)?.result()?.to, Some(three.digest));
    Ok(())
}

#[test]
fn root_on_the_host_gets_out_of_a_counter_that_a_leaked_key_drove_to_its_end() -> Result<()> {
    let key = ReleaseKey::generate()?;
    let host = asking(&key)?;
    let trust = |more: &[&str]| -> Result<Output> {
        let mut command = Command::new(program("updater")?);
        Output::of(command.args(["trust", "--config"]).arg(host.config()).args(more))
    };
    assert_snapshot!(trust(&[])?.good()?.stdout, @"agent: no signed release was taken yet");
    assert_snapshot!(trust(&["--reset-counter"])?.good()?.stdout, @"agent: no signed release was taken yet; there is nothing to reset");
    let (stolen, next) = (Tree::healthy("stolen")?, Tree::healthy("next")?);
    push(&host, &stolen, &key.sign(&stolen, u64::MAX, |_| {})?)?.result()?;
    let signed = key.sign(&next, 8, |_| {})?;
    refused(&push(&host, &next, &signed)?, SignatureRule::Counter)?;
    assert_snapshot!(wording(&trust(&[])?.good()?.stdout), @"agent: the highest counter that was taken is 18446744073709551615, with DIGEST");
    let reset = trust(&["--reset-counter"])?.good()?.stdout;
    assert!(reset.contains("the counter was 18446744073709551615"), "{reset}");
    assert!(host.log().contains("root has reset the counter"), "{}", host.log());
    push(&host, &next, &signed)?.result()?;
    assert_eq!(host.running(), Some(next.digest));
    // From there on an older one is refused as ever.
    let old = Tree::healthy("old")?;
    refused(&push(&host, &old, &key.sign(&old, 7, |_| {})?)?, SignatureRule::Counter)?;
    // It is root's on the host alone: no master can.
    let route = "/trust/reset-counter?app=agent";
    let answer = host.master().call(Method::POST, route).send()?;
    assert_eq!(answer.status, 404, "{answer:?}");
    Ok(())
}

#[test]
fn a_crash_between_the_counter_and_the_release_keeps_no_signed_release_out() -> Result<()> {
    let key = ReleaseKey::generate()?;
    let setup = trusting(Setup::default(), &key.line()?);
    let host = Host::alone_and_idle(&setup)?;
    host.start_crashing("counter_kept")?;
    host.answers()?;
    let (older, newer) = (Tree::healthy("older")?, Tree::healthy("newer")?);
    let signed = key.sign(&newer, 2, |_| {})?;
    assert!(push(&host, &newer, &signed).is_err(), "it was not killed");
    host.answers()?;
    host.idle()?;
    assert!(host.store().is_empty() && host.incoming().is_empty());
    let refusal = ask(&host, "POST /update", &older, &key.sign(&older, 1, |_| {})?)?;
    refused(&refusal, SignatureRule::Counter)?;
    assert_eq!(push(&host, &newer, &signed)?.result()?.to, Some(newer.digest));
    Ok(())
}

/// Lets the host read its configuration again, with `from` replaced.
fn reconfigure(host: &Host, from: &str, to: &str) -> Result<()> {
    host.stop()?;
    let text = fs::read_to_string(host.config())?;
    assert!(text.contains(from), "{text}");
    fs::write(host.config(), text.replace(from, to))?;
    host.start()
}

#[test]
fn what_was_there_before_the_keys_is_gone_back_to_only_if_it_was_proven() -> Result<()> {
    let key = ReleaseKey::generate()?;
    let host = host()?;
    let [old, older] = [host.installs("older")?, host.installs("old")?];
    let staged = Tree::healthy("staged")?;
    let stage = |signed: &SignatureFiles| {
        let path = format!("/releases/{}", staged.digest);
        let call =
            host.master().call(Method::PUT, &path).header("content-type", staged.media_type());
        call.signed(signed).body(staged.bytes.clone()).send()
    };
    // Without keys, what comes along is not looked at.
    assert_eq!(
        stage(&SignatureFiles { manifest: b"x".to_vec(), signature: b"y".to_vec() })?.status,
        201
    );
    let keys = format!("trusted_keys = ['{}']\n", key.line()?);
    reconfigure(&host, "[self]\n", &format!("[self]\n{keys}"))?;
    reconfigure(&host, "[app.agent]\n", &format!("[app.agent]\n{keys}"))?;

    let digest = serde_json::json!({"digest": staged.digest});
    for path in ["/update", "/rollback", "/update?force=true", "/rollback?retry_quarantined=true"] {
        refused(&host.master().post(path).json(&digest).send()?, SignatureRule::Unsigned)?;
    }
    refused(&host.push(&staged)?, SignatureRule::Unsigned)?;
    refused(&stage(&SignatureFiles::default())?, SignatureRule::Unsigned)?;
    let local = Command::new(program("updater")?)
        .args(["rollback", "--to", &staged.digest.to_string(), "--config"])
        .arg(host.config())
        .output()?;
    assert!(!local.status.success());
    assert_snapshot!(wording(&String::from_utf8_lossy(&local.stderr)), @"error: failed to carry out the order: DIGEST is here, but no trusted key has signed it, and it was never proven here; send its signed manifest with its archive (signature_rejected)");
    assert_eq!(host.rollback()?.result()?.to, Some(old));
    assert_eq!(host.rollback()?.result()?.to, Some(older));

    // A signature makes it as good as any, and no byte is sent again.
    let signed = key.sign(&staged, 3, |_| {})?;
    let answer = ask(&host, "POST /update", &staged, &signed)?;
    assert_eq!((answer.status, answer.result()?.to), (200, Some(staged.digest)));
    assert_eq!(host.running(), Some(staged.digest));
    Ok(())
}

#[test]
fn in_a_form_the_signature_comes_before_the_archive() -> Result<()> {
    let key = ReleaseKey::generate()?;
    let host = asking(&key)?;
    let release = Tree::healthy("the one that was signed")?;
    let signed = key.sign(&release, 1, |_| {})?;
    let file = |bytes: &[u8]| Part::bytes(bytes.to_vec()).file_name("file");
    let send = |form: Form| host.master().post("/update").multipart(form).send();
    let tarball = || Form::new().part("tarball", file(&release.bytes));
    let sign = |form: Form| {
        form.part("manifest", file(&signed.manifest)).part("signature", file(&signed.signature))
    };
    let digest = release.digest.hex();
    refused(&send(tarball().text("sha256", digest.clone()))?, SignatureRule::Unsigned)?;
    refused(&send(sign(tarball()).text("sha256", digest.clone()))?, SignatureRule::Unsigned)?;
    untouched(&host);
    // The digest is the signed one, whatever the form says after it.
    let form = sign(Form::new()).part("tarball", file(&Tree::healthy("x")?.bytes));
    let swapped = send(form.text("sha256", Tree::healthy("x")?.digest.hex()))?;
    assert_eq!(swapped.problem()?.code, Code::DigestMismatch);
    let form = sign(Form::new()).part("tarball", file(&release.bytes));
    assert_eq!(send(form)?.result()?.to, Some(release.digest));
    Ok(())
}

#[test]
fn keys_are_rotated_by_trusting_two_for_a_while() -> Result<()> {
    let (old, new) = (ReleaseKey::generate()?, ReleaseKey::generate()?);
    // One as a file beside the configuration, one as its line.
    let host = Host::alone_and_idle(
        &Setup::default()
            .app("trusted_keys", &format!("['old.pub', '{}']", new.line()?))
            .self_update("trusted_keys", "['old.pub']"),
    )?;
    fs::copy(old.public_file(), host.directory.join("old.pub"))?;
    host.start()?;
    let [one, two, three] = [Tree::healthy("1")?, Tree::healthy("2")?, Tree::healthy("3")?];
    push(&host, &one, &old.sign(&one, 1, |_| {})?)?.result()?;
    push(&host, &two, &new.sign(&two, 2, |_| {})?)?.result()?;
    let path = format!("/releases/{}", three.digest);
    let put = host.master().call(Method::PUT, &path).header("content-type", three.media_type());
    let staged = put.signed(&old.sign(&three, 3, |_| {})?).body(three.bytes.clone()).send()?;
    assert_eq!(staged.status, 201, "{staged:?}");

    reconfigure(&host, "'old.pub', ", "")?;
    // The old key vouches for nothing new, not even for what it brought here.
    let digest = serde_json::json!({"digest": three.digest});
    refused(&host.master().post("/update").json(&digest).send()?, SignatureRule::Unsigned)?;
    let four = Tree::healthy("4")?;
    let answer = ask(&host, "POST /update", &four, &old.sign(&four, 4, |_| {})?)?;
    refused(&answer, SignatureRule::UnknownKey)?;
    // What was proven here stays good to go back to.
    assert_eq!(host.rollback()?.result()?.to, Some(one.digest));
    assert_eq!(push(&host, &four, &new.sign(&four, 4, |_| {})?)?.result()?.to, Some(four.digest));
    Ok(())
}

fn next_updater() -> Result<Release> {
    let tree = Tree::empty()?;
    tree.file("note", "next")?;
    fs::create_dir(tree.path().join("bin"))?;
    fs::copy(program("updater")?, tree.path().join("bin/updater"))?;
    tree.pack(Packing::Zstd)
}

#[test]
fn the_updater_itself_is_replaced_only_by_a_signed_one() -> Result<()> {
    let key = ReleaseKey::generate()?;
    let host = asking(&key)?;
    let before = host.health()?.digest;
    let next = next_updater()?;
    let path = "/update-self?confirm_self=true";
    let line = format!("POST {path}");
    refused(&ask(&host, &line, &next, &SignatureFiles::default())?, SignatureRule::Unsigned)?;
    let for_the_agent = key.sign(&next, 1, |_| {})?;
    refused(&ask(&host, &line, &next, &for_the_agent)?, SignatureRule::WrongApp)?;
    assert_eq!(host.health()?.digest, before);

    let signed = key.sign(&next, 1, |manifest| manifest.app = "updater".parse().unwrap())?;
    let queued = host.order(path, &next).signed(&signed).send()?.result()?;
    assert_eq!(queued.status, Status::SelfUpdateQueued);
    eventually("the new updater to answer", LONG, || {
        host.health().ok().filter(|health| health.digest == next.digest)
    })
    .with_context(|| host.log())?;
    let history = host.directory.join("state/apps/updater/history.jsonl");
    let line = eventually("its line in the history", LONG, || {
        let text = fs::read_to_string(&history).ok()?;
        serde_json::from_str::<protocol::LastTransaction>(text.lines().last()?).ok()
    })?;
    assert_eq!((line.kind, line.outcome), (Kind::SelfUpdate, Outcome::Updated));
    assert_eq!(line.to, Some(next.digest));
    Ok(())
}

#[test]
fn keys_for_an_app_and_none_for_the_updater_are_refused_at_the_start() -> Result<()> {
    let key = ReleaseKey::generate()?;
    let setup = Setup::default().app("trusted_keys", &format!("['{}']", key.line()?));
    let host = Host::alone_and_idle(&setup)?;
    for command in ["check", "run"] {
        let output = Command::new(program("updater")?)
            .args([command, "--config"])
            .arg(host.config())
            .output()?;
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        assert!(
            !output.status.success() && said.contains("self.trusted_keys"),
            "{command}: {said}"
        );
    }
    Ok(())
}
