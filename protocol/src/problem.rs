//! Errors on the wire: RFC 9457 problem details with a stable `code`.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use time::OffsetDateTime;

use crate::detail::part;
use crate::{Code, Digest, Kind, TransactionId};

/// The `type` of every problem: `code` is the identifier.
const ABOUT_BLANK: &str = "about:blank";

/// Who holds an app's lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The transaction that is under way.
    pub transaction: TransactionId,
    /// What it is for.
    pub kind: Kind,
    /// The release that it goes to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Digest>,
}

/// An `application/problem+json` body (RFC 9457). Its `status` and its `title` are those of the code,
/// also where other ones are read. The fields after `code` are there where they apply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
// The fields below; what is written around them is in the impls of the traits.
#[serde(remote = "Self")]
pub struct Problem {
    /// What happened this time, and what to do.
    #[serde(serialize_with = "crate::detail::serialize", deserialize_with = "detail")]
    pub detail: String,
    /// The stable identifier.
    pub code: Code,
    /// The archive's entry that broke a rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<String>,
    /// The rule that was broken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// The last lines of what the build or the agent printed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub output: Vec<String>,
    /// Who holds the lock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder: Option<Holder>,
    /// Since when.
    #[serde(
        default,
        with = "time::serde::rfc3339::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub since: Option<OffsetDateTime>,
    /// Bytes and inodes that are needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needed: Option<Space>,
    /// Bytes and inodes that are free.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub free: Option<Space>,
    /// The transaction that ended this way; its evidence is kept under this name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction: Option<TransactionId>,
    /// True where the host is back on the release that it had before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rolled_back: Option<bool>,
    /// The release before the order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Digest>,
    /// The release after: what `active` names now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Digest>,
    /// The release that was ordered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Digest>,
    /// Whether the host was left with a release that could not be proven. Its status is then 500,
    /// whatever the code's is: 409 says that what ran before runs.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stranded: bool,
    /// Whether it failed after the switch for the host's own fault, and the release is not to blame.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub host_fault: bool,
    /// The highest epoch that the updater has seen, with [`Code::StaleMaster`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u64>,
}

/// An amount of a file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Space {
    /// In bytes.
    pub bytes: u64,
    /// In inodes.
    pub inodes: u64,
}

impl Problem {
    /// A problem with nothing but its code and what happened: one line, and of bounded length, whatever is in
    /// the text.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            detail: part(&detail.into()),
            code,
            entry: None,
            rule: None,
            output: Vec::new(),
            holder: None,
            since: None,
            needed: None,
            free: None,
            transaction: None,
            rolled_back: None,
            from: None,
            to: None,
            target: None,
            stranded: false,
            host_fault: false,
            epoch: None,
        }
    }

    /// The HTTP status that goes with it.
    pub const fn status(&self) -> u16 {
        if self.stranded { 500 } else { self.code.status() }
    }
}

#[derive(Serialize)]
struct Written<'a> {
    #[serde(rename = "type")]
    type_uri: &'static str,
    title: &'a str,
    status: u16,
    #[serde(flatten, serialize_with = "Problem::serialize")]
    problem: &'a Problem,
}

#[derive(Deserialize)]
struct Read {
    title: Option<String>,
    status: Option<u16>,
    #[serde(flatten, deserialize_with = "Problem::deserialize")]
    problem: Problem,
}

impl Serialize for Problem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (title, status) = (self.code.title(), self.status());
        Written { type_uri: ABOUT_BLANK, title, status, problem: self }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Problem {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Read { title, status, mut problem } = Read::deserialize(deserializer)?;
        problem.code = problem.code.described(status, title);
        Ok(problem)
    }
}

/// In answers by the older form it is an object, whose `error` says it.
fn detail<'de, D: Deserializer<'de>>(reader: D) -> Result<String, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Form {
        Text(String),
        Older { error: String },
    }
    let (Form::Text(detail) | Form::Older { error: detail }) = Form::deserialize(reader)?;
    Ok(detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_detail_is_one_line_of_bounded_length() {
        let problem = Problem::new(Code::BuildFailed, "asks for \n\r\u{1b}[2J>=99\n");
        assert_eq!(problem.detail, "asks for \\n\\r\\u{1b}[2J>=99");
        let long = Problem::new(Code::BuildFailed, ",\n>=98".repeat(400_000));
        assert!(long.detail.ends_with('…') && long.detail.len() < 10_000);
    }

    #[test]
    fn a_problem_shows_only_what_applies() {
        let problem = Problem::new(Code::UnknownApp, "no app is called web; there is agent");
        insta::assert_snapshot!(serde_json::to_string_pretty(&problem).unwrap(), @r#"
        {
          "type": "about:blank",
          "title": "This host has no such app",
          "status": 404,
          "detail": "no app is called web; there is agent",
          "code": "unknown_app"
        }
        "#);
    }

    fn comes_back(text: &str) -> Problem {
        let problem: Problem = serde_json::from_str(text).unwrap();
        let again = serde_json::to_string(&problem).unwrap();
        assert_eq!(serde_json::from_str::<Problem>(&again).unwrap(), problem);
        problem
    }

    #[test]
    fn no_other_codes_status_and_title_are_believed() {
        // Older updaters wrote such a thing into their journals.
        let problem = comes_back(
            r#"{"type": "about:blank", "title": "This host has no such app", "status": 404,
                "detail": "why", "code": "not_supported", "rule": "r", "epoch": 7}"#,
        );
        assert_eq!(problem.code, Code::NotSupported);
        assert_eq!((problem.rule.as_deref(), problem.epoch), (Some("r"), Some(7)));
        let written = serde_json::to_value(&problem).unwrap();
        assert_eq!(written["status"], 501);
        assert_eq!(written["title"], "This updater cannot do that");
        let other = Problem { code: Code::NoSpace, ..problem };
        assert_eq!(serde_json::to_value(&other).unwrap()["status"], 507);
    }

    #[test]
    fn an_answer_by_the_older_form_says_the_same() {
        let problem = comes_back(
            r#"{"detail": {"error": "why", "stderr": "a\nb", "rolled_back": false},
                "output": ["a", "b"], "code": "build_failed"}"#,
        );
        assert_eq!((problem.detail.as_str(), problem.code), ("why", Code::BuildFailed));
    }

    #[test]
    fn an_unknown_code_keeps_what_its_sender_said_of_it() {
        let problem = comes_back(
            r#"{"title": "The host burns", "status": 418, "detail": "why", "code": "on_fire"}"#,
        );
        assert_eq!(problem.code.name(), "on_fire");
        assert_eq!((problem.code.status(), problem.code.title()), (418, "The host burns"));
        let odd = comes_back(r#"{"status": 7, "detail": "why", "code": "on_fire"}"#);
        assert_eq!(odd.code.status(), 500);
    }
}
