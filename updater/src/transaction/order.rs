//! An order as it comes to an app.

use protocol::{CallerKind, Digest, Kind, OperatorName, OrderOptions};

use super::Archive;

/// What is asked for.
#[derive(Debug)]
pub struct Order {
    /// Stage, update or roll back.
    pub kind: Kind,
    pub target: Target,
    pub options: OrderOptions,
    /// `master`, or `local`.
    pub caller: CallerKind,
    /// The operator on the host who gives it, where that is known.
    pub by: Option<OperatorName>,
    /// The number of the connection that it came on.
    pub connection: u64,
    pub epoch: Option<u64>,
    /// The caller's name for the order.
    pub order: Option<String>,
}

/// Which release an order means.
#[derive(Debug)]
pub enum Target {
    /// One that is on the disk.
    Digest(Digest),
    /// The one that `prev` names.
    Previous,
    /// One that is being sent.
    Archive(Archive),
}
