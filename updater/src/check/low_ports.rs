//! Ports that not every process may open: whether the updater may open them for its apps, or their agents
//! themselves.

use protocol::AppName;

use crate::config::{AppConfig, Finding, ListenSocket};
use crate::runner::{ForbiddenPort, NET_BIND_SERVICE, first_free_port};
use crate::sys::proc::own_capabilities;
use crate::systemd::{Bus, OWN_SERVICE};

/// That the updater may listen on the sockets of an app, and its agent where it is asked. `bus` is there where
/// systemd can be asked, and `makes_units` says whether it makes units for agents.
pub(super) fn check(
    name: &AppName,
    app: &AppConfig,
    bus: Option<&Bus>,
    makes_units: bool,
    findings: &mut Vec<Finding>,
) {
    let first = first_free_port();
    let opens_low = app.run.sockets.iter().any(|socket| socket.address.port() < first);
    // The process that checks may have more than the service has.
    let service = bus.and_then(|bus| {
        bus.ask(|systemd| async move { systemd.capabilities(OWN_SERVICE).await }).ok()
    });
    let may = Capabilities { own: own_capabilities().unwrap_or(u64::MAX), service };
    if opens_low {
        let key = format!("app.{name}.run.sockets");
        findings.extend(judge(&key, &app.run.sockets, first, &may));
    }
    let own = may.own & may.service.unwrap_or(u64::MAX);
    if let Some(found) = ForbiddenPort::of(name, app, makes_units, own) {
        let key = format!("app.{name}.{}", found.key);
        findings.push(Finding::warning(key, found.text).hint(found.hint));
    }
}

/// Capabilities as bits: of this process, and those that the updater's service may have.
struct Capabilities {
    own: u64,
    service: Option<u64>,
}

fn judge(key: &str, sockets: &[ListenSocket], first: u16, may: &Capabilities) -> Option<Finding> {
    let low = sockets.iter().find(|socket| socket.address.port() < first)?;
    let of_service = may.service.is_some_and(|service| service & NET_BIND_SERVICE == 0);
    if !of_service && may.own & NET_BIND_SERVICE != 0 {
        return None;
    }
    let address = low.address;
    let text = format!(
        "listen on {address}: a port below {first} takes the capability NET_BIND_SERVICE, which the updater \
         does not have"
    );
    let hint = if of_service {
        "write CapabilityBoundingSet=CAP_NET_BIND_SERVICE below [Service] in \
         /etc/systemd/system/updater.service.d/sockets.conf, and run: systemctl daemon-reload && \
         systemctl restart updater"
    } else {
        "run the updater as root, or use another port"
    };
    Some(Finding::error(key, text).hint(hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_low_port_without_the_capability_is_an_error_with_the_line_that_helps() {
        let sockets = |address: &str| [ListenSocket::try_from(address.to_owned()).unwrap()];
        let judged = |address, own, service| {
            judge("k", &sockets(address), 1024, &Capabilities { own, service })
        };
        let (all, without) = (u64::MAX, !NET_BIND_SERVICE);
        assert_eq!(judged("0.0.0.0:1024", 0, Some(0)), None);
        assert_eq!(judged("0.0.0.0:80", all, None), None);
        assert_eq!(judged("0.0.0.0:80", all, Some(all)), None);
        let shipped = judged("0.0.0.0:80", all, Some(without)).unwrap();
        assert!(shipped.to_string().contains("0.0.0.0:80"), "{shipped}");
        assert!(shipped.hint.unwrap().contains("CapabilityBoundingSet=CAP_NET_BIND_SERVICE"));
        assert!(judged("[::]:1", without, None).unwrap().hint.unwrap().contains("as root"));
    }
}
