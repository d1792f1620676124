//! Crowds of connections that want nothing, or too much, while an update is under way: the master
//! is answered all the time, the update ends well, and the updater needs no more than its bounds.

use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::Command;

use anyhow::{Context as _, Result};
use fleet_tests::{
    Availability, DowntimeProbe, Host, LONG, RawConnection, Release, Setup, Tree, descriptors_of,
    eventually, sockets_of,
};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use protocol::{Phase, Status};
use tokio::net::TcpSocket;

/// What an updater opens besides its connections: logs, journals, the runtime's own.
const OWN_DESCRIPTORS: usize = 64;
/// What it may need for as many connections as the defaults allow, in MiB.
const MEBIBYTES: f64 = 96.0;

/// A host that runs a release, and has received half of the next one.
struct ReceivingHost {
    host: Host,
    release: Release,
    order: RawConnection,
}

impl ReceivingHost {
    fn new(setup: &Setup) -> Result<Self> {
        let host = Host::alone(setup)?;
        host.installs("one")?;
        let release = Tree::healthy("two")?;
        let mut order = host.connect()?;
        let (digest, length) = (release.content_digest(), release.bytes.len());
        order.send(format!(
            "POST /update HTTP/1.1\r\nhost: web-1\r\ncontent-type: application/zstd\r\n\
             content-digest: {digest}\r\ncontent-length: {length}\r\n\r\n"
        ))?;
        order.send(&release.bytes[..length / 2])?;
        eventually("half of the archive to be there", LONG, || {
            host.app().ok().filter(|app| app.state == Phase::Receiving)
        })?;
        Ok(Self { host, release, order })
    }

    /// The rest of the release arrives, and is what runs.
    fn ends_well(mut self) -> Result<()> {
        self.order.send(&self.release.bytes[self.release.bytes.len() / 2..])?;
        assert_eq!(self.order.read_answer()?.result()?.status, Status::Updated);
        assert_eq!(self.host.running(), Some(self.release.digest));
        assert_eq!(self.host.history().len(), 2, "{:?}", self.host.history());
        Ok(())
    }
}

/// For whoever looks at the figures: `cargo nextest run --no-capture`.
fn show(what: &str, seen: &Availability) -> Result<()> {
    Ok(writeln!(std::io::stderr(), "{what}: {seen:?}")?)
}

/// Connections from these addresses.
fn connect_from(sources: impl Iterator<Item = Ipv4Addr>, to: SocketAddr) -> Result<Vec<TcpStream>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(async {
        let mut crowd = Vec::new();
        for source in sources {
            let socket = TcpSocket::new_v4()?;
            socket.bind(SocketAddr::new(source.into(), 0))?;
            crowd.push(socket.connect(to).await?.into_std()?);
        }
        Ok(crowd)
    })
}

#[test]
fn ten_thousand_strangers_cost_a_master_nothing() -> Result<()> {
    let receiving = ReceivingHost::new(&Setup::default().limits("body_timeout", "'5m'"))?;
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, 12_000, hard.max(12_000)).context("open 12,000 sockets")?;
    let probe = DowntimeProbe::begin(&receiving.host)?;
    // Some come from one place, and some from a place each.
    let sources = (0..10_000_u32).map(|number| {
        let [.., high, low] = if number % 2 == 0 { [0; 4] } else { number.to_be_bytes() };
        Ipv4Addr::new(127, 200, high, low | 1)
    });
    let mut crowd = connect_from(sources, receiving.host.address)?;
    // The last of them begin a handshake, a byte at a time, and never come to its end.
    let hello = [&b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..], &[7; 53]].concat();
    for byte in hello {
        for slow in &mut crowd[9_500..] {
            // Most have been hung up on.
            let _ = slow.write(&[byte]);
        }
    }
    let seen = probe.end()?;
    show("10,000 strangers", &seen)?;
    assert!(seen.descriptors <= 4 * 200 + OWN_DESCRIPTORS, "{seen:?}");
    assert!(seen.mebibytes <= MEBIBYTES, "{seen:?}");
    receiving.ends_well()
}

