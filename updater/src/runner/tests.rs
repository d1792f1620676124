//! The process runner, with real agents.

use std::fs;
use std::io::{Read as _, Write as _};
use std::time::Duration;

use super::testing::{App, all_gone, exit_of};
use super::*;
use crate::sys::process::ProcessId;

const LONG: Duration = Duration::from_mins(1);

#[test]
fn lesson_17_an_agent_gets_the_stated_environment_and_nothing_else() {
    let app = App::new();
    let mut launch = app.launch("#!/bin/sh\nenv\n");
    launch.environment.insert("PASSIVE".to_owned(), "1".to_owned());
    let instance = app.runner.start(&launch).unwrap();
    assert_eq!(exit_of(&instance).describe(), "exited with status 0");
    let mut lines = app.runner.shown_output(&instance);
    // What the shell itself sets.
    lines.retain(|line| !line.starts_with("PWD=") && !line.starts_with("RELEASE_INSTANCE="));
    lines.sort();
    let user = sys::user::User::current().unwrap();
    let release = launch.release_path.display();
    let expected = [
        format!("HOME={}", user.home.display()),
        "LANG=C.UTF-8".to_owned(),
        format!("LOGNAME={}", user.name),
        "PASSIVE=1".to_owned(),
        format!("PATH={}", sys::program::STANDARD_PATH),
        format!("RELEASE_DIGEST=sha256:{}", "07".repeat(32)),
        format!("RELEASE_PATH={release}"),
        "RELEASE_VERSION=1.2".to_owned(),
        format!("USER={}", user.name),
    ];
    assert_eq!(lines, expected);
}

#[test]
fn an_agent_that_no_file_names_is_found_again_and_never_started_twice() {
    let app = App::new();
    let launch = app.python("control = connect()\ntime.sleep(1000)");
    let first = app.runner.start(&launch).unwrap();
    let connection = app.accept();
    // The state directory is lost, and the updater with it.
    fs::remove_file(app.path("instance.json")).unwrap();
    let next = app.another_updater();
    assert!(next.find().unwrap().is_none());
    next.adopt_stray(&testing::DIGEST, Duration::ZERO).unwrap();
    let found = next.find().unwrap().unwrap();
    assert_eq!(found.process(), first.process());
    assert!(found.is_same(&first) && found.digest() == testing::DIGEST);
    // Of another release it is ended, and so it is before a start.
    fs::remove_file(app.path("instance.json")).unwrap();
    let other = app.another_updater();
    other.adopt_stray(&protocol::Digest::from_bytes([8; 32]), Duration::ZERO).unwrap();
    all_gone(connection);
    let second = next.start(&launch).unwrap();
    let connection = app.accept();
    fs::remove_file(app.path("instance.json")).unwrap();
    let third = app.another_updater().start(&launch).unwrap();
    let _open = app.accept();
    all_gone(connection);
    assert!(!second.is_alive() && third.is_alive());
}

#[test]
fn lesson_25_a_flag_for_one_start_is_gone_at_the_next() {
    let app = App::new();
    let mut launch = app.launch("#!/bin/sh\necho passive=$PASSIVE\n");
    launch.environment.insert("PASSIVE".to_owned(), "1".to_owned());
    exit_of(&app.runner.start(&launch).unwrap());
    launch.environment.clear();
    let second = app.runner.start(&launch).unwrap();
    exit_of(&second);
    assert_eq!(app.runner.shown_output(&second), ["passive="]);
}

#[test]
fn an_exit_is_seen_when_it_happens_and_leaves_no_zombie() {
    let app = App::new();
    let instance = app.runner.start(&app.launch("#!/bin/sh\necho why >&2\nexit 3\n")).unwrap();
    let report = exit_of(&instance);
    assert_eq!(report.describe(), "exited with status 3");
    assert_eq!(instance.exit(), Some(report));
    assert!(!instance.is_alive());
    assert_eq!(instance.process().stat(), None);
    assert_eq!(app.runner.shown_output(&instance), ["why"]);
    assert!(app.runner.find().unwrap().is_none());
}

