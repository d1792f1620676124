//! An app in the hands of a command, because the daemon is dead: the command finishes what the daemon began,
//! and then does what it was typed for.

use protocol::Problem;

use crate::cli::client::ClientError;
use crate::transaction::{App, Failure, Recovery};

/// Why a command cannot act itself.
#[derive(Debug, thiserror::Error)]
pub(super) enum AloneError {
    #[error("take this app's lock: another updater has it")]
    Locked,
    #[error("finish what an earlier updater began: {0}")]
    Blocked(String),
    /// The act ended, and nothing says how.
    #[error("learn how the {0} ended: the updater went away")]
    NoEnd(&'static str),
    #[error("begin: a transaction of {0} is unfinished")]
    Unfinished(protocol::AppName),
}

/// Begins to finish what an earlier updater left of an app. Blocks until that is done.
pub(super) fn recover(app: &std::sync::Arc<App>) -> Result<(), AloneError> {
    match app.recover() {
        Recovery::Idle => Ok(()),
        Recovery::Finishing(finishing) => {
            // Its panic has told itself.
            let _ = finishing.join();
            Ok(())
        }
        Recovery::Locked => Err(AloneError::Locked),
        Recovery::Blocked(why) => Err(AloneError::Blocked(why)),
    }
}

/// A refusal of this process's own, in the words of one by the daemon.
impl From<Failure> for ClientError {
    fn from(failure: Failure) -> Self {
        Self::Refused(Box::new(Problem::from(failure)))
    }
}

#[cfg(test)]
mod tests {
    use protocol::Code;

    use super::*;
    use crate::cli::errors::render;

    #[test]
    fn a_refusal_is_a_sentence_whatever_it_says() {
        let why = "stored data does not have the form that it needs";
        let failure = Failure::host_problem(Problem::new(Code::Irreversible, why));
        let said = render(&ClientError::from(failure).into());
        assert_eq!(said, format!("error: failed to carry out the order: {why} (irreversible)\n"));
        let said = render(&AloneError::Blocked("not recovered: it is gone".to_owned()).into());
        assert!(
            said.starts_with("error: failed to finish what an earlier updater began: "),
            "{said}"
        );
    }
}
