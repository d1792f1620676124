//! `updater enroll`: the bundle that `swarm enroll` made is put in place by one command.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};
use fleet_tests::{Daemon, Fleet, Output, eventually, program, wording};
use insta::assert_snapshot;
use updater::release::remove_tree;

/// A fleet, with the bundle of a host that is not there yet, and where its files will be.
struct BundleFixture {
    fleet: Fleet,
    port: String,
}

impl BundleFixture {
    fn new() -> Result<Self> {
        let fleet = Fleet::new()?;
        let address = fleet.sandbox().free_port()?;
        let (ip, port) = (address.ip().to_string(), address.port().to_string());
        let fixture = Self { fleet, port };
        fixture.bundle("web-1", &ip)?;
        fixture.bundle("web-2", &ip)?;
        let text = fs::read_to_string(fixture.bundled("web-1/updater.toml"))?;
        let text = text
            .replace("/var/lib/updater", &fixture.path("state"))
            .replace("[self]\n", &format!("[self]\ninstall_dir = '{}'\n", fixture.path("self")))
            .replace("/opt/agent", &fixture.path("agent"))
            .replace("# command", "command");
        fs::write(fixture.bundled("web-1/updater.toml"), text)?;
        Ok(fixture)
    }

    fn bundle(&self, name: &str, ip: &str) -> Result<()> {
        let mut command = self.fleet.command(["enroll", "--updater", "--name", name])?;
        command.args(["--address", ip, "--updater-port", &self.port, "--agent-port", "8765"]);
        Output::of(command.arg("--out-dir").arg(self.bundled(name)))?.good()?;
        Ok(())
    }

    fn path(&self, name: &str) -> String {
        self.fleet.sandbox().path().join(name).display().to_string()
    }

    fn bundled(&self, name: &str) -> PathBuf {
        self.fleet.sandbox().path().join("bundles").join(name)
    }

    fn config(&self) -> PathBuf {
        self.fleet.sandbox().path().join("etc/updater.toml")
    }

    fn enroll(&self, name: &str, arguments: &[&str]) -> Result<Output> {
        Output::of(&mut self.enrolling(name, arguments)?)
    }

    fn enrolling(&self, name: &str, arguments: &[&str]) -> Result<Command> {
        let mut command = Command::new(program("updater")?);
        command.arg("enroll").arg(self.bundled(name)).arg("--config").arg(self.config());
        command.args(arguments).env_remove("SUDO_UID");
        Ok(command)
    }
}

fn mode(path: &Path) -> Result<u32> {
    Ok(fs::metadata(path)?.permissions().mode() & 0o7777)
}

#[test]
fn one_command_makes_a_host_of_a_bundle() -> Result<()> {
    let fixture = BundleFixture::new()?;
    let said = fixture.enroll("web-1", &["--no-start"])?.good()?.stdout;
    for words in ["this host is web-1 until 2", "identity: written to", "configuration: written to"]
    {
        assert!(said.contains(words), "{words}: {said}");
    }
    let identity = fixture.config().with_file_name("updater");
    assert_eq!(mode(&identity)?, 0o700);
    assert_eq!(mode(&identity.join("updater.key"))?, 0o600);

    // Typed again, it changes nothing, and what the operator wrote since stays.
    let text = fs::read_to_string(fixture.config())?.replace("# Asked", "# mine: asked");
    fs::write(fixture.config(), &text)?;
    let said = fixture.enroll("web-1", &["--no-start"])?.good()?.stdout;
    assert!(said.contains("is yours, and is kept") && said.contains("already"), "{said}");
    assert_eq!(fs::read_to_string(fixture.config())?, text);

    let log = fixture.fleet.sandbox().path().join("log");
    let daemon = Daemon::start(&fixture.config(), &log, "")?;
    eventually("the master to reach it", fleet_tests::LONG, || {
        fixture.fleet.swarm(["check", "--host", "web-1"]).ok()?.good().ok()
    })?;
    daemon.stop()
}

