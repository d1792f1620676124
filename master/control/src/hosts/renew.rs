//! New keys and certificates for a host that is in the fleet. All else that is known of it stays.

use std::path::Path;

use pki::{AltName, Authority, Role};
use protocol::HostName;
use serde_json::json;
use store::{Event, EventType, Host, Pinned, Store};
use time::OffsetDateTime;

use crate::home::Home;
use crate::hosts::enroll::{EnrollError, Enrolled, Files, certificate, issue};

/// Issues new certificates and writes them to `out_dir`. Until its updater shows the new one, it is known
/// by the certificate that it has, too, and by those of renewals before that it has not shown yet.
pub fn renew(
    home: &Home,
    store: &Store,
    name: &HostName,
    out_dir: &Path,
    (who, now): (&str, OffsetDateTime),
) -> Result<Enrolled, EnrollError> {
    let authority = Authority::load(home.root())?;
    let host = store.host(name)?;
    let sans: Vec<AltName> = host.sans.iter().filter_map(|san| san.parse().ok()).collect();
    let issued = |role| issue(&authority, role, &host.address, &sans, now);
    let agent = issued(Role::Agent(name.clone()))?;
    let updater = if host.has_updater { Some(issued(Role::Updater(name.clone()))?) } else { None };
    let issued = updater.as_ref().map(|issued| issued.fingerprint);
    let next = issued.filter(|_| host.pinned.current.is_some());
    let pinned = Pinned { current: host.pinned.current.or(issued), next, ..Pinned::default() };
    let certificates: Vec<_> = [("agent", Some(&agent)), ("updater", updater.as_ref())]
        .into_iter()
        .filter_map(|(role, issued)| Some(certificate(role, issued?, now)))
        .collect();
    let until = agent.not_after;
    let event = Event {
        host: Some(name.clone()),
        data: json!({"not_after": until.unix_timestamp()}),
        ..Event::new(EventType::HostRenewed, now, who)
    };
    let host = Host { pinned, ..host };
    let files = Files { authority: &authority, agent, updater, host: &host, out_dir };
    files.in_one_act(|write| store.renew_host(name, &host.pinned, &certificates, &event, write))?;
    let files = files.paths();
    Ok(Enrolled { host: store.host(name)?, certificates, files })
}
