//! Finding the inputs and reading them in blocks. Nothing here knows what a line means.

pub mod blocks;
pub mod discover;
pub mod mbox;
pub mod members;
pub mod sniff;
pub mod stream;
