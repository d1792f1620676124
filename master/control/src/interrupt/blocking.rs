//! Work that blocks, on a thread of its own, until it is done or interrupted.

use std::io;

use explain::{Exit, Explain};
use tokio::task::JoinError;

use crate::interrupt::{CancelToken, Cancelled, Interrupt, cancellation};

/// Why work on a thread of its own has no end of its own.
#[derive(Debug, thiserror::Error)]
pub enum BlockingError {
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
    /// The system gives no pipe.
    #[error("make ready for an interruption")]
    Pipe(#[source] io::Error),
    /// A defect of this program.
    #[error("come to the end of work beside: it broke off")]
    Panicked(#[source] JoinError),
}

impl Explain for BlockingError {
    fn exit(&self) -> Exit {
        match self {
            Self::Cancelled(_) => Exit::Interrupted,
            Self::Pipe(_) | Self::Panicked(_) => Exit::Failed,
        }
    }
}

/// Does work that blocks beside the event loop. The first interruption cancels it, and waits until it
/// has taken away what it had half done; the second one leaves it where it is.
pub async fn run_blocking<T: Send + 'static>(
    interrupt: &Interrupt,
    work: impl FnOnce(&CancelToken) -> T + Send + 'static,
) -> Result<T, BlockingError> {
    let (cancel, token) = cancellation().map_err(BlockingError::Pipe)?;
    let mut running = tokio::task::spawn_blocking(move || work(&token));
    tokio::select! {
        biased;
        done = &mut running => return done.map_err(BlockingError::Panicked),
        () = interrupt.asked(1) => drop(cancel),
    }
    tokio::select! {
        biased;
        // What it came to all the same is not wanted any more.
        _ = running => {}
        () = interrupt.asked(2) => {}
    }
    Err(Cancelled.into())
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    fn wait_until_cancelled(token: &CancelToken) {
        while token.check().is_ok() {
            std::thread::yield_now();
        }
    }

    #[tokio::test]
    async fn work_that_is_done_gives_what_it_made() {
        let interrupt = Interrupt::none();
        assert_eq!(run_blocking(&interrupt, |_| 7).await.unwrap(), 7);
    }

    #[tokio::test]
    async fn the_first_interruption_cancels_and_waits_for_the_end() {
        let interrupt = Interrupt::none();
        let asks = interrupt.clone();
        let (sender, ended) = mpsc::channel();
        let cancelled = run_blocking(&interrupt, move |token| {
            asks.ask();
            wait_until_cancelled(token);
            sender.send(()).unwrap();
        });
        let cancelled = cancelled.await;
        assert!(matches!(cancelled, Err(BlockingError::Cancelled(_))), "{cancelled:?}");
        ended.try_recv().unwrap();
    }

    #[tokio::test]
    async fn the_second_interruption_waits_for_nothing() {
        let interrupt = Interrupt::none();
        let asks = interrupt.clone();
        let (release, stuck) = mpsc::channel::<()>();
        let cancelled = run_blocking(&interrupt, move |token| {
            asks.ask();
            wait_until_cancelled(token);
            asks.ask();
            let _ = stuck.recv();
        });
        let cancelled = cancelled.await;
        assert!(matches!(cancelled, Err(BlockingError::Cancelled(_))), "{cancelled:?}");
        release.send(()).unwrap();
    }

    #[tokio::test]
    async fn work_that_is_waited_for_no_more_is_cancelled() {
        let (interrupt, (sender, ended)) = (Interrupt::none(), mpsc::channel());
        let (started, starts) = tokio::sync::oneshot::channel();
        let waiting = run_blocking(&interrupt, move |token| {
            started.send(()).unwrap();
            wait_until_cancelled(token);
            sender.send(()).unwrap();
        });
        tokio::select! {
            _ = waiting => panic!("it waits for its token"),
            _ = starts => {}
        }
        tokio::task::spawn_blocking(move || ended.recv().unwrap()).await.unwrap();
    }

    #[tokio::test]
    async fn work_that_panicked_is_told() {
        let broken =
            run_blocking(&Interrupt::none(), |_| -> () { panic!("as the test asks") }).await;
        assert!(matches!(broken, Err(BlockingError::Panicked(_))), "{broken:?}");
    }
}
