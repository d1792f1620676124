//! Real builds, with the machine's own tools, which `tests/tools.sh` installs.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use protocol::BuildKind;

use super::{BuildError, BuildReport, Conditions, Contents, ReleaseFacts, plan, run_build};
use crate::config::{AppConfig, Config};
use crate::sys::bounds::StopCheck;
use crate::sys::program::STANDARD_PATH;
use crate::sys::user::User;
use protocol::{ReleaseManifest, Space};

/// An app's directories, with releases beside each other as in a store.
struct Fixture {
    directory: tempfile::TempDir,
    config: AppConfig,
    manifest: ReleaseManifest,
    reserve: Space,
}

impl Fixture {
    /// With `lines` in the app's section.
    fn new(lines: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
        let text = format!("[app.agent]\ninstall_dir = '/opt/agent'\n{lines}\n");
        let config = Config::parse(&text).unwrap().apps.into_values().next().unwrap();
        let reserve = Space { bytes: 0, inodes: 0 };
        Self { directory, config, manifest: ReleaseManifest::default(), reserve }
    }

    fn release(&self, name: &str, files: &[(&str, &str)]) -> PathBuf {
        let release = self.directory.path().join("store").join(name);
        fs::create_dir_all(&release).unwrap();
        for (name, text) in files {
            let path = release.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        }
        release
    }

    fn build(&self, release: &Path, user: Option<&User>) -> Result<BuildReport, BuildError> {
        let contents = Contents::read(release).unwrap();
        let plan = plan(&self.config, &self.manifest, &contents).unwrap();
        let cache = self.directory.path().join("cache");
        let conditions = Conditions {
            reserve: self.reserve,
            until: StopCheck(&|| false),
            units: None,
            facts: &ReleaseFacts::default(),
            log: &self.log(),
        };
        run_build(&plan, &self.config, release, user, &cache, conditions)
    }

    fn log(&self) -> PathBuf {
        self.directory.path().join("build.log")
    }

    fn kind(&self, release: &Path) -> BuildKind {
        let contents = Contents::read(release).unwrap();
        plan(&self.config, &self.manifest, &contents).unwrap().kind
    }

    /// A directory of tools that are no more than these scripts; the machine's own come after them.
    fn tools(&mut self, scripts: &[(&str, &str)]) {
        let directory = self.release("../tools", scripts);
        let path = format!("{}:{STANDARD_PATH}", directory.display());
        self.config.build_env.insert("PATH".to_owned(), path);
    }
}

/// What a program of the release prints.
fn printed(program: &Path, arguments: &[&str]) -> String {
    let ran = Command::new(program).args(arguments).env_clear().output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8(ran.stdout).unwrap().trim().to_owned()
}

#[test]
fn lesson_17_a_build_inherits_nothing_of_the_updater() {
    let fixture = Fixture::new("build = 'env'\nbuild_env = { TOKEN = 'of the host' }");
    let report = fixture.build(&fixture.release("a", &[]), None).unwrap();
    let mut names: Vec<&str> =
        report.tail.iter().filter_map(|line| Some(line.split_once('=')?.0)).collect();
    names.sort_unstable();
    let jobs = ["CMAKE_BUILD_PARALLEL_LEVEL", "MAKEFLAGS", "JOBS"];
    names.retain(|name| !jobs.contains(name));
    assert_eq!(names, ["HOME", "LANG", "LOGNAME", "PATH", "TMPDIR", "TOKEN", "USER"]);
    let ours = |name: &String| !names.contains(&name.as_str()) && !jobs.contains(&name.as_str());
    assert!(std::env::vars().any(|(name, _)| ours(&name)), "this process has more than that");
}

