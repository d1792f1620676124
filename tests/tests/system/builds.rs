//! Builds on the host: bounded, in the release, and told of when they fail.

use anyhow::Result;
use fleet_tests::{
    Behaviour, Host, LONG, Packing, Setup, Tree, eventually, processes_of, with_more_and_more_time,
    wording,
};
use insta::assert_snapshot;
use protocol::{Code, Phase};

fn with_script(script: &str) -> Result<Tree> {
    let tree = Tree::agent(&Behaviour::default())?;
    tree.file("build.sh", script)?;
    Ok(tree)
}

fn setup() -> Setup {
    Setup::default().app("build", "['sh', 'build.sh']")
}

#[test]
fn lesson_36_the_last_lines_of_a_failed_build_reach_the_caller() -> Result<()> {
    let host = Host::alone(&setup())?;
    let good = with_script("true")?.pack(Packing::Zstd)?;
    host.push(&good)?.result()?;
    let bad = with_script("echo compiling; echo 'undefined reference to x' >&2; exit 7")?;
    let problem = host.push(&bad.pack(Packing::Zstd)?)?.problem()?;
    assert_eq!((problem.code.status(), &problem.code), (500, &Code::BuildFailed));
    assert!(problem.output.iter().any(|line| line.contains("undefined reference")), "{problem:?}");
    assert_snapshot!(wording(&problem.detail), @"build the release: `sh build.sh` exited with status 7");
    // The old release was not touched, and the new one is not on the disk.
    assert_eq!(host.running(), Some(good.digest));
    assert_eq!(host.store(), [good.digest.hex()]);
    // The host is to blame for its build environment as often as the release is.
    let again = with_script("echo compiling; echo 'undefined reference to x' >&2; exit 7")?;
    assert_eq!(host.push(&again.pack(Packing::Zstd)?)?.problem()?.code, Code::BuildFailed);
    Ok(())
}

#[test]
fn lesson_17_a_build_has_a_time_limit() -> Result<()> {
    with_more_and_more_time(|timeout| {
        let host = Host::alone(&setup().app("build_timeout", &format!("'{timeout}'")))?;
        let endless = with_script("echo begun; sleep 1000 & sleep 1000")?;
        let problem = host.push(&endless.pack(Packing::Zstd)?)?.problem()?;
        assert_eq!(problem.code, Code::BuildFailed);
        assert_eq!(host.app()?.state, Phase::Idle);
        // Nothing of the build runs on.
        eventually("the build to be gone", LONG, || {
            processes_of(&host.install()).is_empty().then_some(())
        })?;
        // Else it was ended before it had begun.
        let begun = problem.output.iter().any(|line| line.contains("begun"));
        Ok(begun.then_some(()))
    })
}

#[test]
fn lesson_17_a_builds_output_is_bounded() -> Result<()> {
    let host = Host::alone(&setup().app("build_output", "'64KiB'"))?;
    let chatty = with_script("while :; do echo 'and on and on and on'; done")?;
    let problem = host.push(&chatty.pack(Packing::Zstd)?)?.problem()?;
    assert_eq!(problem.code, Code::BuildFailed);
    assert!(problem.output.len() < 1000);
    Ok(())
}

#[test]
fn lesson_17_a_build_inherits_nothing_of_the_updaters() -> Result<()> {
    let host = Host::alone(&setup().app("build_env", "{ MIRROR = 'here' }"))?;
    let tree = with_script("env > environment; ls /proc/self/fd > descriptors")?;
    host.push(&tree.pack(Packing::Zstd)?)?.result()?;
    let current = host.install().join("current");
    let environment = std::fs::read_to_string(current.join("environment"))?;
    assert!(environment.contains("MIRROR=here"), "{environment}");
    for leak in ["UPDATER", "AGENT_LISTEN", "SWARM", "CARGO"] {
        assert!(!environment.contains(leak), "{environment}");
    }
    let descriptors = std::fs::read_to_string(current.join("descriptors"))?;
    assert!(descriptors.lines().count() <= 5, "{descriptors}");
    Ok(())
}

#[test]
fn a_release_says_how_it_is_built_and_the_host_has_the_last_word() -> Result<()> {
    let host = Host::alone(&Setup::default().app("build", "'auto'"))?;
    let tree = with_script("echo by the release > built")?;
    tree.file("release.toml", "name = 'x'\nversion = '2.1'\n[build]\ncommand = 'sh build.sh'\n")?;
    let result = host.push(&tree.pack(Packing::Zstd)?)?.result()?;
    assert_eq!(result.release.expect("a release").version.as_deref(), Some("2.1"));
    let built = host.install().join("current/built");
    assert_eq!(std::fs::read_to_string(built)?, "by the release\n");
    assert_eq!(host.ask_agent("/health")?["version"], "2.1");
    Ok(())
}

