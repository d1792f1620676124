//! Every route, asked by every identity that there can be: what each of them is answered.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};
use fleet_tests::{Ca, Fleet, Host, RawConnection, Release, Setup, Tree, role_name, self_signed};
use pki::{HandshakeError, Paths, Refusal};
use rcgen::ExtendedKeyUsagePurpose;
use time::{Duration, OffsetDateTime};

const FORBIDDEN: &str = "403 role_forbidden";
const NO_ROUTE: &str = "404 not_found";
const NO_METHOD: &str = "405 method_not_allowed";

/// Who is let in, in the order of the columns below.
const LET_IN: [&str; 8] = [
    "master",
    "monitor/prometheus",
    "agent/web-1",
    "updater/web-1",
    "agent/web-2",
    "updater/web-2",
    // Of a host that was decommissioned. Its certificates hold until they expire.
    "agent/old-1",
    "updater/old-1",
];

/// What each route answers to each of them, to a request that is a good one from a master. The
/// lines are in an order in which a master can ask them.
#[rustfmt::skip]
const ANSWERS: [(&str, [&str; 8]); 16] = [
    // route                          master                     monitor    own agent  own updater
    //                                another agent              updater    old agent  old updater
    ("GET /health",                  ["200",                     "200",     "200",     FORBIDDEN,
                                      FORBIDDEN,                 FORBIDDEN, FORBIDDEN, FORBIDDEN]),
    ("GET /metrics",                 ["200",                     "200",     FORBIDDEN, FORBIDDEN,
                                      FORBIDDEN,                 FORBIDDEN, FORBIDDEN, FORBIDDEN]),
    ("GET /releases",                ["200",                     FORBIDDEN, FORBIDDEN, FORBIDDEN,
                                      FORBIDDEN,                 FORBIDDEN, FORBIDDEN, FORBIDDEN]),
    ("GET /history",                 ["200",                     FORBIDDEN, FORBIDDEN, FORBIDDEN,
                                      FORBIDDEN,                 FORBIDDEN, FORBIDDEN, FORBIDDEN]),
    ("GET /logs",                    ["200",                     FORBIDDEN, FORBIDDEN, FORBIDDEN,
                                      FORBIDDEN,                 FORBIDDEN, FORBIDDEN, FORBIDDEN]),
    ("PUT /releases/{digest}",       ["201",                     FORBIDDEN, FORBIDDEN, FORBIDDEN,
                                      FORBIDDEN,                 FORBIDDEN, FORBIDDEN, FORBIDDEN]),
    ("POST /update",                 ["200",                     FORBIDDEN, FORBIDDEN, FORBIDDEN,
                                      FORBIDDEN,                 FORBIDDEN, FORBIDDEN, FORBIDDEN]),
    ("DELETE /update",               ["404 unknown_transaction", FORBIDDEN, FORBIDDEN, FORBIDDEN,
                                      FORBIDDEN,                 FORBIDDEN, FORBIDDEN, FORBIDDEN]),
    ("POST /update-self",            ["422 archive_rejected",    FORBIDDEN, FORBIDDEN, FORBIDDEN,
                                      FORBIDDEN,                 FORBIDDEN, FORBIDDEN, FORBIDDEN]),
    ("POST /rollback",               ["404 no_previous_release", FORBIDDEN, FORBIDDEN, FORBIDDEN,
                                      FORBIDDEN,                 FORBIDDEN, FORBIDDEN, FORBIDDEN]),
    ("POST /confirm/{transaction}",  ["404 unknown_transaction", FORBIDDEN, FORBIDDEN, FORBIDDEN,
                                      FORBIDDEN,                 FORBIDDEN, FORBIDDEN, FORBIDDEN]),
    ("POST /drill",                  ["200",                     FORBIDDEN, FORBIDDEN, FORBIDDEN,
                                      FORBIDDEN,                 FORBIDDEN, FORBIDDEN, FORBIDDEN]),
    ("GET /events",                  ["200",                     FORBIDDEN, FORBIDDEN, FORBIDDEN,
                                      FORBIDDEN,                 FORBIDDEN, FORBIDDEN, FORBIDDEN]),
    ("GET /evidence/{transaction}",  ["404 unknown_transaction", FORBIDDEN, FORBIDDEN, FORBIDDEN,
                                      FORBIDDEN,                 FORBIDDEN, FORBIDDEN, FORBIDDEN]),
    ("GET /nothing",                 ["404 not_found",           NO_ROUTE,  NO_ROUTE,  NO_ROUTE,
                                      NO_ROUTE,                  NO_ROUTE,  NO_ROUTE,  NO_ROUTE]),
    ("PATCH /health",                ["405 method_not_allowed",  NO_METHOD, NO_METHOD, NO_METHOD,
                                      NO_METHOD,                 NO_METHOD, NO_METHOD, NO_METHOD]),
];

