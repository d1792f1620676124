//! The certificates of the fleet's members: what stands in them, and the files that they become.
//!
//! Decides by role alone what a certificate says. Of what a member asks for itself, nothing but
//! extra names is taken.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use protocol::{HostName, NameError};
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose,
    SanType,
};
use ring::rand::{SecureRandom as _, SystemRandom};
use rustls_pki_types::CertificateDer;
use time::OffsetDateTime;

use crate::{Authority, AuthorityError, Bundle, Fingerprint, PrivatePem, Role, RoleUri};

/// How long a certificate lives unless it is asked for otherwise.
pub const DEFAULT_LIFETIME: Duration = Duration::from_hours(90 * 24);

/// Certificates begin this long in the past, for hosts whose clocks are behind.
pub(crate) const BACKDATED: Duration = Duration::from_mins(5);

/// A name or address besides the host's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AltName {
    /// A DNS name.
    Dns(HostName),
    /// An address.
    Ip(IpAddr),
}

/// Why a text is neither a name nor an address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("use an alternative name that is no address")]
pub struct AltNameError(#[from] NameError);

impl FromStr for AltName {
    type Err = AltNameError;

    fn from_str(text: &str) -> Result<Self, AltNameError> {
        match text.parse() {
            Ok(address) => Ok(Self::Ip(address)),
            Err(_) => Ok(Self::Dns(text.parse()?)),
        }
    }
}

impl fmt::Display for AltName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(name) => name.fmt(formatter),
            Self::Ip(address) => address.fmt(formatter),
        }
    }
}

/// What a certificate is asked for.
#[derive(Debug, Clone)]
pub struct Request {
    /// Whom it speaks for.
    pub role: Role,
    /// Names and addresses besides those that the role brings.
    pub sans: Vec<AltName>,
    /// How long it holds; never longer than the CA.
    pub lifetime: Duration,
}

impl Request {
    /// A certificate for this role, with nothing extra, for the default lifetime.
    pub fn new(role: Role) -> Self {
        Self { role, sans: Vec::new(), lifetime: DEFAULT_LIFETIME }
    }
}

/// A certificate that was issued, with its key.
#[derive(Debug)]
pub struct Issued {
    /// Whom it speaks for.
    pub role: Role,
    /// The certificate.
    pub certificate_pem: String,
    /// Its key, in PKCS #8.
    pub key_pem: PrivatePem,
    /// The fingerprint to be recorded and pinned.
    pub fingerprint: Fingerprint,
    /// From when it holds.
    pub not_before: OffsetDateTime,
    /// Until when.
    pub not_after: OffsetDateTime,
    pub(crate) certificate: CertificateDer<'static>,
}

impl Issued {
    /// The certificate in DER.
    pub fn certificate(&self) -> CertificateDer<'static> {
        self.certificate.clone()
    }

    /// The directory that its holder gets: key and certificate under the role's file names, and the
    /// CA's certificate, except beside the master's own, which has the CA's directory.
    pub fn bundle<'a>(&'a self, authority: &'a Authority, directory: PathBuf) -> Bundle<'a> {
        let stem = match self.role {
            Role::Master => "master",
            Role::Updater(_) => "updater",
            Role::Agent(_) => "worker",
            Role::Monitor(_) => "client",
        };
        let bundle = match self.role {
            Role::Master => Bundle::new(directory),
            _ => Bundle::new(directory).certificate("ca.crt", authority.certificate_pem()),
        };
        bundle
            .certificate(format!("{stem}.crt"), &self.certificate_pem)
            .key(format!("{stem}.key"), &self.key_pem)
    }
}

/// What stands in the certificate that is asked for. The lifetime is not yet held against the CA's.
pub(crate) fn parameters(
    uri: &RoleUri,
    request: &Request,
    now: OffsetDateTime,
) -> Result<CertificateParams, AuthorityError> {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name = common_name(&readable(&uri.role));
    parameters.subject_alt_names = alt_names(uri, &request.sans)?;
    parameters.extended_key_usages = usages(&uri.role);
    parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    // Spelled out, because rcgen writes a subject key identifier only where it writes this.
    parameters.is_ca = IsCa::ExplicitNoCa;
    parameters.use_authority_key_identifier_extension = true;
    parameters.serial_number = Some(serial()?.into());
    // X.509 knows whole seconds.
    let now = now.truncate_to_second();
    parameters.not_before = now - BACKDATED;
    parameters.not_after = now + request.lifetime;
    Ok(parameters)
}