#[test]
fn an_agent_that_ignores_term_is_killed_with_its_own_sessions() {
    let app = App::new();
    let launch = app.python(
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n\
         s = connect()\n\
         child = subprocess.Popen(['sleep', '1000'], start_new_session=True, close_fds=False)\n\
         if os.fork() == 0:\n    os.setsid()\n    if os.fork():\n        os._exit(0)\n    \
         s.send(str(os.getpid()).encode())\n    time.sleep(1000)\n\
         time.sleep(1000)",
    );
    let instance = app.runner.start(&launch).unwrap();
    let mut connection = app.accept();
    let mut number = [0; 16];
    let read = connection.read(&mut number).unwrap();
    let orphan: u32 = std::str::from_utf8(&number[..read]).unwrap().parse().unwrap();
    assert!(instance.owns(orphan));
    assert!(instance.owns(instance.process().pid));
    assert!(!instance.owns(std::process::id()));
    let killed = app.runner.stop(&instance, Duration::from_millis(50)).unwrap().unwrap();
    let told = killed.to_string();
    assert!(told.contains(&format!("{} (", instance.process().pid)), "{told}");
    assert!(told.ends_with(" did not end on TERM within 50ms and had to be killed"), "{told}");
    all_gone(connection);
    assert!(instance.members().is_empty());
    assert_eq!(exit_of(&instance).describe(), "was killed by SIGKILL");
    assert!(!app.path("instance.json").exists());
}

#[test]
fn an_agent_that_hears_term_is_not_killed() {
    let app = App::new();
    let launch = app.python(
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))\ns = connect()\ntime.sleep(1000)",
    );
    let instance = app.runner.start(&launch).unwrap();
    let connection = app.accept();
    app.runner.stop(&instance, LONG).unwrap();
    all_gone(connection);
    assert_eq!(exit_of(&instance).describe(), "exited with status 7");
}

/// A parent, which does `ON_QUIT`, and ends as its child ends: with 9 on QUIT, with 0 when the parent
/// lets go of it.
const LEADS_ITS_CHILD: &str = "r, w = os.pipe()\n\
     if os.fork() == 0:\n    os.close(w)\n    \
     signal.signal(signal.SIGQUIT, lambda *_: os._exit(9))\n    s = connect()\n    \
     os.read(r, 1)\n    os._exit(0)\n\
     signal.signal(signal.SIGQUIT, ON_QUIT)\n\
     signal.signal(signal.SIGTERM, signal.SIG_IGN)\n\
     s = connect()\n\
     os._exit(os.waitstatus_to_exitcode(os.wait()[1]))";

#[test]
fn an_agent_ends_on_its_own_signal_and_leads_the_end_of_its_processes_unless_it_says_otherwise() {
    for (kill_mode, on_quit, how) in [
        (protocol::KillMode::Mixed, "lambda *_: os.close(w)", "exited with status 0"),
        (protocol::KillMode::Group, "signal.SIG_IGN", "exited with status 9"),
    ] {
        let app = App::new();
        let mut launch = app.python(&LEADS_ITS_CHILD.replace("ON_QUIT", on_quit));
        let stop_signal = protocol::StopSignal::Quit;
        launch.behaviour = Behaviour { stop_signal, kill_mode, ..Behaviour::default() };
        let instance = app.runner.start(&launch).unwrap();
        let both = [app.accept(), app.accept()];
        // The next updater ends it as this start wants it.
        let killed = app.another_updater().clear(LONG).unwrap();
        both.into_iter().for_each(all_gone);
        assert_eq!(killed, None);
        assert_eq!(exit_of(&instance).describe(), how);
    }
}

