//! A scripted peer at a host's address, over real TCP and TLS, which sends whatever bytes a test says.
//!
//! It stands for what no updater of ours does: it lies, breaks off, stalls, and sends garbage. How
//! real updaters answer is tested with real ones, in `tests/tests/system/`.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::Backoff;
use pki::{Authority, Fleet, Identity, Issued, Paths, Request, Role, write_bundles};
use protocol::{AppName, Digest, HostName};
use rustls::{ClientConfig, ServerConfig};
use serde_json::{Value, json};
use sha2::Digest as _;
use tempfile::TempDir;
use time::OffsetDateTime;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::updater_client::{
    OrderProgress, ProgressCallback, ReleaseArchive, Timeouts, UpdaterClient,
};

/// One connection whose request's head has been read.
pub(crate) struct PeerRequest {
    pub(crate) head: String,
    pub(crate) stream: TlsStream<TcpStream>,
}

impl PeerRequest {
    pub(crate) fn is(&self, start: &str) -> bool {
        self.head.starts_with(start)
    }

    /// The value of a header of the request.
    pub(crate) fn header(&self, name: &str) -> String {
        let line = self.head.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
        line.unwrap_or_default().to_owned()
    }

    /// Bytes as they are. The peer may have left: that is a test's own business.
    pub(crate) async fn say(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.stream.write_all(bytes.as_ref()).await;
        let _ = self.stream.flush().await;
    }

    /// The archive, after having asked for it.
    pub(crate) async fn take_archive(&mut self) -> Vec<u8> {
        self.say("HTTP/1.1 100 Continue\r\n\r\n").await;
        let mut bytes = vec![0; self.header("content-length").parse().unwrap()];
        self.stream.read_exact(&mut bytes).await.unwrap();
        bytes
    }

    /// All that still comes until the client closes.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let _ = self.stream.read_to_end(&mut bytes).await;
        bytes
    }

    /// The head of a stream of events, which ends when the connection does.
    pub(crate) async fn begin_stream(&mut self) {
        self.say("HTTP/1.1 200 OK\r\ncontent-type: application/x-ndjson\r\n\r\n").await;
    }

    pub(crate) async fn line(&mut self, value: &Value) {
        self.say(format!("{value}\n")).await;
    }

    pub(crate) async fn json(&mut self, status: u16, value: &Value) {
        let body = value.to_string();
        let head = format!("HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n");
        self.say(format!("{head}content-length: {}\r\n\r\n{body}", body.len())).await;
    }
}

/// The certificates of a master and of peers.
pub(crate) struct ScriptedPeers {
    directory: TempDir,
    authority: Authority,
}

impl ScriptedPeers {
    pub(crate) fn new() -> Self {
        let fleet: Fleet = "swarm".parse().unwrap();
        let now = OffsetDateTime::now_utc();
        let authority = Authority::create(&fleet, now).unwrap();
        let directory = tempfile::tempdir().unwrap();
        write_bundles(&[authority.bundle(directory.path())]).unwrap();
        let peers = Self { directory, authority };
        peers.write(&peers.issue(Role::Master), "master");
        peers
    }

    pub(crate) fn updater(&self, host: &str) -> (Issued, Arc<ServerConfig>) {
        let issued = self.issue(Role::Updater(host.parse().unwrap()));
        let name = format!("updater-{}", issued.fingerprint);
        let directory = self.write(&issued, &name.replace(':', "-"));
        let identity = Identity::load(&Paths::updater(&directory)).unwrap();
        (issued, pki::server_config(&identity).unwrap())
    }

    pub(crate) fn tls(&self, host: &str, pinned: &Issued) -> Arc<ClientConfig> {
        let identity = Identity::load(&Paths::master(self.directory.path())).unwrap();
        let host: HostName = host.parse().unwrap();
        pki::updater_client_config(&identity, &host, &[pinned.fingerprint]).unwrap()
    }

    fn issue(&self, role: Role) -> Issued {
        self.authority.issue(&Request::new(role), OffsetDateTime::now_utc()).unwrap()
    }

    fn write(&self, issued: &Issued, name: &str) -> PathBuf {
        let directory = self.directory.path().join(name);
        write_bundles(&[issued.bundle(&self.authority, directory.clone())]).unwrap();
        directory
    }
}