#[test]
fn lesson_17_a_build_that_does_not_end_is_ended_with_all_that_it_started() {
    let script = "#!/bin/sh\nsetsid sleep 1000 &\necho $! > pid\necho sleeping\nsleep 1000\n";
    let fixture = Fixture::new("build = './build'\nbuild_timeout = '500ms'");
    let release = fixture.release("a", &[("build", script)]);
    let error = fixture.build(&release, None).unwrap_err();
    assert!(matches!(error, BuildError::TimedOut { .. }), "{error}");
    assert_eq!(error.to_string(), "build the release within 500ms: `./build` was ended");
    assert_eq!(error.tail(), ["$ ./build", "sleeping"]);
    let pid = fs::read_to_string(release.join("pid")).unwrap();
    assert!(!Path::new("/proc").join(pid.trim()).exists());
}

#[test]
fn lesson_17_a_build_that_prints_without_end_is_ended() {
    let fixture = Fixture::new("build = 'yes'\nbuild_output = '1MiB'");
    let error = fixture.build(&fixture.release("a", &[]), None).unwrap_err();
    assert!(matches!(error, BuildError::TooMuchOutput { .. }), "{error}");
    assert!(error.tail().len() <= 40);
}

#[test]
fn lesson_36_the_cause_and_the_end_of_a_failed_build_are_kept() {
    let script = "#!/bin/sh\necho x.c: error: the cause\nseq 1 1000\necho the reason >&2\nexit 3\n";
    let fixture = Fixture::new("build = './build'");
    let error = fixture.build(&fixture.release("a", &[("build", script)]), None).unwrap_err();
    assert_eq!(error.to_string(), "build the release: `./build` exited with status 3");
    assert_eq!(error.tail().last().unwrap(), "the reason");
    assert_eq!(error.tail()[1], "x.c: error: the cause");
    assert_eq!(error.tail().len(), 40);
    assert_eq!(fs::read_to_string(fixture.log()).unwrap().lines().count(), 1003);
}

#[test]
fn a_lock_file_is_read_by_its_own_tool_or_nothing_is_built() {
    let mut fixture = Fixture::new("build_env = { PATH = '/bin:/usr/bin' }");
    let release = fixture.release("a", &[("package.json", "{}"), ("bun.lock", "")]);
    let error = fixture.build(&release, None).unwrap_err().to_string();
    assert!(
        error.contains("bun is not in the PATH (/bin:/usr/bin), and bun.lock needs it"),
        "{error}"
    );
    assert!(error.contains("`lock = \"ignore\"`"), "{error}");
    fixture.tools(&[("bun", "#!/bin/sh\necho \"$@\" >> asked\n")]);
    fixture.build(&release, None).unwrap();
    let asked = fs::read_to_string(release.join("asked")).unwrap();
    assert!(asked.starts_with("install --frozen-lockfile"), "{asked}");
}

#[test]
fn a_version_that_the_release_does_not_take_is_refused_before_anything_is_built() {
    let mut fixture = Fixture::new("");
    fixture.tools(&[("node", "#!/bin/sh\necho v16.20.0\n"), ("npm", "#!/bin/sh\ntouch built\n")]);
    let release = |name, wanted: &str| {
        let package = format!("{{\"engines\": {{\"node\": \"{wanted}\"}}}}");
        fixture.release(name, &[("package.json", package.as_str())])
    };
    let newer = release("newer", ">=18");
    let error = fixture.build(&newer, None).unwrap_err();
    assert_eq!(
        error.to_string(),
        "build the release: this host has node 16.20.0, and engines.node in package.json asks for \
         >=18: install such a version on this host, or name its directory in build_env (PATH)"
    );
    assert!(!newer.join("built").exists());
    let fitting = release("fitting", "^16.1 || 18");
    fixture.build(&fitting, None).unwrap();
    assert!(fitting.join("built").exists());
}

#[test]
fn a_missing_tool_is_named_with_what_to_install() {
    let fixture = Fixture::new("build_env = { PATH = '/nonexistent' }");
    let error = fixture.build(&fixture.release("a", &[("Makefile", "")]), None).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("make is not in the PATH (/nonexistent): install the package make"),
        "{error}"
    );
}

