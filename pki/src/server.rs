//! The updater's side of a connection.
//!
//! A client that is not a well-formed member of this fleet is refused in the handshake, on every
//! connection: no session is resumed. What each role may do is for the routes to say.

use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, ServerConfig, SignatureScheme};
use rustls_pki_types::{CertificateDer, UnixTime};

use crate::handshake::{check_usage, of_chain, refuse};
use crate::tls::{HTTP_1_1, VERSIONS, provider};
use crate::{Fleet, HandshakeError, Identity, Peer, Role, TlsError};

/// TLS for an updater that has this identity.
pub fn server_config(identity: &Identity) -> Result<Arc<ServerConfig>, TlsError> {
    let role = identity.role();
    if !matches!(role, Role::Updater(_)) {
        return Err(TlsError::NotAnUpdater(role.clone()));
    }
    let credentials = identity.credentials();
    let chain = WebPkiClientVerifier::builder_with_provider(credentials.roots(), provider());
    let verifier = MemberVerifier { chain: chain.build()?, fleet: identity.peer().fleet.clone() };
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(VERSIONS)?
        .with_client_cert_verifier(Arc::new(verifier))
        .with_cert_resolver(credentials.resolver());
    // A resumed session would skip the verifier.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.alpn_protocols = vec![HTTP_1_1.to_vec()];
    Ok(Arc::new(config))
}

/// Asks for a chain to our CA and for a usage, as rustls' own verifier does, and for a role in our
/// fleet besides: an extended key usage alone would let in whatever the CA signed for a client.
#[derive(Debug)]
struct MemberVerifier {
    chain: Arc<dyn ClientCertVerifier>,
    fleet: Fleet,
}

