//! The command line `swarm`: it knows the hosts of a fleet and rolls releases through them.
//!
//! The doors (`cli`) parse, call one function of a room below, and render (`output`); they decide
//! nothing.

pub mod cli;
pub mod demo;
pub mod output;
