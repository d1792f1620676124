//! Probes of real agents over real sockets.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use protocol::{Command, Period, ProbeKind, ProbeReport, Proof};
use tokio::runtime::Runtime;

mod https;
mod mistakes;
mod questions;

use super::*;
use crate::config::{AppConfig, HealthConfig};
use crate::runner::Launch;
use crate::runner::testing::App;

/// Serves HTTP with what `answer` gives: a status, a body, and headers.
const SERVER: &str = r#"
import http.server, json
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        status, body, headers = answer(self.path)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())
    def log_message(self, *_):
        pass
class Server(http.server.ThreadingHTTPServer):
    def __init__(self, *arguments, **options):
        super().__init__(("127.0.0.1", 0), Handler, *arguments, **options)
def echo(path):
    body = {"release": os.environ["RELEASE_DIGEST"], "path": os.environ["RELEASE_PATH"],
            "version": os.environ["RELEASE_VERSION"], "number": 5, "other": "sha256:" + "0" * 64}
    return 200, json.dumps(body), {}
answer = echo
control = connect()
def tell(port):
    control.send(b"%05d" % port)
"#;

struct Running {
    app: App,
    launch: Launch,
    instance: crate::runner::Instance,
    control: UnixStream,
    port: u16,
    runtime: Runtime,
}

impl Running {
    /// An agent that runs this program, which tells its port.
    fn new(program: &str) -> Self {
        let app = App::new();
        let launch = app.python(&format!("{SERVER}\n{program}"));
        let instance = app.runner.start(&launch).unwrap();
        let mut control = app.accept();
        let mut port = [0; 5];
        control.read_exact(&mut port).unwrap();
        let port = std::str::from_utf8(&port).unwrap().parse().unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        Self { app, launch, instance, control, port, runtime }
    }

    /// An agent that answers by HTTP.
    fn server() -> Self {
        Self::new("server = Server()\ntell(server.server_port)\nserver.serve_forever()")
    }

    /// An agent that answers by HTTP as this function says.
    fn answering(answer: &str) -> Self {
        Self::new(&format!(
            "{answer}\nserver = Server()\ntell(server.server_port)\nserver.serve_forever()"
        ))
    }

    fn expectation(&self) -> Expectation {
        Expectation {
            digest: self.launch.digest,
            path: self.launch.release_path.clone(),
            version: self.launch.version.clone(),
            old_version: None,
            instance: Some(self.instance.clone()),
            process_too: false,
        }
    }

    fn http(&self) -> HealthConfig {
        HealthConfig { url: Some(format!("http://127.0.0.1:{}/health", self.port)), ..quick() }
    }

    fn pointing(&self, pointer: &str) -> HealthConfig {
        HealthConfig { release_pointer: Some(pointer.to_owned()), ..self.http() }
    }

    fn prove(&self, health: HealthConfig) -> ProbeReport {
        self.prove_as(health, &self.expectation())
    }

    fn prove_as(&self, health: HealthConfig, expected: &Expectation) -> ProbeReport {
        let probe = probe(health);
        self.runtime.block_on(prove(&probe, expected, |_| {}))
    }
}

/// Few attempts, and close to each other.
fn quick() -> HealthConfig {
    let short = Period(Duration::from_millis(20));
    let long = Period(Duration::from_mins(1));
    HealthConfig {
        attempts: 2,
        interval: short,
        timeout: long,
        watch_failures: 2,
        ..HealthConfig::default()
    }
}

fn probe(health: HealthConfig) -> Probe {
    let app = AppConfig { health, ..AppConfig::new("/unused") };
    Probe::from_config(&app, "/no/identity".as_ref()).unwrap()
}

#[test]
fn a_server_that_the_runner_started_is_proven_by_its_process() {
    let running = Running::server();
    let report = running.prove(running.http());
    assert!(report.passed, "{}", report.detail);
    assert_eq!((report.proof, report.kind), (Some(Proof::Process), ProbeKind::Http));
    assert_eq!(report.attempts, 1);
}

#[test]
fn a_worker_that_the_agent_forked_is_of_the_agent() {
    let running = Running::new(
        "server = Server(bind_and_activate=True)\n\
         if os.fork() == 0:\n    os.setsid()\n    server.serve_forever()\n\
         tell(server.server_port)\ntime.sleep(1000)",
    );
    let report = running.prove(running.http());
    assert_eq!(report.proof, Some(Proof::Process), "{}", report.detail);
}

