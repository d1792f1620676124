//! `swarm pack` on two machines that have nothing in common but the tree.

use std::error::Error;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Who packs on the second machine, where this is run by root.
const NOBODY: u32 = 65534;

/// One machine: a clone, who uses it, and what surrounds them.
struct Machine {
    place: TempDir,
    user: Option<u32>,
    umask: &'static str,
    environment: Vec<(&'static str, String)>,
}

impl Machine {
    /// On the file system of `below`.
    fn new(below: &Path, user: Option<u32>, umask: &'static str) -> Result<Self> {
        let place = tempfile::Builder::new().prefix("pack-").tempdir_in(below)?;
        fs::set_permissions(place.path(), fs::Permissions::from_mode(0o777))?;
        Ok(Self { place, user, umask, environment: Vec::new() })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    /// Runs a shell's line in the machine's directory.
    fn run(&self, line: &str) -> Result<String> {
        let mut command = Command::new("sh");
        command.arg("-euc").arg(format!("umask {}; {line}", self.umask));
        command.current_dir(self.place.path()).env_clear();
        command.env("PATH", "/usr/local/bin:/usr/bin:/bin").env("HOME", self.place.path());
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        if let Some(user) = self.user {
            command.uid(user).gid(user);
        }
        let output = command.output()?;
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{line}: {stderr}");
        Ok(String::from_utf8(output.stdout)?)
    }

    /// What `swarm --json pack` says of `tree`.
    fn pack(&self, tree: &str, end: &str) -> Result<Value> {
        let said = self.run(&format!("./swarm --json pack {tree} -o out.{end}"))?;
        Ok(serde_json::from_str(&said)?)
    }
}

/// Both machines have the program in a place that every user reaches.
fn install_swarm(machine: &Machine) -> Result<()> {
    fs::copy(env!("CARGO_BIN_EXE_swarm"), machine.path("swarm"))?;
    fs::set_permissions(machine.path("swarm"), fs::Permissions::from_mode(0o755))?;
    Ok(())
}

fn repository(place: &Path) -> Result<()> {
    for (name, text) in [
        ("release.toml", "version = '1'\n"),
        (".gitattributes", "*.txt text\nunexported export-ignore\nsubst export-subst\n"),
        ("lines.txt", "one\ntwo\n"),
        ("unexported", "packed all the same\n"),
        ("subst", "$Format:%H$\n"),
        ("a-b", "1"),
        ("a/b", "2"),
        ("a/B", "3"),
        ("a b/\"quoted\" 'name'", "4"),
        ("ä/ö", "5"),
        ("bin/run", "#!/bin/sh\n"),
        ("empty", ""),
        (".env", "PASSWORD=x\n"),
    ] {
        let path = place.join(name);
        fs::create_dir_all(path.parent().unwrap_or(place))?;
        fs::write(path, text)?;
    }
    fs::set_permissions(place.join("bin/run"), fs::Permissions::from_mode(0o755))?;
    symlink("../a/b", place.join("ä/link"))?;
    Ok(())
}

/// Everything that a user can have set, and that must not show.
const STRANGE_CONFIGURATION: &str = "[core]\n\tautocrlf = true\n\tquotePath = true\n\t\
    excludesFile = ~/ignored\n\tpager = false\n\tfsmonitor = /bin/false\n\
    [status]\n\tshowUntrackedFiles = no\n\tshort = true\n\tbranch = true\n\
    [color]\n\tui = always\n[log]\n\tshowSignature = true\n\tdate = relative\n\
    [diff]\n\texternal = /bin/false\n\tignoreSubmodules = all\n";

#[test]
fn the_same_commit_is_the_same_archive_on_two_machines() {
    let user = nix::unistd::geteuid().is_root().then_some(NOBODY);
    let mut one = Machine::new(&std::env::temp_dir(), None, "022").unwrap();
    // Another file system, where there is one.
    let memory = Path::new("/dev/shm");
    let below = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    let mut two = Machine::new(&below, user, "077").unwrap();
    install_swarm(&one).unwrap();
    install_swarm(&two).unwrap();
    repository(&one.path("tree")).unwrap();
    let author = "git -c user.name=x -c user.email=x@example.org";
    one.run(&format!(
        "cd tree; git init -q; git add -f .; {author} commit -qm 1; \
         git bundle create -q ../bundle HEAD"
    ))
    .unwrap();
    fs::copy(one.path("bundle"), two.path("bundle")).unwrap();
    fs::set_permissions(two.path("bundle"), fs::Permissions::from_mode(0o644)).unwrap();
    two.run("git clone -q bundle 'another name'").unwrap();
    // Made again in another order, at another time.
    two.run(
        "cd 'another name'; git ls-files -z | sort -rz | xargs -0 -I{} sh -c \
         'cp -P \"$1\" .new; rm \"$1\"; mv .new \"$1\"' - {}; touch -hd 1999-01-01 lines.txt a/b; \
         ln -s 'another name' ../tree; mkdir untracked; touch untracked/x",
    )
    .unwrap();
    fs::write(two.path(".gitconfig"), STRANGE_CONFIGURATION).unwrap();
    fs::write(two.path("ignored"), "*\n").unwrap();
    for name in [".gitconfig", "ignored"] {
        fs::set_permissions(two.path(name), fs::Permissions::from_mode(0o644)).unwrap();
    }
    one.environment = vec![("LANG", "C".to_owned()), ("TZ", "UTC".to_owned())];
    two.environment = [
        ("LANG", "tr_TR.UTF-8"),
        ("LC_COLLATE", "en_US.UTF-8"),
        ("TZ", "Pacific/Kiritimati"),
        ("USER", "somebody"),
        ("GIT_DIR", "/nonexistent"),
        ("GIT_INDEX_FILE", "/nonexistent"),
        ("GIT_WORK_TREE", "/"),
        ("GIT_CONFIG_COUNT", "1"),
        ("GIT_CONFIG_KEY_0", "core.bare"),
        ("GIT_CONFIG_VALUE_0", "true"),
        ("SOURCE_DATE_EPOCH", "1"),
    ]
    .map(|(name, value)| (name, value.to_owned()))
    .into();
    for end in ["tar.zst", "tar.gz"] {
        let (first, second) =
            (one.pack("tree", end).unwrap(), two.pack("'another name'", end).unwrap());
        assert_eq!(first["digest"], second["digest"], "{first:#}\n{second:#}");
        assert_eq!(first["label"], second["label"]);
        assert!(!first["label"].as_str().unwrap().ends_with("-dirty"), "{first:#}");
        assert_eq!(first["files"], 13);
        let bytes = |machine: &Machine| fs::read(machine.path(&format!("out.{end}"))).unwrap();
        assert_eq!(bytes(&one), bytes(&two));
        // By another way to the same place.
        assert_eq!(two.pack("$PWD/tree/.", end).unwrap()["digest"], first["digest"]);
    }
}

#[test]
fn a_repository_of_somebody_else_is_told_with_what_to_do() {
    if skip::skipped_without_root() {
        return;
    }
    let owner = Machine::new(&std::env::temp_dir(), None, "022").unwrap();
    install_swarm(&owner).unwrap();
    owner.run("mkdir tree; cd tree; git init -q; touch a; git add a").unwrap();
    let other = Machine { user: Some(NOBODY), ..owner };
    let said = other
        .run("./swarm pack tree -o x.tar.zst 2>&1 && exit 1; ls x.tar.zst 2>/dev/null || :")
        .unwrap();
    assert!(said.contains("dubious ownership"), "{said}");
    assert!(said.contains("hint: pack as the user who owns it"), "{said}");
    assert!(said.contains("safe.directory"), "{said}");
    assert!(!said.contains("x.tar.zst"), "{said}");
    let trusted = "git config --global --add safe.directory \"$PWD/tree\"";
    other.run(&format!("{trusted}; ./swarm pack tree -o x.tar.zst")).unwrap();
}
