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
