//! Builds and agents that mean harm, on hosts whose updater is root and whose app has a user of
//! its own. Each test has another user: what a build does to the processes of its user, it must not
//! do to another test's.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use fleet_tests::volume::alone_with_mounts;
use fleet_tests::{
    Behaviour, Host, LONG, Packing, Release, Setup, Tree, eventually, extended_attributes,
    processes_of, wording,
};
use insta::assert_snapshot;
use protocol::{Code, Digest};

const AGENT: &str = include_str!("../../data/agent.py");
const REACHES_OUT: &str = include_str!("../../data/reach_out.py");
const LEAVES_DAEMONS: &str = include_str!("../../data/leave_daemons.py");

/// A host that runs a good release as `user`; what is set comes over that.
fn host(user: &str, setup: impl FnOnce(Setup) -> Setup) -> Result<(Host, Digest)> {
    let host = empty_host(user, setup)?;
    let good = release("print('built')")?;
    host.push(&good)?.result()?;
    Ok((host, good.digest))
}

/// The same, before there is any release.
fn empty_host(user: &str, setup: impl FnOnce(Setup) -> Setup) -> Result<Host> {
    ensure!(nix::unistd::geteuid().is_root(), "only root can build as another user: run as root");
    let setup_of_all = Setup::default()
        .app("user", &format!("'{user}'"))
        .app("build", "['python3', 'build.py']")
        .app("keep", "9");
    Host::alone(&setup(setup_of_all))
}

fn release(build: &str) -> Result<Release> {
    let tree = Tree::empty()?;
    tree.program("bin/agent", AGENT)?;
    tree.file("build.py", build)?;
    tree.pack(Packing::Zstd)
}

/// The next updater finds its good release, and nothing else.
fn comes_back(host: &Host, good: &Digest) -> Result<()> {
    host.start()?;
    host.idle()?;
    assert_eq!(host.store(), [good.hex()]);
    is_unharmed(host, good).map(drop)
}

/// After whatever a build did: the old release runs, nothing of the new one is on the disk, no
/// process of the build is alive, and the next good release is taken.
fn is_unharmed(host: &Host, running: &Digest) -> Result<Digest> {
    host.runs(running)?;
    ensure!(!host.store().iter().any(|name| name.contains('.')), "{:?}", host.store());
    ensure!(host.incoming().is_empty(), "{:?}", host.incoming());
    let cache = host.state().join("cache");
    eventually("the build to be gone", LONG, || processes_of(&cache).is_empty().then_some(()))?;
    let next = release(&format!("print('after', {:?})", running.hex()))?;
    let result = host.push(&next)?.result()?;
    ensure!(result.to == Some(next.digest), "{result:?}");
    host.runs(&next.digest)?;
    Ok(next.digest)
}

/// What [`LEAVES_DAEMONS`] left: `sleep`, for a time that is this process's own.
fn daemons() -> Vec<PathBuf> {
    let line = format!("sleep\0{}\0", seconds());
    let entries = fs::read_dir("/proc").into_iter().flatten();
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    paths.filter(|path| fs::read(path.join("cmdline")).ok() == Some(line.clone().into())).collect()
}

fn seconds() -> u32 {
    1_000_000 + std::process::id()
}

fn leaves_daemons(then: &str) -> Result<Release> {
    release(&format!("import sys\nsys.argv[1:] = ['{}', '{then}']\n{LEAVES_DAEMONS}", seconds()))
}

/// Where the build of a release says that it is under way. The release has its name once it is received.
fn up(host: &Host, release: &Release) -> PathBuf {
    host.release(&release.digest).join("up")
}

fn under_way(host: &Host, release: &Release) -> Result<PathBuf> {
    eventually("the build to be under way", LONG, || {
        let up = up(host, release);
        up.exists().then_some(up)
    })
}

/// Kills the updater while it builds a release.
fn dies_in_the_build_of(host: &Host, release: &Release) -> Result<()> {
    std::thread::scope(|scope| {
        let push = scope.spawn(|| host.push(release));
        under_way(host, release)?;
        host.kill()?;
        assert!(push.join().ok().context("it does not panic")?.is_err(), "nobody answered");
        Ok(())
    })
}

