//! A program's own key and certificate, and the CA that it trusts, as files in a directory.
//!
//! Only reads. Nothing is served or dialled with files that do not belong together, or with a key
//! that others can read.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls_pki_types::pem::{self, PemObject as _};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::peer::parse;
use crate::tls::provider;
use crate::{FileError, IdentityFiles, Peer, PeerError, Role};

/// Where the three files are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    /// The certificates that are trusted.
    pub ca: PathBuf,
    /// The certificate.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

impl Paths {
    /// `master/master.crt`, `master/master.key` and `ca/ca.crt` below the master's home.
    pub fn master(home: &Path) -> Self {
        Self { ca: home.join("ca/ca.crt"), ..Self::named(&home.join("master"), "master") }
    }

    /// `updater.crt`, `updater.key` and `ca.crt`.
    pub fn updater(directory: &Path) -> Self {
        Self::named(directory, "updater")
    }

    /// `worker.crt`, `worker.key` and `ca.crt`.
    pub fn agent(directory: &Path) -> Self {
        Self::named(directory, "worker")
    }

    /// `client.crt`, `client.key` and `ca.crt`: a monitor's, or those of a probe.
    pub fn client(directory: &Path) -> Self {
        Self::named(directory, "client")
    }

    fn named(directory: &Path, stem: &str) -> Self {
        Self {
            ca: directory.join("ca.crt"),
            certificate: directory.join(format!("{stem}.crt")),
            key: directory.join(format!("{stem}.key")),
        }
    }
}

/// Why files are not an identity.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// A file is not there, or not as it should be.
    #[error(transparent)]
    File(#[from] FileError),
    /// A file has no PEM of the right kind.
    #[error("read {path}", path = .path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// Why.
        source: pem::Error,
    },
    /// The certificate or a CA's cannot be used.
    #[error("use {path}", path = .path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: rustls::Error,
    },
    /// The certificate names no role.
    #[error("use {path} as an identity", path = .path.display())]
    NoRole {
        /// The certificate.
        path: PathBuf,
        /// Why.
        source: PeerError,
    },
    /// The key belongs to another certificate.
    #[error("use {key}: it is not the key of {certificate}",
        key = .0.key.display(), certificate = .0.certificate.display())]
    KeyMismatch(Paths),
    /// The certificate is of another CA than the one that lies beside it.
    #[error("use {certificate}: it was not signed by {ca}",
        certificate = .0.certificate.display(), ca = .0.ca.display())]
    ForeignAuthority(Paths),
}

/// A key, its certificate and the roots that are trusted, of whatever CA and role.
#[derive(Debug, Clone)]
pub struct Credentials {
    certified: Arc<CertifiedKey>,
    roots: Arc<RootCertStore>,
}

impl Credentials {
    /// Reads the three files. The key must be the certificate's, and only its owner may be able to
    /// read it.
    pub fn load(paths: &Paths) -> Result<Self, IdentityError> {
        Self::of(&IdentityFiles::read(paths)?)
    }

    fn of(files: &IdentityFiles) -> Result<Self, IdentityError> {
        let paths = &files.paths;
        let roots = Arc::new(roots_of(&paths.ca, &files.ca)?);
        let chain = certificates(&paths.certificate, &files.certificate)?;
        let key = PrivateKeyDer::from_pem_slice(&files.key)
            .map_err(|source| IdentityError::Pem { path: paths.key.clone(), source })?;
        let certified =
            CertifiedKey::from_der(chain, key, &provider()).map_err(|source| match source {
                rustls::Error::InconsistentKeys(_) => IdentityError::KeyMismatch(paths.clone()),
                rustls::Error::General(_) => {
                    IdentityError::Unusable { path: paths.key.clone(), source }
                }
                _ => IdentityError::Unusable { path: paths.certificate.clone(), source },
            })?;
        Ok(Self { certified: Arc::new(certified), roots })
    }

    /// The roots that are trusted.
    pub fn roots(&self) -> Arc<RootCertStore> {
        Arc::clone(&self.roots)
    }

    /// Presents the certificate, on either side of a connection.
    pub(crate) fn resolver(&self) -> Arc<SingleCertAndKey> {
        Arc::new(SingleCertAndKey::from(Arc::clone(&self.certified)))
    }

    fn certificate(&self) -> Option<&CertificateDer<'static>> {
        self.certified.cert.first()
    }
}

/// [`Credentials`] that are a member of a fleet: they have a role, and the CA beside them signed
/// them.
#[derive(Debug, Clone)]
pub struct Identity {
    credentials: Credentials,
    own: Peer,
}

impl Identity {
    /// Reads the three files. An expired certificate is read too: [`Self::peer`] says since
    /// when.
    pub fn load(paths: &Paths) -> Result<Self, IdentityError> {
        Self::of(&IdentityFiles::read(paths)?)
    }

    /// The same, of files that were read already.
    pub fn of(files: &IdentityFiles) -> Result<Self, IdentityError> {
        let (credentials, paths) = (Credentials::of(files)?, &files.paths);
        let no_role = |source| IdentityError::NoRole { path: paths.certificate.clone(), source };
        let certificate = credentials.certificate().ok_or_else(|| no_role(PeerError::Absent))?;
        let own = Peer::of(certificate).map_err(no_role)?;
        if !signed_by_any(certificate, &certificates(&paths.ca, &files.ca)?) {
            return Err(IdentityError::ForeignAuthority(paths.clone()));
        }
        Ok(Self { credentials, own })
    }

    /// Who we are to others: role, fleet, fingerprint, and when the certificate holds.
    pub fn peer(&self) -> &Peer {
        &self.own
    }

    /// Our role.
    pub fn role(&self) -> &Role {
        &self.own.role
    }

