//! Identities that `swarm` would not make: of a foreign CA, expired, of another role.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use pki::{Authority, Credentials, Paths, ProbeTrust, Request, Role, probe_client_config};
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
        std::fs::create_dir_all(home)?;
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
        self.issue_for(role, directory, Duration::from_hours(24), OffsetDateTime::now_utc())
    }

    /// Writes an identity whose time was over a day ago.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn issue_expired(&self, role: &str, directory: &Path) -> Result<Paths> {
        let then = OffsetDateTime::now_utc() - Duration::from_hours(48);
        self.issue_for(role, directory, Duration::from_hours(24), then)
    }

    fn issue_for(
        &self,
        role: &str,
        directory: &Path,
        lifetime: Duration,
        now: OffsetDateTime,
    ) -> Result<Paths> {
        let uri: pki::RoleUri = format!("spiffe://{}/{role}", self.authority.fleet()).parse()?;
        let request = Request { lifetime, ..Request::new(uri.role.clone()) };
        let issued = self.authority.issue(&request, now)?;
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