/// Who is refused in the handshake, with what they are told, whatever they would ask.
const REFUSED: [(&str, Refusal); 11] = [
    ("nobody", Refusal::NoCertificate),
    ("a foreign CA's master", Refusal::ForeignAuthority),
    ("a self-signed master", Refusal::ForeignAuthority),
    ("an expired master", Refusal::NotValidNow),
    ("a master of tomorrow", Refusal::NotValidNow),
    ("a certificate without a role", Refusal::NotAccepted),
    ("an agent and a master at once", Refusal::NotAccepted),
    ("a role that there is not", Refusal::NotAccepted),
    ("a master of another fleet", Refusal::NotAccepted),
    ("a master for servers only", Refusal::WrongPurpose),
    ("a master for neither", Refusal::WrongPurpose),
];

/// A host `web-1` that runs, one beside it, one that was decommissioned, and who is in [`LET_IN`].
struct RouteFixture {
    fleet: Fleet,
    identities: Vec<Paths>,
    release: Release,
}

impl RouteFixture {
    fn new() -> Result<Self> {
        let mut fleet = Fleet::of(1, &Setup::default())?;
        for name in ["web-2", "old-1"] {
            fleet.enroll(name, &Setup::default())?;
        }
        fleet.swarm(["decommission", "old-1"])?.good()?;
        let monitor =
            Self::ca(&fleet)?.issue("monitor/prometheus", &Self::at(&fleet, "monitor"))?;
        let identities = LET_IN.map(|role| match role.split_once('/') {
            None => Paths::master(&fleet.home()),
            Some(("agent", host)) => Paths::agent(&Self::at(&fleet, host).join("bundle/agent")),
            Some(("updater", host)) => {
                Paths::updater(&Self::at(&fleet, host).join("bundle/updater"))
            }
            Some(_) => monitor.clone(),
        });
        Ok(Self { fleet, identities: identities.to_vec(), release: Tree::healthy("one")? })
    }

    fn at(fleet: &Fleet, name: &str) -> PathBuf {
        fleet.sandbox().path().join(name)
    }

    fn ca(fleet: &Fleet) -> Result<Ca> {
        Ca::load(&fleet.home())
    }

    fn host(&self) -> &Host {
        &self.fleet.hosts[0]
    }

    /// Who is in [`REFUSED`].
    fn refused(&self, who: &str) -> Result<Option<Paths>> {
        let directory = Self::at(&self.fleet, &who.replace(' ', "-"));
        let ca = Self::ca(&self.fleet)?;
        let day = Duration::days(1);
        let now = OffsetDateTime::now_utc();
        let (agent, master) = (role_name("agent/web-1")?, role_name("master")?);
        let unknown = role_name("root")?;
        let blue = rcgen::SanType::URI("spiffe://blue/master".try_into()?);
        let odd = match who {
            "nobody" => return Ok(None),
            "a foreign CA's master" => {
                Ca::create(&directory.join("home"))?.issue("master", &directory.join("master"))
            }
            "a self-signed master" => self_signed(&directory),
            "an expired master" => ca.issue_odd(&directory, |odd| {
                (odd.not_before, odd.not_after) = (now - day * 2, now - day);
            }),
            "a master of tomorrow" => ca.issue_odd(&directory, |odd| {
                (odd.not_before, odd.not_after) = (now + day, now + day * 2);
            }),
            "a certificate without a role" => {
                ca.issue_odd(&directory, |odd| odd.subject_alt_names.clear())
            }
            "an agent and a master at once" => {
                ca.issue_odd(&directory, |odd| odd.subject_alt_names = vec![agent, master])
            }
            "a role that there is not" => {
                ca.issue_odd(&directory, |odd| odd.subject_alt_names = vec![unknown])
            }
            "a master of another fleet" => {
                ca.issue_odd(&directory, |odd| odd.subject_alt_names = vec![blue])
            }
            "a master for servers only" => ca.issue_odd(&directory, |odd| {
                odd.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
            }),
            "a master for neither" => ca.issue_odd(&directory, |odd| {
                odd.extended_key_usages = vec![ExtendedKeyUsagePurpose::EmailProtection];
            }),
            other => anyhow::bail!("who is {other}?"),
        };
        odd.map(Some)
    }

    /// A good request for a route, as bytes.
    fn request(&self, route: &str) -> Result<Vec<u8>> {
        let (method, path) = route.split_once(' ').context("a method and a path")?;
        let path = path
            .replace("{digest}", &self.release.digest.to_string())
            .replace("{transaction}", "0190a5c2-6f00-7000-8000-000000000000")
            .replace("/update-self", "/update-self?confirm_self=true");
        let mut text = format!("{method} {path} HTTP/1.1\r\nhost: web-1\r\n");
        let mut body: &[u8] = &[];
        if matches!(route, "PUT /releases/{digest}" | "POST /update" | "POST /update-self") {
            body = &self.release.bytes;
            let digest = self.release.content_digest();
            write!(text, "content-type: application/zstd\r\ncontent-digest: {digest}\r\n")?;
        }
        if route == "POST /drill" {
            // The head is enough, and comes before the end.
            write!(text, "accept: application/x-ndjson\r\n")?;
        }
        write!(text, "content-length: {}\r\n\r\n", body.len())?;
        Ok([text.as_bytes(), body].concat())
    }

