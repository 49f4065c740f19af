//! What an input is, and the records in it.

use std::io::Cursor;

use super::{Explainer, Explanation, Form, Hints, MAX_EXPLANATIONS, Told};
use crate::bounce::is_candidate;
use crate::bounce::kind::is_bare_cr;
use crate::formats::{FORMATS, LineEvent, Parsed, Skip, syslog};
use crate::input::mbox::{MboxCutter, MessageBlock};
use crate::judge::{Codes, codes};
use crate::mail::fields::{fields, split};
use crate::provenance::{FileId, Provenance};
use crate::record::{DeliveryRecord, Hop, Outcome};
use crate::smtp::{locate_reply, parse_reply};

/// Fields that a mail's header has; a reply or a log line starts with none of them.
const MAIL_FIELDS: [&str; 12] = [
    "From",
    "To",
    "Subject",
    "Date",
    "Received",
    "Return-Path",
    "Delivered-To",
    "Message-ID",
    "MIME-Version",
    "Content-Type",
    "Auto-Submitted",
    "X-Failed-Recipients",
];
/// Of these a header must have so many.
const ENOUGH_FIELDS: usize = 2;
/// Fields of a header that are looked at to tell a mail.
const LOOKED_AT: usize = 200;
/// Bytes of a mail with line ends of CR alone that are looked at to tell it.
const MENDED: usize = 64 * 1024;

/// Where in the input a record stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) form: Form,
    /// Line of a log, from 1.
    pub(super) line: Option<u64>,
}

impl Explainer<'_> {
    /// Explains an input: a mail (each recipient), lines of a log (each delivery or refusal), else a reply.
    ///
    /// Never empty: an input that tells nothing gives one explanation that says so. Takes time linear in the input.
    pub fn explain(&mut self, input: &[u8], hints: &Hints<'_>) -> Vec<Explanation> {
        self.left_out = 0;
        let input = input.strip_prefix(b"\xef\xbb\xbf").unwrap_or(input);
        if is_mail(input) {
            return self.mails(input.trim_ascii_start(), hints);
        }
        let mut told = Vec::new();
        match self.log(input, hints, &mut told) {
            Log::Told => told,
            Log::Nothing(line, mta, reason) => {
                vec![Explanation { line: Some(line), mta, ..nothing(Form::LogLine, reason.as_str()) }]
            }
            Log::None => vec![self.reply(input, hints)],
        }
    }

    /// Explains the text of a reply. A frame around it (`host ... said:`) may be part of it.
    pub fn reply(&mut self, text: &[u8], hints: &Hints<'_>) -> Explanation {
        let text = text.trim_ascii();
        if text.is_empty() {
            return nothing(Form::Reply, Skip::Empty.as_str());
        }
        let reply = parse_reply(locate_reply(text), false);
        let codes =
            Codes { reply_code: reply.code, status: reply.status, conflict: reply.conflict, invalid: reply.invalid };
        let class = reply.code.map(|code| code.class()).or(reply.status.map(|status| status.class));
        let outcome = match class {
            Some(2 | 3) => Outcome::Delivered,
            Some(4) => Outcome::Deferred,
            _ => Outcome::Bounced,
        };
        let record = DeliveryRecord {
            diagnostic: Some(text),
            is_reply: true,
            ..DeliveryRecord::new(place(text), "reply", outcome, Hop::Remote)
        };
        self.record(Place { form: Form::Reply, line: None }, &record, (&codes, &reply), hints)
    }

    /// The mails of a mbox, or the one mail that there is.
    fn mails(&mut self, input: &[u8], hints: &Hints<'_>) -> Vec<Explanation> {
        let mut told = Vec::new();
        let mut reason = None;
        if input.starts_with(b"From ") {
            let mut cutter = MboxCutter::new(Box::new(Cursor::new(input.to_vec())));
            let mut block = MessageBlock::default();
            while cutter.next(&mut block).unwrap_or(false) {
                for message in block.messages() {
                    let skipped = self.mail(message.bytes, hints, &mut told);
                    reason = reason.or(skipped);
                }
            }
        } else {
            reason = self.mail(input, hints, &mut told);
        }
        if told.is_empty() {
            told.push(nothing(Form::BounceMail, reason.unwrap_or(Skip::NothingTold).as_str()));
        }
        told
    }

    /// Adds what a mail tells; says why it tells nothing.
    fn mail(&mut self, mail: &[u8], hints: &Hints<'_>, told: &mut Vec<Explanation>) -> Option<Skip> {
        if !is_candidate(mail) {
            return Some(Skip::OrdinaryMail);
        }
        let mut reader = std::mem::take(&mut self.reader);
        let finding = reader.read(mail, place(mail), &mut |record, _| {
            if told.len() >= MAX_EXPLANATIONS {
                self.left_out += 1;
                return;
            }
            let (codes, reply) = codes(record);
            told.push(self.record(Place { form: Form::BounceMail, line: None }, record, (&codes, &reply), hints));
        });
        self.reader = reader;
        (finding.records == 0).then_some(finding.kind.skip())
    }

    fn log(&mut self, text: &[u8], hints: &Hints<'_>, told: &mut Vec<Explanation>) -> Log {
        let mut first: Option<Log> = None;
        let mut last_format = 0;
        for (number, line) in (1_u64..).zip(text.split(|b| *b == b'\n')) {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if line.trim_ascii().is_empty() {
                continue;
            }
            let frame = syslog::frame(line, place(line));
            let mut parsed = Parsed::NotMine;
            let mut mta = None;
            for at in std::iter::once(last_format).chain((0..FORMATS.len()).filter(|at| *at != last_format)) {
                let Some(format) = FORMATS.get(at) else { continue };
                parsed = format.parse(&frame, &mut |event| {
                    let LineEvent::Record(record) = event else { return };
                    if told.len() >= MAX_EXPLANATIONS {
                        self.left_out += 1;
                        return;
                    }
                    let (codes, reply) = codes(&record);
                    told.push(self.record(
                        Place { form: Form::LogLine, line: Some(number) },
                        &record,
                        (&codes, &reply),
                        hints,
                    ));
                });
                if parsed != Parsed::NotMine {
                    (last_format, mta) = (at, Some(format.name()));
                    break;
                }
            }
            let is_framed = frame.stamp.is_some() && frame.program.is_some();
            first = first.or(match parsed {
                Parsed::Skipped(reason) => Some(Log::Nothing(number, mta, reason)),
                Parsed::NotMine if is_framed => Some(Log::Nothing(number, None, Skip::OtherProgram)),
                Parsed::NotMine | Parsed::Outcome => None,
            });
        }
        if told.is_empty() { first.unwrap_or(Log::None) } else { Log::Told }
    }
}

