//! What one refusal means, told in full: from a reply text, the lines of a log, or a whole bounce mail.
//!
//! The way from a record to its verdict is the one that a scan takes ([`Judge`]); here nothing is counted, everything
//! is kept. No file is touched.
//!
//! ```
//! use bouncesift::explain::{Hints, explain};
//! use bouncesift::knowledge::Knowledge;
//!
//! let knowledge = Knowledge::builtin().unwrap();
//! let text = b"554 5.7.1 Service unavailable; Client host [192.0.2.7] blocked using zen.spamhaus.org";
//! let told = explain(text, &Hints::default(), &knowledge);
//! let judged = told[0].judged.as_ref().unwrap();
//! assert_eq!((judged.cause, judged.listed.as_ref().unwrap().value.as_str()), ("ip_blocklisted", "192.0.2.7"));
//! ```

mod judged;
mod read;
mod terminal;

use serde::{Serialize, Serializer};

use crate::bounce::Reader;
use crate::cause::Scratch;
use crate::judge::Judge;
use crate::knowledge::Knowledge;
pub use judged::{Advised, Judged, List, Matched, RunnerUp};
pub use terminal::render;

/// Version of the fields of [`Document`]. Additions raise the second number, changes the first.
pub const SCHEMA_VERSION: &str = "1.0";

/// Explanations of one input that are kept; more are only counted ([`Explainer::left_out`]).
pub const MAX_EXPLANATIONS: usize = 10_000;

/// Bytes of a text that are kept to be shown; no more than these are looked at for a verdict either.
pub const MAX_TEXT: usize = 16 * 1024;

/// What the reader knows beside the input. Used only where a log line or mail has no such field; for a bare reply they go
/// before what its words tell.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hints<'a> {
    /// Host name of the server that replied.
    pub host: Option<&'a [u8]>,
    /// Domain of the recipient.
    pub recipient_domain: Option<&'a [u8]>,
}

/// What an input was taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// The bare text of a reply.
    Reply,
    /// Lines of a log.
    LogLine,
    /// A mail.
    BounceMail,
}

/// What is told of one recipient and attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Told {
    /// It was refused or put off.
    Refusal,
    /// It was accepted.
    Delivery,
    /// Neither: see [`Explanation::reason`].
    Nothing,
}

/// Where a value was taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// An option of the command.
    Option,
    /// The line of the log.
    LogLine,
    /// The mail.
    BounceMail,
    /// Directly after the reply code, where RFC 2034 puts it.
    AfterReplyCode,
    /// Marked with `#` in the reply.
    Marked,
    /// Somewhere in the text of the reply.
    InText,
    /// The start of a line of the reply.
    Reply,
    /// The MTA's own field (`dsn=`, `Status:`).
    StatusField,
}

/// One thing that the input says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Field {
    /// Its name, as in the table of events.
    pub name: &'static str,
    /// Its value.
    pub value: String,
    /// Where it stands.
    pub from: Origin,
}

/// A code and what it means.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Code {
    /// As written.
    pub value: String,
    /// By RFC 5321 for a reply code; by the IANA registry for an enhanced status code. `None`: not registered.
    pub meaning: Option<String>,
    /// Where it was found.
    pub from: Origin,
}

/// Who refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Receiver {
    /// Slug of the table; `None` for a provider that it does not have.
    pub isp: Option<String>,
    /// Display name, or the domain, or `unknown` or `address_literal`.
    pub name: String,
    /// The registrable domain where the table does not have the provider.
    pub domain: Option<String>,
    /// Which clue told.
    pub basis: &'static str,
    /// The filter product or service that refused for it.
    pub filter_vendor: Option<String>,
}

/// A text, with bytes that are no UTF-8 shown as U+FFFD in JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text(pub Vec<u8>);

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&String::from_utf8_lossy(&self.0))
    }
}

/// What one recipient's part of the input says and means.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// What the input was taken for.
    pub form: Form,
    /// Line of the log, from 1. `None` for other forms.
    pub line: Option<u64>,
    /// Format of the log line, or shape of the bounce. `None` for a bare reply.
    pub mta: Option<&'static str>,
    /// What it tells.
    pub told: Told,
    /// Why it tells nothing, in the words of the manifest's counters; else `None`.
    pub reason: Option<&'static str>,
    /// What the input says.
    pub fields: Vec<Field>,
    /// Reply code; `None` where no server replied with one.
    pub reply_code: Option<Code>,
    /// Enhanced status code; `None` where there is none.
    pub status: Option<Code>,
    /// The codes contradict each other.
    pub code_conflict: bool,
    /// Something stands in a code's place that is none.
    pub code_invalid: bool,
    /// The reply, or the MTA's own words; at most [`MAX_TEXT`] bytes.
    pub text: Option<Text>,
    /// Whether the text goes on.
    pub text_cut: bool,
    /// Who took or refused the message; `None` where the attempt went to no server elsewhere.
    pub receiver: Option<Receiver>,
    /// What the refusal means; `None` for anything else.
    pub judged: Option<Judged>,
}

/// What is written as JSON.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Document<'a> {
    schema_version: &'static str,
    explanations: &'a [Explanation],
    left_out: u64,
}

impl<'a> Document<'a> {
    /// Puts explanations under a version; `left_out` is how many there were beyond them.
    pub fn new(explanations: &'a [Explanation], left_out: u64) -> Self {
        Self { schema_version: SCHEMA_VERSION, explanations, left_out }
    }
}

/// Explains an input. See [`Explainer`] for many of them.
pub fn explain(input: &[u8], hints: &Hints<'_>, knowledge: &Knowledge) -> Vec<Explanation> {
    Explainer::new(knowledge).explain(input, hints)
}

/// Explains inputs, one after the other; remembers what it was asked before. One for each thread.
pub struct Explainer<'k> {
    knowledge: &'k Knowledge,
    judge: Judge<'k>,
    reader: Reader,
    scratch: Scratch,
    /// Whether the rule that would have decided next is looked for, and advice given.
    is_full: bool,
    left_out: u64,
}

impl<'k> Explainer<'k> {
    /// One that was asked nothing yet.
    pub fn new(knowledge: &'k Knowledge) -> Self {
        Self {
            knowledge,
            judge: Judge::new(knowledge),
            reader: Reader::default(),
            scratch: Scratch::default(),
            is_full: true,
            left_out: 0,
        }
    }

    /// The same without runners-up and advice, in about half the time.
    pub fn brief(knowledge: &'k Knowledge) -> Self {
        Self { is_full: false, ..Self::new(knowledge) }
    }

    /// Explanations of the last input beyond [`MAX_EXPLANATIONS`].
    pub fn left_out(&self) -> u64 {
        self.left_out
    }
}
