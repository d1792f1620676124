//! By which certificates hosts are met: a new one that a host shows takes the place of the one before.

use pki::Fingerprint;
use protocol::HostName;
use serde_json::json;
use store::{Event, EventType, Store, StoreError};
use time::OffsetDateTime;

use crate::fleet::Member;
use crate::updater_client::UpdaterClient;

/// The updaters that are about to be asked.
pub struct MetCertificates(Vec<(HostName, UpdaterClient)>);

impl MetCertificates {
    /// Of these hosts, as far as they are asked.
    pub fn of(members: &[Member]) -> Self {
        let client =
            |member: &Member| Some((member.host.clone(), member.client.as_ref().ok()?.clone()));
        Self(members.iter().filter_map(client).collect())
    }

    /// Of one host.
    pub fn of_client(host: &HostName, client: &UpdaterClient) -> Self {
        Self(vec![(host.clone(), client.clone())])
    }

    /// Writes down what they have shown since.
    pub fn keep(&self, store: &Store, who: &str, now: OffsetDateTime) -> Result<(), StoreError> {
        let shown =
            self.0.iter().filter_map(|(host, client)| Some((host, client.shown_certificate()?)));
        for (host, shown) in shown {
            if store.host(host)?.pinned.current != Some(shown) {
                store.use_certificate(host, &shown, &event(host, &shown, who, now))?;
            }
        }
        Ok(())
    }
}

fn event(host: &HostName, shown: &Fingerprint, who: &str, now: OffsetDateTime) -> Event {
    Event {
        host: Some(host.clone()),
        data: json!({"certificate": shown}),
        ..Event::new(EventType::HostChanged, now, who)
    }
}
