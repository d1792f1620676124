//! Asking once.

use std::path::Path;
use std::time::Duration;

use protocol::ProbeKind;

use super::answer::Suspicion;
use super::command::{self, Setting};
use super::owner::stranger_at;
use super::target::Target;
use super::{Answer, Expectation, Plan, ProbeError, ProbeMistake, http, mistake};
use crate::config::AppConfig;
use crate::runner::Instance;

/// How an app is asked whether it is healthy.
#[derive(Debug, Clone)]
pub struct Probe {
    target: Target,
    setting: Setting,
    plan: Plan,
}

impl Probe {
    /// Reads the configuration. `identity` is the directory of the updater's own, which an HTTPS
    /// probe shows if it was given none.
    pub fn from_config(app: &AppConfig, identity: &Path) -> Result<Self, ProbeError> {
        Ok(Self {
            target: Target::read(app, identity)?,
            setting: Setting::read(app),
            plan: Plan::read(&app.health),
        })
    }

    /// What it asks.
    pub fn kind(&self) -> ProbeKind {
        match &self.target {
            Target::Http(target) if target.tls.is_some() => ProbeKind::Https,
            Target::Http(_) => ProbeKind::Http,
            Target::Tcp(_) => ProbeKind::Tcp,
            Target::Command(_) => ProbeKind::Command,
            Target::Nothing => ProbeKind::None,
        }
    }

    /// When it is asked, and how often.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Asks once, within the configured time.
    pub async fn ask(&self, expected: &Expectation) -> Answer {
        match &self.target {
            Target::Http(target) => {
                // Whether TLS, or what came after it, took too long is not known then.
                let late = target.tls.is_some().then_some(Suspicion::NoHandshake);
                self.within(http::ask_http(target, expected), late).await
            }
            Target::Tcp(address) => self.within(http::ask_tcp(address, expected), None).await,
            // It has its time limit itself, and is ended at it.
            Target::Command(words) => command::ask(words, &self.setting, expected).await,
            Target::Nothing => {
                // There is nothing to ask: to have stayed up is the answer.
                if expected.instance.is_some() {
                    tokio::time::sleep(self.plan.interval).await;
                }
                command::ask_process(expected)
            }
        }
    }

    /// What is wrong with the probe itself, as an answer of a program that runs and was proven shows.
    pub async fn mistake(&self, answer: &Answer, expected: &Expectation) -> Option<ProbeMistake> {
        let address = match &self.target {
            Target::Http(target) => target.address(),
            Target::Tcp(address) => address.clone(),
            Target::Command(_) | Target::Nothing => return None,
        };
        match (answer.suspicion?, &self.target) {
            (Suspicion::Known(mistake), _) => Some(mistake),
            (Suspicion::NoHandshake, Target::Http(target)) => {
                let in_clear = http::answers_in_clear(target).await;
                in_clear.then_some(ProbeMistake::SpeaksNoTls)
            }
            (Suspicion::NotUnderstood, Target::Http(target)) => {
                mistake::of_clear_text(target).await
            }
            (Suspicion::NotUnderstood | Suspicion::NoHandshake, _) => None,
            (Suspicion::Refused, _) => {
                let agent = expected.instance.as_ref()?;
                let elsewhere = mistake::listens_only_elsewhere(&address, agent).await;
                elsewhere.map(ProbeMistake::ListensElsewhere)
            }
        }
    }

    /// A process that listens where the probe asks, and is neither of `agent` nor another one that `is_ours`;
    /// in words.
    pub fn stranger(
        &self,
        agent: Option<&Instance>,
        is_ours: &dyn Fn(u32) -> bool,
    ) -> Option<String> {
        let address = match &self.target {
            Target::Http(target) => target.address(),
            Target::Tcp(address) => address.clone(),
            Target::Command(_) | Target::Nothing => return None,
        };
        let own = address.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
        // Another name is not asked for: it may lead to another host.
        let asked = own.unwrap_or(address).parse().ok()?;
        let stranger = stranger_at(agent, asked, is_ours)?;
        Some(format!("{stranger} listens at {asked}"))
    }

    /// `late` is what it says of the probe where no answer comes in time.
    async fn within(
        &self,
        answer: impl Future<Output = Answer>,
        late: Option<Suspicion>,
    ) -> Answer {
        let timeout: Duration = self.plan.timeout;
        tokio::time::timeout(timeout, answer).await.unwrap_or_else(|_| {
            Answer::failure(format!("no answer within {timeout:?}")).because(late)
        })
    }
}
