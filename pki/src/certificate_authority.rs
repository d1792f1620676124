//! The fleet's certificate authority.
//!
//! Signs what [`crate::Request`] can say and nothing else; never signs another CA, and nothing that
//! outlives itself.

use std::path::Path;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PublicKeyData as _, SanType,
};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::{self, PemObject as _};
use time::OffsetDateTime;

use crate::files::{read, read_key};
use crate::handshake::rfc3339;
use crate::issue::{BACKDATED, common_name, parameters, serial};
use crate::peer::{only_uri, parse};
use crate::{
    Bundle, FileError, Fingerprint, Fleet, Issued, PeerError, PrivatePem, Request, RoleUri,
    write_bundles,
};

/// Ten years, of 365 days and two leap days.
const LIFETIME: Duration = Duration::from_hours((10 * 365 + 2) * 24);

/// What can go wrong with the CA.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// The system gave no random bytes.
    #[error("get random bytes from the system")]
    Random,
    /// No key could be made.
    #[error("make a key")]
    Key(#[source] rcgen::Error),
    /// A certificate could not be put together.
    #[error("sign a certificate")]
    Sign(#[source] rcgen::Error),
    /// Its files are not there, or not as they should be.
    #[error(transparent)]
    File(#[from] FileError),
    /// Its certificate is not in PEM.
    #[error("read the CA's certificate")]
    Pem(#[source] pem::Error),
    /// Its certificate cannot be read.
    #[error("read the CA's certificate")]
    Certificate(#[from] PeerError),
    /// Its key cannot be read.
    #[error("read the CA's key")]
    KeyFile(#[source] rcgen::Error),
    /// The certificate is not that of a fleet's CA.
    #[error("use the CA's certificate: {0}")]
    NotAnAuthority(&'static str),
    /// The key belongs to another certificate.
    #[error("use the CA's key: it is not the one of its certificate")]
    KeyMismatch,
    /// It has expired, or begins later.
    #[error(
        "issue a certificate: the CA holds from {} to {}", rfc3339(*.not_before), rfc3339(*.not_after)
    )]
    NotNow {
        /// When the CA begins.
        not_before: OffsetDateTime,
        /// When the CA ends.
        not_after: OffsetDateTime,
    },
}

/// A certificate authority, with its key.
pub struct Authority {
    fleet: Fleet,
    certificate: CertificateDer<'static>,
    certificate_pem: String,
    key_pem: PrivatePem,
    issuer: Issuer<'static, KeyPair>,
    not_before: OffsetDateTime,
    not_after: OffsetDateTime,
}

impl Authority {
    /// Makes a new CA, in memory. Two CAs never have the same name, even if their fleets do: the
    /// beginning of the key's identifier is in it.
    pub fn create(fleet: &Fleet, now: OffsetDateTime) -> Result<Self, AuthorityError> {
        let key = KeyPair::generate().map_err(AuthorityError::Key)?;
        let now = now.truncate_to_second();
        let mut parameters = CertificateParams::default();
        let identifier = hex::encode(&parameters.key_identifier(&key)[..4]);
        parameters.distinguished_name = common_name(&format!("{fleet} CA {identifier}"));
        let uri = fleet.uri().as_str().try_into().map_err(AuthorityError::Sign)?;
        parameters.subject_alt_names = vec![SanType::URI(uri)];
        parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        parameters.serial_number = Some(serial()?.into());
        parameters.not_before = now - BACKDATED;
        parameters.not_after = now + LIFETIME;
        let certificate = parameters.self_signed(&key).map_err(AuthorityError::Sign)?;
        Self::from_parts(certificate.der().clone(), certificate.pem(), key)
    }

    /// Reads `ca/ca.crt` and `ca/ca.key` below the master's home.
    pub fn load(home: &Path) -> Result<Self, AuthorityError> {
        let pem = read(&home.join("ca/ca.crt"))?;
        let key = read_key(&home.join("ca/ca.key"))?;
        let certificate = CertificateDer::from_pem_slice(&pem).map_err(AuthorityError::Pem)?;
        let key = std::str::from_utf8(&key)
            .map_err(|_| rcgen::Error::CouldNotParseKeyPair)
            .and_then(KeyPair::from_pem)
            .map_err(AuthorityError::KeyFile)?;
        Self::from_parts(certificate, String::from_utf8_lossy(&pem).into_owned(), key)
    }

    /// Writes `ca/ca.crt` and `ca/ca.key` below the master's home, which must have no `ca` yet.
    pub fn save(&self, home: &Path) -> Result<(), FileError> {
        write_bundles(&[self.bundle(home)])
    }

    /// What [`Self::save`] writes, to be written together with other bundles.
    pub fn bundle(&self, home: &Path) -> Bundle<'_> {
        Bundle::new(home.join("ca"))
            .certificate("ca.crt", &self.certificate_pem)
            .key("ca.key", &self.key_pem)
    }

    /// Makes a key, and a certificate for it.
    pub fn issue(&self, request: &Request, now: OffsetDateTime) -> Result<Issued, AuthorityError> {
        if now < self.not_before || now >= self.not_after {
            let (not_before, not_after) = (self.not_before, self.not_after);
            return Err(AuthorityError::NotNow { not_before, not_after });
        }
        let uri = RoleUri { fleet: self.fleet.clone(), role: request.role.clone() };
        let mut parameters = parameters(&uri, request, now)?;
        parameters.not_after = parameters.not_after.min(self.not_after);
        self.sign(request, &parameters)
    }

    /// The fleet that it signs for.
    pub fn fleet(&self) -> &Fleet {
        &self.fleet
    }

    /// Its certificate, for those who are to trust it.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// Its certificate in DER.
    pub fn certificate(&self) -> CertificateDer<'static> {
        self.certificate.clone()
    }

    /// The fingerprint of its certificate.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.certificate)
    }

    /// Until when it can sign.
    pub fn not_after(&self) -> OffsetDateTime {
        self.not_after
    }

    pub(crate) fn sign(
        &self,
        request: &Request,
        parameters: &CertificateParams,
    ) -> Result<Issued, AuthorityError> {
        let key = KeyPair::generate().map_err(AuthorityError::Key)?;
        let certificate = parameters.signed_by(&key, &self.issuer).map_err(AuthorityError::Sign)?;
        Ok(Issued {
            role: request.role.clone(),
            fingerprint: Fingerprint::of(certificate.der()),
            certificate_pem: certificate.pem(),
            key_pem: PrivatePem::new(key.serialize_pem()),
            not_before: parameters.not_before,
            not_after: parameters.not_after,
            certificate: certificate.der().clone(),
        })
    }

    fn from_parts(
        certificate: CertificateDer<'static>,
        certificate_pem: String,
        key: KeyPair,
    ) -> Result<Self, AuthorityError> {
        let parsed = parse(&certificate)?;
        let signs = parsed
            .key_usage()
            .ok()
            .flatten()
            .is_some_and(|usage| usage.value.key_cert_sign() && usage.value.crl_sign());
        if !parsed.is_ca() || !signs {
            return Err(AuthorityError::NotAnAuthority("it may not sign certificates and lists"));
        }
        if parsed.public_key().raw != key.subject_public_key_info() {
            return Err(AuthorityError::KeyMismatch);
        }
        let fleet = Fleet::from_uri(only_uri(&parsed)?)
            .ok_or(AuthorityError::NotAnAuthority("it names no fleet"))?;
        let not_before = parsed.validity().not_before.to_datetime();
        let not_after = parsed.validity().not_after.to_datetime();
        let key_pem = PrivatePem::new(key.serialize_pem());
        let issuer = Issuer::from_ca_cert_der(&certificate, key).map_err(AuthorityError::Sign)?;
        Ok(Self { fleet, certificate, certificate_pem, key_pem, issuer, not_before, not_after })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::process::Command;

    use time::macros::datetime;

    use super::*;
    use crate::Role;

    const NOW: OffsetDateTime = datetime!(2026-03-01 12:00 UTC);

    fn created() -> Authority {
        Authority::create(&Fleet::default(), NOW).unwrap()
    }

    #[test]
    fn a_ca_signs_certificates_and_lists_for_ten_years() {
        let authority = created();
        let certificate = authority.certificate();
        let parsed = parse(&certificate).unwrap();
        let usage = parsed.key_usage().unwrap().unwrap();
        assert!(usage.critical);
        assert_eq!(usage.value.flags, 0b110_0000, "keyCertSign and cRLSign alone");
        let constraints = parsed.basic_constraints().unwrap().unwrap();
        assert!(constraints.critical && constraints.value.ca);
        assert_eq!(constraints.value.path_len_constraint, Some(0));
        assert_eq!(parsed.validity().not_before.to_datetime(), datetime!(2026-03-01 11:55 UTC));
        assert_eq!(authority.not_after(), datetime!(2036-02-29 12:00 UTC));
        let oid = parsed.public_key().algorithm.parameters.as_ref().unwrap().as_oid().unwrap();
        assert_eq!(oid.to_id_string(), "1.2.840.10045.3.1.7", "P-256");
    }

    #[test]
    fn two_fleets_of_one_name_have_cas_of_different_names() {
        let subjects = [created(), created()]
            .map(|authority| parse(&authority.certificate()).unwrap().subject().to_string());
        assert!(subjects[0].starts_with("CN=swarm CA "), "{}", subjects[0]);
        assert_ne!(subjects[0], subjects[1]);
    }

    #[test]
    fn a_ca_is_the_same_after_it_was_saved() {
        let home = tempfile::tempdir().unwrap();
        let authority = Authority::create(&"blue".parse().unwrap(), NOW).unwrap();
        authority.save(home.path()).unwrap();
        let loaded = Authority::load(home.path()).unwrap();
        assert_eq!(loaded.fleet().as_str(), "blue");
        assert_eq!(loaded.certificate(), authority.certificate());
        assert_eq!(loaded.certificate_pem(), authority.certificate_pem());
        assert_eq!(loaded.not_after(), authority.not_after());
        let [before, after] = [&authority, &loaded].map(|authority| {
            let issued = authority.issue(&Request::new(Role::Master), NOW).unwrap();
            let certificate = issued.certificate();
            parse(&certificate).unwrap().issuer().as_raw().to_vec()
        });
        assert_eq!(before, after, "issued by the same name, byte for byte");
        assert!(matches!(authority.save(home.path()), Err(FileError::AlreadyThere(_))));
    }

    #[test]
    fn openssl_accepts_the_chain_strictly() {
        if Command::new("openssl").arg("version").output().is_err() {
            return;
        }
        let home = tempfile::tempdir().unwrap();
        let now = OffsetDateTime::now_utc();
        Authority::create(&Fleet::default(), now).unwrap().save(home.path()).unwrap();
        let authority = Authority::load(home.path()).unwrap();
        let host: protocol::HostName = "web-1".parse().unwrap();
        for (role, purpose) in [
            (Role::Master, "sslclient"),
            (Role::Updater(host.clone()), "sslserver"),
            (Role::Updater(host.clone()), "sslclient"),
            (Role::Agent(host.clone()), "sslserver"),
            (Role::Agent(host), "sslclient"),
        ] {
            let issued = authority.issue(&Request::new(role), now).unwrap();
            let leaf = home.path().join("leaf.crt");
            fs::write(&leaf, &issued.certificate_pem).unwrap();
            let output = Command::new("openssl")
                .args(["verify", "-x509_strict", "-purpose", purpose, "-CAfile"])
                .arg(home.path().join("ca/ca.crt"))
                .arg(leaf)
                .output()
                .unwrap();
            assert!(output.status.success(), "{purpose}: {output:?}");
        }
    }

    #[test]
    fn nothing_outlives_the_ca() {
        let authority = created();
        let late = authority.not_after() - Duration::from_mins(1);
        let issued = authority.issue(&Request::new(Role::Master), late).unwrap();
        assert_eq!(issued.not_after, authority.not_after());
        for now in [authority.not_after(), NOW - Duration::from_hours(1)] {
            let refused = authority.issue(&Request::new(Role::Master), now);
            assert!(matches!(refused, Err(AuthorityError::NotNow { .. })));
        }
    }

    #[test]
    fn a_ca_whose_files_are_wrong_is_refused() {
        let [home, other] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let load = || Authority::load(home.path()).map(|_| ()).unwrap_err();
        assert!(matches!(load(), AuthorityError::File(FileError::Read { .. })));
        created().save(home.path()).unwrap();
        created().save(other.path()).unwrap();
        let [key, certificate] = ["ca/ca.key", "ca/ca.crt"].map(|name| home.path().join(name));

        fs::copy(other.path().join("ca/ca.key"), &key).unwrap();
        assert!(matches!(load(), AuthorityError::KeyMismatch));
        fs::write(&key, "not a key").unwrap();
        assert!(matches!(load(), AuthorityError::KeyFile(_)));
        let leaf = created().issue(&Request::new(Role::Master), NOW).unwrap();
        fs::write(&key, leaf.key_pem.as_str()).unwrap();
        fs::write(&certificate, &leaf.certificate_pem).unwrap();
        assert!(matches!(load(), AuthorityError::NotAnAuthority(_)));
        fs::write(&certificate, "").unwrap();
        assert!(matches!(load(), AuthorityError::Pem(_)));
    }

    #[test]
    fn a_ca_key_that_others_may_read_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let home = tempfile::tempdir().unwrap();
        created().save(home.path()).unwrap();
        let key = home.path().join("ca/ca.key");
        fs::set_permissions(&key, fs::Permissions::from_mode(0o640)).unwrap();
        let refused = Authority::load(home.path());
        assert!(matches!(refused, Err(AuthorityError::File(FileError::Loose { .. }))));
    }
}
