//! What the tests share: a fleet in memory, certificates that should not exist, and a handshake
//! over a real socket.

use std::error::Error;
use std::io;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, ServerConfig};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use time::OffsetDateTime;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

use crate::issue::parameters;
use crate::tls::{VERSIONS, provider};
use crate::{
    Authority, Credentials, Fleet, HandshakeError, Identity, Issued, Paths, ProbeTrust, Request,
    RoleUri, probe_client_config, write_bundles,
};

/// A fleet that has nothing but its CA.
pub(crate) struct TestPki {
    pub(crate) authority: Authority,
}

impl TestPki {
    pub(crate) fn new() -> Self {
        Self::named("swarm")
    }

    pub(crate) fn named(fleet: &str) -> Self {
        let fleet: Fleet = fleet.parse().unwrap();
        Self { authority: Authority::create(&fleet, OffsetDateTime::now_utc()).unwrap() }
    }

    pub(crate) fn issue(&self, role: &str) -> Issued {
        let request = Request::new(self.uri(role).role);
        self.authority.issue(&request, OffsetDateTime::now_utc()).unwrap()
    }

    /// A certificate that was signed by another CA below ours, and the certificate of that one.
    pub(crate) fn below_another(
        &self,
        role: &str,
    ) -> (CertificateDer<'static>, CertificateDer<'static>) {
        let between = self.odd("agent/between", |params| {
            params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
            params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
            params.extended_key_usages.clear();
        });
        let key = KeyPair::from_pem(between.key_pem.as_str()).unwrap();
        let issuer = Issuer::from_ca_cert_der(&between.certificate(), key).unwrap();
        let uri = self.uri(role);
        let request = Request::new(uri.role.clone());
        let parameters = parameters(&uri, &request, OffsetDateTime::now_utc()).unwrap();
        let leaf = parameters.signed_by(&KeyPair::generate().unwrap(), &issuer).unwrap();
        (leaf.der().clone(), between.certificate())
    }

    /// A certificate that the CA signed, though it would never issue it.
    pub(crate) fn odd(&self, role: &str, change: impl FnOnce(&mut CertificateParams)) -> Issued {
        let uri = self.uri(role);
        let request = Request::new(uri.role.clone());
        let mut parameters = parameters(&uri, &request, OffsetDateTime::now_utc()).unwrap();
        change(&mut parameters);
        self.authority.sign(&request, &parameters).unwrap()
    }

    pub(crate) fn identity(&self, issued: &Issued) -> Identity {
        self.on_disk(issued, |paths| Identity::load(paths).unwrap())
    }

    pub(crate) fn member(&self, role: &str) -> Identity {
        self.identity(&self.issue(role))
    }

    /// A client that presents this certificate, whatever it is, and trusts any server.
    pub(crate) fn client_with(&self, issued: &Issued) -> Arc<ClientConfig> {
        let credentials = self.on_disk(issued, |paths| Credentials::load(paths).unwrap());
        probe_client_config(Some(&credentials), ProbeTrust::Anyone).unwrap()
    }

    /// A server that presents this certificate, whatever it is, and takes any client.
    pub(crate) fn server_with(&self, issued: &Issued) -> Arc<ServerConfig> {
        let credentials = self.on_disk(issued, |paths| Credentials::load(paths).unwrap());
        Arc::new(
            ServerConfig::builder_with_provider(provider())
                .with_protocol_versions(VERSIONS)
                .unwrap()
                .with_no_client_auth()
                .with_cert_resolver(credentials.resolver()),
        )
    }

    fn uri(&self, role: &str) -> RoleUri {
        format!("spiffe://{}/{role}", self.authority.fleet()).parse().unwrap()
    }

    fn on_disk<T>(&self, issued: &Issued, load: impl FnOnce(&Paths) -> T) -> T {
        let home = tempfile::tempdir().unwrap();
        let directory = home.path().join("member");
        write_bundles(&[
            self.authority.bundle(home.path()),
            issued.bundle(&self.authority, directory.clone()),
        ])
        .unwrap();
        let paths = match issued.role {
            crate::Role::Master => Paths {
                certificate: directory.join("master.crt"),
                key: directory.join("master.key"),
                ca: home.path().join("ca/ca.crt"),
            },
            crate::Role::Updater(_) => Paths::updater(&directory),
            crate::Role::Agent(_) => Paths::agent(&directory),
            crate::Role::Monitor(_) => Paths::client(&directory),
        };
        load(&paths)
    }
}

/// Shows one certificate and has the key of another, on either side of a connection.
pub(crate) fn impostor(shown: &Issued, held: &Issued) -> Arc<SingleCertAndKey> {
    let key = PrivateKeyDer::from_pem_slice(held.key_pem.as_str().as_bytes()).unwrap();
    let key = provider().key_provider.load_private_key(key).unwrap();
    Arc::new(SingleCertAndKey::from(CertifiedKey::new(vec![shown.certificate()], key)))
}

pub(crate) fn uri(text: &str) -> SanType {
    SanType::URI(text.try_into().unwrap())
}

/// How a connection ended, on both sides.
pub(crate) struct Outcome {
    pub(crate) server: Result<server::TlsStream<TcpStream>, io::Error>,
    pub(crate) client: Result<client::TlsStream<TcpStream>, io::Error>,
}

impl Outcome {
    /// What the server made of its client.
    pub(crate) fn at_server(&self) -> HandshakeError {
        found(self.server.as_ref().map(|_| ()))
    }

    /// What the client made of its server.
    pub(crate) fn at_client(&self) -> HandshakeError {
        found(self.client.as_ref().map(|_| ()))
    }

    pub(crate) fn good(self) -> (server::TlsStream<TcpStream>, client::TlsStream<TcpStream>) {
        (self.server.unwrap(), self.client.unwrap())
    }
}

fn found(result: Result<(), &io::Error>) -> HandshakeError {
    let error: &(dyn Error + 'static) = result.expect_err("the handshake was good");
    HandshakeError::find(error).unwrap_or_else(|| panic!("not a TLS error: {error:?}"))
}

/// Connects over a socket; the server then says a byte, and the client's part is good only when it
/// has that byte (in TLS 1.3 it is told of a refusal no earlier).
pub(crate) async fn connect(
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
    name: &str,
) -> Outcome {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let serve = async {
        let (socket, _) = listener.accept().await?;
        let mut stream = TlsAcceptor::from(server).accept(socket).await?;
        stream.write_all(b"!").await?;
        stream.flush().await?;
        Ok(stream)
    };
    let dial = async {
        let socket = TcpStream::connect(address).await?;
        let mut stream = TlsConnector::from(client).connect(name, socket).await?;
        stream.read_u8().await?;
        Ok(stream)
    };
    let (server, client) = tokio::join!(serve, dial);
    Outcome { server, client }
}
