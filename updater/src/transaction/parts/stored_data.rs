//! Whether the data that outlives releases has the form that a release needs: no program runs on another
//! one, whoever asks for it.

use protocol::{Code, Digest, Problem};

use super::AppSettings;
use crate::transaction::{Failure, Migrations};

impl AppSettings {
    /// Whether the data has the form that a release needs, which has run here.
    pub(in crate::transaction) fn has_form_of(&self, release: &Digest) -> Result<bool, Failure> {
        let now = Migrations::read(&self.files.migrations())?;
        Ok(now.wanted(release, true, None) == now.applied)
    }

    /// Refuses a start of a release on data that has another form, and says what there is instead.
    pub(crate) fn refuse_foreign_data(&self, release: &Digest) -> Result<(), Failure> {
        if self.has_form_of(release)? {
            return Ok(());
        }
        let detail = format!(
            "{}; push a release that takes the data as it is, or put the data back and go to a \
             release with --irreversible",
            foreign_data(release)
        );
        Err(Failure::host_problem(Problem::new(Code::Irreversible, detail)))
    }
}

/// What is so, in words.
pub(in crate::transaction) fn foreign_data(release: &Digest) -> String {
    format!("stored data does not have the form that {release} needs")
}
