//! The `updater.toml` that a host starts from.
//!
//! It works as it is once the program has a way to start, and says what a person would look up.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use store::Host;

/// The text of the file. Paths in it are those of the host, except the identity's, which is
/// relative to the file, so that the directory can be put anywhere.
pub(super) fn configuration(host: &Host) -> String {
    let name = &host.name;
    let listen = listen(host);
    let health = match host.agent_port {
        Some(port) => format!(
            "# Asked after each switch; any 2xx is healthy. Write https:// if the agent has TLS.\n\
             url = \"http://{}/health\"",
            SocketAddr::new(loopback(host), port)
        ),
        None => "# Without a url, a tcp or a command it counts that the process stays up.\n\
                 # url = \"http://127.0.0.1:8765/health\""
            .to_owned(),
    };
    format!(
        r#"# The updater of {name}, written by `swarm enroll`.
#
# Set what is below, copy this directory to {name}, and there, as root:
#
#     updater enroll DIRECTORY
#
# puts it in /etc/updater, checks it and starts the service. agent/ beside this file is for the agent
# itself; the updater does not read it.

listen = "{listen}"

# ca.crt, updater.crt and updater.key; relative to the directory of this file.
identity = "updater"

state_dir = "/var/lib/updater"

[self]
# trusted_keys = ["release.pub"]

[app.agent]
# Releases are kept below it; /opt/agent/current is the one that runs.
install_dir = "/opt/agent"
# Who may sign its releases: the .pub file of `minisign -G`, beside this one. Without it, the
# master alone decides what runs here. It is then needed for the updater itself, too: see [self].
# trusted_keys = ["release.pub"]
# Who builds and runs it; without this, the updater's own user.
# user = "agent"
# What lives across releases, in /opt/agent/shared.
# links = [".env", "data/"]

[app.agent.run]
# Relative to the release; without this, the command that the release's release.toml gives.
# command = ["bin/agent"]

[app.agent.health]
{health}
# Where in the answer's JSON the agent repeats its RELEASE_DIGEST; without this, the updater looks
# for itself which process it was that answered.
# release_pointer = "/release"
"#
    )
}

/// Where its program is asked: a host that has a loopback address is one of several on its machine, and its
/// program keeps to that address too.
fn loopback(host: &Host) -> IpAddr {
    let address = host.address.as_str().parse::<IpAddr>().ok();
    address.filter(IpAddr::is_loopback).unwrap_or(Ipv4Addr::LOCALHOST.into())
}

/// A loopback address is that of this host alone; behind any other there may be a translation, so
/// all addresses of its family are listened on.
fn listen(host: &Host) -> SocketAddr {
    let address = match host.address.as_str().parse::<IpAddr>() {
        Ok(address) if address.is_loopback() => address,
        Ok(IpAddr::V6(_)) => Ipv6Addr::UNSPECIFIED.into(),
        _ => Ipv4Addr::UNSPECIFIED.into(),
    };
    SocketAddr::new(address, host.updater_port)
}

#[cfg(test)]
mod tests {
    use testing::host;

    use super::*;

    #[test]
    fn the_file_says_what_a_person_would_look_up() {
        let host = Host { agent_port: Some(8765), ..host("web-1", &[]) };
        insta::assert_snapshot!(configuration(&host));
    }

    #[test]
    fn a_loopback_host_listens_there_alone() {
        for (address, expected) in [
            ("127.0.3.1", "127.0.3.1:8766"),
            ("10.0.0.11", "0.0.0.0:8766"),
            ("web-1.example.org", "0.0.0.0:8766"),
            ("::1", "[::1]:8766"),
            ("fd00::1", "[::]:8766"),
        ] {
            let host = Host { address: address.parse().unwrap(), ..host("web-1", &[]) };
            assert_eq!(listen(&host).to_string(), expected);
        }
    }
}
