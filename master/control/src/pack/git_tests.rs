//! What git says of a tree, and what is packed then.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use explain::Explain as _;
use sha2::{Digest as _, Sha256};

use super::archive::Archive;
use super::item::Item;
use super::left_out::list;
use super::testing::{Tree, left_out, packing};
use super::{PackError, Packing, Refusal, Why, pack};
use crate::interrupt::{cancellation, undisturbed};

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
    tree.run(&["rm", "-q", "--cached", "b/c"]);
    let (packed, _) = tree.pack(&[]).unwrap();
    assert_eq!(packed.label, Some(format!("{clean}-dirty")), "what is staged is no commit");
    assert_eq!(left_out(&packed), [("b/", Why::Untracked), ("new", Why::Untracked)]);
}

#[test]
fn a_tracked_file_that_is_missing_is_an_error_unless_it_is_left_out() {
    let tree = Tree::git(&[("a", "1"), ("bin/agent", "1"), ("bin/other", "1")]);
    fs::rename(tree.path("bin"), tree.path(".git/bin")).unwrap();
    let error = tree.pack(&[]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "pack \"bin/agent\" and 1 more: git tracks it, and it is not there"
    );
    assert!(error.hint().unwrap().contains("--exclude"));
    let (packed, entries) = tree.pack(&["bin"]).unwrap();
    assert_eq!(entries.into_keys().collect::<Vec<_>>(), ["a"]);
    assert!(packed.label.unwrap().ends_with("-dirty"));
}

#[test]
fn a_tree_in_which_git_tracks_nothing_is_an_error() {
    let tree = Tree::new(&[("release.toml", "version = '1'"), ("bin/agent", "1")]);
    tree.run(&["init", "-q"]);
    let error = tree.pack(&[]).unwrap_err();
    assert!(matches!(error, PackError::NothingTracked(_)), "{error:?}");
    assert!(error.hint().unwrap().contains("git add"));
    tree.write("release.toml", "version = '1'\n[pack]\ninclude = ['bin']");
    assert_eq!(tree.names(&[]), ["bin/agent", "release.toml"]);
}

#[test]
fn what_is_named_and_left_out_as_a_secret_is_not_said_to_match_nothing() {
    for tracked in [true, false] {
        let tree = Tree::git(&[("a", "1")]);
        tree.write(".env", "TOKEN=1");
        if tracked {
            tree.run(&["add", "-f", ".env"]);
            tree.commit();
        }
        let (place, include) = (tempfile::tempdir().unwrap(), [".env".to_owned()]);
        let output = place.path().join("x.tar.zst");
        let packing = Packing { include: &include, ..packing(tree.0.path(), &[], &output) };
        let packed = undisturbed(|cancel| pack(&packing, cancel)).unwrap();
        assert_eq!(left_out(&packed), [(".env", Why::Secret)], "{tracked}");
        assert!(packed.notices.iter().any(|notice| notice.starts_with(".env is a secret")));
    }
}

#[test]
fn the_commit_says_what_a_file_system_without_modes_and_links_cannot() {
    let tree = Tree::new(&[("bin/run", "#!/bin/sh"), ("a", "1")]);
    fs::set_permissions(tree.path("bin/run"), fs::Permissions::from_mode(0o755)).unwrap();
    symlink("../a", tree.path("bin/link")).unwrap();
    tree.run(&["init", "-q"]);
    tree.run(&["add", "."]);
    tree.commit();
    let digest = tree.pack(&[]).unwrap().0.digest;
    tree.run(&["config", "core.fileMode", "false"]);
    tree.run(&["config", "core.symlinks", "false"]);
    fs::set_permissions(tree.path("bin/run"), fs::Permissions::from_mode(0o644)).unwrap();
    fs::set_permissions(tree.path("a"), fs::Permissions::from_mode(0o777)).unwrap();
    fs::remove_file(tree.path("bin/link")).unwrap();
    tree.write("bin/link", "../a");
    let (packed, entries) = tree.pack(&[]).unwrap();
    assert!(entries["bin/run"].starts_with("755 ") && entries["a"].starts_with("644 "));
    assert_eq!(entries["bin/link"], "-> ../a");
    assert_eq!(packed.digest, digest);
    assert!(!packed.label.unwrap().ends_with("-dirty"));
}

