//! Who may do what: each kind of caller, at each route.

use anyhow::Result;
use fleet_tests::{Ca, Client, Host, Place, Setup, Tree};
use pki::Paths;
use protocol::Code;

/// A host, and a directory for identities.
fn world() -> Result<(Place, Host, Ca)> {
    let place = Place::new()?;
    let host = Host::alone(&place, &Setup::default())?;
    let ca = Ca::load(&place.path().join("home"))?;
    Ok((place, host, ca))
}

fn as_role(place: &Place, host: &Host, ca: &Ca, role: &str) -> Result<Client> {
    let paths = ca.issue(role, &place.path().join(role.replace('/', "-")))?;
    host.client_as(Some(&paths))
}

fn is_turned_away(host: &Host, identity: Option<&Paths>) -> Result<()> {
    let client = host.client_as(identity)?;
    assert!(client.get("/health").is_err(), "the handshake was good");
    let release = Tree::healthy("one")?;
    let order = client
        .post("/update")
        .header("content-type", release.media_type())
        .header("content-digest", &release.content_digest())
        .body(release.bytes.clone());
    assert!(order.send().is_err(), "an order was answered");
    assert!(host.store().is_empty() && host.incoming().is_empty());
    Ok(())
}

/// Every route but `/health` and `/metrics` refuses the role, and nothing comes of it.
fn may_order_nothing(host: &Host, client: &Client) -> Result<()> {
    let release = Tree::healthy("one")?;
    let put = format!("/releases/{}", release.digest);
    let transaction = "0190a5c2-6f00-7000-8000-000000000000";
    let calls = [
        client
            .post("/update")
            .header("content-type", release.media_type())
            .header("content-digest", &release.content_digest())
            .body(release.bytes.clone()),
        client
            .call(reqwest::Method::PUT, &put)
            .header("content-type", release.media_type())
            .body(release.bytes.clone()),
        client.post("/rollback"),
        client.post("/update-self?confirm_self=true"),
        client.post(&format!("/confirm/{transaction}")),
        client.call(reqwest::Method::DELETE, "/update"),
        client.call(reqwest::Method::GET, "/releases"),
        client.call(reqwest::Method::GET, "/events"),
        client.call(reqwest::Method::GET, &format!("/evidence/{transaction}")),
    ];
    for call in calls {
        let shown = format!("{call:?}");
        let problem = call.send()?.problem()?;
        assert_eq!((problem.status, problem.code), (403, Code::RoleForbidden), "{shown}");
    }
    assert!(host.store().is_empty() && host.incoming().is_empty());
    assert!(host.history().is_empty());
    Ok(())
}

#[test]
fn lesson_28_a_workers_certificate_cannot_push() -> Result<()> {
    let (place, host, ca) = world()?;
    let agent = as_role(&place, &host, &ca, "agent/web-1")?;
    may_order_nothing(&host, &agent)?;
    // Its own updater's health is all that it may read.
    assert_eq!(agent.get("/health")?.status, 200);
    assert_eq!(agent.get("/metrics")?.problem()?.code, Code::RoleForbidden);
    let other = as_role(&place, &host, &ca, "agent/web-2")?;
    assert_eq!(other.get("/health")?.problem()?.code, Code::RoleForbidden);
    Ok(())
}

#[test]
fn lesson_28_another_hosts_updater_cannot_push() -> Result<()> {
    let (place, host, ca) = world()?;
    for role in ["updater/web-2", "updater/web-1"] {
        let paths = ca.issue(role, &place.path().join(role.replace('/', "-")))?;
        let client = host.client_as(Some(&paths))?;
        if let Ok(answer) = client.get("/health") {
            assert_eq!(answer.problem()?.code, Code::RoleForbidden, "{role}");
            may_order_nothing(&host, &client)?;
        }
    }
    Ok(())
}

#[test]
fn a_monitor_reads_health_and_metrics_and_nothing_else() -> Result<()> {
    let (place, host, ca) = world()?;
    let monitor = as_role(&place, &host, &ca, "monitor/prometheus")?;
    assert_eq!(monitor.get("/health")?.status, 200);
    let metrics = monitor.get("/metrics")?;
    assert_eq!(metrics.status, 200);
    assert!(metrics.text().contains("# TYPE "), "{metrics:?}");
    may_order_nothing(&host, &monitor)
}

#[test]
fn a_caller_without_a_certificate_is_turned_away() -> Result<()> {
    let (_place, host, _ca) = world()?;
    is_turned_away(&host, None)
}

#[test]
fn a_master_of_a_foreign_ca_is_turned_away() -> Result<()> {
    let (place, host, _ca) = world()?;
    let foreign = Ca::create(&place.path().join("foreign"))?;
    let master = foreign.issue("master", &place.path().join("foreign-master"))?;
    is_turned_away(&host, Some(&master))
}

#[test]
fn an_expired_master_is_turned_away() -> Result<()> {
    let (place, host, ca) = world()?;
    let expired = ca.issue_expired("master", &place.path().join("expired"))?;
    is_turned_away(&host, Some(&expired))
}

#[test]
fn a_key_that_others_can_read_is_refused_at_the_start() -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let place = Place::new()?;
    let host = Host::alone_and_idle(&place, &Setup::default())?;
    let key = host.directory.join("identity/updater.key");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644))?;
    host.start_crashing("")?;
    fleet_tests::eventually("the updater to say so", fleet_tests::LONG, || {
        host.log().contains("chmod").then_some(())
    })?;
    fleet_tests::eventually("the updater to be gone", fleet_tests::LONG, || {
        host.updater_processes().is_empty().then_some(())
    })?;
    assert!(host.master().get("/health").is_err());
    Ok(())
}

#[test]
fn tls_1_2_is_not_spoken() -> Result<()> {
    let (place, host, _ca) = world()?;
    let home = place.path().join("home");
    let client = |version: &str| {
        std::process::Command::new("openssl")
            .args(["s_client", "-brief", version, "-connect", &host.address.to_string()])
            .arg("-cert")
            .arg(home.join("master/master.crt"))
            .arg("-key")
            .arg(home.join("master/master.key"))
            .stdin(std::process::Stdio::null())
            .output()
    };
    let old = client("-tls1_2")?;
    assert!(!old.status.success(), "{}", String::from_utf8_lossy(&old.stderr));
    let new = client("-tls1_3")?;
    let said = String::from_utf8_lossy(&new.stderr).into_owned();
    assert!(said.contains("TLSv1.3"), "{said}");
    Ok(())
}
