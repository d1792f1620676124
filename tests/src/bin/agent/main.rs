//! The agent of the tests: answers `GET /health` with its release, and behaves as `agent.json` in
//! its working directory says. Given a socket by whoever started it, it ends well on TERM.

mod graceful;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};
use fleet_tests::Behaviour;
use nix::sys::signal::{SigSet, Signal};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// Between two looks at whether the file is there that the behaviour waits for.
const LOOK: Duration = Duration::from_millis(10);
/// Says that this process only listens, and that nobody waits for it.
const CHILD: &str = "--child";

fn main() -> Result<ExitCode> {
    let behaviour: Behaviour = serde_json::from_slice(&std::fs::read("agent.json")?)?;
    let child = std::env::args().any(|argument| argument == CHILD);
    if behaviour.ignores_term || child {
        let mut ignored = SigSet::empty();
        ignored.add(Signal::SIGTERM);
        ignored.thread_block()?;
    }
    say(&format!("agent {}", behaviour.message))?;
    if let Some(last_words) = &behaviour.crash {
        say(last_words)?;
        return Ok(ExitCode::from(3));
    }
    if refuses(&behaviour.message) {
        say("the agent does not bear this host")?;
        return Ok(ExitCode::from(4));
    }
    thread::park_timeout(Duration::from_millis(behaviour.slow_start_ms));
    if behaviour.leaves_a_child && !child {
        Command::new("setsid").arg(std::env::current_exe()?).arg(CHILD).spawn()?;
        loop {
            thread::park();
        }
    }
    serve(behaviour)
}

/// Whether this host's agents are to fail when their message begins with this word.
fn refuses(message: &str) -> bool {
    let words = std::env::var("AGENT_REFUSES").unwrap_or_default();
    let first = message.split(' ').next();
    words.split(' ').any(|word| !word.is_empty() && Some(word) == first)
}

fn serve(behaviour: Behaviour) -> Result<ExitCode> {
    if let Some(listener) = graceful::passed_socket()? {
        return graceful::serve(listener, behaviour);
    }
    let address = std::env::var("AGENT_LISTEN").context("AGENT_LISTEN is not set")?;
    let tls = if behaviour.tls { Some(tls()?) } else { None };
    let listener = TcpListener::bind(&address).context("listen")?;
    say(&format!("listening on {address}"))?;
    let behaviour = Arc::new(behaviour);
    let answers = Arc::new(AtomicU32::new(0));
    for stream in listener.incoming() {
        let (stream, tls) = (stream?, tls.clone());
        let last = behaviour.closes_after;
        if last.is_some_and(|last| answers.load(Ordering::SeqCst) >= last) {
            break;
        }
        let (behaviour, answers) = (Arc::clone(&behaviour), Arc::clone(&answers));
        thread::spawn(move || match tls {
            // A connection that breaks is its caller's affair.
            None => drop(answer(stream, &behaviour, &answers)),
            Some(tls) => drop(answer_by_tls(stream, tls, &behaviour, &answers)),
        });
    }
    drop(listener);
    say("the agent listens no more, as it was told")?;
    loop {
        thread::park();
    }
}

fn answer_by_tls(
    stream: TcpStream,
    tls: Arc<ServerConfig>,
    behaviour: &Behaviour,
    answers: &AtomicU32,
) -> Result<()> {
    answer(StreamOwned::new(ServerConnection::new(tls)?, stream), behaviour, answers)
}

fn answer(stream: impl Read + Write, behaviour: &Behaviour, answers: &AtomicU32) -> Result<()> {
    let mut stream = BufReader::new(stream);
    let request = read_request(&mut stream)?.context("nobody asks")?;
    reply(stream.get_mut(), &request, behaviour, answers, true)
}

/// The first line and the headers, in lower case; nothing at the end.
fn read_request(stream: &mut impl BufRead) -> Result<Option<String>> {
    let mut request = String::new();
    while stream.read_line(&mut request)? > 2 {}
    Ok((!request.is_empty()).then(|| request.to_lowercase()))
}

fn reply(
    stream: &mut impl Write,
    request: &str,
    behaviour: &Behaviour,
    answers: &AtomicU32,
    last: bool,
) -> Result<()> {
    while behaviour.waits_for.as_ref().is_some_and(|gate| !gate.exists()) {
        thread::park_timeout(LOOK);
    }
    let number = answers.fetch_add(1, Ordering::SeqCst) + 1;
    if behaviour.dies_after.is_some_and(|last| number > last) {
        say("the agent dies, as it was told")?;
        nix::sys::signal::raise(Signal::SIGKILL)?;
    }
    let failed = behaviour.fails_after.is_some_and(|last| number > last);
    let status = match behaviour.status.unwrap_or(200) {
        _ if failed => 500,
        _ if behaviour.never_ready && request.contains(" /ready ") => 503,
        status => status,
    };
    let body = if request.contains(" /environment ") { environment() } else { health(behaviour) };
    let connection = if last { "close" } else { "keep-alive" };
    write!(
        stream,
        "HTTP/1.1 {status} Whatever\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
         connection: {connection}\r\n\r\n{body}",
        body.len()
    )?;
    Ok(stream.flush()?)
}

fn health(behaviour: &Behaviour) -> String {
    let mut answer = serde_json::json!({
        "message": behaviour.message,
        "pid": std::process::id(),
        "data": std::fs::read_to_string("data/note").ok(),
    });
    if !behaviour.silent {
        for (name, variable) in [
            ("release", "RELEASE_DIGEST"),
            ("version", "RELEASE_VERSION"),
            ("path", "RELEASE_PATH"),
        ] {
            answer[name] = std::env::var(variable).unwrap_or_default().into();
        }
    }
    answer.to_string()
}

fn environment() -> String {
    let all: BTreeMap<String, String> = std::env::vars().collect();
    serde_json::json!(all).to_string()
}

fn tls() -> Result<Arc<ServerConfig>> {
    let directory = std::env::var("AGENT_IDENTITY").context("AGENT_IDENTITY is not set")?;
    let directory = Path::new(&directory);
    let certificates = |name: &str| -> Result<Vec<CertificateDer<'static>>> {
        Ok(CertificateDer::pem_file_iter(directory.join(name))?.collect::<Result<_, _>>()?)
    };
    let mut roots = rustls::RootCertStore::empty();
    for certificate in certificates("ca.crt")? {
        roots.add(certificate)?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(
        Arc::new(roots),
        Arc::clone(&provider),
    )
    .build()?;
    let key = PrivateKeyDer::from_pem_file(directory.join("worker.key"))?;
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(verifier)
        .with_single_cert(certificates("worker.crt")?, key)?;
    Ok(Arc::new(config))
}

/// The agent's log is what the updater keeps of a failure.
fn say(line: &str) -> Result<()> {
    Ok(writeln!(std::io::stderr(), "{line}")?)
}