#[test]
fn a_build_reaches_nothing_but_its_own_release() -> Result<()> {
    let (host, good) = host("daemon", |setup| setup)?;
    let updaters = host.updater_processes();
    let key = fs::read(host.directory.join("identity/updater.key"))?;
    let configuration = fs::read(host.config())?;
    let old = host.current().expect("a release");
    let before = fs::read_to_string(old.join("bin/agent"))?;
    // It ends with a failure, so that what it printed comes back.
    let hostile = release(&format!("{REACHES_OUT}\nraise SystemExit(9)\n"))?;
    let problem = host.push(&hostile)?.problem()?;
    assert_eq!(problem.code, Code::BuildFailed, "{problem:?}");
    let said = problem.output.last().map(|line| line.strip_prefix("refused: ").unwrap_or(line));
    let (refused, of) = said.and_then(|said| said.split_once(" of ")).unwrap_or_default();
    assert!(refused == of && !of.is_empty(), "{:#?}", problem.output);
    assert_eq!(host.updater_processes(), updaters);
    assert_eq!(fs::read(host.directory.join("identity/updater.key"))?, key);
    assert_eq!(fs::read(host.config())?, configuration);
    assert_eq!(fs::read_to_string(old.join("bin/agent"))?, before);
    assert_eq!(host.current().as_ref(), Some(&old));
    assert_eq!(host.store(), [good.hex()]);
    is_unharmed(&host, &good)?;
    Ok(())
}

#[test]
fn a_build_leaves_no_process_behind_however_it_hides() -> Result<()> {
    let (host, good) = host("lp", |setup| setup)?;
    let problem = host.push(&leaves_daemons("3")?)?.problem()?;
    assert_eq!(problem.code, Code::BuildFailed);
    assert!(problem.output.contains(&"all are up".to_owned()), "{problem:?}");
    assert_eq!(daemons(), Vec::<PathBuf>::new());
    let good = is_unharmed(&host, &good)?;
    // One that goes well leaves none either.
    let fine = leaves_daemons("0")?;
    host.push(&fine)?.result()?;
    assert_eq!(daemons(), Vec::<PathBuf>::new());
    assert!(host.current().expect("a release").join("up").exists());
    host.rollback()?.result()?;
    is_unharmed(&host, &good)?;
    Ok(())
}

#[test]
fn a_build_that_stays_is_ended_with_all_of_it() -> Result<()> {
    let (host, good) = host("mail", |setup| setup.app("build_timeout", "'3s'"))?;
    let problem = host.push(&leaves_daemons("stay")?)?.problem()?;
    assert_eq!(problem.code, Code::BuildFailed);
    assert_snapshot!(wording(&problem.detail), @"build the release within 3s: `python3 build.py` was ended");
    assert_eq!(daemons(), Vec::<PathBuf>::new());
    is_unharmed(&host, &good)?;
    Ok(())
}

#[test]
fn a_build_does_not_outlive_an_updater_that_is_killed() -> Result<()> {
    let (host, good) = host("uucp", |setup| setup)?;
    dies_in_the_build_of(&host, &leaves_daemons("stay")?)?;
    eventually("the build to be gone", LONG, || daemons().is_empty().then_some(()))?;
    comes_back(&host, &good)
}

#[test]
fn a_record_without_end_is_not_read() -> Result<()> {
    let (host, good) = host("sync", |setup| setup)?;
    let endless = release(
        "import os, time\n\
         os.symlink('/dev/zero', '.release.json')\n\
         open('up', 'w')\n\
         while not os.path.exists('go'): time.sleep(0.01)\n",
    )?;
    std::thread::scope(|scope| -> Result<()> {
        let push = scope.spawn(|| host.push(&endless));
        let up = under_way(&host, &endless)?;
        assert_eq!(host.releases()?.releases.len(), 1);
        fs::write(up.with_file_name("go"), "")?;
        assert_eq!(push.join().expect("no panic")?.problem()?.code, Code::BuildFailed);
        Ok(())
    })?;
    is_unharmed(&host, &good)?;
    Ok(())
}

