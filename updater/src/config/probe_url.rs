//! What the URL of a probe names.

use std::net::IpAddr;

/// How the URL of a Unix socket begins.
pub const UNIX: &str = "unix:";

/// The socket and the path of `unix:SOCKET:/path`; without a path, `/` is asked.
pub fn split_unix(url: &str) -> Option<(&str, &str)> {
    let rest = url.strip_prefix(UNIX)?;
    let (socket, path) = match rest.find(":/") {
        Some(end) => (&rest[..end], &rest[end + 1..]),
        None => (rest, "/"),
    };
    let leads_out = socket.split('/').any(|part| part == "..");
    (!socket.is_empty() && !leads_out).then_some((socket, path))
}

/// Whether a URL's host is this machine.
pub fn is_local(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_and_what_is_asked_there_are_told_apart() {
        assert_eq!(split_unix("unix:run/app.sock:/health"), Some(("run/app.sock", "/health")));
        assert_eq!(
            split_unix("unix:/run/app.sock:/a?b=c:/d"),
            Some(("/run/app.sock", "/a?b=c:/d"))
        );
        assert_eq!(split_unix("unix:app.sock"), Some(("app.sock", "/")));
        for bad in ["unix:", "unix::/health", "unix:../app.sock:/", "http://localhost/"] {
            assert_eq!(split_unix(bad), None, "{bad}");
        }
    }
}
