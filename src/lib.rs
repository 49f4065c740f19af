//! Who refuses our mail with 5.7.1, why, how much and since when.
//!
//! Data flows one way; a module imports from its left, never from its right:
//!
//! ```text
//! discover -> sniff -> blocks -> parse -> reply -> cause + isp -> tally -> run -> report
//!   paths    format   bytes    record<'b>  codes    verdict       counts   files   people
//! ```
//!
//! Only `input`, `run`, `report` and the binary touch the file system; the middle takes bytes or values and
//! gives values. What is known about mail lives in `tables/`, what is done with it lives in code.

pub mod cause;
pub mod formats;
pub mod isp;
pub mod provenance;
pub mod record;
pub mod run;
pub mod smtp;
pub mod stamp;