#[test]
fn the_home_lives_across_builds_and_the_temporary_directory_does_not() {
    let script =
        "#!/bin/sh\nls -A \"$HOME\" \"$TMPDIR\"\ntouch \"$HOME/in-home\" \"$TMPDIR/in-tmp\"\n";
    let fixture = Fixture::new("build = './build'");
    let release = fixture.release("a", &[("build", script)]);
    fixture.build(&release, None).unwrap();
    let tail = fixture.build(&release, None).unwrap().tail.join("\n");
    assert!(tail.contains("in-home") && !tail.contains("in-tmp"), "{tail}");
}

/// Only root can run programs as another user.
#[test]
fn a_build_runs_as_the_user_of_the_app() {
    if skip::skipped_without_root() {
        return;
    }
    let nobody = User::by_name("nobody").unwrap();
    let script = "#!/bin/sh\nid -un\ntouch made \"$HOME/x\" \"$TMPDIR/x\"\n\
                  touch ../beside || echo refused\ngrep NoNewPrivs /proc/self/status\n";
    let fixture = Fixture::new("build = './build'");
    let release = fixture.release("a", &[("build", script)]);
    chown(&release, Some(nobody.uid), Some(nobody.gid)).unwrap();
    let tail = fixture.build(&release, Some(&nobody)).unwrap().tail;
    assert_eq!(tail[1], "nobody");
    assert!(tail.contains(&"refused".to_owned()), "{tail:?}");
    assert!(tail.contains(&"NoNewPrivs:\t1".to_owned()), "{tail:?}");
}

/// Each of its processes forks for ever, in sessions of their own; the bound is reached at once,
/// and the deadline comes in the midst of it. Only other users than root have the bound.
#[test]
fn lesson_17_a_build_that_forks_while_it_is_killed_is_gone_with_all_of_it() {
    if skip::skipped_without_root() {
        return;
    }
    let user = User::by_name("games").unwrap();
    let bomb = "import os\nopen('begun', 'w').close()\nwhile True:\n  try:\n    if os.fork() == 0:\n      \
                os.setsid()\n  except OSError:\n    pass\n";
    let lines = "build = ['python3', 'bomb.py']\nbuild_timeout = '1s'\nbuild_processes = 150";
    let fixture = Fixture::new(lines);
    let release = fixture.release("a", &[("bomb.py", bomb)]);
    chown(&release, Some(user.uid), Some(user.gid)).unwrap();
    let error = fixture.build(&release, Some(&user)).unwrap_err();
    assert!(matches!(error, BuildError::TimedOut { .. }), "{error}");
    assert!(release.join("begun").exists());
    let at_work: Vec<u32> = sys::proc::all()
        .unwrap()
        .into_iter()
        .map(|stat| stat.pid)
        .filter(|pid| fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd == release))
        .collect();
    assert_eq!(at_work, Vec::<u32>::new());
}

/// Its agent's processes count too. Only other users than root have the bound.
#[test]
fn a_user_with_too_many_processes_is_told_what_to_raise() {
    if skip::skipped_without_root() {
        return;
    }
    let user = User::by_name("man").unwrap();
    let mut others: Vec<_> =
        (0..17).map(|_| Command::new("sleep").arg("1000").uid(user.uid).spawn().unwrap()).collect();
    let fixture = Fixture::new("build = 'true'\nbuild_processes = 16");
    let release = fixture.release("a", &[]);
    let refused = fixture.build(&release, Some(&user));
    for other in &mut others {
        other.kill().unwrap();
        other.wait().unwrap();
    }
    let error = refused.unwrap_err();
    assert!(error.to_string().ends_with("raise build_processes"), "{error}");
    fixture.build(&release, Some(&user)).unwrap();
}

