//! Who is told of what, and how often it is tried.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use protocol::Command;
use reqwest::Url;

use crate::notify::Occasion;

/// One `[[on_event]]` of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    pub events: BTreeSet<Occasion>,
    pub target: Target,
    /// How long one attempt may take.
    pub timeout: Duration,
    /// How often it is tried.
    pub attempts: NonZeroU32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A program, which gets the event on its standard input.
    Command(Command),
    /// A web server, which gets it as a signed POST.
    Webhook {
        url: HookUrl,
        /// The file of the secret that it is signed with.
        secret: PathBuf,
        /// The certificates that its own is checked against, instead of the system's.
        ca: Option<PathBuf>,
    },
}

/// Where a webhook goes: `https`, or `http` on this very machine, where nobody listens in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookUrl(Url);

/// Why a text is no such place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// It is no address.
    #[error("it is no address: {0}")]
    Unreadable(String),
    /// Others could read what is sent there, and change it.
    #[error("it must be https (http is for 127.0.0.1, ::1 and localhost only)")]
    Plain,
}

impl HookUrl {
    pub fn url(&self) -> &Url {
        &self.0
    }
}

impl FromStr for HookUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let url = Url::parse(text).map_err(|error| UrlError::Unreadable(error.to_string()))?;
        let host = url.host_str().unwrap_or_default();
        let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
        let here = host == "localhost" || address.is_ok_and(|address| address.is_loopback());
        match url.scheme() {
            "https" => Ok(Self(url)),
            "http" if here => Ok(Self(url)),
            _ => Err(UrlError::Plain),
        }
    }
}

impl fmt::Display for Target {
    /// As it may be shown: paths and queries of such addresses often are secrets.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Command(command) => {
                write!(formatter, "{}", command.0.first().map_or("", String::as_str))
            }
            Self::Webhook { url, .. } => {
                write!(formatter, "{}", url.0.origin().ascii_serialization())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_webhook_goes_where_nobody_listens_in() {
        for good in [
            "https://hooks.example.org/x?y=1",
            "http://127.0.0.1:8080/",
            "http://[::1]/",
            "http://localhost/x",
        ] {
            assert!(good.parse::<HookUrl>().is_ok(), "{good}");
        }
        for bad in
            ["http://hooks.example.org/", "http://10.0.0.1/", "ftp://127.0.0.1/", "file:///x"]
        {
            assert_eq!(bad.parse::<HookUrl>(), Err(UrlError::Plain), "{bad}");
        }
        assert!(matches!("x".parse::<HookUrl>(), Err(UrlError::Unreadable(_))));
    }

    #[test]
    fn what_may_be_a_secret_is_not_shown() {
        let url = "https://ada:pw@hooks.example.org:444/T0/B1/secret?token=x".parse().unwrap();
        let target = Target::Webhook { url, secret: "x".into(), ca: None };
        assert_eq!(target.to_string(), "https://hooks.example.org:444");
        let command = Target::Command(Command(vec!["/bin/page".to_owned(), "secret".to_owned()]));
        assert_eq!(command.to_string(), "/bin/page");
    }
}