pub(crate) fn common_name(name: &str) -> DistinguishedName {
    let mut distinguished_name = DistinguishedName::new();
    distinguished_name.push(DnType::CommonName, name);
    distinguished_name
}

/// The common name: for people only, nothing is decided by it.
fn readable(role: &Role) -> String {
    match role {
        Role::Master => "master".to_owned(),
        Role::Updater(host) => format!("updater@{host}"),
        Role::Agent(host) => host.to_string(),
        Role::Monitor(name) => format!("monitor@{name}"),
    }
}

/// webpki fails names on a certificate that has URIs only: a server needs its host's DNS name.
fn alt_names(uri: &RoleUri, extra: &[AltName]) -> Result<Vec<SanType>, AuthorityError> {
    let unencodable = AuthorityError::Sign;
    let dns = |name: &str| name.try_into().map(SanType::DnsName).map_err(unencodable);
    let mut names = vec![SanType::URI(uri.to_string().as_str().try_into().map_err(unencodable)?)];
    if let Some(host) = uri.role.host() {
        names.push(dns(host.as_str())?);
    }
    if let Role::Agent(_) = uri.role {
        names.push(dns("localhost")?);
        names.push(SanType::IpAddress(Ipv4Addr::LOCALHOST.into()));
    }
    for name in extra {
        let name = match name {
            AltName::Dns(name) => dns(name.as_str())?,
            AltName::Ip(address) => SanType::IpAddress(*address),
        };
        if !names.contains(&name) {
            names.push(name);
        }
    }
    Ok(names)
}

/// One usage where one is enough. Updaters are servers, and clients of their HTTPS probes; agents
/// are servers of their health, and clients that may read their own updater's.
fn usages(role: &Role) -> Vec<ExtendedKeyUsagePurpose> {
    use ExtendedKeyUsagePurpose::{ClientAuth, ServerAuth};
    match role {
        Role::Master | Role::Monitor(_) => vec![ClientAuth],
        Role::Updater(_) | Role::Agent(_) => vec![ServerAuth, ClientAuth],
    }
}

