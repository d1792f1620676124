//! What happened, in order, for every listener. A slow listener loses old events, never the
//! updater's memory.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::Stream;
use protocol::{AppName, Event, EventKind, TransactionId};
use time::OffsetDateTime;
use tokio::sync::watch;

/// Events that are kept for a listener that comes back (`Last-Event-ID`).
const KEPT: usize = 1024;
/// Events that are copied for one listener at a time: what it has not read yet waits in the ring,
/// which is there once.
const BATCH: usize = 16;

/// The stream of an updater's events.
#[derive(Debug)]
pub struct Events {
    ring: Mutex<VecDeque<Event>>,
    last: watch::Sender<u64>,
}

/// Which events a listener wants.
#[derive(Debug, Clone, Default)]
pub struct EventFilter {
    /// Of this app only.
    pub app: Option<AppName>,
    /// Of this transaction only; the stream then ends with its result.
    pub transaction: Option<TransactionId>,
    /// Later than this one.
    pub after: u64,
}

impl Events {
    /// An empty stream. `start` is the time at which the updater was started: ids begin with its
    /// microseconds, so that they grow across a restart.
    pub fn new(start: OffsetDateTime) -> Arc<Self> {
        let micros = u64::try_from(start.unix_timestamp_nanos() / 1000).unwrap_or(1);
        Arc::new(Self { ring: Mutex::default(), last: watch::Sender::new(micros) })
    }

    pub fn publish(
        &self,
        app: &AppName,
        transaction: Option<&TransactionId>,
        time: OffsetDateTime,
        kind: EventKind,
    ) {
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        let id = *self.last.borrow() + 1;
        let (app, transaction) = (app.clone(), transaction.cloned());
        ring.push_back(Event { id, time, app, transaction, kind });
        if ring.len() > KEPT {
            ring.pop_front();
        }
        // While the ring is held: else two events could have the same id.
        self.last.send_replace(id);
        drop(ring);
    }

    /// The id of the latest event.
    pub fn last(&self) -> u64 {
        *self.last.borrow()
    }

    /// Everything that the filter lets through, from the past and from then on.
    pub fn listen(
        self: &Arc<Self>,
        mut filter: EventFilter,
    ) -> impl Stream<Item = Event> + Send + use<> {
        if filter.after > self.last() {
            // From before the clock was set back: whatever is there is news.
            filter.after = 0;
        }
        let listener = Listener {
            news: self.last.subscribe(),
            events: Arc::clone(self),
            filter,
            ready: VecDeque::new(),
            ended: false,
        };
        futures_util::stream::unfold(listener, |mut listener| async move {
            listener.next().await.map(|event| (event, listener))
        })
    }

    /// The next of the events that the filter lets through, the id up to which there are no others, and whether some were
    /// lost.
    fn after(&self, filter: &EventFilter) -> (VecDeque<Event>, u64, bool) {
        let ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        let lost = ring.len() == KEPT && ring.front().is_some_and(|e| e.id > filter.after + 1);
        let newest = ring.back().map_or(filter.after, |event| event.id.max(filter.after));
        let first = ring.partition_point(|event| event.id <= filter.after);
        let found = ring.range(first..).filter(|event| filter.wants(event));
        let found: VecDeque<Event> = found.take(BATCH).cloned().collect();
        let until = found.back().filter(|_| found.len() == BATCH).map_or(newest, |last| last.id);
        (found, until, lost)
    }
}

impl EventFilter {
    fn wants(&self, event: &Event) -> bool {
        self.app.as_ref().is_none_or(|app| *app == event.app)
            && (self.transaction.is_none() || self.transaction == event.transaction)
    }
}

struct Listener {
    events: Arc<Events>,
    news: watch::Receiver<u64>,
    filter: EventFilter,
    ready: VecDeque<Event>,
    ended: bool,
}

impl Listener {
    async fn next(&mut self) -> Option<Event> {
        loop {
            if self.ended {
                return None;
            }
            if let Some(event) = self.ready.pop_front() {
                let result = matches!(event.kind, EventKind::Result(_));
                self.ended = result && self.filter.transaction.is_some();
                return Some(event);
            }
            // Marked as seen before the ring is read, so that nothing falls between.
            self.news.borrow_and_update();
            let (ready, after, lost) = self.events.after(&self.filter);
            (self.ready, self.filter.after) = (ready, after);
            // Its result may be among the lost: an end says so, and waiting for ever does not.
            self.ended = lost && self.filter.transaction.is_some();
            if self.ready.is_empty() && self.news.changed().await.is_err() {
                return None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt as _;
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-01-02 03:04:05 UTC);

    fn publish(events: &Events, text: &str) {
        let kind = EventKind::Agent { detail: text.to_owned() };
        events.publish(&"agent".parse().unwrap(), None, NOW, kind);
    }

    fn detail(event: &Event) -> &str {
        match &event.kind {
            EventKind::Agent { detail } => detail,
            _ => panic!("{event:?}"),
        }
    }

    #[tokio::test]
    async fn a_listener_that_comes_back_gets_what_it_missed() {
        let events = Events::new(NOW);
        publish(&events, "one");
        let seen = events.last();
        publish(&events, "two");
        let mut stream =
            Box::pin(events.listen(EventFilter { after: seen, ..EventFilter::default() }));
        assert_eq!(detail(&stream.next().await.unwrap()), "two");
        publish(&events, "three");
        assert_eq!(detail(&stream.next().await.unwrap()), "three");
    }

    #[tokio::test]
    async fn a_slow_listener_costs_no_memory_and_loses_the_oldest() {
        let events = Events::new(NOW);
        let mut stream = Box::pin(events.listen(EventFilter::default()));
        for number in 0..3000 {
            publish(&events, &number.to_string());
        }
        assert_eq!(detail(&stream.next().await.unwrap()), (3000 - KEPT).to_string());
    }
}
