//! The stable names of what a command may fail with: `code` of an error in `--json`.

use crate::Exit;

/// What kind of failure it is. `docs/json.md` says what each means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case", const_into_str)]
pub enum FailureCode {
    /// None of those below.
    Failed,
    Usage,
    Interrupted,
    NoMaster,
    NotPermitted,
    UnknownHost,
    HostExists,
    Decommissioned,
    BadSelection,
    NoHosts,
    UnknownApp,
    UnknownRelease,
    UnknownRollout,
    UnknownPlan,
    Ambiguous,
    ShortId,
    InRollout,
    AlreadyDriven,
    WrongState,
    Quarantined,
    ReleaseInUse,
    NoSpace,
    NewerFormat,
    StaleMaster,
    RollbackUneven,
    NothingToDo,
    BadRelease,
    BadConfiguration,
    BadSignature,
}

impl FailureCode {
    /// Of a failure of which no more is known than how the command ends.
    pub const fn of_exit(exit: Exit) -> Self {
        match exit {
            Exit::Usage => Self::Usage,
            Exit::Locked => Self::InRollout,
            Exit::Interrupted => Self::Interrupted,
            Exit::Success | Exit::Failed | Exit::Paused => Self::Failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use strum::VariantArray as _;

    use super::*;

    #[test]
    fn the_book_has_every_code() {
        let book = include_str!("../../../docs/json.md");
        for code in FailureCode::VARIANTS {
            let row = format!("| `{}` |", code.into_str());
            assert!(
                book.lines().any(|line| line.starts_with(&row)),
                "{row} is not in docs/json.md"
            );
        }
    }
}
