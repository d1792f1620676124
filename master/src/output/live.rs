//! The one live view of a rollout: a frame that is drawn anew in its place while things happen.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use console::Term;
use control::rollout::{Estimate, ReleaseNames, RolloutStatus};
use engine::{Event, HostProgress, State};
use protocol::HostName;
use time::OffsetDateTime;

use crate::output::frame::{View, frame};
use crate::output::screen::{Screen, Unechoed};
use crate::output::{Style, wrapped};

/// How often it is drawn, at most; and at least, as the time that it shows goes on.
const SHORTEST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(1);

/// What is shown besides the rollout's own state.
pub(crate) struct Shown {
    pub(crate) names: ReleaseNames,
    pub(crate) expected: Option<Estimate>,
    pub(crate) style: Style,
    pub(crate) now: fn() -> OffsetDateTime,
}

/// It is drawn from its making until it is dropped.
pub(crate) struct Live {
    shared: Arc<(Mutex<Drawing>, Condvar)>,
    painter: Option<JoinHandle<()>>,
    _unechoed: Unechoed,
}

struct Drawing {
    screen: Screen<Box<dyn Write + Send>>,
    status: RolloutStatus,
    shown: Shown,
    progress: BTreeMap<HostName, HostProgress>,
    /// What is said until the end.
    message: Option<String>,
    /// Whether this process drives the rollout.
    driven_here: bool,
    changed: bool,
    over: bool,
}

impl Live {
    /// Begins to draw a rollout on stderr.
    pub(crate) fn new(status: RolloutStatus, driven_here: bool, shown: Shown) -> Self {
        let drawing = Drawing {
            screen: Screen::new(Box::new(io::stderr())),
            status,
            shown,
            progress: BTreeMap::new(),
            message: None,
            driven_here,
            changed: true,
            over: false,
        };
        let shared = Arc::new((Mutex::new(drawing), Condvar::new()));
        let drawing = Arc::clone(&shared);
        let painter = thread::spawn(move || paint(&drawing));
        Self { shared, painter: Some(painter), _unechoed: Unechoed::stderr() }
    }

    /// The rollout stands so.
    pub(crate) fn stands(&self, state: &State) {
        self.change(|drawing| drawing.status.state = state.clone());
    }

    /// The same, for a rollout that another process drives.
    pub(crate) fn status(&self, status: RolloutStatus) {
        self.change(|drawing| drawing.status = status);
    }

    /// An event changes where it stands.
    pub(crate) fn kept(&self, event: &Event, time: OffsetDateTime) {
        self.change(|drawing| {
            if let Event::PhaseEntered { host, .. } = event {
                drawing.progress.remove(host);
            }
            // What follows is the driver's to do.
            drop(drawing.status.state.apply(event.clone(), time));
        });
    }

    pub(crate) fn progress(&self, host: &HostName, progress: HostProgress) {
        self.change(|drawing| {
            drawing.progress.insert(host.clone(), progress);
        });
    }

    /// Something that is said until the end.
    pub(crate) fn message(&self, words: &str) {
        self.change(|drawing| drawing.message = Some(words.to_owned()));
    }

    /// A line that stays on the screen, above what is drawn.
    pub(crate) fn above(&self, line: &str) {
        self.change(|drawing| drawing.above(line));
    }

    fn change(&self, change: impl FnOnce(&mut Drawing)) {
        let mut drawing = lock(&self.shared.0);
        change(&mut drawing);
        drawing.changed = true;
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        lock(&self.shared.0).over = true;
        self.shared.1.notify_all();
        if let Some(painter) = self.painter.take() {
            // It has nothing to tell; one that panicked has drawn nothing more.
            drop(painter.join());
        }
        lock(&self.shared.0).screen.leave();
    }
}

/// Draws until it is over.
fn paint((drawing, wake): &(Mutex<Drawing>, Condvar)) {
    let mut drawing = lock(drawing);
    let (mut drawn_at, mut size, mut looked_at) = (Instant::now(), (0, 0), Instant::now());
    while !drawing.over {
        // It was stopped and goes on: the shell has written below.
        if looked_at.elapsed() > LONGEST.saturating_mul(2) {
            drawing.screen.forget();
            drawing.changed = true;
        }
        looked_at = Instant::now();
        if drawing.changed || drawn_at.elapsed() >= LONGEST || size != window() {
            drawing.changed = false;
            (drawn_at, size) = (Instant::now(), window());
            drawing.draw();
        }
        drawing = match wake.wait_timeout(drawing, SHORTEST) {
            Ok((drawing, _)) => drawing,
            Err(poisoned) => poisoned.into_inner().0,
        };
    }
}

impl Drawing {
    fn draw(&mut self) {
        let size = window();
        let lines = self.lines(size);
        self.screen.draw(&lines, size);
    }

    fn above(&mut self, line: &str) {
        let size = window();
        let lines = self.lines(size);
        let line = wrapped(line, size.0).join("\n");
        self.screen.above(&line, &lines, size);
    }

    fn lines(&self, (columns, lines): (usize, usize)) -> Vec<String> {
        let Self { status, shown, progress, message, driven_here, .. } = self;
        let abandoned = status.abandoned().filter(|_| !driven_here);
        let view = View {
            status,
            names: &shown.names,
            expected: shown.expected.as_ref(),
            progress,
            messages: [abandoned, message.clone()].into_iter().flatten().collect(),
            style: shown.style,
            now: (shown.now)(),
        };
        // The last column and the last line stay free: a terminal would go on to the next of them.
        frame(&view, (columns.saturating_sub(1).max(1), lines.saturating_sub(1).max(1)))
    }
}

/// Its columns and lines.
fn window() -> (usize, usize) {
    let (lines, columns) = Term::stderr().size();
    (columns.into(), lines.into())
}

fn lock(drawing: &Mutex<Drawing>) -> MutexGuard<'_, Drawing> {
    drawing.lock().unwrap_or_else(PoisonError::into_inner)
}
