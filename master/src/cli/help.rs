//! What `--help` says beside the words of a command: groups of commands, examples, exit codes.

use std::fmt::Write as _;

use clap::{Command, CommandFactory as _};

use crate::cli::Cli;
use crate::cli::candidates::with_candidates;

/// The commands by what operators do with them.
const GROUPS: [(&str, &[&str]); 5] = [
    ("Everyday", &["update", "status", "rollback", "why", "logs", "evidence", "log", "history"]),
    ("Fleet", &["list", "check", "show", "label", "set", "hold", "unhold", "drill"]),
    ("Rollouts", &["plan", "rollout", "simulate"]),
    ("Releases", &["pack", "release"]),
    ("Set-up", &["demo", "init", "enroll", "renew", "decommission", "completions", "man", "help"]),
];

/// What is typed, command by command; that of `swarm` itself comes first.
const EXAMPLES: [(&str, &[&str]); 42] = [
    (
        "swarm",
        &[
            "swarm update --all --root ./my-service   # all hosts get the release in this directory",
            "swarm status                             # what runs where, and what should",
            "swarm rollout undo 3f2a                  # the hosts of that rollout run what they ran before",
        ],
    ),
    (
        "swarm update",
        &[
            "swarm update web-1 web-2 --root ./my-service",
            "swarm update --all --release greeter@1.8.0 --canary 1 --batch 25% --message 'new login'",
            "swarm update --failed-in 3f2a --release greeter@1.8.0",
            "swarm update --all --self-only",
        ],
    ),
    (
        "swarm plan",
        &["swarm plan --all --release greeter@1.8.0 --canary 1", "swarm update --plan 9f86d081"],
    ),
    (
        "swarm rollback",
        &["swarm rollback web-1", "swarm rollback --select role=web --to greeter@1.7.0"],
    ),
    ("swarm status", &["swarm status", "swarm status --select role=web --json"]),
    ("swarm check", &["swarm check", "swarm check web-1"]),
    ("swarm why", &["swarm why web-1"]),
    ("swarm log", &["swarm log web-1 --limit 20", "swarm log web-1 -v"]),
    (
        "swarm logs",
        &[
            "swarm logs web-1 -f",
            "swarm logs web-1 --app db --previous",
            "swarm logs web-1 --lines 1000",
        ],
    ),
    ("swarm evidence", &["swarm evidence web-1", "swarm evidence web-1 5e2571e7"]),
    ("swarm history", &["swarm history --limit 5"]),
    ("swarm list", &["swarm list --select 'role=web:!zone=b'"]),
    ("swarm show", &["swarm show web-1"]),
    ("swarm label", &["swarm label web-1 web-2 role=web zone-"]),
    ("swarm set", &["swarm set web-1 --address 10.0.0.7"]),
    ("swarm hold", &["swarm hold web-1 --because 'its disk is replaced' --until 3d"]),
    ("swarm unhold", &["swarm unhold web-1"]),
    ("swarm renew", &["swarm renew --master"]),
    ("swarm decommission", &["swarm decommission web-1"]),
    ("swarm drill", &["swarm drill web-1"]),
    ("swarm enroll", &["swarm enroll --updater --name web-1 --address 10.0.0.7 --out-dir ./web-1"]),
    ("swarm init", &["swarm init --fleet shop"]),
    ("swarm pack", &["swarm pack ./my-service --output my-service.tar.zst"]),
    ("swarm simulate", &["swarm simulate --hosts 500 --bad 100% --canary 1 --batch 25%"]),
    ("swarm demo", &["swarm demo --keep"]),
    ("swarm completions", &["swarm completions bash > /etc/bash_completion.d/swarm"]),
    ("swarm man", &["swarm man --out-dir /usr/local/share/man/man1"]),
    ("swarm rollout", &["swarm rollout list --open", "swarm rollout watch 3f2a"]),
    ("swarm rollout list", &["swarm rollout list --open"]),
    ("swarm rollout show", &["swarm rollout show 3f2a"]),
    ("swarm rollout watch", &["swarm rollout watch 3f2a"]),
    ("swarm rollout approve", &["swarm rollout approve 3f2a --because 'the canary is well'"]),
    ("swarm rollout reject", &["swarm rollout reject 3f2a --because 'not before the sale'"]),
    ("swarm rollout pause", &["swarm rollout pause 3f2a"]),
    ("swarm rollout resume", &["swarm rollout resume 3f2a"]),
    ("swarm rollout continue", &["swarm rollout continue 3f2a --because 'the database was down'"]),
    ("swarm rollout rollback", &["swarm rollout rollback 3f2a"]),
    ("swarm rollout abort", &["swarm rollout abort 3f2a"]),
    ("swarm rollout undo", &["swarm rollout undo 3f2a --dry-run"]),
    (
        "swarm release",
        &[
            "swarm release list",
            "swarm release forgive greeter@1.8.0 --because 'the database was down'",
        ],
    ),
    ("swarm release list", &["swarm release list"]),
    (
        "swarm release forgive",
        &["swarm release forgive greeter@1.8.0 --because 'the database was down'"],
    ),
];

