//! Sets of words that an updater says of itself and of what it keeps.
//!
//! A newer updater may have a word more. An older peer, or the older updater that takes over again
//! after a bad release, must read the rest all the same: such a word is kept as it came.

use serde::{Deserialize, Serialize};

macro_rules! words {
    ($($(#[$about:meta])* $name:ident { $($(#[$note:meta])* $word:ident,)* })*) => {$(
        $(#[$about])*
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, strum::Display)]
        #[serde(rename_all = "snake_case")]
        #[strum(serialize_all = "snake_case")]
        pub enum $name {
            $($(#[$note])* $word,)*
            /// A word that a newer version has and this one does not.
            #[serde(untagged)]
            #[strum(default)]
            Unknown(String),
        }

        impl $name {
            /// Every word that this version knows.
            pub const ALL: &'static [Self] = &[$(Self::$word,)*];
        }
    )*};
}

pub(crate) use words;

words! {
    /// How the updater itself is: it says this only as long as it answers.
    UpdaterState {
        /// It answers. How the apps are, they say each.
        Ok,
    }

    /// What an app's agent is doing.
    AgentState {
        /// There is no release, so there is no agent.
        None,
        /// It runs.
        Running,
        /// An operator, or a transaction, stopped it.
        Stopped,
        /// It should run and does not.
        Dead,
        /// It runs, and dies again and again.
        Crashing,
        /// The active release has none, and needs none.
        NoProcess,
    }

    /// Where a release is that an answer is about.
    ReleaseSlot {
        /// The link `active` names it.
        Active,
        /// The link `prev` names it.
        Prev,
        /// It is only staged.
        Store,
    }

    /// How a release was built.
    BuildKind {
        /// Nothing is built.
        None,
        /// What the host's configuration or the release says.
        Command,
        /// A virtualenv, and `pip install`.
        Python,
        /// `cargo build --release`.
        Cargo,
        /// `npm ci` or `npm install`, and the script `build`.
        Npm,
        /// `make`.
        Make,
    }

    /// What is asked whether a release is healthy.
    ProbeKind {
        /// Nothing: its process counts.
        None,
        /// A URL, in clear.
        Http,
        /// A URL, over TLS.
        Https,
        /// A connection.
        Tcp,
        /// A command of the release.
        Command,
    }

    /// What ordered a transaction.
    CallerKind {
        /// A master, over the network.
        Master,
        /// Root on the host.
        Local,
        /// A drill.
        Drill,
        /// The rescue, which put the updater's last good release back.
        Rescue,
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::{Debug, Display};

    use serde::de::DeserializeOwned;

    use super::*;

    fn check<T: Debug + Display + PartialEq + Serialize + DeserializeOwned>(known: &[T]) {
        for word in known {
            let text = word.to_string();
            assert_eq!(serde_json::to_value(word).unwrap(), text);
            assert_eq!(&serde_json::from_value::<T>(text.into()).unwrap(), word);
        }
        let newer: T = serde_json::from_str("\"of_the_future\"").unwrap();
        assert!(!known.contains(&newer));
        assert_eq!(newer.to_string(), "of_the_future");
        assert_eq!(serde_json::to_string(&newer).unwrap(), "\"of_the_future\"");
    }

    #[test]
    fn a_word_is_its_text_and_one_of_a_newer_version_is_kept() {
        check(UpdaterState::ALL);
        check(AgentState::ALL);
        check(ReleaseSlot::ALL);
        check(BuildKind::ALL);
        check(ProbeKind::ALL);
        check(CallerKind::ALL);
        assert_eq!(AgentState::None.to_string(), "none");
    }
}