    /// What a route answers: its status, and the code of a problem.
    fn ask(&self, identity: Option<&Paths>, route: &str) -> Result<String> {
        let mut connection = RawConnection::tls(self.host().address, identity)?;
        // Whoever is refused may already have been told.
        let said = connection.send(self.request(route)?);
        let answer = connection.read_answer().or_else(|error| said.and(Err(error)))?;
        if answer.status < 400 {
            return Ok(answer.status.to_string());
        }
        Ok(format!("{} {}", answer.status, answer.problem()?.code))
    }

    fn is_untouched(&self) {
        let host = self.host();
        assert!(host.store().is_empty() && host.incoming().is_empty());
        assert!(host.history().is_empty(), "{:?}", host.history());
    }
}

/// The routes that the updater has.
fn routes() -> Vec<String> {
    let routes = updater::api::routes();
    routes.iter().map(|route| format!("{} {}", route.method, route.path)).collect()
}

#[test]
fn lesson_28_each_route_answers_each_identity_as_the_table_says() -> Result<()> {
    let mut known: Vec<String> = ANSWERS[..14].iter().map(|row| row.0.to_owned()).collect();
    let mut there = routes();
    known.sort();
    there.sort();
    assert_eq!(known, there, "the table and the routes differ");
    let fixture = RouteFixture::new()?;
    // Those who may do the least come first, and nothing has come of it when the master asks.
    for (column, identity) in fixture.identities.iter().enumerate().rev() {
        if column == 0 {
            fixture.is_untouched();
        }
        for (route, answers) in ANSWERS {
            let found = fixture.ask(Some(identity), route)?;
            assert_eq!(found, answers[column], "{route} of {}", LET_IN[column]);
        }
    }
    Ok(())
}

#[test]
fn whoever_is_no_member_is_refused_in_the_handshake_whatever_is_asked() -> Result<()> {
    let fixture = RouteFixture::new()?;
    for (who, refusal) in REFUSED {
        let identity = fixture.refused(who)?;
        for (route, _) in ANSWERS {
            let error = fixture.ask(identity.as_ref(), route).unwrap_err();
            let found = HandshakeError::find(error.as_ref());
            assert_eq!(found, Some(HandshakeError::Refused(refusal)), "{route} of {who}");
        }
    }
    fixture.is_untouched();
    Ok(())
}

#[test]
fn what_speaks_no_tls_1_3_gets_no_answer_whatever_is_asked() -> Result<()> {
    let fixture = RouteFixture::new()?;
    for (route, _) in ANSWERS {
        let (said, heard) = fixture.by_openssl("-tls1_2", &fixture.request(route)?)?;
        assert!(said.contains("protocol version") && !heard.contains("HTTP/"), "{route}: {said}");
        let mut plain = RawConnection::plain(fixture.host().address)?;
        plain.send(fixture.request(route)?)?;
        let heard = String::from_utf8_lossy(&plain.read_to_end()).into_owned();
        assert!(!heard.contains("HTTP/"), "{route}: {heard}");
    }
    fixture.is_untouched();
    Ok(())
}

#[test]
fn no_ticket_is_given_to_come_back_with() -> Result<()> {
    let fixture = RouteFixture::new()?;
    let request = "GET /health HTTP/1.1\r\nhost: web-1\r\nconnection: close\r\n\r\n";
    let (said, heard) = fixture.by_openssl("-tls1_3", request.as_bytes())?;
    assert!(heard.contains("HTTP/1.1 200 OK"), "{said}\n{heard}");
    assert!(!heard.contains("New Session Ticket"), "{heard}");
    Ok(())
}

impl RouteFixture {
    /// What OpenSSL's client says of a connection as the master, and what it heard there. It reads
    /// until the updater closes.
    fn by_openssl(&self, version: &str, request: &[u8]) -> Result<(String, String)> {
        let master = &self.identities[0];
        let mut client = Command::new("openssl")
            .args(["s_client", version, "-ign_eof", "-connect", &self.host().address.to_string()])
            .arg("-cert")
            .arg(&master.certificate)
            .arg("-key")
            .arg(&master.key)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        // It may have ended before it reads this.
        let _ = std::io::Write::write_all(&mut client.stdin.take().context("a pipe")?, request);
        let output = client.wait_with_output()?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok((text(&output.stderr), text(&output.stdout)))
    }
}
