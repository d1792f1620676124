//! Where a host is reached.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use protocol::HostName;
use serde::{Deserialize, Serialize};

/// An IP address or a DNS name, without a port.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Address(String);

/// Why a text is not an address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("use {0:?} as an address: expected an IP address or a DNS name, without a port")]
pub struct AddressError(String);

impl Address {
    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// With a port, as a URL or a socket has it: IPv6 addresses stand in brackets.
    pub fn with_port(&self, port: u16) -> String {
        match self.0.parse::<IpAddr>() {
            Ok(IpAddr::V6(address)) => format!("[{address}]:{port}"),
            _ => format!("{}:{port}", self.0),
        }
    }
}

impl Address {
    /// Why no host can be reached there, if that is so.
    pub fn unreachable(&self) -> Option<&'static str> {
        match self.0.parse::<IpAddr>().ok()? {
            address if address.is_unspecified() => Some("it means every address of a host"),
            address if address.is_multicast() => Some("it is a multicast address"),
            IpAddr::V4(address) if address.is_broadcast() => Some("it is the broadcast address"),
            IpAddr::V6(address) if address.is_unicast_link_local() => {
                Some("a link-local address means another host on each link")
            }
            _ => None,
        }
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        match (text.parse::<IpAddr>(), text.to_ascii_lowercase().parse::<HostName>()) {
            (Ok(address), _) => Ok(Self(address.to_string())),
            (_, Ok(name)) => Ok(Self(name.into())),
            _ => Err(AddressError(text.chars().take(100).collect())),
        }
    }
}

impl TryFrom<String> for Address {
    type Error = AddressError;

    fn try_from(text: String) -> Result<Self, AddressError> {
        text.parse()
    }
}

impl From<Address> for String {
    fn from(address: Address) -> Self {
        address.0
    }
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_ip_addresses_or_names() {
        let with_port = |text: &str| text.parse::<Address>().unwrap().with_port(8766);
        assert_eq!(with_port("10.0.0.11"), "10.0.0.11:8766");
        assert_eq!(with_port("FD00::1"), "[fd00::1]:8766");
        assert_eq!(with_port("Web-1.example.org"), "web-1.example.org:8766");
        let unreachable = |text: &str| text.parse::<Address>().unwrap().unreachable();
        for nowhere in ["0.0.0.0", "::", "255.255.255.255", "224.0.0.1", "ff02::1", "fe80::1"] {
            assert!(unreachable(nowhere).is_some(), "{nowhere}");
        }
        for there in ["127.0.0.1", "10.0.0.11", "::1", "fd00::1", "web-1.example.org"] {
            assert_eq!(unreachable(there), None, "{there}");
        }
        for bad in ["", "10.0.0.11:8766", "https://web-1", "10.0.0.256", "[::1]", "a b"] {
            assert!(bad.parse::<Address>().is_err(), "{bad}");
        }
    }
}