#[test]
fn a_server_on_all_addresses_of_both_families_is_proven() {
    if std::net::TcpListener::bind("[::]:0").is_err() {
        return skip::skip("this machine has no IPv6");
    }
    let running = Running::new(
        "Server.address_family = socket.AF_INET6\n\
         server = http.server.ThreadingHTTPServer.__new__(Server)\n\
         http.server.ThreadingHTTPServer.__init__(server, ('::', 0), Handler)\n\
         tell(server.server_port)\nserver.serve_forever()",
    );
    let report = running.prove(running.http());
    assert_eq!(report.proof, Some(Proof::Process), "{}", report.detail);
}

#[test]
fn lesson_09_an_old_process_on_the_port_is_not_the_new_release() {
    let old = Running::server();
    // The new agent runs, and does not get the port.
    let new = Running::new("tell(0)\ntime.sleep(1000)");
    let report = new.prove(old.http());
    assert!(!report.passed);
    assert_eq!(report.proof, None);
    let pid = old.instance.process().pid;
    let expected = format!("127.0.0.1:{} is answered by pid {pid} (", old.port);
    let listens = format!("pid {pid} (");
    assert!(
        report.detail.contains(&expected) || report.detail.contains(&listens),
        "{}",
        report.detail
    );
    let tcp = HealthConfig { tcp: Some(format!("127.0.0.1:{}", old.port)), ..quick() };
    let report = new.prove(tcp);
    assert!(!report.passed && report.detail.contains(&listens), "{}", report.detail);
}

#[test]
fn lesson_09_a_second_listener_on_the_same_address_fails_the_proof() {
    let new = Running::new(
        "import socketserver\nsocketserver.TCPServer.allow_reuse_port = True\n\
         server = Server()\ntell(server.server_port)\nserver.serve_forever()",
    );
    let _entered = new.runtime.enter();
    let other = tokio::net::TcpSocket::new_v4().unwrap();
    other.set_reuseport(true).unwrap();
    other.bind(([127, 0, 0, 1], new.port).into()).unwrap();
    let other = other.listen(8).unwrap();
    // What falls to this listener is never answered.
    let timeout = Period(Duration::from_millis(300));
    let report = new.prove(HealthConfig { timeout, ..new.http() });
    assert!(!report.passed);
    drop(other);
    assert!(new.prove(new.http()).passed);
}

#[test]
fn an_echo_of_digest_path_or_new_version_is_a_proof() {
    let running = Running::server();
    for pointer in ["/release", "/path", "/version"] {
        let report = running.prove(running.pointing(pointer));
        assert_eq!(report.proof, Some(Proof::Echo), "{pointer}: {}", report.detail);
    }
}

#[test]
fn an_echo_of_anything_else_fails() {
    let running = Running::server();
    for (pointer, said) in [
        ("/other", "its /other is \"sha256:000"),
        ("/missing", "it has no /missing"),
        ("/number", "is not a text"),
    ] {
        let report = running.prove(running.pointing(pointer));
        assert!(!report.passed && report.detail.contains(said), "{}", report.detail);
    }
    let same = Some("1.2".to_owned());
    let expected = Expectation { old_version: same, ..running.expectation() };
    let report = running.prove_as(running.pointing("/version"), &expected);
    assert!(!report.passed, "a version that both releases have proves nothing");
    let plain = Running::answering("def answer(path):\n    return 200, 'ok', {}");
    let report = plain.prove(plain.pointing("/release"));
    assert!(report.detail.contains("not JSON"), "{}", report.detail);
}

#[test]
fn an_echo_of_a_foreign_process_is_no_proof_nor_enough_for_a_release_that_ran_before() {
    let old = Running::server();
    let new = Running::new("tell(0)\ntime.sleep(1000)");
    // Both run the same digest, so the echo is right.
    let pointing = HealthConfig { release_pointer: Some("/release".to_owned()), ..old.http() };
    for process_too in [false, true] {
        // Any local process can say it: one that is known not to be the agent's proves nothing.
        let expected = Expectation { process_too, ..new.expectation() };
        let report = new.prove_as(pointing.clone(), &expected);
        assert!(
            !report.passed && report.detail.contains("is not of the new release"),
            "{report:?}"
        );
    }
    let expected = Expectation { process_too: true, ..old.expectation() };
    let report = old.prove_as(old.pointing("/release"), &expected);
    assert_eq!(report.proof, Some(Proof::Process));
}

