//! A peer with the identity of an updater, enrolled and pinned, that says whatever a test wants.

use std::collections::VecDeque;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use anyhow::{Context as _, Result};
use pki::{Identity, Paths};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::{Host, LONG};

/// One connection to a liar, whose request's head has been read. It is closed when it is dropped.
pub struct Exchange {
    pub head: String,
    stream: StreamOwned<ServerConnection, TcpStream>,
}

/// Listens in the place of a host's updater until the process ends. The first connection is with the
/// first of the identities, and so on; the last of them stays. Each connection is handed to `answer`,
/// in a thread of its own.
///
/// # Errors
/// When somebody listens there, or the identity cannot be read.
pub fn impersonate_updater(
    host: &Host,
    identities: &[PathBuf],
    answer: impl Fn(Exchange) -> Result<()> + Send + Sync + 'static,
) -> Result<()> {
    let tls =
        |identity: &PathBuf| Ok(pki::server_config(&Identity::load(&Paths::updater(identity))?)?);
    let mut identities = identities.iter().map(tls).collect::<Result<VecDeque<_>>>()?;
    let listener = TcpListener::bind(host.address)?;
    let answer = Arc::new(answer);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let Some(tls) = identities.front().cloned() else { return };
            if identities.len() > 1 {
                identities.pop_front();
            }
            let answer = Arc::clone(&answer);
            // Whoever was lied to may hang up at any time: that is what is tested.
            thread::spawn(move || Exchange::on(stream, tls).and_then(|heard| answer(heard)));
        }
    });
    Ok(())
}

impl Exchange {
    fn on(stream: TcpStream, tls: Arc<ServerConfig>) -> Result<Self> {
        stream.set_read_timeout(Some(LONG))?;
        stream.set_write_timeout(Some(LONG))?;
        let mut stream = StreamOwned::new(ServerConnection::new(tls)?, stream);
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte)?;
            head.push(byte[0]);
        }
        Ok(Self { head: String::from_utf8(head)?, stream })
    }

    /// The value of a header of the request.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    /// Says it.
    ///
    /// # Errors
    /// When nobody listens any more.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> Result<()> {
        self.stream.write_all(bytes.as_ref())?;
        Ok(self.stream.flush()?)
    }

    /// Answers with this body.
    ///
    /// # Errors
    /// When nobody listens any more.
    pub fn respond(&mut self, status: u16, kind: &str, body: impl AsRef<[u8]>) -> Result<()> {
        let body = body.as_ref();
        let length = body.len();
        let head = format!("HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\n");
        self.send([format!("{head}content-length: {length}\r\n\r\n").as_bytes(), body].concat())
    }

    /// Asks for the archive, and throws it away.
    ///
    /// # Errors
    /// When it does not come.
    pub fn read_archive(&mut self) -> Result<()> {
        self.send("HTTP/1.1 100 Continue\r\n\r\n")?;
        let mut left = self.header("content-length").context("a length")?.parse::<usize>()?;
        let mut bytes = [0; 16 << 10];
        while left > 0 {
            let most = left.min(bytes.len());
            left -= self.stream.read(&mut bytes[..most])?;
        }
        Ok(())
    }

    /// Says the same again and again, until nobody listens.
    ///
    /// # Errors
    /// When nobody listens any more, which is how it ends.
    pub fn send_forever(&mut self, bytes: &[u8]) -> Result<()> {
        let many = bytes.repeat((64 << 10) / bytes.len().max(1) + 1);
        loop {
            self.stream.write_all(&many)?;
        }
    }

    /// Says nothing until the other side hangs up.
    pub fn wait_for_close(&mut self) {
        let mut byte = [0];
        while self.stream.read(&mut byte).is_ok_and(|count| count > 0) {}
    }
}
