//! Identities that `swarm` would not make: of a foreign CA, expired, of another role.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use pki::{Authority, Credentials, Paths, ProbeTrust, Request, Role, probe_client_config};
use rcgen::{
    Certificate, CertificateParams, ExtendedKeyUsagePurpose, Issuer, KeyPair, KeyUsagePurpose,
    SanType,
};
use rustls::ClientConfig;
use time::OffsetDateTime;

/// A CA in its own home.
pub struct Ca {
    home: PathBuf,
    authority: Authority,
}

impl Ca {
    /// Makes one, a month old, in a directory that is not there yet.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn create(home: &Path) -> Result<Self> {
        let then = OffsetDateTime::now_utc() - Duration::from_hours(30 * 24);
        let authority = Authority::create(&pki::Fleet::default(), then)?;
        fs::create_dir_all(home)?;
        authority.save(home)?;
        Ok(Self { home: home.to_owned(), authority })
    }

    /// The CA of a master's home.
    ///
    /// # Errors
    /// When there is none.
    pub fn load(home: &Path) -> Result<Self> {
        Ok(Self { home: home.to_owned(), authority: Authority::load(home)? })
    }

    /// Writes an identity of this role (`master`, `agent/web-1`) into a new directory.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn issue(&self, role: &str, directory: &Path) -> Result<Paths> {
        let uri: pki::RoleUri = format!("spiffe://{}/{role}", self.authority.fleet()).parse()?;
        let request = Request::new(uri.role.clone());
        let issued = self.authority.issue(&request, OffsetDateTime::now_utc())?;
        pki::write_bundles(&[issued.bundle(&self.authority, directory.to_owned())])?;
        let stem = match uri.role {
            Role::Master => "master",
            Role::Updater(_) => "updater",
            Role::Agent(_) => "worker",
            Role::Monitor(_) => "client",
        };
        Ok(Paths {
            ca: self.home.join("ca/ca.crt"),
            certificate: directory.join(format!("{stem}.crt")),
            key: directory.join(format!("{stem}.key")),
        })
    }
    /// Writes a master's identity that this CA would never issue: changed in any way, and signed.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn issue_odd(
        &self,
        directory: &Path,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Result<Paths> {
        let pem = |name| fs::read_to_string(self.home.join("ca").join(name));
        let ca = Issuer::from_ca_cert_pem(&pem("ca.crt")?, KeyPair::from_pem(&pem("ca.key")?)?)?;
        let mut parameters = masters()?;
        change(&mut parameters);
        let key = KeyPair::generate()?;
        let certificate = parameters.signed_by(&key, &ca)?;
        write(directory, &certificate, &key)
    }
}

/// Writes a master's identity that nobody signed but itself.
///
/// # Errors
/// When it cannot be written.
pub fn self_signed(directory: &Path) -> Result<Paths> {
    let key = KeyPair::generate()?;
    let certificate = masters()?.self_signed(&key)?;
    write(directory, &certificate, &key)
}

/// The name of a role in a certificate.
///
/// # Errors
/// When it cannot be written there.
pub fn role_name(role: &str) -> Result<SanType> {
    Ok(SanType::URI(format!("spiffe://{}/{role}", pki::Fleet::default()).try_into()?))
}

/// What stands in a master's certificate.
fn masters() -> Result<CertificateParams> {
    let mut parameters = CertificateParams::default();
    parameters.subject_alt_names = vec![role_name("master")?];
    parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    parameters.not_before = OffsetDateTime::now_utc() - Duration::from_mins(5);
    parameters.not_after = OffsetDateTime::now_utc() + Duration::from_hours(24);
    Ok(parameters)
}

fn write(directory: &Path, certificate: &Certificate, key: &KeyPair) -> Result<Paths> {
    fs::create_dir_all(directory)?;
    let paths = Paths {
        // Nobody who presents this looks at a CA.
        ca: directory.join("odd.crt"),
        certificate: directory.join("odd.crt"),
        key: directory.join("odd.key"),
    };
    fs::write(&paths.certificate, certificate.pem())?;
    fs::write(&paths.key, key.serialize_pem())?;
    fs::set_permissions(&paths.key, fs::Permissions::from_mode(0o600))?;
    Ok(paths)
}

/// TLS as this identity, towards whoever answers: what is tested is the other side.
///
/// # Errors
/// When the identity cannot be read.
pub(crate) fn tls_as(identity: Option<&Paths>) -> Result<ClientConfig> {
    let credentials = identity.map(Credentials::load).transpose()?;
    let config = probe_client_config(credentials.as_ref(), ProbeTrust::Anyone)?;
    Ok((*config).clone())
}