#[test]
fn an_error_a_redirect_and_a_body_that_is_too_long_for_its_pointer_fail() {
    for (answer, said) in [
        ("500, 'broken', {}", "answered 500"),
        (
            "302, '', {'Location': 'http://127.0.0.1/x'}",
            "answered 302 Found, a redirect to http://127.0.0.1/x, which a probe does not follow",
        ),
        ("200, 'x' * 100000, {}", "length limit exceeded"),
    ] {
        let running = Running::answering(&format!("def answer(path):\n    return {answer}"));
        let long = answer.starts_with("200");
        let health = if long { running.pointing("/release") } else { running.http() };
        let report = running.prove(health);
        assert!(!report.passed && report.detail.contains(said), "{}", report.detail);
        assert_eq!(report.attempts, 2);
    }
}

#[test]
fn a_body_of_any_length_passes_also_one_without_end() {
    let long = Running::answering("def answer(path):\n    return 200, 'x' * 100000, {}");
    let report = long.prove(long.http());
    assert!(report.passed, "{}", report.detail);
    let endless = Running::answering(
        "def stream(handler):\n    handler.send_response(200)\n    handler.end_headers()\n    \
         handler.wfile.write(b'data: 1')\n    time.sleep(1000)\nHandler.do_GET = stream",
    );
    let report = endless.prove(endless.http());
    assert!(report.passed, "{}", report.detail);
}

#[test]
fn a_probe_has_the_host_and_the_headers_that_it_was_given() {
    let running = Running::answering(
        "def site(handler):\n    right = (handler.headers['Host'], handler.headers['X-For']) == \
         ('www.example.org', 'a')\n    handler.send_response(200 if right else 421)\n    \
         handler.end_headers()\nHandler.do_GET = site",
    );
    assert!(!running.prove(running.http()).passed);
    let headers = [("X-For".to_owned(), "a".to_owned())].into();
    let host = Some("www.example.org".to_owned());
    let report = running.prove(HealthConfig { host, headers, ..running.http() });
    assert!(report.passed, "{}", report.detail);
}

#[test]
fn silence_is_asked_again_until_the_agent_listens() {
    // It has the port, and listens when it is told to.
    let mut running = Running::new(
        "server = Server(bind_and_activate=False)\nserver.server_bind()\n\
         tell(server.server_port)\ncontrol.recv(1)\nserver.server_activate()\n\
         server.serve_forever()",
    );
    let probe = probe(running.http());
    let expected = running.expectation();
    let silent = running.runtime.block_on(probe.ask(&expected));
    assert!(!silent.answered && silent.detail.contains("refused"), "{}", silent.detail);
    running.control.write_all(b"x").unwrap();
    let mut asked = Vec::new();
    let report =
        running.runtime.block_on(prove(&probe, &expected, |answer| asked.push(answer.clone())));
    assert!(report.passed, "{}", report.detail);
    assert_eq!(asked.len(), 1);
}

#[test]
fn an_exit_ends_the_proof_at_once() {
    let mut running = Running::new("tell(1)\ncontrol.recv(1)\nsys.exit(4)");
    running.control.write_all(b"x").unwrap();
    // No test would wait that long.
    let warm_up = Period(Duration::from_hours(1));
    let report = running.prove(HealthConfig { warm_up, ..running.http() });
    assert!(!report.passed);
    assert_eq!(report.detail, "the agent exited with status 4");
}

#[test]
fn lesson_10_one_200_is_not_health() {
    let running = Running::new(
        "import threading\nserver = Server()\n\
         threading.Thread(target=server.serve_forever, daemon=True).start()\n\
         tell(server.server_port)\ncontrol.recv(1)\nos._exit(1)",
    );
    let probe = probe(running.http());
    let expected = running.expectation();
    assert!(running.prove(running.http()).passed);
    let mut control = running.control.try_clone().unwrap();
    let mut first = None;
    // Dies after it passed in the watch too, long before the watch's end.
    let failure = running.runtime.block_on(watch(&probe, &expected, an_hour(&probe), |answer| {
        first.get_or_insert(answer.passed());
        let _ = control.write_all(b"x");
    }));
    let failure = failure.unwrap_err();
    assert!(matches!(failure, WatchFailure::Exited(_)));
    assert_eq!(failure.to_string(), "the agent exited with status 1 during the watch");
    assert_eq!(first, Some(true));
    assert!(running.app.runner.find().unwrap().is_none());
}