/// What lines turned out to be.
enum Log {
    /// Lines with outcomes.
    Told,
    /// Log lines without one; the first, its format, and why.
    Nothing(u64, Option<&'static str>, Skip),
    /// No log.
    None,
}

/// An explanation of something that tells nothing.
fn nothing(form: Form, reason: &'static str) -> Explanation {
    Explanation {
        form,
        line: None,
        mta: None,
        told: Told::Nothing,
        reason: Some(reason),
        fields: Vec::new(),
        reply_code: None,
        status: None,
        code_conflict: false,
        code_invalid: false,
        text: None,
        text_cut: false,
        receiver: None,
        judged: None,
    }
}

/// Whether the input is a mail: it starts with a header, maybe behind a mbox separator.
fn is_mail(input: &[u8]) -> bool {
    let input = input.trim_ascii_start();
    let mended: Vec<u8>;
    let mut header = input.get(split(input).header).unwrap_or(&[]);
    if is_bare_cr(input) {
        let start = input.get(..MENDED).unwrap_or(input);
        mended = start.iter().map(|b| if *b == b'\r' { b'\n' } else { *b }).collect();
        header = mended.get(split(&mended).header).unwrap_or(&[]);
    }
    let known = fields(header).take(LOOKED_AT).filter(|field| MAIL_FIELDS.iter().any(|name| field.is(name)));
    known.take(ENOUGH_FIELDS).count() >= ENOUGH_FIELDS
}

fn place(text: &[u8]) -> Provenance {
    Provenance { file: FileId(0), len: u32::try_from(text.len()).unwrap_or(u32::MAX), offset: 0 }
}
