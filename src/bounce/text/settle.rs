//! What was found becomes what is told: who failed, why, and whether it is final.

use super::address;
use super::entries::{Entries, Rank, told};
use super::lines::Lines;
use super::phrases::{self, Kind};
use super::prose;
use super::reader::Findings;
use super::reason::{Reason, find_reply};
use super::{Clues, Told};
use crate::record::Outcome;

/// Tells of each recipient.
pub(super) fn settle<'t>(lines: &Lines<'t>, found: Findings<'t>, clues: &Clues<'t>, out: &mut Vec<Told<'t>>) {
    let mut found = found;
    let subject = Subject::read(clues.subject);
    let is_report = clues.is_report
        || subject.fails
        || found.sure
        || from_daemon(clues.from)
        || (clues.subject.is_none() && clues.from.is_none());
    found.session.settle(lines.text, &mut found.entries);
    if is_report && found.entries.best_rank() < Some(Rank::Session) {
        prose::read(lines, &mut found.entries);
    }
    let has_reply = found.entries.list.iter().any(|entry| entry.told.is_reply);
    if !(found.failure || has_reply || is_report && (subject.fails || clues.is_report)) {
        return;
    }
    if found.entries.best_rank() < Some(Rank::Prose) {
        if !is_report {
            return;
        }
        from_clues(clues, &subject, &mut found.entries);
        found.session.settle_rest(lines.text, &mut found.entries);
    }
    found.entries.keep_best();
    complete(&mut found.entries, clues);
    let common = common_reason(lines, &found);
    if found.entries.list.is_empty() {
        nobody(&found, common.as_ref(), &subject, out);
        return;
    }
    let outcome = outcome(&found, &subject);
    for mut entry in found.entries.list {
        if let Some(reason) = common.as_ref().filter(|reason| entry.told.diagnostic.is_none() || reason.is_reply) {
            entry.learn(reason);
        }
        let told = &mut entry.told;
        if told.outcome == Outcome::Bounced {
            told.outcome = outcome;
        }
        told.status = told.status.or(found.status);
        told.reporting_mta = found.reporting_mta;
        told.queue_id = found.queue_id;
        told.remote_mta = told.remote_mta.or(found.remote_mta);
        out.push(entry.told);
    }
}

/// Gives local parts their domain where the header names the whole address.
fn complete<'t>(entries: &mut Entries<'t>, clues: &Clues<'t>) {
    let Some(known) = clues.failed_recipients else { return };
    for entry in entries.list.iter_mut().filter(|entry| entry.told.recipient.is_some_and(|r| !r.contains(&b'@'))) {
        let local = entry.told.recipient.unwrap_or_default();
        let whole = address::among(known)
            .take(64)
            .find(|(_, a)| a.split(|b| *b == b'@').next().is_some_and(|head| head.eq_ignore_ascii_case(local)));
        entry.told.recipient = whole.map(|(_, a)| a).or(entry.told.recipient);
    }
}

/// A report that names no recipient tells its reason, if it has one.
fn nobody<'t>(found: &Findings<'t>, reason: Option<&Reason<'t>>, subject: &Subject<'t>, out: &mut Vec<Told<'t>>) {
    let Some(reason) = reason else { return };
    out.push(Told {
        outcome: outcome(found, subject),
        diagnostic: Some(reason.text),
        is_reply: reason.is_reply,
        status: reason.status.or(found.status),
        remote_mta: reason.host.or(found.remote_mta),
        remote_ip: reason.ip,
        reporting_mta: found.reporting_mta,
        queue_id: found.queue_id,
        stage: reason.stage,
        ..told("nobody", None)
    });
}

/// A warning is one as long as nothing says that it is over.
fn outcome(found: &Findings<'_>, subject: &Subject<'_>) -> Outcome {
    let waits = (found.delay || subject.waits) && !found.given_up && !subject.given_up;
    if waits { Outcome::Deferred } else { Outcome::Bounced }
}

/// What the subject says.
#[derive(Default)]
struct Subject<'t> {
    text: &'t [u8],
    fails: bool,
    waits: bool,
    given_up: bool,
}

impl<'t> Subject<'t> {
    fn read(text: Option<&'t [u8]>) -> Self {
        let mut subject = Subject { text: text.unwrap_or_default(), ..Subject::default() };
        let text = subject.text.get(..1024).unwrap_or(subject.text);
        for (_, kind) in phrases::find(text) {
            subject.fails |= matches!(kind, Kind::Failure | Kind::Delay | Kind::Intro);
            subject.waits |= kind == Kind::Delay;
            subject.given_up |= kind == Kind::GivenUp;
        }
        subject
    }
}

