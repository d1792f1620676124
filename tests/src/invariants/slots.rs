//! `current`, `active` and `prev`.

use std::fs;
use std::path::Path;

use protocol::Digest;

use super::Moment;
use super::seen::Seen;

pub(super) fn check(seen: &Seen<'_>, moment: Moment, wrong: &mut Vec<String>) {
    current(seen, moment, wrong);
    active(seen, wrong);
    prev(seen, wrong);
    if moment == Moment::AtRest {
        unfinished(seen, wrong);
    }
}

/// It is absent, or resolves to the directory of the active release.
fn current(seen: &Seen<'_>, moment: Moment, wrong: &mut Vec<String>) {
    let layout = &seen.installed.layout;
    match fs::read_link(layout.current()) {
        Ok(target) if target != Path::new("releases/active") => {
            wrong.push(format!("current leads to {}", target.display()));
        }
        Ok(_) => {
            let resolved = fs::canonicalize(layout.current()).ok();
            let release = seen.active.and_then(|active| canonical(&layout.release(&active)));
            if resolved.is_none() || resolved != release {
                wrong.push(format!("current resolves to {resolved:?}, active to {release:?}"));
            }
        }
        // A first install makes it after `active`, and takes it away before.
        Err(_) if seen.active.is_none() || (seen.switching() && seen.from().is_none()) => {}
        Err(_) if moment == Moment::Any && seen.installed.own && seen.history.is_empty() => {}
        Err(error) => wrong.push(format!("{} is active without current: {error}", is(seen.active))),
    }
}

/// It names the old release or the new one, and says the same as the history.
fn active(seen: &Seen<'_>, wrong: &mut Vec<String>) {
    let expected = match (&seen.journal, seen.history.last()) {
        (Some(journal), _) if seen.switching() => vec![journal.from, journal.to],
        (Some(journal), _) => vec![journal.from],
        (None, Some(last)) => vec![last.to],
        (None, None) => vec![None],
    };
    let made_here =
        seen.journal.is_none() && seen.active.is_some_and(|active| seen.is_seed(&active));
    if !made_here && !expected.contains(&seen.active) {
        let expected: Vec<_> = expected.into_iter().map(is).collect();
        wrong.push(format!("active is {}, not {}", is(seen.active), expected.join(" or ")));
    }
}

/// It names a release that was once proven; one that failed since only until the transaction in
/// which it failed ends.
fn prev(seen: &Seen<'_>, wrong: &mut Vec<String>) {
    let Some(prev) = seen.prev else { return };
    let fact = seen.facts.get(&prev);
    if fact.is_none_or(|fact| fact.proven_at.is_none()) {
        wrong.push(format!("prev is {prev}, which was never proven"));
    }
    if seen.journal.is_none() {
        if fact.is_some_and(|fact| fact.failed_at.is_some()) {
            wrong.push(format!("prev is {prev}, which failed"));
        }
        if seen.active == Some(prev) {
            wrong.push(format!("prev and active are both {prev}"));
        }
    }
}

fn unfinished(seen: &Seen<'_>, wrong: &mut Vec<String>) {
    if let Some(journal) = &seen.journal {
        wrong.push(format!("{} is unfinished, in {}", journal.transaction, journal.phase));
    }
}

fn canonical(path: &Path) -> Option<std::path::PathBuf> {
    fs::canonicalize(path).ok()
}

fn is(digest: Option<Digest>) -> String {
    digest.map_or("nothing".to_owned(), |digest| digest.to_string())
}
