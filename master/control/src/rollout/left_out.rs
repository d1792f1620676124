//! What was not packed, told again where a release fails: something of it may be what is missing.

use engine::{Blame, HostResult, blame};
use protocol::Code;

use crate::pack::{LeftOut, Why};

/// How many are named.
const NAMED: usize = 5;

/// The result of a host, with what was left out of the archive where that may be why it failed.
pub(super) fn tell(result: HostResult, left_out: &[LeftOut]) -> HostResult {
    let failed = blame(&result) == Some(Blame::Release) || is_of_the_tree(&result);
    let Some(told) = failed.then(|| fitting(&result, left_out)).flatten() else { return result };
    let detail = match &result.detail {
        Some(detail) => format!("{detail}; {told}"),
        None => told,
    };
    HostResult { detail: Some(detail), ..result }
}

/// Whether it failed before its switch for what the tree is, or lacks.
fn is_of_the_tree(result: &HostResult) -> bool {
    let codes = [Code::BuildFailed, Code::ArchiveRejected, Code::HookFailed, Code::RolledBack];
    result.code.as_ref().is_some_and(|code| codes.into_iter().any(|known| *code == known.into()))
}

/// The names that fit best to what was said, in words.
fn fitting(result: &HostResult, left_out: &[LeftOut]) -> Option<String> {
    let said: Vec<&str> = result.detail.iter().chain(&result.output).map(String::as_str).collect();
    let mut ranked: Vec<_> = left_out
        .iter()
        .map(|left| (rank(&left.path, &said), left))
        // What builds leave behind is missed by nothing that does not name it.
        .filter(|(rank, left)| {
            *rank < Rank::Unnamed || matches!(left.why, Why::Secret | Why::Untracked)
        })
        .collect();
    ranked.sort_by_key(|(rank, left)| (*rank, left.why));
    let more = ranked.len().saturating_sub(NAMED);
    let named: Vec<_> = ranked
        .iter()
        .take(NAMED)
        .map(|(_, left)| format!("{} ({})", left.path, left.why.words()))
        .collect();
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    (!named.is_empty()).then(|| format!("left out of the archive: {}{more}", named.join(", ")))
}

/// How well a path fits; the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// The whole path is named.
    Path,
    /// Its last part is.
    Name,
    /// Its last part without its ending is.
    Stem,
    Unnamed,
}

fn rank(path: &str, said: &[&str]) -> Rank {
    let path = path.trim_end_matches('/');
    let name = path.rsplit('/').next().unwrap_or(path);
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let is_said = |words: &str| words.len() > 2 && said.iter().any(|line| line.contains(words));
    match () {
        () if path.contains('/') && is_said(path) => Rank::Path,
        () if is_said(name) => Rank::Name,
        () if is_said(stem) => Rank::Stem,
        () => Rank::Unnamed,
    }
}

#[cfg(test)]
mod tests {
    use protocol::HostOutcome;

    use super::*;

    fn left(path: &str, why: Why) -> LeftOut {
        LeftOut { path: path.to_owned(), why }
    }

    fn told(code: Code, output: &str, left_out: &[LeftOut]) -> Option<String> {
        let host = "web-1".parse().unwrap();
        let result = HostResult {
            output: vec![output.to_owned()],
            ..HostResult::new(&host, HostOutcome::RolledBack).with_reason(code, "it failed")
        };
        tell(result, left_out).detail
    }

    #[test]
    fn what_fits_best_comes_first_and_what_builds_leave_only_where_it_is_named() {
        let all = [
            left("node_modules/", Why::Clutter),
            left(".env", Why::Secret),
            left("notes", Why::Untracked),
            left("tls/server.pem", Why::Secret),
            left("tls/other.pem", Why::Secret),
        ];
        assert_eq!(
            told(Code::RolledBack, "No such file: 'server.pem'", &all).as_deref(),
            Some(
                "it failed; left out of the archive: tls/server.pem (secret), .env (secret), \
                 tls/other.pem (secret), notes (not tracked by git)"
            )
        );
        let said = told(Code::BuildFailed, "Cannot find node_modules/left-pad", &all).unwrap();
        assert!(said.contains("left out of the archive: node_modules/ ("), "{said}");
    }

    #[test]
    fn a_failure_that_is_not_the_trees_tells_nothing_of_it() {
        let all = [left(".env", Why::Secret)];
        assert_eq!(told(Code::NoSpace, "", &all).as_deref(), Some("it failed"));
        assert_eq!(told(Code::RolledBack, "", &[]).as_deref(), Some("it failed"));
        let many: Vec<_> = (0..9).map(|it| left(&format!("{it}.key"), Why::Secret)).collect();
        assert!(told(Code::RolledBack, "", &many).unwrap().ends_with(" and 4 more"));
    }
}