/// Whether the sender is a mail system.
fn from_daemon(from: Option<&[u8]>) -> bool {
    const WORDS: [&[u8]; 12] = [
        b"mailer-daemon",
        b"mailer daemon",
        b"mailerdaemon",
        b"postmaster",
        b"post_master",
        b"mail deliver",
        b"mail administrator",
        b"mail system",
        b"mail.delivery",
        b"ndr",
        b"<>",
        b"bounce",
    ];
    let Some(from) = from else { return false };
    let from = from.get(..512).unwrap_or(from).to_ascii_lowercase();
    from.trim_ascii().is_empty() || WORDS.iter().any(|word| memchr::memmem::find(&from, word).is_some())
}

/// The header's own hints, best first; what only stands in the text somewhere comes last but one.
fn from_clues<'t>(clues: &Clues<'t>, subject: &Subject<'t>, entries: &mut Entries<'t>) {
    for (_, found) in address::among(clues.failed_recipients.unwrap_or_default()) {
        entries.claim(found, Rank::Prose);
    }
    if entries.best_rank() < Some(Rank::Prose)
        && subject.fails
        && let Some(found) = address::only(subject.text)
        && !address::is_role(found)
    {
        entries.claim(found, Rank::Prose);
    }
    if entries.best_rank().is_none()
        && let Some(found) = clues.original_to.and_then(address::only)
    {
        entries.claim(found, Rank::Weak);
    }
}

/// The reason that a text gives for all recipients: what a label announces, or what stands behind the list, or in front
/// of it. A server's reply in any of them beats words.
fn common_reason<'t>(lines: &Lines<'t>, found: &Findings<'t>) -> Option<Reason<'t>> {
    let labelled = found.labelled.map(Reason::read);
    if labelled.is_some_and(|reason| reason.is_reply) {
        return labelled;
    }
    let start = lines.get(found.list_end).map_or(lines.text.len(), |line| line.start);
    let behind = lines.span(start, lines.text.len());
    if find_reply(behind.get(..super::reason::MAX_REASON).unwrap_or(behind)).is_some() {
        return Some(Reason::read(behind));
    }
    let list = found.list_start.and_then(|line| lines.get(line)).map_or(start, |line| line.start);
    let before = lines.span(list.saturating_sub(super::reason::MAX_REASON), list);
    if find_reply(before).is_some() {
        return Some(Reason::read(before));
    }
    labelled.or_else(|| {
        let paragraphs = prose::paragraphs(lines);
        let border = paragraphs.partition_point(|(from, _)| *from < start);
        let (before, after) = paragraphs.split_at_checked(border)?;
        let words = announced(lines, after).or_else(|| telling(lines, after.iter()));
        words.or_else(|| telling(lines, before.iter().rev())).map(Reason::read)
    })
}

/// What stands behind a phrase that announces the cause: the rest of its line, or the next paragraph.
fn announced<'t>(lines: &Lines<'t>, paragraphs: &[(usize, usize)]) -> Option<&'t [u8]> {
    for (at, &(start, end)) in paragraphs.iter().enumerate() {
        let words = lines.span(start, end);
        let Some((cause, _)) = phrases::find(words).find(|(_, kind)| *kind == Kind::Cause) else { continue };
        let behind = words.get(cause..).unwrap_or_default();
        let colon = memchr::memchr(b':', behind.get(..80).unwrap_or(behind));
        let told = colon.and_then(|colon| behind.get(colon + 1..)).map(<[u8]>::trim_ascii);
        return match told {
            Some([]) => paragraphs.get(at + 1).map(|&(start, end)| lines.span(start, end)),
            Some(told) => Some(told),
            None => Some(words),
        };
    }
    None
}

/// The first paragraph that says something went wrong and does not say whom to ask.
fn telling<'p, 't>(lines: &Lines<'t>, paragraphs: impl Iterator<Item = &'p (usize, usize)>) -> Option<&'t [u8]> {
    let mut first = None;
    for &(start, end) in paragraphs {
        let words = lines.span(start, end);
        let (mut fails, mut contact) = (false, false);
        for (_, kind) in phrases::find(words) {
            fails |= kind == Kind::Failure;
            contact |= kind == Kind::Contact;
        }
        if fails {
            return Some(words);
        }
        first = first.or(Some(words).filter(|words| !contact && words.iter().any(u8::is_ascii_alphabetic)));
    }
    first
}
