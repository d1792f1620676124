//! Why a handshake failed, in words that an operator can act on.
//!
//! Only describes: the verifiers decide. What this module does not know, it hands on as it is.

use std::error::Error;
use std::io;

use rustls::{AlertDescription, CertificateError, PeerIncompatible};
use rustls_pki_types::{CertificateDer, UnixTime};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use x509_parser::extensions::ExtendedKeyUsage;

use crate::peer::parse;
use crate::{Fingerprint, Fleet, PeerError, RoleUri};

/// Why a handshake failed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum HandshakeError {
    /// The certificate was signed by a CA that we do not trust.
    #[error("trust the other side's certificate: it is not signed by this fleet's CA")]
    ForeignAuthority,
    /// The certificate holds no longer.
    #[error("trust the other side's certificate: it has expired{}, by this machine's clock", when(" on ", *.0))]
    Expired(Option<OffsetDateTime>),
    /// The certificate does not hold yet.
    #[error("trust the other side's certificate: it does not hold yet{}, by this machine's clock", when(", but from ", *.0))]
    NotYetValid(Option<OffsetDateTime>),
    /// The certificate was revoked.
    #[error("trust the other side's certificate: it was revoked")]
    Revoked,
    /// A client's certificate on a server, or the other way round.
    #[error("trust the other side's certificate: its key usage does not allow this")]
    WrongPurpose,
    /// The certificate has other names than the one that was dialled.
    #[error("trust the other side's certificate: it is not for {0}")]
    WrongName(String),
    /// The other side presented no certificate.
    #[error("trust the other side: it presented no certificate")]
    NoCertificate,
    /// The other side cannot prove that the certificate's key is its own.
    #[error("trust the other side: it does not hold its certificate's key")]
    BadSignature,
    /// The certificate names no role, or several.
    #[error("trust the other side's certificate")]
    NoRole(#[from] PeerError),
    /// The certificate is good, and of another role or host.
    #[error("trust the other side: it is {found}, not {expected}; is the address right?")]
    WrongRole {
        /// Who should have answered.
        expected: RoleUri,
        /// Who did.
        found: RoleUri,
    },
    /// The certificate is good, and names another fleet.
    #[error("trust the other side: it is of the fleet {found}, not of {expected}")]
    WrongFleet {
        /// Ours.
        expected: Fleet,
        /// Theirs.
        found: Fleet,
    },
    /// The certificate is good, and not the recorded one.
    #[error(
        "trust the other side: its certificate has the fingerprint {found}, which is not the recorded one"
    )]
    WrongFingerprint {
        /// What it presented.
        found: Fingerprint,
    },
    /// The other side speaks TLS 1.2 or older.
    #[error("agree on TLS 1.3: the other side offers only older versions")]
    OldVersion,
    /// What answered does not speak TLS.
    #[error(
        "speak TLS: the other side answers with something else; is this the updater's port (8766 by default), not the agent's?"
    )]
    NotTls,
    /// The other side ended the handshake.
    #[error("be let in: the other side {0}")]
    Refused(Refusal),
    /// Anything else.
    #[error("finish the TLS handshake")]
    Other(#[source] rustls::Error),
}

/// What the other side said when it refused us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// We presented no certificate.
    #[error("asks for a certificate")]
    NoCertificate,
    /// Ours holds no longer, or not yet, by its clock.
    #[error("finds our certificate expired, or not yet valid, by its clock")]
    NotValidNow,
    /// Ours was signed by a CA that it does not trust.
    #[error("does not trust the CA of our certificate")]
    ForeignAuthority,
    /// Ours may not be used for this.
    #[error("finds that our certificate's key usage does not allow this")]
    WrongPurpose,
    /// Ours was revoked.
    #[error("finds our certificate revoked")]
    Revoked,
    /// It does not take ours, and TLS has no word for why: a wrong role or fleet, for example.
    #[error("does not accept our certificate or its role")]
    NotAccepted,
    /// It does not speak TLS 1.3.
    #[error("does not speak TLS 1.3")]
    OldVersion,
    /// Another alert (RFC 8446, section 6).
    #[error("ended the handshake with the alert {0}")]
    Alert(u8),
}

impl HandshakeError {
    /// Finds the TLS error in what a connection, or an HTTP client upon it, failed with; nothing if
    /// the connection failed for another reason. In TLS 1.3 a server's refusal of our certificate
    /// arrives with the first read, not from the handshake: ask there too.
    pub fn find(error: &(dyn Error + 'static)) -> Option<Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(found) = error.downcast_ref::<Self>() {
                return Some(found.clone());
            }
            if let Some(found) = error.downcast_ref::<rustls::Error>() {
                return Some(found.clone().into());
            }
            // An `io::Error` counts what it wraps as itself: its `source` is already one further.
            let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
            if let Some(found) = inner.and_then(|inner| Self::find(inner)) {
                return Some(found);
            }
            next = error.source();
        }
        None
    }
}

impl From<rustls::Error> for HandshakeError {
    fn from(error: rustls::Error) -> Self {
        use rustls::Error as Tls;
        match error {
            Tls::InvalidCertificate(error) => of_certificate(error),
            Tls::NoCertificatesPresented => Self::NoCertificate,
            Tls::InvalidMessage(_) => Self::NotTls,
            Tls::PeerIncompatible(
                PeerIncompatible::ServerDoesNotSupportTls12Or13
                | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
                | PeerIncompatible::SupportedVersionsExtensionRequired
                | PeerIncompatible::Tls12NotOffered
                | PeerIncompatible::Tls12NotOfferedOrEnabled,
            ) => Self::OldVersion,
            Tls::AlertReceived(alert) => Self::Refused(alert.into()),
            other => Self::Other(other),
        }
    }
}

