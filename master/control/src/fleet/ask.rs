//! Asks many hosts at once.
//!
//! Each host that is asked has an answer: a task that panicked is told, and never left out.

use std::collections::HashMap;
use std::sync::Arc;

use protocol::HostName;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// A defect of this program broke the task of a host off: nothing is known of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("ask this host: swarm itself failed")]
pub struct TaskPanicked;

/// Runs a task for each host, `at_once` of them at a time, and gives their answers back in the order
/// of the tasks. Dropped, it ends those that run.
pub async fn ask_hosts<T, F>(
    at_once: usize,
    tasks: impl IntoIterator<Item = (HostName, F)>,
) -> Vec<(HostName, Result<T, TaskPanicked>)>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let permits = Arc::new(Semaphore::new(at_once));
    let (mut running, mut hosts) = (JoinSet::new(), Vec::new());
    for (host, task) in tasks {
        let permits = Arc::clone(&permits);
        let running = running.spawn(async move {
            let _permit = permits.acquire().await;
            task.await
        });
        hosts.push((running.id(), host));
    }
    let mut answers = HashMap::new();
    while let Some(ended) = running.join_next_with_id().await {
        // A task that panicked has no answer.
        if let Ok((id, answer)) = ended {
            answers.insert(id, answer);
        }
    }
    let answer = |(id, host)| (host, answers.remove(&id).ok_or(TaskPanicked));
    hosts.into_iter().map(answer).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// A task of a host named `web-…` that panics, or gives `answer`.
    pub(crate) async fn broken_or<T>(broken: bool, answer: T) -> T {
        tokio::task::yield_now().await;
        assert!(!broken, "a defect that the test asks for");
        answer
    }

    fn host(number: usize) -> HostName {
        format!("web-{number}").parse().unwrap()
    }

    #[tokio::test]
    async fn a_task_that_panicked_is_a_hosts_answer_and_the_order_is_kept() {
        let tasks = (0..5).map(|number| (host(number), broken_or(number == 2, number)));
        let answers = ask_hosts(2, tasks).await;
        let answer = |number| match number {
            2 => Err(TaskPanicked),
            number => Ok(number),
        };
        let expected: Vec<_> = (0..5).map(|number| (host(number), answer(number))).collect();
        assert_eq!(answers, expected);
    }

    #[tokio::test]
    async fn no_more_than_so_many_are_asked_at_a_time() {
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let tasks = (0..20).map(|number| {
            let (now, most) = (Arc::clone(&now), Arc::clone(&most));
            let task = async move {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                tokio::task::yield_now().await;
                now.fetch_sub(1, Ordering::SeqCst);
            };
            (host(number), task)
        });
        assert_eq!(ask_hosts(3, tasks).await.len(), 20);
        assert_eq!(most.load(Ordering::SeqCst), 3);
    }
}
