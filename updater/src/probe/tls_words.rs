//! Why TLS with a program failed, in plain words, and which key of its probe mends it.

use std::io;

use common::chain;
use rustls::{CertificateError, Error as TlsFailure};

use super::target::HttpTarget;

/// What webpki calls a server's certificate that is a CA's, as a self-signed one often is.
const CA_AS_SERVER: &str = "CaUsedAsEndEntity";

/// What fits after the URL that was asked.
pub(super) fn tls_words(error: &io::Error, target: &HttpTarget) -> String {
    let failure = error.get_ref().and_then(|inner| inner.downcast_ref::<TlsFailure>());
    match failure {
        Some(TlsFailure::InvalidCertificate(error)) => of_certificate(error, target),
        Some(TlsFailure::InvalidMessage(_)) => "what answers does not speak TLS".to_owned(),
        _ => format!("the TLS handshake failed: {}", chain(error)),
    }
}

fn of_certificate(error: &CertificateError, target: &HttpTarget) -> String {
    let trust = format!(
        "name a directory with the ca.crt that it is signed by as `identity`{}",
        if target.is_local { ", or set `insecure_localhost = true`" } else { "" }
    );
    match error {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            format!("its certificate is signed by a CA that the probe does not trust: {trust}")
        }
        CertificateError::Other(other) if other.to_string().contains(CA_AS_SERVER) => {
            let instead = if target.is_local {
                "give it one that a CA has signed, or set `insecure_localhost = true`"
            } else {
                "give it one that a CA has signed"
            };
            format!(
                "its certificate is a CA's own, as a self-signed one is, and none for a server: {instead}"
            )
        }
        CertificateError::NotValidForNameContext { expected, presented } => {
            let names: Vec<_> = presented.iter().map(|name| plain_name(name)).collect();
            let names = if names.is_empty() { "no name".to_owned() } else { names.join(", ") };
            format!(
                "its certificate is for {names}, and not for {}: set `server_name` to a name that it is for",
                expected.to_str()
            )
        }
        CertificateError::NotValidForName => {
            "its certificate is for another name: set `server_name` to a name that it is for"
                .to_owned()
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "its certificate has expired, by this machine's clock: renew it".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "its certificate does not hold yet, by this machine's clock".to_owned()
        }
        other => format!("its certificate is not taken: {other}"),
    }
}

/// `web.example.org`, of `DnsName("web.example.org")`.
fn plain_name(shown: &str) -> &str {
    shown.split('"').nth(1).or_else(|| shown.split(['(', ')']).nth(1)).unwrap_or(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_shown_as_it_is_written() {
        assert_eq!(plain_name(r#"DnsName("web.example.org")"#), "web.example.org");
        assert_eq!(plain_name("IpAddress(127.0.0.1)"), "127.0.0.1");
        assert_eq!(plain_name("web"), "web");
    }
}
