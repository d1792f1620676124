//! Requests that no decent client makes, by whoever may ask for the most: each is answered or
//! ended, nothing comes of it, and the updater goes on answering.

use anyhow::{Context as _, Result};
use fleet_tests::{Host, LONG, RawConnection, Setup, Tree, eventually, host, wording};
use insta::assert_snapshot;
use protocol::{Code, Status, UpdaterState};

/// What the updater says to the first of these bytes, and what its status is; 0 if it says nothing.
fn status(host: &Host, bytes: &[u8]) -> Result<u16> {
    let mut connection = host.connect()?;
    // It may hang up before it has heard all of it.
    let _ = connection.send(bytes);
    let Ok(answer) = connection.read_answer() else { return Ok(0) };
    if answer.status >= 400 {
        answer.problem()?;
    }
    Ok(answer.status)
}

/// The head of an order, up to what is said of its body.
fn order(more: &str) -> String {
    format!("POST /update HTTP/1.1\r\nhost: web-1\r\ncontent-type: application/json\r\n{more}\r\n")
}

#[test]
fn a_request_that_is_none_is_refused_and_nothing_comes_of_it() -> Result<()> {
    let host = host()?;
    let long = "x".repeat(100 << 10);
    let longer_than_taken = "x".repeat(70_000);
    let many = "x: 1\r\n".repeat(200);
    let get = |more: &str| format!("GET /health HTTP/1.1\r\nhost: web-1\r\n{more}\r\n");
    let chunked = "transfer-encoding: chunked\r\n";
    let requests = [
        // What it may look like and still be understood in one way only.
        (200, get("")),
        (200, "GET /health HTTP/1.0\r\n\r\n".to_owned()),
        (200, "GET https://elsewhere/health HTTP/1.1\r\nhost: elsewhere\r\n\r\n".to_owned()),
        // Other protocols.
        (0, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned()),
        (400, "GET /health\r\n\r\n".to_owned()),
        (400, "GET /health HTTP/9.9\r\n\r\n".to_owned()),
        (400, "\0\u{1}\u{2}\r\n\r\n".to_owned()),
        (400, "<html>\r\n\r\n".to_owned()),
        // Methods and paths.
        (405, "BREW /update HTTP/1.1\r\nhost: web-1\r\n\r\n".to_owned()),
        (405, "TRACE /health HTTP/1.1\r\nhost: web-1\r\n\r\n".to_owned()),
        (404, "CONNECT elsewhere:22 HTTP/1.1\r\nhost: elsewhere\r\n\r\n".to_owned()),
        (404, "OPTIONS * HTTP/1.1\r\nhost: web-1\r\n\r\n".to_owned()),
        (404, "GET /../health HTTP/1.1\r\nhost: web-1\r\n\r\n".to_owned()),
        (404, "GET //health HTTP/1.1\r\nhost: web-1\r\n\r\n".to_owned()),
        (400, "PUT /releases/%2e%2e%2fhealth HTTP/1.1\r\nhost: web-1\r\n\r\n".to_owned()),
        (431, format!("GET /{long} HTTP/1.1\r\nhost: web-1\r\n\r\n")),
        // Heads.
        (431, get(&format!("x: {}\r\n", long.repeat(10)))),
        (431, get(&format!("x: {longer_than_taken}\r\n"))),
        (431, get(&many)),
        (400, "GET /health HTTP/1.1\nhost: web-1\n\n".to_owned()),
        (400, get("x: 1\ny: 2\r\n")),
        (400, get("x : 1\r\n")),
        (400, get("x\r\n")),
        (400, get("x: 1\r\n 2\r\n")),
        (400, get("x: \0\r\n")),
        // Two lengths, or one that is none: what ends here and begins there must not be in doubt.
        (400, order("content-length: 2\r\ncontent-length: 3\r\n") + "{}"),
        (400, order("content-length: -1\r\n")),
        (400, order("content-length: +2\r\n") + "{}"),
        (400, order("content-length: 2, 3\r\n") + "{}"),
        (400, order("content-length: 99999999999999999999\r\n")),
        (400, order("transfer-encoding: chunked, gzip\r\n")),
        (400, order("transfer-encoding: xchunked\r\n")),
        (400, order("transfer-encoding: gzip, chunked\r\n") + "0\r\n\r\n"),
        // What may stand once.
        (400, order("swarm-epoch: 1\r\nswarm-epoch: 1\r\n")),
        (400, order("swarm-epoch: +1\r\ncontent-length: 2\r\n") + "{}"),
        (400, order("content-type: application/json\r\n")),
        (400, order("content-length: 2\r\ntransfer-encoding: xchunked\r\n") + "{}"),
        (400, "POST /update HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n".to_owned()),
        // Chunks.
        (400, order(chunked) + "zz\r\n{}\r\n0\r\n\r\n"),
        (400, order(chunked) + "-2\r\n{}\r\n0\r\n\r\n"),
        (400, order(chunked) + "fffffffffffffffff\r\n{}"),
        (400, order(chunked) + "2\r\n{}{}\r\n0\r\n\r\n"),
        (400, order(chunked) + "2;" + &long + "\r\n{}\r\n0\r\n\r\n"),
        (400, order(chunked) + "0\r\n" + &many + &many + &many + &many + &many + &many),
        // Bodies that are no order.
        (400, order("content-length: 4\r\n") + "nope"),
        (400, order("content-length: 2\r\n") + "{}"),
        (400, order(&format!("content-length: {}\r\n", long.len())) + &long),
    ];
    let mut wrong = Vec::new();
    for (expected, request) in requests {
        let shown: String = request.chars().take(120).collect();
        let found = status(&host, request.as_bytes())?;
        if found != expected {
            wrong.push((shown.clone(), found, expected));
        }
        assert_eq!(host.health()?.status, UpdaterState::Ok, "after {shown:?}");
    }
    assert!(wrong.is_empty(), "what was asked, answered and expected: {wrong:#?}");
    assert!(host.history().is_empty() && host.store().is_empty() && host.incoming().is_empty());
    Ok(())
}

