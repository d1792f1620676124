//! How orders are given and answered: one at a time, as a stream, by the older form, and with the
//! caller gone.

use std::fs;

use anyhow::Result;
use fleet_tests::{Behaviour, Host, LONG, Lines, Packing, Release, Setup, Tree, eventually, host};
use protocol::{Code, EventKind, Outcome, Phase, Status, header};
use reqwest::multipart::{Form, Part};

/// A host whose update goes on until there is the host's gate.
fn busy() -> Result<(Host, Lines, Release)> {
    let host = Host::alone(&Setup::default().patient())?;
    let waits_for = Some(host.gate());
    let release = Tree::release(&Behaviour { waits_for, ..Behaviour::default() })?;
    let lines = host.order_until("/update", &release, Phase::Probing)?;
    Ok((host, lines, release))
}

#[test]
fn lesson_13_a_second_push_is_told_who_holds_the_lock() -> Result<()> {
    let (host, mut lines, release) = busy()?;
    let problem = host.push(&Tree::healthy("other")?)?.problem()?;
    assert_eq!((problem.code.status(), &problem.code), (423, &Code::UpdateInProgress));
    let holder = problem.holder.expect("a holder");
    assert_eq!(holder.to, Some(release.digest));
    assert_eq!(Some(holder.transaction), host.app()?.transaction);
    assert!(problem.since.is_some());
    fs::write(host.gate(), "")?;
    lines.until("\"result\"")?;
    assert_eq!(host.running(), Some(release.digest));
    assert_eq!(host.store().len(), 1);
    Ok(())
}

#[test]
fn lesson_14_health_is_answered_while_an_update_runs() -> Result<()> {
    let host = Host::alone(&Setup::default().app("build", "['sh', 'build.sh']"))?;
    let tree = Tree::agent(&Behaviour::default())?;
    let gate = host.gate();
    tree.file("build.sh", &format!("until [ -e {} ]; do sleep 0.02; done\n", gate.display()))?;
    let release = tree.pack(Packing::Zstd)?;
    let mut lines = host.order_until("/update", &release, Phase::Building)?;
    // An updater that answers only after the build would never answer here.
    for _ in 0..20 {
        assert_eq!(host.app()?.state, Phase::Building);
    }
    fs::write(&gate, "")?;
    assert!(lines.until("\"result\"")?.contains("\"updated\""));
    Ok(())
}

#[test]
fn an_order_is_followed_line_by_line_to_its_end() -> Result<()> {
    let host = host()?;
    let release = Tree::healthy("one")?;
    let answer = host.order("/update", &release).header("accept", header::NDJSON).send()?;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some(header::NDJSON)));
    let events = answer.events()?;
    assert!(events.windows(2).all(|pair| pair[0].id < pair[1].id), "{events:#?}");
    let phases: Vec<Phase> = events
        .iter()
        .filter_map(|event| match &event.kind {
            EventKind::Phase { phase, .. } => Some(*phase),
            _ => None,
        })
        .collect();
    let expected = [
        Phase::Receiving,
        Phase::Verifying,
        Phase::Staged,
        Phase::Switching,
        Phase::Restarting,
        Phase::Probing,
        Phase::Watching,
    ];
    let named: Vec<Phase> = phases.into_iter().filter(|phase| expected.contains(phase)).collect();
    assert_eq!(named, expected);
    assert_eq!(answer.result()?.status, Status::Updated);
    Ok(())
}

#[test]
fn a_failure_is_the_last_line_of_a_stream() -> Result<()> {
    let host = host()?;
    let bad = Tree::release(&Behaviour { crash: Some("why".into()), ..Behaviour::default() })?;
    let answer = host.order("/update", &bad).header("accept", header::NDJSON).send()?;
    assert_eq!(answer.status, 200);
    let result = answer.result()?;
    assert_eq!((result.status, result.code), (Status::RolledBack, Some(Code::RolledBack)));
    let problem = result.problem.expect("a problem");
    assert!(problem.output.iter().any(|line| line.contains("why")), "{problem:?}");
    Ok(())
}

#[test]
fn lesson_26_a_caller_who_leaves_stops_nothing() -> Result<()> {
    let (host, lines, release) = busy()?;
    drop(lines);
    fs::write(host.gate(), "")?;
    let app = host.idle()?;
    let last = app.last.expect("a last transaction");
    assert_eq!((last.outcome, last.to), (Outcome::Updated, Some(release.digest)));
    assert_eq!(host.running(), Some(release.digest));
    Ok(())
}

#[test]
fn lesson_37_an_order_is_found_again_by_the_name_that_it_was_given() -> Result<()> {
    let host = host()?;
    let name = "0190a5c2-6f00-7000-8000-00000000abcd";
    let order = host.order("/update", &Tree::healthy("one")?);
    order.header(header::IDEMPOTENCY_KEY, name).send()?;
    assert_eq!(host.idle()?.last.and_then(|last| last.order).as_deref(), Some(name));
    Ok(())
}