/// 16 random bytes as a positive number of constant length (RFC 5280, section 4.1.2.2, allows 20).
pub(crate) fn serial() -> Result<Vec<u8>, AuthorityError> {
    let mut bytes = [0; 16];
    SystemRandom::new().fill(&mut bytes).map_err(|_| AuthorityError::Random)?;
    bytes[0] = bytes[0] & 0x7f | 0x40;
    Ok(bytes.to_vec())
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;
    use x509_parser::extensions::{GeneralName, ParsedExtension};

    use super::*;
    use crate::Fleet;
    use crate::peer::parse;

    const NOW: OffsetDateTime = datetime!(2026-03-01 12:00:00.5 UTC);

    fn authority() -> Authority {
        Authority::create(&Fleet::default(), NOW).unwrap()
    }

    fn issue(authority: &Authority, role: &str, sans: &[&str]) -> Issued {
        let role = format!("spiffe://swarm/{role}").parse::<RoleUri>().unwrap().role;
        let sans = sans.iter().map(|name| name.parse().unwrap()).collect();
        authority.issue(&Request { sans, ..Request::new(role) }, NOW).unwrap()
    }

    /// Common name, alternative names, and whether the certificate is for servers and for clients.
    fn said_by(issued: &Issued) -> (String, Vec<String>, bool, bool) {
        let parsed = parse(&issued.certificate).unwrap();
        let common_name =
            parsed.subject().iter_common_name().next().unwrap().as_str().unwrap().to_owned();
        let names = parsed.subject_alternative_name().unwrap().unwrap().value;
        let names = names.general_names.iter().map(|name| match name {
            GeneralName::URI(uri) => format!("URI:{uri}"),
            GeneralName::DNSName(name) => format!("DNS:{name}"),
            GeneralName::IPAddress(bytes) => format!("IP:{bytes:?}"),
            other => format!("{other:?}"),
        });
        let usage = parsed.extended_key_usage().unwrap().unwrap().value;
        assert!(!usage.any && usage.other.is_empty() && !usage.code_signing);
        (common_name, names.collect(), usage.server_auth, usage.client_auth)
    }

    #[test]
    fn each_role_says_what_it_is_and_no_more() {
        let authority = authority();
        assert_eq!(
            said_by(&issue(&authority, "master", &[])),
            ("master".into(), vec!["URI:spiffe://swarm/master".into()], false, true)
        );
        assert_eq!(
            said_by(&issue(&authority, "updater/web-1", &[])),
            (
                "updater@web-1".into(),
                vec!["URI:spiffe://swarm/updater/web-1".into(), "DNS:web-1".into()],
                true,
                true
            )
        );
        assert_eq!(
            said_by(&issue(&authority, "agent/web-1", &["web-1", "www.example.org", "10.0.0.11"])),
            (
                "web-1".into(),
                vec![
                    "URI:spiffe://swarm/agent/web-1".into(),
                    "DNS:web-1".into(),
                    "DNS:localhost".into(),
                    "IP:[127, 0, 0, 1]".into(),
                    "DNS:www.example.org".into(),
                    "IP:[10, 0, 0, 11]".into(),
                ],
                true,
                true
            )
        );
        assert_eq!(
            said_by(&issue(&authority, "monitor/grafana", &[])),
            (
                "monitor@grafana".into(),
                vec!["URI:spiffe://swarm/monitor/grafana".into()],
                false,
                true
            )
        );
    }

    #[test]
    fn the_key_identifiers_join_a_certificate_to_its_ca() {
        let authority = authority();
        let issued = issue(&authority, "updater/web-1", &[]);
        let root = authority.certificate();
        let (root, leaf) = (parse(&root).unwrap(), parse(&issued.certificate).unwrap());
        let subject_key = |certificate: &x509_parser::certificate::X509Certificate<'_>| {
            certificate.iter_extensions().find_map(|extension| match extension.parsed_extension() {
                ParsedExtension::SubjectKeyIdentifier(id) => Some(id.0.to_vec()),
                _ => None,
            })
        };
        let authority_key =
            leaf.iter_extensions().find_map(|extension| match extension.parsed_extension() {
                ParsedExtension::AuthorityKeyIdentifier(id) => {
                    id.key_identifier.as_ref().map(|id| id.0.to_vec())
                }
                _ => None,
            });
        assert!(subject_key(&leaf).is_some());
        assert_ne!(subject_key(&leaf), subject_key(&root));
        assert!(authority_key.is_some());
        assert_eq!(authority_key, subject_key(&root));
    }

    #[test]
    fn a_certificate_begins_five_minutes_ago_and_lives_ninety_days() {
        let issued = issue(&authority(), "master", &[]);
        let parsed = parse(&issued.certificate).unwrap();
        let validity = parsed.validity();
        assert_eq!(validity.not_before.to_datetime(), datetime!(2026-03-01 11:55:00 UTC));
        assert_eq!(validity.not_after.to_datetime(), datetime!(2026-05-30 12:00:00 UTC));
        assert_eq!(issued.not_before, validity.not_before.to_datetime());
        assert_eq!(issued.not_after, validity.not_after.to_datetime());
    }

    #[test]
    fn serial_numbers_are_positive_and_differ() {
        let authority = authority();
        let serials = [(); 2].map(|()| {
            let issued = issue(&authority, "master", &[]);
            parse(&issued.certificate).unwrap().raw_serial().to_vec()
        });
        assert_ne!(serials[0], serials[1]);
        assert!(serials.iter().all(|serial| serial.len() == 16 && serial[0] < 0x80));
    }

    #[test]
    fn an_alternative_name_is_a_name_or_an_address() {
        assert_eq!("10.0.0.1".parse(), Ok(AltName::Ip([10, 0, 0, 1].into())));
        assert_eq!("::1".parse::<AltName>().unwrap().to_string(), "::1");
        assert_eq!("localhost".parse::<AltName>().unwrap().to_string(), "localhost");
        for bad in ["", "*.example.org", "10.0.0.1/8", "https://x/", "a b", "10.0.0.256"] {
            assert!(bad.parse::<AltName>().is_err(), "{bad}");
        }
    }
}