fn an_hour(probe: &Probe) -> Watch {
    let now = tokio::time::Instant::now();
    Watch::new(probe.plan().clone(), now, Duration::from_hours(1))
}

#[test]
fn failures_in_a_row_end_a_watch() {
    let running = Running::answering("def answer(path):\n    return 500, 'broken', {}");
    let probe = probe(running.http());
    let mut seen = 0;
    let expected = running.expectation();
    let watched = watch(&probe, &expected, an_hour(&probe), |_| seen += 1);
    let failure = running.runtime.block_on(watched).unwrap_err();
    assert!(failure.to_string().starts_with("2 failures in a row"), "{failure}");
    assert_eq!(seen, 2);
}

#[test]
fn a_tcp_probe_is_proven_by_its_process() {
    let running = Running::server();
    let tcp = HealthConfig { tcp: Some(format!("127.0.0.1:{}", running.port)), ..quick() };
    let report = running.prove(tcp);
    assert_eq!(report.proof, Some(Proof::Process), "{}", report.detail);
    assert_eq!(report.kind, ProbeKind::Tcp);
}

#[test]
fn a_command_has_bounds_and_gains_no_rights() {
    let running = Running::server();
    let script = "grep -e 'Max open files' -e 'Max processes' /proc/self/limits | tr -s ' '; \
                  grep NoNewPrivs /proc/self/status; exit 2";
    let command = ["sh", "-c", script].map(str::to_owned).to_vec();
    let asked = probe(HealthConfig { command: Some(Command(command)), ..quick() });
    let body = running.runtime.block_on(asked.ask(&running.expectation())).body.unwrap();
    let lines: Vec<&str> = body.lines().collect();
    assert!(lines.contains(&"Max open files 4096 4096 files "), "{body}");
    assert!(lines.contains(&"NoNewPrivs:\t1"), "{body}");
    // Those of the agent count too.
    let processes = lines.iter().find_map(|line| line.strip_prefix("Max processes ")).unwrap();
    let bound: u64 = processes.split(' ').next().unwrap().parse().unwrap();
    assert!(bound > 2048, "{body}");
}

#[test]
fn a_command_runs_in_the_release_and_shows_why_it_failed() {
    let running = Running::server();
    let command = |script: &str| HealthConfig {
        command: Some(Command(["sh", "-c", script].map(str::to_owned).to_vec())),
        ..quick()
    };
    let report = running.prove(command("test -x ./agent && test -n \"$RELEASE_DIGEST\""));
    assert_eq!(report.proof, Some(Proof::Process), "{}", report.detail);
    assert_eq!(report.kind, ProbeKind::Command);
    let failing = probe(command("echo no database; exit 2"));
    let answer = running.runtime.block_on(failing.ask(&running.expectation()));
    assert_eq!(answer.detail, "the probe's command exited with status 2: no database");
    assert_eq!(answer.body.as_deref(), Some("no database"));
    assert!(!answer.passed());
    let missing = HealthConfig { command: Some(Command(vec!["no-such".to_owned()])), ..quick() };
    let report = running.prove(missing);
    assert!(!report.passed && report.detail.contains("no-such"), "{}", report.detail);
}

#[test]
fn without_a_probe_the_process_counts() {
    let running = Running::new("tell(0)\ntime.sleep(1000)");
    let report = running.prove(quick());
    assert_eq!((report.passed, report.proof), (true, Some(Proof::Process)));
    assert_eq!(report.kind, ProbeKind::None);
    running.app.runner.stop(&running.instance, Duration::ZERO).unwrap();
    assert!(!running.prove(quick()).passed);
}

#[test]
fn what_cannot_be_asked_is_refused_when_the_configuration_is_read() {
    for url in ["ftp://localhost/", "localhost:80", "", "http://", "https://local host/"] {
        let health = HealthConfig { url: Some(url.to_owned()), ..quick() };
        let app = AppConfig { health, ..AppConfig::new("/unused") };
        assert!(Probe::from_config(&app, "/no".as_ref()).is_err(), "{url}");
    }
    let health = HealthConfig { url: Some("https://localhost/".to_owned()), ..quick() };
    let app = AppConfig { health, ..AppConfig::new("/unused") };
    assert!(matches!(Probe::from_config(&app, "/no".as_ref()), Err(ProbeError::Identity(_))));
}
