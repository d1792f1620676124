//! The control group of an agent that is the updater's child, on the kernel's own.

use std::io::Read as _;
use std::path::PathBuf;
use std::time::Duration;

use super::testing::{App, all_gone};
use crate::sys::control_group::GroupLimits;

/// More than the test's own threads, so that what is bounded is the group and nothing else.
const TASKS: u64 = 24;

#[test]
fn what_an_agent_forks_is_bounded_and_ended_with_it_however_it_hides() {
    let limits = GroupLimits { tasks: Some(TASKS), memory: None };
    if let Err(error) = limits.directories("updater-none") {
        skip::skip(&format!("no control group can be made here: {}", common::chain(&error)));
        return;
    }
    let app = App::with(|run| run.tasks = Some(TASKS));
    // One hides: a session of its own, no parent, an empty environment. The others fork all they can.
    let launch = app.python(
        "control = connect()\n\
         if os.fork() == 0:\n    os.setsid()\n    if os.fork() != 0:\n        os._exit(0)\n    \
         os.execve('/bin/sleep', ['sleep', '1000'], {})\n\
         os.wait()\nforked = 0\ntry:\n    while forked < 100:\n        if os.fork() == 0:\n            \
         time.sleep(1000)\n        forked += 1\nexcept OSError:\n    pass\n\
         control.sendall(bytes([forked]))\ntime.sleep(1000)",
    );
    let instance = app.runner.start(&launch).unwrap();
    let mut connection = app.accept();
    let mut forked = [0];
    connection.read_exact(&mut forked).unwrap();
    // Itself and the hidden one are two of them.
    assert_eq!(u64::from(forked[0]), TASKS - 2);
    let group = app.record()["own_group"]["directories"][0].as_str().map(PathBuf::from).unwrap();
    assert!(group.is_dir());
    assert_eq!(app.runner.warning(None), None);
    // It ends also what an earlier updater has put there.
    app.another_updater().stop(&instance, Duration::ZERO).unwrap();
    all_gone(connection);
    assert!(!group.exists(), "{}", group.display());
}

#[test]
fn limits_that_do_not_hold_are_said() {
    let app = App::new();
    let launch = app.python("control = connect()\ntime.sleep(1000)");
    let instance = app.runner.start(&launch).unwrap();
    let connection = app.accept();
    assert_eq!(app.runner.warning(None), None);
    // As after a change of the configuration.
    let bounded = app.another_updater_with(|run| run.memory = Some(protocol::Bytes(1 << 30)));
    let warning = bounded.warning(None).unwrap();
    assert!(warning.ends_with("it was started before they were set"), "{warning}");
    bounded.stop(&instance, Duration::ZERO).unwrap();
    assert_eq!(bounded.warning(None), None);
    all_gone(connection);
}
