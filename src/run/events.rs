//! Events as a table: one row per recipient and attempt, in batches, in the order of the inputs.

use std::sync::Arc;

use crate::error::Error;
use crate::names::Names;
use crate::rows::{EventRow, MailRow};
use crate::smtp::EnhancedStatus;
use crate::table::{Column, ColumnData, Table};

/// Rows of a batch; also the rows of a row group in Parquet.
pub const BATCH: usize = 65_536;

/// The table of a batch of events. `inputs` are the paths of the inputs as given.
///
/// # Errors
/// None that data could cause.
pub fn events_table(events: &[EventRow], inputs: &[Arc<str>], names: &dyn Names) -> Result<Table, Error> {
    let mut columns = Columns { events, columns: Vec::with_capacity(64) };
    columns.place(inputs);
    columns.parties(names);
    columns.answer();
    columns.verdict(names);
    columns.rest();
    Ok(Table::new("events", columns.columns)?)
}

struct Columns<'e> {
    events: &'e [EventRow],
    columns: Vec<Column>,
}

impl<'e> Columns<'e> {
    fn add(&mut self, name: &'static str, doc: &'static str, data: ColumnData) {
        self.columns.push(Column::new(name, doc, data));
    }

    fn text(&mut self, name: &'static str, doc: &'static str, value: impl Fn(&'e EventRow) -> Option<Arc<str>>) {
        let data = ColumnData::Str(self.events.iter().map(value).collect());
        self.add(name, doc, data);
    }

    fn number(&mut self, name: &'static str, doc: &'static str, value: impl Fn(&'e EventRow) -> Option<i32>) {
        let data = ColumnData::Int32(self.events.iter().map(value).collect());
        self.add(name, doc, data);
    }

    fn count(&mut self, name: &'static str, doc: &'static str, value: impl Fn(&'e EventRow) -> u64) {
        let count = |event| i64::try_from(value(event)).unwrap_or(i64::MAX);
        let data = ColumnData::Int64(self.events.iter().map(count).collect());
        self.add(name, doc, data);
    }

    fn place(&mut self, inputs: &[Arc<str>]) {
        let id = |event: &EventRow| Some(Arc::from(format!("{:016x}", event.event_id)));
        let doc = "The same whenever the same line of the same input, or the same mail, is read. Never null.";
        self.text("event_id", doc, id);
        let input = |event: &EventRow| {
            let input = inputs.get(event.provenance.file.0 as usize)?;
            Some(crate::text::joined(input, event.member.as_deref()))
        };
        self.text("input", "Path of the input as given; of a directory of mails, that of the mail. Never null.", input);
        let offset = "Offset of the line or mail in the input, from 0. Never null.";
        self.count("byte_offset", offset, |e| e.provenance.offset);
        self.text("source", "log: read from a log line; bounce: read from a mail. Never null.", |e| {
            Some(Arc::from(if e.mail.is_some() { "bounce" } else { "log" }))
        });
        let trust =
            "log, or of mails: named (names a message of ours), unnamed, foreign (another domain sent it). Never null.";
        self.text("trust", trust, |e| Some(Arc::from(e.trust.as_str())));
        let told = self.events.iter().map(|e| e.told_before).collect();
        let doc = "Another line or mail tells the same refusal and is the one counted. Never null.";
        self.add("told_before", doc, ColumnData::Bool(told));
        self.text("mta", "Format of the log, or shape of the bounce. Never null.", |e| Some(Arc::from(e.mta)));
        let time = self.events.iter().map(|e| e.event_time).collect();
        self.add("event_time", "Time of the attempt, UTC. Null where unknown or suspect.", ColumnData::Timestamp(time));
        let basis = "How the time is known: stated, year_inferred, delivery (when the bounce came), header (its Date), suspect or none. Never null.";
        self.text("event_time_basis", basis, |e| Some(Arc::from(e.event_time_basis)));
    }

    fn parties(&mut self, names: &dyn Names) {
        self.text("queue_id", "Queue or message id. Null where the line has none.", |e| text(&e.queue_id));
        self.text("reporting_mta", "Host that wrote the line or bounce. Null where it is not named.", |e| {
            text(&e.reporting_mta)
        });
        self.text("remote_mta", "Host that spoke, lower case; of a rejected one, the client. Null where none.", |e| {
            text(&e.remote_mta)
        });
        self.text("remote_ip", "Its address. Null where none.", |e| text(&e.remote_ip));
        let sender = "Domain of the envelope sender. Null where unknown or null sender.";
        self.text("mail_from_domain", sender, |e| e.mail_from_domain.clone());
        self.text("recipient_domain", "Domain of the recipient. Null where the line names none.", |e| {
            e.recipient_domain.clone()
        });
        let recipient = "Recipient address; only with --include-addresses. Null otherwise.";
        self.text("final_recipient", recipient, |e| text(&e.final_recipient));
        self.text("isp", "Receiving ISP, as in the other tables. Never null.", |e| {
            Some(Arc::from(&*names.isp(&e.isp).0))
        });
        self.text("isp_basis", "Which clue named the ISP. Never null.", |e| Some(Arc::from(e.isp_basis.as_str())));
        self.text("filter_vendor", "Who filters for it. Null where none was seen.", |e| {
            e.filter.map(|filter| Arc::from(names.filter(filter)))
        });
    }

    fn answer(&mut self) {
        self.text("outcome", "delivered, deferred, bounced or rejected (by our own server). Never null.", |e| {
            Some(Arc::from(e.outcome.as_str()))
        });
        self.text("hop", "remote, unconnected, internal, local or inbound. Never null.", |e| {
            Some(Arc::from(e.hop.as_str()))
        });
        self.text("smtp_stage", "Command that was answered. Null where not stated.", |e| {
            e.smtp_stage.map(|stage| Arc::from(stage.as_str()))
        });
        self.number("reply_code", "Reply code (RFC 5321). Null where no server replied with one.", |e| {
            e.reply_code.map(|code| i32::from(code.get()))
        });
        let doc = "Enhanced status code (RFC 3463): of the reply, else of the MTA's status field. Null where neither has one.";
        self.text("enhanced_status_code", doc, |e| status(e.status));
        self.number("status_class", "Its first part. Null as above.", |e| e.status.map(|s| i32::from(s.class)));
        self.number("status_subject", "Its second part. Null as above.", |e| e.status.map(|s| i32::from(s.subject)));
        self.number("status_detail", "Its third part. Null as above.", |e| e.status.map(|s| i32::from(s.detail)));
        self.text("status_field", "The MTA's own status field (dsn=, Status). Null where there is none.", |e| {
            status(e.status_field)
        });
        let conflict = self.events.iter().map(|e| e.code_conflict).collect();
        self.add("code_conflict", "The codes contradict each other. Never null.", ColumnData::Bool(conflict));
    }

    fn verdict(&mut self, names: &dyn Names) {
        self.text("category", "Category of the cause. Null for a delivery.", |e| {
            e.cause.map(|cause| Arc::from(names.cause(cause).category))
        });
        self.text("cause", "Cause; unclassified where no rule spoke. Null for a delivery.", |e| {
            e.cause.map(|cause| Arc::from(names.cause(cause).cause))
        });
        self.text("rule", "Rule that chose the cause. Null where none did.", |e| {
            e.rule.map(|rule| Arc::from(names.rule(rule)))
        });
        self.text(
            "evidence",
            "What the cause rests on: text, token, registered_code or none. Null for a delivery.",
            |e| e.evidence.map(|evidence| Arc::from(evidence.as_str())),
        );
        self.text("blocklist", "The list named. Null where none is named.", |e| e.blocklist.clone());
        self.text("sending_ip", "Our address as the receiver saw it. Null where not stated.", |e| {
            e.sending_ip.map(|ip| Arc::from(ip.to_string()))
        });
    }

    fn rest(&mut self) {
        self.text("template_id", "Id of the masked text. Null where there is no text, and for a delivery.", |e| {
            e.template.as_ref().map(|(id, _)| Arc::from(format!("{id:016x}")))
        });
        self.text("template", "The masked text. Null as above.", |e| {
            e.template.as_ref().map(|(_, text)| Arc::clone(text))
        });
        self.mail();
        let diagnostic = "The text as written; only with --include-diagnostics. Null otherwise.";
        self.text("diagnostic", diagnostic, |e| text(&e.diagnostic));
        let lossy = self.events.iter().map(|e| e.text_lossy).collect();
        let doc = "A text of this row held bytes that are no UTF-8; they stand as U+FFFD. Never null.";
        self.add("text_lossy", doc, ColumnData::Bool(lossy));
        let doc = "Attempts the row stands for: 1, N for repeated lines, 0 where nothing was tried. Never null.";
        self.count("weight", doc, |e| e.weight);
    }
}

impl<'e> Columns<'e> {
    /// What only a bounce says: how the message it returns was sent.
    fn mail(&mut self) {
        fn of<T>(value: impl Fn(&MailRow) -> Option<T>) -> impl Fn(&EventRow) -> Option<T> {
            move |event| event.mail.as_deref().and_then(&value)
        }
        let id = "Message-ID of the returned message; only with --include-addresses. Null otherwise.";
        self.text("message_id", id, of(|m| text(&m.message_id)));
        let from = "Domain of the returned message's From. Null for a log line and where not returned.";
        self.text("from_domain", from, of(|m| m.from_domain.clone()));
        let path = "Domain of the returned message's Return-Path. Null where not returned or null sender.";
        self.text("return_path_domain", path, of(|m| m.return_path_domain.clone()));
        let domains = "Domains that signed it (DKIM d=), with blanks between. Null where none did.";
        self.text("dkim_domains", domains, of(|m| text(&m.dkim_domains)));
        self.text(
            "dkim_selectors",
            "Selectors of these signatures (s=), likewise. Null where none did.",
            of(|m| text(&m.dkim_selectors)),
        );
        let aligned = "A signature is of the From domain's organisation. Null where no From was returned.";
        self.flag("dkim_aligned", aligned, of(|m| m.dkim_aligned));
        let aligned = "The Return-Path is of the From domain's organisation. Null where one was not returned.";
        self.flag("return_path_aligned", aligned, of(|m| m.return_path_aligned));
        let host = "Host that took the returned message last before it went out. Null where not returned.";
        self.text("received_by", host, of(|m| text(&m.received_by)));
        self.text("mailer", "Program that wrote the returned message. Null where not stated.", of(|m| text(&m.mailer)));
        let bulk = "The returned message has List-Unsubscribe. Null where no header was returned.";
        self.flag("list_unsubscribe", bulk, of(|m| m.list_unsubscribe));
    }

    fn flag(&mut self, name: &'static str, doc: &'static str, value: impl Fn(&'e EventRow) -> Option<bool>) {
        let data = ColumnData::BoolNull(self.events.iter().map(value).collect());
        self.add(name, doc, data);
    }
}

fn text(value: &Option<String>) -> Option<Arc<str>> {
    value.as_deref().map(Arc::from)
}

fn status(value: Option<EnhancedStatus>) -> Option<Arc<str>> {
    value.map(|status| Arc::from(status.to_string()))
}
