//! What lies in the store: whole releases, the ones that are needed, and no litter.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use protocol::Digest;
use updater::release::{read_record, tree_hash};
use updater::transaction::machine::Direction;

use super::Moment;
use super::seen::Seen;

/// Failed releases that are kept for diagnosis.
const FAILED_KEPT: usize = 2;

pub(super) fn check(seen: &Seen<'_>, moment: Moment, wrong: &mut Vec<String>) {
    let stored = match seen.installed.layout.stored() {
        Ok(stored) => stored,
        Err(error) => return wrong.push(format!("the store cannot be read: {error}")),
    };
    let mut whole = BTreeSet::new();
    for digest in &stored {
        match state_of(seen, digest) {
            Ok(true) => drop(whole.insert(*digest)),
            Ok(false) if moment == Moment::AtRest => wrong.push(format!("{digest} is litter")),
            Ok(false) => {}
            Err(error) => wrong.push(error),
        }
    }
    needed(seen, &whole, wrong);
    if moment == Moment::AtRest {
        let gone = seen.facts.iter().filter(|(digest, _)| !stored.contains(digest));
        wrong.extend(
            gone.filter(|(digest, _)| seen.facts.whole(digest))
                .map(|(digest, _)| format!("{digest} is known as whole, and is gone")),
        );
        litter(seen, wrong);
        too_many(seen, &whole, wrong);
    }
}

/// Whether a directory of the store is a release. One with a record has the tree that it had after
/// its build, whatever else is the case.
fn state_of(seen: &Seen<'_>, digest: &Digest) -> Result<bool, String> {
    let release = seen.installed.layout.release(digest);
    let record = match read_record(&release) {
        Err(updater::release::RecordError::Absent(_)) => return Ok(false),
        read => read.map_err(|error| format!("{digest} has no readable record: {error}"))?,
    };
    if record.digest != *digest {
        return Err(format!("{digest} says that it is {}", record.digest));
    }
    let Some(fact) = seen.facts.get(digest) else {
        // Being built, it may have written anything. The seed of the updater's own releases is
        // whole before anything is known of it.
        let known_later = seen.to() == Some(*digest) || seen.installed.own;
        return if known_later { Ok(false) } else { Err(format!("nothing is known of {digest}")) };
    };
    let Some(recorded) = fact.tree else {
        return if seen.is_seed(digest) { Ok(true) } else { Err(format!("{digest} has no hash")) };
    };
    match tree_hash(&release, &seen.installed.reserved) {
        Ok(found) if found == recorded => Ok(true),
        Ok(found) => Err(format!("{digest} has the tree {found}, and was built as {recorded}")),
        Err(error) => Err(format!("{digest} cannot be hashed: {error}")),
    }
}

/// What is active, what a rollback goes to, and, while the next release is not proven, what there
/// was before it.
fn needed(seen: &Seen<'_>, whole: &BTreeSet<Digest>, wrong: &mut Vec<String>) {
    let mut needed = vec![("active", seen.active), ("prev", seen.prev)];
    if let Some(journal) = &seen.journal {
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

fn litter(seen: &Seen<'_>, wrong: &mut Vec<String>) {
    let layout = &seen.installed.layout;
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
    stray(&releases, &|name| ["active", "prev", "store", "incoming"].contains(&name));
    stray(&layout.store(), &|name| name.parse::<Digest>().is_ok());
    stray(&layout.incoming(), &|_| false);
    // Whatever the updater keeps there has a name; what is half written has none yet.
    let state = seen.installed.files.directory();
    for directory in state.ancestors().take(3) {
        stray(directory, &|name| !name.starts_with('.'));
    }
}

fn too_many(seen: &Seen<'_>, whole: &BTreeSet<Digest>, wrong: &mut Vec<String>) {
    let spare = |digest: &&Digest| ![seen.active, seen.prev].contains(&Some(**digest));
    let fact = |digest: &Digest| seen.facts.get(digest);
    let failed = whole
        .iter()
        .filter(spare)
        .filter(|digest| fact(digest).is_some_and(|fact| fact.failed_at.is_some()))
        .count();
    let proven = whole
        .iter()
        .filter(|digest| {
            fact(digest).is_some_and(|fact| fact.failed_at.is_none() && fact.proven_at.is_some())
        })
        .count();
    // The active and the previous one are kept whatever the configuration says.
    let keep = seen.installed.keep.max(2);
    if failed > FAILED_KEPT || proven > keep {
        wrong.push(format!("{failed} failed and {proven} proven releases are kept"));
    }
}
