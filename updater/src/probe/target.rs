//! What is asked, read from the configuration once.

use std::path::Path;
use std::str::FromStr as _;
use std::sync::Arc;

use http::header::{self, HeaderName};
use http::uri::{Authority, Scheme};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use pki::{Credentials, IdentityError, Paths, ProbeTrust, TlsError, probe_client_config};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;

use super::place::Place;
use crate::config::{AppConfig, HealthConfig, is_local, split_unix};

/// What a probe asks.
#[derive(Debug, Clone)]
pub(super) enum Target {
    Http(Box<HttpTarget>),
    Tcp(String),
    Command(Vec<String>),
    Nothing,
}

#[derive(Debug, Clone)]
pub(super) struct HttpTarget {
    /// As it was written.
    pub(super) url: String,
    pub(super) uri: Uri,
    pub(super) place: Place,
    pub(super) method: Method,
    /// The statuses that pass; empty for those from 200 to 299.
    expect: Vec<StatusCode>,
    /// Whether the body of an answer that passes need not end.
    pub(super) any_body: bool,
    /// Whether it is one of this machine's own.
    pub(super) is_local: bool,
    /// Absent for plain HTTP.
    pub(super) tls: Option<(ServerName<'static>, Arc<ClientConfig>)>,
    pub(super) pointer: Option<String>,
    /// What the question carries, `Host` among it.
    pub(super) headers: HeaderMap,
    /// The app's user; absent for the updater's own.
    pub(super) user: Option<String>,
}

/// Why an app cannot be probed as it is configured.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// Not a URL that can be asked.
    #[error("use {0:?} as the health url: expected http://host:port/path or https://…")]
    Url(String),
    /// Not a method.
    #[error("ask with the method {0:?}")]
    Method(String),
    /// Not a status.
    #[error("expect the status {0}")]
    Status(u16),
    /// Not a header that can be sent.
    #[error("send the header {0:?} with the probe")]
    Header(String),
    /// The certificate for the probe cannot be used.
    #[error("load the identity of the probe")]
    Identity(#[from] IdentityError),
    /// TLS cannot be set up.
    #[error("set up the TLS of the probe")]
    Tls(#[from] TlsError),
}

impl Target {
    pub(super) fn read(app: &AppConfig, identity: &Path) -> Result<Self, ProbeError> {
        let health = &app.health;
        if let Some(url) = &health.url {
            return HttpTarget::read(url, app, identity).map(|target| Self::Http(Box::new(target)));
        }
        if let Some(address) = &health.tcp {
            return Ok(Self::Tcp(address.clone()));
        }
        Ok(match &health.command {
            Some(command) if !command.0.is_empty() => Self::Command(command.0.clone()),
            _ => Self::Nothing,
        })
    }

    /// What is asked of a new agent beside an old one.
    pub(super) fn of_readiness(app: &AppConfig, identity: &Path) -> Result<Self, ProbeError> {
        match &app.health.ready_url {
            Some(url) => HttpTarget::read(url, app, identity).map(|it| Self::Http(Box::new(it))),
            None => Self::read(app, identity),
        }
    }
}

impl HttpTarget {
    fn read(url: &str, app: &AppConfig, identity: &Path) -> Result<Self, ProbeError> {
        let health = &app.health;
        let wrong = || ProbeError::Url(url.to_owned());
        let socket = split_unix(url);
        let asked = match socket {
            Some((_, path)) => format!("http://localhost{path}"),
            None => url.to_owned(),
        };
        let uri: Uri = asked.parse().map_err(|_| wrong())?;
        let host = uri.host().ok_or_else(wrong)?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let secure = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTP => false,
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            _ => return Err(wrong()),
        };
        let local = is_local(&host);
        let tls = if secure {
            let name = health.server_name.clone().unwrap_or_else(|| host.clone());
            let name = ServerName::try_from(name).map_err(|_| wrong())?;
            Some((name, client_config(health, local, identity)?))
        } else {
            None
        };
        let headers = headers(health, &uri)?;
        let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let place = match socket {
            Some((socket, _)) => Place::Unix(socket.into()),
            None => Place::Tcp { host, port },
        };
        let no_method = |_| ProbeError::Method(health.method.clone());
        let no_status =
            |status: u16| StatusCode::from_u16(status).map_err(|_| ProbeError::Status(status));
        Ok(Self {
            url: url.to_owned(),
            uri,
            place,
            method: Method::from_bytes(health.method.as_bytes()).map_err(no_method)?,
            expect: health.expect.iter().copied().map(no_status).collect::<Result<_, _>>()?,
            any_body: health.any_body,
            is_local: local,
            tls,
            pointer: health.release_pointer.clone(),
            headers,
            user: app.user.clone(),
        })
    }

    /// Where to connect to.
    pub(super) fn address(&self) -> String {
        self.place.to_string()
    }

    /// Whether an answer of this status passes.
    pub(super) fn expects(&self, status: StatusCode) -> bool {
        if self.expect.is_empty() { status.is_success() } else { self.expect.contains(&status) }
    }
}

fn headers(health: &HealthConfig, uri: &Uri) -> Result<HeaderMap, ProbeError> {
    let mut headers = HeaderMap::new();
    let authority = uri.authority().map_or("", Authority::as_str);
    let host = health.host.as_deref().unwrap_or(authority);
    let standard = [
        (header::HOST.as_str(), host),
        (header::USER_AGENT.as_str(), "updater-probe"),
        (header::ACCEPT.as_str(), "application/json, */*;q=0.5"),
    ];
    let more = health.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    for (name, value) in standard.into_iter().chain(more) {
        let wrong = || ProbeError::Header(name.to_owned());
        let value = HeaderValue::from_str(value).map_err(|_| wrong())?;
        headers.insert(HeaderName::from_str(name).map_err(|_| wrong())?, value);
    }
    Ok(headers)
}

fn client_config(
    health: &HealthConfig,
    local: bool,
    identity: &Path,
) -> Result<Arc<ClientConfig>, ProbeError> {
    let verify = health.verify && !(local && health.insecure_localhost);
    if health.anonymous && !verify {
        return Ok(probe_client_config(None, ProbeTrust::Anyone)?);
    }
    let credentials = match &health.identity {
        Some(directory) => Credentials::load(&Paths::client(directory))?,
        None => Credentials::load(&Paths::updater(identity))?,
    };
    let trust = if verify { ProbeTrust::Roots(credentials.roots()) } else { ProbeTrust::Anyone };
    let shown = Some(&credentials).filter(|_| !health.anonymous);
    Ok(probe_client_config(shown, trust)?)
}
