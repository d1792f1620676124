//! How the hosts are reached.

use std::collections::BTreeMap;

use pki::{Fingerprint, Identity, Paths};
use protocol::HostName;
use store::{Host, SkipReason, Store};

use crate::fleet::FleetError;
use crate::home::Home;
use crate::select::Selected;
use crate::updater_client::{ClientError, Timeouts, UpdaterClient};

/// What it takes to speak to hosts as this master.
pub struct Fleet {
    identity: Identity,
    epoch: u64,
    timeouts: Timeouts,
}

/// One host that was selected.
pub struct Member {
    pub host: HostName,
    pub labels: BTreeMap<String, String>,
    /// Why it is left out, if it is.
    pub skip: Option<SkipReason>,
    /// Its updater; an error where it cannot be told from others.
    pub client: Result<UpdaterClient, ClientError>,
}

impl Fleet {
    /// Reads the master's identity and its epoch. `timeouts` hold for every host.
    pub fn open(home: &Home, store: &Store, timeouts: Timeouts) -> Result<Self, FleetError> {
        let identity = Identity::load(&Paths::master(home.root()))?;
        Ok(Self { identity, epoch: store.epoch()?, timeouts })
    }

    /// The hosts that were selected, ready to be asked.
    pub fn members(&self, selected: &[Selected]) -> Vec<Member> {
        let member = |selected: &Selected| Member {
            host: selected.host.name.clone(),
            labels: selected.host.labels.clone(),
            skip: selected.skip.clone(),
            client: self.client(&selected.host),
        };
        selected.iter().map(member).collect()
    }

    /// The updater of a host, known by its recorded certificates and by nothing less.
    pub fn client(&self, host: &Host) -> Result<UpdaterClient, ClientError> {
        let pinned: Vec<Fingerprint> = host.pinned.all().copied().collect();
        let tls = pki::updater_client_config(&self.identity, &host.name, &pinned)?;
        Ok(UpdaterClient::new(host.name.clone(), host.updater(), tls, self.epoch, self.timeouts))
    }
}
