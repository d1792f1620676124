//! Streams that tests can read.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use crate::output::{Output, OutputSettings};

/// What was written to one stream.
#[derive(Clone, Default)]
pub(crate) struct Stream(Arc<Mutex<Vec<u8>>>);

impl Stream {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An output with its two streams.
pub(crate) struct Captured {
    pub(crate) output: Output,
    pub(crate) out: Stream,
    pub(crate) err: Stream,
}

/// An output of which everything is kept, as if nothing were drawn while it is written.
pub(crate) fn captured(json: bool) -> Captured {
    let settings = OutputSettings { json, ..OutputSettings::default() };
    let (out, err) = (Stream::default(), Stream::default());
    let output = Output::new(settings, false, Box::new(out.clone()), Box::new(err.clone()));
    Captured { output, out, err }
}