impl ClientCertVerifier for MemberVerifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.chain.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        // The CA signs no other one, and webpki does not look at the length of the path that its own
        // certificate allows.
        let verified = self.chain.verify_client_cert(end_entity, &[], now).map_err(of_chain)?;
        check_usage(end_entity, |usages| usages.client_auth)?;
        let peer = Peer::of(end_entity).map_err(|error| refuse(error.into()))?;
        if peer.fleet != self.fleet {
            let (expected, found) = (self.fleet.clone(), peer.fleet);
            return Err(refuse(HandshakeError::WrongFleet { expected, found }));
        }
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chain.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chain.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chain.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::Duration;

    use protocol::HostName;
    use rustls::ClientConfig;
    use rustls::client::{ClientSessionMemoryCache, ClientSessionStore, Resumption};
    use rustls::client::{Tls12ClientSessionValue, Tls13ClientSessionValue};
    use rustls::{HandshakeKind, NamedGroup};
    use rustls_pki_types::ServerName;
    use time::OffsetDateTime;

    use super::*;
    use crate::testing::{Outcome, TestPki, connect, impostor, uri};
    use crate::{
        Issued, PeerError, ProbeTrust, Refusal, peer_of, probe_client_config, updater_client_config,
    };

    fn updater(world: &TestPki) -> Arc<ServerConfig> {
        server_config(&world.member("updater/web-1")).unwrap()
    }

    /// A client presents this to the updater of web-1.
    async fn presented(world: &TestPki, issued: &Issued) -> Outcome {
        connect(updater(world), world.client_with(issued), "web-1").await
    }

    fn at_client(outcome: &Outcome) -> Refusal {
        match outcome.at_client() {
            HandshakeError::Refused(refusal) => refusal,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn lesson_28_the_server_knows_the_role_of_whoever_it_lets_in() {
        let world = TestPki::new();
        for role in ["master", "monitor/grafana", "agent/web-1", "updater/web-2"] {
            let issued = world.issue(role);
            let (server, _) = presented(&world, &issued).await.good();
            let peer = peer_of(server.get_ref().1.peer_certificates()).unwrap();
            assert_eq!(peer.role, issued.role);
            assert_eq!(peer.role.to_string(), role);
            assert_eq!(peer.fingerprint, issued.fingerprint);
        }
    }

    #[tokio::test]
    async fn a_certificate_that_says_nothing_of_its_usage_is_not_let_in() {
        let world = TestPki::new();
        let silent = world.odd("master", |params| params.extended_key_usages.clear());
        assert!(matches!(at_client(&presented(&world, &silent).await), Refusal::WrongPurpose));
    }

    #[test]
    fn a_certificate_below_another_one_than_the_cas_is_not_let_in() {
        let world = TestPki::new();
        let (leaf, above) = world.below_another("master");
        let identity = world.member("updater/web-1");
        let roots = identity.credentials().roots();
        let chain = WebPkiClientVerifier::builder_with_provider(roots, provider());
        let chain = chain.build().unwrap();
        let now = UnixTime::now();
        // It is webpki that would take it.
        chain.verify_client_cert(&leaf, std::slice::from_ref(&above), now).unwrap();
        let verifier = MemberVerifier { chain, fleet: Fleet::default() };
        assert!(verifier.verify_client_cert(&leaf, &[above], now).is_err());
    }

    #[tokio::test]
    async fn lesson_28_a_certificate_of_the_ca_without_one_good_role_is_not_let_in() {
        let world = TestPki::new();
        let with = |names: &[&str]| {
            world.odd("master", |parameters| {
                parameters.subject_alt_names = names.iter().map(|name| uri(name)).collect();
            })
        };
        let outcome = presented(&world, &with(&[])).await;
        assert_eq!(outcome.at_server(), HandshakeError::NoRole(PeerError::NoRole));
        assert_eq!(at_client(&outcome), Refusal::NotAccepted);
        let outcome =
            presented(&world, &with(&["spiffe://swarm/agent/a", "spiffe://swarm/master"])).await;
        assert_eq!(outcome.at_server(), HandshakeError::NoRole(PeerError::SeveralRoles(2)));
        for malformed in ["spiffe://swarm/root", "spiffe://swarm/master/", "https://swarm/master"] {
            let outcome = presented(&world, &with(&[malformed])).await;
            let verdict = outcome.at_server();
            assert!(
                matches!(verdict, HandshakeError::NoRole(PeerError::BadRole(_))),
                "{malformed}"
            );
        }
    }

    #[tokio::test]
    async fn a_role_of_another_fleet_is_not_let_in() {
        let world = TestPki::new();
        let other = world.odd("master", |parameters| {
            parameters.subject_alt_names = vec![uri("spiffe://blue/master")];
        });
        let verdict = presented(&world, &other).await.at_server();
        let (expected, found) = (Fleet::default(), "blue".parse().unwrap());
        assert_eq!(verdict, HandshakeError::WrongFleet { expected, found });
    }

    #[tokio::test]
    async fn a_foreign_ca_is_not_let_in_though_its_fleet_has_the_same_name() {
        let (world, foreign) = (TestPki::new(), TestPki::new());
        let client = foreign.client_with(&foreign.issue("master"));
        let outcome = connect(updater(&world), client, "web-1").await;
        assert_eq!(outcome.at_server(), HandshakeError::ForeignAuthority);
        assert_eq!(at_client(&outcome), Refusal::ForeignAuthority);
    }

    #[tokio::test]
    async fn a_client_that_is_not_valid_now_is_not_let_in() {
        let world = TestPki::new();
        let now = OffsetDateTime::now_utc().truncate_to_second();
        let yesterday = now - Duration::from_hours(24);
        let tomorrow = now + Duration::from_hours(24);
        let expired = world.odd("master", |parameters| {
            parameters.not_before = yesterday - Duration::from_mins(1);
            parameters.not_after = yesterday;
        });
        let outcome = presented(&world, &expired).await;
        assert_eq!(outcome.at_server(), HandshakeError::Expired(Some(yesterday)));
        assert_eq!(at_client(&outcome), Refusal::NotValidNow);
        let early = world.odd("master", |parameters| parameters.not_before = tomorrow);
        let outcome = presented(&world, &early).await;
        assert_eq!(outcome.at_server(), HandshakeError::NotYetValid(Some(tomorrow)));
    }

    #[tokio::test]
    async fn a_servers_usage_is_not_a_clients() {
        let world = TestPki::new();
        let server_only = world.odd("master", |parameters| {
            parameters.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
        });
        let outcome = presented(&world, &server_only).await;
        assert_eq!(outcome.at_server(), HandshakeError::WrongPurpose);
        assert_eq!(at_client(&outcome), Refusal::WrongPurpose);
    }

    #[tokio::test]
    async fn the_masters_certificate_is_worth_nothing_without_its_key() {
        let world = TestPki::new();
        let [shown, held] = [(); 2].map(|()| world.issue("master"));
        let mut client = (*world.client_with(&shown)).clone();
        client.client_auth_cert_resolver = impostor(&shown, &held);
        let outcome = connect(updater(&world), Arc::new(client), "web-1").await;
        assert_eq!(outcome.at_server(), HandshakeError::BadSignature);
    }

    #[tokio::test]
    async fn nobody_is_let_in_without_a_certificate() {
        let world = TestPki::new();
        let client = probe_client_config(None, ProbeTrust::Anyone).unwrap();
        let outcome = connect(updater(&world), client, "web-1").await;
        assert_eq!(outcome.at_server(), HandshakeError::NoCertificate);
        assert_eq!(at_client(&outcome), Refusal::NoCertificate);
    }

    /// TLS 1.2 is compiled in here, so that it is the configuration which refuses it.
    #[tokio::test]
    async fn tls_1_2_is_not_spoken() {
        let world = TestPki::new();
        let modern = world.client_with(&world.issue("master"));
        let old = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS12])
            .unwrap()
            .with_root_certificates(world.member("master").credentials().roots())
            .with_client_cert_resolver(Arc::clone(&modern.client_auth_cert_resolver));
        let outcome = connect(updater(&world), Arc::new(old), "web-1").await;
        assert_eq!(outcome.at_server(), HandshakeError::OldVersion);
        assert_eq!(at_client(&outcome), Refusal::OldVersion);
    }

    #[tokio::test]
    async fn what_does_not_speak_tls_is_told_so() {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let world = TestPki::new();
        let host: HostName = "web-1".parse().unwrap();
        let pinned = world.issue("updater/web-1").fingerprint;
        let client = updater_client_config(&world.member("master"), &host, &[pinned]).unwrap();
        let serve = async {
            let (mut socket, _) = listener.accept().await.unwrap();
            socket.read_u8().await.unwrap();
            socket.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
            socket
        };
        let dial = async {
            let socket = tokio::net::TcpStream::connect(address).await.unwrap();
            let name = crate::server_name(&host).unwrap();
            tokio_rustls::TlsConnector::from(client).connect(name, socket).await
        };
        let (_, dialled) = tokio::join!(serve, dial);
        let error = dialled.map(|_| ()).unwrap_err();
        assert_eq!(HandshakeError::find(&error), Some(HandshakeError::NotTls));
    }

    /// Keeps what a client is offered for resumption, and counts it.
    #[derive(Debug)]
    struct Tickets {
        kept: ClientSessionMemoryCache,
        count: Mutex<usize>,
    }

    impl ClientSessionStore for Tickets {
        fn set_kx_hint(&self, server: ServerName<'static>, group: NamedGroup) {
            self.kept.set_kx_hint(server, group);
        }

        fn kx_hint(&self, server: &ServerName<'_>) -> Option<NamedGroup> {
            self.kept.kx_hint(server)
        }

        fn set_tls12_session(&self, server: ServerName<'static>, value: Tls12ClientSessionValue) {
            *self.count.lock().unwrap() += 1;
            self.kept.set_tls12_session(server, value);
        }

        fn tls12_session(&self, server: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
            self.kept.tls12_session(server)
        }

        fn remove_tls12_session(&self, server: &ServerName<'static>) {
            self.kept.remove_tls12_session(server);
        }

        fn insert_tls13_ticket(&self, server: ServerName<'static>, value: Tls13ClientSessionValue) {
            *self.count.lock().unwrap() += 1;
            self.kept.insert_tls13_ticket(server, value);
        }

        fn take_tls13_ticket(
            &self,
            server: &ServerName<'static>,
        ) -> Option<Tls13ClientSessionValue> {
            self.kept.take_tls13_ticket(server)
        }
    }

    /// How many tickets a willing client gets in two connections, and the kind of the second.
    async fn tickets_of(
        world: &TestPki,
        server: Arc<ServerConfig>,
    ) -> (usize, Option<HandshakeKind>) {
        let tickets =
            Arc::new(Tickets { kept: ClientSessionMemoryCache::new(32), count: Mutex::new(0) });
        let mut client = (*world.client_with(&world.issue("master"))).clone();
        client.resumption = Resumption::store(Arc::clone(&tickets) as Arc<dyn ClientSessionStore>);
        let client = Arc::new(client);
        connect(Arc::clone(&server), Arc::clone(&client), "web-1").await.good();
        let (_, second) = connect(server, client, "web-1").await.good();
        let count = *tickets.count.lock().unwrap();
        (count, second.get_ref().1.handshake_kind())
    }

    #[tokio::test]
    async fn no_ticket_is_sent_and_nothing_is_resumed() {
        let world = TestPki::new();
        let found = tickets_of(&world, updater(&world)).await;
        assert_eq!(found, (0, Some(HandshakeKind::Full)));
        // The same client resumes with a server that lets it: the test would see it.
        let willing = world.server_with(&world.issue("updater/web-1"));
        let (count, kind) = tickets_of(&world, willing).await;
        assert!(count > 0);
        assert_eq!(kind, Some(HandshakeKind::Resumed));
    }

    #[test]
    fn only_an_updater_serves_as_one() {
        let world = TestPki::new();
        for role in ["master", "agent/web-1", "monitor/grafana"] {
            let refused = server_config(&world.member(role));
            assert!(matches!(refused, Err(TlsError::NotAnUpdater(_))), "{role}");
        }
    }
}
