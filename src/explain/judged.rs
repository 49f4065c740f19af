//! From a record to its explanation.

use serde::Serialize;

use super::read::Place;
use super::{Code, Explainer, Explanation, Field, Form, Hints, MAX_TEXT, Origin, Receiver, Text, Told};
use crate::advice::{About, Case};
use crate::cause::{Listed, Question, RuleId, Verdict, details, retry_helps};
use crate::isp::{Attribution, Clues, Isp};
use crate::judge::{Codes, group_isp};
use crate::names::Names;
use crate::record::{DeliveryRecord, Outcome};
use crate::rows::GroupIsp;
use crate::smtp::{Reply, ReplyCode, StatusPlace};

/// What a refusal means.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Judged {
    /// The cause; `unclassified` where nothing usable was said.
    pub cause: &'static str,
    /// Its category.
    pub category: &'static str,
    /// The cause in a sentence.
    pub meaning: &'static str,
    /// What the cause rests on: `text`, `token`, `registered_code` or `none`.
    pub evidence: &'static str,
    /// Id of the rule that chose it; `None` where no rule spoke.
    pub rule: Option<String>,
    /// The words that the rule matched.
    pub matched: Option<Matched>,
    /// The rule that would have decided without it. `None` where there is none, or it was not looked for.
    pub runner_up: Option<RunnerUp>,
    /// The blocklist that is named.
    pub blocklist: Option<List>,
    /// What is listed, where the text says so.
    pub listed: Option<Listed>,
    /// Our address as the receiver saw it, where the text states it.
    pub sending_ip: Option<String>,
    /// The domain that failed SPF, DKIM or DMARC, where the text names it.
    pub auth_domain: Option<String>,
    /// URLs in the text, at most [`crate::cause::MAX_URLS`].
    pub urls: Vec<String>,
    /// Who can put it right: `sender`, `recipient_org`, `receiver` or `path`.
    pub responsible: &'static str,
    /// Whether sending it again can help: `yes`, `no` or `maybe`.
    pub retry_helps: &'static str,
    /// What to do, the most specific first.
    pub advice: Vec<Advised>,
    /// Where to read more.
    pub reference: Option<String>,
}

/// The words that a rule matched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Matched {
    /// First byte, from the start of the text, from 0.
    pub start: usize,
    /// The byte behind the last one.
    pub end: usize,
    /// The words.
    pub text: Text,
}

/// The next rule that holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RunnerUp {
    /// Its id.
    pub rule: String,
    /// Its cause.
    pub cause: &'static str,
}

/// A blocklist.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct List {
    /// Its name, or its zone where the catalogue does not have it.
    pub name: String,
    /// `public` or `receiver`; `None` where not known.
    pub scope: Option<String>,
    /// What it holds: `ip`, `domain` or `url`; `None` where not known or several.
    pub kind: Option<String>,
    /// Where to look a listing up.
    pub lookup_url: Option<String>,
}

/// A piece of advice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Advised {
    /// What it is about.
    pub about: About,
    /// What to do first.
    pub advice: String,
    /// The page that says so.
    pub page: Option<String>,
    /// Where removal is asked for.
    pub procedure: Option<String>,
    /// What it is known from.
    pub source: String,
    /// When that was looked at (ISO date); `None` for a standard, or where the source says that nobody looked.
    pub checked: Option<String>,
}

