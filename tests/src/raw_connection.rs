//! One connection to an updater on which anything can be said, well formed or not.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsFd as _;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use pki::{Paths, server_name};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use rustls::{ClientConnection, StreamOwned};

use crate::authority::tls_as;
use crate::{Answer, LONG};

/// A connection. Nothing is waited for on it longer than [`LONG`].
pub struct RawConnection {
    stream: Box<dyn Stream>,
    socket: TcpStream,
    waiting: Vec<u8>,
}

trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

impl RawConnection {
    /// A connection without TLS.
    ///
    /// # Errors
    /// When nobody listens.
    pub fn plain(address: SocketAddr) -> Result<Self> {
        let socket = connect(address)?;
        Ok(Self { stream: Box::new(socket.try_clone()?), socket, waiting: Vec::new() })
    }

    /// A connection as this identity, or without a certificate. Whether the other side takes it is
    /// seen by the first answer (RFC 8446, section 4.4.2.4).
    ///
    /// # Errors
    /// When nobody listens, or the identity cannot be read.
    pub fn tls(address: SocketAddr, identity: Option<&Paths>) -> Result<Self> {
        let client = tls_as(identity)?;
        let client = ClientConnection::new(Arc::new(client), server_name(&"web-1".parse()?)?)?;
        let socket = connect(address)?;
        let mut stream = StreamOwned::new(client, socket.try_clone()?);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(Self { stream: Box::new(stream), socket, waiting: Vec::new() })
    }

    /// Says it.
    ///
    /// # Errors
    /// When the other side is gone.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> Result<()> {
        self.stream.write_all(bytes.as_ref())?;
        Ok(self.stream.flush()?)
    }

    /// The next answer. Of a body without a length, nothing is read.
    ///
    /// # Errors
    /// When there is none.
    pub fn read_answer(&mut self) -> Result<Answer> {
        let end = loop {
            let end = self.waiting.windows(4).position(|four| four == b"\r\n\r\n");
            if let Some(end) = end {
                break end;
            }
            self.more()?;
        };
        let head: Vec<u8> = self.waiting.drain(..end + 4).collect();
        let head = String::from_utf8_lossy(&head).into_owned();
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).context("a status")?;
        let mut headers = HeaderMap::new();
        for line in lines {
            if let Some((name, value)) = line.split_once(": ") {
                headers.append(name.parse::<HeaderName>()?, value.parse::<HeaderValue>()?);
            }
        }
        let length = headers.get("content-length").and_then(|value| value.to_str().ok());
        let length = length.map_or(Ok(0), str::parse::<usize>)?;
        while self.waiting.len() < length {
            self.more()?;
        }
        let body = self.waiting.drain(..length).collect();
        Ok(Answer { status: status.parse()?, headers, body })
    }

    /// All that comes until the other side closes, in whatever way.
    pub fn read_to_end(&mut self) -> Vec<u8> {
        while self.more().is_ok() {}
        std::mem::take(&mut self.waiting)
    }

    /// Whether the other side has hung up on what was said to it. What it said may still be unread.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn is_closed(&self) -> Result<bool> {
        let mut sockets = [PollFd::new(self.socket.as_fd(), PollFlags::empty())];
        Ok(poll(&mut sockets, PollTimeout::ZERO)? > 0)
    }

    fn more(&mut self) -> io::Result<()> {
        let mut bytes = [0; 16 << 10];
        match self.stream.read(&mut bytes)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            count => {
                self.waiting.extend_from_slice(&bytes[..count]);
                Ok(())
            }
        }
    }
}

fn connect(address: SocketAddr) -> Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, LONG)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(LONG))?;
    stream.set_write_timeout(Some(LONG))?;
    Ok(stream)
}
