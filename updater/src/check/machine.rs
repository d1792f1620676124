//! The port, and what the kernel has to be able to do.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};
use rustix::io::Errno;
use rustix::process::{PidfdFlags, getpid, pidfd_open};

use crate::config::{Config, Finding};
use crate::release::{Layout, Slot};
use crate::runner::{LeftAgent, left_agents};
use crate::self_update::{NewerPackage, PACKAGED};

pub(super) fn check(config: &Config, daemon_runs: bool, findings: &mut Vec<Finding>) {
    if let Ok(address) = config.listen.parse::<SocketAddr>()
        && !daemon_runs
        && let Err(error) = TcpListener::bind(address)
    {
        findings.push(port_taken(address, &error));
    }
    let layout = Layout::new(&config.self_update.install_dir);
    let active = layout.slot(Slot::Active).ok().flatten();
    let newer = active.and_then(|it| NewerPackage::find(&layout, &it, Path::new(PACKAGED)));
    findings.extend(newer.map(|it| Finding::warning("self", it.warning())));
    let left = left_agents(config);
    findings
        .extend(left.iter().filter_map(LeftAgent::warning).map(|it| Finding::warning("app", it)));
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    check_call("openat2", openat2(CWD, ".", flags, Mode::empty(), resolve).err(), findings);
    check_call("pidfd_open", pidfd_open(getpid(), PidfdFlags::empty()).err(), findings);
}

fn port_taken(address: SocketAddr, error: &io::Error) -> Finding {
    let finding = Finding::error("listen", format!("listen on {address}: {error}"));
    match error.kind() {
        io::ErrorKind::AddrInUse => finding.hint("another program has the port: ss -ltnp shows it"),
        io::ErrorKind::AddrNotAvailable => finding.hint("this machine has no such address"),
        _ => finding,
    }
}

fn check_call(name: &str, error: Option<Errno>, findings: &mut Vec<Finding>) {
    if let Some(errno) = error {
        findings.push(
            Finding::error("", format!("the kernel refuses {name}: {errno}"))
                .hint("Linux 5.6 or newer is needed, and no sandbox that forbids the call"),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_is_taken_is_told_unless_it_is_our_own() {
        let holder = TcpListener::bind("127.0.0.1:0").unwrap();
        let listen = holder.local_addr().unwrap();
        let config = Config::parse(&format!("listen = '{listen}'")).unwrap();
        let found = |daemon_runs| {
            let mut findings = Vec::new();
            check(&config, daemon_runs, &mut findings);
            findings
        };
        assert!(found(false)[0].hint.as_deref().unwrap().contains("ss -ltnp"));
        assert_eq!(found(true), []);
        drop(holder);
        assert_eq!(found(false), []);
    }

    #[test]
    fn a_call_that_the_kernel_does_not_know_is_told() {
        let mut findings = Vec::new();
        check_call("openat2", Some(Errno::NOSYS), &mut findings);
        assert!(findings[0].message.contains("openat2"));
    }
}
