//! Closed sets of values of the rooms below, as the command line takes them: each value has a word, and a
//! line of help.

use clap::ValueEnum;
use clap::builder::PossibleValue;
use control::select::HostOrder;
use engine::simulate::Answer;
use engine::{Approve, OnTrip};

/// One value of such a set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Choice<T>(pub(super) T);

/// A closed set of values.
pub(super) trait Choices: Copy + Send + Sync + 'static {
    /// All of them, in the order in which help lists them.
    const ALL: &'static [Choice<Self>];

    /// The word for a value, and what it means.
    fn words(self) -> (&'static str, &'static str);
}

impl<T: Choices> ValueEnum for Choice<T> {
    fn value_variants<'a>() -> &'a [Self] {
        T::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let (word, help) = self.0.words();
        Some(PossibleValue::new(word).help(help))
    }
}

impl Choices for HostOrder {
    const ALL: &'static [Choice<Self>] = &[Choice(Self::Given), Choice(Self::Sorted)];

    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Given => (
                "given",
                "As the words, the pattern or the file names them; where one word names many, by name",
            ),
            Self::Sorted => ("sorted", "By name"),
        }
    }
}

impl Choices for OnTrip {
    const ALL: &'static [Choice<Self>] =
        &[Choice(Self::Pause), Choice(Self::Rollback), Choice(Self::Abort)];

    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Pause => ("pause", "Wait for an answer"),
            Self::Rollback => ("rollback", "Take every host back that was updated"),
            Self::Abort => ("abort", "Leave all hosts as they are"),
        }
    }
}

impl Choices for Approve {
    const ALL: &'static [Choice<Self>] =
        &[Choice(Self::Never), Choice(Self::Start), Choice(Self::Canary), Choice(Self::Batch)];

    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Never => ("never", "Nowhere"),
            Self::Start => ("start", "Before the first host"),
            Self::Canary => ("canary", "After the canary"),
            Self::Batch => ("batch", "Before each batch"),
        }
    }
}

impl Choices for Answer {
    const ALL: &'static [Choice<Self>] = &[
        Choice(Self::Never),
        Choice(Self::Continue),
        Choice(Self::Rollback),
        Choice(Self::Abort),
        Choice(Self::Any),
    ];

    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Never => ("never", "No answer"),
            Self::Continue => ("continue", "Go on"),
            Self::Rollback => ("rollback", "Take back what it did"),
            Self::Abort => ("abort", "Leave everything as it is"),
            Self::Any => ("any", "One of these, by chance"),
        }
    }
}
