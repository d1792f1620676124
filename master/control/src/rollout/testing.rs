//! Foreign peers in the place of a fleet, and what a rollout over them left behind.

use std::cell::RefCell;
use std::sync::{Arc, Mutex};

use engine::{Plan, Policy};
use protocol::Digest;
use serde_json::{Value, json};
use store::{Event, Store};
use tempfile::TempDir;
use time::OffsetDateTime;

use crate::fleet::Member;
use crate::home::{Home, HomeEnvironment};
use crate::interrupt::Interrupt;
use crate::notify::Hook;
use crate::rollout::{
    Archives, Goal, Observer, RolloutEnvironment, RolloutError, RolloutRequest, Rollouts, Sources,
    Summary, build, inspect,
};
use crate::updater_client::testing::{
    PeerRequest, ScriptedPeers, app, digest, serve_peer, short_timeouts,
};
use crate::updater_client::{ReleaseArchive, UpdaterClient};

pub(super) const OLD: u8 = 1;
pub(super) const NEW: u8 = 2;

/// A fleet of peers and a master's store.
pub(super) struct Fleet {
    peers: ScriptedPeers,
    directory: TempDir,
    pub(super) store: Store,
    pub(super) members: Vec<Member>,
    pub(super) shown: Shown,
    pub(super) hooks: Vec<Hook>,
}

/// What an observer was told.
#[derive(Default)]
pub(super) struct Shown(RefCell<Vec<Event>>);

impl Observer for Shown {
    fn happened(&self, event: &Event) {
        self.0.borrow_mut().push(event.clone());
    }

    fn stopping(&self) {}

    fn note(&self, _: &str) {}
}

impl Shown {
    pub(super) fn events(&self) -> Vec<Event> {
        self.0.borrow().clone()
    }
}

impl Fleet {
    pub(super) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::create(&directory.path().join("swarm.db"), "ada", now()).unwrap();
        let (peers, members) = (ScriptedPeers::new(), Vec::new());
        Self { peers, directory, store, members, shown: Shown::default(), hooks: Vec::new() }
    }

    /// Adds a host that is played by `serve`, and gives back the requests that it gets.
    pub(super) async fn host<F, W>(&mut self, name: &str, serve: F) -> Requests
    where
        F: Fn(PeerRequest) -> W + Send + Sync + 'static,
        W: Future<Output = ()> + Send + 'static,
    {
        let (issued, server) = self.peers.updater(name);
        let requests = Requests::default();
        let kept = requests.clone();
        let address = serve_peer(server, move |call| {
            let line = call.head.lines().next().unwrap_or_default();
            kept.0.lock().unwrap().push(line.trim_end_matches(" HTTP/1.1").to_owned());
            serve(call)
        })
        .await;
        let tls = self.peers.tls(name, &issued);
        let host: protocol::HostName = name.parse().unwrap();
        let client = UpdaterClient::new(host.clone(), address, tls, 1, short_timeouts());
        let labels = [("zone".to_owned(), name[..1].to_owned())].into();
        self.members.push(Member { host, labels, skip: None, client: Ok(client) });
        requests
    }

    pub(super) fn skip(&mut self, name: &str, reason: store::SkipReason) {
        let client = Err(crate::updater_client::ClientError::NotTaken("never asked".to_owned()));
        let (host, labels) = (name.parse().unwrap(), std::collections::BTreeMap::new());
        self.members.push(Member { host, labels, skip: Some(reason), client });
    }

    /// An archive whose digest is [`NEW`]: the peers do not check.
    pub(super) fn archive(&self) -> Goal {
        Goal::Push(Box::new(self.push()))
    }

    pub(super) fn push(&self) -> ReleaseArchive {
        let path = self.directory.path().join("x.tar.zst");
        std::fs::write(&path, vec![7; 500_000]).unwrap();
        let digest = digest(NEW);
        ReleaseArchive {
            path,
            bytes: 500_000,
            digest,
            label: None,
            gzip: false,
            needs_command: false,
            signed: None,
        }
    }

    pub(super) async fn plan(&self, request: &RolloutRequest) -> Result<Plan, RolloutError> {
        let inspected = inspect(&self.members, &request.app, request.goal.target()).await;
        build(request, inspected, now())
    }

    pub(super) async fn run(&mut self, request: RolloutRequest) -> Summary {
        self.run_with(request, None, Interrupt::none()).await
    }

    pub(super) async fn run_with(
        &mut self,
        request: RolloutRequest,
        updater: Option<ReleaseArchive>,
        interrupt: Interrupt,
    ) -> Summary {
        let plan = self.plan(&request).await.unwrap();
        let archives = Archives { updater, ..Archives::none(request.goal) };
        let clients = std::mem::take(&mut self.members);
        let clients = clients.into_iter().map(|member| (member.host, member.client)).collect();
        let home = Home::locate(Some(self.directory.path()), &HomeEnvironment::default()).unwrap();
        let rollouts = Rollouts {
            home: &home,
            store: &self.store,
            hooks: &self.hooks,
            environment: &RolloutEnvironment::default(),
            now,
            who: "ada",
        };
        let id = rollouts.begin(&plan, &Sources::default(), plan.made_at).unwrap();
        rollouts.drive(id, archives, clients, interrupt, &self.shown).await.unwrap()
    }

    pub(super) fn desired(&self, host: &str) -> Option<Digest> {
        let desired = self.store.desired(&host.parse().unwrap()).unwrap();
        desired.first().map(|desired| desired.digest)
    }
}

