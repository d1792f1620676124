//! Who on this host has typed a command, by the word of the command line.

use http::HeaderMap;
use protocol::{CallerKind, OperatorName, header};

use crate::server::Caller;

/// The operator's login name, where it is known. What comes over the network names none: its caller is
/// known by its certificate.
pub(super) fn operator(caller: &Caller, headers: &HeaderMap) -> Option<OperatorName> {
    if caller.kind() != CallerKind::Local {
        return None;
    }
    let name = headers.get(header::OPERATOR)?;
    std::str::from_utf8(name.as_bytes()).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use pki::{Fleet, Peer, Role};
    use time::OffsetDateTime;

    use super::*;
    use crate::server::Who;

    fn said(who: Who, name: &'static [u8]) -> Option<String> {
        let headers = HeaderMap::from_iter([(
            http::HeaderName::from_static(header::OPERATOR),
            HeaderValue::from_bytes(name).unwrap(),
        )]);
        operator(&Caller { who, connection: 1 }, &headers).map(String::from)
    }

    #[test]
    fn the_local_command_line_alone_is_believed() {
        let master = Peer {
            role: Role::Master,
            fleet: Fleet::default(),
            fingerprint: "7".repeat(64).parse().unwrap(),
            not_before: OffsetDateTime::UNIX_EPOCH,
            not_after: OffsetDateTime::UNIX_EPOCH,
        };
        assert_eq!(said(Who::Peer(master), b"ada"), None);
        assert_eq!(said(Who::Local, "zoë".as_bytes()).as_deref(), Some("zoë"));
        assert_eq!(said(Who::Local, b"\xff"), None);
        assert_eq!(said(Who::Local, b""), None);
    }
}
