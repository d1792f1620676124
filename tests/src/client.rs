//! An HTTP client that shares nothing with `swarm` but the protocol.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use protocol::header;
use reqwest::{Method, RequestBuilder, Response};
use rustls::ClientConfig;
use tokio::runtime::{Builder, Runtime};

use crate::{Answer, Release};

/// No answer takes longer; a test that would wait for ever fails instead.
const TIMEOUT: Duration = Duration::from_secs(90);

/// Speaks to one updater as one identity. Every call is a new connection.
#[derive(Clone, Debug)]
pub struct Client {
    runtime: Arc<Runtime>,
    http: reqwest::Client,
    base: String,
}

/// A request that is being put together.
#[derive(Debug)]
pub struct Call {
    runtime: Arc<Runtime>,
    request: RequestBuilder,
}

/// The lines of an answer as they come. Dropped, it breaks the connection.
#[derive(Debug)]
pub struct Lines {
    runtime: Arc<Runtime>,
    pub status: u16,
    response: Response,
    waiting: Vec<u8>,
}

impl Client {
    /// A client for the updater that listens on `address`.
    ///
    /// # Errors
    /// When the system has no threads or descriptors left.
    pub fn new(address: SocketAddr, tls: &ClientConfig) -> Result<Self> {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls.clone())
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .pool_max_idle_per_host(0)
            .timeout(TIMEOUT)
            .build()?;
        Ok(Self { runtime: Arc::new(runtime), http, base: format!("https://{address}") })
    }

    /// A request with this release as its body, and the headers that belong to it.
    pub fn upload(&self, path: &str, release: &Release) -> Call {
        self.post(path)
            .header("content-type", release.media_type())
            .header(header::CONTENT_DIGEST, &release.content_digest())
            .body(release.bytes.clone())
    }

    /// Asks for a route.
    ///
    /// # Errors
    /// When no answer comes.
    pub fn get(&self, path: &str) -> Result<Answer> {
        self.call(Method::GET, path).send()
    }

    pub fn call(&self, method: Method, path: &str) -> Call {
        let request = self.http.request(method, format!("{}{path}", self.base));
        Call { runtime: Arc::clone(&self.runtime), request }
    }

    pub fn post(&self, path: &str) -> Call {
        self.call(Method::POST, path)
    }
}

impl Call {
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.request = self.request.header(name, value);
        self
    }

    #[must_use]
    pub fn body(mut self, body: impl Into<reqwest::Body>) -> Self {
        self.request = self.request.body(body);
        self
    }

    #[must_use]
    pub fn json(mut self, body: &serde_json::Value) -> Self {
        self.request = self.request.json(body);
        self
    }

    #[must_use]
    pub fn multipart(mut self, form: reqwest::multipart::Form) -> Self {
        self.request = self.request.multipart(form);
        self
    }

    /// Sends it and reads the whole answer.
    ///
    /// # Errors
    /// When the connection is refused or breaks.
    pub fn send(self) -> Result<Answer> {
        let Self { runtime, request } = self;
        runtime.block_on(async {
            let response = request.send().await?;
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            let body = response.bytes().await.context("read the answer")?.to_vec();
            Ok(Answer { status, headers, body })
        })
    }

    /// Sends it, and gives the answer's lines as they come.
    ///
    /// # Errors
    /// When the connection is refused or breaks.
    pub fn lines(self) -> Result<Lines> {
        let Self { runtime, request } = self;
        // Its timer is made where it is called, which has to be in the runtime.
        let response = runtime.block_on(async { request.send().await })?;
        let status = response.status().as_u16();
        Ok(Lines { runtime, status, response, waiting: Vec::new() })
    }
}

impl Lines {
    /// The next line without its end, or nothing at the end.
    ///
    /// # Errors
    /// When the connection breaks.
    pub fn next_line(&mut self) -> Result<Option<String>> {
        loop {
            if let Some(end) = self.waiting.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.waiting.drain(..=end).collect();
                return Ok(Some(String::from_utf8_lossy(&line[..end]).into_owned()));
            }
            match self.runtime.block_on(self.response.chunk())? {
                Some(chunk) => self.waiting.extend_from_slice(&chunk),
                None => return Ok(None),
            }
        }
    }

    /// Reads until a line has this in it, and gives it back.
    ///
    /// # Errors
    /// When the answer ends before, or the connection breaks.
    pub fn until(&mut self, part: &str) -> Result<String> {
        let mut seen = Vec::new();
        while let Some(line) = self.next_line()? {
            if line.contains(part) {
                return Ok(line);
            }
            seen.push(line);
        }
        anyhow::bail!("no line has {part:?}: {seen:#?}")
    }
}
