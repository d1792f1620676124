//! Work that goes on beside everything else: loops that never end, transactions, whatever no request waits
//! for.
//!
//! One rule for all of it: work that panics is logged as an error, and ends the updater, which systemd or
//! the parent starts again. A panic is a fault of the updater, after which nothing is known of what is in
//! memory: a loop that were started again on it could do to an agent what no test has ever seen. What is
//! on the disk is known, and the start from there is the one way back that every checkpoint is tested for.
//! Agents, their sockets and their connections outlive it; the pauses between two starts are kept by the
//! process that starts it; and the rescue goes back from a release of the updater that goes on dying.

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;

use futures_util::FutureExt as _;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

/// Lets an asynchronous task go on beside.
pub fn spawn_task(
    handle: &Handle,
    name: impl Into<String>,
    work: impl Future<Output = ()> + Send + 'static,
) -> JoinHandle<()> {
    let name = name.into();
    handle.spawn(async move {
        let ended = AssertUnwindSafe(work).catch_unwind().await;
        ended.unwrap_or_else(|panic| end(&name, &*panic));
    })
}

/// Starts a thread. The name of its work is the one that `thread` gives it.
pub fn spawn_thread<T: Send + 'static>(
    thread: thread::Builder,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<thread::JoinHandle<T>> {
    thread.spawn(move || {
        let ended = catch_unwind(AssertUnwindSafe(work));
        ended.unwrap_or_else(|panic| {
            let current = thread::current();
            end(current.name().unwrap_or("a thread"), &*panic)
        })
    })
}

/// A thread that is there before it is needed: for work that has to be done also where the system has no
/// more threads to give.
pub struct SpareThread {
    work: mpsc::SyncSender<Work>,
}

type Work = Box<dyn FnOnce() + Send>;

impl SpareThread {
    /// Starts it; it waits.
    pub fn start(name: String) -> io::Result<Self> {
        let (work, waiting) = mpsc::sync_channel::<Work>(0);
        spawn_thread(thread::Builder::new().name(name), move || {
            while let Ok(work) = waiting.recv() {
                work();
            }
        })?;
        Ok(Self { work })
    }

    /// Lets a thread of its own do the work, or this one where there is none to be had.
    pub fn run(
        &self,
        thread: thread::Builder,
        work: impl FnOnce() + Send + 'static,
    ) -> io::Result<()> {
        let work: Arc<Mutex<Option<Work>>> = Arc::new(Mutex::new(Some(Box::new(work))));
        let take =
            |from: &Mutex<Option<Work>>| from.lock().unwrap_or_else(PoisonError::into_inner).take();
        let theirs = Arc::clone(&work);
        let started = spawn_thread(thread, move || {
            if let Some(work) = take(&theirs) {
                work();
            }
        });
        let Err(error) = started else { return Ok(()) };
        let Some(work) = take(&work) else { return Err(error) };
        self.work.try_send(work).map_err(|_| error)
    }
}

/// Does what blocks on a thread that may, and waits for it.
pub async fn blocking<T: Send + 'static>(
    name: &'static str,
    work: impl FnOnce() -> T + Send + 'static,
) -> T {
    let done = tokio::task::spawn_blocking(move || {
        let ended = catch_unwind(AssertUnwindSafe(work));
        ended.unwrap_or_else(|panic| end(name, &*panic))
    });
    match done.await {
        Ok(done) => done,
        // The runtime is being shut down, and this with it.
        Err(_) => std::future::pending().await,
    }
}

fn end(name: &str, panic: &(dyn Any + Send)) -> ! {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    tracing::error!("{name} panicked, so the updater ends: {}", text.unwrap_or("no reason given"));
    // Not `exit`, which would run what other threads still need.
    std::process::abort()
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::Command;

    use super::*;

    const SAID: &str = "a loop panicked, so the updater ends: number 7";

    /// Runs one of the tests below in a process of its own, which it is to end. It says how it ended, and
    /// what it printed.
    fn ended(test: &str) -> (Option<i32>, String) {
        let mut command = Command::new(std::env::current_exe().unwrap());
        let name = format!("{}::{test}", module_path!().split_once("::").unwrap().1);
        command.args([name.as_str(), "--exact", "--ignored", "--nocapture"]);
        let output = command.output().unwrap();
        (output.status.signal(), String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// A process that logs, and waits for ever unless it is ended.
    fn wait_for_the_end(begin: impl FnOnce(&Handle)) {
        tracing_subscriber::fmt().with_writer(io::stdout).init();
        let runtime = tokio::runtime::Builder::new_multi_thread().build().unwrap();
        begin(runtime.handle());
        let (_nothing, never) = mpsc::channel::<()>();
        never.recv().unwrap();
    }

    #[test]
    #[ignore = "it ends its process"]
    fn a_task_panics() {
        wait_for_the_end(|handle| {
            drop(spawn_task(handle, "a loop", async { panic!("number {}", 7) }));
        });
    }

    #[test]
    #[ignore = "it ends its process"]
    fn a_thread_panics() {
        let thread = thread::Builder::new().name("a loop".to_owned());
        wait_for_the_end(|_| drop(spawn_thread(thread, || panic!("number {}", 7))));
    }

    #[test]
    #[ignore = "it ends its process"]
    fn what_blocks_panics() {
        let work = async { blocking("a loop", || panic!("number {}", 7)).await };
        wait_for_the_end(|handle| drop(handle.spawn(work)));
    }

    #[test]
    fn work_that_panics_is_logged_by_its_name_and_ends_the_process() {
        for test in ["a_task_panics", "a_thread_panics", "what_blocks_panics"] {
            let (signal, output) = ended(test);
            assert_eq!(signal, Some(nix::libc::SIGABRT), "{test}: {output}");
            assert!(output.contains("ERROR") && output.contains(SAID), "{output}");
        }
    }

    #[test]
    fn work_is_done_also_where_no_thread_can_be_had() {
        let spare = SpareThread::start("the spare".to_owned()).unwrap();
        // So much room for its stack has no system.
        let none = || thread::Builder::new().stack_size(1 << 60);
        for _ in 0..2 {
            let (said, heard) = mpsc::channel();
            let work = move || drop(said.send(thread::current().name().map(str::to_owned)));
            // It may be about to wait again.
            while spare.run(none(), work.clone()).is_err() {
                thread::yield_now();
            }
            assert_eq!(heard.recv().unwrap().as_deref(), Some("the spare"));
        }
        let (said, heard) = mpsc::channel();
        let thread = thread::Builder::new().name("another".to_owned());
        let work = move || drop(said.send(thread::current().name().map(str::to_owned)));
        spare.run(thread, work).unwrap();
        assert_eq!(heard.recv().unwrap().as_deref(), Some("another"));
    }

    #[test]
    fn work_that_ends_ends_nothing_else() {
        let runtime = tokio::runtime::Builder::new_multi_thread().build().unwrap();
        runtime.block_on(spawn_task(runtime.handle(), "a task", async {})).unwrap();
        assert_eq!(runtime.block_on(blocking("a number", || 7)), 7);
        assert_eq!(spawn_thread(thread::Builder::new(), || 7).unwrap().join().unwrap(), 7);
    }
}
