//! Who the other side is, read from the certificate that it presented.
//!
//! Reads only: whether the certificate holds is decided by the verifiers, before anybody asks here.

use rustls_pki_types::CertificateDer;
use time::OffsetDateTime;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;

use crate::{Fingerprint, Fleet, Role, RoleUri, RoleUriError};

/// Whom a certificate speaks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// The role.
    pub role: Role,
    /// The fleet that the role is in.
    pub fleet: Fleet,
    /// The certificate's fingerprint.
    pub fingerprint: Fingerprint,
    /// From when the certificate holds.
    pub not_before: OffsetDateTime,
    /// Until when.
    pub not_after: OffsetDateTime,
}

/// Why a certificate is not one of a member of the fleet.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PeerError {
    /// There is none.
    #[error("find a certificate: none was presented")]
    Absent,
    /// It cannot be read.
    #[error("read the certificate: {0}")]
    Malformed(&'static str),
    /// It names no role.
    #[error("find a role in the certificate: it has no URI among its alternative names")]
    NoRole,
    /// It names several URIs, and which of them counts would be a guess.
    #[error("find one role in the certificate: it has {0} URIs among its alternative names")]
    SeveralRoles(usize),
    /// It names one URI, which is no role.
    #[error("read the role in the certificate")]
    BadRole(#[from] RoleUriError),
}

/// Whom the presented chain speaks for; what rustls' `peer_certificates` returns goes in.
pub fn peer_of(chain: Option<&[CertificateDer<'_>]>) -> Result<Peer, PeerError> {
    Peer::of(chain.and_then(|chain| chain.first()).ok_or(PeerError::Absent)?)
}

impl Peer {
    /// Whom a certificate speaks for.
    pub fn of(certificate: &CertificateDer<'_>) -> Result<Self, PeerError> {
        let parsed = parse(certificate)?;
        let RoleUri { fleet, role } = only_uri(&parsed)?.parse()?;
        Ok(Self {
            role,
            fleet,
            fingerprint: Fingerprint::of(certificate),
            not_before: parsed.validity().not_before.to_datetime(),
            not_after: parsed.validity().not_after.to_datetime(),
        })
    }
}

/// Parses a certificate, and nothing behind it.
pub(crate) fn parse<'a>(
    certificate: &'a CertificateDer<'_>,
) -> Result<X509Certificate<'a>, PeerError> {
    match x509_parser::parse_x509_certificate(certificate.as_ref()) {
        Ok(([], parsed)) => Ok(parsed),
        Ok(_) => Err(PeerError::Malformed("there is something behind it")),
        Err(_) => Err(PeerError::Malformed("it is not well-formed DER")),
    }
}

/// The one URI among a certificate's alternative names.
pub(crate) fn only_uri<'a>(certificate: &'a X509Certificate<'_>) -> Result<&'a str, PeerError> {
    let names = certificate
        .subject_alternative_name()
        .map_err(|_| PeerError::Malformed("its alternative names are not well-formed"))?;
    let Some(names) = names else { return Err(PeerError::NoRole) };
    let mut uris = Vec::new();
    for name in &names.value.general_names {
        match name {
            GeneralName::URI(uri) => uris.push(*uri),
            GeneralName::Invalid(..) => {
                return Err(PeerError::Malformed("one of its alternative names is not text"));
            }
            _ => {}
        }
    }
    match uris[..] {
        [] => Err(PeerError::NoRole),
        [uri] => Ok(uri),
        _ => Err(PeerError::SeveralRoles(uris.len())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{TestPki, uri};

    #[test]
    fn a_peer_is_what_was_issued() {
        let world = TestPki::new();
        let issued = world.issue("updater/web-1");
        let peer = peer_of(Some(&[issued.certificate()])).unwrap();
        assert_eq!(peer.role, Role::Updater("web-1".parse().unwrap()));
        assert_eq!(peer.fleet, Fleet::default());
        assert_eq!(peer.fingerprint, issued.fingerprint);
        assert_eq!(peer.not_after, issued.not_after);
    }

    #[test]
    fn a_certificate_must_name_exactly_one_role() {
        let world = TestPki::new();
        let of = |names: &[&str]| {
            let names: Vec<_> = names.iter().map(|name| uri(name)).collect();
            Peer::of(
                &world
                    .odd("updater/web-1", |params| {
                        params
                            .subject_alt_names
                            .retain(|name| !matches!(name, rcgen::SanType::URI(_)));
                        params.subject_alt_names.extend(names.clone());
                    })
                    .certificate(),
            )
        };
        assert_eq!(of(&[]), Err(PeerError::NoRole));
        assert_eq!(
            of(&["spiffe://swarm/updater/web-1", "spiffe://swarm/master"]),
            Err(PeerError::SeveralRoles(2))
        );
        assert_eq!(
            of(&["spiffe://swarm/updater/web-1", "https://example.org/"]),
            Err(PeerError::SeveralRoles(2))
        );
        assert!(matches!(of(&["spiffe://swarm/root"]), Err(PeerError::BadRole(_))));
        assert!(of(&["spiffe://swarm/master"]).is_ok());
    }

    #[test]
    fn noise_is_nobody() {
        assert_eq!(peer_of(None), Err(PeerError::Absent));
        assert_eq!(peer_of(Some(&[])), Err(PeerError::Absent));
        let mut bytes = TestPki::new().issue("master").certificate().to_vec();
        for length in 0..bytes.len() {
            assert!(Peer::of(&CertificateDer::from(&bytes[..length])).is_err(), "{length}");
        }
        bytes.push(0);
        assert!(matches!(Peer::of(&CertificateDer::from(bytes)), Err(PeerError::Malformed(_))));
    }
}
