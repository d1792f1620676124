//! The updater's side of an HTTPS probe: an agent's health, asked for over TLS.
//!
//! An agent need not be a member of the fleet: it may be anybody's program, with a certificate of
//! anybody's CA. So no role is asked for here. Even where nothing is verified, the other side must
//! hold the key of the certificate that it presents.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use crate::tls::{HTTP_1_1, VERSIONS, provider};
use crate::{Credentials, TlsError};

/// Whom a probe believes.
#[derive(Debug, Clone)]
pub enum ProbeTrust {
    /// A server whose certificate chains to one of these and is for the name that is dialled.
    Roots(Arc<RootCertStore>),
    /// Any server. The probe then proves that something answers, not what.
    Anyone,
}

/// TLS towards an agent, with a client certificate or without one.
pub fn probe_client_config(
    credentials: Option<&Credentials>,
    trust: ProbeTrust,
) -> Result<Arc<ClientConfig>, TlsError> {
    let verifier: Arc<dyn ServerCertVerifier> = match trust {
        ProbeTrust::Roots(roots) => {
            WebPkiServerVerifier::builder_with_provider(roots, provider()).build()?
        }
        ProbeTrust::Anyone => {
            Arc::new(AnyoneVerifier(provider().signature_verification_algorithms))
        }
    };
    let builder = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(VERSIONS)?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut config = match credentials {
        Some(credentials) => builder.with_client_cert_resolver(credentials.resolver()),
        None => builder.with_no_client_auth(),
    };
    // Each probe is a new proof.
    config.resumption = Resumption::disabled();
    config.alpn_protocols = vec![HTTP_1_1.to_vec()];
    Ok(Arc::new(config))
}

#[derive(Debug)]
struct AnyoneVerifier(WebPkiSupportedAlgorithms);

impl ServerCertVerifier for AnyoneVerifier {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _dialled: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{TestPki, connect, impostor};
    use crate::{HandshakeError, peer_of};

    #[tokio::test]
    async fn an_agent_is_reached_by_any_of_its_names_and_no_other() {
        let world = TestPki::new();
        let server = world.server_with(&world.issue("agent/web-1"));
        let updater = world.member("updater/web-1");
        let trust = ProbeTrust::Roots(updater.credentials().roots());
        let client = probe_client_config(Some(updater.credentials()), trust).unwrap();
        for name in ["web-1", "localhost", "127.0.0.1"] {
            connect(server.clone(), client.clone(), name).await.good();
        }
        let outcome = connect(server, client, "web-2").await;
        assert_eq!(outcome.at_client(), HandshakeError::WrongName("web-2".into()));
    }

    #[tokio::test]
    async fn a_probe_presents_the_certificate_that_it_is_given() {
        let world = TestPki::new();
        let updater = world.member("updater/web-1");
        // An updater's server asks for a client certificate, as an agent's may.
        let server = crate::server_config(&updater).unwrap();
        let roots = || ProbeTrust::Roots(updater.credentials().roots());
        let client = probe_client_config(Some(updater.credentials()), roots()).unwrap();
        let (seen, _) = connect(server.clone(), client, "web-1").await.good();
        assert_eq!(peer_of(seen.get_ref().1.peer_certificates()).unwrap(), *updater.peer());
        let anonymous = probe_client_config(None, roots()).unwrap();
        let outcome = connect(server, anonymous, "web-1").await;
        assert_eq!(outcome.at_server(), HandshakeError::NoCertificate);
    }

    #[tokio::test]
    async fn a_foreign_ca_is_believed_only_where_nothing_is_verified() {
        let (world, foreign) = (TestPki::new(), TestPki::new());
        let server = foreign.server_with(&foreign.issue("agent/web-1"));
        let roots = ProbeTrust::Roots(world.member("updater/web-1").credentials().roots());
        let strict = probe_client_config(None, roots).unwrap();
        let outcome = connect(server.clone(), strict, "web-1").await;
        assert_eq!(outcome.at_client(), HandshakeError::ForeignAuthority);
        let lax = probe_client_config(None, ProbeTrust::Anyone).unwrap();
        connect(server, lax, "anything").await.good();
    }

    #[tokio::test]
    async fn a_certificate_without_its_key_is_not_believed_even_then() {
        let world = TestPki::new();
        let [shown, held] = [(); 2].map(|()| world.issue("agent/web-1"));
        let client = probe_client_config(None, ProbeTrust::Anyone).unwrap();
        let mut server = (*world.server_with(&shown)).clone();
        server.cert_resolver = impostor(&shown, &held);
        let outcome = connect(Arc::new(server), client, "web-1").await;
        assert_eq!(outcome.at_client(), HandshakeError::BadSignature);
    }
}
