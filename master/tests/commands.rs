//! The program as a shell sees it: what goes to stdout, what to stderr, and the exit code.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

struct Shell {
    directory: TempDir,
}

impl Shell {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    fn with_master() -> Self {
        let shell = Self::new();
        assert!(shell.run("init").status.success());
        shell
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn run(&self, words: &str) -> Output {
        Command::new(env!("CARGO_BIN_EXE_swarm"))
            .current_dir(self.path())
            .env_clear()
            .env("SWARM_HOME", self.path().join("home"))
            .args(words.split_whitespace())
            .output()
            .unwrap()
    }

    fn enroll(&self, name: &str, more: &str) -> Output {
        self.run(&format!("enroll --name {name} --address 127.0.0.1 --out-dir {name} {more}"))
    }
}

fn out(output: &Output) -> String {
    assert!(output.status.success(), "{}", err(output));
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_str(&out(output)).unwrap()
}

fn code(output: &Output) -> Option<i32> {
    output.status.code()
}

#[test]
fn help_says_what_is_asked_for() {
    let shell = Shell::new();
    insta::assert_snapshot!("enroll", out(&shell.run("enroll --help")));
    assert_eq!(out(&shell.run("--version")), format!("swarm {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn every_command_has_a_help_and_says_what_it_is_for() {
    let shell = Shell::new();
    let help = out(&shell.run("--help"));
    let groups = help.lines().skip_while(|line| *line != "Everyday:");
    let commands = groups.take_while(|line| *line != "Options:");
    let commands: Vec<_> = commands.filter(|line| line.starts_with("  ")).collect();
    assert!(commands.len() > 20, "{commands:?}");
    for line in commands {
        let (command, about) = line.trim().split_once(' ').unwrap();
        assert!(!about.trim().is_empty(), "{command}");
        let help = out(&shell.run(&format!("help {command}")));
        assert!(help.contains("Usage:"), "{command}");
    }
}

#[test]
fn without_a_master_the_user_is_told_what_to_run() {
    let shell = Shell::new();
    let listed = shell.run("list");
    assert_eq!(code(&listed), Some(2));
    assert!(listed.stdout.is_empty());
    assert!(err(&listed).contains("hint: run: swarm init"), "{}", err(&listed));
    let taken_over = shell.run("init --take-over");
    assert_eq!(code(&taken_over), Some(2), "there is nothing to take over");
}

#[test]
fn a_second_init_changes_nothing_and_a_take_over_raises_the_epoch() {
    let shell = Shell::new();
    let first = json(&shell.run("--json init --fleet north"));
    let second = json(&shell.run("--json init"));
    assert_eq!((&first["created"], &second["created"]), (&true.into(), &false.into()));
    assert_eq!(first["ca_fingerprint"], second["ca_fingerprint"]);
    assert_eq!(second["fleet"], "north");
    let epoch = json(&shell.run("--json init --take-over"))["epoch"].as_u64().unwrap();
    assert!(epoch > first["epoch"].as_u64().unwrap());
    assert_eq!(json(&shell.run("--json init"))["epoch"], epoch);
}

#[test]
fn a_home_that_others_may_enter_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let shell = Shell::with_master();
    let open = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(shell.path().join("home"), open).unwrap();
    let listed = shell.run("list");
    assert_eq!(code(&listed), Some(1));
    assert!(err(&listed).contains("hint: run: chmod 700"), "{}", err(&listed));
}

#[test]
fn lesson_45_hosts_survive_the_process_that_enrolled_them() {
    let shell = Shell::with_master();
    out(&shell.enroll("web-1", "--updater --label role=web --agent-port 8765"));
    out(&shell.enroll("tool-1", ""));
    out(&shell.run("label web-1 zone=a role-"));
    insta::assert_snapshot!(out(&shell.run("list")), @r"
    HOST    ADDRESS    UPDATER PORT                 AGENT PORT  LABELS  NOTES
    tool-1  127.0.0.1  enrolled without an updater  -           -       -
    web-1   127.0.0.1  8766                         8765        zone=a  -
    ");
    let shown = json(&shell.run("--json show web-1"));
    assert_eq!(shown["labels"]["zone"], "a");
    let pinned = &shown["pinned"]["current"];
    let certificates = shown["certificates"].as_array().unwrap();
    let updater = certificates.iter().find(|one| one["role"] == "updater").unwrap();
    assert_eq!(&updater["fingerprint"], pinned);
}

#[test]
fn a_decommissioned_host_is_not_addressed_and_its_history_stays() {
    let shell = Shell::with_master();
    out(&shell.enroll("web-1", "--updater"));
    out(&shell.run("decommission web-1"));
    assert_eq!(code(&shell.run("decommission web-1")), Some(1));
    let checked = json(&shell.run("--json check --host web-1"));
    assert_eq!(checked[0]["detail"], "decommissioned");
    assert_eq!(code(&shell.run("check --all")), Some(2), "it is none of the fleet's hosts");
    assert!(out(&shell.run("list")).contains("decommissioned"));
    assert_eq!(json(&shell.run("--json show web-1"))["pinned"]["current"], Value::Null);
    let log = json(&shell.run("--json log web-1"));
    let types: Vec<_> = log.as_array().unwrap().iter().map(|event| &event["type"]).collect();
    assert_eq!(types, ["host.enrolled", "host.decommissioned"]);
}

#[test]
fn enrolling_again_says_what_to_do() {
    let shell = Shell::with_master();
    out(&shell.enroll("web-1", "--updater"));
    let again = shell.run("enroll --name web-1 --address 127.0.0.1 --updater --out-dir other");
    assert_eq!(code(&again), Some(1));
    assert!(err(&again).contains("swarm enroll --renew web-1"), "{}", err(&again));
    assert!(!shell.path().join("other").exists());
    let occupied = shell.run("enroll --name web-2 --address 127.0.0.1 --updater --out-dir web-1");
    assert_eq!(code(&occupied), Some(1));
    assert!(err(&occupied).contains("never overwritten"), "{}", err(&occupied));
    assert_eq!(code(&shell.run("show web-2")), Some(2), "and nothing was recorded");
}

#[test]
fn mistakes_exit_with_2_in_text_and_in_json() {
    let shell = Shell::with_master();
    out(&shell.enroll("web-1", "--updater"));
    for words in [
        "bogus",
        "enroll --name Web_1 --address 127.0.0.1 --out-dir x",
        "enroll --name web-2 --address 127.0.0.1:80 --out-dir x",
        "enroll --name web-2 --address 127.0.0.1 --token",
        "label web-1 role",
        "enroll --name all --address 127.0.0.1 --out-dir x",
        "enroll --name web-2 --address 0.0.0.0 --out-dir x",
        "enroll --renew web-1 --address 127.0.0.2 --out-dir x",
        "set web-1",
        "set web-1 --address ff02::1",
        "hold web-1",
        "hold web-1 --because x --until 2001-01-01T00:00:00Z",
        "renew",
        "check --select ~",
        "check --select @",
        "check --select ,",
        "check --host wbe-1",
        "check --all --host web-1",
    ] {
        let output = shell.run(words);
        assert_eq!(code(&output), Some(2), "{words}: {}", err(&output));
        assert!(output.stdout.is_empty(), "{words}");
        assert!(err(&output).starts_with("error: "), "{words}: {}", err(&output));
        let output = shell.run(&format!("{words} --json"));
        assert_eq!(code(&output), Some(2), "{words}");
        let told: Value = serde_json::from_str(&err(&output)).unwrap();
        assert_eq!(told["error"]["exit"], 2, "{words}: {told}");
    }
}

#[test]
fn a_host_that_does_not_answer_is_not_fine() {
    let shell = Shell::with_master();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    out(&shell.enroll("web-1", &format!("--updater --updater-port {port}")));
    let checked = shell.run("check --json");
    assert_eq!(code(&checked), Some(1));
    let rows: Value = serde_json::from_slice(&checked.stdout).unwrap();
    assert_eq!(rows[0]["fine"], false);
    assert!(rows[0]["detail"].as_str().unwrap().contains("connect"), "{rows}");
}

#[test]
fn manual_pages_are_written_one_a_command() {
    let shell = Shell::new();
    out(&shell.run("man --out-dir pages"));
    assert!(shell.path().join("pages/swarm.1").is_file());
    assert!(shell.path().join("pages/swarm-enroll.1").is_file());
    assert!(out(&shell.run("man")).contains(".SH NAME"));
    assert!(out(&shell.run("completions bash")).contains("_swarm"));
}

#[test]
fn a_list_shows_what_a_selection_means() {
    let shell = Shell::with_master();
    for (name, label) in [("db-1", "role=db"), ("web-1", "role=web"), ("web-2", "role=web")] {
        out(&shell.enroll(name, &format!("--updater --label {label}")));
    }
    std::fs::write(shell.path().join("hosts.txt"), "web-2\ndb-1 # slow\n").unwrap();
    let listed = |selection: &str| {
        let hosts = json(&shell.run(&format!("--json list {selection}")));
        let names = hosts.as_array().unwrap().iter().map(|host| host["name"].as_str().unwrap());
        names.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(listed(""), "db-1 web-1 web-2");
    assert_eq!(listed("--select role=web"), "web-1 web-2");
    assert_eq!(listed("--select web-2:all"), "web-2 db-1 web-1");
    assert_eq!(listed("--select web-2:all --order sorted"), "db-1 web-1 web-2");
    assert_eq!(listed("--select @hosts.txt"), "web-2 db-1");
    assert_eq!(listed("--host web-2 --host db-1"), "web-2 db-1");
    let refused = shell.run("list --select all:!mail");
    assert_eq!(code(&refused), Some(2));
    assert!(err(&refused).contains("\"mail\""), "{}", err(&refused));
}

#[test]
fn lesson_33_what_is_left_out_of_a_tree_can_be_named_beside_it() {
    let shell = Shell::with_master();
    out(&shell.enroll("web-1", "--updater --updater-port 1"));
    std::fs::create_dir(shell.path().join("tree")).unwrap();
    std::fs::write(shell.path().join("tree/kept"), "").unwrap();
    let planned = shell.run("--json update --all --root tree --exclude left --dry-run");
    assert_eq!(json(&planned)["changed"], false);
}
