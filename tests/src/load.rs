//! Real requests to an agent, one after the other without an end, while something happens to it.
//!
//! Some clients keep their connection as long as they may, the others make a new one for each
//! request. No request is ever sent a second time: one that gets no answer is lost.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};

/// Clients of each kind.
const CLIENTS: u32 = 3;
/// Between two requests of a client. Each has a rhythm of its own, so that none is in step with
/// what happens.
const PAUSE: Duration = Duration::from_millis(20);
/// The same of a client that asks as often as it can, without using all ports of this machine up.
const BREATH: Duration = Duration::from_millis(3);
/// Begins what is said of a request that was answered badly.
const BAD_ANSWER: &str = "the answer is";
/// An answer that takes longer will not come.
const PATIENCE: Duration = Duration::from_mins(1);

/// Clients that go on until they are asked what they saw.
#[derive(Debug)]
pub struct Load {
    end: Arc<AtomicBool>,
    clients: Vec<JoinHandle<LoadReport>>,
}

#[derive(Debug, Default)]
pub struct LoadReport {
    /// How long each answer took, from before the connection was made.
    pub answered: Vec<Duration>,
    /// Requests on a connection that had served one before.
    pub kept_alive: usize,
    /// Why each lost request was lost.
    pub lost: Vec<String>,
}

impl Load {
    /// Begins to ask the agent that listens there.
    pub fn begin(agent: SocketAddr) -> Self {
        let pause = |number| PAUSE + Duration::from_micros(700) * number;
        Self::of(agent, 2 * CLIENTS, |number| number.is_multiple_of(2), pause)
    }

    /// The same by so many clients, each of which makes a new connection for each request, and hardly pauses.
    pub fn of_new_connections(agent: SocketAddr, clients: u32) -> Self {
        Self::of(agent, clients, |_| false, |_| BREATH)
    }

    fn of(
        agent: SocketAddr,
        clients: u32,
        keeps: impl Fn(u32) -> bool,
        pause: impl Fn(u32) -> Duration,
    ) -> Self {
        let end = Arc::new(AtomicBool::new(false));
        let client = |number: u32| {
            let (ended, keeps, pause) = (Arc::clone(&end), keeps(number), pause(number));
            thread::spawn(move || {
                let mut waits = LoadReport::default();
                let mut connection = None;
                while !ended.load(Ordering::SeqCst) {
                    waits.ask(agent, &mut connection, keeps);
                    thread::park_timeout(pause);
                }
                waits
            })
        };
        let clients = (0..clients).map(client).collect();
        Self { end, clients }
    }

    /// Ends it, and says what it saw: nothing may be lost, and of each kind of request there must be more
    /// than `at_least`.
    ///
    /// # Errors
    /// When it is otherwise.
    pub fn loses_nothing(self, at_least: usize) -> Result<()> {
        let waits = self.end()?;
        let (answered, kept) = (waits.answered.len(), waits.kept_alive);
        writeln!(
            io::stderr(),
            "{answered} requests, {kept} of them on kept connections; the longest wait {:?}, p99 {:?}",
            waits.longest(),
            waits.percentile(99)
        )?;
        ensure!(
            waits.lost.is_empty(),
            "{} lost of {answered}: {:#?}",
            waits.lost.len(),
            waits.lost
        );
        ensure!(kept > at_least && answered - kept > at_least, "{kept} of {answered} are no load");
        Ok(())
    }

    /// Ends it, and says what was seen.
    ///
    /// # Errors
    /// When a client panicked.
    pub fn end(self) -> Result<LoadReport> {
        self.end.store(true, Ordering::SeqCst);
        let mut all = LoadReport::default();
        for client in self.clients {
            let waits = client.join().map_err(|_| anyhow!("a client panicked"))?;
            all.answered.extend(waits.answered);
            all.kept_alive += waits.kept_alive;
            all.lost.extend(waits.lost);
        }
        all.answered.sort();
        Ok(all)
    }
}

impl LoadReport {
    /// How many requests there were.
    pub fn requests(&self) -> usize {
        self.answered.len() + self.lost.len()
    }

    /// Why those got no answer that got none: the others that are lost got a bad one.
    pub fn refused(&self) -> Vec<&String> {
        self.lost.iter().filter(|why| !why.contains(BAD_ANSWER)).collect()
    }

    /// The longest that a client waited for an answer.
    pub fn longest(&self) -> Duration {
        self.answered.last().copied().unwrap_or_default()
    }

    /// What so many of a hundred answers did not take longer than.
    pub fn percentile(&self, percent: usize) -> Duration {
        let index = self.answered.len() * percent / 100;
        self.answered.get(index).copied().unwrap_or_default()
    }

    fn ask(&mut self, agent: SocketAddr, kept: &mut Option<BufReader<TcpStream>>, keeps: bool) {
        let began = Instant::now();
        let reused = kept.is_some();
        let asked = match kept.take() {
            Some(connection) => Ok(connection),
            None => connect(agent),
        };
        match asked.and_then(|mut connection| Ok((exchange(&mut connection, keeps)?, connection))) {
            Ok((goes_on, connection)) => {
                self.answered.push(began.elapsed());
                self.kept_alive += usize::from(reused);
                *kept = Some(connection).filter(|_| goes_on);
            }
            Err(why) => {
                let after = began.elapsed();
                let on = if reused { "a kept connection" } else { "a new connection" };
                self.lost.push(format!("on {on}, after {after:?}: {why:#}"));
            }
        }
    }
}

fn connect(agent: SocketAddr) -> Result<BufReader<TcpStream>> {
    let stream = TcpStream::connect(agent).context("connect")?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    Ok(BufReader::new(stream))
}

/// One request and its answer. Whether the connection may be used again.
fn exchange(connection: &mut BufReader<TcpStream>, keeps: bool) -> Result<bool> {
    let wish = if keeps { "keep-alive" } else { "close" };
    let request = format!("GET /health HTTP/1.1\r\nhost: agent\r\nconnection: {wish}\r\n\r\n");
    connection.get_mut().write_all(request.as_bytes()).context("ask")?;
    let mut head = String::new();
    while connection.read_line(&mut head).context("read the answer")? > 2 {}
    ensure!(!head.is_empty(), "it was closed without an answer");
    ensure!(head.starts_with("HTTP/1.1 200 "), "{BAD_ANSWER} {head:?}");
    let header = |name: &str| {
        let mut pairs = head.lines().filter_map(|line| line.split_once(": "));
        pairs.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    };
    let length = header("content-length").context("a length")?.parse()?;
    let mut body = vec![0; length];
    connection.read_exact(&mut body).context("read the body")?;
    Ok(keeps && header("connection") == Some("keep-alive"))
}
