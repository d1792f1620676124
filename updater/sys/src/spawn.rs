//! Starting a process that inherits nothing which it was not given.
//!
//! Never passes on the updater's environment, descriptors, signal mask, umask or session.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::libc;
use nix::unistd::Uid;
use rustix::io::fcntl_dupfd_cloexec;

use super::gate::{Admission, Gate};
use super::limits::Limits;
use super::prepare::{AgentKeeper, Ids, Lifetime, Preparation};
use super::proc;
use super::program::{STANDARD_PATH, resolve};
use super::spawn_error::SpawnError;
use super::unsafe_calls::{self, Exec};
use super::user::User;

/// The first descriptor that is passed on: `sd_listen_fds(3)`.
const FIRST: RawFd = 3;

/// What a process is started with: all of it, since it inherits nothing.
#[derive(Debug)]
pub struct Spawn {
    pub program: PathBuf,
    /// What follows the program's name.
    pub arguments: Vec<String>,
    pub directory: PathBuf,
    pub environment: BTreeMap<String, String>,
    /// The user that it runs as.
    pub user: User,
    /// Where its standard output and error go.
    pub output: Output,
    /// What it and each of its descendants may use.
    pub limits: Limits,
    /// It and its descendants never gain rights by setuid programs.
    pub no_new_privileges: bool,
    /// It gets a network of its own, in which there is nothing. Needs root.
    pub no_network: bool,
    /// How long it may live.
    pub lifetime: Lifetime,
    /// Open descriptors that it gets under these numbers, from 3 on.
    pub inherit: Vec<(OwnedFd, RawFd)>,
    /// A variable of its environment that has its own number as a process.
    pub own_number: Option<&'static str>,
    /// What is done with the process before it becomes the command.
    pub admission: Option<Admission>,
    /// The `cgroup.procs` of the control group that it is started in.
    pub group: Option<File>,
    /// Where its keeper tells of it, if that outlives this process: see [`Kept`](super::kept::Kept).
    pub(super) report: Option<UnixStream>,
    /// Where that keeper writes down how processes ended: see [`Exits`](super::exits::Exits).
    pub exits: Option<File>,
}

/// Where standard output and error go.
#[derive(Debug)]
pub enum Output {
    /// To `/dev/null`.
    Null,
    /// Both to this file.
    File(File),
    /// Both to this end of a pipe.
    Pipe(io::PipeWriter),
    /// To where the updater's own go; for the updater's own successor only.
    Same,
}

/// PATH, HOME, LANG and USER: what every process of a user gets.
pub fn standard_environment(user: &User) -> BTreeMap<String, String> {
    BTreeMap::from([
        ("PATH".to_owned(), STANDARD_PATH.to_owned()),
        ("HOME".to_owned(), user.home.to_string_lossy().into_owned()),
        ("LANG".to_owned(), "C.UTF-8".to_owned()),
        ("USER".to_owned(), user.name.clone()),
        ("LOGNAME".to_owned(), user.name.clone()),
    ])
}

impl Spawn {
    /// A command that runs as `user` in `directory`, with the standard environment and `given`
    /// over it. Its output is dropped unless that is changed.
    pub fn new(
        command: &[String],
        directory: &Path,
        user: User,
        given: &BTreeMap<String, String>,
    ) -> Result<Self, SpawnError> {
        let (word, arguments) = command.split_first().ok_or(SpawnError::Empty)?;
        let mut environment = standard_environment(&user);
        environment.extend(given.iter().map(|(name, value)| (name.clone(), value.clone())));
        let path = environment.get("PATH").map_or(STANDARD_PATH, String::as_str);
        Ok(Self {
            program: resolve(word, directory, path)?,
            arguments: arguments.to_vec(),
            directory: directory.to_owned(),
            environment,
            user,
            output: Output::Null,
            limits: Limits::default(),
            no_new_privileges: false,
            no_network: false,
            lifetime: Lifetime::Own,
            inherit: Vec::new(),
            own_number: None,
            admission: None,
            group: None,
            report: None,
            exits: None,
        })
    }

