//! Words that a selection has a use for, which no host may have as its name.

use protocol::HostName;
use store::Host;

/// `all` means every host.
const RESERVED: [&str; 1] = ["all"];

/// Whether a selection would take the name for something else.
pub fn is_reserved(name: &HostName) -> bool {
    RESERVED.contains(&name.as_str())
}

/// What to tell an operator of a host that was enrolled under such a name before it was refused.
pub fn reserved_warning(hosts: &[Host]) -> Option<String> {
    let here = |host: &&Host| host.decommissioned_at.is_none() && is_reserved(&host.name);
    let Host { name, .. } = hosts.iter().find(here)?;
    Some(format!(
        "a host is named {name}, which means every host in --select: name it with --host {name}, or \
         enroll it under another name"
    ))
}

#[cfg(test)]
mod tests {
    use testing::{at, host};

    use super::*;

    #[test]
    fn a_host_whose_name_means_all_is_warned_of() {
        let warned = reserved_warning(&[host("web-1", &[]), host("all", &[])]).unwrap();
        assert!(warned.contains("--host all"), "{warned}");
        assert_eq!(reserved_warning(&[host("web-1", &[]), host("all-1", &[])]), None);
        let gone = Host { decommissioned_at: Some(at(1)), ..host("all", &[]) };
        assert_eq!(reserved_warning(&[gone]), None);
    }
}
