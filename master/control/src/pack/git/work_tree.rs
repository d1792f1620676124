//! What git tracks in a directory, what it does not, and whether that is what the commit says.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::Path;

use crate::interrupt::CancelToken;
use crate::pack::PackError;
use crate::pack::git::closed_git::ClosedGit;
use crate::pack::git::lfs;
use crate::pack::git::repository::Repository;

/// How deep submodules may lie in each other.
const SUBMODULE_DEPTH: usize = 16;
/// The modes of the index, as git writes them.
const SUBMODULE: &str = "160000";
const EXECUTABLE: &str = "100755";
const LINK: &str = "120000";

/// A directory in a git work tree.
#[derive(Default)]
pub(in crate::pack) struct WorkTree {
    /// What git tracks in it, relative to it. A file that was deleted is still here.
    pub(in crate::pack) tracked: BTreeMap<String, Tracked>,
    /// What it neither tracks nor ignores; a directory ends in `/`.
    pub(in crate::pack) untracked: BTreeSet<String>,
    /// Whether a tracked file differs from the commit, or git was told not to look.
    pub(in crate::pack) dirty: bool,
    /// The commit that is checked out; absent before the first.
    pub(in crate::pack) commit: Option<Commit>,
}

/// What git knows of a file, where its file system has no place for that.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::pack) struct Tracked {
    /// Whether it may be executed; the file system says it where this is absent.
    pub(in crate::pack) executable: Option<bool>,
    /// Whether it is a link, though the disk has a file with the link's target.
    pub(in crate::pack) is_link: bool,
}

pub(in crate::pack) struct Commit {
    /// Its name, in hex.
    pub(in crate::pack) name: String,
    /// When it was made, in seconds since 1970.
    pub(in crate::pack) time: u64,
    /// What `git describe` says of it: its tag, or how far it is from one; else its name, cut short.
    pub(in crate::pack) describe: Option<String>,
}

/// What git says of the directory; `None` if it is in no work tree. It does not get `variables`.
pub(in crate::pack) fn look(
    root: &Path,
    variables: &[OsString],
    cancel: &CancelToken,
) -> Result<Option<WorkTree>, PackError> {
    let absolute = root.canonicalize().map_err(PackError::read(root))?;
    let found = Repository::above(&absolute);
    let found = found.map_err(|error| PackError::git(root, error.to_string()))?;
    let Some(repository) = found else { return Ok(None) };
    Look { variables, cancel, depth: 0 }.at(&absolute, &repository).map(Some)
}

#[derive(Clone, Copy)]
struct Look<'a> {
    variables: &'a [OsString],
    cancel: &'a CancelToken,
    depth: usize,
}

/// One line of the index.
struct Entry<'a> {
    tag: &'a str,
    mode: &'a str,
    object: &'a str,
}

