//! What becomes of a tree when it is packed.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;

use super::testing::{Tree, left_out};
use super::{PackError, Packing, Why, pack};

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
        File::options().append(true).open(other.path(path)).unwrap().set_times(long_ago).unwrap();
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