#[test]
fn a_caller_who_leaves_while_sending_ends_it_as_interrupted() -> Result<()> {
    let host = host()?;
    let release = Tree::healthy("one")?;
    let (mut sender, receiver) = tokio::io::duplex(64 << 10);
    let order = host
        .master()
        .post("/update")
        .header("content-type", release.media_type())
        .header(header::CONTENT_DIGEST, &release.content_digest())
        .body(reqwest::Body::wrap_stream(tokio_util::io::ReaderStream::with_capacity(
            receiver, 64,
        )));
    let calling = std::thread::spawn(move || order.send());
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let half = &release.bytes[..release.bytes.len() / 2];
    runtime.block_on(tokio::io::AsyncWriteExt::write_all(&mut sender, half))?;
    eventually("the first bytes to arrive", LONG, || {
        host.app().ok().filter(|app| app.state == Phase::Receiving)
    })?;
    drop(sender);
    // The stream ends well as far as the transport can tell, but the archive is not whole.
    let answer = calling.join().expect("it does not panic")?;
    assert_eq!(answer.problem()?.code, Code::ArchiveRejected);
    host.idle()?;
    assert!(host.store().is_empty() && host.incoming().is_empty());

    // And now a caller whose machine goes away.
    let mut stream = std::process::Command::new("openssl")
        .args(["s_client", "-quiet", "-connect", &host.address.to_string()])
        .arg("-cert")
        .arg(host.sandbox().path().join("home/master/master.crt"))
        .arg("-key")
        .arg(host.sandbox().path().join("home/master/master.key"))
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()?;
    let head = format!(
        "POST /update HTTP/1.1\r\nhost: web-1\r\ncontent-type: {}\r\ncontent-digest: {}\r\n\
         content-length: {}\r\n\r\n",
        release.media_type(),
        release.content_digest(),
        release.bytes.len()
    );
    let mut input = stream.stdin.take().expect("a pipe");
    std::io::Write::write_all(&mut input, head.as_bytes())?;
    std::io::Write::write_all(&mut input, half)?;
    std::io::Write::flush(&mut input)?;
    eventually("the first bytes to arrive", LONG, || {
        host.app().ok().filter(|app| app.state == Phase::Receiving)
    })?;
    stream.kill()?;
    stream.wait()?;
    let last = host.idle()?.last.expect("a last transaction");
    assert_eq!((last.outcome, last.code), (Outcome::Interrupted, Some(Code::Interrupted)));
    assert!(host.store().is_empty() && host.incoming().is_empty());
    Ok(())
}

#[test]
fn the_reference_systems_clients_can_drive_it() -> Result<()> {
    let host = host()?;
    let release = Tree::agent(&Behaviour::default())?.pack(Packing::Gzip)?;
    let form = |digest: String| {
        let tarball = Part::bytes(release.bytes.clone()).file_name("release.tar.gz");
        Form::new().part("tarball", tarball).text("sha", "3f1c2ab").text("sha256", digest)
    };
    let wrong = host.master().post("/update").multipart(form("0".repeat(64))).send()?;
    assert_eq!(wrong.problem()?.code, Code::DigestMismatch);
    assert!(host.store().is_empty());

    let good = host.master().post("/update").multipart(form(release.digest.hex())).send()?;
    let body: serde_json::Value = good.json()?;
    assert_eq!(good.status, 200, "{good:?}");
    assert_eq!(body["status"], "updated");
    assert_eq!(body["release"]["slot"], "active");
    assert_eq!(body["release"]["sha"], "3f1c2ab");
    assert!(body["release"]["installed_at"].is_string());
    assert!(body["probe"].is_string());
    Ok(())
}

#[test]
fn an_older_master_is_refused() -> Result<()> {
    let host = host()?;
    let push = |message: &str, epoch: &str| {
        host.order("/update", &Tree::healthy(message)?).header(header::EPOCH, epoch).send()
    };
    assert_eq!(push("one", "7")?.result()?.status, Status::Updated);
    let problem = push("two", "6")?.problem()?;
    assert_eq!((problem.code.status(), &problem.code), (409, &Code::StaleMaster));
    assert_eq!(problem.epoch, Some(7));
    assert_eq!(push("two", "7")?.result()?.status, Status::Updated);
    // It is remembered across a power cut.
    host.kill()?;
    host.start()?;
    assert_eq!(host.health()?.epoch, 7);
    assert_eq!(push("three", "6")?.problem()?.code, Code::StaleMaster);
    // Without an epoch an order is taken, unless the host asks for one.
    assert_eq!(host.push(&Tree::healthy("four")?)?.result()?.status, Status::Updated);
    Ok(())
}

#[test]
fn a_host_can_insist_on_an_epoch() -> Result<()> {
    let host = Host::alone(&Setup::default().top("require_epoch", "true"))?;
    let release = Tree::healthy("one")?;
    let problem = host.push(&release)?.problem()?;
    assert_eq!(problem.code.status(), 400, "{problem:?}");
    assert_eq!(host.order("/update", &release).header(header::EPOCH, "1").send()?.status, 200);
    Ok(())
}

