//! The one connection of this process to systemd, over D-Bus, and the thread that keeps it. A plain
//! thread may ask, and so may one of the server's own: neither may wait for a runtime that it is itself a
//! part of, so this one has a runtime for itself.
//!
//! What to do when D-Bus breaks is decided here and nowhere else.

use std::io;
use std::path::Path;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use common::{Backoff, chain, is_worth_logging, random};
use nix::unistd::Uid;
use protocol::Period;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::Mutex;

use crate::sys::spawn_task;

use super::SystemdError;
use super::calls::Systemd;

/// Where the bus listens, unless the environment says otherwise (the D-Bus specification).
const SOCKET: &str = "/run/dbus/system_bus_socket";

/// systemd leaves the bus while a machine boots, and the bus itself may be started anew: between two
/// attempts to ask again.
const PAUSES: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));
/// Attempts at a question that has to be answered now, after the first.
const MORE_ATTEMPTS: u32 = 8;

/// The connection that all of this process share. It is opened when it is needed, and again after it
/// broke. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct BusConnection {
    inner: Arc<Inner>,
}

/// The same, for one app: its questions are answered within a time of its own. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Bus {
    connection: BusConnection,
    timeout: Duration,
}

#[derive(Debug, Default)]
struct Inner {
    /// The address that the environment names.
    address: Option<String>,
    /// Made when something is asked first, and taken only when this is dropped.
    runtime: std::sync::Mutex<Option<Runtime>>,
    open: Mutex<Option<Systemd>>,
}

/// Whether systemd is what runs this machine (`sd_booted(3)`).
pub fn is_running() -> bool {
    Path::new("/run/systemd/system").is_dir()
}

impl BusConnection {
    /// To the bus at `address` (`DBUS_SYSTEM_BUS_ADDRESS`), or at the usual one. Nothing is connected yet.
    pub fn new(address: Option<String>) -> Self {
        let inner = Inner { address, runtime: std::sync::Mutex::default(), open: Mutex::default() };
        Self { inner: Arc::new(inner) }
    }

    /// For questions, each of which is to be answered within `timeout`.
    pub fn bus(&self, timeout: Duration) -> Bus {
        Bus { connection: self.clone(), timeout }
    }

    /// Whether there is a bus. Its socket is there from early in the boot on, whether or not anything
    /// answers yet.
    pub fn has_bus(&self) -> bool {
        self.inner.address.is_some() || Path::new(SOCKET).exists()
    }

    /// Whether units can be made here: systemd runs, takes orders from this user, and can be told.
    pub fn makes_units(&self) -> bool {
        is_running() && Uid::effective().is_root() && self.has_bus()
    }

    fn handle(&self) -> Result<Handle, SystemdError> {
        let mut runtime = self.inner.runtime.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(runtime) = &*runtime {
            return Ok(runtime.handle().clone());
        }
        let mut builder = Builder::new_multi_thread();
        let made = builder.worker_threads(1).thread_name("systemd").enable_all().build();
        Ok(runtime.insert(made.map_err(SystemdError::Thread)?).handle().clone())
    }

    /// The open connection, or a new one.
    async fn open(&self, timeout: Duration) -> zbus::Result<Systemd> {
        let mut known = self.inner.open.lock().await;
        if let Some(open) = known.as_ref().filter(|open| !open.connection.is_closed()) {
            return Ok(Systemd { timeout, ..open.clone() });
        }
        let usual = format!("unix:path={SOCKET}");
        let address = self.inner.address.as_ref().unwrap_or(&usual);
        Ok(known.insert(Systemd::open(address, timeout).await?).clone())
    }

    /// The next question gets a new connection: systemd has forgotten that this one wants to hear what it
    /// does.
    async fn forget(&self) {
        *self.inner.open.lock().await = None;
    }
}

impl Bus {
    /// Asks systemd, and waits for what comes of it. Where systemd has left the bus meanwhile, or the
    /// connection broke, all of it is asked again: only for what can be done twice. Blocks.
    pub fn ask<T, F>(
        &self,
        ask: impl FnOnce(Systemd) -> F + Clone + Send + 'static,
    ) -> Result<T, SystemdError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, SystemdError>> + Send,
    {
        let mut attempts = PAUSES.attempts();
        loop {
            match self.ask_once(ask.clone()) {
                Err(error) if error.will_pass() && attempts.failed() < MORE_ATTEMPTS => {
                    let (connection, pause) = (self.connection.clone(), attempts.fail(random()));
                    self.wait_for(async move {
                        connection.forget().await;
                        tokio::time::sleep(pause).await;
                        Ok(())
                    })?;
                }
                answered => return answered,
            }
        }
    }

    /// The same, once and not again.
    pub fn ask_once<T, F>(
        &self,
        ask: impl FnOnce(Systemd) -> F + Send + 'static,
    ) -> Result<T, SystemdError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, SystemdError>> + Send,
    {
        let bus = self.clone();
        self.wait_for(async move { ask(bus.connect().await?).await })
    }

    /// Asks until there is an answer, over as many connections as that takes: for what is waited for
    /// without an end. What cannot be asked meanwhile is logged as `what`.
    pub async fn ask_until_answered<T, F>(&self, what: &str, ask: impl Fn(Systemd) -> F) -> T
    where
        F: Future<Output = Result<T, SystemdError>>,
    {
        let mut attempts = PAUSES.attempts();
        loop {
            let answer = match self.connect().await {
                Ok(systemd) => ask(systemd).await,
                Err(error) => Err(error),
            };
            let error = match answer {
                Ok(answer) => return answer,
                Err(error) => error,
            };
            let pause = attempts.fail(random());
            if is_worth_logging(attempts.failed()) {
                tracing::warn!("{what} is out of sight: {}", chain(&error));
            }
            tokio::time::sleep(pause).await;
        }
    }

    /// Lets something go on beside.
    pub fn spawn(
        &self,
        name: impl Into<String>,
        work: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), SystemdError> {
        spawn_task(&self.connection.handle()?, name, work);
        Ok(())
    }

    fn wait_for<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, SystemdError>> + Send + 'static,
    ) -> Result<T, SystemdError> {
        let (sender, answer) = std::sync::mpsc::sync_channel(1);
        self.connection.handle()?.spawn(async move {
            // The thread that asks waits for it.
            let _ = sender.send(work.await);
        });
        answer.recv().map_err(|_| SystemdError::Thread(io::ErrorKind::BrokenPipe.into()))?
    }

    async fn connect(&self) -> Result<Systemd, SystemdError> {
        let open = tokio::time::timeout(self.timeout, self.connection.open(self.timeout)).await;
        let open = open.map_err(|_| SystemdError::Late {
            act: "reach",
            unit: "systemd over D-Bus".to_owned(),
            deadline: Period(self.timeout),
        })?;
        open.map_err(SystemdError::Bus)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let runtime = self.runtime.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        // To drop it here would wait, which some threads may not.
        if let Some(runtime) = runtime {
            runtime.shutdown_background();
        }
    }
}
