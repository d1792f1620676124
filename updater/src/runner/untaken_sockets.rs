//! Whether an agent has left alone the sockets that it was passed, as a program does that knows nothing
//! of `LISTEN_FDS`: it opens its own, which fails or shares the address with the agent before.

use std::collections::BTreeSet;

use super::Instance;
use crate::config::ListenSocket;
use crate::sys::{proc, tcp};

/// How programs say that they could not listen, in lower case.
const IN_USE: [&str; 3] = ["address already in use", "address in use", "eaddrinuse"];

/// What shows that an agent that could not be proven did not take its sockets, by what it has and by the
/// end of its output.
pub fn untaken_sockets(
    agent: &Instance,
    passed: &[ListenSocket],
    output: &[String],
) -> Option<String> {
    if passed.is_empty() {
        return None;
    }
    let own =
        own_listener(agent, passed).map(|at| format!("it listens at {at} by a socket of its own"));
    let seen = own.or_else(|| refusal(output).map(str::to_owned))?;
    Some(format!("it did not take LISTEN_FDS: {seen}"))
}

/// Where it listens by a socket that the updater does not hold, at a port that was passed.
fn own_listener(agent: &Instance, passed: &[ListenSocket]) -> Option<std::net::SocketAddr> {
    let held: BTreeSet<u64> = agent.members().into_iter().flat_map(proc::sockets).collect();
    let ours: BTreeSet<u64> = proc::sockets(std::process::id()).into_iter().collect();
    let own = |socket: &tcp::Socket| held.contains(&socket.inode) && !ours.contains(&socket.inode);
    let at = |socket: &tcp::Socket| {
        passed.iter().any(|wanted| wanted.address.port() == socket.local.port())
    };
    let listeners = tcp::table("self", tcp::Wanted::Listeners);
    listeners.into_iter().find(|socket| own(socket) && at(socket)).map(|socket| socket.local)
}

fn refusal(output: &[String]) -> Option<&str> {
    let refuses = |line: &&String| {
        let line = line.to_ascii_lowercase();
        IN_USE.iter().any(|words| line.contains(words))
    };
    output.iter().find(refuses).map(|line| line.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_that_says_so_is_found_however_it_is_written() {
        let lines = ["starting", "  [emerg] bind() failed (98: Address already in use)", "bye"];
        let lines = lines.map(str::to_owned);
        assert_eq!(refusal(&lines), Some("[emerg] bind() failed (98: Address already in use)"));
        let node = ["Error: listen EADDRINUSE: address already in use 127.0.0.1:80".to_owned()];
        assert!(refusal(&node).is_some());
        assert_eq!(refusal(&["no such table".to_owned()]), None);
    }
}
