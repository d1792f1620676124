//! The connection, and the thread that keeps it. Whoever asks may be a plain thread or one of the
//! server's own: neither may wait for a runtime that it is itself a part of.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::select_all;
use protocol::Period;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Mutex, watch};
use zbus::Connection;
use zbus::connection::Builder as ConnectionBuilder;
use zbus::fdo::{PropertiesChangedStream, PropertiesProxy};
use zbus::proxy::CacheProperties;

use super::SystemdError;
use super::interface::{ManagerProxy, ServiceProxy, UnitProxy};
use super::state::UnitState;

/// So often is a unit looked at again that changes while it is being looked at.
const LOOKS: u32 = 5;

/// Where systemd leaves the bus, which it does while a machine boots, or the bus itself is started anew,
/// it is asked again so often.
const COMES_BACK: u32 = 20;
/// Between two of these.
const NEXT_TRY: Duration = Duration::from_millis(100);

/// A line to systemd. It is opened when it is needed, and again after it broke. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Bus {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// Taken only when this is dropped.
    runtime: Option<Runtime>,
    timeout: Duration,
    line: Mutex<Option<Systemd>>,
}

/// systemd, at the other end of an open line.
#[derive(Debug, Clone)]
pub struct Systemd {
    pub(super) connection: Connection,
    pub(super) manager: ManagerProxy<'static>,
}

impl Bus {
    /// Makes the thread; nothing is connected yet. `timeout` is for one answer.
    pub fn new(timeout: Duration) -> io::Result<Self> {
        let mut builder = Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).thread_name("systemd").enable_all().build()?;
        let inner = Inner { runtime: Some(runtime), timeout, line: Mutex::new(None) };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Asks systemd, and waits for what comes of it. Where systemd has left the bus meanwhile, or the
    /// line broke, all of it is asked again: only for what can be done twice. Blocks.
    pub fn ask<T, F>(
        &self,
        ask: impl FnOnce(Systemd) -> F + Clone + Send + 'static,
    ) -> Result<T, SystemdError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, SystemdError>> + Send,
    {
        for _ in 0..COMES_BACK {
            match self.ask_once(ask.clone()) {
                Err(error) if error.has_left() || error.is_broken() => {
                    let bus = self.clone();
                    self.wait_for(async move {
                        // It has forgotten that this line wants to hear what it does.
                        *bus.inner.line.lock().await = None;
                        tokio::time::sleep(NEXT_TRY).await;
                        Ok(())
                    })?;
                }
                answered => return answered,
            }
        }
        self.ask_once(ask)
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

    fn wait_for<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, SystemdError>> + Send + 'static,
    ) -> Result<T, SystemdError> {
        let (sender, answer) = std::sync::mpsc::sync_channel(1);
        self.spawn(async move {
            // Who asked waits for it.
            let _ = sender.send(work.await);
        });
        answer.recv().map_err(|_| SystemdError::Thread(io::ErrorKind::BrokenPipe.into()))?
    }

