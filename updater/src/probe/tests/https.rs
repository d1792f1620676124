//! An agent that is asked by HTTPS, with the certificates of a fleet.

use pki::{Authority, Request, Role};
use protocol::{HostName, ProbeKind, ProbeReport, Proof};

use super::{Running, quick};
use crate::config::{AppConfig, HealthConfig};
use crate::probe::{Probe, prove};

/// The certificates of a fleet's host, and an agent that serves HTTPS with them.
struct Secure {
    running: Running,
    identities: tempfile::TempDir,
}

impl Secure {
    /// `verify` is how the agent treats its clients: `CERT_REQUIRED` or `CERT_NONE`.
    fn new(verify: &str) -> Self {
        let identities = tempfile::tempdir().unwrap();
        let now = sys::wall_clock();
        let authority = Authority::create(&"test".parse().unwrap(), now).unwrap();
        let stranger = Authority::create(&"test".parse().unwrap(), now).unwrap();
        let host: HostName = "host-a".parse().unwrap();
        let issue = |authority: &Authority, role, name: &str| {
            let issued = authority.issue(&Request::new(role), now).unwrap();
            let bundle = issued.bundle(authority, identities.path().join(name));
            pki::write_bundles(&[bundle]).unwrap();
        };
        issue(&authority, Role::Agent(host.clone()), "agent");
        issue(&authority, Role::Updater(host.clone()), "updater");
        issue(&stranger, Role::Updater(host), "stranger");
        let running = Running::new(&format!(
            "import ssl\nserver = Server()\ndirectory = {:?}\n\
             context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)\n\
             context.load_cert_chain(directory + '/worker.crt', directory + '/worker.key')\n\
             context.load_verify_locations(directory + '/ca.crt')\n\
             context.verify_mode = ssl.{verify}\n\
             server.socket = context.wrap_socket(server.socket, server_side=True)\n\
             tell(server.server_port)\nserver.serve_forever()",
            identities.path().join("agent")
        ));
        Self { running, identities }
    }

    fn prove(&self, identity: &str, change: impl FnOnce(&mut HealthConfig)) -> ProbeReport {
        let url = Some(format!("https://localhost:{}/", self.running.port));
        let mut health = HealthConfig { url, ..quick() };
        change(&mut health);
        let app = AppConfig { health, ..AppConfig::new("/unused") };
        let probe = Probe::from_config(&app, &self.identities.path().join(identity)).unwrap();
        self.running.runtime.block_on(prove(&probe, &self.running.expectation(), |_| {}))
    }
}

#[test]
fn https_with_the_updaters_certificate_is_proven() {
    let agent = Secure::new("CERT_REQUIRED");
    let report = agent.prove("updater", |_| {});
    assert!(report.passed, "{}", report.detail);
    assert_eq!((report.proof, report.kind), (Some(Proof::Process), ProbeKind::Https));
    let report = agent.prove("updater", |health| health.release_pointer = Some("/path".to_owned()));
    assert_eq!(report.proof, Some(Proof::Echo), "{}", report.detail);
    // The agent asks for a certificate of its fleet.
    assert!(!agent.prove("updater", |health| health.anonymous = true).passed);
    assert!(!agent.prove("stranger", |health| health.verify = false).passed);
}

#[test]
fn https_takes_the_name_that_it_was_told_and_anything_of_this_machine_if_told() {
    let agent = Secure::new("CERT_NONE");
    let named = |name: &str| {
        let name = Some(name.to_owned());
        agent.prove("updater", |health| health.server_name = name)
    };
    assert!(named("localhost").passed);
    let wrong = named("elsewhere.example.org");
    assert!(!wrong.passed && !wrong.detail.contains("DnsName"), "{}", wrong.detail);
    assert!(
        wrong.detail.contains("and not for elsewhere.example.org: set `server_name`"),
        "{}",
        wrong.detail
    );
    let report = agent.prove("stranger", |health| health.insecure_localhost = true);
    assert!(report.passed, "{}", report.detail);
}

#[test]
fn https_believes_only_its_own_authority_unless_told_otherwise() {
    let agent = Secure::new("CERT_NONE");
    assert!(agent.prove("updater", |health| health.anonymous = true).passed);
    let report = agent.prove("stranger", |_| {});
    let said = "signed by a CA that the probe does not trust: name a directory with the ca.crt";
    assert!(report.detail.contains(said), "{}", report.detail);
    assert!(report.detail.contains("insecure_localhost"), "{}", report.detail);
    assert!(!report.passed);
    assert!(agent.prove("stranger", |health| health.verify = false).passed);
    let neither = |health: &mut HealthConfig| {
        health.verify = false;
        health.anonymous = true;
    };
    assert!(agent.prove("no-such-directory", neither).passed);
}
