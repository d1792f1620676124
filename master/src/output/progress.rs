//! How a rollout is shown while it is followed: the live view on a terminal, plain lines in a pipe, an
//! event a line with `--json`.

use control::rollout::{Observer, ReleaseNames, RolloutStatus};
use engine::{HostProgress, NoticeBody, State};
use explain::{clock, plain};
use protocol::HostName;
use store::Event;
use time::OffsetDateTime;

use crate::output::Output;
use crate::output::live::{Live, Shown};
use crate::output::plain_lines::{plain_line, rollout_words};

/// The screen of a rollout. Dropped, it leaves the terminal as it found it.
pub(crate) struct Progress<'a> {
    output: Output,
    names: &'a ReleaseNames,
    now: fn() -> OffsetDateTime,
    live: Option<Live>,
}

impl<'a> Progress<'a> {
    /// `driven_here`: by this process.
    pub(crate) fn new(
        output: &Output,
        status: RolloutStatus,
        driven_here: bool,
        names: &'a ReleaseNames,
        shown: Shown,
    ) -> Self {
        let now = shown.now;
        let live = output.draws().then(|| Live::new(status, driven_here, shown));
        Self { output: output.naming(names), names, now, live }
    }

    /// Where the rollout stands that another process drives.
    pub(crate) fn status(&self, status: RolloutStatus) {
        if let Some(live) = &self.live {
            live.status(status);
        }
    }

    /// Whether it is drawn, and not told line by line.
    pub(crate) const fn is_drawn(&self) -> bool {
        self.live.is_some()
    }
}

impl Observer for Progress<'_> {
    fn stands(&self, state: &State) {
        if let Some(live) = &self.live {
            live.stands(state);
        }
    }

    fn kept(&self, event: &engine::Event, time: OffsetDateTime) {
        if let Some(live) = &self.live {
            live.kept(event, time);
        }
    }

    fn happened(&self, event: &Event) {
        if self.output.json() {
            return self.output.line(event);
        }
        let Some(live) = &self.live else {
            let style = self.output.message_style();
            if let Some(line) = plain_line(event, self.names, self.output.verbose(), style) {
                self.output.painted_note(&line);
            }
            return;
        };
        let Some(notice) = event.notice() else { return };
        if let (Some(host), NoticeBody::HostProgress { bytes, total }) =
            (&notice.host, &notice.body)
        {
            live.progress(host, HostProgress::Sent { bytes: *bytes, total: *total });
        } else if let Some((_, words)) = rollout_words(&notice, &event.who, self.names) {
            live.above(&format!("{}  {}", clock(event.time), plain(&words)));
        }
    }

    fn probed(&self, host: &HostName, attempt: u32, passed: bool) {
        if let Some(live) = &self.live {
            live.progress(host, HostProgress::Probed { attempt, passed });
        }
    }

    fn stopping(&self) {
        let words = "stopping: no further host is started, and those under way are waited for \
             (Ctrl-C again leaves them)";
        match &self.live {
            Some(live) => live.message(words),
            None => self.note(words),
        }
    }

    fn note(&self, words: &str) {
        match &self.live {
            Some(live) => live.above(&plain(words)),
            None => self.output.note(&format!("{}  {words}", clock((self.now)()))),
        }
    }
}