    /// Lets something go on beside.
    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        if let Some(runtime) = &self.inner.runtime {
            runtime.spawn(work);
        }
    }

    /// The open line, or a new one.
    pub async fn connect(&self) -> Result<Systemd, SystemdError> {
        let mut line = self.inner.line.lock().await;
        if let Some(open) = line.as_ref().filter(|open| !open.connection.is_closed()) {
            return Ok(open.clone());
        }
        let timeout = self.inner.timeout;
        let open = tokio::time::timeout(timeout, Systemd::open(timeout)).await;
        let open = open.map_err(|_| SystemdError::Late {
            act: "reach",
            unit: "systemd over D-Bus".to_owned(),
            deadline: Period(timeout),
        })?;
        Ok(line.insert(open.map_err(SystemdError::Bus)?).clone())
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // To drop it here would wait, which some threads may not.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Systemd {
    async fn open(timeout: Duration) -> zbus::Result<Self> {
        let connection = ConnectionBuilder::system().method_timeout(timeout).build().await?;
        let manager = ManagerProxy::builder(&connection)
            .cache_properties(CacheProperties::No)
            .build()
            .await?;
        // Without it, systemd tells nobody what it does.
        manager.subscribe().await?;
        Ok(Self { connection, manager })
    }

    /// Reads all unit files again.
    pub async fn reload(&self) -> Result<(), SystemdError> {
        self.manager.reload().await.map_err(|source| SystemdError::Refused {
            act: "reload",
            unit: "systemd's unit files".to_owned(),
            source,
        })
    }

    /// Forgets that a unit failed, and how often: a start limit must not meet the next release. One
    /// that is not loaded has not failed.
    pub async fn reset_failed(&self, unit: &str) -> Result<(), SystemdError> {
        let reset = self.manager.reset_failed_unit(unit).await;
        match reset.map_err(|source| refused("reset", unit, source)) {
            Err(error) if !error.is_unknown_unit() => Err(error),
            _ => Ok(()),
        }
    }

    /// The units whose names are like this one, where `*` stands for anything.
    pub async fn units_like(&self, pattern: &str) -> Result<Vec<String>, SystemdError> {
        let listed = self.manager.list_units_by_patterns(&[], &[pattern]).await;
        let listed = listed.map_err(|source| refused("list", pattern, source))?;
        Ok(listed.into_iter().map(|unit| unit.0).collect())
    }

    /// What systemd knows of a unit; it is loaded if it was not.
    pub async fn state(&self, unit: &str) -> Result<UnitState, SystemdError> {
        self.read(unit).await.map_err(|source| refused("look at", unit, source))
    }

    /// The paths that a service may write to, where it may not write everywhere (systemd.exec(5),
    /// `ProtectSystem=strict`). One that has no unit file may do as it likes.
    pub async fn writable(&self, unit: &str) -> Result<Option<Vec<String>>, SystemdError> {
        let read = async {
            let unit = self.unit(unit).await?;
            let service = self.service(&unit).await?;
            let strict = service.protect_system().await? == "strict";
            Ok(if strict { Some(service.read_write_paths().await?) } else { None })
        };
        read.await.map_err(|source| refused("look at", unit, source))
    }

    /// Whether a service may make a system call, by its name (systemd.exec(5), `SystemCallFilter=`).
    /// One that has no unit file may make all of them.
    pub async fn permits(&self, unit: &str, call: &str) -> Result<bool, SystemdError> {
        let read = async {
            let unit = self.unit(unit).await?;
            self.service(&unit).await?.system_call_filter().await
        };
        let (only_these, calls) = read.await.map_err(|source| refused("look at", unit, source))?;
        let unfiltered = calls.is_empty();
        Ok(unfiltered || calls.iter().any(|listed| listed == call) == only_these)
    }

    /// Has changed whenever one of these units has, and is closed when the line broke.
    pub async fn changes(&self, units: &[&str]) -> Result<watch::Receiver<()>, SystemdError> {
        let mut all = Vec::new();
        for unit in units {
            let stream = self.changes_of(unit).await;
            all.push(stream.map_err(|source| refused("look at", unit, source))?);
        }
        let (told, changes) = watch::channel(());
        // Taken as they come: a line brings nothing behind what nobody takes, no answer either, and a
        // unit that is started again and again changes more often than it can be looked at.
        tokio::spawn(async move {
            let mut all = select_all(all);
            loop {
                tokio::select! {
                    change = all.next() => match change {
                        Some(_) => drop(told.send(())),
                        None => return,
                    },
                    () = told.closed() => return,
                }
            }
        });
        Ok(changes)
    }

    /// Waits until a unit is down, and says how it stands then.
    pub async fn until_ended(&self, unit: &str) -> Result<UnitState, SystemdError> {
        let mut changes = self.changes(&[unit]).await?;
        loop {
            let state = self.state(unit).await?;
            if matches!(state.active.as_str(), "inactive" | "failed") {
                return Ok(state);
            }
            changes.changed().await.map_err(|_| SystemdError::broken())?;
        }
    }

    /// The same of one that ends now: it waits no longer than for one answer.
    pub async fn ended(&self, unit: &str) -> Result<UnitState, SystemdError> {
        let timeout = self.connection.method_timeout().unwrap_or_default();
        tokio::time::timeout(timeout, self.until_ended(unit)).await.map_err(|_| {
            SystemdError::Late {
                act: "see the end of",
                unit: unit.to_owned(),
                deadline: Period(timeout),
            }
        })?
    }

    async fn changes_of(&self, unit: &str) -> zbus::Result<PropertiesChangedStream> {
        let path = self.unit(unit).await?.inner().path().to_owned();
        let properties = PropertiesProxy::builder(&self.connection)
            .destination("org.freedesktop.systemd1")
            .path(path)
            .cache_properties(CacheProperties::No)
            .build()
            .await?;
        properties.receive_properties_changed().await
    }

    pub(super) async fn unit(&self, unit: &str) -> zbus::Result<UnitProxy<'static>> {
        let path = self.manager.load_unit(unit).await?;
        UnitProxy::builder(&self.connection)
            .path(path)
            .cache_properties(CacheProperties::No)
            .build()
            .await
    }

    async fn service(&self, unit: &UnitProxy<'_>) -> zbus::Result<ServiceProxy<'static>> {
        ServiceProxy::builder(&self.connection)
            .path(unit.inner().path().to_owned())
            .cache_properties(CacheProperties::No)
            .build()
            .await
    }

    /// Each property is a question of its own: a unit that changes between two of them is looked at again.
    async fn read(&self, name: &str) -> zbus::Result<UnitState> {
        let unit = self.unit(name).await?;
        let mut state = self.look(&unit, name).await?;
        for _ in 0..LOOKS {
            let (active, sub) = (unit.active_state().await?, unit.sub_state().await?);
            let invocation = hex::encode(unit.invocation_id().await?);
            if active == state.active && sub == state.sub && invocation == state.invocation {
                break;
            }
            state = self.look(&unit, name).await?;
        }
        Ok(state)
    }

    async fn look(&self, unit: &UnitProxy<'_>, name: &str) -> zbus::Result<UnitState> {
        let mut state = UnitState {
            load: unit.load_state().await?.into(),
            load_error: unit.load_error().await?.1,
            active: unit.active_state().await?,
            sub: unit.sub_state().await?,
            invocation: hex::encode(unit.invocation_id().await?),
            ..UnitState::default()
        };
        if name.ends_with(".service") {
            let service = self.service(unit).await?;
            state.result = service.result().await?;
            state.kind = service.kind().await?;
            state.restarts = service.restarts().await?;
            state.main_pid = service.main_pid().await?;
            state.control_group = service.control_group().await?;
            state.exit = (service.exec_main_code().await?, service.exec_main_status().await?);
        }
        Ok(state)
    }
}

pub(super) fn refused(act: &'static str, unit: &str, source: zbus::Error) -> SystemdError {
    SystemdError::Refused { act, unit: unit.to_owned(), source }
}