/// A request without anything special.
pub(super) fn request(goal: Goal) -> RolloutRequest {
    RolloutRequest {
        app: app(),
        goal,
        updater: None,
        migration: None,
        policy: Policy::default(),
        selection: "--all".to_owned(),
        message: None,
        by_name: false,
        each: false,
        quarantined: std::collections::BTreeSet::new(),
    }
}

/// The first lines of the requests that a host got.
#[derive(Clone, Default)]
pub(super) struct Requests(Arc<Mutex<Vec<String>>>);

impl Requests {
    pub(super) fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    pub(super) fn orders(&self) -> usize {
        self.all().iter().filter(|line| !line.starts_with("GET ")).count()
    }
}

fn now() -> OffsetDateTime {
    OffsetDateTime::UNIX_EPOCH
}

/// A host's `/health`: idle, with this release.
pub(super) fn runs(release: u8, healthy: bool) -> Value {
    let mut health = crate::updater_client::testing::health("idle", None, &Value::Null);
    let agent = &mut health["apps"]["agent"];
    agent["active"]["digest"] = json!(digest(release));
    agent["healthy"] = json!(healthy);
    agent["agent"] = json!(if healthy { "running" } else { "dead" });
    health
}

/// A host's `/releases`.
pub(super) fn keeps(active: u8, prev: Option<u8>, quarantined: &[u8]) -> Value {
    let all = [Some(active), prev].into_iter().flatten().chain(quarantined.iter().copied());
    let releases: Vec<_> = all
        .map(|release| {
            json!({
                "digest": digest(release), "state": "proven", "path": "/x",
                "quarantined": quarantined.contains(&release), "failure": "it died",
            })
        })
        .collect();
    let app = json!({"active": digest(active), "prev": prev.map(digest), "releases": releases});
    json!({"format": 1, "apps": {"agent": app}})
}

/// Answers what a host that is well is asked before its order; whether it was that.
pub(super) async fn looked(call: &mut PeerRequest, active: u8, prev: Option<u8>) -> bool {
    let answer = if call.is("GET /health") {
        runs(active, true)
    } else if call.is("GET /releases") {
        keeps(active, prev, &[])
    } else {
        return false;
    };
    call.json(200, &answer).await;
    true
}

/// The last line of an order's stream.
pub(super) fn ends(status: &str, code: Option<&str>, from: u8, to: u8) -> Value {
    let mut result = crate::updater_client::testing::result(status);
    result["code"] = json!(code);
    result["from"] = json!(digest(from));
    result["to"] = json!(digest(to));
    if let Some(code) = code {
        result["problem"] =
            json!({"code": code, "detail": "it died", "output": ["Traceback", "boom"]});
    }
    result
}
