//! A POST with the event as JSON, signed as in Standard Webhooks.
//!
//! It follows no redirect, asks no proxy that the environment names, and reads nothing of an answer
//! but its status.

use std::time::Duration;

use reqwest::header::CONTENT_TYPE;
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, Url};

use crate::notify::message::{Fault, Message};
use crate::notify::signature::Secret;
use crate::notify::{HookUrl, NotifyError};

/// A web server that is told.
pub(super) struct Webhook {
    client: Client,
    url: Url,
    secret: Secret,
}

impl Webhook {
    /// `ca` are certificates in PEM, instead of the system's. Each attempt may take `timeout`.
    pub(super) fn new(
        url: &HookUrl,
        secret: Secret,
        ca: Option<&[u8]>,
        timeout: Duration,
    ) -> Result<Self, NotifyError> {
        // The one provider of this program. Where another part has installed it, that is the same.
        drop(rustls::crypto::ring::default_provider().install_default());
        let mut builder = Client::builder()
            .no_proxy()
            .redirect(Policy::none())
            .timeout(timeout)
            .user_agent(concat!("swarm/", env!("CARGO_PKG_VERSION")));
        if let Some(pem) = ca {
            let certificates = Certificate::from_pem_bundle(pem).map_err(NotifyError::Client)?;
            builder = builder.tls_certs_only(certificates);
        }
        let client = builder.build().map_err(NotifyError::Client)?;
        Ok(Self { client, url: url.url().clone(), secret })
    }

    /// One attempt, signed with its time in seconds since 1970.
    pub(super) async fn post(&self, message: &Message, timestamp: i64) -> Result<(), Fault> {
        let signature = self.secret.sign(&message.id, timestamp, &message.body);
        let answer = self
            .client
            .post(self.url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", &message.id)
            .header("webhook-timestamp", timestamp)
            .header("webhook-signature", signature)
            .body(message.body.clone())
            .send()
            .await
            .map_err(|error| Fault::Send(error.without_url()))?;
        match answer.status() {
            status if status.is_success() => Ok(()),
            status => Err(Fault::Status(status)),
        }
    }
}
