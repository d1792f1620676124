//! Probes that are wrong in themselves.

use super::*;

#[test]
fn a_probe_that_no_program_could_pass_is_known_as_such() {
    let running = Running::server();
    let mistake = |running: &Running, health| {
        let (probe, expected) = (probe(health), running.expectation());
        running.runtime.block_on(async {
            let answer = probe.ask(&expected).await;
            probe.mistake(&answer, &expected).await
        })
    };
    let secure = format!("https://127.0.0.1:{}/health", running.port);
    let secure = HealthConfig { url: Some(secure), verify: false, anonymous: true, ..quick() };
    assert_eq!(mistake(&running, secure), Some(ProbeMistake::SpeaksNoTls));
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let elsewhere = HealthConfig { tcp: Some(free.to_string()), ..quick() };
    let listens = std::net::SocketAddr::from(([127, 0, 0, 1], running.port));
    assert_eq!(mistake(&running, elsewhere), Some(ProbeMistake::ListensElsewhere(listens)));
    assert_eq!(mistake(&running, running.http()), None);
    let named = Running::answering("def answer(path):\n    return 421, 'no such site', {}");
    assert_eq!(mistake(&named, named.http()), Some(ProbeMistake::QuestionRefused));
    // What is ill, or has no such page yet, may become well by a release.
    for status in ["404", "503"] {
        let running =
            Running::answering(&format!("def answer(path):\n    return {status}, '', {{}}"));
        assert_eq!(mistake(&running, running.http()), None, "{status}");
    }
    // What listens nowhere is ill, and the probe may be right.
    let deaf = Running::new("tell(1)\ntime.sleep(1000)");
    let refused = HealthConfig { tcp: Some(free.to_string()), ..quick() };
    assert_eq!(mistake(&deaf, refused), None);
}

/// Answers a question in clear with `STATUS`, and does `ELSE` with all else.
const NO_TLS: &str = "kept = []\n\
     listener = socket.create_server(('127.0.0.1', 0))\n\
     tell(listener.getsockname()[1])\n\
     while True:\n    \
         s, _ = listener.accept()\n    \
         if s.recv(3, socket.MSG_PEEK) == b'GET' and STATUS:\n        \
             s.recv(4096)\n        \
             s.sendall(b'HTTP/1.1 %d Said\\r\\nContent-Length: 0\\r\\n\\r\\n' % STATUS)\n    \
         ELSE\n    \
         s.close()";

#[test]
fn a_handshake_that_comes_to_nothing_is_the_probes_fault_where_the_question_in_clear_is_answered() {
    for (otherwise, status, expected) in [
        ("", "200", Some(ProbeMistake::SpeaksNoTls)),
        ("", "404", Some(ProbeMistake::SpeaksNoTls)),
        ("else: kept.append(s); continue", "200", Some(ProbeMistake::SpeaksNoTls)),
        // So servers say that they want TLS.
        ("", "400", None),
        ("", "0", None),
    ] {
        let program = NO_TLS.replace("STATUS", status).replace("ELSE", otherwise);
        let running = Running::new(&program);
        let url = Some(format!("https://127.0.0.1:{}/health", running.port));
        let timeout = Period(Duration::from_millis(500));
        let probe = probe(HealthConfig { url, verify: false, anonymous: true, timeout, ..quick() });
        let asked = running.expectation();
        let mistake = running.runtime.block_on(async {
            let answer = probe.ask(&asked).await;
            probe.mistake(&answer, &asked).await
        });
        assert_eq!(mistake, expected, "{otherwise} {status}");
    }
}