#[test]
fn lesson_04_what_was_built_in_a_release_stays_in_it() -> Result<()> {
    let host = Host::alone(&setup())?;
    let one = with_script("pwd > where; echo one > built")?.pack(Packing::Zstd)?;
    let two = with_script("pwd > where; echo two > built")?.pack(Packing::Zstd)?;
    let read = |name: &str| std::fs::read_to_string(host.install().join("current").join(name));
    host.push(&one)?.result()?;
    let where_one = read("where")?;
    host.push(&two)?.result()?;
    assert_eq!(read("built")?, "two\n");
    assert_ne!(read("where")?, where_one);
    host.rollback()?.result()?;
    assert_eq!((read("built")?.as_str(), read("where")?), ("one\n", where_one.clone()));
    // The path that the build baked in is where the release is.
    let current = host.current().expect("a release");
    assert_eq!(where_one.trim(), current.display().to_string());
    Ok(())
}

#[test]
fn a_build_that_breaks_its_manifest_is_the_releases_fault() -> Result<()> {
    let host = Host::alone(&setup())?;
    for build in ["ln -s /etc/hostname release.toml", "head -c 70000 /dev/zero >release.toml"] {
        let tree = with_script(&format!("rm -f release.toml\n{build}\n"))?;
        let problem = host.push(&tree.pack(Packing::Zstd)?)?.problem()?;
        assert_eq!(problem.code, Code::ArchiveRejected, "{problem:?}");
        assert_eq!(problem.entry.as_deref(), Some("release.toml"));
    }
    Ok(())
}

#[test]
fn lesson_what_cannot_be_guessed_is_refused_before_the_switch() -> Result<()> {
    let host = Host::alone(&Setup::default().app("build", "'auto'"))?;
    let good = Tree::healthy("good")?;
    host.push(&good)?.result()?;
    let tree = Tree::saying("to be built")?;
    tree.file("CMakeLists.txt", "project(x)\n")?;
    let problem = host.push(&tree.pack(Packing::Zstd)?)?.problem()?;
    assert_eq!(
        (&problem.code, problem.rule.as_deref()),
        (&Code::ArchiveRejected, Some("unknown_build"))
    );
    assert_eq!(problem.entry.as_deref(), Some("CMakeLists.txt"));
    assert_snapshot!(problem.detail, @"failed to find out how to build the release: I see CMakeLists.txt: say `[build] command`, or `[]` to build nothing, in release.toml");
    assert_eq!((host.running(), host.store()), (Some(good.digest), vec![good.digest.hex()]));
    tree.file("release.toml", "[build]\ncommand = []\n")?;
    host.push(&tree.pack(Packing::Zstd)?)?.result()?;
    Ok(())
}

#[test]
fn lesson_36_all_that_a_failed_build_printed_is_kept_and_its_cause_is_shown() -> Result<()> {
    let host = Host::alone(&setup())?;
    let tree = with_script("echo 'x.c:1: error: the cause'; seq 500; exit 1")?;
    let problem = host.push(&tree.pack(Packing::Zstd)?)?.problem()?;
    assert!(problem.output.iter().any(|line| line.contains("the cause")), "{problem:?}");
    assert!(problem.output.len() <= 40 && problem.output.last().is_some_and(|line| line == "500"));
    let transaction = problem.transaction.expect("a transaction");
    let evidence = host.state().join("evidence").join(transaction.as_str());
    let kept: serde_json::Value =
        serde_json::from_slice(&std::fs::read(evidence.join("evidence.json"))?)?;
    let log = kept["build_log"].as_str().expect("a file");
    assert_eq!(std::fs::read_to_string(evidence.join(log))?.lines().count(), 502);
    Ok(())
}

/// Only root can make a network with nothing in it.
#[test]
fn a_failed_build_without_network_says_that_it_has_none() -> Result<()> {
    if skip::skipped_without_root() {
        return Ok(());
    }
    let host = Host::alone(&setup().app("build_network", "false"))?;
    let tree = with_script("env | grep _OFFLINE; exit 1")?;
    let problem = host.push(&tree.pack(Packing::Zstd)?)?.problem()?;
    assert!(problem.detail.contains("build_network = false in [app.agent]"), "{problem:?}");
    assert!(problem.output.contains(&"UV_OFFLINE=1".to_owned()), "{problem:?}");
    Ok(())
}

#[test]
fn a_lock_that_the_release_ignores_is_said_and_written_down() -> Result<()> {
    let host = Host::alone(&Setup::default().app("build", "'auto'"))?;
    let tree = Tree::saying("one")?;
    tree.file("package.json", "{}")?;
    tree.file("yarn.lock", "# yarn lockfile v1\n")?;
    tree.file("junk/x", "")?;
    tree.file("release.toml", "[build]\nlock = 'ignore'\nclean = ['junk']\n")?;
    let result = host.push(&tree.pack(Packing::Zstd)?)?.result()?;
    assert!(result.notes[0].starts_with("yarn.lock is ignored"), "{result:?}");
    let current = host.install().join("current");
    let record: serde_json::Value =
        serde_json::from_slice(&std::fs::read(current.join(".release.json"))?)?;
    assert_eq!(record["ignored_lock"], "yarn.lock");
    assert!(!current.join("junk").exists());
    Ok(())
}
