//! What a master tells programs: the documents that `--json` prints.
//!
//! They are built from what the rooms below give back. A record of such a room that is told as it is
//! (a host, an event, a row of `swarm status`) has no document of its own.
//!
//! Nothing here decides or changes anything, and nothing here is for people: that is the command
//! line's. A key that is here once is a promise to the programs that read it.

mod drills;
mod history;
mod hosts;
mod master;
mod plan;
mod releases;
mod rollouts;
mod simulations;

pub use drills::{DrillStepLine, DrillSummary};
pub use history::{PastRollout, past_rollouts};
pub use hosts::{
    CheckDocument, DesiredRelease, EnrolledDocument, HeldDocument, HostDocument, HostRecord,
    LabelsDocument,
};
pub use master::{EpochDocument, MasterDocument};
pub use plan::PlanDocument;
pub use releases::{DescribedRelease, ForgivenRelease, SignedRelease};
pub use rollouts::{ListedRollout, RolloutDocument, SummaryDocument};
pub use simulations::{SimulationDocument, SimulationsDocument};