/// Commands that change hosts: their exit code says how that ended.
const CHANGING: [&str; 4] = ["swarm update", "swarm rollback", "swarm rollout", "swarm plan"];
/// Commands that look: their exit code says whether all is well.
const LOOKING: [&str; 3] = ["swarm status", "swarm check", "swarm drill"];

/// The command line with all that it says, and offers to a shell.
pub(super) fn command() -> Command {
    let command = Cli::command();
    let groups = groups(&command);
    let command = with_candidates(explained(command, "swarm"));
    command
        .help_template("{about-with-newline}\n{usage-heading} {usage}\n\n{before-help}Options:\n{options}{after-help}")
        .before_help(groups)
}

/// The commands, group by group, each with its line.
fn groups(command: &Command) -> String {
    let mut text = String::new();
    for (heading, names) in GROUPS {
        let _ = writeln!(text, "{heading}:");
        for name in names {
            let about = match command.find_subcommand(name).and_then(Command::get_about) {
                Some(about) => about.to_string(),
                None => "Print the help of a command".to_owned(),
            };
            let _ = writeln!(text, "  {name:<13} {about}");
        }
        text.push('\n');
    }
    text.trim_end().to_owned()
}

/// Examples and exit codes below the words of the command, and of its own commands.
fn explained(command: Command, path: &str) -> Command {
    let examples = EXAMPLES.iter().find(|(known, _)| *known == path).map(|(_, lines)| *lines);
    let command = command.mut_subcommands(|subcommand| {
        let path = format!("{path} {}", subcommand.get_name());
        explained(subcommand, &path)
    });
    let mut text = String::new();
    for (place, line) in examples.unwrap_or_default().iter().enumerate() {
        let heading = if place == 0 { "Examples:\n" } else { "" };
        let _ = writeln!(text, "{heading}  {line}");
    }
    if !text.is_empty() {
        text.push('\n');
    }
    text.push_str(exit_codes(path));
    command.after_help(text)
}

fn exit_codes(path: &str) -> &'static str {
    let is_one_of = |commands: &[&str]| commands.iter().any(|command| path.starts_with(command));
    if is_one_of(&CHANGING) {
        "Exit codes: 0 as asked; 1 a host failed or was not reached; 2 the command line is wrong; \
         3 waits for an operator; 4 another rollout has the hosts; 130 interrupted"
    } else if path == "swarm logs" {
        "Exit codes: 0 all was shown; 1 failed; 2 the command line is wrong; 130 interrupted"
    } else if is_one_of(&LOOKING) {
        "Exit codes: 0 all is well; 1 something is not; 2 the command line is wrong"
    } else {
        "Exit codes: 0 done; 1 failed; 2 the command line is wrong"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(command: &Command) -> impl Iterator<Item = &Command> {
        command.get_subcommands().filter(|command| !command.is_hide_set())
    }

    #[test]
    fn every_command_stands_in_one_group() {
        let grouped: Vec<_> = GROUPS.iter().flat_map(|(_, names)| names.iter()).collect();
        let command = Cli::command();
        for subcommand in shown(&command) {
            let times = grouped.iter().filter(|name| **name == &subcommand.get_name()).count();
            assert_eq!(times, 1, "{subcommand}");
        }
    }

    /// What help shows can be typed.
    #[test]
    fn every_example_is_understood() {
        for (path, lines) in EXAMPLES {
            for line in lines {
                let line = line.split(" #").next().unwrap().split(" > ").next().unwrap();
                let words = shlex(line);
                assert!(line.starts_with("swarm "), "{path}: {line}");
                let parsed = command().try_get_matches_from(words);
                assert!(parsed.is_ok(), "{path}: {line}: {}", parsed.unwrap_err());
            }
        }
    }

    /// Words of a line in which only `'` quotes.
    fn shlex(line: &str) -> Vec<String> {
        let (mut words, mut quoted) = (vec![String::new()], false);
        for letter in line.trim().chars() {
            match letter {
                '\'' => quoted = !quoted,
                ' ' if !quoted => words.push(String::new()),
                letter => words.last_mut().unwrap().push(letter),
            }
        }
        words.retain(|word| !word.is_empty());
        words
    }

    /// The commands that do something, by all their words.
    fn leaves(command: &Command, path: &str, found: &mut Vec<String>) {
        if !command.has_subcommands() {
            found.push(path.to_owned());
        }
        for own in command.get_subcommands().filter(|own| own.get_name() != "help") {
            leaves(own, &format!("{path} {}", own.get_name()), found);
        }
    }

    #[test]
    fn every_command_has_a_schema_in_the_book() {
        // They write what is no JSON, whatever is asked.
        const WITHOUT: [&str; 4] =
            ["swarm completions", "swarm man", "swarm demo", "swarm demo-agent"];
        let book = include_str!("../../../docs/json.md");
        let mut commands = Vec::new();
        leaves(&command(), "swarm", &mut commands);
        commands.retain(|command| !WITHOUT.contains(&command.as_str()));
        assert!(commands.len() > 30, "{commands:?}");
        for command in commands {
            let row = format!("| `{command}` | [");
            assert!(
                book.lines().any(|line| line.starts_with(&row)),
                "{command} is not in docs/json.md"
            );
        }
    }

    #[test]
    fn the_first_screen_is_as_it_was_looked_at() {
        insta::assert_snapshot!(command().term_width(100).render_help().to_string());
    }
}
