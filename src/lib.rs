//! Who refuses our mail with 5.7.1, why, how much and since when.
//!
//! Data flows one way; a module imports from its left, never from its right:
//!
//! ```text
//! discover -> sniff -> blocks -> parse -> reply -> cause + isp -> tally -> run -> report
//!   paths    format   bytes    record<'b>  codes    verdict       counts   files   people
//! ```
//!
//! `parse` is `formats` for the lines of a log, and `mail` (structure) with `bounce` (meaning) for a mail.
//!
//! Only `input`, `pipeline`, `run`, `table` and `cli` touch the file system; the middle takes bytes or values and
//! gives values. What is known about mail lives in `tables/`, what is done with it lives in code.

pub mod advice;
pub mod bounce;
pub mod cause;
pub mod cli;
pub mod clock;
pub mod crosswalk;
pub mod error;
pub mod explain;
pub mod formats;
pub mod groups;
pub mod input;
pub mod isp;
pub mod judge;
pub mod knowledge;
pub mod mail;
pub mod names;
pub mod pipeline;
pub mod provenance;
pub mod record;
pub mod report;
pub mod rows;
pub mod run;
pub mod senders;
pub mod smtp;
pub mod stamp;
pub mod table;
pub mod tally;
pub mod text;
pub mod told;