    /// Passes a descriptor on, and says under which number.
    pub fn pass(&mut self, descriptor: OwnedFd) -> RawFd {
        let number = self.inherit.last().map_or(FIRST, |(_, last)| last + 1);
        self.inherit.push((descriptor, number));
        number
    }

    /// Passes listening sockets on with their names, as systemd does: `sd_listen_fds(3)`. Before any
    /// other descriptor.
    pub fn pass_sockets(&mut self, sockets: Vec<(String, OwnedFd)>) {
        if sockets.is_empty() {
            return;
        }
        let names: Vec<&str> = sockets.iter().map(|(name, _)| name.as_str()).collect();
        self.environment.insert("LISTEN_FDNAMES".to_owned(), names.join(":"));
        self.environment.insert("LISTEN_FDS".to_owned(), sockets.len().to_string());
        // Which only the process itself can know.
        self.own_number = Some("LISTEN_PID");
        for (_, socket) in sockets {
            self.pass(socket);
        }
    }

    /// Starts it, in a session and a process group of its own. The caller reaps it.
    pub fn start(self) -> Result<Child, SpawnError> {
        let is_root = Uid::effective().is_root();
        if !is_root && !self.user.is_current() {
            return Err(SpawnError::NotRoot(self.user.name));
        }
        if !is_root && self.no_network {
            return Err(SpawnError::Network);
        }
        if !self.directory.is_dir() {
            return Err(SpawnError::NoDirectory { directory: self.directory });
        }
        let mut command = Command::new(&self.program);
        command.current_dir(&self.directory).stdin(Stdio::null());
        let failed = |program: &Path, source| SpawnError::Start {
            program: program.to_owned(),
            user: self.user.name.clone(),
            source,
        };
        connect(&mut command, self.output).map_err(|source| failed(&self.program, source))?;
        // Above all numbers that are given in the process.
        let above = self.inherit.iter().map(|(_, number)| *number).max().unwrap_or(2) + 1;
        let report = self.report.map(|report| fcntl_dupfd_cloexec(&report, above)).transpose();
        let report = report.map_err(|error| failed(&self.program, error.into()))?;
        let exits = self.exits.map(|exits| fcntl_dupfd_cloexec(&exits, above)).transpose();
        let exits = exits.map_err(|error| failed(&self.program, error.into()))?;
        let inherited = reserve(self.inherit)
            .map_err(|source| SpawnError::Inherit { program: self.program.clone(), source })?;
        let gate = self.admission.map(Gate::new).transpose();
        let (gate, waiting) = gate.map_err(|source| failed(&self.program, source))?.unzip();
        let preparation = Preparation {
            waiting,
            user: is_root.then(|| Ids::of(&self.user)),
            limits: self.limits,
            no_new_privileges: self.no_new_privileges,
            no_network: self.no_network,
            lifetime: self.lifetime,
            parent: nix::unistd::getpid().as_raw(),
            keeper: report.as_ref().map(|report| AgentKeeper {
                report: report.as_raw_fd(),
                exits: exits.as_ref().map(AsRawFd::as_raw_fd),
                words: proc::own_words(),
            }),
            group: self.group.as_ref().map(AsRawFd::as_raw_fd),
            inherited: inherited.iter().map(|(file, number)| (file.as_raw_fd(), *number)).collect(),
        };
        let exec = Exec::new(&self.program, &self.arguments, &self.environment, self.own_number);
        let mut exec = exec.map_err(|source| failed(&self.program, source))?;
        unsafe_calls::before_exec(&mut command, move || {
            // In place of the library's own: see `Exec`. Besides, only the process itself knows its
            // number, so it has to be the one to write it down.
            let failed = preparation.apply().err().unwrap_or_else(|| exec.run());
            preparation.give_up();
            Err(failed)
        });
        let start = move || {
            let mut command = command;
            command.spawn()
        };
        let child = match gate {
            Some(gate) => gate.pass(start),
            None => start(),
        };
        let child = child.map_err(|source| failed(&self.program, source))?;
        drop((inherited, report, exits));
        Ok(child)
    }
}

