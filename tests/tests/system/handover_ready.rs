//! A handover in which readiness has a socket of its own: what never gets ready never serves.

use anyhow::{Result, ensure};
use fleet_tests::{Host, Load, Packing, Release, Sandbox, Setup, Tree};
use protocol::{Code, Status};

/// Answers with the status that its release has: on the second socket at once, and on the first one when it is
/// ready. On TERM it answers what it has taken, and ends.
const AGENT: &str = r#"#!/usr/bin/env python3
import http.server, json, os, signal, socket, threading
status, ready = int(open("status").read()), threading.Event()

class Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        body = json.dumps({"release": os.environ["RELEASE_DIGEST"]}).encode()
        self.send_response(status)
        for name, value in (("content-length", str(len(body))), ("connection", "close")):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        if status == 200:
            ready.set()
    def log_message(self, *words):
        pass

def server(descriptor):
    server = http.server.ThreadingHTTPServer(("", 0), Answer, bind_and_activate=False)
    server.daemon_threads = False
    server.socket.close()
    server.socket = socket.socket(fileno=descriptor)
    server.socket.setblocking(False)
    return server

def serve_when_ready():
    if "RELEASE_HANDOVER" in os.environ:
        ready.wait()
    users.serve_forever(0.02)

users, asked = server(3), server(4)
def end(*words):
    threading.Thread(target=lambda: (asked.shutdown(), ready.set(), users.shutdown())).start()
signal.signal(signal.SIGTERM, end)
threading.Thread(target=serve_when_ready).start()
asked.serve_forever(0.02)
"#;

fn release(status: u16, message: &str) -> Result<Release> {
    let tree = Tree::empty()?;
    tree.program("bin/agent", AGENT)?;
    tree.file("status", &status.to_string())?;
    tree.file("message", message)?;
    tree.pack(Packing::Zstd)
}

#[test]
fn a_release_that_never_gets_ready_serves_nobody() -> Result<()> {
    let sandbox = Sandbox::new()?;
    let ready = sandbox.free_port()?;
    let setup = Setup::default()
        .handover()
        .run("sockets", &format!("['{{agent}}', 'ready={ready}']"))
        .health("ready_url", &format!("'http://{ready}/ready'"))
        .health("ready_timeout", "'2s'");
    let host = Host::alone_in(sandbox, &setup)?;
    host.start()?;
    host.push(&release(200, "one")?)?.result()?;
    let load = Load::begin(host.agent);
    let pushed = || -> Result<()> {
        let bad = release(500, "bad")?;
        let problem = host.push(&bad)?.problem()?;
        assert_eq!(problem.code, Code::RolledBack, "{problem:?}");
        let two = release(200, "two")?;
        assert_eq!(host.push(&two)?.result()?.status, Status::Updated);
        host.runs(&two.digest)
    };
    let pushed = pushed();
    // One that is answered with another status than 200 is lost.
    let seen = load.end()?;
    pushed?;
    ensure!(
        seen.lost.is_empty(),
        "{} of {}: {:#?}",
        seen.lost.len(),
        seen.answered.len(),
        seen.lost
    );
    ensure!(seen.answered.len() > 100, "{} are no load", seen.answered.len());
    Ok(())
}