#[test]
fn a_request_that_hides_in_a_body_is_never_carried_out() -> Result<()> {
    let host = host()?;
    let hidden = "POST /rollback HTTP/1.1\r\nhost: web-1\r\ncontent-length: 0\r\n\r\n";
    // Both lengths: the chunks count, and the connection ends with the answer (RFC 9112, 6.3).
    let both = order("content-length: 5\r\ntransfer-encoding: chunked\r\n");
    let mut connection = host.connect()?;
    connection.send(format!("{both}0\r\n\r\n{hidden}"))?;
    assert_eq!(connection.read_answer()?.status, 400);
    assert!(!String::from_utf8_lossy(&connection.read_to_end()).contains("HTTP/"));
    // A body that is longer than it says: what is left over is no request of anybody's.
    let mut connection = host.connect()?;
    connection.send(order("content-length: 4\r\n") + "nope" + "left over\r\n\r\n")?;
    assert_eq!((connection.read_answer()?.status, connection.read_answer()?.status), (400, 400));
    assert!(host.history().is_empty());
    Ok(())
}

#[test]
fn requests_in_a_row_are_answered_in_their_order() -> Result<()> {
    let host = host()?;
    let mut connection = host.connect()?;
    let ask = |path: &str| format!("GET {path} HTTP/1.1\r\nhost: web-1\r\n\r\n");
    // All at once …
    connection.send((ask("/health") + &ask("/nothing")).repeat(100))?;
    for number in 0..200 {
        let expected = if number % 2 == 0 { 200 } else { 404 };
        assert_eq!(connection.read_answer()?.status, expected, "answer {number}");
    }
    // … and one after the other.
    for _ in 0..1000 {
        connection.send(ask("/health"))?;
        assert_eq!(connection.read_answer()?.status, 200);
    }
    Ok(())
}

#[test]
fn a_sender_who_falls_silent_is_hung_up_on() -> Result<()> {
    let host = Host::alone(&Setup::default().limits("handshake_timeout", "'1500ms'"))?;
    // In the handshake, half way through its first message, and before it.
    for begun in [&b"\x16\x03\x01\x02\x00\x01\x00"[..], b""] {
        let mut connection = RawConnection::plain(host.address)?;
        connection.send(begun)?;
        assert!(connection.read_to_end().is_empty());
    }
    let setup = Setup::default().limits("header_timeout", "'1500ms'");
    let host = Host::alone(&setup.limits("body_timeout", "'1s'"))?;
    // In the head, before any request, and after one.
    for begun in ["GET /health HT", "GET /health HTTP/1.1\r\nhost: w", ""] {
        let mut connection = host.connect()?;
        connection.send(begun)?;
        let rest = String::from_utf8_lossy(&connection.read_to_end()).into_owned();
        assert!(rest.is_empty() || rest.contains(" 408 "), "{begun:?}: {rest}");
    }
    // What this machine does not manage to ask in time is asked again.
    let mut connection = eventually("an answer in time", LONG, || {
        let mut connection = host.connect().ok()?;
        connection.send("GET /health HTTP/1.1\r\nhost: web-1\r\n\r\n").ok()?;
        connection.read_answer().ok().filter(|answer| answer.status == 200).map(|_| connection)
    })?;
    connection.read_to_end();
    // In the body: told so.
    let mut connection = host.connect()?;
    connection.send(order("content-length: 100\r\n") + "{")?;
    let problem = connection.read_answer()?.problem()?;
    assert_eq!((problem.code.status(), &problem.code), (400, &Code::BadRequest));
    assert_snapshot!(wording(&problem.detail), @"the sender fell silent");
    connection.read_to_end();
    Ok(())
}