#[test]
fn an_agents_certificate_takes_places_from_nobody_else() -> Result<()> {
    let setup = Setup::default().limits("body_timeout", "'5m'").limits("connections", "32");
    let receiving = ReceivingHost::new(&setup)?;
    let agent = receiving.host.issue("agent/web-1")?;
    let probe = DowntimeProbe::begin(&receiving.host)?;
    let mut crowd = Vec::new();
    for _ in 0..200 {
        let mut idle = receiving.host.connect_as(&agent)?;
        idle.send("GET /health HTTP/1.1\r\nhost: web-1\r\n")?;
        crowd.push(idle);
    }
    // The oldest of its own have made room for it.
    crowd[199].send("\r\n")?;
    assert_eq!(crowd[199].read_answer()?.status, 200);
    assert!(crowd[0].read_to_end().is_empty());
    let seen = probe.end()?;
    show("200 connections of an agent", &seen)?;
    assert!(seen.descriptors <= 4 * 32 + OWN_DESCRIPTORS, "{seen:?}");
    receiving.ends_well()
}

#[test]
fn those_who_do_not_read_what_they_asked_for_are_hung_up_on() -> Result<()> {
    let host = Host::alone(&Setup::default().limits("body_timeout", "'2s'"))?;
    host.installs("one")?;
    let updater = host.updater()?;
    let agent = host.issue("agent/web-1")?;
    let before = sockets_of(updater);
    let probe = DowntimeProbe::begin(&host)?;
    // More answers than the system's buffers hold.
    let requests = 30_000;
    let mut deaf = host.connect_as(&agent)?;
    deaf.send("GET /health HTTP/1.1\r\nhost: web-1\r\n\r\n".repeat(requests))?;
    // What happens is kept once, however many listen and do not read.
    let mut listeners = Vec::new();
    for _ in 0..50 {
        let mut listener = host.connect()?;
        listener.send("GET /events HTTP/1.1\r\nhost: web-1\r\nlast-event-id: 0\r\n\r\n")?;
        assert_eq!(listener.read_answer()?.status, 200);
        listeners.push(listener);
    }
    host.installs("two")?;
    host.installs("three")?;
    eventually("the deaf one to be hung up on", LONG, || {
        deaf.is_closed().ok().filter(|over| *over)
    })?;
    let heard = deaf.read_to_end();
    let answers = heard.windows(15).filter(|part| part == b"HTTP/1.1 200 OK").count();
    assert!(answers < requests, "nothing ever stuck");
    drop(listeners);
    let seen = probe.end()?;
    show("those who do not read", &seen)?;
    assert!(seen.mebibytes <= MEBIBYTES, "{seen:?}");
    eventually("all of them to be gone", LONG, || (sockets_of(updater) <= before).then_some(()))
}

#[test]
fn an_updater_without_descriptors_left_answers_when_strangers_have_made_room() -> Result<()> {
    let receiving = ReceivingHost::new(&Setup::default().limits("handshake_timeout", "'5m'"))?;
    let updater = receiving.host.updater()?;
    let allowed = descriptors_of(updater) + 20;
    let limit = |most: &str| {
        let pid = updater.to_string();
        let status =
            Command::new("prlimit").args(["--pid", &pid, &format!("--nofile={most}")]).status();
        anyhow::ensure!(status?.success(), "prlimit failed");
        anyhow::Ok(())
    };
    limit(&format!("{allowed}:"))?;
    let mut crowd = Vec::new();
    for _ in 0..200 {
        crowd.push(RawConnection::plain(receiving.host.address)?);
    }
    // None of them leaves by itself, and no time makes them.
    eventually("the master to be answered", LONG, || receiving.host.health().ok())?;
    limit("1024:")?;
    receiving.ends_well()
}
