//! The two places of a templated unit, `agent@a` and `agent@b`: while one serves, the next release is
//! started in the other. Pure.
//!
//! There are two of them and no more, whatever releases come: a release can follow itself, and what an
//! administrator has set for a unit holds for every release.

use serde::{Deserialize, Serialize};

/// One of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TemplateInstance {
    A,
    B,
}

impl TemplateInstance {
    pub(super) const BOTH: [Self; 2] = [Self::A, Self::B];

    /// What stands between `@` and the kind of the unit.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::A => "a",
            Self::B => "b",
        }
    }

    pub(super) const fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }

    /// The unit that a template makes here: `agent@a.service`.
    pub(super) fn unit(self, template: &str) -> String {
        template.replacen("@.", &format!("@{}.", self.name()), 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_makes_two_units() {
        let [a, b] = TemplateInstance::BOTH.map(|side| side.unit("agent@.service"));
        assert_eq!([a.as_str(), b.as_str()], ["agent@a.service", "agent@b.service"]);
        assert_eq!(TemplateInstance::A.other(), TemplateInstance::B);
    }
}