impl Explainer<'_> {
    pub(super) fn record(
        &mut self,
        place: Place,
        record: &DeliveryRecord<'_>,
        (codes, reply): (&Codes, &Reply<'_>),
        hints: &Hints<'_>,
    ) -> Explanation {
        let to = self.receiver(record, hints);
        let is_refusal = record.outcome != Outcome::Delivered;
        let verdict = is_refusal.then(|| {
            let isp = to.as_ref().map_or(Isp::Unknown, |to| to.isp.clone());
            self.judge.opinion(record, reply, &isp)
        });
        let judged =
            verdict.as_deref().map(|opinion| self.judged(record, (codes, reply), to.as_ref(), &opinion.verdict));
        let text = record.diagnostic.map(|text| text.get(..MAX_TEXT).unwrap_or(text));
        let filter = to.as_ref().and_then(|to| to.filter);
        let filter = filter.or(verdict.and_then(|opinion| opinion.verdict.filter));
        let receiver = to.map(|to| Receiver {
            filter_vendor: filter.map(|filter| self.knowledge.filter(filter).to_owned()),
            ..self.who(&to)
        });
        Explanation {
            form: place.form,
            line: place.line,
            mta: (place.form != Form::Reply).then_some(record.mta),
            told: if is_refusal { Told::Refusal } else { Told::Delivery },
            reason: None,
            fields: said(place.form, record, hints),
            reply_code: codes.reply_code.map(reply_code),
            status: codes.status.map(|status| Code {
                value: status.to_string(),
                meaning: self.knowledge.registered_meaning(status).map(str::to_owned),
                from: status_origin(reply, codes),
            }),
            code_conflict: codes.conflict,
            code_invalid: codes.invalid,
            text_cut: text.map(<[u8]>::len) != record.diagnostic.map(<[u8]>::len),
            text: text.map(|text| Text(text.to_vec())),
            receiver,
            judged,
        }
    }

    /// Whose server spoke; `None` where the attempt went to no server elsewhere. What the record does not say is taken
    /// from the hints.
    fn receiver(&mut self, record: &DeliveryRecord<'_>, hints: &Hints<'_>) -> Option<Attribution> {
        if !record.hop.is_outward() {
            return None;
        }
        let clues = Clues {
            remote_mta: record.remote_mta.or(hints.host),
            remote_ip: record.remote_ip,
            recipient_domain: record.recipient_domain().or(hints.recipient_domain),
            text: record.diagnostic.filter(|_| record.is_reply),
        };
        Some(self.judge.attribute_clues(&clues))
    }

    fn who(&self, to: &Attribution) -> Receiver {
        let group = group_isp(&to.isp);
        Receiver {
            isp: self.knowledge.slug(&group).map(str::to_owned),
            name: self.knowledge.isp(&group).1.into_owned(),
            domain: if let GroupIsp::Domain(domain) = &group { Some(domain.to_string()) } else { None },
            basis: to.basis.as_str(),
            filter_vendor: None,
        }
    }

    fn judged(
        &mut self,
        record: &DeliveryRecord<'_>,
        (codes, reply): (&Codes, &Reply<'_>),
        to: Option<&Attribution>,
        verdict: &Verdict,
    ) -> Judged {
        let text = record.diagnostic.unwrap_or(&[]);
        let knowledge = self.knowledge;
        let row = verdict.cause.row();
        let found = details(text, verdict);
        let group = to.map_or(GroupIsp::Unknown, |to| group_isp(&to.isp));
        let blocklist = verdict.blocklist.as_deref();
        let case = Case { cause: verdict.cause, isp: knowledge.slug(&group), blocklist };
        let isp = if let GroupIsp::Known(id) = group { Some(id) } else { None };
        let advice = if self.is_full { knowledge.advice.on(case) } else { Vec::new() };
        let question = Question { diagnostic: text, reply, isp };
        Judged {
            cause: &row.cause,
            category: &row.category,
            meaning: &row.meaning,
            evidence: verdict.evidence.as_str(),
            rule: verdict.rule.map(|rule| knowledge.rule(rule).to_owned()),
            matched: verdict.span.and_then(|(start, end)| matched(text, start as usize, end as usize)),
            runner_up: if self.is_full { self.runner_up(&question, verdict.rule) } else { None },
            blocklist: blocklist.map(|name| list(knowledge, name)),
            listed: found.listed,
            sending_ip: verdict.sending_ip.map(|ip| ip.to_string()),
            auth_domain: found.auth_domain,
            urls: found.urls,
            responsible: row.responsible.as_str(),
            retry_helps: retry_helps(verdict.cause, codes.reply_code, codes.status).as_str(),
            advice: advice.into_iter().map(|(about, row)| advised(about, row)).collect(),
            reference: knowledge.advice(verdict.cause, &group, blocklist).reference.map(str::to_owned),
        }
    }

    fn runner_up(&mut self, question: &Question<'_>, winner: Option<RuleId>) -> Option<RunnerUp> {
        let holding = self.knowledge.engine.candidates(question, &mut self.scratch);
        let next = holding.into_iter().find(|rule| Some(*rule) != winner)?;
        let cause = self.knowledge.engine.rule(next)?.cause.name();
        Some(RunnerUp { rule: self.knowledge.rule(next).to_owned(), cause })
    }
}

fn list(names: &dyn Names, name: &str) -> List {
    let facts = names.blocklist(name).unwrap_or_default();
    List {
        name: name.to_owned(),
        scope: facts.scope.map(str::to_owned),
        kind: facts.listed_kind.map(str::to_owned),
        lookup_url: facts.lookup_url.map(str::to_owned),
    }
}

fn advised(about: About, row: &crate::advice::AdviceRow) -> Advised {
    Advised {
        about,
        advice: row.advice.clone(),
        page: row.page.clone(),
        procedure: row.procedure.clone(),
        source: row.source.clone(),
        checked: row.checked.clone(),
    }
}

fn matched(text: &[u8], start: usize, end: usize) -> Option<Matched> {
    let text = text.get(start..end).filter(|text| !text.is_empty())?;
    Some(Matched { start, end, text: Text(text.to_vec()) })
}

fn reply_code(code: ReplyCode) -> Code {
    let meaning = match code.class() {
        2 => "accepted",
        3 => "go on",
        4 => "transient failure: try again later",
        _ => "permanent failure",
    };
    Code { value: code.get().to_string(), meaning: Some(meaning.to_owned()), from: Origin::Reply }
}

fn status_origin(reply: &Reply<'_>, codes: &Codes) -> Origin {
    match reply.place.filter(|_| reply.status == codes.status) {
        Some(StatusPlace::AfterReplyCode) => Origin::AfterReplyCode,
        Some(StatusPlace::Marked) => Origin::Marked,
        Some(StatusPlace::InText) => Origin::InText,
        None => Origin::StatusField,
    }
}

/// What the record says, and of the hints what it does not say.
fn said(form: Form, record: &DeliveryRecord<'_>, hints: &Hints<'_>) -> Vec<Field> {
    let from = match form {
        Form::BounceMail => Origin::BounceMail,
        Form::LogLine => Origin::LogLine,
        Form::Reply => Origin::Reply,
    };
    let mut fields: Vec<Field> = Vec::new();
    let mut add = |name, value: Option<&[u8]>, from| {
        let value = value.map(|value| String::from_utf8_lossy(value.get(..MAX_FIELD).unwrap_or(value)).into_owned());
        fields.extend(value.map(|value| Field { name, value, from }));
    };
    let word = |word: &'static str| Some(word.as_bytes());
    if form != Form::Reply {
        add("outcome", word(record.outcome.as_str()), from);
        add("hop", word(record.hop.as_str()), from);
    }
    add("smtp_stage", record.stage.and_then(|stage| word(stage.as_str())), from);
    add("reporting_mta", record.reporting_mta, from);
    add("queue_id", record.queue_id, from);
    add("sender", record.sender, from);
    add("final_recipient", record.final_recipient, from);
    add("original_recipient", record.original_recipient, from);
    add("remote_mta", record.remote_mta, from);
    add("remote_ip", record.remote_ip, from);
    if record.remote_mta.is_none() {
        add("remote_mta", hints.host, Origin::Option);
    }
    if record.recipient_domain().is_none() {
        add("recipient_domain", hints.recipient_domain, Origin::Option);
    }
    fields
}

/// Bytes of a field that are kept.
const MAX_FIELD: usize = 1024;
