//! What is done with a new process before it becomes its command: it waits for that, so that nothing which
//! the command starts is ever without it.

use std::fmt;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsRawFd as _, RawFd};
use std::os::unix::net::UnixStream;
use std::thread;

/// What is done with the process, of which it gets the number.
pub struct Admission(Box<dyn FnOnce(u32) + Send>);

/// The end of the process that starts another one.
pub(super) struct Gate {
    outside: UnixStream,
    admission: Admission,
}

/// The end of the process that waits.
pub(super) struct Waiting {
    inside: UnixStream,
    outside: RawFd,
}

impl Admission {
    pub fn new(admit: impl FnOnce(u32) + Send + 'static) -> Self {
        Self(Box::new(admit))
    }
}

impl fmt::Debug for Admission {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Admission")
    }
}

impl Gate {
    pub(super) fn new(admission: Admission) -> io::Result<(Self, Waiting)> {
        let (outside, inside) = UnixStream::pair()?;
        let waiting = Waiting { inside, outside: outside.as_raw_fd() };
        Ok((Self { outside, admission }, waiting))
    }

    /// Starts the process, which returns only when it has become its command, and does beside what is to
    /// be done before. `start` drops what the process waits at.
    pub(super) fn pass<T>(self, start: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        let Self { mut outside, admission } = self;
        let admit = move || {
            let mut number = [0; 4];
            // There is none where it could not be started.
            if outside.read_exact(&mut number).is_ok() {
                (admission.0)(u32::from_ne_bytes(number));
                // It is gone if it does not read this.
                let _ = outside.write_all(&[1]);
            }
        };
        thread::scope(|scope| {
            thread::Builder::new().name("admission".to_owned()).spawn_scoped(scope, admit)?;
            start()
        })
    }
}

impl Waiting {
    /// Between `fork` and `exec`: nothing here allocates. An error where the updater has ended meanwhile.
    pub(super) fn wait(&self) -> io::Result<()> {
        // Open here, it would hide that end.
        nix::unistd::close(self.outside)?;
        (&self.inside).write_all(&std::process::id().to_ne_bytes())?;
        (&self.inside).read_exact(&mut [0])
    }
}
