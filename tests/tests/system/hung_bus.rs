//! A D-Bus that takes connections and never says a word, while an updater starts.

use std::fs;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};

use anyhow::{Result, ensure};
use fleet_tests::{Daemon, Host, Sandbox, Setup};
use protocol::Phase;

/// A host whose start has to ask systemd: its agent is a unit, which an operator has stopped, and which
/// systemd must not start before the updater is ready.
struct Hung {
    host: Host,
    bus: UnixListener,
    /// As a unit of `Type=notify` has it.
    _notify: UnixDatagram,
    address: String,
    notify: String,
    _place: Sandbox,
}

impl Hung {
    fn new() -> Result<Self> {
        let place = Sandbox::new()?;
        let setup = Setup::default()
            .run("kind", "'systemd'")
            .run("units", "['agent.service']")
            .run("bus_timeout", "'1h'");
        let host = Host::alone_and_idle(&setup)?;
        fs::create_dir_all(host.state())?;
        fs::write(host.state().join("stopped"), "")?;
        let path = |name: &str| place.path().join(name);
        let bus = UnixListener::bind(path("bus"))?;
        let listening = UnixDatagram::bind(path("notify"))?;
        let address = format!("unix:path={}", path("bus").display());
        let notify = path("notify").display().to_string();
        Ok(Self { host, bus, _notify: listening, address, notify, _place: place })
    }

    fn variables(&self) -> [(&str, &str); 2] {
        [("DBUS_SYSTEM_BUS_ADDRESS", &self.address), ("NOTIFY_SOCKET", &self.notify)]
    }

    /// The updater's connection: from here on it waits for an answer.
    fn is_asked(&self) -> Result<UnixStream> {
        Ok(self.bus.accept()?.0)
    }
}

#[test]
fn an_updater_that_waits_for_d_bus_answers_health_and_hears_sigterm() -> Result<()> {
    let hung = Hung::new()?;
    hung.host.start_with(&hung.variables())?;
    let _connection = hung.is_asked()?;
    let app = hung.host.app()?;
    ensure!(app.state == Phase::Idle && app.pid.is_none(), "{app:?}");
    let log = hung.host.log();
    ensure!(!log.contains("in charge of"), "it did not wait for D-Bus:\n{log}");
    hung.host.stop()
}

#[test]
fn an_updater_hears_sigterm_before_it_answers_anything() -> Result<()> {
    let hung = Hung::new()?;
    let log = hung.host.directory.join("updater.log");
    let daemon = Daemon::start_with(&hung.host.config(), &log, &hung.variables())?;
    let _connection = hung.is_asked()?;
    daemon.stop()?;
    ensure!(hung.host.log().contains("ended by SIGTERM"), "{}", hung.host.log());
    Ok(())
}
