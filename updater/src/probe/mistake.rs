//! What is wrong with a probe itself, seen on a program that runs and was proven otherwise.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use pki::{ProbeTrust, probe_client_config};
use rustls::Error as TlsFailure;
use rustls::pki_types::ServerName;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::ProbeMistake;
use super::answer::Suspicion;
use super::connect::connect;
use super::owner::listens_elsewhere;
use super::place::Place;
use super::target::HttpTarget;
use crate::runner::Instance;

/// For the handshake that finds out what is spoken.
const HANDSHAKE: Duration = Duration::from_secs(1);

/// Why a TLS handshake could never come to an end.
pub(super) fn of_handshake(error: &io::Error) -> Option<Suspicion> {
    let Some(failure) = error.get_ref().and_then(|inner| inner.downcast_ref::<TlsFailure>()) else {
        // It was broken off without a word of TLS.
        return Some(Suspicion::NoHandshake);
    };
    match failure {
        TlsFailure::InvalidCertificate(_) => Some(Suspicion::Known(ProbeMistake::Untrusted)),
        TlsFailure::InvalidMessage(_) => Some(Suspicion::Known(ProbeMistake::SpeaksNoTls)),
        _ => None,
    }
}

/// Why a question in clear was not understood: another one is put by TLS.
pub(super) async fn of_clear_text(target: &HttpTarget) -> Option<ProbeMistake> {
    let config = probe_client_config(None, ProbeTrust::Anyone).ok()?;
    let Place::Tcp { host, .. } = &target.place else { return None };
    let name = ServerName::try_from(host.clone()).ok()?;
    let handshake = async {
        let connection = connect(&target.address()).await.ok()?;
        match TlsConnector::from(config).connect(name, connection).await {
            Ok(_) => Some(ProbeMistake::SpeaksTls),
            Err(error) => match error.get_ref()?.downcast_ref::<TlsFailure>()? {
                // It was refused in the language itself.
                TlsFailure::AlertReceived(_) => Some(ProbeMistake::SpeaksTls),
                _ => None,
            },
        }
    };
    timeout(HANDSHAKE, handshake).await.ok().flatten()
}

/// Where the program takes connections, if that is not where it is asked.
pub(super) async fn listens_only_elsewhere(address: &str, agent: &Instance) -> Option<SocketAddr> {
    let asked = address.parse().ok()?;
    let agent = agent.clone();
    let look = move || listens_elsewhere(&agent, asked);
    tokio::task::spawn_blocking(look).await.ok().flatten()
}
