//! The table, and `bench.json`.

use std::io::Write as _;
use std::path::Path;

use anyhow::Result;
use serde::Serialize;

/// All that was measured.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Report {
    rows: Vec<Row>,
    left_out: Vec<(String, String)>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Row {
    what: String,
    ours: f64,
    unit: &'static str,
    peer: Option<Peer>,
    bar: f64,
    /// Whether the bar is a ratio to the peer, or an amount.
    relative: bool,
    held: bool,
}

#[derive(Debug, Serialize)]
struct Peer {
    name: String,
    value: f64,
    ratio: f64,
}

impl Report {
    /// A figure that has to be at most `bar` times the peer's.
    pub(crate) fn against(&mut self, what: &str, ours: f64, peer: (&str, f64), bar: f64) {
        self.beside(what, ours, peer, bar);
        if let Some(row) = self.rows.last_mut() {
            row.relative = true;
            row.held = ours / peer.1 <= bar;
        }
    }

    /// A figure that has to be at most `bar`; the peer's shows what the machine has to give.
    pub(crate) fn beside(&mut self, what: &str, ours: f64, peer: (&str, f64), bar: f64) {
        self.at_most(what, ours, "s", bar);
        self.peer(peer.0, peer.1);
    }

    /// Puts a peer's figure beside the last one.
    pub(crate) fn peer(&mut self, name: &str, value: f64) {
        if let Some(row) = self.rows.last_mut() {
            row.peer = Some(Peer { name: name.to_owned(), value, ratio: row.ours / value });
        }
    }

    /// A figure that has to be at most `bar`.
    pub(crate) fn at_most(&mut self, what: &str, ours: f64, unit: &'static str, bar: f64) {
        let (what, held) = (what.to_owned(), ours <= bar);
        self.rows.push(Row { what, ours, unit, peer: None, bar, relative: false, held });
    }

    /// A peer that did not run.
    pub(crate) fn leave_out(&mut self, peer: &str, why: &str) {
        self.left_out.push((peer.to_owned(), why.to_owned()));
    }

    pub(crate) fn print(&self) -> Result<()> {
        let mut out = std::io::stdout().lock();
        writeln!(
            out,
            "{:<58} {:>12}  {:<30} {:>6}  {:>9}  held",
            "what", "ours", "peer", "ratio", "bar"
        )?;
        for row in &self.rows {
            let ours = format!("{:.3} {}", row.ours, row.unit);
            let bar = if row.relative {
                format!("{:.2} x", row.bar)
            } else {
                format!("{} {}", row.bar, row.unit)
            };
            let peer = row.peer.as_ref();
            let ratio = peer.map(|peer| format!("{:.2}", peer.ratio)).unwrap_or_default();
            let peer = peer
                .map(|peer| format!("{} {:.3} {}", peer.name, peer.value, row.unit))
                .unwrap_or_default();
            let held = if row.held { "yes" } else { "NO" };
            writeln!(out, "{:<58} {ours:>12}  {peer:<30} {ratio:>6}  {bar:>9}  {held}", row.what)?;
        }
        for (peer, why) in &self.left_out {
            writeln!(out, "left out: {peer}: {why}")?;
        }
        Ok(())
    }

    /// Writes all of it for programs.
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        Ok(std::fs::write(path, serde_json::to_string_pretty(self)? + "\n")?)
    }
}

pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
