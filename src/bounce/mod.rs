//! Bounce mails: what a mail is, and what it says of each recipient.

pub mod returned;
pub mod text;
