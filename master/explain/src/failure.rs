//! The one place where errors become text.
//!
//! A message is a fragment that fits after "failed to"; its sources follow as `caused by:` lines,
//! and what to do about it as a `hint:`, whose words stand in `fn hint` beside the type of the error.

use std::error::Error;
use std::fmt::Write as _;

use common::causes;
use serde_json::json;

use crate::{Exit, FailureCode, plain};

/// An error that a command may end with.
pub trait Explain: Error + Send + Sync + 'static {
    /// What the user can do about it.
    fn hint(&self) -> Option<String> {
        None
    }

    /// The exit code that goes with it.
    fn exit(&self) -> Exit {
        Exit::Failed
    }

    /// What programs tell it by.
    fn code(&self) -> FailureCode {
        FailureCode::of_exit(self.exit())
    }
}

/// How a command failed. It is rendered once, at the top.
#[derive(Debug)]
pub struct Failure {
    error: Box<dyn Error + Send + Sync>,
    hint: Option<String>,
    exit: Exit,
    code: FailureCode,
}

impl<E: Explain> From<E> for Failure {
    fn from(error: E) -> Self {
        let (hint, exit, code) = (error.hint(), error.exit(), error.code());
        Self { hint, exit, code, error: Box::new(error) }
    }
}

impl Failure {
    pub const fn exit(&self) -> Exit {
        self.exit
    }

    /// For people: `error:`, `caused by:` and `hint:` lines.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (index, message) in self.messages().iter().enumerate() {
            let head = if index == 0 { "error: failed to" } else { "caused by:" };
            let _infallible = writeln!(text, "{head} {message}");
        }
        if let Some(hint) = &self.hint {
            let _infallible = writeln!(text, "hint: {}", plain(hint));
        }
        text
    }

    /// For programs: one line, `{"error": {"code", "message", "causes", "hint", "exit"}}`.
    pub fn json(&self) -> String {
        let messages = self.messages();
        let (first, causes) = messages.split_first().map_or(("", &[][..]), |(a, b)| (a, b));
        json!({"error": {
            "code": self.code.into_str(),
            "message": format!("failed to {first}"),
            "causes": causes,
            "hint": self.hint,
            "exit": self.exit.code(),
        }})
        .to_string()
    }

    fn messages(&self) -> Vec<String> {
        let causes = causes(&*self.error).map(|cause| plain(&cause.to_string()));
        std::iter::once(plain(&self.error.to_string())).chain(causes).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("open the store /x/swarm.db")]
    struct Outer(#[source] Inner);

    #[derive(Debug, thiserror::Error)]
    #[error("read its header: \u{1b}[31mno such file")]
    struct Inner;

    impl Explain for Outer {
        fn hint(&self) -> Option<String> {
            Some("run: swarm init".to_owned())
        }
        fn exit(&self) -> Exit {
            Exit::Usage
        }
    }

    #[test]
    fn a_failure_shows_its_causes_and_what_to_do() {
        let failure = Failure::from(Outer(Inner));
        assert_eq!(failure.exit().code(), 2);
        insta::assert_snapshot!(failure.text(), @r"
        error: failed to open the store /x/swarm.db
        caused by: read its header: \u{1b}[31mno such file
        hint: run: swarm init
        ");
    }

    #[test]
    fn a_failure_is_one_line_of_json() {
        let failure = Failure::from(Outer(Inner));
        insta::assert_snapshot!(failure.json(), @r#"{"error":{"causes":["read its header: \\u{1b}[31mno such file"],"code":"usage","exit":2,"hint":"run: swarm init","message":"failed to open the store /x/swarm.db"}}"#);
    }
}
