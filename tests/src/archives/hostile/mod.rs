//! Archives that no host takes, one file a family of attack.

mod bounds;
mod case;
mod combined;
mod extensions;
mod headers;
mod kinds;
mod links;
mod manifests;
mod names;
mod streams;
mod twins;

pub use case::{Hostile, LIMITS, LINKS, families, family};

use case::Family;
