//! Programs that nobody here wrote, as `examples/` says what to write for them: each is pushed, upgraded, upgraded
//! badly, rolled back and stopped, as a user of its own. After each of these every process of that user
//! is looked at, whatever it has done to hide.

mod handed_over;
mod locked;
mod servers;
mod static_site;
