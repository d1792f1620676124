//! Packs a tree.

use std::path::{Path, PathBuf};

use protocol::Digest;
use serde::Serialize;

use crate::pack::PackError;
use crate::pack::archive::Archive;
use crate::pack::listing::{Item, LeftOut, list};

/// What is to be packed.
#[derive(Debug, Clone)]
pub struct Packing<'a> {
    /// The tree.
    pub root: &'a Path,
    /// Globs of what is left out, besides those in its `release.toml`.
    pub exclude: &'a [String],
    /// Where the archive goes. A name that ends in `.tar.gz` or `.tgz` makes it gzip, any other
    /// zstd. What is there is replaced.
    pub output: &'a Path,
}

/// An archive, and what is known of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Packed {
    /// Where it is.
    pub path: PathBuf,
    /// Its SHA-256.
    pub digest: Digest,
    /// Its size.
    pub bytes: u64,
    /// How many files and links are in it; absent for an archive that somebody else made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub files: Option<u64>,
    /// The git commit, with `-dirty` where the files are not those of the commit.
    pub label: Option<String>,
    /// The name in its `release.toml`.
    pub name: Option<String>,
    /// The version there.
    pub version: Option<String>,
    /// What was not packed.
    pub left_out: Vec<LeftOut>,
    /// What whoever packs should know.
    pub notices: Vec<String>,
}

