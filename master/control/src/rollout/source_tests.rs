//! Tests of where releases come from.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use explain::{Exit, Explain as _};
use store::{KnownRelease, Store};
use tempfile::TempDir;
use time::OffsetDateTime;

use crate::home::Home;
use crate::interrupt::{BlockingError, Interrupt};
use crate::rollout::{Goal, Prepared, Source, SourceContext, SourceError};

struct Master {
    _directory: TempDir,
    home: Home,
    store: Store,
    root: PathBuf,
}

impl Master {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let named = directory.path().join("home");
        let home = Home::locate(Some(&named), &crate::home::HomeEnvironment::default()).unwrap();
        home.create().unwrap();
        let store = Store::create(&home.store(), "ada", OffsetDateTime::UNIX_EPOCH).unwrap();
        let root = directory.path().join("tree");
        std::fs::create_dir(&root).unwrap();
        std::fs::write(root.join("release.toml"), "name = 'web'\nversion = '1.2'").unwrap();
        Self { _directory: directory, home, store, root }
    }

    async fn prepare(&self, source: &Source, keep: bool) -> Result<Prepared, SourceError> {
        source.prepare(&self.context(&Interrupt::none()), keep).await
    }

    fn context<'a>(&'a self, interrupt: &'a Interrupt) -> SourceContext<'a> {
        let (home, store, now) = (&self.home, &self.store, OffsetDateTime::UNIX_EPOCH);
        SourceContext { home, store, now, git_variables: &[], interrupt }
    }

    fn tree(&self) -> Source {
        Source::Root { root: self.root.clone(), include: Vec::new(), exclude: Vec::new() }
    }

    fn archives(&self) -> usize {
        std::fs::read_dir(self.home.archives()).unwrap().count()
    }
}

#[tokio::test(flavor = "current_thread")]
async fn lesson_50_packing_does_not_hold_up_the_event_loop() {
    let master = Master::new();
    let done = AtomicBool::new(false);
    let source = master.tree();
    let packing = async {
        let prepared = master.prepare(&source, true).await;
        done.store(true, Ordering::Relaxed);
        prepared
    };
    let beside = async { !done.load(Ordering::Relaxed) };
    let (prepared, went_on) = tokio::join!(packing, beside);
    prepared.unwrap();
    assert!(went_on);
}

#[tokio::test]
async fn a_release_that_was_packed_is_found_again() {
    let master = Master::new();
    let packed = master.prepare(&master.tree(), true).await.unwrap();
    let digest = packed.goal.target().unwrap();
    drop(packed);
    assert_eq!(master.archives(), 1);
    let hex = digest.hex();
    for name in ["web@1.2", &hex[..8], &hex, &digest.to_string()] {
        let source = Source::Release(name.to_owned());
        let found = master.prepare(&source, true).await.unwrap();
        assert!(matches!(found.goal, Goal::Push(archive) if archive.digest == digest), "{name}");
    }
    std::fs::remove_file(master.home.archive(&digest)).unwrap();
    let source = Source::Release("web@1.2".to_owned());
    let found = master.prepare(&source, true).await.unwrap();
    assert!(matches!(found.goal, Goal::Activate(found) if found == digest));
    for name in ["web@1.3", "web", "@", "", "zzzzzz", &hex[..3]] {
        let source = Source::Release(name.to_owned());
        let unknown = master.prepare(&source, true).await;
        assert!(matches!(unknown, Err(SourceError::Unknown { .. })), "{name}");
    }
}

#[tokio::test]
async fn an_archive_has_the_name_that_its_release_gives_itself() {
    let master = Master::new();
    let packed = master.prepare(&master.tree(), true).await.unwrap().packed.unwrap();
    let path = master.root.join("../copy.tar.zst");
    std::fs::copy(packed.path, &path).unwrap();
    // What an older swarm has forgotten is learnt.
    let forgotten = KnownRelease {
        digest: packed.digest,
        name: None,
        version: None,
        sha: Some("abc".to_owned()),
        size: packed.bytes,
        packed_at: OffsetDateTime::UNIX_EPOCH,
    };
    let event = store::Event::new(store::EventType::ReleaseRemoved, forgotten.packed_at, "ada");
    master.store.remove_release(&packed.digest, &event).unwrap();
    master.store.add_release(&forgotten).unwrap();
    let archive = Source::Archive { path, manifest: None };
    let sent = master.prepare(&archive, true).await.unwrap().packed.unwrap();
    assert_eq!((sent.name, sent.version), (packed.name, packed.version.clone()));
    let known = master.store.release(&packed.digest).unwrap().unwrap();
    assert_eq!((known.version, known.sha.as_deref()), (packed.version, Some("abc")));
}

#[tokio::test]
async fn a_name_that_means_two_releases_names_their_digests() {
    let master = Master::new();
    let mut digests = Vec::new();
    for text in ["1", "2"] {
        std::fs::write(master.root.join("a"), text).unwrap();
        let prepared = master.prepare(&master.tree(), true).await.unwrap();
        digests.push(prepared.goal.target().unwrap().to_string());
    }
    let source = Source::Release("web@1.2".to_owned());
    let said = master.prepare(&source, true).await.unwrap_err().to_string();
    assert!(digests.iter().all(|digest| said.contains(digest)), "{said}");
}

#[tokio::test]
async fn lesson_39_what_is_packed_for_a_plan_does_not_stay() {
    let master = Master::new();
    let prepared = master.prepare(&master.tree(), false).await.unwrap();
    assert_eq!(master.archives(), 1);
    drop(prepared);
    assert_eq!(master.archives(), 0);
    assert!(master.store.releases().unwrap().is_empty());
}

#[tokio::test]
async fn an_interrupted_packing_leaves_nothing() {
    let master = Master::new();
    let interrupt = Interrupt::none();
    interrupt.ask();
    let ended = master.tree().prepare(&master.context(&interrupt), true).await;
    let error = ended.unwrap_err();
    assert!(matches!(error, SourceError::Blocking(BlockingError::Cancelled(_))), "{error:?}");
    assert_eq!((error.exit(), master.archives()), (Exit::Interrupted, 0));
    assert!(master.store.releases().unwrap().is_empty());
}