#[test]
fn a_build_without_network_has_none_or_says_that_it_cannot() {
    let fixture = Fixture::new("build = ['cat', '/proc/self/net/dev']\nbuild_network = false");
    match fixture.build(&fixture.release("a", &[]), None) {
        Ok(report) => {
            let devices: Vec<&str> = report
                .tail
                .iter()
                .filter_map(|line| Some(line.split_once(':')?.0.trim()))
                .collect();
            assert_eq!(devices, ["lo"]);
        }
        Err(error) => assert!(matches!(error, BuildError::Run { .. }), "{error}"),
    }
}

#[test]
fn memory_is_bounded_for_each_process() {
    let script = "#!/bin/sh\nulimit -v\n";
    let fixture = Fixture::new("build = './build'\nbuild_memory = '512MiB'");
    let report = fixture.build(&fixture.release("a", &[("build", script)]), None).unwrap();
    assert_eq!(report.tail.last().unwrap(), "524288");
}

#[test]
fn a_build_that_leaves_no_room_on_the_disk_is_ended() {
    let mut fixture = Fixture::new("build = ['sleep', '1000']");
    fixture.reserve.bytes = u64::MAX;
    let error = fixture.build(&fixture.release("a", &[]), None).unwrap_err();
    assert!(matches!(error, BuildError::NoRoom { .. }), "{error}");
}

#[test]
fn files_and_descriptors_of_a_build_are_bounded() {
    let script = "#!/bin/sh\nulimit -n\nulimit -Hn\ndd if=/dev/zero of=large bs=1M count=3\n";
    let lines = "build = './build'\nbuild_open_files = 100\nbuild_file_size = '2MiB'";
    let fixture = Fixture::new(lines);
    let release = fixture.release("a", &[("build", script)]);
    let error = fixture.build(&release, None).unwrap_err();
    assert_eq!(error.tail()[1..3], ["100", "100"]);
    assert_eq!(fs::metadata(release.join("large")).unwrap().len(), 2 << 20);
}

#[test]
fn make_is_run_where_there_is_a_makefile() {
    let fixture = Fixture::new("");
    let release = fixture.release("a", &[("Makefile", "all:\n\techo made > out\n")]);
    fixture.build(&release, None).unwrap();
    assert_eq!(fs::read_to_string(release.join("out")).unwrap(), "made\n");
}

#[test]
fn npm_runs_the_script_build() {
    let package = r#"{"name": "a", "version": "1.0.0", "scripts": {"build": "echo built > out"}}"#;
    let fixture = Fixture::new("");
    let release = fixture.release("a", &[("package.json", package)]);
    fixture.build(&release, None).unwrap();
    assert_eq!(fs::read_to_string(release.join("out")).unwrap(), "built\n");
}

#[test]
fn cargo_leaves_the_binary_in_the_release() {
    // As cargo and nextest tell whatever they run.
    let cargo = PathBuf::from(std::env::var_os("CARGO").unwrap());
    let path = format!("{}:/usr/bin:/bin", cargo.parent().unwrap().display());
    let fixture = Fixture::new(&format!("build_env = {{ PATH = '{path}' }}"));
    let manifest = "[package]\nname = 'hello'\nversion = '1.0.0'\nedition = '2024'\n[workspace]\n";
    let main = "fn main() { println!(\"hello\") }\n";
    let release = fixture.release("a", &[("Cargo.toml", manifest), ("src/main.rs", main)]);
    fixture.build(&release, None).unwrap();
    assert_eq!(printed(&release.join("target/release/hello"), &[]), "hello");
}

/// A wheel of the package `dependency` in a version, made without any tool of Python's.
fn wheel(release: &Path, version: &str) {
    let script = "import sys, zipfile\n\
        path, version = sys.argv[1:]\n\
        info = f'dependency-{version}.dist-info/'\n\
        with zipfile.ZipFile(f'{path}/dependency-{version}-py3-none-any.whl', 'w') as wheel:\n\
        \x20   wheel.writestr('dependency.py', f'VERSION = {version!r}\\n')\n\
        \x20   wheel.writestr(info + 'METADATA', f'Metadata-Version: 2.1\\nName: dependency\\nVersion: {version}\\n')\n\
        \x20   wheel.writestr(info + 'WHEEL', 'Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')\n\
        \x20   wheel.writestr(info + 'RECORD', '')\n";
    printed(
        Path::new("/usr/bin/python3"),
        &["-c", script, &release.display().to_string(), version],
    );
}

