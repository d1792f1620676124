//! Starting a successor beside this updater: the small parent does it, or, in a unit of systemd, this
//! updater itself.

use std::path::Path;
use std::sync::Arc;

use crate::self_update::unit::Unit;
use crate::self_update::{Channel, ChannelError, ToParent};

/// Who starts a successor: the parent process, or this process inside its unit.
pub enum SuccessorStarter {
    /// Beneath the small parent, which is asked.
    Parent(Arc<Channel>),
    Unit(Unit),
}

impl SuccessorStarter {
    pub(super) fn start(&self, program: &Path) -> Result<(), ChannelError> {
        match self {
            Self::Parent(parent) => parent.send(&ToParent::Start(program.to_owned())),
            Self::Unit(unit) => {
                unit.start(program);
                Ok(())
            }
        }
    }

    pub(super) fn stop(&self) {
        match self {
            // A parent that is gone has taken the new one along.
            Self::Parent(parent) => drop(parent.send(&ToParent::Stop)),
            Self::Unit(unit) => unit.stop(),
        }
    }

    pub(super) fn hand_over(&self) -> Result<(), ChannelError> {
        match self {
            Self::Parent(parent) => parent.send(&ToParent::HandOver),
            Self::Unit(unit) => unit.hand_over(),
        }
    }
}
