//! Who calls, and whom a route is for. The handshake has checked the certificate; each route says
//! which roles it is for.

use pki::{Peer, Role};
use protocol::{Code, HostName, Problem};

/// The other end of a connection.
#[derive(Debug, Clone)]
pub struct Caller {
    pub who: Who,
    /// The number of the connection: a confirmation has to come on another one than its order.
    pub connection: u64,
}

/// Who the other end is.
#[derive(Debug, Clone)]
pub enum Who {
    /// The holder of a certificate.
    Peer(Peer),
    /// Root on this host, over the local socket.
    Local,
}

/// Whom a route is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// Orders, and what only the one who orders may read.
    Masters,
    /// Numbers: masters and monitors.
    Monitors,
    /// Health: masters, monitors, and this host's own agent.
    Readers,
}

impl Caller {
    /// The other end of a connection over the network.
    pub const fn of_peer(peer: Peer, connection: u64) -> Self {
        Self { who: Who::Peer(peer), connection }
    }

    /// The name in the history.
    pub fn name(&self) -> &'static str {
        match &self.who {
            Who::Peer(_) => "master",
            Who::Local => "local",
        }
    }

    /// Whether it has a master's certificate.
    pub(crate) fn is_master(&self) -> bool {
        matches!(&self.who, Who::Peer(peer) if peer.role == Role::Master)
    }

    /// Whether a route for this audience is for this caller. Root on the host may do all.
    pub fn require(&self, audience: Audience, host: &HostName) -> Result<(), Problem> {
        let Who::Peer(peer) = &self.who else { return Ok(()) };
        let allowed = match &peer.role {
            Role::Master => true,
            Role::Monitor(_) => audience != Audience::Masters,
            Role::Agent(agent) => audience == Audience::Readers && agent == host,
            Role::Updater(_) => false,
        };
        if allowed { Ok(()) } else { Err(forbidden(peer, audience)) }
    }
}

fn forbidden(peer: &Peer, audience: Audience) -> Problem {
    let rule = match audience {
        Audience::Masters => "only a master may do this",
        Audience::Monitors => "only a master or a monitor may do this",
        Audience::Readers => "only a master, a monitor or this host's own agent may do this",
    };
    let detail = format!("this certificate is for {}; {rule}", peer.role);
    Problem::new(Code::RoleForbidden, detail)
}
