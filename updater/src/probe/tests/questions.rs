//! How a probe asks, and what is kept of an answer.

use super::*;

#[test]
fn what_an_answer_says_that_does_not_pass_is_kept_within_bounds() {
    let answer =
        "def answer(path):\n    return 400, 'no such site:\\n\\x1b[2Jadd it' + '.' * 5000, {}";
    let running = Running::answering(answer);
    let asked = running.runtime.block_on(probe(running.http()).ask(&running.expectation()));
    let body = asked.body.clone().unwrap();
    assert!(body.starts_with("no such site:\n\\u{1b}[2Jadd it..."), "{body}");
    assert!(body.len() < 1100, "{}", body.len());
    let words = asked.words();
    assert!(words.contains("answered 400 Bad Request: no such site: \\u{1b}[2Jadd it"), "{words}");
    assert!(words.ends_with('…') && words.len() < 400, "{words}");
}

#[test]
fn a_probe_asks_by_the_method_and_takes_the_answers_that_it_was_told() {
    let running = Running::answering(
        "def made(handler):\n    handler.send_response(301)\n    handler.end_headers()\nHandler.do_POST = made",
    );
    let post = || HealthConfig { method: "POST".to_owned(), ..running.http() };
    assert!(!running.prove(post()).passed);
    let report = running.prove(HealthConfig { expect: vec![200, 301], ..post() });
    assert_eq!(report.proof, Some(Proof::Process), "{}", report.detail);
    // What is not among them fails, though it is a success.
    let report = running.prove(HealthConfig { expect: vec![204], ..running.http() });
    assert!(!report.passed && report.detail.contains("answered 200 OK"), "{}", report.detail);
    let long = Running::answering("def answer(path):\n    return 200, 'x' * 100000, {}");
    assert!(!long.prove(HealthConfig { any_body: false, ..long.http() }).passed);
}

/// Serves at a Unix socket in its release.
const SOCKET: &str = r"
import socketserver
class Site(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
os.makedirs('run', exist_ok=True)
server = Site('run/app.sock', Handler)
tell(0)
server.serve_forever()
";

#[test]
fn a_unix_socket_of_the_release_is_asked_and_its_maker_proves_it() {
    let running = Running::new(SOCKET);
    let at = |url: &str| HealthConfig { url: Some(url.to_owned()), ..quick() };
    let report = running.prove(at("unix:run/app.sock:/health"));
    assert_eq!(report.proof, Some(Proof::Process), "{}", report.detail);
    let echo =
        HealthConfig { release_pointer: Some("/release".to_owned()), ..at("unix:run/app.sock:/") };
    assert_eq!(running.prove(echo).proof, Some(Proof::Echo));
    let missing =
        running.runtime.block_on(probe(at("unix:run/no.sock")).ask(&running.expectation()));
    assert!(!missing.answered && missing.detail.contains("unix:run/no.sock"), "{missing:?}");
    // A link to another program's socket is no way to it.
    let elsewhere = running.launch.release_path.join("run/other.sock");
    let place = tempfile::tempdir().unwrap();
    let near = place.path().join("s");
    let _foreign = std::os::unix::net::UnixListener::bind(&near).unwrap();
    std::os::unix::fs::symlink(&near, &elsewhere).unwrap();
    // What cannot be reached may only be starting: that is waited for, for as long as an answer may take.
    let timeout = Period(Duration::from_millis(200));
    let report = running.prove(HealthConfig { timeout, ..at("unix:run/other.sock:/health") });
    assert!(!report.passed && report.detail.contains("out of the release"), "{}", report.detail);
    // The administrator's word leads there, and another program's socket proves nothing all the same.
    let named = running.prove(at(&format!("unix:{}:/health", near.display())));
    assert!(
        !named.passed && named.detail.contains("is not of the new release"),
        "{}",
        named.detail
    );
}

#[test]
fn a_release_without_a_process_is_asked_at_a_socket_of_its_own_user() {
    let running = Running::new(SOCKET);
    let url = |socket: &str| Some(format!("unix:{socket}:/health"));
    let expected = Expectation { instance: None, ..running.expectation() };
    let mut app = AppConfig::new("/x");
    app.health = HealthConfig { url: url("run/app.sock"), ..quick() };
    let ask = |app: &AppConfig| {
        let probe = Probe::from_config(app, "/x".as_ref()).unwrap();
        running.runtime.block_on(prove(&probe, &expected, |_| {}))
    };
    assert!(ask(&app).passed);
    // The agent of this test is not that user's.
    app.user = Some("nobody".to_owned());
    let report = ask(&app);
    assert!(!report.passed && report.detail.contains("the socket was made by"), "{report:?}");
    let socket = running.launch.release_path.join("run/app.sock");
    app.health.url = url(socket.to_str().unwrap());
    assert!(ask(&app).passed);
}
