//! `updater run`: the updater proper, as a unit of systemd; elsewhere the parent, and the updater that
//! it starts.

use std::fs;
use std::net::TcpListener;
use std::sync::Arc;

use pki::{Identity, Paths};

use crate::cli::args::Common;
use crate::cli::errors::CliError;
use crate::cli::logging;
use crate::cli::system::failed_at;
use crate::config::Config;
use crate::environment::{CHANNEL_FD, Environment, LISTEN_FD};
use crate::release::Layout;
use crate::runner::SocketStore;
use crate::self_update::{Channel, become_active, listening_socket, run_parent};
use crate::startup::{StartContext, StartError, note_orderly_end, prepare_state_dir, run_updater};
use crate::sys::adopt_descriptor;

/// What fails where a descriptor is none.
const PASSED: &str = "take the sockets that systemd passes on";

pub(super) fn run(asked: &Common, environment: &Environment) -> Result<bool, CliError> {
    let path = fs::canonicalize(&asked.config).unwrap_or_else(|_| asked.config.clone());
    logging::start(environment);
    if environment.has_starter() {
        let config = Config::load(&path).map_err(CliError::of_host)?;
        let adopt = |name| {
            let adopted = adopt_descriptor(name, environment.descriptor(name));
            adopted.map_err(failed_at("take what the starter passes on"))
        };
        let socket = TcpListener::from(adopt(LISTEN_FD)?);
        let starter = Some(Arc::new(Channel::from(adopt(CHANNEL_FD)?)));
        let (sockets, _) = SocketStore::passed().map_err(failed_at(PASSED))?;
        let environment = environment.clone();
        return updater(StartContext { config, path, environment, socket, sockets, starter });
    }
    if environment.is_unit() {
        become_active(&path);
    }
    let config = Config::load(&path).map_err(CliError::of_host)?;
    // What would stop every updater is said once, before the first is started.
    Identity::load(&Paths::updater(&config.identity)).map_err(CliError::of_host)?;
    prepare_state_dir(&config.state_dir, config.apps.keys()).map_err(CliError::of_host)?;
    let (sockets, others) = SocketStore::passed().map_err(failed_at(PASSED))?;
    let socket = listening_socket(others, &config.listen).map_err(CliError::of_host)?;
    if environment.is_unit() {
        let environment = environment.clone();
        return updater(StartContext { config, path, environment, socket, sockets, starter: None });
    }
    run_parent(Layout::new(&config.self_update.install_dir), path, environment, socket)?;
    note_orderly_end(&config);
    Ok(true)
}

fn updater(context: StartContext) -> Result<bool, CliError> {
    let of = |error: StartError| {
        if error.is_of_host() { CliError::of_host(error) } else { CliError::from(error) }
    };
    run_updater(context).map(|()| true).map_err(of)
}
