//! Whether a new agent is ready, while an old one takes connections from the same socket.
//!
//! Which agent answers is known by which took the connection, before anything is asked: what the old
//! agent takes is no answer, and no failure either. It says nothing about health.

use std::path::Path;
use std::pin::pin;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::ProbeError;
use super::connect::connect;
use super::http::{Ends, exchange};
use super::target::Target;
use crate::config::AppConfig;
use crate::runner::Instance;

/// Between two rounds, at first and after a second of them. The old agent serves meanwhile.
const PAUSES: (Duration, Duration) = (Duration::from_millis(25), Duration::from_millis(100));
/// Rounds with the shorter pause.
const QUICK_ROUNDS: usize = 40;
/// Connections of each round, over and over. Which of two agents takes one is the kernel's choice,
/// and an idle one that has waited longer may take each that comes alone; of many that come at once
/// it does not take all.
const CROWDS: [usize; 5] = [1, 2, 4, 8, 16];
/// Between two looks at which agent has taken a connection.
const LOOK: Duration = Duration::from_millis(2);

/// How an agent is asked whether it is ready.
#[derive(Debug, Clone)]
pub struct Readiness {
    target: Target,
    each: Duration,
    /// For all of it.
    whole: Duration,
}

impl Readiness {
    /// Reads the configuration; `identity` as for a [`super::Probe`].
    pub fn from_config(app: &AppConfig, identity: &Path) -> Result<Self, ProbeError> {
        let health = &app.health;
        let target = Target::of_readiness(app, identity)?;
        Ok(Self { target, each: health.timeout.0, whole: health.ready_timeout.0 })
    }

    /// Waits until an agent is ready. The error says what was seen last, and comes at once when
    /// the agent ends.
    pub async fn wait(&self, agent: &Instance) -> Result<(), String> {
        let mut exited = pin!(agent.exited());
        let mut last = "nothing was asked".to_owned();
        let asking = async {
            for (round, crowd) in CROWDS.iter().cycle().enumerate() {
                let asked = timeout(self.each, self.ask(agent, *crowd)).await;
                match asked.unwrap_or_else(|_| Err(format!("no answer within {:?}", self.each))) {
                    Ok(()) => return,
                    Err(seen) => last = seen,
                }
                sleep(if round < QUICK_ROUNDS { PAUSES.0 } else { PAUSES.1 }).await;
            }
        };
        let asked = tokio::select! {
            biased;
            exit = &mut exited => {
                return Err(format!("the agent {} before it was ready", exit.describe()));
            }
            asked = timeout(self.whole, asking) => asked,
        };
        asked.map_err(|_| {
            format!("the agent was not ready within {:?}, the last: {last}", self.whole)
        })
    }

    /// Asks once, on whichever of so many connections the agent takes.
    async fn ask(&self, agent: &Instance, crowd: usize) -> Result<(), String> {
        let address = match &self.target {
            Target::Http(target) => target.address(),
            Target::Tcp(address) => address.clone(),
            Target::Command(_) | Target::Nothing => {
                return Err("neither ready_url nor url nor tcp is set".to_owned());
            }
        };
        let mut connections = Vec::new();
        for _ in 0..crowd {
            let connected = connect(&address).await;
            connections.push(connected.map_err(|error| format!("connect to {address}: {error}"))?);
        }
        let connection = taken_by(agent, connections).await?;
        let Target::Http(target) = &self.target else { return Ok(()) };
        let mut driver = JoinSet::new();
        let answer = exchange(connection, target, &mut driver).await;
        let status = answer.map_err(|error| format!("{}: {}", target.url, error.why))?.status;
        if target.expects(status) {
            Ok(())
        } else {
            Err(format!("{} answered {status}", target.url))
        }
    }
}

/// Waits until an agent has taken one of these connections, which is given back, or others have
/// taken all.
async fn taken_by(agent: &Instance, mut connections: Vec<TcpStream>) -> Result<TcpStream, String> {
    let ends: Result<Vec<_>, _> = connections.iter().map(Ends::of).collect();
    let ends = ends.map_err(|error| error.to_string())?;
    loop {
        let taken = Ends::taken(&ends, agent).await;
        if let Some(index) = taken.iter().position(|taken| *taken == Some(true)) {
            return Ok(connections.swap_remove(index));
        }
        if taken.iter().all(Option::is_some) {
            return Err("only the old agent answered".to_owned());
        }
        sleep(LOOK).await;
    }
}
