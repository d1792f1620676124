//! What an updater and the process that started it say to each other: one JSON message a packet, over a
//! pair of sockets that no other process has. Each end sees when the other is gone.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;

use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

const MESSAGE_BYTES: usize = 16 << 10;

/// From an updater to its parent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToParent {
    /// Start this one beside me.
    Start(PathBuf),
    /// End it: it was not proven.
    Stop,
    /// It was proven; I am leaving, and it is in charge when I am gone.
    HandOver,
    /// From the new one: I accept connections.
    Ready,
    /// From the new one: I have answered the master.
    Answered,
}

/// From the parent to an updater.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FromParent {
    /// The new one accepts connections.
    Ready,
    /// The new one has answered the master.
    Answered,
    /// The new one has ended, or could not be started.
    Failed(String),
    /// To the new one: the old one is gone.
    InCharge,
    /// To the new one, from the old one itself: you are in charge when I am gone.
    Inherit,
}

/// Why nothing could be said.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    /// The other end is gone, or the system refused.
    #[error("talk to the other updater")]
    Io(#[from] io::Error),
    #[error("understand the other updater")]
    Malformed(#[from] serde_json::Error),
}

#[derive(Debug)]
pub struct Channel(UnixDatagram);

impl Channel {
    pub fn pair() -> io::Result<(Self, Self)> {
        let kind = (AddressFamily::Unix, SockType::SeqPacket, SockFlag::SOCK_CLOEXEC);
        let (one, other) = socketpair(kind.0, kind.1, None, kind.2)?;
        Ok((one.into(), other.into()))
    }

    pub fn send<T: Serialize>(&self, message: &T) -> Result<(), ChannelError> {
        self.0.send(&serde_json::to_vec(message)?)?;
        Ok(())
    }

    /// Waits for what the other end says. One that is gone says nothing more, which is an error.
    pub fn receive<T: DeserializeOwned>(&self) -> Result<T, ChannelError> {
        let mut bytes = vec![0; MESSAGE_BYTES];
        let length = self.0.recv(&mut bytes)?;
        if length == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        Ok(serde_json::from_slice(&bytes[..length])?)
    }
}

impl From<OwnedFd> for Channel {
    fn from(descriptor: OwnedFd) -> Self {
        Self(descriptor.into())
    }
}

impl From<Channel> for OwnedFd {
    fn from(channel: Channel) -> Self {
        channel.0.into()
    }
}

impl std::os::fd::AsFd for Channel {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_arrive_one_by_one() {
        let (one, other) = Channel::pair().unwrap();
        one.send(&ToParent::Start("/opt/x".into())).unwrap();
        one.send(&ToParent::HandOver).unwrap();
        assert_eq!(other.receive::<ToParent>().unwrap(), ToParent::Start("/opt/x".into()));
        assert_eq!(other.receive::<ToParent>().unwrap(), ToParent::HandOver);
        other.send(&FromParent::Failed("exit status 1".to_owned())).unwrap();
        assert!(matches!(one.receive::<FromParent>().unwrap(), FromParent::Failed(_)));
        drop(other);
        assert!(one.receive::<FromParent>().is_err());
    }
}
