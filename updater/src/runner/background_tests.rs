//! What an agent starts is known and ended whatever it does, with a control group and with a keeper.

use std::io::Read as _;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::time::Duration;

use rustix::process::Signal;

use super::testing::{App, all_gone, exit_of};
use super::*;
use crate::sys::kept::KEEPER;
use crate::sys::proc;
use crate::sys::process::ProcessId;

/// A user that no agent here is of.
const NOBODY: u32 = 65534;
/// `become(code)`: runs this code, with `s` connected, as a program without environment or title.
const BECOME: &str = "def become(code):\n    s = connect()\n    \
     begin = f'import os, socket, sys, time; s = socket.socket(fileno={s.fileno()})\\n'\n    \
     os.execve(sys.executable, [sys.executable, '-c', begin + code], {})\n";
/// It says which process it is, and stays.
const STAYS: &str = "become('s.send(str(os.getpid()).encode())\\ntime.sleep(1000)')";

/// It says which process it is, and is the first of its start.
const STAYS_AS_IT_IS: &str = "s = connect()\ns.send(str(os.getpid()).encode())\ntime.sleep(1000)";

fn said(connection: &mut UnixStream) -> u32 {
    let mut number = [0; 16];
    let read = connection.read(&mut number).unwrap();
    std::str::from_utf8(&number[..read]).unwrap().parse().unwrap()
}

#[test]
fn a_daemon_that_hides_is_told_of_and_ended_by_the_next_updater() {
    for control_groups in [true, false] {
        let app = App::with_control_groups(control_groups);
        let launch =
            app.python(&format!("{BECOME}if os.fork() == 0:\n    os.setsid()\n    {STAYS}\n"));
        let instance = app.runner.start(&launch).unwrap();
        let mut connection = app.accept();
        let hidden = said(&mut connection);
        let report = exit_of(&instance).describe();
        assert!(
            report.starts_with(&format!("exited with status 0 and left {hidden} (")),
            "{report}"
        );
        assert!(report.contains("it went to the background"), "{report}");
        assert!(instance.owns(hidden));
        assert!(app.runner.find().unwrap().is_none());
        app.another_updater().clear(Duration::ZERO).unwrap();
        all_gone(connection);
        assert!(!app.path("instance.json").exists());
    }
}

#[test]
fn the_workers_of_a_master_that_was_killed_are_gone_before_the_next_start() {
    for control_groups in [true, false] {
        let app = App::with_control_groups(control_groups);
        let workers = format!(
            "{BECOME}for _ in range(2):\n    if os.fork() == 0:\n        {STAYS}\ntime.sleep(1000)"
        );
        let instance = app.runner.start(&app.python(&workers)).unwrap();
        let mut both = [app.accept(), app.accept()];
        let pids = both.each_mut().map(said);
        let master = instance.process().open().unwrap().unwrap();
        master.signal(Signal::KILL).unwrap();
        assert_eq!(exit_of(&instance).describe(), "was killed by SIGKILL");
        assert!(pids.iter().all(|pid| instance.owns(*pid)));
        // The updater that has started it is gone.
        let next = app.another_updater();
        assert!(next.find().unwrap().is_none());
        let second = next.start(&app.python("s = connect()\ntime.sleep(1000)")).unwrap();
        both.into_iter().for_each(all_gone);
        let connection = app.accept();
        assert!(second.is_alive());
        next.stop(&second, Duration::ZERO).unwrap();
        all_gone(connection);
    }
}

#[test]
fn an_agent_that_starts_itself_anew_is_followed() {
    for control_groups in [true, false] {
        let app = App::with_control_groups(control_groups);
        // As nginx and gunicorn do on USR2: the listening socket is passed on, and the first one goes.
        let launch = app.python(
            "l = socket.socket()\nl.bind(('127.0.0.1', 0))\nl.listen()\ntime.sleep(0.7)\n\
             if os.fork():\n    os._exit(0)\n\
             s = connect()\ns.send(str(os.getpid()).encode())\ntime.sleep(1000)",
        );
        let instance = app.runner.start(&launch).unwrap();
        let mut connection = app.accept();
        let next = said(&mut connection);
        let found = app.runner.find().unwrap().unwrap();
        assert!(found.is_same(&instance) && found.process().pid == next && instance.is_alive());
        assert_eq!(instance.exit(), None);
        app.runner.tend_log().unwrap();
        let again = app.another_updater().find().unwrap().unwrap();
        assert_eq!(again.process(), found.process());
        app.another_updater().clear(Duration::ZERO).unwrap();
        all_gone(connection);
        assert_eq!(exit_of(&instance).describe(), "ended");
    }
}

#[test]
fn what_forks_on_and_on_is_gone_when_its_agent_is_stopped() {
    for control_groups in [true, false] {
        let app = App::with_control_groups(control_groups);
        // No look at all processes finds one of these for long.
        let launch = app.python(
            "s = connect()\nif os.fork() == 0:\n    os.setsid()\n    \
             signal.signal(signal.SIGTERM, signal.SIG_IGN)\n    s.send(b'x')\n    while True:\n        \
             if os.fork():\n            os._exit(0)\ntime.sleep(1000)",
        );
        let instance = app.runner.start(&launch).unwrap();
        let mut connection = app.accept();
        connection.read_exact(&mut [0]).unwrap();
        let killed = app.another_updater().stop(&instance, Duration::from_millis(300)).unwrap();
        assert!(killed.unwrap().to_string().contains("had to be killed"));
        all_gone(connection);
    }
}