#[test]
fn a_confirmation_must_come_on_a_new_connection() -> Result<()> {
    let host = Host::alone(&Setup::default().app("confirm_window", "'1h'"))?;
    let release = Tree::healthy("one")?;
    let queued = host.order("/update?confirm=true", &release).send()?;
    let result = queued.result()?;
    assert_eq!(result.status, Status::Confirming);
    let digest = Some(release.digest);
    assert_eq!((result.from, result.to, result.target), (None, digest, digest));
    let path = format!("/confirm/{}", result.transaction.expect("a transaction"));
    assert_eq!(host.master().post(&path).send()?.result()?.status, Status::Updated);
    assert_eq!(host.running(), Some(release.digest));
    assert_eq!(host.master().post(&path).send()?.problem()?.code, Code::UnknownTransaction);
    Ok(())
}

#[test]
fn an_update_that_nobody_confirms_is_undone() -> Result<()> {
    let host = Host::alone(&Setup::default().app("confirm_window", "'200ms'"))?;
    let good = Tree::healthy("good")?;
    host.push(&good)?.result()?;
    let cut_off = Tree::healthy("cut off")?;
    let result = host.order("/update?confirm=true", &cut_off).send()?.result()?;
    assert_eq!(result.status, Status::Confirming);
    assert_eq!((result.from, result.to), (Some(good.digest), Some(cut_off.digest)));
    let last = host.idle()?.last.expect("a last transaction");
    assert_eq!((last.outcome, last.to), (Outcome::RolledBack, Some(good.digest)));
    assert_eq!(host.running(), Some(good.digest));
    Ok(())
}

#[test]
fn events_are_resumed_after_the_last_one_that_was_seen() -> Result<()> {
    let host = host()?;
    host.push(&Tree::healthy("one")?)?.result()?;
    let get = reqwest::Method::GET;
    let mut all =
        host.master().call(get.clone(), "/events").header("last-event-id", "0").lines()?;
    assert_eq!(all.status, 200);
    let first = all.until("id:")?;
    let switching = all.until("\"switching\"")?;
    assert!(switching.starts_with("data:"), "{switching}");
    let event: protocol::Event =
        serde_json::from_str(switching.trim_start_matches("data:").trim())?;
    let seen = event.id.to_string();
    let mut rest =
        host.master().call(get, "/events?app=agent").header("last-event-id", &seen).lines()?;
    let next = rest.until("id:")?;
    let number = |line: &str| line.trim_start_matches("id:").trim().parse::<u64>();
    assert!(number(&next)? > event.id && event.id > number(&first)?);
    // A stream goes on with what comes.
    let order = std::thread::scope(|scope| {
        let pushing = scope.spawn(|| host.push(&Tree::healthy("two")?));
        rest.until("\"receiving\"")?;
        rest.until("\"result\"")?;
        pushing.join().expect("it does not panic")
    })?;
    assert_eq!(order.result()?.status, Status::Updated);
    Ok(())
}

#[test]
fn what_is_not_there_is_said_so() -> Result<()> {
    let host = host()?;
    let release = Tree::healthy("one")?;
    let master = host.master();
    let code = |answer: fleet_tests::Answer| answer.problem().map(|problem| problem.code);
    assert_eq!(code(master.get("/nothing")?)?, Code::NotFound);
    assert_eq!(code(master.post("/health").send()?)?, Code::MethodNotAllowed);
    assert_eq!(code(host.order("/update?app=web", &release).send()?)?, Code::UnknownApp);
    let long = format!("/update?sha={}", "a".repeat(129));
    for path in ["/update?froce=true", &long, "/update?watch=1000d"] {
        assert_eq!(code(host.order(path, &release).send()?)?, Code::BadRequest, "{path}");
    }
    let delete = master.call(reqwest::Method::DELETE, "/update").send()?;
    assert_eq!(code(delete)?, Code::UnknownTransaction);
    let no_digest = master.post("/update").header("content-type", release.media_type());
    assert_eq!(code(no_digest.body(release.bytes.clone()).send()?)?, Code::DigestMissing);
    let unknown = serde_json::json!({ "digest": release.digest });
    assert_eq!(code(master.post("/update").json(&unknown).send()?)?, Code::UnknownRelease);
    let nonsense = serde_json::json!({ "digets": release.digest });
    assert_eq!(code(master.post("/update").json(&nonsense).send()?)?, Code::BadRequest);
    Ok(())
}

#[test]
fn what_this_host_does_not_do_is_refused_before_anything_is_touched() -> Result<()> {
    let host = host()?;
    // A unit file can run anything as root: only a host's own configuration lets it in.
    let tree = Tree::agent(&Behaviour::default())?;
    tree.file("release.toml", "[units]\n'other.service' = 'other.service'")?;
    tree.file("other.service", "[Service]\nExecStart=/bin/true\n")?;
    let problem = host.push(&tree.pack(Packing::Zstd)?)?.problem()?;
    assert_eq!((problem.code.status(), &problem.code), (501, &Code::NotSupported), "{problem:?}");
    assert!(host.store().is_empty() && host.incoming().is_empty());
    Ok(())
}