/// Packs a tree into a file. The same tree gives the same bytes, whoever packs it, when and where.
pub fn pack(packing: &Packing<'_>) -> Result<Packed, PackError> {
    let Packing { root, exclude, output } = *packing;
    let listing = list(root, exclude, output)?;
    let mut archive = Archive::create(output, listing.time)?;
    let mut files = 0;
    for (path, item) in &listing.items {
        match item {
            Item::File { executable, size } => {
                archive.file(path, &root.join(path), *executable, *size)?;
            }
            Item::Link(target) => archive.link(path, target)?,
            Item::Directory => archive.directory(path)?,
        }
        files += u64::from(*item != Item::Directory);
    }
    let written = archive.finish()?;
    let left_out = listing.left_out.into_iter().map(|(path, why)| LeftOut { path, why });
    Ok(Packed {
        path: output.to_owned(),
        digest: written.digest,
        bytes: written.bytes,
        files: Some(files),
        label: listing.label,
        name: listing.manifest.name,
        version: listing.manifest.version,
        left_out: left_out.collect(),
        notices: listing.notices,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs::{self, File, Permissions};
    use std::io::Read;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::process::Command;

    use tempfile::TempDir;

    use super::*;
    use crate::pack::{PackError, Why};

    struct Tree(TempDir);

    impl Tree {
        fn new(files: &[(&str, &str)]) -> Self {
            let tree = Self(tempfile::tempdir().unwrap());
            for (path, text) in files {
                tree.write(path, text);
            }
            tree
        }

        fn git(files: &[(&str, &str)]) -> Self {
            let tree = Self::new(files);
            tree.run(&["init", "-q"]);
            tree.run(&["add", "-f", "."]);
            tree.commit();
            tree
        }

        fn commit(&self) {
            self.run(&["commit", "-q", "-m", "x", "--date", "2026-01-01T00:00:00Z"]);
        }

        fn run(&self, arguments: &[&str]) {
            let status = Command::new("git")
                .current_dir(self.0.path())
                .args(["-c", "user.name=x", "-c", "user.email=x@example.org"])
                .args(arguments)
                .env("GIT_COMMITTER_DATE", "2026-01-01T00:00:00Z")
                .env("GIT_CONFIG_GLOBAL", "/dev/null")
                .status();
            assert!(status.unwrap().success(), "{arguments:?}");
        }

        fn write(&self, path: &str, text: &str) {
            let path = self.path(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }

        fn path(&self, path: &str) -> PathBuf {
            self.0.path().join(path)
        }

        fn pack(&self, exclude: &[&str]) -> Result<(Packed, BTreeMap<String, String>), PackError> {
            let place = tempfile::tempdir().unwrap();
            let exclude: Vec<_> = exclude.iter().map(|&glob| glob.to_owned()).collect();
            let output = place.path().join("x.tar.zst");
            let packed =
                pack(&Packing { root: self.0.path(), exclude: &exclude, output: &output })?;
            Ok((packed, read(&output)))
        }

        fn names(&self, exclude: &[&str]) -> Vec<String> {
            self.pack(exclude).unwrap().1.into_keys().collect()
        }
    }

    fn read(archive: &Path) -> BTreeMap<String, String> {
        let mut archive =
            tar::Archive::new(zstd::Decoder::new(File::open(archive).unwrap()).unwrap());
        let mut entries = BTreeMap::new();
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let path = entry.path().unwrap().to_str().unwrap().to_owned();
            let header = entry.header();
            assert_eq!((header.uid().unwrap(), header.gid().unwrap()), (0, 0));
            let mut text = format!("{:o} ", header.mode().unwrap());
            if let Some(target) = entry.link_name().unwrap() {
                text = format!("-> {}", target.display());
            }
            entry.read_to_string(&mut text).unwrap();
            assert_eq!(entries.insert(path, text), None);
        }
        entries
    }

    fn left_out(packed: &Packed) -> Vec<(&str, Why)> {
        packed.left_out.iter().map(|left| (left.path.as_str(), left.why)).collect()
    }

    #[test]
    fn lesson_33_what_git_tracks_is_packed_and_secrets_never() {
        let tree = Tree::git(&[
            (".gitignore", "*.log\n"),
            ("src/main.py", "print(1)"),
            ("bin/run", "#!/bin/sh"),
            (".env", "PASSWORD=x"),
            ("tls/server.pem", "x"),
            ("tls/unsuspicious", "-----BEGIN RSA PRIVATE KEY-----\nx"),
            ("state.sqlite3", "x"),
        ]);
        fs::set_permissions(tree.path("bin/run"), Permissions::from_mode(0o700)).unwrap();
        tree.write("node_modules/x/index.js", "x");
        tree.write("debug.log", "x");
        let (packed, entries) = tree.pack(&[]).unwrap();
        assert_eq!(
            entries.into_iter().collect::<Vec<_>>(),
            [
                (".gitignore".into(), "644 *.log\n".into()),
                ("bin/run".into(), "755 #!/bin/sh".into()),
                ("src/main.py".into(), "644 print(1)".into()),
            ]
        );
        assert_eq!(packed.files, Some(3));
        assert_eq!(
            left_out(&packed),
            [
                (".env", Why::Secret),
                ("node_modules/", Why::Untracked),
                ("state.sqlite3", Why::Secret),
                ("tls/server.pem", Why::Secret),
                ("tls/unsuspicious", Why::Secret),
            ]
        );
    }

    #[test]
    fn lesson_33_a_secret_that_was_named_letter_by_letter_is_packed() {
        let manifest = "[pack]\ninclude = ['app', 'tls/ca.crt', 'tls']\nexclude = ['*.pyc']";
        let tree = Tree::git(&[("release.toml", manifest), ("other", "x")]);
        for path in ["app/a.py", "app/a.pyc", "tls/ca.crt", "tls/ca.key", "tls/notes"] {
            tree.write(path, "x");
        }
        let (packed, entries) = tree.pack(&[]).unwrap();
        let names: Vec<_> = entries.into_keys().collect();
        assert_eq!(names, ["app/a.py", "release.toml", "tls/ca.crt", "tls/notes"]);
        assert_eq!(left_out(&packed), [("app/a.pyc", Why::Excluded), ("tls/ca.key", Why::Secret)]);
        assert!(packed.notices.is_empty());
    }

    #[test]
    fn an_include_that_matches_nothing_is_an_error() {
        let manifest = "[pack]\ninclude = ['a', 'target/release/app']";
        let tree = Tree::new(&[("release.toml", manifest), ("a", "x")]);
        let error = tree.pack(&[]).unwrap_err();
        assert!(matches!(error, PackError::NotIncluded(glob) if glob == "target/release/app"));
    }

    #[test]
    fn lesson_34_a_dirty_tree_says_so() {
        let tree = Tree::git(&[("a", "1"), ("b/c", "1")]);
        let clean = tree.pack(&[]).unwrap().0.label.unwrap();
        assert_eq!(clean.len(), 40);
        tree.write("new", "untracked files are not packed");
        assert_eq!(tree.pack(&[]).unwrap().0.label.as_deref(), Some(&*clean));
        tree.write("a", "2");
        let (packed, entries) = tree.pack(&[]).unwrap();
        assert_eq!(packed.label, Some(format!("{clean}-dirty")));
        assert_eq!(entries["a"], "644 2");
        tree.run(&["update-index", "--assume-unchanged", "a"]);
        assert_eq!(tree.pack(&[]).unwrap().0.label, Some(format!("{clean}-dirty")));
        tree.run(&["update-index", "--no-assume-unchanged", "a"]);
        tree.write("a", "1");
        assert_eq!(tree.pack(&[]).unwrap().0.label.as_deref(), Some(&*clean));
        tree.write("release.toml", "version = '7'");
        let (packed, _) = tree.pack(&[]).unwrap();
        assert_eq!(packed.label, Some(format!("{clean}-dirty")));
        assert_eq!(packed.version.as_deref(), Some("7"));
        fs::remove_file(tree.path("release.toml")).unwrap();
        fs::remove_file(tree.path("b/c")).unwrap();
        let (packed, _) = tree.pack(&[]).unwrap();
        assert_eq!(packed.label, Some(format!("{clean}-dirty")));
        assert_eq!(left_out(&packed), [("b/c", Why::Missing), ("new", Why::Untracked)]);
    }

    #[test]
    fn a_tree_before_its_first_commit_has_no_label() {
        let tree = Tree::new(&[("a", "1")]);
        tree.run(&["init", "-q"]);
        tree.run(&["add", "."]);
        assert_eq!(tree.pack(&[]).unwrap().0.label, None);
    }

    #[test]
    fn lesson_33_a_git_that_fails_is_an_error() {
        let tree = Tree::git(&[("a", "1")]);
        fs::write(tree.path(".git/index"), "damaged").unwrap();
        assert!(matches!(tree.pack(&[]), Err(PackError::Git { .. })));
        fs::remove_file(tree.path(".git/HEAD")).unwrap();
        assert!(matches!(tree.pack(&[]), Err(PackError::Git { .. })));
    }

    #[test]
    fn a_plain_folder_is_packed_whole_with_a_notice() {
        let tree = Tree::new(&[("a/b", "1"), (".env", "x"), ("skip/me", "x")]);
        fs::create_dir(tree.path("empty")).unwrap();
        symlink("../a/b", tree.path("a/link")).unwrap();
        let (packed, entries) = tree.pack(&["skip", "*.none"]).unwrap();
        assert_eq!(entries.keys().collect::<Vec<_>>(), ["a/b", "a/link", "empty/"]);
        assert_eq!(entries["a/link"], "-> ../a/b");
        assert_eq!(left_out(&packed), [(".env", Why::Secret), ("skip/", Why::Excluded)]);
        assert_eq!(packed.notices.len(), 2);
        assert!(packed.notices[0].contains("no git work tree"));
        assert_eq!(packed.notices[1], r#"the exclude "*.none" matches nothing"#);
    }

    #[test]
    fn lesson_38_a_bad_exclude_packs_nothing() {
        let tree = Tree::git(&[("a", "1")]);
        assert!(matches!(tree.pack(&["[a"]), Err(PackError::Glob { .. })));
    }

    #[test]
    fn links_that_lead_out_and_special_files_are_refused() {
        let tree = Tree::new(&[("a/b", "1")]);
        symlink("../../etc", tree.path("a/out")).unwrap();
        let refused = |tree: &Tree| match tree.pack(&[]).unwrap_err() {
            PackError::Refused { path, rule } => (path, rule),
            other => panic!("{other}"),
        };
        assert_eq!(refused(&tree).0, "a/out");
        fs::remove_file(tree.path("a/out")).unwrap();
        nix::unistd::mkfifo(&tree.path("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert_eq!(refused(&tree).0, "pipe");
        assert_eq!(tree.names(&["pipe"]), ["a/b"]);
    }

    #[test]
    fn a_tracked_directory_that_became_a_link_is_not_followed() {
        let tree = Tree::git(&[("lib/a", "1"), ("z", "1")]);
        let other = Tree::new(&[("a", "not of this tree")]);
        fs::remove_file(tree.path("lib/a")).unwrap();
        fs::remove_dir(tree.path("lib")).unwrap();
        symlink(other.0.path(), tree.path("lib")).unwrap();
        assert_eq!(tree.names(&[]), ["z"]);
    }

    #[test]
    fn the_archive_does_not_pack_itself() {
        let tree = Tree::new(&[("a", "1")]);
        let output = tree.path("out.tar.zst");
        let packing = Packing { root: tree.0.path(), exclude: &[], output: &output };
        let first = pack(&packing).unwrap();
        let second = pack(&packing).unwrap();
        assert_eq!(first.digest, second.digest);
        assert_eq!(left_out(&second), [("out.tar.zst", Why::Output)]);
        assert_eq!(crate::pack::inspect(&output).unwrap().digest, first.digest);
        assert_eq!(crate::pack::inspect(&output).unwrap().bytes, first.bytes);
    }

    #[test]
    fn the_same_tree_gives_the_same_digest_whatever_made_its_files() {
        let files = [("a", "1"), ("b/c", "2"), ("b/a", "3"), ("B", "4"), ("é", "5")];
        let tree = Tree::git(&files);
        let mut turned = files;
        turned.reverse();
        let other = Tree::git(&turned);
        for (path, _) in files {
            fs::set_permissions(other.path(path), Permissions::from_mode(0o600)).unwrap();
            let long_ago = fs::FileTimes::new().set_modified(std::time::SystemTime::UNIX_EPOCH);
            File::options()
                .append(true)
                .open(other.path(path))
                .unwrap()
                .set_times(long_ago)
                .unwrap();
        }
        assert_eq!(tree.pack(&[]).unwrap().0.digest, other.pack(&[]).unwrap().0.digest);
        other.write("a", "changed");
        assert_ne!(tree.pack(&[]).unwrap().0.digest, other.pack(&[]).unwrap().0.digest);
    }

    #[test]
    fn long_names_are_read_by_gnu_tar() {
        let long = format!("{}/{}", "d".repeat(120), "é".repeat(110));
        let tree = Tree::new(&[(&long, "1"), ("s", "2")]);
        symlink(&long, tree.path("link")).unwrap();
        assert_eq!(tree.names(&[]), [long.as_str(), "link", "s"]);
        let output = tree.path("x.tgz");
        pack(&Packing { root: tree.0.path(), exclude: &[], output: &output }).unwrap();
        let place = tempfile::tempdir().unwrap();
        let mut command = Command::new("tar");
        let status = command.arg("-xzf").arg(&output).arg("-C").arg(place.path()).status().unwrap();
        assert!(status.success());
        assert_eq!(fs::read_to_string(place.path().join("link")).unwrap(), "1");
    }

    #[test]
    fn nothing_to_pack_is_an_error_and_leaves_no_file() {
        let tree = Tree::git(&[(".env", "x")]);
        assert!(matches!(tree.pack(&[]), Err(PackError::Empty(_))));
        let absent = tree.path("absent");
        let packing = Packing { root: &absent, exclude: &[], output: &tree.path("x") };
        assert!(matches!(pack(&packing), Err(PackError::NotADirectory(_))));
        assert!(!tree.path("x").exists());
    }
}
