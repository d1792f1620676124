//! What root on the host does where a key that leaked has driven an app's counter to its end: no
//! release that could be signed would be taken any more.

use std::sync::Arc;

use protocol::{Highest, OperationKind, OperatorName};

use super::{App, Failure};
use crate::trust::reset_counter;

impl App {
    /// Forgets the highest counter that was taken, and says so in the log. Not while a transaction is
    /// under way: that may be about to raise it. `None` if no signed release was taken yet.
    pub fn reset_counter(
        self: &Arc<Self>,
        by: Option<OperatorName>,
    ) -> Result<Option<Highest>, Failure> {
        let _lock = self.lock_at_rest()?;
        let before = reset_counter(&self.settings.files.counter())?;
        if let Some(Highest { counter, digest }) = before {
            let app = &self.settings.name;
            tracing::warn!(
                %app,
                "{app}: root has reset the counter of signed releases, which was {counter} (taken \
                 with {digest}): a release that is older may be taken now"
            );
            self.keep_operation(OperationKind::ResetCounter, by, None, Ok(None));
        }
        Ok(before)
    }
}