#[test]
fn a_record_that_a_build_wrote_makes_no_release() -> Result<()> {
    let (host, good) = host("irc", |setup| setup)?;
    let first = release(
        "import signal\n\
         open('.release.json', 'w').write('{}')\n\
         open('up', 'w')\n\
         signal.pause()\n",
    )?;
    dies_in_the_build_of(&host, &first)?;
    // As on a host that has not proven anything yet.
    fs::remove_file(host.state().join("releases.json"))?;
    comes_back(&host, &good)
}

#[test]
fn a_tree_that_was_half_sealed_is_no_release_even_where_it_is_the_first() -> Result<()> {
    let host = empty_host("games", |setup| setup)?;
    let first = release(
        "import signal\n\
         open('.release.json', 'w').write('{}')\n\
         open('up', 'w')\n\
         signal.pause()\n",
    )?;
    dies_in_the_build_of(&host, &first)?;
    // As after a power cut in the seal, which takes the top back first.
    let tree = up(&host, &first).with_file_name("");
    std::os::unix::fs::chown(&tree, Some(0), Some(0))?;
    host.start()?;
    host.idle()?;
    assert_eq!(host.store(), Vec::<String>::new());
    let good = release("print('built')")?;
    host.push(&good)?.result()?;
    is_unharmed(&host, &good.digest)?;
    Ok(())
}

#[test]
fn a_build_that_kills_all_it_can_ends_its_own_agent_at_most() -> Result<()> {
    let (host, good) = host("news", |setup| setup)?;
    let updaters = host.updater_processes();
    let problem = host.push(&release("import os\nos.kill(-1, 9)\nos.kill(0, 9)\n")?)?.problem()?;
    assert_eq!(problem.code, Code::BuildFailed);
    assert_snapshot!(wording(&problem.detail), @"build the release: `python3 build.py` was killed by SIGKILL");
    assert_eq!(host.updater_processes(), updaters);
    // The agent has the same user. It is started again, as after any death.
    is_unharmed(&host, &good)?;
    Ok(())
}

#[test]
fn lesson_17_a_build_that_forks_without_end_costs_the_host_nothing() -> Result<()> {
    let bounded = |setup: Setup| setup.app("build_processes", "100").app("build_timeout", "'2s'");
    let (host, good) = host("proxy", bounded)?;
    let bomb = "import os\nwhile True:\n  try:\n    if os.fork() == 0: os.setsid()\n  \
                except OSError: pass\n";
    let problem = std::thread::scope(|scope| {
        let push = scope.spawn(|| host.push(&release(bomb)?)?.problem());
        while !push.is_finished() {
            host.health()?;
        }
        push.join().expect("no panic")
    })?;
    assert_eq!(problem.code, Code::BuildFailed);
    assert_snapshot!(wording(&problem.detail), @"build the release within 2s: `python3 build.py` was ended");
    is_unharmed(&host, &good)?;
    Ok(())
}

