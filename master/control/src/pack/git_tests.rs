//! What git says of a tree, and what is packed then.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::archive::Archive;
use super::item::Item;
use super::listing::list;
use super::testing::{Tree, left_out, packing};
use super::{PackError, Why, pack};
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
    fs::remove_file(tree.path("b/c")).unwrap();
    let (packed, _) = tree.pack(&[]).unwrap();
    assert_eq!(packed.label, Some(format!("{clean}-dirty")));
    assert_eq!(left_out(&packed), [("b/c", Why::Missing), ("new", Why::Untracked)]);
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
    assert!(packed.notices[0].starts_with("large is a Git LFS pointer"), "{packed:?}");
    assert_eq!(packed.notices.len(), 1);
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
fn a_sparse_check_out_is_dirty_and_says_what_is_missing() {
    let tree = Tree::git(&[("a/x", "1"), ("b/y", "2")]);
    tree.run(&["sparse-checkout", "set", "a"]);
    let (packed, entries) = tree.pack(&[]).unwrap();
    assert_eq!(entries.into_keys().collect::<Vec<_>>(), ["a/x"]);
    assert_eq!(left_out(&packed), [("b/y", Why::Missing)]);
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
            PackError::Refused { path, rule } => (path, rule),
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
    assert_eq!(tree.names(&[]), ["z"]);
}
