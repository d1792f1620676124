//! The old updater's side of its own replacement.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use listener::AcceptSwitch;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use crate::environment::LISTENING;
use crate::self_update::executable::{Foreign, PROGRAM, foreign_machine};
use crate::self_update::{ChannelError, FromParent, SuccessorStarter};
use crate::sys::bounds::CommandBounds;
use crate::sys::run::run_bounded;
use crate::sys::spawn::Spawn;
use crate::sys::user::User;

/// How a new updater is checked, tried, and put in charge.
pub struct Takeover {
    seat: SuccessorStarter,
    heard: tokio::sync::Mutex<mpsc::UnboundedReceiver<FromParent>>,
    gate: AcceptSwitch,
    config: std::path::PathBuf,
    /// Where the updater listens, if that is where the configuration said.
    listening: Option<SocketAddr>,
    handle: Handle,
}

/// Why a new updater did not take over.
#[derive(Debug, thiserror::Error)]
pub enum TakeoverError {
    /// The archive is one of something else.
    #[error("find {PROGRAM} in the archive: it is no release of the updater")]
    NoProgram,
    /// It cannot be looked at.
    #[error("look at the new updater")]
    Look(#[source] std::io::Error),
    /// It is for another machine.
    #[error("run the new updater: it is built for {theirs}, and this host is {ours}", theirs = .0.theirs, ours = .0.ours)]
    Foreign(Foreign),
    /// It could not be asked.
    #[error("run `updater check` of the new updater")]
    Check(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// `updater check` found something.
    #[error("pass `updater check` with the new updater")]
    Refused { output: Vec<String> },
    /// The parent cannot be reached.
    #[error(transparent)]
    Channel(#[from] ChannelError),
    /// It ended, or could not be started.
    #[error("start the new updater")]
    Failed(#[source] ReportedCause),
    /// It accepted connections, and the master never came.
    #[error("be asked by the master within {0:?}")]
    Unanswered(Duration),
}

/// Why a successor failed, as the process that started it has reported: its whole chain of causes.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ReportedCause(String);

impl TakeoverError {
    fn parent_is_gone() -> Self {
        Self::Failed(ReportedCause("its parent is gone".to_owned()))
    }
}

impl Takeover {
    /// With what the parent, or a candidate, says coming in through `heard`.
    pub fn new(
        seat: SuccessorStarter,
        heard: mpsc::UnboundedReceiver<FromParent>,
        gate: AcceptSwitch,
        config: std::path::PathBuf,
        listening: Option<SocketAddr>,
        handle: Handle,
    ) -> Arc<Self> {
        let heard = tokio::sync::Mutex::new(heard);
        Arc::new(Self { seat, heard, gate, config, listening, handle })
    }

    /// Whether the new program is for this machine, starts, reads the configuration, has its identity,
    /// and would listen where this updater does when it is started next.
    pub fn check(&self, program: &Path, window: Duration) -> Result<(), TakeoverError> {
        match foreign_machine(program) {
            Ok(None) => {}
            Ok(Some(foreign)) => return Err(TakeoverError::Foreign(foreign)),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(TakeoverError::NoProgram);
            }
            Err(error) => return Err(TakeoverError::Look(error)),
        }
        let words = [program, Path::new("check"), Path::new("--running"), Path::new("--config")];
        let words = words.into_iter().chain([self.config.as_path()]);
        let command: Vec<_> = words.map(|word| word.display().to_string()).collect();
        let user = User::current().map_err(|error| TakeoverError::Check(error.into()))?;
        let listening = self.listening.map(|address| (LISTENING.to_owned(), address.to_string()));
        let spawn = Spawn::new(&command, Path::new("/"), user, &listening.into_iter().collect())
            .map_err(|error| TakeoverError::Check(error.into()))?;
        let bounds =
            CommandBounds { timeout: window, output_bytes: 1 << 20, room: None, until: None };
        match run_bounded(spawn, bounds, |_| {}) {
            Ok(finished) if finished.status.success() => Ok(()),
            Ok(finished) => Err(TakeoverError::Refused { output: finished.output.shown() }),
            Err(error) => Err(TakeoverError::Check(error.into())),
        }
    }

    /// Starts the new one and waits until it has answered the master. A caller that does not go on with it
    /// after that has to [give it up](Self::give_up).
    pub fn try_new(&self, program: &Path, window: Duration) -> Result<(), TakeoverError> {
        let deadline = Instant::now() + window;
        self.drain();
        self.seat.start(program)?;
        self.wait_for(&FromParent::Ready, deadline, window)?;
        // From here on every new connection is the new one's.
        self.gate.set(false);
        self.wait_for(&FromParent::Answered, deadline, window)
    }

    /// Ends the new one, if there is one, and goes on accepting: nothing has happened.
    pub fn give_up(&self) {
        self.seat.stop();
        self.gate.set(true);
    }

    /// Waits, as the new one, until the old one is gone.
    pub async fn in_charge(&self) -> Result<(), TakeoverError> {
        let mut heard = self.heard.lock().await;
        while let Some(message) = heard.recv().await {
            if message == FromParent::InCharge {
                return Ok(());
            }
        }
        Err(TakeoverError::parent_is_gone())
    }

    /// Leaves. The new one is in charge when this process is gone.
    pub fn leave(&self) -> Result<(), ChannelError> {
        self.seat.hand_over()
    }

    fn wait_for(
        &self,
        wanted: &FromParent,
        deadline: Instant,
        window: Duration,
    ) -> Result<(), TakeoverError> {
        let mut heard = self.heard.blocking_lock();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let next =
                self.handle.block_on(async { tokio::time::timeout(left, heard.recv()).await });
            match next {
                Ok(Some(FromParent::Failed(why))) => {
                    return Err(TakeoverError::Failed(ReportedCause(why)));
                }
                Ok(Some(message)) if message == *wanted => return Ok(()),
                Ok(Some(_)) => {}
                Ok(None) => return Err(TakeoverError::parent_is_gone()),
                Err(_) => return Err(TakeoverError::Unanswered(window)),
            }
        }
    }

    /// What an earlier attempt left unheard.
    fn drain(&self) {
        let mut heard = self.heard.blocking_lock();
        while heard.try_recv().is_ok() {}
    }
}