/// Serves connections with `serve`, and gives back where.
pub(crate) async fn serve_peer<F, W>(tls: Arc<ServerConfig>, serve: F) -> String
where
    F: Fn(PeerRequest) -> W + Send + Sync + 'static,
    W: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let serve = Arc::new(serve);
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let acceptor = TlsAcceptor::from(Arc::clone(&tls));
            let serve = Arc::clone(&serve);
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(socket).await else { return };
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    let Ok(byte) = stream.read_u8().await else { return };
                    head.push(byte);
                }
                serve(PeerRequest { head: String::from_utf8(head).unwrap(), stream }).await;
            });
        }
    });
    address
}

/// The client of a host at whose address `serve` answers.
pub(crate) async fn scripted_peer<F, W>(serve: F) -> UpdaterClient
where
    F: Fn(PeerRequest) -> W + Send + Sync + 'static,
    W: Future<Output = ()> + Send + 'static,
{
    let peers = ScriptedPeers::new();
    let (issued, server) = peers.updater("web-1");
    let address = serve_peer(server, serve).await;
    let tls = peers.tls("web-1", &issued);
    UpdaterClient::new("web-1".parse().unwrap(), address, tls, 7, short_timeouts())
}

/// Short enough for a test that has to see a deadline pass.
pub(crate) fn short_timeouts() -> Timeouts {
    Timeouts {
        silence: Duration::from_millis(60),
        poll: Backoff::constant(Duration::from_millis(5)),
        lost: Duration::from_millis(100),
        ..Timeouts::default()
    }
}

pub(crate) fn app() -> AppName {
    "agent".parse().unwrap()
}

/// An archive of a few pieces.
pub(crate) fn release_archive(directory: &TempDir) -> (ReleaseArchive, Vec<u8>) {
    let bytes: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
    let path = directory.path().join("x.tar.zst");
    std::fs::write(&path, &bytes).unwrap();
    let digest = Digest::from_bytes(sha2::Sha256::digest(&bytes).into());
    let archive = ReleaseArchive {
        path,
        bytes: bytes.len() as u64,
        digest,
        label: None,
        gzip: false,
        needs_command: false,
        signed: None,
    };
    (archive, bytes)
}

/// A callback, and what it was called with.
pub(crate) fn record_progress() -> (ProgressCallback, Arc<Mutex<Vec<OrderProgress>>>) {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&heard);
    (Arc::new(move |said| kept.lock().unwrap().push(said)), heard)
}

pub(crate) fn digest(byte: u8) -> Digest {
    Digest::from_bytes([byte; 32])
}

/// A healthy host. `state` and `last` are as in `/health`.
pub(crate) fn health(state: &str, transaction: Option<&str>, last: &Value) -> Value {
    json!({
        "format": 1, "status": "ok", "host": "web-1", "version": "0.1.0",
        "digest": digest(9), "uptime_seconds": 5, "epoch": 7,
        "apps": {"agent": {
            "state": state, "since": "2026-01-01T00:00:00Z", "transaction": transaction,
            "healthy": true, "agent": "running", "pid": 4,
            "active": {"digest": digest(1), "version": "1", "path": "/x"},
            "last": last,
        }},
    })
}

/// How the transaction of this order ended, as in `/health`.
pub(crate) fn last(order: &str, outcome: &str) -> Value {
    ended(TRANSACTION, order, outcome)
}

/// How one before it ended.
pub(crate) fn earlier(outcome: &str) -> Value {
    ended("0190a5c2-6f00-7000-8000-00000000000f", "earlier", outcome)
}

fn ended(transaction: &str, order: &str, outcome: &str) -> Value {
    json!({
        "format": 1, "transaction": transaction, "kind": "update", "outcome": outcome,
        "detail": "why", "from": digest(1), "to": digest(2), "target": digest(2),
        "started_at": "2026-01-01T00:00:00Z", "ended_at": "2026-01-01T00:00:02Z",
        "order": order, "caller": "master",
    })
}

pub(crate) const TRANSACTION: &str = "0190a5c2-6f00-7000-8000-000000000000";

pub(crate) fn event(id: u64, more: &Value) -> Value {
    let mut event = json!({
        "id": id, "time": "2026-01-01T00:00:00Z", "app": "agent", "transaction": TRANSACTION,
    });
    event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    event
}

pub(crate) fn result(status: &str) -> Value {
    let probe = (status == "updated").then(
        || json!({"passed": true, "kind": "http", "proof": "echo", "attempts": 1, "detail": "200"}),
    );
    event(
        99,
        &json!({
            "type": "result", "status": status, "code": null, "release": null,
            "from": digest(1), "to": digest(2), "probe": probe, "duration_ms": 5,
        }),
    )
}