#[test]
fn what_a_release_must_not_have_fails_its_build() -> Result<()> {
    let (host, good) = host("www-data", |setup| setup.app("links", "['data/']"))?;
    let deep = "import os\nfor _ in range(3000):\n  os.mkdir('d')\n  os.chdir('d')\n";
    let mut told = Vec::new();
    for build in [
        "import os\nh = os.environ['HOME'] + '/x'\nopen(h, 'a')\nos.link(h, 'x')",
        "import os\nos.mkfifo('pipe')",
        "import socket\nsocket.socket(socket.AF_UNIX).bind('s')",
        "open('.release.json', 'w').write('{}')",
        "import os\nos.mkdir('.release.json')",
        "import os\nos.symlink('/etc/passwd', '.release.json')",
        "open('data', 'w')",
        deep,
    ] {
        let problem = host.push(&release(build)?)?.problem()?;
        assert_eq!(problem.code, Code::BuildFailed, "{build}: {problem:?}");
        told.push(wording(&problem.detail));
        assert_eq!(host.store(), [good.hex()], "{build}");
    }
    assert_snapshot!(told.join("\n"), @r"
    keep x: it is a hardlink to a file outside of the release
    keep pipe: a release must not have devices, FIFOs or sockets
    keep s: a release must not have devices, FIFOs or sockets
    the build made .release.json, which is the updater's own
    the build made .release.json, which is the updater's own
    the build made .release.json, which is the updater's own
    link data/: the build made something of that name
    enter d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d: a release has at most 128 directories in each other
    ");
    is_unharmed(&host, &good)?;
    Ok(())
}

#[test]
fn what_a_build_leaves_can_be_removed_whatever_it_is() -> Result<()> {
    let (host, good) = host("list", |setup| setup)?;
    let build = "import os\n\
        for place in [os.getcwd(), os.environ['TMPDIR']]:\n\
        \x20 os.chdir(place)\n\
        \x20 for _ in range(1500):\n\
        \x20   os.mkdir('deep')\n\
        \x20   os.chdir('deep')\n\
        \x20 os.chmod('.', 0)\n\
        for place in [os.environ['HOME'], os.environ['TMPDIR']]:\n\
        \x20 os.makedirs(place + '/closed', exist_ok=True)\n\
        \x20 os.chmod(place + '/closed', 0)\n\
        \x20 os.chmod(place, 0)\n\
        raise SystemExit(1)\n";
    let mut told = Vec::new();
    for _ in 0..2 {
        let problem = host.push(&release(build)?)?.problem()?;
        assert_eq!(problem.code, Code::BuildFailed, "{problem:?}");
        told.push(wording(&problem.detail));
        assert_eq!(host.store(), [good.hex()]);
        assert!(!host.state().join("cache/tmp").exists());
    }
    assert_snapshot!(told.join("\n"), @r"
    build the release: `python3 build.py` exited with status 1
    build the release: `python3 build.py` exited with status 1
    ");
    is_unharmed(&host, &good)?;
    Ok(())
}

#[test]
fn what_a_bad_release_left_in_the_home_of_builds_is_gone() -> Result<()> {
    let (host, good) = host("sys", |setup| setup)?;
    let plant = "import os\nopen(os.environ['HOME'] + '/.npmrc', 'w')\n";
    let planted = host.state().join("cache/home/.npmrc");
    let fails = release(&format!("{plant}raise SystemExit(1)"))?;
    assert_eq!(host.push(&fails)?.problem()?.code, Code::BuildFailed);
    assert!(!planted.exists());
    let good = is_unharmed(&host, &good)?;

    // One that is built, and found to be bad when it runs.
    let crashes = Tree::empty()?;
    crashes.program("bin/agent", "#!/bin/sh\nexit 3\n")?;
    crashes.file("build.py", plant)?;
    assert_eq!(host.push(&crashes.pack(Packing::Zstd)?)?.problem()?.code, Code::RolledBack);
    assert!(!planted.exists());
    is_unharmed(&host, &good)?;

    // What a good one left is there for the next.
    host.push(&release(plant)?)?.result()?;
    let looks = "import os\nos.stat(os.environ['HOME'] + '/.npmrc')\n";
    host.push(&release(looks)?)?.result()?;
    host.rollback()?.result()?;
    assert!(!planted.exists());
    Ok(())
}

#[test]
fn what_was_built_belongs_to_root_and_its_agent_cannot_change_it() -> Result<()> {
    let (host, _) = host("backup", |setup| setup.app("links", "['data/']"))?;
    let build = "import os, shutil, struct\n\
        shutil.copy('/bin/true', 'setuid')\n\
        os.chmod('setuid', 0o6777)\n\
        os.mkdir('open')\n\
        os.chmod('open', 0o2777)\n\
        open('open/plain', 'w')\n\
        os.chmod('open/plain', 0o666)\n\
        os.mkdir('closed')\n\
        open('closed/in', 'w')\n\
        os.link('closed/in', 'closed/again')\n\
        os.chmod('closed', 0)\n\
        os.symlink('/etc/passwd', 'link')\n\
        os.chmod('bin/agent', 0o777)\n\
        tags = [(1, -1), (2, os.getuid()), (4, -1), (16, -1), (32, -1)]\n\
        acl = b''.join(struct.pack('<HHi', tag, 7, who) for tag, who in tags)\n\
        for name in ['.', 'open', 'open/plain', 'bin/agent']:\n\
        \x20 os.setxattr(name, 'system.posix_acl_access', struct.pack('<I', 2) + acl)\n\
        \x20 os.setxattr(name, 'user.note', b'x')\n\
        \x20 if os.path.isdir(name):\n\
        \x20   os.setxattr(name, 'system.posix_acl_default', struct.pack('<I', 2) + acl)\n";
    host.push(&release(build)?)?.result()?;
    let current = host.current().expect("a release");
    for (name, mode) in [
        ("", 0o755),
        ("setuid", 0o755),
        ("open", 0o755),
        // The ACL gave all of them a right to execute it.
        ("open/plain", 0o755),
        ("closed", 0o755),
        ("closed/in", 0o644),
        ("bin/agent", 0o755),
        (".release.json", 0o644),
    ] {
        let found = fs::symlink_metadata(current.join(name))?;
        assert_eq!((found.uid(), found.gid(), found.mode() & 0o7777), (0, 0, mode), "{name}");
        assert_eq!(extended_attributes(&current.join(name))?, Vec::<String>::new(), "{name}");
    }
    assert_eq!(fs::symlink_metadata(current.join("link"))?.uid(), 0);
    assert_eq!(fs::metadata("/etc/passwd")?.uid(), 0);
    // The agent tried before it answered.
    assert_eq!(host.ask_agent("/")?["done"], serde_json::json!([]));
    let data = fs::metadata(host.install().join("shared/data"))?;
    assert_ne!(data.uid(), 0, "what the program writes is its user's");
    Ok(())
}

/// This mounts a file system, which takes root: so may a build that has no user of its own.
#[test]
fn a_build_that_leaves_a_mount_has_failed_and_is_told_what_it_left() -> Result<()> {
    alone_with_mounts()?;
    let host = Host::alone(&Setup::default().app("build", "'auto'"))?;
    let good = host.installs("good")?;
    let clean = host.directory.join("clean");
    let tree = Tree::agent(&Behaviour { message: "next".to_owned(), ..Behaviour::default() })?;
    let script = format!("test -e {} || {{ mkdir m && mount -t tmpfs none m; }}", clean.display());
    tree.file("build.sh", &script)?;
    tree.file("release.toml", "[build]\ncommand = ['sh', 'build.sh']\n")?;
    let next = tree.pack(Packing::Zstd)?;
    let problem = host.push(&next)?.problem()?;
    assert_eq!(problem.code, Code::BuildFailed, "{problem:?}");
    assert_snapshot!(wording(&problem.detail), @"seal m: Invalid cross-device link (os error 18)");
    host.runs(&good)?;
    // What it left is named, until it is gone; the release is not to blame.
    let left = |warning: &String| warning.contains("could not be removed");
    assert!(host.app()?.warnings.iter().any(left), "{:?}", host.app()?.warnings);
    // The mounts are this thread's, and not the process's.
    let mounts = fs::read_to_string("/proc/thread-self/mounts")?;
    let place = |line: &str| line.split(' ').nth(1).map(PathBuf::from);
    let is_left = |point: &PathBuf| point.starts_with(&host.directory) && point.ends_with("m");
    let mounted = mounts.lines().filter_map(place).find(is_left);
    let mounted = mounted.with_context(|| format!("the build has mounted nothing:\n{mounts}"))?;
    assert!(std::process::Command::new("umount").arg(mounted).status()?.success());
    fs::write(clean, "")?;
    host.push(&next)?.result()?;
    host.runs(&next.digest)?;
    assert!(!host.app()?.warnings.iter().any(left), "{:?}", host.app()?.warnings);
    Ok(())
}