#[test]
fn what_git_lfs_fetched_is_what_the_commit_says() {
    let pointer = format!(
        "version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize 4\n",
        hex::encode(Sha256::digest(b"data"))
    );
    let tree = Tree::git(&[(".gitattributes", "*.bin filter=lfs\n"), ("x.bin", &pointer)]);
    tree.write("x.bin", "data");
    let (packed, entries) = tree.pack(&[]).unwrap();
    assert_eq!(entries["x.bin"], "644 data");
    assert!(!packed.label.unwrap().ends_with("-dirty"));
    tree.write("x.bin", "DATA");
    assert!(tree.pack(&[]).unwrap().0.label.unwrap().ends_with("-dirty"));
}

#[test]
fn nothing_that_a_tree_says_is_run() {
    let place = tempfile::tempdir().unwrap();
    let ran = place.path().join("ran");
    let run = format!("touch {}; cat", ran.display());
    let quiet = |tree: &Tree, root: &Path, what: &str| {
        let output = place.path().join("x.tar.zst");
        let packed = undisturbed(|cancel| pack(&packing(root, &[], &output), cancel));
        assert!(!ran.exists(), "{what}: {packed:?}");
        drop(tree.path("a"));
        packed
    };
    // Each of these is in a repository that was had from elsewhere.
    for (key, needs) in [
        ("filter.x.clean", ""),
        ("filter.x.process", ""),
        ("core.fsmonitor", ""),
        ("include.path", "[filter \"x\"]\n\tclean = "),
    ] {
        let tree = Tree::git(&[("a", "1"), (".gitattributes", "* filter=x diff=x\n")]);
        let included = tree.path(".git/included");
        let value = if needs.is_empty() { run.clone() } else { included.display().to_string() };
        fs::write(&included, format!("{needs}\"{run}\"\n")).unwrap();
        tree.run(&["config", key, &value]);
        // As long as it was, so that git would have to read it.
        tree.write("a", "2");
        let packed = quiet(&tree, tree.0.path(), key).unwrap();
        assert!(packed.label.unwrap().ends_with("-dirty"), "{key}");
    }
    // An object that is missing, and a remote that would have it.
    let tree = Tree::git(&[("a", "1")]);
    for (key, value) in [
        ("core.repositoryFormatVersion", "1"),
        ("extensions.partialClone", "origin"),
        ("remote.origin.url", "/nonexistent"),
        ("remote.origin.promisor", "true"),
        ("remote.origin.uploadpack", &*run),
    ] {
        tree.run(&["config", key, value]);
    }
    let objects = tree.path(".git/objects");
    fs::rename(&objects, tree.path(".git/gone")).unwrap();
    fs::create_dir(&objects).unwrap();
    assert!(quiet(&tree, tree.0.path(), "a promisor").is_err());
    // A submodule, and a repository that is committed as plain files.
    let inner = Tree::git(&[("s", "1"), (".gitattributes", "* filter=x\n")]);
    let outer = Tree::git(&[("a", "1")]);
    let from = inner.0.path().to_str().unwrap();
    outer.run(&["-c", "protocol.file.allow=always", "submodule", "add", "-q", from, "sub"]);
    outer.commit();
    let sub = outer.path("sub");
    outer.run(&["-C", sub.to_str().unwrap(), "config", "filter.x.clean", &run]);
    outer.write("sub/s", "2");
    quiet(&outer, outer.0.path(), "a submodule").unwrap();
    let bare = Tree::new(&[("svc/HEAD", "ref: refs/heads/main\n"), ("svc/app.py", "1")]);
    bare.write("svc/config", &format!("[core]\nworktree = .\n[filter \"x\"]\nclean = \"{run}\"\n"));
    bare.write("svc/info/attributes", "* filter=x\n");
    bare.write("svc/objects/keep", "");
    bare.write("svc/refs/keep", "");
    bare.run(&["init", "-q"]);
    bare.run(&["add", "-f", "."]);
    bare.commit();
    let packed = quiet(&bare, &bare.path("svc"), "a bare repository").unwrap();
    assert_eq!(packed.files, Some(6));
}

#[test]
fn a_submodule_that_is_another_commit_is_dirty() {
    let inner = Tree::git(&[("s", "1")]);
    let outer = Tree::git(&[("a", "1")]);
    let from = inner.0.path().to_str().unwrap();
    outer.run(&["-c", "protocol.file.allow=always", "submodule", "add", "-q", from, "sub"]);
    outer.commit();
    let sub = outer.path("sub");
    outer.write("sub/s", "2");
    outer.run(&["-C", sub.to_str().unwrap(), "commit", "-qam", "2"]);
    assert!(outer.pack(&[]).unwrap().0.label.unwrap().ends_with("-dirty"));
    outer.run(&["add", "sub"]);
    assert!(outer.pack(&[]).unwrap().0.label.unwrap().ends_with("-dirty"), "it is only staged");
    outer.commit();
    assert!(!outer.pack(&[]).unwrap().0.label.unwrap().ends_with("-dirty"));
}

