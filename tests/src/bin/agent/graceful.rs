//! Serving on a socket that was passed on (`sd_listen_fds(3)`), and ending well: on TERM nothing new
//! is taken, what was begun is answered, and the last answer on each connection says so.

use std::io::BufReader;
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd as _, AsRawFd as _, FromRawFd as _};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;

use anyhow::{Context as _, Result};
use fleet_tests::Behaviour;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::socket::{Shutdown, shutdown};

use crate::{read_request, reply, say};

/// The first passed descriptor.
const FIRST: i32 = 3;

#[derive(Default)]
struct State {
    behaviour: Behaviour,
    answers: AtomicU32,
    ending: AtomicBool,
    open: Mutex<u32>,
    closed: Condvar,
}

/// The socket that this process was given, if it was given one.
pub(crate) fn passed_socket() -> Result<Option<TcpListener>> {
    let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u32>().ok());
    if number("LISTEN_PID") != Some(std::process::id()) || number("LISTEN_FDS") == Some(0) {
        return Ok(None);
    }
    #[expect(unsafe_code, reason = "the number is all that there is of it")]
    // SAFETY: whoever set these variables has opened it for this process, which takes it once.
    let listener = unsafe { TcpListener::from_raw_fd(FIRST) };
    listener.set_nonblocking(true)?;
    Ok(Some(listener))
}

pub(crate) fn serve(listener: TcpListener, behaviour: Behaviour) -> Result<ExitCode> {
    let mut term = SigSet::empty();
    term.add(Signal::SIGTERM);
    term.thread_block()?;
    let heeds = !behaviour.ignores_term;
    let signals = SignalFd::with_flags(&term, SfdFlags::SFD_CLOEXEC)?;
    if behaviour.shuts {
        shutdown(listener.as_raw_fd(), Shutdown::Both)?;
    }
    say(&format!("listening on {}", listener.local_addr()?))?;
    let state = Arc::new(State { behaviour, ..State::default() });
    loop {
        let mut waiting = vec![PollFd::new(listener.as_fd(), PollFlags::POLLIN)];
        if heeds {
            waiting.push(PollFd::new(signals.as_fd(), PollFlags::POLLIN));
        }
        poll(&mut waiting, PollTimeout::NONE)?;
        if waiting.get(1).and_then(PollFd::any).unwrap_or(false) {
            break;
        }
        // The other agent may have been quicker.
        let Ok((stream, _)) = listener.accept() else { continue };
        stream.set_nonblocking(false)?;
        stream.set_nodelay(true)?;
        *state.open.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        let state = Arc::clone(&state);
        thread::spawn(move || {
            // A connection that breaks is its caller's affair.
            drop(answer_all(stream, &state));
            *state.open.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
            state.closed.notify_all();
        });
    }
    drop(listener);
    state.ending.store(true, Ordering::SeqCst);
    let open = state.open.lock().unwrap_or_else(PoisonError::into_inner);
    let waited = state.closed.wait_while(open, |open| *open > 0);
    drop(waited.unwrap_or_else(PoisonError::into_inner));
    say("the agent has answered all")?;
    Ok(ExitCode::SUCCESS)
}

fn answer_all(stream: TcpStream, state: &State) -> Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let request = read_request(&mut stream)?.context("nobody asks any more")?;
        let asked = request.contains("connection: close");
        let last = asked || state.ending.load(Ordering::SeqCst);
        reply(stream.get_mut(), &request, &state.behaviour, &state.answers, last)?;
        if last {
            return Ok(());
        }
    }
}
