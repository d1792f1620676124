//! The master's side of a connection to an updater.
//!
//! A configuration is for one host. Whatever the caller dials, it is that host's updater with one of
//! its recorded certificates that answers, or the handshake fails: there is no connection on which
//! the bytes could go elsewhere.

use std::sync::Arc;

use protocol::HostName;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, SignatureScheme};
use rustls_pki_types::{CertificateDer, DnsName, ServerName, UnixTime};

use crate::handshake::{check_usage, of_chain, refuse};
use crate::tls::{HTTP_1_1, VERSIONS, provider};
use crate::{Fingerprint, HandshakeError, Identity, Peer, Role, RoleUri, TlsError};

/// TLS towards the updater of a host, whose certificate must be one of those pinned: the current
/// one, and while it is being renewed the next one too.
pub fn updater_client_config(
    identity: &Identity,
    host: &HostName,
    pinned: &[Fingerprint],
) -> Result<Arc<ClientConfig>, TlsError> {
    if pinned.is_empty() {
        return Err(TlsError::NotPinned(host.clone()));
    }
    let credentials = identity.credentials();
    let chain = WebPkiServerVerifier::builder_with_provider(credentials.roots(), provider());
    let verifier = UpdaterVerifier {
        chain: chain.build()?,
        name: server_name(host)?,
        expected: RoleUri {
            fleet: identity.peer().fleet.clone(),
            role: Role::Updater(host.clone()),
        },
        pinned: pinned.to_vec(),
    };
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(VERSIONS)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_client_cert_resolver(credentials.resolver());
    // A resumed session would skip the verifier.
    config.resumption = Resumption::disabled();
    config.alpn_protocols = vec![HTTP_1_1.to_vec()];
    Ok(Arc::new(config))
}

/// The name to dial a host's updater by. Its address is only where to.
pub fn server_name(host: &HostName) -> Result<ServerName<'static>, TlsError> {
    let name = DnsName::try_from(host.as_str().to_owned())
        .map_err(|_| TlsError::NoServerName(host.clone()))?;
    Ok(ServerName::DnsName(name))
}

/// Asks for a chain to our CA, a usage and the host's name, as rustls' own verifier does, and for
/// the host's updater with a recorded certificate besides.
#[derive(Debug)]
struct UpdaterVerifier {
    chain: Arc<WebPkiServerVerifier>,
    name: ServerName<'static>,
    expected: RoleUri,
    pinned: Vec<Fingerprint>,
}

impl ServerCertVerifier for UpdaterVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _dialled: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verdict = self
            .chain
            .verify_server_cert(end_entity, &[], &self.name, ocsp_response, now)
            .map_err(of_chain);
        // The name is looked at last, and the role says more about who answered instead.
        if let Err(error) = &verdict
            && !is_about_the_name(error)
        {
            return verdict;
        }
        check_usage(end_entity, |usages| usages.server_auth)?;
        let peer = Peer::of(end_entity).map_err(|error| refuse(error.into()))?;
        let found = RoleUri { fleet: peer.fleet, role: peer.role };
        if found != self.expected {
            let expected = self.expected.clone();
            return Err(refuse(HandshakeError::WrongRole { expected, found }));
        }
        if !self.pinned.contains(&peer.fingerprint) {
            let found = peer.fingerprint;
            return Err(refuse(HandshakeError::WrongFingerprint { found }));
        }
        verdict
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