#[test]
fn lesson_19_an_agent_outlives_its_updater_and_the_next_one_finds_it() {
    let app = App::new();
    let launch = app.python("s = connect()\ntime.sleep(1000)");
    let started = app.runner.start(&launch).unwrap();
    let connection = app.accept();
    let next = app.another_updater();
    let found = next.find().unwrap().unwrap();
    assert!(found.is_same(&started));
    assert_eq!(found.process(), started.process());
    assert_eq!(found.digest(), launch.digest);
    assert_eq!(found.release_path(), &launch.release_path);
    assert!(matches!(next.start(&launch), Err(RunnerError::Running { .. })));
    next.stop(&found, LONG).unwrap();
    all_gone(connection);
    assert!(app.runner.find().unwrap().is_none());
}

#[test]
fn an_updater_that_did_not_start_an_agent_learns_how_it_ended() {
    for control_groups in [true, false] {
        let app = App::with_control_groups(control_groups);
        let started = app.runner.start(&app.python("s = connect()\ntime.sleep(1000)")).unwrap();
        let connection = app.accept();
        let next = app.another_updater();
        let found = next.find().unwrap().unwrap();
        assert!(next.ended_unseen().unwrap().is_none());
        let leader = started.process().open().unwrap().unwrap();
        leader.signal(rustix::process::Signal::KILL).unwrap();
        all_gone(connection);
        assert_eq!(exit_of(&found).describe(), "was killed by SIGKILL");
        // And one that was not there, of the next start too.
        let seen = |runner: &dyn Runner| {
            runner.ended_unseen().unwrap().map(|ended| ended.exit().unwrap().describe())
        };
        let killed = "was killed by SIGKILL".to_owned();
        assert_eq!(seen(app.another_updater().as_ref()), Some(killed));
        let second = app.runner.start(&app.launch("#!/bin/sh\nexit 3\n")).unwrap();
        exit_of(&second);
        let other = app.another_updater();
        let ended = other.ended_unseen().unwrap().unwrap();
        assert!(ended.is_same(&second) && !ended.is_alive());
        let report = ended.exit().unwrap();
        assert_eq!(report.describe(), "exited with status 3");
        assert!(second.started_at() <= report.at && report.at <= sys::wall_clock());
        // This one has seen it, and what was ended has not died.
        assert_eq!(seen(app.runner.as_ref()), None);
        app.runner.clear(Duration::ZERO).unwrap();
        assert_eq!(seen(app.another_updater().as_ref()), None);
        let left = fs::read_dir(app.path("")).unwrap().flatten();
        let exits = |name: &std::ffi::OsStr| name.to_string_lossy().starts_with("exits-");
        assert_eq!(left.filter(|entry| exits(&entry.file_name())).count(), 0);
    }
}

#[test]
fn an_agent_is_found_though_the_updater_died_before_it_wrote_its_number_down() {
    let app = App::new();
    let started = app.runner.start(&app.python("s = connect()\ntime.sleep(1000)")).unwrap();
    let connection = app.accept();
    let record = app.path("instance.json");
    let mut text: serde_json::Value = serde_json::from_slice(&fs::read(&record).unwrap()).unwrap();
    text["leader"] = serde_json::Value::Null;
    fs::write(&record, text.to_string()).unwrap();
    let next = app.another_updater();
    assert_eq!(next.find().unwrap().unwrap().process(), started.process());
    next.clear(Duration::ZERO).unwrap();
    all_gone(connection);
}

#[test]
fn lesson_20_a_stranger_with_the_agents_number_is_let_live() {
    let app = App::new();
    exit_of(&app.runner.start(&app.launch("#!/bin/sh\n")).unwrap());
    let mut stranger =
        std::process::Command::new("cat").stdin(std::process::Stdio::piped()).spawn().unwrap();
    let record = app.path("instance.json");
    let mut text: serde_json::Value = serde_json::from_slice(&fs::read(&record).unwrap()).unwrap();
    let id = ProcessId::of(stranger.id()).unwrap();
    text["leader"]["pid"] = id.pid.into();
    text["leader"]["start_time"] = (id.start_time - 1).into();
    fs::write(&record, text.to_string()).unwrap();
    let next = app.another_updater();
    assert!(next.find().unwrap().is_none());
    next.clear(Duration::ZERO).unwrap();
    assert!(id.is_alive());
    stranger.kill().unwrap();
    stranger.wait().unwrap();
}

