//! How a section is written down: a key, its type and its default in one line, which is the only
//! place where the default stands.

use std::time::Duration;

use protocol::Period;

/// Makes the struct of a section, which a file without the section gives with all its defaults. An
/// unknown key is an error.
macro_rules! section {
    (
        $(#[$about:meta])*
        pub struct $name:ident {
            $($(#[$note:meta])* pub $key:ident: $type:ty = $default:expr,)*
        }
    ) => {
        $(#[$about])*
        #[derive(Debug, Clone, PartialEq, serde::Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct $name {
            $($(#[$note])* pub $key: $type,)*
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($key: $default,)* }
            }
        }
    };
}

pub(super) const fn seconds(number: u64) -> Period {
    Period(Duration::from_secs(number))
}

pub(super) const fn minutes(number: u64) -> Period {
    seconds(60 * number)
}

pub(super) const fn hours(number: u64) -> Period {
    minutes(60 * number)
}
