//! A program that gets the event on its standard input: without a shell, with an environment of its
//! own, and never for longer than it was given.

use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use protocol::Command;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, ChildStderr};
use tokio::task::JoinSet;

use crate::notify::message::{Fault, Message};

/// What a program gets of the environment, besides `HOME`.
const ENVIRONMENT: [(&str, &str); 2] =
    [("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"), ("LANG", "C.UTF-8")];
/// How much of its complaints is kept.
const COMPLAINT_BYTES: usize = 1024;
/// How long they are waited for after its end.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Runs it once. It is ended, with all that it started in its process group, when its time is over.
pub(super) async fn run(
    command: &Command,
    message: &Message,
    timeout: Duration,
) -> Result<(), Fault> {
    let (program, words) = command.0.split_first().ok_or(Fault::NoProgram)?;
    let child = tokio::process::Command::new(program)
        .args(words)
        .env_clear()
        .envs(ENVIRONMENT)
        .envs(std::env::var_os("HOME").map(|home| ("HOME", home)))
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        // Ctrl-C is for the rollout, not for who is told of it.
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(Fault::Start)?;
    let group = Group(child.id());
    let ended = tokio::time::timeout(timeout, talk(child, message)).await;
    drop(group);
    ended.unwrap_or(Err(Fault::TimedOut(timeout)))
}

/// A process group, which is ended when nobody waits for it any more.
struct Group(Option<u32>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(leader) = self.0.and_then(|id| i32::try_from(id).ok()) {
            // Nobody is left in it, if all went well.
            let _ = killpg(Pid::from_raw(leader), Signal::SIGKILL);
        }
    }
}

async fn talk(mut child: Child, message: &Message) -> Result<(), Fault> {
    let body = format!("{}\n", message.body);
    // Neither is waited for: what the program left running may hold its ends open for ever.
    let mut pipes = JoinSet::new();
    if let Some(mut stdin) = child.stdin.take() {
        pipes.spawn(async move {
            let _ = stdin.write_all(body.as_bytes()).await;
        });
    }
    let complaint = Arc::new(Mutex::new(Vec::new()));
    if let Some(stderr) = child.stderr.take() {
        pipes.spawn(keep_the_beginning(stderr, Arc::clone(&complaint)));
    }
    let status = child.wait().await.map_err(Fault::Start)?;
    if status.success() {
        return Ok(());
    }
    let _ = tokio::time::timeout(LAST_WORDS, pipes.join_all()).await;
    let complaint = complaint.lock().unwrap_or_else(PoisonError::into_inner);
    let complaint = String::from_utf8_lossy(&complaint).trim().to_owned();
    Err(Fault::Exit { status, complaint })
}

/// Reads to the end, so that the program never waits for a reader.
async fn keep_the_beginning(mut stderr: ChildStderr, kept: Arc<Mutex<Vec<u8>>>) {
    let mut buffer = [0; 512];
    while let Ok(length @ 1..) = stderr.read(&mut buffer).await {
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        let room = COMPLAINT_BYTES.saturating_sub(kept.len()).min(length);
        kept.extend_from_slice(&buffer[..room]);
    }
}
