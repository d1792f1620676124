//! `swarm rollout watch ID`: follows a rollout from any terminal.

use std::time::Duration;

use console::Term;
use control::rollout::{Estimate, ReleaseNames, RolloutStatus, Summary, rollout_status};
use explain::{Exit, Failure};
use indicatif::{ProgressBar, ProgressStyle};
use time::OffsetDateTime;

use crate::cli::Context;
use crate::cli::event_line::full_line;
use crate::cli::rollout::args::Which;
use crate::cli::rollout::show;
use crate::cli::rollout::show::Shown;
use crate::cli::runtime::block_on;
use crate::output::frame;

/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// What is drawn anew each time, on stderr.
struct Screen {
    bar: ProgressBar,
    terminal: Term,
}

impl Screen {
    fn new() -> Self {
        let style = ProgressStyle::with_template("{msg}");
        let style = style.unwrap_or_else(|_| ProgressStyle::default_spinner());
        Self { bar: ProgressBar::new_spinner().with_style(style), terminal: Term::stderr() }
    }

    fn draw(
        &self,
        rollout_status: &RolloutStatus,
        expected: Option<&Estimate>,
        now: OffsetDateTime,
    ) {
        let (lines, columns) = self.terminal.size();
        let size = (columns.into(), usize::from(lines).saturating_sub(1));
        let text = frame(rollout_status, expected, now, size);
        self.bar.set_message(text.trim_end().to_owned());
        self.bar.tick();
    }

    fn leave(&self) {
        self.bar.finish_and_clear();
    }
}

/// Shows what happened and what happens, until nothing does any more.
pub(super) fn run(which: &Which, context: &Context) -> Result<Exit, Failure> {
    let Context { store, output, now, .. } = context;
    let rollout = store.find_rollout(&which.id)?;
    let names = ReleaseNames::read(store)?;
    let (plan, _) = context.rollouts().begun(rollout.id)?;
    let expected = context.rollouts().estimate(&plan)?;
    let mut shown = 0;
    let screen = output.draws().then(Screen::new);
    block_on(async {
        loop {
            let rollout_status = rollout_status(store, rollout.clone(), now())?;
            if let Some(screen) = &screen {
                screen.draw(&rollout_status, expected.as_ref(), now());
                if rollout_status.state.is_idle() {
                    screen.leave();
                    let expected = expected.as_ref();
                    let shown = Shown { names: &names, expected, now: now(), all: false };
                    output.data(&show::text(&rollout_status, &shown, output.columns()));
                    return Ok(Summary::of(rollout.id, &rollout_status.state).exit());
                }
                tokio::time::sleep(LOOK).await;
                continue;
            }
            for (sequence, event) in store.events_after(rollout.id, shown)? {
                if output.json() {
                    output.line(&event);
                } else {
                    let host = event.host.as_ref().map(|host| format!("{host}  "));
                    output.data(&format!(
                        "{}{}",
                        host.unwrap_or_default(),
                        full_line(&event, &names)
                    ));
                }
                shown = sequence;
            }
            if rollout_status.state.is_idle() {
                let summary = Summary::of(rollout.id, &rollout_status.state);
                if output.json() {
                    output.line(&summary);
                } else {
                    output.note(&summary.detail);
                }
                return Ok(summary.exit());
            }
            tokio::time::sleep(LOOK).await;
        }
    })?
}