#[test]
fn the_mark_of_a_start_proves_nothing_of_another_users_process() {
    for control_groups in [true, false] {
        let app = App::with_control_groups(control_groups);
        let instance = app.runner.start(&app.python("s = connect()\ntime.sleep(1000)")).unwrap();
        let connection = app.accept();
        let mark = app.record()["mark"].as_str().unwrap().to_owned();
        let mut command = std::process::Command::new("sleep");
        let mut other = command.arg("1000").env(members::MARK, &mark).uid(NOBODY).spawn().unwrap();
        assert!(instance.owns(instance.process().pid) && !instance.owns(other.id()));
        let group = app.record()["unified_group"].to_string();
        assert!(!group.contains(&mark), "every user can read its name: {group}");
        other.kill().unwrap();
        other.wait().unwrap();
        app.runner.stop(&instance, Duration::ZERO).unwrap();
        all_gone(connection);
    }
}

#[test]
fn an_agent_of_another_user_can_neither_leave_its_group_nor_signal_its_keeper() {
    for control_groups in [true, false] {
        let app = App::with_control_groups(control_groups);
        let launch = app.python(&format!(
            "s = connect()\nos.setgroups([])\nos.setgid({NOBODY})\nos.setuid({NOBODY})\n\
             def refused(act):\n    try:\n        act()\n    except OSError:\n        return b'y'\n    \
             return b'n'\n\
             mounts = [line.split() for line in open('/proc/mounts')]\n\
             top = [mount[1] for mount in mounts if mount[2] == 'cgroup2']\n\
             own = [line[3:].strip() for line in open('/proc/self/cgroup') if line.startswith('0::')]\n\
             def leave():\n    \
             open(top[0] + os.path.dirname(own[0]) + '/cgroup.procs', 'w').write('0')\n\
             s.send(refused(lambda: os.kill(os.getppid(), 9)) + (refused(leave) if top else b'y'))\n\
             time.sleep(1000)",
        ));
        let instance = app.runner.start(&launch).unwrap();
        let mut connection = app.accept();
        let mut refused = [0; 2];
        connection.read_exact(&mut refused).unwrap();
        assert_eq!(&refused, b"yy");
        app.runner.stop(&instance, Duration::ZERO).unwrap();
        all_gone(connection);
    }
}

/// It goes to the background, and writes this down as the number of the process that stays.
fn daemon(app: &App, number: &str) -> Launch {
    daemon_that(app, &format!("open('run.pid', 'w').write(str({number}) + '\\n')"), "run.pid")
}

/// It goes to the background, does this there, and says that its number is in a file.
fn daemon_that(app: &App, does: &str, file: &str) -> Launch {
    let mut launch = app.python(&format!(
        "{BECOME}if os.fork() == 0:\n    os.setsid()\n    {does}\n    {STAYS}\n",
    ));
    launch.behaviour.pid_file = Some(file.into());
    launch
}

#[test]
fn what_goes_to_the_background_is_followed_by_its_pid_file() {
    for control_groups in [true, false] {
        let app = App::with_control_groups(control_groups);
        let instance = app.runner.start(&daemon(&app, "os.getpid()")).unwrap();
        let mut connection = app.accept();
        assert_eq!(said(&mut connection), instance.process().pid);
        assert!(instance.is_alive());
        let next = app.another_updater();
        assert_eq!(next.find().unwrap().unwrap().process(), instance.process());
        next.clear(Duration::from_mins(1)).unwrap();
        all_gone(connection);
    }
}

#[test]
fn a_pid_file_that_names_a_foreign_process_is_not_believed() {
    let app = App::new();
    let own = ProcessId::of(std::process::id()).unwrap();
    let refused = app.runner.start(&daemon(&app, &own.pid.to_string())).unwrap_err();
    let why = refused.to_string();
    assert!(why.contains("and run.pid names none of these"), "{why}");
    all_gone(app.accept());
    assert!(own.is_alive() && !app.path("instance.json").exists());
}

#[test]
fn a_pid_file_below_a_link_into_shared_is_followed_and_one_that_is_missing_is_told() {
    let app = App::new();
    let shared = app.path("install/shared/run");
    std::fs::create_dir_all(&shared).unwrap();
    let beside = std::path::Path::new("../../..").join("shared/run");
    std::os::unix::fs::symlink(beside, app.release().join("run")).unwrap();
    let writes = "open('run/d.pid', 'w').write(str(os.getpid()))";
    let instance = app.runner.start(&daemon_that(&app, writes, "run/d.pid")).unwrap();
    let mut connection = app.accept();
    assert_eq!(said(&mut connection), instance.process().pid);
    app.runner.stop(&instance, Duration::ZERO).unwrap();
    all_gone(connection);
    for (does, why) in [
        ("os.remove('run/d.pid')", "and run/d.pid is not there"),
        ("open('run/d.pid', 'w').write('none')", "and run/d.pid has no number in it"),
    ] {
        let refused = app.runner.start(&daemon_that(&app, does, "run/d.pid")).unwrap_err();
        assert!(refused.to_string().contains(why), "{refused}");
        all_gone(app.accept());
    }
}

#[test]
fn what_stays_in_the_foreground_against_its_word_is_reaped() {
    for control_groups in [true, false] {
        let app = App::with_control_groups(control_groups);
        let mut launch = app.python(STAYS_AS_IT_IS);
        launch.behaviour.pid_file = Some("run.pid".into());
        let refused = app.runner.start(&launch).unwrap_err().to_string();
        assert!(refused.contains("stays in the foreground"), "{refused}");
        let mut connection = app.accept();
        assert_eq!(proc::stat(said(&mut connection)), None);
        all_gone(connection);
        let own = std::process::id();
        let left = |stat: &proc::Stat| stat.parent == own && proc::name(stat.pid) == KEEPER;
        assert!(!proc::all().unwrap().iter().any(left), "its keeper is left");
    }
}
