//! Hosts that a real systemd boots, for what can be seen only there: units, sockets, the journal,
//! packages, a power cut and the boot after it.
//!
//! A host is a container of `systemd-nspawn`: a Debian root that `tests/booted.sh` made, with a
//! disk of its own over it, and a network card on a bridge that only the hosts of one [`Lab`] and the
//! test are on. It is never on the machine's network, and has no way out.
//!
//! ```no_run
//! use fleet_tests::booted::{Debian, Lab};
//!
//! # fn test() -> anyhow::Result<()> {
//! // None where no host can be booted; the test is then counted as skipped.
//! let Some(lab) = Lab::open(Debian::This)? else { return Ok(()) };
//! let host = lab.host("web-1")?;                       // made, and not booted yet
//! host.write("/etc/motd", "hello", 0o644)?;            // put files in: before or after
//! host.boot()?;                                        // returns when all units are started
//! host.copy("/tmp/agent.service".as_ref(), "/etc/systemd/system/agent.service", 0o644)?;
//! host.run(["systemctl", "daemon-reload"])?.good()?;   // a command inside, as root
//! host.shell("systemctl start agent && id agent")?.good()?;
//! assert_eq!(host.show("agent.service", "NRestarts")?, "0");
//! println!("{}", host.journal("agent.service"));
//! let port = std::net::SocketAddr::from((host.address, 8766)); // the test dials this, and `swarm` does
//! host.cut_power()?;                                   // nothing was asked, nothing was flushed
//! host.boot()?;                                        // its disk is as it was
//! host.power_off()?;                                   // the units are stopped, in order
//! # Ok(()) }
//! ```
//!
//! [`BootedFleet`] is the same with an updater on each host, as a package installs it, and a master out
//! here: most tests begin there.
//!
//! The programs that the tests run are in every host, at a path that no unit hides, so that a
//! [`Tree::agent`](crate::Tree::agent) runs there too, wherever they were built. Hosts boot side by side from threads.
//! Tests that use this are in files `tests/tests/system/booted_*.rs`, by which name `nextest` knows that they
//! need the root, and that two of them at a time are enough. A dropped lab leaves nothing; what a
//! killed run has left, the next one takes down.

mod boot_notifications;
mod cgroup;
mod disk;
mod fleet;
mod host;
mod lab;
mod package;
mod root;

pub use fleet::{BootedFleet, Member};
pub use host::BootedHost;
pub use lab::Lab;
pub use package::{next_package, package, rpm_package};
pub use root::Debian;

/// The same tests on hosts of each [`Debian`]: functions that take it, and give a result.
#[macro_export]
macro_rules! on_each_debian {
    ($($test:ident),+ $(,)?) => {
        mod this_debian {
            $(#[test]
            fn $test() -> anyhow::Result<()> {
                super::$test($crate::booted::Debian::This)
            })+
        }

        mod next_debian {
            $(#[test]
            fn $test() -> anyhow::Result<()> {
                super::$test($crate::booted::Debian::Next)
            })+
        }
    };
}
