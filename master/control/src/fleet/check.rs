//! Whether hosts are there and well, by what they say and by their certificates.

use explain::when;
use protocol::HostName;
use serde::Serialize;
use store::{Store, StoreError};
use time::OffsetDateTime;

use crate::fleet::{AppStatus, HostStatus, Member, MetCertificates, known, status};

/// How a host was found.
#[derive(Debug, Serialize)]
pub struct CheckedHost {
    pub host: HostName,
    /// Whether nothing is wrong.
    pub fine: bool,
    /// Whether it was left out; then nothing is known to be wrong.
    pub skipped: bool,
    /// What is wrong, or why it was left out.
    pub detail: Option<String>,
    pub updater_version: Option<String>,
    #[serde(with = "time::serde::rfc3339::option")]
    pub certificate_until: Option<OffsetDateTime>,
    pub apps: Vec<AppStatus>,
}

/// Asks the hosts.
pub async fn check(
    store: &Store,
    members: Vec<Member>,
    (who, now): (&str, fn() -> OffsetDateTime),
) -> Result<Vec<CheckedHost>, StoreError> {
    let known = known(store, members.iter().map(|member| &member.host))?;
    let met = MetCertificates::of(&members);
    let hosts = status(members, known).await;
    met.keep(store, who, now())?;
    let checked = |host: HostStatus| {
        let until = certificate_until(store, &host.host)?;
        Ok(CheckedHost::of(host, until, now()))
    };
    hosts.into_iter().map(checked).collect()
}

/// Until when the updater's certificate holds: the one that it has shown last.
fn certificate_until(store: &Store, name: &HostName) -> Result<Option<OffsetDateTime>, StoreError> {
    let pinned = store.host(name)?.pinned.current;
    let certificates = store.certificates(name)?;
    let current = certificates.iter().find(|known| Some(known.fingerprint) == pinned);
    Ok(current.map(|certificate| certificate.not_after))
}

impl CheckedHost {
    /// A host, by what it said of itself, and until when its certificate holds.
    pub fn of(status: HostStatus, until: Option<OffsetDateTime>, now: OffsetDateTime) -> Self {
        let mut wrong = Vec::new();
        let mut held = Vec::from_iter(status.held.clone());
        if let Some(until) = until.filter(|until| *until <= now) {
            wrong.push(format!("its certificate ended at {}", when(until)));
        }
        let well = status.is_well();
        wrong.extend(status.error);
        wrong.extend(status.warnings);
        let mut complaints: Vec<(String, Vec<&str>)> = Vec::new();
        for app in status.apps.iter().filter(|_| status.reachable) {
            if app.is_stopped() {
                wrong.push(format!("{}: {}", app.app, app.why_stopped()));
            }
            if let Some(drift) = app.drift_words() {
                let drift = format!("{}: {drift}", app.app);
                // It is kept out on purpose.
                if status.held.is_some() { held.push(drift) } else { wrong.push(drift) }
            }
            for complaint in app.complaints() {
                match complaints.iter_mut().find(|(known, _)| *known == complaint) {
                    Some((_, apps)) => apps.push(app.app.as_str()),
                    None => complaints.push((complaint, vec![app.app.as_str()])),
                }
            }
        }
        wrong.extend(complaints.iter().map(|(complaint, apps)| told_once(complaint, apps)));
        let (fine, detail) = match status.skipped {
            Some(ref reason) => (true, Some(reason.clone())),
            None if wrong.is_empty() && well => (true, (!held.is_empty()).then(|| held.join("; "))),
            None => (false, Some(wrong.into_iter().chain(held).collect::<Vec<_>>().join("; "))),
        };
        Self {
            host: status.host,
            fine,
            skipped: status.skipped.is_some(),
            detail,
            updater_version: status.updater_version,
            certificate_until: until,
            apps: status.apps,
        }
    }
}

/// What is amiss with several apps of a host, of which there may be thousands, with the first of them.
fn told_once(complaint: &str, apps: &[&str]) -> String {
    const MOST: usize = 3;
    let more = apps.len().saturating_sub(MOST);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more}: {complaint}", apps[..apps.len().min(MOST)].join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_amiss_with_many_apps_is_told_once() {
        assert_eq!(told_once("it is dead", &["web"]), "web: it is dead");
        let apps: Vec<String> = (1..=29).map(|number| format!("a{number}")).collect();
        let apps: Vec<&str> = apps.iter().map(String::as_str).collect();
        assert_eq!(told_once("it is dead", &apps), "a1, a2, a3 and 26 more: it is dead");
    }
}