fn is_about_the_name(error: &rustls::Error) -> bool {
    matches!(
        error,
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }
        )
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rustls::ServerConfig;
    use time::OffsetDateTime;

    use super::*;
    use crate::testing::{Outcome, TestPki, connect, impostor, uri};
    use crate::{Issued, PeerError, server_config};

    fn web_1() -> HostName {
        "web-1".parse().unwrap()
    }

    fn towards_web_1(world: &TestPki, pinned: Fingerprint) -> Arc<ClientConfig> {
        updater_client_config(&world.member("master"), &web_1(), &[pinned]).unwrap()
    }

    /// A server presents this, and a master who has it pinned, as if it were web-1's, dials web-1.
    async fn presented(world: &TestPki, issued: &Issued) -> Outcome {
        let client = towards_web_1(world, issued.fingerprint);
        connect(world.server_with(issued), client, "web-1").await
    }

    #[tokio::test]
    async fn the_pinned_updater_is_reached() {
        let world = TestPki::new();
        let (current, next) = (world.issue("updater/web-1"), world.issue("updater/web-1"));
        let pinned = [current.fingerprint, next.fingerprint];
        let master = world.member("master");
        let client = updater_client_config(&master, &web_1(), &pinned).unwrap();
        for issued in [current, next] {
            let server = server_config(&world.identity(&issued)).unwrap();
            let (server, client) = connect(server, client.clone(), "web-1").await.good();
            let seen = crate::peer_of(client.get_ref().1.peer_certificates()).unwrap();
            assert_eq!(seen.fingerprint, issued.fingerprint);
            let seen = crate::peer_of(server.get_ref().1.peer_certificates()).unwrap();
            assert_eq!(seen, *master.peer());
            assert_eq!(client.get_ref().1.alpn_protocol(), Some(HTTP_1_1));
        }
    }

    #[tokio::test]
    async fn lesson_29_the_pin_is_checked_on_the_connection_that_carries_the_bytes() {
        let world = TestPki::new();
        let (pinned, answers) = (world.issue("updater/web-1"), world.issue("updater/web-1"));
        let client = towards_web_1(&world, pinned.fingerprint);
        // Asked twice by one configuration: the pinned one answers first, then another.
        let honest = server_config(&world.identity(&pinned)).unwrap();
        connect(honest, client.clone(), "web-1").await.good();
        let other = server_config(&world.identity(&answers)).unwrap();
        let outcome = connect(other, client, "web-1").await;
        let found = answers.fingerprint;
        assert_eq!(outcome.at_client(), HandshakeError::WrongFingerprint { found });
        assert!(outcome.server.is_err(), "not a byte got through");
    }

    #[tokio::test]
    async fn another_hosts_updater_is_refused_even_if_pinned() {
        let world = TestPki::new();
        let expected: RoleUri = "spiffe://swarm/updater/web-1".parse().unwrap();
        let found: RoleUri = "spiffe://swarm/updater/web-2".parse().unwrap();
        let outcome = presented(&world, &world.issue("updater/web-2")).await;
        assert_eq!(
            outcome.at_client(),
            HandshakeError::WrongRole { expected: expected.clone(), found: found.clone() }
        );
        // Nor does it help it that its certificate has the other host's name too.
        let named = world.odd("updater/web-2", |parameters| {
            parameters.subject_alt_names.push(rcgen::SanType::DnsName("web-1".try_into().unwrap()));
        });
        let outcome = presented(&world, &named).await;
        assert_eq!(outcome.at_client(), HandshakeError::WrongRole { expected, found });
    }

    #[tokio::test]
    async fn the_host_counts_and_not_the_name_that_is_dialled() {
        let world = TestPki::new();
        let [one, two] = ["updater/web-1", "updater/web-2"].map(|role| world.issue(role));
        let client = towards_web_1(&world, one.fingerprint);
        let outcome = connect(world.server_with(&two), client.clone(), "web-2").await;
        assert!(matches!(outcome.at_client(), HandshakeError::WrongRole { .. }));
        connect(world.server_with(&one), client, "web-2").await.client.unwrap();
    }

    #[tokio::test]
    async fn an_agent_cannot_pose_as_its_hosts_updater() {
        let world = TestPki::new();
        let outcome = presented(&world, &world.issue("agent/web-1")).await;
        let HandshakeError::WrongRole { found, .. } = outcome.at_client() else { panic!() };
        assert_eq!(found.to_string(), "spiffe://swarm/agent/web-1");
    }

    #[tokio::test]
    async fn the_pinned_certificate_is_worth_nothing_without_its_key() {
        let world = TestPki::new();
        let [shown, held] = [(); 2].map(|()| world.issue("updater/web-1"));
        let mut server = (*world.server_with(&shown)).clone();
        server.cert_resolver = impostor(&shown, &held);
        let client = towards_web_1(&world, shown.fingerprint);
        let outcome = connect(Arc::new(server), client, "web-1").await;
        assert_eq!(outcome.at_client(), HandshakeError::BadSignature);
    }

    #[tokio::test]
    async fn a_server_of_a_foreign_ca_is_refused_even_if_pinned() {
        let (world, foreign) = (TestPki::new(), TestPki::new());
        let issued = foreign.issue("updater/web-1");
        let client = towards_web_1(&world, issued.fingerprint);
        let outcome = connect(foreign.server_with(&issued), client, "web-1").await;
        assert_eq!(outcome.at_client(), HandshakeError::ForeignAuthority);
        let refused = outcome.server.map(|_| ()).unwrap_err();
        assert_eq!(
            HandshakeError::find(&refused),
            Some(HandshakeError::Refused(crate::Refusal::ForeignAuthority))
        );
    }

    #[tokio::test]
    async fn a_server_that_is_not_valid_now_is_refused_with_the_date() {
        let world = TestPki::new();
        let now = OffsetDateTime::now_utc().truncate_to_second();
        let yesterday = now - Duration::from_hours(24);
        let tomorrow = now + Duration::from_hours(24);
        let expired = world.odd("updater/web-1", |parameters| {
            parameters.not_before = yesterday - Duration::from_mins(1);
            parameters.not_after = yesterday;
        });
        let outcome = presented(&world, &expired).await;
        assert_eq!(outcome.at_client(), HandshakeError::Expired(Some(yesterday)));
        let early = world.odd("updater/web-1", |parameters| parameters.not_before = tomorrow);
        let outcome = presented(&world, &early).await;
        assert_eq!(outcome.at_client(), HandshakeError::NotYetValid(Some(tomorrow)));
    }

    #[tokio::test]
    async fn a_server_with_a_clients_usage_or_without_its_name_is_refused() {
        let world = TestPki::new();
        let client_only = world.odd("updater/web-1", |parameters| {
            parameters.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
        });
        let outcome = presented(&world, &client_only).await;
        assert_eq!(outcome.at_client(), HandshakeError::WrongPurpose);
        let nameless = world.odd("updater/web-1", |parameters| {
            parameters.subject_alt_names = vec![uri("spiffe://swarm/updater/web-1")];
        });
        let outcome = presented(&world, &nameless).await;
        assert_eq!(outcome.at_client(), HandshakeError::WrongName("web-1".into()));
    }

    #[tokio::test]
    async fn a_server_of_two_roles_or_none_is_refused() {
        let world = TestPki::new();
        let two = world.odd("updater/web-1", |parameters| {
            parameters.subject_alt_names.push(uri("spiffe://swarm/updater/web-2"));
        });
        let outcome = presented(&world, &two).await;
        assert_eq!(outcome.at_client(), HandshakeError::NoRole(PeerError::SeveralRoles(2)));
        let none = world.odd("updater/web-1", |parameters| {
            parameters.subject_alt_names.remove(0);
        });
        let outcome = presented(&world, &none).await;
        assert_eq!(outcome.at_client(), HandshakeError::NoRole(PeerError::NoRole));
    }

    #[tokio::test]
    async fn a_server_of_tls_1_2_is_refused() {
        let world = TestPki::new();
        let issued = world.issue("updater/web-1");
        let mut old = (*world.server_with(&issued)).clone();
        old = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS12])
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(old.cert_resolver);
        let client = towards_web_1(&world, issued.fingerprint);
        let outcome = connect(Arc::new(old), client, "web-1").await;
        let refused = HandshakeError::Refused(crate::Refusal::OldVersion);
        assert_eq!(outcome.at_client(), refused);
    }

    #[tokio::test]
    async fn each_connection_is_a_full_handshake_though_the_server_offers_tickets() {
        let world = TestPki::new();
        let issued = world.issue("updater/web-1");
        let server = world.server_with(&issued);
        assert!(server.send_tls13_tickets > 0);
        let client = towards_web_1(&world, issued.fingerprint);
        for _ in 0..2 {
            let outcome = connect(server.clone(), client.clone(), "web-1").await;
            let (_, connection) = outcome.good();
            let kind = connection.get_ref().1.handshake_kind();
            assert_eq!(kind, Some(rustls::HandshakeKind::Full));
        }
    }

    #[test]
    fn a_host_without_a_recorded_fingerprint_is_refused() {
        let refused = updater_client_config(&TestPki::new().member("master"), &web_1(), &[]);
        assert!(matches!(refused, Err(TlsError::NotPinned(host)) if host == web_1()));
    }
}
