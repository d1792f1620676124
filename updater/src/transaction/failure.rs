//! Why an act could not be carried out or an order not be taken, and whose fault that is.
//!
//! An error of the host becomes a [`Failure`] by `?`. That a release is at fault is never read off an
//! error's type: whatever tried the release says so.

use std::error::Error;
use std::io;

use common::{StateFileError, causes, chain};
use nix::errno::Errno;
use protocol::{Code, Problem, SignatureError};
use serde::{Deserialize, Serialize};

use crate::release::TreeError;
use crate::runner::RunnerError;
use crate::trust::CounterError;

/// Whose fault a failure is. Only the release's own quarantines it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureOrigin {
    /// The release was switched to, and could not be proven.
    Release,
    /// Space, the build's environment, the disk, the caller.
    Host,
}

/// Why an act could not be carried out; a part of the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    #[serde(rename = "blame")]
    pub origin: FailureOrigin,
    /// What is told to the caller.
    pub problem: Box<Problem>,
}

impl Failure {
    /// The host itself failed; a full disk is told apart.
    pub fn host(error: &(dyn Error + 'static)) -> Self {
        let code = if is_no_space(error) { Code::NoSpace } else { Code::Internal };
        // What the system says alone does not say what was tried.
        let act = match error.downcast_ref::<io::Error>() {
            Some(error) if is_out_of_resources(error) => "get a task, a descriptor or memory: ",
            Some(_) => "use the disk: ",
            None => "",
        };
        Self::host_problem(Problem::new(code, format!("failed to {act}{}", chain(error))))
    }

    /// Something that is not the release's fault.
    pub fn host_problem(problem: Problem) -> Self {
        Self { origin: FailureOrigin::Host, problem: Box::new(problem) }
    }

    /// The release was switched to, and this is why it could not be proven.
    pub fn release_problem(problem: Problem) -> Self {
        Self { origin: FailureOrigin::Release, problem: Box::new(problem) }
    }

    /// As an error of a thread that nothing but its text leaves.
    pub(super) fn into_detail(self) -> String {
        self.problem.detail
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self::host_problem(problem)
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        *failure.problem
    }
}

impl From<SignatureError> for Failure {
    fn from(error: SignatureError) -> Self {
        Self::host_problem(error.into())
    }
}

macro_rules! faults_of_the_host {
    ($($error:ty),*) => {
        $(impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self::host(&error)
            }
        })*
    };
}

faults_of_the_host!(io::Error, StateFileError, TreeError, RunnerError, CounterError);

/// Whether the system has no more of what a process needs (fork(2), open(2)).
fn is_out_of_resources(error: &io::Error) -> bool {
    let errno = error.raw_os_error().map(Errno::from_raw);
    matches!(errno, Some(Errno::EAGAIN | Errno::ENOMEM | Errno::EMFILE | Errno::ENFILE))
}

/// Whether a full disk is behind it.
fn is_no_space(error: &(dyn Error + 'static)) -> bool {
    std::iter::once(error).chain(causes(error)).any(|error| {
        let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
        matches!(kind, Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded))
    })
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn a_full_disk_is_told_apart_however_deep_it_lies() {
        let full = || io::Error::from(io::ErrorKind::StorageFull);
        let file = StateFileError::Io { act: "write", path: PathBuf::from("/x"), source: full() };
        for failure in [Failure::from(full()), Failure::from(RunnerError::from(file))] {
            assert_eq!(failure.origin, FailureOrigin::Host);
            assert_eq!(failure.problem.code, Code::NoSpace, "{}", failure.problem.detail);
        }
        let other = Failure::from(io::Error::other("it is gone"));
        assert_eq!(other.problem.detail, "failed to use the disk: it is gone");
        for errno in [Errno::EAGAIN, Errno::ENOMEM, Errno::EMFILE, Errno::ENFILE] {
            let failure = Failure::from(io::Error::from(errno));
            let detail = failure.problem.detail;
            assert!(
                detail.starts_with("failed to get a task, a descriptor or memory: "),
                "{detail}"
            );
        }
    }
}
