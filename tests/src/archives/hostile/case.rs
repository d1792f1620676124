//! What a case is, and what a host must say of it.

use protocol::Code;

use super::super::{Tar, gzip, zstd};
use crate::{Packing, Release};

/// The `[limits]` that the cases are made for.
pub const LIMITS: [(&str, &str); 3] =
    [("archive_bytes", "'4MiB'"), ("unpacked_bytes", "'16MiB'"), ("entries", "500")];
/// The `links` that the cases are made for.
pub const LINKS: &str = "['data/', 'etc/agent.conf']";

#[derive(Debug)]
pub struct Hostile {
    pub what: String,
    pub release: Release,
    /// The code of the refusal.
    pub code: Code,
    /// The rule that it breaks; none where the code says all.
    pub rule: Option<&'static str>,
    /// The entry at fault, as a person is shown it; none where it is the stream itself.
    pub entry: Option<String>,
}

/// Attacks of one kind, as they are collected.
#[derive(Debug, Default)]
pub(super) struct Family {
    pub(super) cases: Vec<Hostile>,
}

type Add = fn(&mut Family);
const FAMILIES: &[(&str, Add)] = &[
    ("bounds", super::bounds::add),
    ("combined", super::combined::add),
    ("extensions", super::extensions::add),
    ("headers", super::headers::add),
    ("kinds", super::kinds::add),
    ("links", super::links::add),
    ("manifests", super::manifests::add),
    ("names", super::names::add),
    ("streams", super::streams::add),
    ("twins", super::twins::add),
];

/// The names of the families.
pub fn families() -> impl Iterator<Item = &'static str> {
    FAMILIES.iter().map(|(name, _)| *name)
}

/// The family of this name, each attack in gzip and in zstd where that does not matter to it.
pub fn family(name: &str) -> Vec<Hostile> {
    let mut family = Family::default();
    if let Some((_, add)) = FAMILIES.iter().find(|(known, _)| *known == name) {
        add(&mut family);
    }
    family.cases
}

impl Family {
    /// Adds a tar whose last entry is at fault. What comes after it must never be made.
    pub(super) fn tar(&mut self, what: &str, tar: &Tar, rule: &'static str, entry: &str) {
        let tar = tar.clone().file("after", b"x").end();
        self.whole(what, &tar, rule, Some(entry));
    }

    /// Adds a tar as it is.
    pub(super) fn whole(&mut self, what: &str, tar: &Tar, rule: &'static str, entry: Option<&str>) {
        self.stream(what, Packing::Gzip, gzip(tar.bytes()), rule, entry);
        self.stream(what, Packing::Zstd, zstd(tar.bytes()), rule, entry);
    }

    /// Adds bytes as they are.
    pub(super) fn stream(
        &mut self,
        what: &str,
        packing: Packing,
        bytes: Vec<u8>,
        rule: &'static str,
        entry: Option<&str>,
    ) {
        self.cases.push(Hostile {
            what: format!("{what}, {packing:?}"),
            release: Release::of_bytes(bytes, packing),
            code: Code::ArchiveRejected,
            rule: Some(rule),
            entry: entry.map(str::to_owned),
        });
    }
}
