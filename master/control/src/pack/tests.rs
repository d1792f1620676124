//! What becomes of a tree when it is packed.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;

use super::testing::{Tree, left_out, packing};
use super::{PackError, Packing, Why, inspect, pack};
use crate::interrupt::{cancellation, undisturbed};

#[test]
fn lesson_33_what_git_tracks_is_packed_and_secrets_never() {
    let tree = Tree::git(&[
        (".gitignore", "*.log\n"),
        ("src/main.py", "print(1)"),
        ("bin/run", "#!/bin/sh"),
        (".env", "PASSWORD=x"),
        (
            "tls/server.pem",
            "-----BEGIN CERTIFICATE-----\nMIIB\n-----BEGIN PRIVATE KEY-----\nMIIE\n",
        ),
        ("tls/cacert.pem", "-----BEGIN CERTIFICATE-----\nMIIB\n"),
        (".npmrc", "legacy-peer-deps=true\n"),
        (".env.example", "PASSWORD="),
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
            (".env.example".into(), "644 PASSWORD=".into()),
            (".gitignore".into(), "644 *.log\n".into()),
            (".npmrc".into(), "644 legacy-peer-deps=true\n".into()),
            ("bin/run".into(), "755 #!/bin/sh".into()),
            ("src/main.py".into(), "644 print(1)".into()),
            ("tls/cacert.pem".into(), "644 -----BEGIN CERTIFICATE-----\nMIIB\n".into()),
        ]
    );
    assert_eq!(packed.files, Some(6));
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
    assert_eq!(packed.notices.len(), 1, "{:?}", packed.notices);
    assert!(packed.notices[0].contains("files alone"), "{:?}", packed.notices);
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
    assert_eq!(packed.notices.len(), 3);
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
        PackError::Refused(all) => {
            all.first().map(|it| (it.path.clone(), it.rule.clone())).unwrap()
        }
        other => panic!("{other}"),
    };
    assert_eq!(refused(&tree).0, "a/out");
    fs::remove_file(tree.path("a/out")).unwrap();
    nix::unistd::mkfifo(&tree.path("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert_eq!(refused(&tree).0, "pipe");
    assert_eq!(tree.names(&["pipe"]), ["a/b"]);
}

#[test]
fn all_that_no_host_takes_is_named_at_once_with_what_to_exclude() {
    let tree = Tree::new(&[("a", "1"), ("root/b", "1")]);
    for (link, target) in
        [("root/etc", "/etc"), ("root/usr/lib", "/usr/lib"), ("root/out", "../..")]
    {
        fs::create_dir_all(tree.path("root/usr")).unwrap();
        symlink(target, tree.path(link)).unwrap();
    }
    nix::unistd::mkfifo(&tree.path("root/pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let error = tree.pack(&[]).unwrap_err();
    let said = error.to_string();
    for path in ["root/etc", "root/usr/lib", "root/out", "root/pipe"] {
        assert!(said.contains(&format!("{path:?}: ")), "{path}: {said}");
    }
    let hint = explain::Explain::hint(&error).unwrap();
    assert!(hint.contains("--exclude root "), "{hint}");
    assert_eq!(tree.names(&["root"]), ["a"]);
}

#[test]
fn a_virtualenv_is_left_out_whatever_it_is_called() {
    let tree = Tree::new(&[("app.py", "1"), ("env/pyvenv.cfg", "home = /usr/bin")]);
    fs::create_dir(tree.path("env/bin")).unwrap();
    symlink("/usr/bin/python3", tree.path("env/bin/python3")).unwrap();
    let (packed, entries) = tree.pack(&[]).unwrap();
    assert_eq!(entries.into_keys().collect::<Vec<_>>(), ["app.py"]);
    assert_eq!(left_out(&packed), [("env/", Why::Clutter)]);
}

#[test]
fn the_file_that_is_ours_alone_counts_and_another_tools_is_left_alone() {
    let foreign = "allow-branch = ['main']\n";
    let tree = Tree::new(&[("release.toml", foreign), ("a", "1")]);
    let (packed, _) = tree.pack(&[]).unwrap();
    let said = packed.notices.iter().find(|said| said.starts_with("release.toml is left alone"));
    assert!(said.is_some_and(|said| said.contains("allow-branch")), "{:?}", packed.notices);
    tree.write("swarm-release.toml", "version = '2'\n[pack]\ninclude = ['a']\n");
    let (packed, entries) = tree.pack(&[]).unwrap();
    assert_eq!(packed.version.as_deref(), Some("2"));
    assert_eq!(entries.into_keys().collect::<Vec<_>>(), ["a", "swarm-release.toml"]);
    fs::remove_file(tree.path("swarm-release.toml")).unwrap();
    tree.write("release.toml", "name = 'x'\nallow-branch = ['main']\n");
    let error = tree.pack(&[]).unwrap_err();
    assert!(matches!(error, PackError::Manifest { .. }), "{error}");
    // Git tracks neither: ours is packed all the same, since the hosts read it.
    let tree = Tree::git(&[("a", "1")]);
    tree.write("release.toml", foreign);
    assert_eq!(tree.names(&[]), ["a"]);
    tree.write("swarm-release.toml", "version = '3'\n");
    assert_eq!(tree.names(&[]), ["a", "swarm-release.toml"]);
}

#[test]
fn the_project_says_what_the_release_does_not() {
    let npm = r#"{"name": "web", "version": "1.2.3"}"#;
    let tree = Tree::new(&[("package.json", npm), ("a", "1")]);
    let called = |tree: &Tree, exclude: &[&str]| {
        let (packed, _) = tree.pack(exclude).unwrap();
        (packed.name, packed.version)
    };
    let says = |name: &str, version: &str| (Some(name.to_owned()), Some(version.to_owned()));
    assert_eq!(called(&tree, &[]), says("web", "1.2.3"));
    tree.write("release.toml", "name = 'shop'\n");
    assert_eq!(called(&tree, &[]), says("shop", "1.2.3"));
    // Hosts see only what is packed.
    assert_eq!(called(&tree, &["package.json"]), (Some("shop".to_owned()), None));
    tree.write("pyproject.toml", "[project]\nname = 'py'\nversion = '2.0'\n");
    assert_eq!(called(&tree, &[]), says("shop", "2.0"));
}

#[test]
fn what_an_operator_may_have_missed_is_told() {
    let tree =
        Tree::new(&[("package.json", "{\"version\": \"1\",}"), (".env", "KEY=1"), ("a", "1")]);
    tree.write("release.toml", "[pack]\ninclude = ['.env', 'a', 'package.json']\n");
    let (packed, _) = tree.pack(&[]).unwrap();
    let told = |words: &str| packed.notices.iter().any(|notice| notice.starts_with(words));
    assert!(told(".env is packed although it looks like a secret"), "{:?}", packed.notices);
    assert!(told("package.json is no JSON that can be read: "), "{:?}", packed.notices);
}

#[test]
fn the_archive_does_not_pack_itself() {
    let tree = Tree::new(&[("a", "1")]);
    let output = tree.path("out.tar.zst");
    let packing = packing(tree.0.path(), &[], &output);
    let first = undisturbed(|cancel| pack(&packing, cancel)).unwrap();
    let second = undisturbed(|cancel| pack(&packing, cancel)).unwrap();
    assert_eq!(first.digest, second.digest);
    assert_eq!(left_out(&second), [("out.tar.zst", Why::Output)]);
    let seen = undisturbed(|cancel| inspect(&output, cancel)).unwrap();
    assert_eq!((seen.digest, seen.bytes), (first.digest, first.bytes));
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
fn without_git_what_lies_about_is_left_out_and_said_unless_it_is_taken() {
    let tree = Tree::new(&[
        ("app.py", "1"),
        ("__pycache__/app.pyc", "x"),
        ("web/node_modules/left-pad/index.js", "x"),
        ("web/index.js", "1"),
        ("vendor/.git/config", "x"),
        ("debug.log", "x"),
        ("target/release/app", "x"),
    ]);
    let (packed, entries) = tree.pack(&[]).unwrap();
    assert_eq!(entries.into_keys().collect::<Vec<_>>(), ["app.py", "web/index.js"]);
    assert_eq!(
        left_out(&packed),
        [
            ("__pycache__/", Why::Clutter),
            ("debug.log", Why::Clutter),
            ("target/", Why::Clutter),
            ("vendor/.git/", Why::Clutter),
            ("web/node_modules/", Why::Clutter),
        ]
    );
    let place = tempfile::tempdir().unwrap();
    let output = place.path().join("x.tar.zst");
    let taking = |include: &[&str]| {
        let include: Vec<_> = include.iter().map(|&glob| glob.to_owned()).collect();
        let packing = Packing { include: &include, ..packing(tree.0.path(), &[], &output) };
        undisturbed(|cancel| pack(&packing, cancel))
    };
    let packed = taking(&["node_modules", "target/release/app"]).unwrap();
    assert_eq!(packed.files, Some(4));
    assert!(packed.left_out.iter().all(|left| left.path != "web/node_modules/"));
    assert!(packed.left_out.iter().any(|left| left.path == "__pycache__/"));
    let error = taking(&["node_moduls"]).unwrap_err();
    assert!(matches!(error, PackError::NotIncluded(glob) if glob == "node_moduls"));
    // Named in release.toml, they are no clutter; of git's own, nothing is packed.
    tree.write("release.toml", "[pack]\ninclude = ['target', 'vendor', 'app.py']");
    tree.write("vendor/x", "1");
    assert_eq!(tree.names(&[]), ["app.py", "release.toml", "target/release/app", "vendor/x"]);
}

#[test]
fn what_git_does_not_track_can_be_taken() {
    let tree = Tree::git(&[(".gitignore", "build/\n"), ("a", "1")]);
    tree.write("build/app", "x");
    tree.write("new", "x");
    tree.write("build/tls.key", "x");
    let place = tempfile::tempdir().unwrap();
    let output = place.path().join("x.tar.zst");
    let include = ["build".to_owned(), "new".to_owned()];
    let packing = Packing { include: &include, ..packing(tree.0.path(), &[], &output) };
    let packed = undisturbed(|cancel| pack(&packing, cancel)).unwrap();
    assert_eq!(packed.files, Some(4));
    assert_eq!(left_out(&packed), [("build/tls.key", Why::Secret)]);
}

#[test]
fn a_release_toml_that_no_host_reads_is_not_read_here() {
    let tree = Tree::new(&[("a", "1")]);
    let secret = tree.path("../secret-of-release-toml");
    fs::write(&secret, "sesame: open").unwrap();
    let place = tree.path("release.toml");
    let refused = || {
        let error = tree.pack(&[]).unwrap_err();
        assert!(matches!(error, PackError::ManifestFile { .. }), "{error:?}");
        assert!(!format!("{error:?}").contains("sesame"));
        fs::remove_file(&place).unwrap();
    };
    for target in [secret.as_path(), "/dev/zero".as_ref()] {
        symlink(target, &place).unwrap();
        refused();
    }
    fs::remove_file(&secret).unwrap();
    nix::unistd::mkfifo(&place, nix::sys::stat::Mode::S_IRWXU).unwrap();
    refused();
    fs::write(&place, "#".repeat(70_000)).unwrap();
    refused();
    fs::write(&place, "#".repeat(65_536)).unwrap();
    assert_eq!(tree.names(&[]), ["a", "release.toml"]);
    // The tree itself may be named by a link.
    let elsewhere = tempfile::tempdir().unwrap();
    symlink(tree.0.path(), elsewhere.path().join("tree")).unwrap();
    let (root, output) = (elsewhere.path().join("tree"), elsewhere.path().join("x.tar.zst"));
    undisturbed(|cancel| pack(&packing(&root, &[], &output), cancel)).unwrap();
}

#[test]
fn long_names_are_read_by_gnu_tar() {
    let long = format!("{}/{}", "d".repeat(120), "é".repeat(110));
    let tree = Tree::new(&[(&long, "1"), ("s", "2")]);
    symlink(&long, tree.path("link")).unwrap();
    assert_eq!(tree.names(&[]), [long.as_str(), "link", "s"]);
    let output = tree.path("x.tgz");
    let packing = packing(tree.0.path(), &[], &output);
    undisturbed(|cancel| pack(&packing, cancel)).unwrap();
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
    let output = tree.path("x");
    let packing = packing(&absent, &[], &output);
    let refused = undisturbed(|cancel| pack(&packing, cancel));
    assert!(matches!(refused, Err(PackError::NotADirectory(_))));
    assert!(!tree.path("x").exists());
}

#[test]
fn packing_that_is_cancelled_leaves_no_file() {
    let tree = Tree::new(&[("a", "1")]);
    let place = tempfile::tempdir().unwrap();
    let output = place.path().join("x");
    let packing = packing(tree.0.path(), &[], &output);
    let (cancel, token) = cancellation().unwrap();
    drop(cancel);
    assert!(matches!(pack(&packing, &token), Err(PackError::Cancelled(_))));
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
}

#[test]
fn a_tree_that_no_host_guesses_how_to_build_is_noticed() {
    let tree = Tree::git(&[("CMakeLists.txt", "project(x)"), ("setup.cfg", "[flake8]")]);
    let noticed = |tree: &Tree| {
        let notices = tree.pack(&[]).unwrap().0.notices;
        notices.iter().any(|notice| notice.contains("I see CMakeLists.txt: say `[build] command`"))
    };
    assert!(noticed(&tree));
    tree.write("release.toml", "[build]\ncommand = []");
    assert!(!noticed(&tree));
    let guessed = Tree::git(&[("CMakeLists.txt", "project(x)"), ("Makefile", "all:")]);
    assert!(!noticed(&guessed));
}
