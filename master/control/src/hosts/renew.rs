//! New keys and certificates for a host that is in the fleet. All else that is known of it stays.

use std::path::Path;

use pki::{AltName, Authority, Role};
use protocol::HostName;
use serde_json::json;
use store::{Event, EventType, Host, Pinned, Store};
use time::OffsetDateTime;

use crate::home::Home;
use crate::hosts::enroll::{EnrollError, Enrolled, Files, certificate, issue};

/// Issues new certificates and writes them to `out_dir`. Until they are on the host, its updater is known
/// by the certificate that it has, too.
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
    let pinned = Pinned {
        current: in_use(store, &host, now)?,
        next: updater.as_ref().map(|issued| issued.fingerprint),
    };
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
    Ok(Enrolled { host, certificates, files })
}

/// The certificate that the updater has now: one that was issued later, where the one before is over.
fn in_use(
    store: &Store,
    host: &Host,
    now: OffsetDateTime,
) -> Result<Option<pki::Fingerprint>, EnrollError> {
    let known = store.certificates(&host.name)?;
    let is_over = |fingerprint: &pki::Fingerprint| {
        known.iter().any(|known| known.fingerprint == *fingerprint && known.not_after <= now)
    };
    let Pinned { current, next } = &host.pinned;
    Ok(if current.as_ref().is_none_or(is_over) { next.or(*current) } else { *current })
}