#[test]
fn what_a_dead_agent_left_behind_is_ended_by_the_next_start() {
    let app = App::new();
    let launch = app.python(
        "s = connect()\n\
         subprocess.Popen(['sleep', '1000'], start_new_session=True, close_fds=False)",
    );
    let first = app.runner.start(&launch).unwrap();
    let connection = app.accept();
    exit_of(&first);
    assert_eq!(first.members().len(), 1);
    let second = app.runner.start(&app.launch("#!/bin/sh\n")).unwrap();
    all_gone(connection);
    assert!(!second.is_same(&first));
}

#[test]
fn lesson_05_an_agent_that_cannot_be_started_is_an_error_value() {
    let app = App::new();
    let mut launch = app.launch("#!/no/such/interpreter\n");
    assert!(matches!(app.runner.start(&launch), Err(RunnerError::Start(_))));
    launch.command = vec!["no-such-program".to_owned()];
    assert!(matches!(app.runner.start(&launch), Err(RunnerError::Start(_))));
    assert!(!app.path("instance.json").exists());
    assert!(app.runner.find().unwrap().is_none());
}

#[test]
fn an_agent_that_prints_as_fast_as_it_can_stays_within_the_bound() {
    let app = App::with_log_bytes(100_000);
    let launch = app.python(
        "for _ in range(500):\n    os.write(1, b'x' * 99 * 100)\nos.write(1, b'\\nlast words\\n')",
    );
    let instance = app.runner.start(&launch).unwrap();
    exit_of(&instance);
    assert_eq!(app.runner.last_lines(&instance, 1), ["last words"]);
    for name in ["agent.log", "agent.log.1"] {
        assert!(fs::metadata(app.path(name)).unwrap().len() <= 100_000, "{name}");
    }
}

#[test]
fn an_agent_outlives_the_process_that_writes_its_log_and_gets_another_one() {
    let app = App::new();
    let launch = app.python(
        "s = connect()\nprint('one', flush=True)\ns.send(b'.')\ns.recv(1)\n\
         print('two', flush=True)\ns.send(b'.')\ntime.sleep(1000)",
    );
    let instance = app.runner.start(&launch).unwrap();
    let mut agent = app.accept();
    agent.read_exact(&mut [0]).unwrap();
    assert_eq!(app.runner.shown_output(&instance), ["one"]);
    let writer = app.log_writer();
    writer.open().unwrap().unwrap().signal(rustix::process::Signal::KILL).unwrap();
    writer.open().unwrap().inspect(|writer| drop(writer.wait(None)));
    agent.write_all(b".").unwrap();
    agent.read_exact(&mut [0]).unwrap();
    app.runner.tend_log().unwrap();
    assert!(instance.is_alive());
    assert_eq!(app.runner.shown_output(&instance), ["one", "two"]);
    let second = app.log_writer();
    assert!(second.is_alive() && second != writer);
    app.runner.stop(&instance, LONG).unwrap();
    all_gone(agent);
    assert!(!second.is_alive(), "the writer is left");
}

#[test]
fn a_record_of_a_newer_updater_is_left_alone() {
    let app = App::new();
    exit_of(&app.runner.start(&app.launch("#!/bin/sh\n")).unwrap());
    let record = app.path("instance.json");
    let text = fs::read_to_string(&record).unwrap();
    let newer = text.replace("\"format\": 1", "\"format\": 2");
    fs::write(&record, &newer).unwrap();
    assert!(app.another_updater().find().is_err());
    assert!(app.another_updater().clear(Duration::ZERO).is_err());
    assert_eq!(fs::read_to_string(&record).unwrap(), newer);
}