fn of_certificate(error: CertificateError) -> HandshakeError {
    use HandshakeError as Ours;
    match error {
        CertificateError::UnknownIssuer => Ours::ForeignAuthority,
        CertificateError::Expired => Ours::Expired(None),
        CertificateError::ExpiredContext { not_after, .. } => Ours::Expired(date(not_after)),
        CertificateError::NotValidYet => Ours::NotYetValid(None),
        CertificateError::NotValidYetContext { not_before, .. } => {
            Ours::NotYetValid(date(not_before))
        }
        CertificateError::Revoked => Ours::Revoked,
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            Ours::WrongPurpose
        }
        CertificateError::NotValidForName => Ours::WrongName("the name that was dialled".into()),
        CertificateError::NotValidForNameContext { expected, .. } => {
            Ours::WrongName(expected.to_str().into_owned())
        }
        CertificateError::BadSignature => Ours::BadSignature,
        CertificateError::BadEncoding => {
            Ours::NoRole(PeerError::Malformed("it is not well-formed DER"))
        }
        CertificateError::Other(ref other) => match other.0.downcast_ref::<Ours>() {
            Some(ours) => ours.clone(),
            None => Ours::Other(error.into()),
        },
        other => Ours::Other(other.into()),
    }
}

impl From<AlertDescription> for Refusal {
    fn from(alert: AlertDescription) -> Self {
        match alert {
            AlertDescription::CertificateRequired | AlertDescription::NoCertificate => {
                Self::NoCertificate
            }
            AlertDescription::CertificateExpired => Self::NotValidNow,
            AlertDescription::UnknownCA => Self::ForeignAuthority,
            AlertDescription::UnsupportedCertificate => Self::WrongPurpose,
            AlertDescription::CertificateRevoked => Self::Revoked,
            AlertDescription::BadCertificate
            | AlertDescription::CertificateUnknown
            | AlertDescription::AccessDenied => Self::NotAccepted,
            AlertDescription::ProtocolVersion => Self::OldVersion,
            other => Self::Alert(other.into()),
        }
    }
}

/// Carries our verdict through rustls, to be found again by [`HandshakeError::find`].
pub(crate) fn refuse(error: HandshakeError) -> rustls::Error {
    CertificateError::Other(rustls::OtherError(std::sync::Arc::new(error))).into()
}

/// What a verifier of chains said. A CA of the same name with another key shows as a bad signature;
/// what an operator has to know is that it is another CA.
pub(crate) fn of_chain(error: rustls::Error) -> rustls::Error {
    match error {
        rustls::Error::InvalidCertificate(CertificateError::BadSignature) => {
            CertificateError::UnknownIssuer.into()
        }
        other => other,
    }
}

/// Whether a certificate says that it is for this end of a connection. webpki takes one that says
/// nothing of its usage for any.
pub(crate) fn check_usage(
    certificate: &CertificateDer<'_>,
    is_for: impl FnOnce(&ExtendedKeyUsage<'_>) -> bool,
) -> Result<(), rustls::Error> {
    let parsed = parse(certificate).map_err(|error| refuse(error.into()))?;
    let usages = parsed.extended_key_usage().ok().flatten();
    if usages.is_some_and(|usages| is_for(usages.value)) {
        return Ok(());
    }
    Err(CertificateError::InvalidPurpose.into())
}

/// A time as it stands in messages.
pub(crate) fn rfc3339(time: OffsetDateTime) -> String {
    time.format(&Rfc3339).unwrap_or_else(|_| time.to_string())
}

fn when(before: &str, time: Option<OffsetDateTime>) -> String {
    time.map(|time| format!("{before}{}", rfc3339(time))).unwrap_or_default()
}

fn date(time: UnixTime) -> Option<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp(time.as_secs().try_into().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("send a request")]
    struct Wrapped(#[source] io::Error);

    #[test]
    fn a_tls_error_is_found_however_it_is_wrapped() {
        let tls = || rustls::Error::from(CertificateError::UnknownIssuer);
        let io = || io::Error::new(io::ErrorKind::InvalidData, tls());
        assert_eq!(HandshakeError::find(&tls()), Some(HandshakeError::ForeignAuthority));
        assert_eq!(HandshakeError::find(&io()), Some(HandshakeError::ForeignAuthority));
        assert_eq!(HandshakeError::find(&Wrapped(io())), Some(HandshakeError::ForeignAuthority));
        let nested = Wrapped(io::Error::other(Wrapped(io())));
        assert_eq!(HandshakeError::find(&nested), Some(HandshakeError::ForeignAuthority));
    }

    #[test]
    fn other_failures_are_not_called_tls() {
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        assert_eq!(HandshakeError::find(&refused), None);
        assert_eq!(HandshakeError::find(&Wrapped(io::Error::other("tls"))), None);
    }

    #[test]
    fn our_own_verdicts_come_back_as_they_were() {
        let found = Fingerprint::of(&b"abc".to_vec().into());
        let verdict = HandshakeError::WrongFingerprint { found };
        let error = io::Error::other(refuse(verdict.clone()));
        assert_eq!(HandshakeError::find(&error), Some(verdict));
    }

    #[test]
    fn messages_say_what_an_operator_can_act_on() {
        let date = date(UnixTime::since_unix_epoch(std::time::Duration::from_hours(24)));
        assert_eq!(
            HandshakeError::Expired(date).to_string(),
            "trust the other side's certificate: it has expired on 1970-01-02T00:00:00Z, by this machine's clock"
        );
        assert_eq!(
            HandshakeError::Refused(AlertDescription::UnknownCA.into()).to_string(),
            "be let in: the other side does not trust the CA of our certificate"
        );
    }
}