#[test]
fn lesson_04_each_release_has_a_virtualenv_of_its_own() {
    let fixture = Fixture::new("build_env = { PIP_NO_INDEX = '1' }");
    let main = "import dependency, sys\nprint(dependency.VERSION, sys.prefix)\n";
    let releases = ["1.0", "2.0"].map(|version| {
        let requirements = format!("./dependency-{version}-py3-none-any.whl\n");
        let files = [("requirements.txt", requirements.as_str()), ("main.py", main)];
        let release = fixture.release(version, &files);
        wheel(&release, version);
        assert_eq!(fixture.kind(&release), BuildKind::Python);
        fixture.build(&release, None).unwrap();
        release
    });
    for (release, version) in releases.iter().zip(["1.0", "2.0"]) {
        let python = release.join(".venv/bin/python");
        let venv = release.join(".venv");
        let main = release.join("main.py").display().to_string();
        assert_eq!(printed(&python, &[&main]), format!("{version} {}", venv.display()));
        // The tree will be read-only: there is nothing left to compile.
        assert!(release.join("__pycache__").is_dir());
    }
}

#[test]
fn what_a_pylock_says_is_installed() {
    let fixture = Fixture::new("build_env = { UV_OFFLINE = '1' }");
    let release = fixture.release("a", &[("requirements.txt", "dependency\n")]);
    for version in ["1.0", "2.0"] {
        wheel(&release, version);
    }
    let first = release.join("dependency-1.0-py3-none-any.whl").display().to_string();
    let hash = printed(Path::new("/usr/bin/sha256sum"), &[&first]);
    let text = format!(
        "lock-version = '1.0'\ncreated-by = 'test'\n[[packages]]\nname = 'dependency'\nversion = '1.0'\n\
         wheels = [{{ path = 'dependency-1.0-py3-none-any.whl', hashes = {{ sha256 = '{}' }} }}]\n",
        hash.split(' ').next().unwrap()
    );
    fs::write(release.join("pylock.toml"), text).unwrap();
    fixture.build(&release, None).unwrap();
    let python = release.join(".venv/bin/python");
    assert_eq!(printed(&python, &["-c", "import dependency; print(dependency.VERSION)"]), "1.0");
}

#[test]
fn a_project_that_lists_nothing_gets_a_bare_virtualenv() {
    let fixture = Fixture::new("build_env = { PIP_NO_INDEX = '1' }");
    let pyproject = "[project]\nname = 'service'\nversion = '1.0'\n";
    // The archive brings a virtualenv of another machine, and a source that is not Python's.
    let files =
        [("pyproject.toml", pyproject), (".venv/bin/python", "elf"), ("templates/x.py", "{{ x }")];
    let release = fixture.release("a", &files);
    fixture.build(&release, None).unwrap();
    let python = release.join(".venv/bin/python");
    assert_eq!(printed(&python, &["-c", "print(1 + 1)"]), "2");
}

#[test]
fn a_setup_py_is_installed_as_pip_does() {
    let fixture = Fixture::new("build_env = { PIP_NO_INDEX = '1', PIP_NO_BUILD_ISOLATION = '0' }");
    let setup = "import setuptools\nsetuptools.setup(name='greeter', version='1.0', \
                 py_modules=['greeter'])\n";
    let files = [("setup.py", setup), ("greeter.py", "GREETING = 'hello'\n")];
    let release = fixture.release("a", &files);
    fixture.build(&release, None).unwrap();
    let python = release.join(".venv/bin/python");
    assert_eq!(printed(&python, &["-c", "import greeter; print(greeter.GREETING)"]), "hello");
}
