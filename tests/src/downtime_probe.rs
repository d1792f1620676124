//! Looks at an updater all the time while something happens to it: whether it answers its master,
//! how long that takes, and what it needs meanwhile.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};
use nix::unistd::Pid;

use crate::{Client, Host, memory_of};

/// A watch that goes on until it is asked what it saw.
#[derive(Debug)]
pub struct DowntimeProbe {
    end: Arc<AtomicBool>,
    watcher: JoinHandle<Result<Availability>>,
}

/// What was seen of an updater.
#[derive(Debug, Default)]
pub struct Availability {
    /// How often it answered `GET /health`, each time on a new connection.
    pub answers: u32,
    /// The longest that an answer took, handshake included.
    pub worst: Duration,
    /// The most files and sockets that it had open.
    pub descriptors: usize,
    /// The most memory that it ever had, in MiB.
    pub mebibytes: f64,
}

impl DowntimeProbe {
    /// Begins to look.
    ///
    /// # Errors
    /// When the updater does not run.
    pub fn begin(host: &Host) -> Result<Self> {
        let updater = host.updater()?;
        let (client, end) = (host.master().clone(), Arc::new(AtomicBool::new(false)));
        let ended = Arc::clone(&end);
        let watcher = std::thread::spawn(move || {
            let mut seen = Availability::default();
            // Once more after the end: what it was the end of is then seen too.
            while !ended.load(Ordering::SeqCst) {
                seen.look(&client, updater)?;
            }
            seen.look(&client, updater)?;
            Ok(seen)
        });
        Ok(Self { end, watcher })
    }

    /// Ends it, and says what was seen.
    ///
    /// # Errors
    /// When the updater left its master without an answer even once.
    pub fn end(self) -> Result<Availability> {
        self.end.store(true, Ordering::SeqCst);
        self.watcher.join().map_err(|_| anyhow!("the watcher panicked"))?
    }
}

impl Availability {
    fn look(&mut self, client: &Client, updater: Pid) -> Result<()> {
        let began = Instant::now();
        let answer = client.get("/health").context("the master got no answer")?;
        ensure!(answer.status == 200, "the master was answered {answer:?}");
        self.answers += 1;
        self.worst = self.worst.max(began.elapsed());
        self.descriptors = self.descriptors.max(descriptors_of(updater));
        self.mebibytes = memory_of(updater, "VmHWM").unwrap_or(self.mebibytes);
        Ok(())
    }
}

/// How many files and sockets a process has open.
pub fn descriptors_of(process: Pid) -> usize {
    fs::read_dir(format!("/proc/{process}/fd")).map_or(0, Iterator::count)
}

/// How many sockets a process has open. Unlike its other descriptors, which come and go as it
/// watches its agent, these are its connections and what it listens on.
pub fn sockets_of(process: Pid) -> usize {
    let is_socket = |entry: fs::DirEntry| {
        fs::read_link(entry.path()).is_ok_and(|to| to.to_string_lossy().starts_with("socket:"))
    };
    fs::read_dir(format!("/proc/{process}/fd"))
        .map_or(0, |entries| entries.flatten().map(is_socket).filter(|socket| *socket).count())
}
