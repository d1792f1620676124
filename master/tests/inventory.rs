//! What an operator does with the list of hosts and of releases, without a host being asked.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

struct Shell(TempDir);

impl Shell {
    fn with_master() -> Self {
        let shell = Self(tempfile::tempdir().unwrap());
        out(&shell.run(&["init"]));
        shell
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn run(&self, words: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_swarm"))
            .current_dir(self.path())
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("SWARM_HOME", self.path().join("home"))
            .args(words)
            .output()
            .unwrap()
    }

    fn json(&self, words: &[&str]) -> Value {
        serde_json::from_str(&out(&self.run(&[&["--json"], words].concat()))).unwrap()
    }

    fn enroll(&self, name: &str, directory: &str, more: &[&str]) -> Output {
        let words = ["enroll", "--name", name, "--address", "127.0.0.1", "--out-dir", directory];
        self.run(&[&words[..], more].concat())
    }

    fn host(&self, name: &str) -> Value {
        self.json(&["show", name])
    }
}

fn out(output: &Output) -> String {
    assert!(output.status.success(), "{}", err(output));
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn a_host_is_changed_and_renewed_without_a_new_beginning() {
    let shell = Shell::with_master();
    out(&shell.enroll(
        "web-1",
        "first",
        &["--updater", "--label", "role=web", "--notes", "rack 3"],
    ));
    out(&shell.run(&[
        "set",
        "web-1",
        "--address",
        "10.0.0.9",
        "--updater-port",
        "9000",
        "--agent-port",
        "80",
    ]));
    let before = shell.host("web-1");
    assert_eq!((&before["address"], &before["notes"]), (&"10.0.0.9".into(), &"rack 3".into()));
    assert_eq!((&before["updater_port"], &before["agent_port"]), (&9000.into(), &80.into()));
    out(&shell.run(&["set", "web-1", "--notes", ""]));
    let renewed = shell.run(&["enroll", "--renew", "web-1", "--out-dir", "second"]);
    assert!(out(&renewed).contains("new certificates for web-1"));
    let after = shell.host("web-1");
    for key in ["address", "labels", "updater_port", "agent_port", "enrolled_at", "desired"] {
        assert_eq!(after[key], before[key], "{key}");
    }
    assert_eq!(after["notes"], Value::Null);
    assert_eq!(after["pinned"]["current"], before["pinned"]["current"], "both are good");
    assert!(after["pinned"]["next"].is_string());
    assert_eq!(out(&shell.run(&["list", "--select", "role=web"])).lines().count(), 2);
    let log = shell.json(&["log", "web-1"]);
    let types: Vec<_> = log.as_array().unwrap().iter().map(|event| &event["type"]).collect();
    assert_eq!(types, ["host.enrolled", "host.changed", "host.changed", "host.renewed"]);
}

#[test]
fn a_name_that_is_used_again_says_what_is_lost() {
    let shell = Shell::with_master();
    out(&shell.enroll("web-1", "first", &["--updater", "--label", "role=web"]));
    out(&shell.run(&["decommission", "web-1"]));
    let again = shell.enroll("web-1", "second", &["--updater"]);
    assert!(again.status.success());
    assert!(err(&again).contains("labels role=web"), "{}", err(&again));
    assert!(err(&again).contains("swarm label web-1 role=web"), "{}", err(&again));
}

#[test]
fn no_host_gets_an_updater_without_a_probe_that_nobody_asked_for() {
    let shell = Shell::with_master();
    let starter = |name: &str, more: &[&str]| {
        out(&shell.enroll(name, name, &[&["--updater"], more].concat()));
        fs::read_to_string(shell.path().join(name).join("updater.toml")).unwrap()
    };
    let url = |port: u16| format!("\nurl = \"http://127.0.0.1:{port}/health\"");
    assert!(starter("web-1", &[]).contains(&url(8765)));
    assert_eq!(shell.host("web-1")["agent_port"], 8765);
    assert!(starter("web-2", &["--agent-port", "80"]).contains(&url(80)));
    // Several hosts of one machine: the program keeps to its host's address, too.
    let own = ["--name", "web-4", "--address", "127.77.0.1", "--out-dir", "web-4", "--updater"];
    out(&shell.run(&[["enroll"].as_slice(), &own].concat()));
    let own = fs::read_to_string(shell.path().join("web-4/updater.toml")).unwrap();
    assert!(own.contains("\nurl = \"http://127.77.0.1:8765/health\""), "{own}");
    assert!(!starter("web-3", &["--no-probe"]).contains("\nurl ="));
    assert_eq!(shell.host("web-3")["agent_port"], Value::Null);
}

#[test]
fn a_held_host_is_in_no_rollout_and_everybody_sees_why() {
    let shell = Shell::with_master();
    for name in ["web-1", "web-2"] {
        out(&shell.enroll(name, name, &["--updater", "--updater-port", "1"]));
    }
    out(&shell.run(&["hold", "web-1", "--because", "its disk is being replaced", "--until", "3d"]));
    assert!(out(&shell.run(&["list"])).contains("its disk is being replaced"));
    assert_eq!(shell.host("web-1")["held"]["because"], "its disk is being replaced");
    let status = shell.run(&["--json", "status"]);
    let rows: Value = serde_json::from_slice(&status.stdout).unwrap();
    assert!(rows[0]["held"].as_str().unwrap().contains("its disk is being replaced"), "{rows}");
    assert_eq!(rows[1]["held"], Value::Null);
    fs::create_dir(shell.path().join("tree")).unwrap();
    fs::write(shell.path().join("tree/a"), "1").unwrap();
    let plan = shell.json(&["update", "--all", "--root", "tree", "--dry-run"]);
    let hosts = plan["hosts"].as_array().unwrap();
    let row = hosts.iter().find(|row| row["host"] == "web-1").unwrap();
    assert_eq!((&row["action"], &row["code"]), (&"skip".into(), &"held".into()), "{row}");
    assert!(row["detail"].as_str().unwrap().contains("its disk is being replaced"));
    out(&shell.run(&["unhold", "web-1"]));
    assert_eq!(shell.host("web-1")["held"], Value::Null);
    assert!(out(&shell.run(&["unhold", "web-1"])).contains("was not held"));
}

#[test]
fn releases_are_listed_and_removed() {
    let shell = Shell::with_master();
    out(&shell.enroll("web-1", "web-1", &["--updater", "--updater-port", "1"]));
    let tree = shell.path().join("tree");
    fs::create_dir(&tree).unwrap();
    fs::write(tree.join("release.toml"), "name = 'web'\nversion = '1.0'").unwrap();
    for text in ["1", "2", "3"] {
        fs::write(tree.join("a"), text).unwrap();
        let words = ["plan", "--all", "--root", "tree"];
        assert!(shell.run(&words).status.success());
    }
    let archives = || fs::read_dir(shell.path().join("home/archives")).unwrap().count();
    let list = shell.json(&["release", "list"]);
    let digests: Vec<_> =
        list.as_array().unwrap().iter().map(|it| it["digest"].as_str().unwrap()).collect();
    assert_eq!((digests.len(), archives()), (3, 3));
    assert_eq!((&list[0]["name"], &list[0]["archive"]), (&"web".into(), &true.into()));
    assert!(out(&shell.run(&["release", "list"])).contains("1.0"));
    let ambiguous = shell.run(&["release", "rm", "web@1.0"]);
    assert_eq!(ambiguous.status.code(), Some(2));
    assert!(digests.iter().all(|digest| err(&ambiguous).contains(digest)));
    out(&shell.run(&["release", "rm", digests[2]]));
    assert_eq!(archives(), 2);
    let unknown = shell.run(&["release", "rm", digests[2]]);
    assert_eq!(unknown.status.code(), Some(2), "{}", err(&unknown));
    out(&shell.run(&["release", "rm", "--keep", "1"]));
    let list = shell.json(&["release", "list"]);
    assert_eq!((list[0]["digest"].as_str().unwrap(), archives()), (digests[0], 1));
}

#[test]
fn the_master_gets_a_new_certificate_in_its_place() {
    let shell = Shell::with_master();
    let certificate = || fs::read(shell.path().join("home/master/master.crt")).unwrap();
    let before = certificate();
    let renewed = shell.json(&["renew", "--master"]);
    assert!(renewed["not_after"].is_string(), "{renewed}");
    assert_ne!(certificate(), before);
    let names = |path: &str| fs::read_dir(shell.path().join(path)).unwrap().count();
    assert_eq!(names("home/master"), 2);
    assert!(!shell.path().join("home/.master.incomplete").exists());
}

#[test]
fn a_home_that_another_user_owns_is_closed_and_not_absent() {
    use std::os::unix::process::CommandExt as _;
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let shell = Shell::with_master();
    fs::set_permissions(shell.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let program = shell.path().join("swarm");
    fs::copy(env!("CARGO_BIN_EXE_swarm"), &program).unwrap();
    let home = shell.path().join("home");
    let listed = Command::new(program).arg("--home").arg(&home).arg("list").uid(65534).output();
    let said = err(&listed.unwrap());
    assert!(said.contains("permission denied") && said.contains("belongs to root"), "{said}");
    assert!(!said.contains("swarm init"), "{said}");
    std::os::unix::fs::chown(&home, Some(65534), None).unwrap();
    let listed = shell.run(&["list"]);
    assert_eq!(listed.status.code(), Some(1));
    assert!(err(&listed).contains("it belongs to"), "{}", err(&listed));
}