#[test]
fn another_identity_is_replaced_only_by_force_and_kept() -> Result<()> {
    let fixture = BundleFixture::new()?;
    fixture.enroll("web-1", &["--no-start"])?.good()?;
    let identity = fixture.config().with_file_name("updater");
    let key = fs::read(identity.join("updater.key"))?;
    let refused = fixture.enroll("web-2", &["--no-start"])?;
    assert_eq!(refused.code, 1);
    assert_snapshot!(wording(&refused.stderr), @r"
    error: failed to put the identity of updater/web-2 into SANDBOX/etc/updater: updater/web-1 (HEX) is there
      hint: --force puts the new one there, and keeps the old one beside it
    ");
    assert_eq!(fs::read(identity.join("updater.key"))?, key);

    let said = fixture.enroll("web-2", &["--no-start", "--force"])?.good()?.stdout;
    assert!(said.contains("this host is web-2") && said.contains("the old one is"), "{said}");
    assert_ne!(fs::read(identity.join("updater.key"))?, key);
    let etc = fs::read_dir(identity.parent().expect("etc"))?.flatten();
    let old = etc.map(|entry| entry.path()).find(|path| {
        path.file_name().and_then(OsStr::to_str).is_some_and(|name| name.contains(".replaced-"))
    });
    assert_eq!(fs::read(old.expect("the old one is kept").join("updater.key"))?, key);
    Ok(())
}

#[test]
fn renewed_certificates_of_the_same_updater_need_no_force() -> Result<()> {
    let fixture = BundleFixture::new()?;
    fixture.enroll("web-1", &["--no-start"])?.good()?;
    let bundle = fixture.bundled("web-1");
    remove_tree(&bundle)?;
    let renew = ["enroll", "--renew", "web-1", "--out-dir"].map(OsStr::new);
    fixture.fleet.swarm(renew.into_iter().chain([bundle.as_os_str()]))?.good()?;
    let said = fixture.enroll("web-1", &["--no-start"])?.good()?.stdout;
    assert!(said.contains("the old one is"), "{said}");
    let key = |directory: &Path| fs::read(directory.join("updater/updater.key"));
    assert_eq!(key(fixture.config().parent().expect("etc"))?, key(&bundle)?);
    Ok(())
}

#[test]
fn a_bundle_that_does_not_hold_together_puts_nothing_in_place() -> Result<()> {
    type Break = fn(&BundleFixture) -> Result<()>;
    let breaks: [(Break, &str); 10] = [
        (
            |fixture| {
                let key = fs::read(fixture.bundled("web-2/updater/updater.key"))?;
                Ok(fs::write(fixture.bundled("web-1/updater/updater.key"), key)?)
            },
            "is not the key of",
        ),
        (
            |fixture| {
                let key = fixture.bundled("web-1/updater/updater.key");
                Ok(fs::set_permissions(key, fs::Permissions::from_mode(0o644))?)
            },
            "chmod 600",
        ),
        (
            |fixture| {
                for (from, to) in [("worker.key", "updater.key"), ("worker.crt", "updater.crt")] {
                    let from = fixture.bundled("web-1/agent").join(from);
                    fs::copy(from, fixture.bundled("web-1/updater").join(to))?;
                }
                Ok(())
            },
            "agent/web-1, not of an updater",
        ),
        (
            |fixture| {
                for name in ["worker.key", "worker.crt"] {
                    let from = fixture.bundled("web-2/agent").join(name);
                    fs::copy(from, fixture.bundled("web-1/agent").join(name))?;
                }
                Ok(())
            },
            "its agent is agent/web-2",
        ),
        (|fixture| open_to_all(fixture, "web-1/updater.toml"), "chmod go-w"),
        (|fixture| open_to_all(fixture, "web-1/updater/ca.crt"), "chmod go-w"),
        (|fixture| open_to_all(fixture, "web-1/updater/updater.crt"), "chmod go-w"),
        (|fixture| open_to_all(fixture, "web-1/updater"), "chmod go-w"),
        (
            |fixture| {
                let ca = fixture.bundled("web-1/updater/ca.crt");
                fs::rename(&ca, fixture.bundled("web-1/other.crt"))?;
                Ok(std::os::unix::fs::symlink("../other.crt", ca)?)
            },
            "ca.crt of the bundle",
        ),
        (
            |fixture| Ok(fs::write(fixture.bundled("web-1/updater.toml"), "lissten = 'x'\n")?),
            "lissten",
        ),
    ];
    for (break_it, words) in breaks {
        let fixture = BundleFixture::new()?;
        break_it(&fixture)?;
        let refused = fixture.enroll("web-1", &["--no-start"])?;
        assert_eq!(refused.code, 1, "{words}: {refused:?}");
        assert!(refused.stderr.contains(words), "{words}: {refused:?}");
        assert!(!fixture.config().parent().is_some_and(Path::exists), "{words}");
    }
    Ok(())
}

fn open_to_all(fixture: &BundleFixture, name: &str) -> Result<()> {
    Ok(fs::set_permissions(fixture.bundled(name), fs::Permissions::from_mode(0o777))?)
}

#[test]
fn a_bundle_is_its_callers_or_roots() -> Result<()> {
    let root = nix::unistd::geteuid().is_root();
    ensure!(root, "only root can give a file away: run as root");
    for name in ["web-1", "web-1/updater", "web-1/updater/ca.crt", "web-1/updater.toml"] {
        let fixture = BundleFixture::new()?;
        std::os::unix::fs::chown(fixture.bundled(name), Some(4242), None)?;
        let refused = fixture.enroll("web-1", &["--no-start"])?;
        assert_eq!(refused.code, 1, "{name}: {refused:?}");
        assert!(refused.stderr.contains("belongs to the user 4242"), "{name}: {refused:?}");
        assert!(!fixture.config().parent().is_some_and(Path::exists), "{name}");
        // Who calls by way of sudo has copied it.
        let mut command = fixture.enrolling("web-1", &["--no-start"])?;
        Output::of(command.env("SUDO_UID", "4242"))?.good()?;
    }
    Ok(())
}

#[test]
fn what_the_check_finds_keeps_the_service_from_starting() -> Result<()> {
    let fixture = BundleFixture::new()?;
    let text = fs::read_to_string(fixture.bundled("web-1/updater.toml"))?;
    let text = text.replace("# user = \"agent\"", "user = \"nobody-of-this-name\"");
    fs::write(fixture.bundled("web-1/updater.toml"), text)?;
    let output = fixture.enroll("web-1", &[])?;
    assert_eq!(output.code, 1, "{output:?}");
    assert!(output.stdout.contains("nobody-of-this-name"), "{output:?}");
    assert!(output.stdout.contains("service: not started; fix these errors"), "{output:?}");
    Ok(())
}

#[test]
fn a_release_key_in_the_bundle_comes_along() -> Result<()> {
    let fixture = BundleFixture::new()?;
    let text = fs::read_to_string(fixture.bundled("web-1/updater.toml"))?;
    let text = text.replace("# trusted_keys", "trusted_keys");
    fs::write(fixture.bundled("web-1/updater.toml"), text)?;
    let key = fleet_tests::ReleaseKey::generate()?;
    fs::copy(key.public_file(), fixture.bundled("web-1/release.pub"))?;
    let said = fixture.enroll("web-1", &["--no-start"])?.good()?.stdout;
    assert!(said.contains("release key: written to"), "{said}");
    let placed = fixture.config().with_file_name("release.pub");
    assert!(placed.exists());

    // Where the operator has a configuration of his own, nobody else says who may sign.
    fs::remove_file(&placed)?;
    let said = fixture.enroll("web-1", &["--no-start"])?;
    assert!(said.stdout.contains("is yours, and is kept"), "{said:?}");
    assert!(said.stdout.contains("release.pub") && said.code == 1, "{said:?}");
    assert!(!placed.exists());
    Ok(())
}
