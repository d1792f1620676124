//! `current`, `active` and `prev`.

use std::fs;
use std::path::Path;

use protocol::{Digest, ReleaseState};

use super::Moment;
use super::app_snapshot::AppSnapshot;

pub(super) fn check(app: &AppSnapshot<'_>, moment: Moment, wrong: &mut Vec<String>) {
    current(app, moment, wrong);
    active(app, wrong);
    prev(app, wrong);
    if moment == Moment::AtRest {
        unfinished(app, wrong);
    }
}

/// It is absent, or resolves to the directory of the active release.
fn current(app: &AppSnapshot<'_>, moment: Moment, wrong: &mut Vec<String>) {
    let layout = &app.installed.layout;
    match fs::read_link(layout.current()) {
        Ok(target) if target != Path::new("releases/active") => {
            wrong.push(format!("current leads to {}", target.display()));
        }
        Ok(_) => {
            let resolved = fs::canonicalize(layout.current()).ok();
            let release = app.active.and_then(|active| canonical(&layout.release(&active)));
            if resolved.is_none() || resolved != release {
                wrong.push(format!("current resolves to {resolved:?}, active to {release:?}"));
            }
        }
        // A first install makes it after `active`, and takes it away before.
        Err(_) if app.active.is_none() || (app.switching() && app.from().is_none()) => {}
        Err(_) if moment == Moment::Any && app.installed.own && app.history.is_empty() => {}
        Err(error) => wrong.push(format!("{} is active without current: {error}", is(app.active))),
    }
}

/// It names the old release or the new one, and says the same as the history.
fn active(app: &AppSnapshot<'_>, wrong: &mut Vec<String>) {
    let expected = match (&app.journal, app.history.last()) {
        (Some(journal), _) if app.switching() => vec![journal.from, journal.to],
        (Some(journal), _) => vec![journal.from],
        (None, Some(last)) => vec![last.to],
        (None, None) => vec![None],
    };
    let made_here = app.journal.is_none() && app.active.is_some_and(|active| app.is_seed(&active));
    if !made_here && !expected.contains(&app.active) {
        let expected: Vec<_> = expected.into_iter().map(is).collect();
        wrong.push(format!("active is {}, not {}", is(app.active), expected.join(" or ")));
    }
}

/// It names a release that was once proven. That the way to it failed since is a note, and takes nothing
/// away.
fn prev(app: &AppSnapshot<'_>, wrong: &mut Vec<String>) {
    let Some(prev) = app.prev else { return };
    let fact = app.facts.get(&prev);
    if fact.is_none_or(|fact| fact.proven_at.is_none()) {
        wrong.push(format!("prev is {prev}, which was never proven"));
    }
    if app.journal.is_none() {
        if fact.is_some_and(|fact| fact.state() == ReleaseState::Failed) {
            wrong.push(format!("prev is {prev}, which failed"));
        }
        if app.active == Some(prev) {
            wrong.push(format!("prev and active are both {prev}"));
        }
    }
}

fn unfinished(app: &AppSnapshot<'_>, wrong: &mut Vec<String>) {
    if let Some(journal) = &app.journal {
        wrong.push(format!("{} is unfinished, in {}", journal.transaction, journal.phase));
    }
}

fn canonical(path: &Path) -> Option<std::path::PathBuf> {
    fs::canonicalize(path).ok()
}

fn is(digest: Option<Digest>) -> String {
    digest.map_or("nothing".to_owned(), |digest| digest.to_string())
}