#[test]
fn lesson_34_a_file_that_changed_since_it_was_looked_at_is_not_packed() {
    let (_cancel, token) = cancellation().unwrap();
    let tree = Tree::git(&[("a", "1")]);
    let packing = packing(tree.0.path(), &[], Path::new("/x.tar.zst"));
    let listing = list(&packing, &token).unwrap();
    let Item::File { stamp, .. } = &listing.items["a"] else { panic!("a is a file") };
    let elsewhere = tempfile::tempdir().unwrap();
    let archive = || Archive::create(&elsewhere.path().join("x.tar.zst"), 0, &token).unwrap();
    archive().file("a", &tree.path("a"), false, stamp).unwrap();
    // As long as it was, but another one.
    tree.write("b", "2");
    fs::rename(tree.path("b"), tree.path("a")).unwrap();
    let refused = archive().file("a", &tree.path("a"), false, stamp);
    assert!(matches!(refused, Err(PackError::Changed(_))));
}

#[test]
fn a_pointer_of_git_lfs_is_told() {
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n";
    let tree = Tree::git(&[("a", "1"), ("large", pointer)]);
    let (packed, _) = tree.pack(&[]).unwrap();
    let told = packed.notices.iter().filter(|told| told.contains("Git LFS pointer"));
    assert_eq!(told.count(), 1, "{packed:?}");
    assert!(packed.notices[0].starts_with("large is a Git LFS pointer"), "{packed:?}");
}

#[test]
fn a_subdirectory_of_a_repository_is_packed_alone() {
    let tree = Tree::git(&[("app/a", "1"), ("app/d/b", "2"), ("other", "3")]);
    tree.write("app/new", "x");
    let output = tree.path("x.tar.zst");
    let app = tree.path("app");
    let packing = packing(&app, &[], &output);
    let packed = undisturbed(|cancel| pack(&packing, cancel)).unwrap();
    assert_eq!(packed.files, Some(2));
    assert_eq!(left_out(&packed), [("new", Why::Untracked)]);
    // What is beside it does not make it another one.
    tree.write("other", "4");
    assert_eq!(undisturbed(|cancel| pack(&packing, cancel)).unwrap().label, packed.label);
    tree.write("app/a", "5");
    assert!(
        undisturbed(|cancel| pack(&packing, cancel)).unwrap().label.unwrap().ends_with("-dirty")
    );
}

#[test]
fn a_work_tree_beside_its_repository_is_one() {
    let tree = Tree::git(&[("a", "1"), (".env", "x")]);
    let beside = tempfile::tempdir().unwrap();
    let place = beside.path().join("work");
    tree.run(&["worktree", "add", "-q", place.to_str().unwrap()]);
    fs::write(place.join("untracked"), "x").unwrap();
    let output = beside.path().join("x.tar.zst");
    let packing = packing(&place, &[], &output);
    let packed = undisturbed(|cancel| pack(&packing, cancel)).unwrap();
    assert_eq!(packed.digest, tree.pack(&[]).unwrap().0.digest);
    assert_eq!(left_out(&packed), [(".env", Why::Secret), ("untracked", Why::Untracked)]);
}

#[test]
fn submodules_are_packed_if_they_are_checked_out_and_other_repositories_never() {
    let inner = Tree::git(&[("s", "1")]);
    let outer = Tree::git(&[("a", "1")]);
    let from = inner.0.path().to_str().unwrap();
    outer.run(&["-c", "protocol.file.allow=always", "submodule", "add", "-q", from, "sub"]);
    outer.commit();
    let clean = outer.pack(&[]).unwrap();
    assert_eq!(clean.1.into_keys().collect::<Vec<_>>(), [".gitmodules", "a", "sub/s"]);
    assert!(!clean.0.label.unwrap().ends_with("-dirty"));
    outer.write("sub/s", "2");
    assert!(outer.pack(&[]).unwrap().0.label.unwrap().ends_with("-dirty"));
    outer.run(&["submodule", "-q", "deinit", "--force", "sub"]);
    assert!(matches!(outer.pack(&[]), Err(PackError::Submodule(path)) if path == "sub"));

    // An undeclared one: it is not tracked, and so it stays here.
    let outer = Tree::git(&[("a", "1")]);
    outer.write("nested/b", "1");
    let nested = outer.path("nested");
    outer.run(&["-C", nested.to_str().unwrap(), "init", "-q"]);
    let (packed, entries) = outer.pack(&[]).unwrap();
    assert_eq!(entries.into_keys().collect::<Vec<_>>(), ["a"]);
    assert_eq!(left_out(&packed), [("nested/", Why::Untracked)]);
}

