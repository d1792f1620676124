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