    /// Key, certificate and roots.
    pub fn credentials(&self) -> &Credentials {
        &self.credentials
    }
}

fn roots_of(path: &Path, bytes: &[u8]) -> Result<RootCertStore, IdentityError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path, bytes)? {
        roots
            .add(certificate)
            .map_err(|source| IdentityError::Unusable { path: path.to_owned(), source })?;
    }
    Ok(roots)
}

/// The certificates in a file: at least one.
fn certificates(path: &Path, bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>, IdentityError> {
    let malformed = |source| IdentityError::Pem { path: path.to_owned(), source };
    let certificates: Vec<_> =
        CertificateDer::pem_slice_iter(bytes).collect::<Result<_, _>>().map_err(malformed)?;
    if certificates.is_empty() {
        return Err(malformed(pem::Error::NoItemsFound));
    }
    Ok(certificates)
}

fn signed_by_any(certificate: &CertificateDer<'_>, roots: &[CertificateDer<'_>]) -> bool {
    let Ok(certificate) = parse(certificate) else { return false };
    roots.iter().filter_map(|root| parse(root).ok()).any(|root| {
        root.subject().as_raw() == certificate.issuer().as_raw()
            && certificate.verify_signature(Some(root.public_key())).is_ok()
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::testing::TestPki;
    use crate::{Fleet, write_bundles};

    #[test]
    fn each_member_finds_its_own_files() {
        let world = TestPki::new();
        let home = tempfile::tempdir().unwrap();
        let [master, updater, agent, monitor] =
            ["master", "updater/web-1", "agent/web-1", "monitor/grafana"]
                .map(|role| world.issue(role));
        let [of_updater, of_agent, of_monitor] =
            ["updater", "agent", "monitor"].map(|name| home.path().join(name));
        write_bundles(&[
            world.authority.bundle(home.path()),
            master.bundle(&world.authority, home.path().join("master")),
            updater.bundle(&world.authority, of_updater.clone()),
            agent.bundle(&world.authority, of_agent.clone()),
            monitor.bundle(&world.authority, of_monitor.clone()),
        ])
        .unwrap();
        for (paths, issued) in [
            (Paths::master(home.path()), master),
            (Paths::updater(&of_updater), updater),
            (Paths::agent(&of_agent), agent),
            (Paths::client(&of_monitor), monitor),
        ] {
            let identity = Identity::load(&paths).unwrap();
            assert_eq!(*identity.role(), issued.role);
            assert_eq!(identity.peer().fingerprint, issued.fingerprint);
            assert_eq!(identity.peer().not_after, issued.not_after);
            assert_eq!(identity.peer().fleet, Fleet::default());
            let mode = fs::metadata(&paths.key).unwrap().permissions().mode();
            assert_eq!(mode & 0o7777, 0o600);
        }
        assert!(!home.path().join("master/ca.crt").exists());
    }

    #[test]
    fn an_identity_does_not_show_its_key() {
        let world = TestPki::new();
        let issued = world.issue("master");
        let shown = format!("{:?}", world.identity(&issued));
        assert!(shown.contains("Master"), "{shown}");
        let key = PrivateKeyDer::from_pem_slice(issued.key_pem.as_str().as_bytes()).unwrap();
        // PKCS #8 of a P-256 key: the secret scalar is 32 bytes from the 36th on.
        let secret = &key.secret_der()[36..68];
        let decimal = format!("{secret:?}");
        assert!(!shown.contains(decimal.trim_matches(['[', ']'])));
        assert!(!shown.to_lowercase().contains(&hex::encode(secret)));
    }

    #[test]
    fn files_that_do_not_belong_together_are_refused() {
        let (world, other) = (TestPki::new(), TestPki::new());
        let home = tempfile::tempdir().unwrap();
        let directory = home.path().join("updater");
        let paths = Paths::updater(&directory);
        let issued = world.issue("updater/web-1");
        write_bundles(&[issued.bundle(&world.authority, directory.clone())]).unwrap();
        let load = || Identity::load(&paths).map(|_| ()).unwrap_err();

        fs::write(&paths.ca, other.authority.certificate_pem()).unwrap();
        assert!(matches!(load(), IdentityError::ForeignAuthority(_)));
        fs::write(&paths.ca, world.authority.certificate_pem()).unwrap();
        fs::write(&paths.key, world.issue("updater/web-1").key_pem.as_str()).unwrap();
        assert!(matches!(load(), IdentityError::KeyMismatch(_)));
        fs::write(&paths.key, issued.key_pem.as_str()).unwrap();
        fs::set_permissions(&paths.key, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(load(), IdentityError::File(FileError::Loose { .. })));
        fs::set_permissions(&paths.key, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(Identity::load(&paths).is_ok());
        fs::write(&paths.key, "").unwrap();
        assert!(matches!(load(), IdentityError::Pem { path, .. } if path == paths.key));
        fs::remove_file(&paths.ca).unwrap();
        assert!(
            matches!(load(), IdentityError::File(FileError::Read { path, .. }) if path == paths.ca)
        );
    }

    #[test]
    fn a_certificate_without_a_role_is_no_identity() {
        let world = TestPki::new();
        let odd = world.odd("updater/web-1", |parameters| {
            parameters.subject_alt_names.retain(|name| !matches!(name, rcgen::SanType::URI(_)));
        });
        let home = tempfile::tempdir().unwrap();
        let directory = home.path().join("updater");
        write_bundles(&[odd.bundle(&world.authority, directory.clone())]).unwrap();
        let paths = Paths::updater(&directory);
        assert!(matches!(Identity::load(&paths), Err(IdentityError::NoRole { .. })));
        assert!(Credentials::load(&paths).is_ok());
    }
}