impl Look<'_> {
    fn at(&self, root: &Path, repository: &Repository) -> Result<WorkTree, PackError> {
        let git = ClosedGit::open(root, repository, self.variables, self.cancel)?;
        check_owner(&git, repository)?;
        let mut tree = WorkTree::default();
        let listed = git.run(&["ls-files", "-z", "-v", "--stage", "--cached"])?;
        let mut objects = BTreeMap::new();
        for line in lines(&listed.stdout) {
            let (entry, path) = Entry::read(line).ok_or_else(|| {
                git.error(format!("it lists {:?}", String::from_utf8_lossy(line)))
            })?;
            let path = path_of(path)?;
            // Lower case: "assume unchanged". `S`: not in a sparse check-out. Git does not look at
            // either, so it cannot say that they are what the commit says.
            tree.dirty |= entry.tag != "H";
            if entry.mode == SUBMODULE {
                self.submodule(&mut tree, root, path, entry.object)?;
            } else {
                objects.insert(path.clone(), (entry.object.to_owned(), entry.mode == EXECUTABLE));
                tree.tracked.insert(path, entry.tracked(&git));
            }
        }
        let others = ["ls-files", "-z", "--others", "--exclude-standard", "--directory"];
        let others = git.run(&[&others[..], &["--no-empty-directory"]].concat())?;
        tree.untracked = lines(&others.stdout).map(path_of).collect::<Result<_, _>>()?;
        tree.commit = commit(&git)?;
        tree.dirty |= tree.commit.is_some() && self.is_changed(&git, repository, root, &objects)?;
        Ok(tree)
    }

    /// Whether the index is not the commit, or a file is not what the index says.
    fn is_changed(
        &self,
        git: &ClosedGit<'_>,
        repository: &Repository,
        root: &Path,
        objects: &BTreeMap<String, (String, bool)>,
    ) -> Result<bool, PackError> {
        let staged = ["diff-index", "--cached", "-z", "--name-only", "--no-renames", "HEAD"];
        if !git.run(&[&staged[..], &["--", "."]].concat())?.stdout.is_empty() {
            return Ok(true);
        }
        // Of submodules git would ask in their own repositories.
        let status = ["status", "--porcelain", "-z", "--no-renames", "--untracked-files=no"];
        let status = git.run(&[&status[..], &["--ignore-submodules=all", "--", "."]].concat())?;
        let prefix = root.strip_prefix(&repository.top).unwrap_or(Path::new(""));
        for line in lines(&status.stdout) {
            let changed = line.strip_prefix(b" M ").map(path_of).transpose()?;
            let path = changed
                .as_deref()
                .and_then(|path| Path::new(path).strip_prefix(prefix).ok()?.to_str());
            let Some((path, (object, executable))) =
                path.and_then(|path| Some((path, objects.get(path)?)))
            else {
                return Ok(true);
            };
            let place = root.join(path);
            let keeps_mode =
                git.says("core.filemode", "false") || *executable == is_executable(&place);
            if !keeps_mode || !lfs::is_content_of(&place, object, self.cancel)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What is tracked in a submodule that is checked out; one that is not stays a name.
    fn submodule(
        &self,
        tree: &mut WorkTree,
        root: &Path,
        path: String,
        commit: &str,
    ) -> Result<(), PackError> {
        let place = root.join(&path);
        // Through a link it would be another tree's, or this one again.
        let own = place.canonicalize().is_ok_and(|real| real == place);
        let found =
            if own && self.depth < SUBMODULE_DEPTH { Repository::at(&place) } else { Ok(None) };
        let found = found.map_err(|error| PackError::git(&place, error.to_string()))?;
        let Some(repository) = found else {
            tree.dirty = true;
            tree.tracked.insert(path, Tracked::default());
            return Ok(());
        };
        let inner = Look { depth: self.depth + 1, ..*self }.at(&place, &repository)?;
        let is_named = inner.commit.as_ref().is_some_and(|its| its.name == commit);
        tree.dirty |= inner.dirty || !is_named;
        let tracked = inner.tracked.into_iter();
        tree.tracked.extend(tracked.map(|(name, tracked)| (format!("{path}/{name}"), tracked)));
        Ok(())
    }
}

impl<'a> Entry<'a> {
    /// `H 100644 <object> 0\t<path>`.
    fn read(line: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let tab = line.iter().position(|byte| *byte == b'\t')?;
        let mut words = std::str::from_utf8(&line[..tab]).ok()?.split(' ');
        let entry = Self { tag: words.next()?, mode: words.next()?, object: words.next()? };
        Some((entry, &line[tab + 1..]))
    }

    /// A file system without modes or links says nothing of them; the index does.
    fn tracked(&self, git: &ClosedGit<'_>) -> Tracked {
        Tracked {
            executable: git.says("core.filemode", "false").then_some(self.mode == EXECUTABLE),
            is_link: git.says("core.symlinks", "false") && self.mode == LINK,
        }
    }
}

/// Who owns a repository decides what is packed: git refuses another user's, and so is it here. Root
/// may look everywhere, since nothing of the tree is run.
fn check_owner(git: &ClosedGit<'_>, repository: &Repository) -> Result<(), PackError> {
    let user = nix::unistd::geteuid();
    let own = repository.belongs_to(user.as_raw()).map_err(|error| git.error(error.to_string()))?;
    if own || user.is_root() || git.is_trusted_by_user()? {
        return Ok(());
    }
    let top = repository.top.display();
    Err(git.error(format!("dubious ownership: {top} belongs to another user")))
}

fn commit(git: &ClosedGit<'_>) -> Result<Option<Commit>, PackError> {
    let head = git.output(&["rev-parse", "--quiet", "--verify", "HEAD"])?;
    if head.status.code() == Some(1) && head.stderr.is_empty() {
        return Ok(None);
    }
    let listed = git.run(&["rev-list", "--max-count=1", "--timestamp", "HEAD", "--"])?;
    let text = String::from_utf8_lossy(&listed.stdout).trim().to_owned();
    let (time, name) = text
        .split_once(' ')
        .ok_or_else(|| git.error(format!("it names no commit but {text:?}")))?;
    // A commit from before 1970 has a negative time, which an archive cannot say.
    let (name, time) = (name.to_owned(), time.parse().unwrap_or(0));
    Ok(Some(Commit { name, time, describe: describe(git)? }))
}

/// As `git describe` says it in that clone: its tags, and how many objects it has, decide.
fn describe(git: &ClosedGit<'_>) -> Result<Option<String>, PackError> {
    let said = git.output(&["describe", "--tags", "--always", "HEAD"])?;
    let text = String::from_utf8_lossy(&said.stdout).trim().to_owned();
    let is_line = text.len() <= 96 && text.bytes().all(|byte| byte.is_ascii_graphic());
    Ok(Some(text).filter(|text| said.status.success() && !text.is_empty() && is_line))
}

fn is_executable(place: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    place.symlink_metadata().is_ok_and(|metadata| metadata.permissions().mode() & 0o100 != 0)
}

/// What git listed with `-z`.
fn lines(listed: &[u8]) -> impl Iterator<Item = &[u8]> {
    listed.split(|&byte| byte == 0).filter(|line| !line.is_empty())
}

fn path_of(path: &[u8]) -> Result<String, PackError> {
    String::from_utf8(path.to_vec()).map_err(|error| {
        let name = String::from_utf8_lossy(error.as_bytes()).into_owned();
        PackError::refused(&name, "its name is not UTF-8")
    })
}
