//! The updater as a unit of systemd, which is all the parent that it needs: the updater starts its
//! successor itself, and hands the unit's main process on to it.

use std::collections::BTreeMap;
use std::io;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Builder;

use common::chain;
use rustix::process::Signal;
use tokio::sync::mpsc::UnboundedSender;

use crate::runner::SocketStore;
use crate::self_update::start::{CandidateMark, Start, StartError, start_updater};
use crate::self_update::{Channel, ChannelError, FromParent, ToParent};
use crate::sys::Lifetime;
use crate::sys::process::{ProcessHandle, ProcessId};
use crate::sys::run::describe;
use crate::sys::spawn::Output;
use crate::sys::spawn_thread;
use crate::systemd::notify;

/// What the updater of a unit needs to be replaced.
pub struct Unit {
    config: PathBuf,
    /// The environment that a candidate inherits.
    environment: BTreeMap<String, String>,
    socket: TcpListener,
    sockets: Arc<SocketStore>,
    said: UnboundedSender<FromParent>,
    candidate: Mutex<Option<Candidate>>,
}

struct Candidate {
    process: ProcessHandle,
    channel: Arc<Channel>,
    /// By which what it has started is known.
    mark: Option<CandidateMark>,
}

impl Unit {
    /// What a candidate says goes to `said`; it is given `socket`, and those of apps.
    pub fn new(
        config: PathBuf,
        environment: BTreeMap<String, String>,
        socket: TcpListener,
        sockets: Arc<SocketStore>,
        said: UnboundedSender<FromParent>,
    ) -> Self {
        Self { config, environment, socket, sockets, said, candidate: Mutex::new(None) }
    }

    /// Starts a candidate beside this updater, on the same socket. That it cannot be started is
    /// told like its end.
    pub(super) fn start(&self, program: &Path) {
        if let Err(error) = self.try_start(program) {
            let _ = self.said.send(FromParent::Failed(chain(&error)));
        }
    }

    /// Ends the candidate, if there is one.
    pub(super) fn stop(&self) {
        let candidate = self.candidate.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(candidate) = candidate {
            let _ = candidate.process.signal(Signal::KILL);
            candidate.mark.iter().for_each(CandidateMark::end_all);
        }
    }

    /// Makes the candidate the unit's main process. It takes charge when this process is gone.
    pub(super) fn hand_over(&self) -> Result<(), ChannelError> {
        let candidate = self.candidate.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(candidate) = candidate else {
            return Err(io::Error::from(io::ErrorKind::NotFound).into());
        };
        candidate.channel.send(&FromParent::Inherit)?;
        notify::hand_over(candidate.process.id().pid);
        Ok(())
    }

    fn try_start(&self, program: &Path) -> Result<(), StartError> {
        let prepare = |source| StartError::Prepare { program: program.to_owned(), source };
        let started = start_updater(Start {
            program,
            config: &self.config,
            environment: &self.environment,
            socket: &self.socket,
            sockets: self.sockets.copies().map_err(prepare)?,
            candidate: true,
            // It ends by itself when this process does, unless it inherits.
            lifetime: Lifetime::Own,
            // To the journal, which escapes what it shows, and outlives this updater.
            output: Output::Same,
            crash_at: None,
        })?;
        let process = hold(&started.child).map_err(prepare)?;
        let channel = Arc::new(started.channel);
        let (hearing, said) = (Arc::clone(&channel), self.said.clone());
        let listening = move || hear(&hearing, started.child, &said);
        spawn_thread(Builder::new().name("successor".to_owned()), listening).map_err(prepare)?;
        let candidate = Candidate { process, channel, mark: started.mark };
        *self.candidate.lock().unwrap_or_else(PoisonError::into_inner) = Some(candidate);
        Ok(())
    }
}

fn hold(child: &Child) -> io::Result<ProcessHandle> {
    let id = ProcessId::of(child.id()).ok_or(io::ErrorKind::NotFound)?;
    id.open()?.ok_or_else(|| io::ErrorKind::NotFound.into())
}

/// Passes on what a candidate says, until it is gone.
fn hear(channel: &Channel, mut child: Child, said: &UnboundedSender<FromParent>) {
    loop {
        let message = match channel.receive() {
            Ok(ToParent::Ready) => FromParent::Ready,
            Ok(ToParent::Answered) => FromParent::Answered,
            // What only the one in charge says means nothing from it.
            Ok(_) | Err(ChannelError::Malformed(_)) => continue,
            Err(ChannelError::Io(_)) => break,
        };
        let _ = said.send(message);
    }
    // It closes its end by ending, and is of no use without it.
    let _ = child.kill();
    let ending = child.wait().map_or_else(|error| error.to_string(), describe);
    let _ = said.send(FromParent::Failed(format!("it {ending}")));
}
