//! The harness of booted hosts is what it says: hosts of their own, and nothing left of them.

use std::fs::{self, File};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use fleet_tests::booted::{Debian, Lab};
use fleet_tests::{LONG, Output, eventually};

#[test]
fn hosts_boot_talk_lose_their_power_and_leave_nothing() -> Result<()> {
    let Some(lab) = Lab::open(Debian::This)? else { return Ok(()) };
    let (one, two) = (lab.host("web-1")?, lab.host("web-2")?);
    std::thread::scope(|scope| {
        let other = scope.spawn(|| two.boot());
        one.boot()?;
        other.join().ok().context("it does not panic")?
    })?;
    for host in [&one, &two] {
        let state = host.run(["systemctl", "is-system-running"])?;
        let failed = host.run(["systemctl", "--failed", "--no-legend"])?.stdout;
        ensure!(state.stdout == "running\n", "{}{failed}{}", state.stdout, host.console());
        assert_eq!(host.shell("cat /proc/sys/kernel/hostname")?.stdout.trim(), host.name);
    }

    // They reach each other, and the test reaches them; nobody reaches the machine's network.
    two.shell("systemd-run --unit=echo python3 -c 'import socket\nserver = socket.create_server((\"\", 7))\nwhile True: server.accept()[0].sendall(b\"hello\")'")?.good()?;
    let dialled =
        eventually("the host to listen", LONG, || TcpStream::connect((two.address, 7)).ok());
    dialled.with_context(|| two.journal("echo.service"))?;
    let dial = format!("import socket; socket.create_connection(('{}', 7), 5)", two.address);
    one.run(["python3", "-c", &dial])?.good()?;
    let routes = one.shell("cat /proc/net/route")?.stdout;
    let anywhere = |route: &str| route.split('\t').nth(1) == Some("00000000");
    ensure!(!routes.lines().any(anywhere), "there is a way out: {routes}");
    let here = TcpListener::bind("127.0.0.1:0")?;
    let dial = format!(
        "import socket; socket.create_connection(('127.0.0.1', {}), 5)",
        here.local_addr()?.port()
    );
    assert_ne!(one.run(["python3", "-c", &dial])?.code, 0, "it shares our loopback");

    // A disk outlives its host's power, cut or not, and is nobody else's.
    one.write("/etc/note", "kept", 0o644)?;
    one.cut_power()?;
    assert!(one.run(["true"]).is_err());
    one.boot()?;
    assert_eq!(one.shell("cat /etc/note")?.good()?.stdout, "kept");
    assert!(!two.path("/etc/note").exists());
    one.power_off()?;
    assert_eq!(fs::read_to_string(one.path("/etc/note"))?, "kept");

    // Two is still on.
    let directory = two.path("/").join("etc");
    assert!(directory.is_dir());
    drop((one, two));
    let bridge = Path::new("/sys/class/net").join(lab.bridge());
    assert!(bridge.exists());
    drop(lab);
    assert!(!bridge.exists());
    assert!(!directory.is_dir());
    Ok(())
}

#[test]
fn where_no_host_can_be_booted_that_is_said_loudly() -> Result<()> {
    let nobody = ["--reuid=65534", "--regid=65534", "--clear-groups"];
    // As in a container without privileges.
    let confined = ["--bounding-set=-sys_admin", "--inh-caps=-sys_admin"];
    let cases = [(&nobody[..], "this takes root"), (&confined[..], "refuses namespaces")];
    for (who, why) in cases {
        // What it tells the tests goes into a file, as it does when they are run.
        let told = tempfile::NamedTempFile::new()?;
        fs::set_permissions(&told, fs::Permissions::from_mode(0o666))?;
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("booted.sh");
        let mut command = Command::new("setpriv");
        command.args(who).args(["sh", "-s"]).stdin(File::open(script)?);
        let said = Output::of(command.env("NEXTEST_ENV", told.path()))?.good()?;
        let told = fs::read_to_string(&told)?;
        ensure!(said.stderr.contains("SKIPPED: the tests that boot hosts"), "{said:?}");
        ensure!(told.starts_with("FLEET_BOOTED_SKIP=") && told.contains(why), "{told}");
    }
    Ok(())
}