fn connect(command: &mut Command, output: Output) -> io::Result<()> {
    match output {
        Output::Null => command.stdout(Stdio::null()).stderr(Stdio::null()),
        Output::File(file) => command.stdout(file.try_clone()?).stderr(file),
        Output::Pipe(pipe) => command.stdout(pipe.try_clone()?).stderr(pipe),
        Output::Same => command.stdout(Stdio::inherit()).stderr(Stdio::inherit()),
    };
    Ok(())
}

/// Takes the wanted numbers in this process too where they are free: the pipe by which the child
/// reports a failed `exec` must not get one of them, since it would be overwritten.
fn reserve(inherit: Vec<(OwnedFd, RawFd)>) -> io::Result<Vec<(OwnedFd, RawFd)>> {
    let highest = inherit.iter().map(|(_, number)| *number).max().unwrap_or(2);
    let mut reserved = Vec::new();
    for (file, number) in inherit {
        if number < 3 {
            return Err(io::Error::from_raw_os_error(libc::EBADF));
        }
        // The source is moved above all numbers, so that placing one never overwrites another.
        let source = fcntl_dupfd_cloexec(&file, highest + 1)?;
        let holder = fcntl_dupfd_cloexec(&file, number)?;
        let held = holder.as_raw_fd();
        reserved.push((source, number));
        if held == number {
            reserved.push((holder, number));
        }
    }
    Ok(reserved)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;
    use crate::bounds::CommandBounds;
    use crate::run::run_bounded;

    fn command(words: &[&str]) -> Vec<String> {
        words.iter().copied().map(str::to_owned).collect()
    }

    fn spawn(words: &[&str], directory: &Path) -> Result<Spawn, SpawnError> {
        Spawn::new(&command(words), directory, User::current().unwrap(), &BTreeMap::new())
    }

    fn output(spawn: Spawn) -> Vec<String> {
        let timeout = std::time::Duration::from_mins(1);
        let bounds = CommandBounds { timeout, output_bytes: 1 << 20, room: None, until: None };
        run_bounded(spawn, bounds, |_| {}).unwrap().output.shown()
    }

    #[test]
    fn lesson_05_a_command_that_does_not_exist_is_an_error_value() {
        let root = Path::new("/");
        let missing = spawn(&["no-such-program"], root).unwrap_err().to_string();
        assert!(missing.contains("no-such-program"), "{missing}");
        assert!(spawn(&["bin/no-such-program"], root).is_err());
        assert!(spawn(&["/etc/passwd"], root).unwrap_err().to_string().contains("0755"));
        assert!(spawn(&[], root).is_err());
        let mut gone = spawn(&["/bin/true"], root).unwrap();
        gone.program = "/no/such/file".into();
        assert!(matches!(gone.start(), Err(SpawnError::Start { .. })));
        let mut gone = spawn(&["/bin/true"], root).unwrap();
        gone.directory = "/no/such/directory".into();
        assert!(matches!(gone.start(), Err(SpawnError::NoDirectory { .. })));
    }

    #[test]
    fn a_child_has_a_session_of_its_own_and_no_open_descriptor_but_its_three() {
        let file = File::open("/dev/null").unwrap();
        // As if some library had opened it without the flag.
        rustix::io::fcntl_setfd(&file, rustix::io::FdFlags::empty()).unwrap();
        let script = "umask; ulimit -c; [ $(cut -d' ' -f6 /proc/$$/stat) = $$ ] && echo leads; \
                      ls /proc/$$/fd";
        let lines = output(spawn(&["/bin/sh", "-c", script], Path::new("/")).unwrap());
        assert_eq!(lines, ["0022", "0", "leads", "0", "1", "2"]);
    }

    #[test]
    fn sigpipe_is_not_ignored_in_a_child() {
        let script = "grep SigIgn /proc/self/status";
        let lines = output(spawn(&["/bin/sh", "-c", script], Path::new("/")).unwrap());
        let mask = lines[0].rsplit('\t').next().unwrap();
        assert_eq!(u64::from_str_radix(mask, 16).unwrap() & (1 << (libc::SIGPIPE - 1)), 0);
    }

    #[test]
    fn passed_descriptors_arrive_under_their_numbers() {
        let (reader, writer) = io::pipe().unwrap();
        let (mut second, second_writer) = io::pipe().unwrap();
        let mut spawn =
            spawn(&["/bin/sh", "-c", "echo a >&3; echo b >&4"], Path::new("/")).unwrap();
        spawn.inherit = vec![(second_writer.into(), 4), (writer.into(), 3)];
        let status = spawn.start().unwrap().wait().unwrap();
        assert!(status.success());
        let mut text = String::new();
        { reader }.read_to_string(&mut text).unwrap();
        second.read_to_string(&mut text).unwrap();
        assert_eq!(text, "a\nb\n");
    }

    #[test]
    fn a_failed_start_is_told_even_with_passed_descriptors() {
        for own_number in [None, Some("LISTEN_PID")] {
            let mut spawn = spawn(&["/bin/true"], Path::new("/")).unwrap();
            spawn.program = "/no/such/file".into();
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            spawn.inherit = vec![(listener.into(), 3)];
            spawn.own_number = own_number;
            assert!(matches!(spawn.start(), Err(SpawnError::Start { .. })));
        }
    }

    #[test]
    fn what_the_kernel_does_not_know_is_an_error_and_no_shell_reads_it() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().unwrap();
        let ran = directory.path().join("ran");
        let commands = format!("\ntouch {}\n", ran.display());
        for head in ["", "\u{7f}ELF\u{2}\u{1}\u{1}\u{3}"] {
            let program = directory.path().join("program");
            std::fs::write(&program, format!("{head}{commands}")).unwrap();
            std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
            for own_number in [None, Some("LISTEN_PID")] {
                let mut spawn = spawn(&["./program"], directory.path()).unwrap();
                spawn.own_number = own_number;
                let error = spawn.start().unwrap_err();
                assert!(error.is_of_the_program(), "{error:?}");
                assert!(!ran.exists());
            }
        }
    }

    #[test]
    fn a_process_finds_its_own_number_in_its_environment() {
        let words = ["/bin/sh", "-c", "[ $LISTEN_PID = $$ ] && echo $1 $LANG", "sh", "a b"];
        let mut spawn = spawn(&words, Path::new("/")).unwrap();
        spawn.own_number = Some("LISTEN_PID");
        assert_eq!(output(spawn), ["a b C.UTF-8"]);
    }

    #[test]
    fn a_process_is_not_its_command_before_it_was_admitted() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("admitted");
        let words = ["/bin/sh", "-c", "cat \"$1\"; echo $$", "sh", file.to_str().unwrap()];
        let mut admitted = spawn(&words, Path::new("/")).unwrap();
        let told = file.clone();
        admitted.admission = Some(Admission::new(move |pid| {
            // It is no shell yet, nor anything else that could have started others.
            assert_ne!(proc::name(pid), "sh");
            std::fs::write(told, format!("{pid}\n")).unwrap();
        }));
        let lines = output(admitted);
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert_eq!(lines[0], lines[1]);
        // What cannot be started was admitted, and is told all the same.
        let mut gone = spawn(&["/bin/true"], Path::new("/")).unwrap();
        gone.program = "/no/such/file".into();
        gone.admission = Some(Admission::new(|_| {}));
        assert!(matches!(gone.start(), Err(SpawnError::Start { .. })));
    }

    #[test]
    fn another_user_gets_its_ids_and_groups_and_no_more() {
        if skip::skipped_without_root() {
            return;
        }
        let nobody = User::by_name("nobody").unwrap();
        let words = command(&["/bin/sh", "-c", "id -u; id -g; id -G; cat /proc/self/status"]);
        let mut spawn = Spawn::new(&words, "/".as_ref(), nobody.clone(), &BTreeMap::new()).unwrap();
        spawn.no_new_privileges = true;
        spawn.no_network = true;
        spawn.arguments = command(&[
            "-c",
            "id -u; id -g; id -G; grep NoNewPrivs /proc/self/status; tail -n +3 /proc/net/dev | wc -l",
        ]);
        let lines = output(spawn);
        let expected = [
            nobody.uid.to_string(),
            nobody.gid.to_string(),
            nobody.groups.iter().map(u32::to_string).collect::<Vec<_>>().join(" "),
            "NoNewPrivs:\t1".to_owned(),
            "1".to_owned(),
        ];
        assert_eq!(lines, expected);
    }
}
