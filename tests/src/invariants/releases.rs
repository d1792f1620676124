//! What lies in the store: whole releases, the ones that are needed, and no litter.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use protocol::{Digest, ReleaseState};
use updater::release::{TreeList, read_record};
use updater::transaction::machine::Direction;

use super::Moment;
use super::app_snapshot::AppSnapshot;

/// Failed releases that are kept for diagnosis.
const FAILED_KEPT: usize = 2;

pub(super) fn check(app: &AppSnapshot<'_>, moment: Moment, wrong: &mut Vec<String>) {
    let stored = match app.installed.layout.stored() {
        Ok(stored) => stored,
        Err(error) => return wrong.push(format!("the store cannot be read: {error}")),
    };
    let mut whole = BTreeSet::new();
    for digest in &stored {
        match state_of(app, digest) {
            Ok(true) => drop(whole.insert(*digest)),
            Ok(false) if moment == Moment::AtRest => wrong.push(format!("{digest} is litter")),
            Ok(false) => {}
            Err(error) => wrong.push(error),
        }
    }
    needed(app, &whole, wrong);
    if moment == Moment::AtRest {
        let gone = app.facts.iter().filter(|(digest, _)| !stored.contains(digest));
        wrong.extend(
            gone.filter(|(digest, _)| app.facts.whole(digest))
                .map(|(digest, _)| format!("{digest} is known as whole, and is gone")),
        );
        litter(app, wrong);
        too_many(app, &whole, wrong);
    }
}

/// Whether a directory of the store is a release. One with a record has the tree that it had after
/// its build, whatever else is the case.
fn state_of(app: &AppSnapshot<'_>, digest: &Digest) -> Result<bool, String> {
    let release = app.installed.layout.release(digest);
    let record = match read_record(&release) {
        Err(updater::release::RecordError::Absent(_)) => return Ok(false),
        read => read.map_err(|error| format!("{digest} has no readable record: {error}"))?,
    };
    if record.digest != *digest {
        return Err(format!("{digest} says that it is {}", record.digest));
    }
    let Some(fact) = app.facts.get(digest) else {
        // Being built, it may have written anything. The seed of the updater's own releases is
        // whole before anything is known of it.
        let known_later = app.to() == Some(*digest) || app.installed.own;
        return if known_later { Ok(false) } else { Err(format!("nothing is known of {digest}")) };
    };
    let Some(recorded) = fact.tree else {
        return if app.is_seed(digest) { Ok(true) } else { Err(format!("{digest} has no hash")) };
    };
    match TreeList::read(&release, &app.installed.reserved).map(|found| found.hash()) {
        Ok(found) if found == recorded => Ok(true),
        Ok(found) => Err(format!("{digest} has the tree {found}, and was built as {recorded}")),
        Err(error) => Err(format!("{digest} cannot be hashed: {error}")),
    }
}

/// What is active, what a rollback goes to, and, while the next release is not proven, what there
/// was before it.
fn needed(app: &AppSnapshot<'_>, whole: &BTreeSet<Digest>, wrong: &mut Vec<String>) {
    let mut needed = vec![("active", app.active), ("prev", app.prev)];
    if let Some(journal) = &app.journal {
        needed.push(("what ran before", journal.from));
        let proven = journal.outcome.is_some() && journal.direction == Direction::Forward;
        if !proven {
            needed.push(("what was prev before", journal.prev));
        }
    }
    for (what, digest) in needed {
        if let Some(digest) = digest.filter(|digest| !whole.contains(digest)) {
            wrong.push(format!("{what} is {digest}, which is not whole on the disk"));
        }
    }
}

fn litter(app: &AppSnapshot<'_>, wrong: &mut Vec<String>) {
    let layout = &app.installed.layout;
    let releases = layout.install().join("releases");
    let mut stray = |directory: &Path, known: &dyn Fn(&str) -> bool| {
        let Ok(entries) = fs::read_dir(directory) else { return };
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if !known(&name) {
                wrong.push(format!("litter: {}", directory.join(name).display()));
            }
        }
    };
    // With a handover of units, each of the two has a link of its own.
    let links = ["current", "current@a", "current@b"];
    stray(layout.install(), &|name| {
        links.contains(&name) || ["shared", "releases"].contains(&name)
    });
    stray(&releases, &|name| ["active", "prev", "store", "incoming", "digests"].contains(&name));
    stray(&layout.store(), &|name| layout.digest_named(name).is_some());
    stray(&layout.incoming(), &|_| false);
    // Whatever the updater keeps there has a name; what is half written has none yet.
    let state = app.installed.files.directory();
    for directory in state.ancestors().take(3) {
        stray(directory, &|name| !name.starts_with('.'));
    }
}

fn too_many(app: &AppSnapshot<'_>, whole: &BTreeSet<Digest>, wrong: &mut Vec<String>) {
    let spare = |digest: &&Digest| ![app.active, app.prev].contains(&Some(**digest));
    let is = |digest: &Digest, kind| app.facts.get(digest).is_some_and(|fact| fact.state() == kind);
    let failed =
        whole.iter().filter(spare).filter(|digest| is(digest, ReleaseState::Failed)).count();
    let proven = whole.iter().filter(|digest| is(digest, ReleaseState::Proven)).count();
    // The active and the previous one are kept whatever the configuration says.
    let keep = app.installed.keep.max(2);
    if failed > FAILED_KEPT || proven > keep {
        wrong.push(format!("{failed} failed and {proven} proven releases are kept"));
    }
}
