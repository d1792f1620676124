//! A wire between two ends that can be cut after any byte, when something has happened, or for good.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use anyhow::Result;

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    ToHost,
    FromHost,
}

/// The wire. It ends with the process.
#[derive(Debug, Clone)]
pub struct Proxy {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    to: SocketAddr,
    cut: Mutex<Option<(Direction, CutAt)>>,
    passed: [AtomicU64; 2],
    severed: AtomicBool,
    open: Mutex<Vec<TcpStream>>,
}

/// When a connection is cut.
#[derive(Debug)]
enum CutAt {
    /// After so many more bytes.
    Passed(usize),
    /// At the first byte after this file has so many lines.
    Written(PathBuf, usize),
}

impl Proxy {
    /// Listens at `at`, and passes everything on to `to`.
    ///
    /// # Errors
    /// When somebody listens there.
    pub fn start(at: SocketAddr, to: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind(at)?;
        let inner = Inner {
            to,
            cut: Mutex::default(),
            passed: Default::default(),
            severed: AtomicBool::default(),
            open: Mutex::default(),
        };
        let proxy = Self { inner: Arc::new(inner) };
        let accepting = proxy.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // Nobody at the other end is what a caller has to bear.
                let _ = accepting.connect(stream);
            }
        });
        Ok(proxy)
    }

    /// Cuts the connection on which the `byte`-th byte from now on goes this way, before it does.
    pub fn cut(&self, way: Direction, byte: u64) {
        *self.next_cut() = Some((way, CutAt::Passed(usize::try_from(byte).unwrap_or(usize::MAX))));
    }

    /// Cuts the connection on which the first byte goes this way after `file` has so many lines,
    /// before it does.
    pub fn cut_when_written(&self, way: Direction, file: &Path, lines: usize) {
        *self.next_cut() = Some((way, CutAt::Written(file.to_owned(), lines)));
    }

    /// Cuts every connection that there is, and lets none through from now on.
    pub fn sever(&self) {
        self.inner.severed.store(true, Ordering::SeqCst);
        for stream in self.open().drain(..) {
            // It may have ended by itself.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Cuts nothing any more. Whether something was to be cut still.
    pub fn cancel_cut(&self) -> bool {
        self.next_cut().take().is_some()
    }

    /// How many bytes went this way so far.
    pub fn passed(&self, way: Direction) -> u64 {
        self.inner.passed[way as usize].load(Ordering::SeqCst)
    }

    fn connect(&self, near: TcpStream) -> Result<()> {
        let far = TcpStream::connect(self.inner.to)?;
        let mut open = self.open();
        if self.inner.severed.load(Ordering::SeqCst) {
            return Ok(());
        }
        open.extend([near.try_clone()?, far.try_clone()?]);
        drop(open);
        for (way, from, to) in [
            (Direction::ToHost, near.try_clone()?, far.try_clone()?),
            (Direction::FromHost, far, near),
        ] {
            let proxy = self.clone();
            thread::spawn(move || {
                let _ = proxy.carry(way, &from, &to);
                let _ = to.shutdown(Shutdown::Write);
            });
        }
        Ok(())
    }

    fn next_cut(&self) -> MutexGuard<'_, Option<(Direction, CutAt)>> {
        self.inner.cut.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self) -> MutexGuard<'_, Vec<TcpStream>> {
        self.inner.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn carry(&self, way: Direction, mut from: &TcpStream, mut to: &TcpStream) -> Result<()> {
        let mut buffer = [0; 16 << 10];
        loop {
            let read = from.read(&mut buffer)?;
            if read == 0 {
                return Ok(());
            }
            let kept = self.until_cut(way, read);
            to.write_all(&buffer[..kept])?;
            self.inner.passed[way as usize].fetch_add(kept as u64, Ordering::SeqCst);
            if kept < read {
                from.shutdown(Shutdown::Both)?;
                to.shutdown(Shutdown::Both)?;
                return Ok(());
            }
        }
    }

    /// How many of so many bytes go through; fewer if the cut is among them.
    fn until_cut(&self, way: Direction, bytes: usize) -> usize {
        let mut cut = self.next_cut();
        let kept = match &mut *cut {
            Some((at, CutAt::Passed(left))) if *at == way => {
                let kept = bytes.min(*left);
                *left -= kept;
                kept
            }
            Some((at, CutAt::Written(file, lines))) if *at == way => {
                let text = fs::read_to_string(file).unwrap_or_default();
                if text.lines().count() < *lines { bytes } else { 0 }
            }
            _ => bytes,
        };
        if kept < bytes {
            *cut = None;
        }
        kept
    }
}
