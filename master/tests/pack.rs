//! `swarm pack` as a person runs it: what it says.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

fn pack(tree: &Path, archive: &Path, change: impl FnOnce(&mut Command)) -> io::Result<Output> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_swarm"));
    command.args(["pack", "-o"]).args([archive, tree]).env_remove("SWARM_HOME");
    change(&mut command);
    command.output()
}

fn tree(root: &Path, names: &[&str]) -> io::Result<()> {
    for name in names {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap_or(root))?;
        fs::write(&path, name.repeat(1000))?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644))?;
    }
    Ok(())
}

#[test]
fn what_is_wrong_with_the_words_is_said_and_nothing_is_written() {
    let place = tempfile::tempdir().unwrap();
    tree(&place.path().join("tree"), &["a"]).unwrap();
    let archive = place.path().join("x.tar.zst");
    let said = pack(&place.path().join("tree"), &archive, |command| {
        command.args(["--exclude", "[a"]);
    })
    .unwrap();
    assert_eq!(said.status.code(), Some(2));
    let stderr = String::from_utf8(said.stderr).unwrap();
    assert!(stderr.starts_with("error: failed to read \"[a\" as a glob"), "{stderr}");
    assert!(!archive.exists());
}

#[test]
fn json_says_what_was_left_out() {
    let place = tempfile::tempdir().unwrap();
    tree(&place.path().join("tree"), &["a", ".env", "server.key"]).unwrap();
    let said = pack(&place.path().join("tree"), &place.path().join("x.tgz"), |command| {
        command.arg("--json");
    })
    .unwrap();
    let document: serde_json::Value = serde_json::from_slice(&said.stdout).unwrap();
    assert_eq!(document["files"], 1);
    let left: Vec<_> = document["left_out"].as_array().unwrap().iter().collect();
    assert_eq!(left[0]["path"], ".env");
    assert_eq!(left[0]["why"], "secret");
    assert_eq!(left.len(), 2);
}
