//! Names that cannot be wrong once made: hosts, apps, transactions, labels.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("use {text:?} as {what}: {rule}")]
pub struct NameError {
    text: String,
    what: &'static str,
    rule: &'static str,
}

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident, $check:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The name as it is written.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                $check(text).map(|()| Self(text.to_owned()))
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;

            fn try_from(text: String) -> Result<Self, NameError> {
                $check(&text).map(|()| Self(text))
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.pad(&self.0)
            }
        }
    };
}

name_type!(
    /// A host of the fleet. Its rules are those of a DNS name (RFC 1123, section 2.1), because it
    /// stands in the host's certificates and is dialled as a server name.
    HostName,
    check_host
);

name_type!(
    /// One thing that an updater keeps up to date: a lower-case word, used as a directory's name.
    AppName,
    check_app
);

name_type!(
    /// One transaction on one host: a UUID (version 7, so that they sort by time).
    TransactionId,
    check_transaction
);

name_type!(
    /// A user of a host who typed a command there: a login name.
    OperatorName,
    check_operator
);

impl TransactionId {
    /// Wraps a UUID.
    pub fn new(id: uuid::Uuid) -> Self {
        Self(id.to_string())
    }
}

fn check_operator(text: &str) -> Result<(), NameError> {
    let error = |rule| Err(NameError { text: shown(text), what: "a login name", rule });
    if text.is_empty() || text.chars().count() > 64 {
        return error("it must have 1 to 64 characters");
    }
    if text.chars().any(char::is_control) {
        return error("no control characters are allowed");
    }
    Ok(())
}

fn check_host(text: &str) -> Result<(), NameError> {
    let error = |rule| Err(NameError { text: shown(text), what: "a host name", rule });
    if text.is_empty() || text.len() > 253 {
        return error("it must have 1 to 253 characters");
    }
    for part in text.split('.') {
        if part.is_empty() || part.len() > 63 {
            return error("each part between dots must have 1 to 63 characters");
        }
        if !part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
            return error("only a-z, 0-9, '-' and '.' are allowed");
        }
        if part.starts_with('-') || part.ends_with('-') {
            return error("no part may begin or end with '-'");
        }
    }
    // TLS takes such a name for an address, and does not dial it.
    if text.rsplit('.').next().is_some_and(|part| part.bytes().all(|b| b.is_ascii_digit())) {
        return error("its last part must not be a number (an address goes into --address)");
    }
    Ok(())
}

fn check_app(text: &str) -> Result<(), NameError> {
    let error = |rule| Err(NameError { text: shown(text), what: "an app's name", rule });
    if text.is_empty() || text.len() > 64 {
        return error("it must have 1 to 64 characters");
    }
    if !text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b)) {
        return error("only a-z, 0-9, '-' and '_' are allowed");
    }
    if !text.starts_with(|c: char| c.is_ascii_lowercase()) {
        return error("it must begin with a letter");
    }
    Ok(())
}

fn check_transaction(text: &str) -> Result<(), NameError> {
    match uuid::Uuid::try_parse(text) {
        Ok(id) if id.to_string() == text => Ok(()),
        _ => Err(NameError { text: shown(text), what: "a transaction", rule: "it must be a UUID" }),
    }
}

/// Why a text is not a label.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("read {0:?} as a label: expected key=value, of letters, digits, '-', '_', '.' and '/'")]
pub struct LabelError(String);

/// Splits `key=value`. Both sides are limited to what a selection pattern can name.
pub fn parse_label(text: &str) -> Result<(String, String), LabelError> {
    let plain = |part: &str| {
        !part.is_empty()
            && part.len() <= 128
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_./".contains(&b))
    };
    match text.split_once('=') {
        Some((key, value)) if plain(key) && plain(value) => Ok((key.to_owned(), value.to_owned())),
        _ => Err(LabelError(shown(text))),
    }
}

fn shown(text: &str) -> String {
    text.chars().take(100).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_names_follow_dns() {
        for good in ["web-1", "a", "db.eu.example.org", "1a"] {
            assert!(good.parse::<HostName>().is_ok(), "{good}");
        }
        for bad in ["", "-a", "a-", "a..b", "Web", "a_b", "10.0.0.1", "a.1", "a/b", &"a".repeat(64)]
        {
            assert!(bad.parse::<HostName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn app_names_are_safe_as_directories() {
        assert!("agent".parse::<AppName>().is_ok());
        for bad in ["", ".", "..", "a/b", "A", "1a", "-a", "a b"] {
            assert!(bad.parse::<AppName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_transaction_is_a_uuid_and_nothing_that_walks_a_tree() {
        assert!("0190a5c2-6f00-7000-8000-000000000000".parse::<TransactionId>().is_ok());
        for bad in ["", "../x", "0190A5C2-6F00-7000-8000-000000000000", "0190a5c26f0070008000"] {
            assert!(bad.parse::<TransactionId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn labels_have_two_sides() {
        assert_eq!(parse_label("role=web"), Ok(("role".into(), "web".into())));
        for bad in ["role", "=web", "role=", "a b=c", "a=b,c"] {
            assert!(parse_label(bad).is_err(), "{bad}");
        }
    }
}
