//! `sockets = ["127.0.0.1:8765", "admin=127.0.0.1:8766"]`: where an app listens.

use std::net::SocketAddr;

use serde::Deserialize;

/// The name of a socket that was given none.
const UNNAMED: &str = "socket";
/// The longest name that `sd_listen_fds_with_names(3)` allows.
const NAME_BYTES: usize = 255;

/// A listening socket that the updater opens and passes on.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct ListenSocket {
    /// What the agent knows it by, in `LISTEN_FDNAMES`.
    pub name: String,
    pub address: SocketAddr,
}

impl TryFrom<String> for ListenSocket {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let (name, address) = text.split_once('=').unwrap_or((UNNAMED, &text));
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if name.is_empty() || name.len() > NAME_BYTES || !name.bytes().all(fits) {
            return Err(format!("{name:?} is not the name of a socket"));
        }
        let address: SocketAddr = address.parse().map_err(|_| {
            format!("{address:?} is not an address with a port, such as 127.0.0.1:8765")
        })?;
        if address.port() == 0 {
            return Err(format!("{address} leaves the port open: no client would find it"));
        }
        Ok(Self { name: name.to_owned(), address })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_an_address_with_or_without_a_name() {
        let parse = |text: &str| ListenSocket::try_from(text.to_owned());
        assert_eq!(parse("127.0.0.1:80").unwrap().name, "socket");
        let named = parse("admin=[::1]:81").unwrap();
        assert_eq!((named.name.as_str(), named.address.port()), ("admin", 81));
        for wrong in ["8765", "=127.0.0.1:1", "a:b=127.0.0.1:1", "127.0.0.1:0", "localhost:1"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