#[test]
fn a_sparse_check_out_lacks_what_git_tracks() {
    let tree = Tree::git(&[("a/x", "1"), ("b/y", "2")]);
    tree.run(&["sparse-checkout", "set", "a"]);
    assert!(matches!(tree.pack(&[]), Err(PackError::Missing { path, more: 0 }) if path == "b/y"));
    let (packed, entries) = tree.pack(&["b"]).unwrap();
    assert_eq!(entries.into_keys().collect::<Vec<_>>(), ["a/x"]);
    assert!(packed.label.unwrap().ends_with("-dirty"));
}

#[test]
fn names_that_no_archive_takes_are_told_as_they_are() {
    use std::os::unix::ffi::OsStrExt as _;
    let refused = |name: &[u8]| {
        let tree = Tree::new(&[("a", "1"), ("it's \"fine\"", "1")]);
        fs::write(tree.0.path().join(std::ffi::OsStr::from_bytes(name)), "x").unwrap();
        tree.run(&["init", "-q"]);
        tree.run(&["add", "."]);
        match tree.pack(&[]).unwrap_err() {
            PackError::Refused(mut all) => {
                let Refusal { path, rule } = all.remove(0);
                (path, rule)
            }
            other => panic!("{other}"),
        }
    };
    let (path, rule) = refused(b"new\nline");
    assert_eq!(path, "new\nline");
    assert!(rule.contains("control"), "{rule}");
    assert_eq!(refused(b"b\xffd"), ("b\u{fffd}d".into(), "its name is not UTF-8".into()));
}

#[test]
fn a_release_toml_that_git_ignores_is_packed_all_the_same() {
    let tree = Tree::git(&[(".gitignore", "*.toml\n"), ("a", "1")]);
    tree.write("release.toml", "version = '3'");
    let (packed, entries) = tree.pack(&[]).unwrap();
    assert!(entries.contains_key("release.toml"));
    assert_eq!(packed.version.as_deref(), Some("3"));
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
fn a_tracked_directory_that_became_a_link_is_not_followed() {
    let tree = Tree::git(&[("lib/a", "1"), ("z", "1")]);
    let other = Tree::new(&[("a", "not of this tree")]);
    fs::remove_file(tree.path("lib/a")).unwrap();
    fs::remove_dir(tree.path("lib")).unwrap();
    symlink(other.0.path(), tree.path("lib")).unwrap();
    assert!(matches!(tree.pack(&[]), Err(PackError::Missing { path, .. }) if path == "lib/a"));
}

/// What git itself says in the tree.
fn described(tree: &Tree) -> String {
    let mut git = std::process::Command::new("git");
    git.args(["describe", "--tags", "--always", "--dirty"]).current_dir(tree.0.path());
    let said = git.env("GIT_CONFIG_GLOBAL", "/dev/null").output().unwrap().stdout;
    String::from_utf8(said).unwrap().trim().to_owned()
}

#[test]
fn what_git_says_of_the_commit_is_in_the_archive() {
    let tree = Tree::git(&[("a", "1")]);
    let commit = tree.pack(&[]).unwrap().0;
    // As short as git itself makes it there.
    assert_eq!(commit.describe, Some(described(&tree)));
    assert_eq!(commit.describe.as_deref(), Some(&commit.label.unwrap()[..7]));
    tree.run(&["config", "core.abbrev", "11"]);
    assert_eq!(tree.pack(&[]).unwrap().0.describe, Some(described(&tree)));
    assert_eq!(described(&tree).len(), 11);
    tree.run(&["config", "--unset", "core.abbrev"]);
    tree.run(&["tag", "v1.4.0"]);
    let tagged = tree.pack(&[]).unwrap().0;
    assert_eq!(tagged.describe.as_deref(), Some("v1.4.0"));
    assert_ne!(tagged.digest, commit.digest, "a build may read the tag");
    assert_eq!(tree.pack(&[]).unwrap().0.digest, tagged.digest);
    tree.write("a", "2");
    assert_eq!(tree.pack(&[]).unwrap().0.describe.as_deref(), Some("v1.4.0-dirty"));
    tree.run(&["add", "."]);
    tree.commit();
    let next = tree.pack(&[]).unwrap().0.describe;
    assert_eq!(next, Some(described(&tree)));
    assert!(next.unwrap().starts_with("v1.4.0-1-g"));
    assert_eq!(Tree::new(&[("a", "1")]).pack(&[]).unwrap().0.describe, None);
}
