//! How the hosts are reached.

use std::collections::BTreeMap;

use pki::{Fingerprint, Identity, Paths};
use protocol::HostName;
use store::{Host, Store};

use crate::fleet::FleetError;
use crate::home::Home;
use crate::select::Selected;
use crate::updater_client::{ClientError, Timeouts, UpdaterClient};

/// What it takes to speak to hosts as this master.
pub struct Fleet {
    identity: Identity,
    epoch: u64,
    patience: Timeouts,
}

/// One host that was selected.
pub struct Member {
    pub host: HostName,
    pub labels: BTreeMap<String, String>,
    /// Why it is left out, if it is.
    pub skip: Option<&'static str>,
    /// Its updater; an error where it cannot be told from others.
    pub worker: Result<UpdaterClient, ClientError>,
}

impl Fleet {
    /// Reads the master's identity and its epoch. `patience` is had with every host.
    pub fn open(home: &Home, store: &Store, patience: Timeouts) -> Result<Self, FleetError> {
        let identity = Identity::load(&Paths::master(home.root()))?;
        Ok(Self { identity, epoch: store.epoch()?, patience })
    }

    /// The hosts that were selected, ready to be asked.
    pub fn members(&self, selected: &[Selected]) -> Vec<Member> {
        let member = |selected: &Selected| Member {
            host: selected.host.name.clone(),
            labels: selected.host.labels.clone(),
            skip: selected.skip,
            worker: self.worker(&selected.host),
        };
        selected.iter().map(member).collect()
    }

    /// The updater of a host, known by its recorded certificates and by nothing less.
    pub fn worker(&self, host: &Host) -> Result<UpdaterClient, ClientError> {
        let pinned: Vec<Fingerprint> = host.pinned.all().copied().collect();
        let tls = pki::updater_client_config(&self.identity, &host.name, &pinned)?;
        Ok(UpdaterClient::new(host.name.clone(), host.updater(), tls, self.epoch, self.patience))
    }
}
