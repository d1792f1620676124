//! The service that the demonstration and the tests release: a small HTTP server that can be well,
//! or ill in the ways that real services are.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use clap::{Args, ValueEnum};
use explain::Explain;

/// How the service behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Mood {
    /// It answers, and says which release it is.
    Healthy,
    /// It says why, and exits at once.
    Crash,
    /// It answers 500.
    Broken,
    /// It answers well for a while, and then dies.
    Fading,
}

/// `swarm demo-agent`, which is not for people.
#[derive(Debug, Clone, Args)]
pub struct AgentArgs {
    /// Where to listen
    #[arg(long, env = "AGENT_LISTEN")]
    pub listen: String,
    /// How to behave
    #[arg(long, default_value = "healthy")]
    pub mood: Mood,
    /// Answers before a fading one dies
    #[arg(long, default_value_t = 3)]
    pub answers: u32,
    /// What it says that it is
    #[arg(long, env = "RELEASE_DIGEST", default_value = "")]
    pub digest: String,
    /// What it says that it is
    #[arg(long = "release-version", env = "RELEASE_VERSION", default_value = "")]
    pub version: String,
}

impl Explain for AgentError {}

/// Why the service ended.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// It was meant to.
    #[error("open the database: no such table: users")]
    Crashed,
    /// It answered as often as it was meant to.
    #[error("go on: the connection pool is exhausted")]
    Faded,
    /// The system refused.
    #[error("serve")]
    Io(#[from] io::Error),
}

/// Serves until it is stopped, or until its mood takes it.
pub fn run_agent(args: &AgentArgs) -> Result<(), AgentError> {
    if args.mood == Mood::Crash {
        return Err(AgentError::Crashed);
    }
    let listener = listen(&args.listen)?;
    let (args, answered) = (Arc::new(args.clone()), Arc::new(AtomicU32::new(0)));
    for stream in listener.incoming() {
        let stream = stream?;
        if args.mood == Mood::Fading && answered.load(Ordering::SeqCst) >= args.answers {
            return Err(AgentError::Faded);
        }
        let (args, answered) = (Arc::clone(&args), Arc::clone(&answered));
        std::thread::spawn(move || {
            // A client that goes away is its own business.
            let _ = answer(&stream, &args);
            answered.fetch_add(1, Ordering::SeqCst);
        });
    }
    Ok(())
}

/// Waits for a port that another process still has, as many servers do.
fn listen(address: &str) -> io::Result<TcpListener> {
    loop {
        match TcpListener::bind(address) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                std::thread::park_timeout(Duration::from_millis(50));
            }
            bound => return bound,
        }
    }
}

fn answer(stream: &TcpStream, args: &AgentArgs) -> io::Result<()> {
    let mut line = String::new();
    let mut reader = BufReader::new(stream);
    // The head ends with an empty line; there is no body.
    while reader.read_line(&mut line)? > 2 {
        line.clear();
    }
    let broken = args.mood == Mood::Broken;
    let status = if broken { "500 Internal Server Error" } else { "200 OK" };
    let body = serde_json::json!({
        "status": if broken { "error" } else { "ok" },
        "release": args.digest,
        "version": args.version,
    });
    let body = body.to_string();
    let mut stream = stream;
    write!(
        stream,
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n{body}",
        body.len()
    )
}
