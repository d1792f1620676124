//! A command as the properties of a unit that is made for it. Pure.

use std::time::Duration;

use zbus::Variant;

use super::Property;
use crate::sys::spawn::Spawn;

/// What systemd would add to the environment, which is small and stated.
const UNSET: [&str; 4] = ["INVOCATION_ID", "JOURNAL_STREAM", "SHELL", "SYSTEMD_EXEC_PID"];

/// The properties that say what is run, where and as whom. Started is what was executed, and what it
/// leaves behind ends with it. Its environment is no property: every
/// user of the host may read those.
pub(crate) fn command_properties(spawn: &Spawn, description: String) -> Vec<Property<'static>> {
    let program = spawn.program.display().to_string();
    let words = std::iter::once(&program).chain(&spawn.arguments);
    // A dollar sign in a word is a dollar sign. (`ExecStartEx` could say so without, but systemd 252 cannot read
    // again what it writes down of that.)
    let words = words.map(|word| word.replace('$', "$$"));
    let start = (program.clone(), words.collect::<Vec<_>>(), false);
    vec![
        ("Description", description.into()),
        ("Type", "exec".into()),
        ("ExecStart", Variant::from(vec![start])),
        ("User", spawn.user.name.clone().into()),
        ("Group", spawn.user.gid.to_string().into()),
        ("WorkingDirectory", spawn.directory.display().to_string().into()),
        ("UnsetEnvironment", UNSET.map(str::to_owned).to_vec().into()),
        ("UMask", 0o022_u32.into()),
    ]
}

/// A length of time as systemd has it.
pub(crate) fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
