//! What a master does: its home and its identity, its hosts, releases and their signatures, rollouts,
//! and who is told of them.
//!
//! It prints nothing and asks the operator on a terminal for nothing but a key's password: what is to be seen goes to
//! an observer, or back to the caller. It knows no words of the command line.

pub mod config;
pub mod fleet;
pub mod home;
pub mod hosts;
pub mod init;
pub mod interrupt;
pub mod master_identity;
pub mod notify;
pub mod pack;
pub mod rollout;
pub mod select;
pub mod signing;
pub mod updater_client;