#[test]
fn an_archive_that_does_not_come_to_its_end_is_an_interruption() -> Result<()> {
    let host = Host::alone(&Setup::default().limits("body_timeout", "'1s'"))?;
    let good = host.installs("good")?;
    let release = Tree::healthy("other")?;
    let (begin, end) = release.bytes.split_at(release.bytes.len() / 2);
    let head = |more: &str| {
        let digest = release.content_digest();
        format!(
            "POST /update HTTP/1.1\r\nhost: web-1\r\ncontent-type: application/zstd\r\n\
             content-digest: {digest}\r\n{more}\r\n"
        )
    };
    let length = |length: usize| format!("content-length: {length}\r\n");
    let chunked = "transfer-encoding: chunked\r\n";
    let chunk = |bytes: &[u8]| [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes].concat();
    // Those who close, and those who only stop; in the middle of a chunk too, and with nonsense in
    // the place of the next.
    for (number, (head, body)) in [
        (head(&length(release.bytes.len())), begin.to_vec()),
        (head(&length(release.bytes.len() + 1)), release.bytes.clone()),
        (head(chunked), chunk(begin)),
        (head(chunked), chunk(begin)[..10].to_vec()),
        (head(chunked), [&chunk(begin)[..], b"\r\nzz\r\n", end].concat()),
    ]
    .into_iter()
    .enumerate()
    {
        for closes in [true, false] {
            let before = host.history().len();
            let mut connection = host.connect()?;
            connection.send([head.as_bytes(), &body].concat())?;
            if !closes {
                let _ = connection.read_answer();
            }
            drop(connection);
            eventually("the order to end", LONG, || (host.history().len() > before).then_some(()))?;
            let last = host.history().pop().context("a line")?;
            assert_eq!(last["outcome"], "interrupted", "{number}: {last}");
            eventually("the app to be idle", LONG, || host.keeps(&good, None).ok())?;
        }
    }
    // More than was said is not taken for a part of it.
    let mut connection = host.connect()?;
    connection
        .send([head(&length(release.bytes.len())).as_bytes(), &release.bytes, b"more"].concat())?;
    assert_eq!(connection.read_answer()?.result()?.status, Status::Updated);
    host.keeps(&release.digest, Some(&good))
}

#[test]
fn a_sender_who_goes_on_after_a_refusal_is_cut_off() -> Result<()> {
    let host = Host::alone(&Setup::default().limits("body_timeout", "'300ms'"))?;
    let mut connection = host.connect()?;
    connection.send("POST /no HTTP/1.1\r\nhost: web-1\r\ncontent-length: 1000000000000\r\n\r\n")?;
    // However much it sends: it is the time that ends it.
    while connection.send([0; 1024]).is_ok() {}
    assert_eq!(host.health()?.status, UpdaterState::Ok);
    Ok(())
}

#[test]
fn a_refusal_reaches_a_sender_who_does_not_wait_for_it() -> Result<()> {
    let host = host()?;
    let good = host.installs("good")?;
    let (master, agent) = (host.master_identity(), host.issue("agent/web-1")?);
    let bytes = vec![0; 32 << 20];
    let length = bytes.len();
    let forbidden = format!("POST /update HTTP/1.1\r\nhost: w\r\ncontent-length: {length}\r\n\r\n");
    let nowhere = format!("POST /no HTTP/1.1\r\nhost: w\r\ncontent-length: {length}\r\n\r\n");
    let there = format!(
        "PUT /releases/{good} HTTP/1.1\r\nhost: w\r\ncontent-type: application/zstd\r\n\
         content-length: {length}\r\n\r\n"
    );
    for (identity, head, status) in [(&agent, forbidden, 403), (&master, nowhere, 404)]
        .into_iter()
        .chain([(&master, there, 200)])
    {
        let mut connection = host.connect_as(identity)?;
        // All of it, before a single look at what the updater says.
        connection.send(&head)?;
        connection.send(&bytes)?;
        assert_eq!(connection.read_answer()?.status, status, "{head}");
        assert!(connection.read_to_end().is_empty());
    }
    Ok(())
}
