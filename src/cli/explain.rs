//! `explain`: what one reply means.

use super::print;
use crate::cause::{Question, Scratch};
use crate::error::Error;
use crate::isp::{Clues, Isp};
use crate::knowledge::Knowledge;
use crate::names::Names;
use crate::smtp::{Reply, StatusPlace, locate_reply, parse_reply};
use crate::text::shown;

/// Arguments of `explain`.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  bouncesift explain '550 5.7.1 Service unavailable; client [192.0.2.1] blocked using zen.spamhaus.org'
  bouncesift explain --host gmail-smtp-in.l.google.com '550-5.7.26 Unauthenticated email from example.net'")]
pub struct Args {
    /// The reply, as the server or the log gives it; several words are joined
    #[arg(required = true, value_name = "TEXT", trailing_var_arg = true)]
    text: Vec<String>,
    /// Host name of the server that replied
    #[arg(long, value_name = "NAME")]
    host: Option<String>,
    /// Domain of the recipient
    #[arg(long, value_name = "DOMAIN")]
    recipient_domain: Option<String>,
}

/// Explains one reply.
pub fn run(args: Args) -> Result<u8, Error> {
    let knowledge = Knowledge::builtin()?;
    print(explanation(&args, &knowledge).as_bytes())?;
    Ok(0)
}

fn explanation(args: &Args, knowledge: &Knowledge) -> String {
    let text = args.text.join(" ");
    let diagnostic = locate_reply(text.as_bytes());
    let reply = parse_reply(diagnostic, false);
    let clues = Clues {
        remote_mta: args.host.as_deref().map(str::as_bytes),
        remote_ip: None,
        recipient_domain: args.recipient_domain.as_deref().map(str::as_bytes),
        text: Some(text.as_bytes()),
    };
    let attribution = knowledge.directory.attribute(&clues);
    let isp = if let Isp::Known(id) = attribution.isp { Some(id) } else { None };
    let question = Question { diagnostic, reply: &reply, isp };
    let verdict = knowledge.engine.decide(&question, &mut Scratch::default());
    let group = crate::judge::group_isp(&attribution.isp);
    let cause = knowledge.cause(verdict.cause);
    let mut lines: Vec<(&str, String)> = Vec::new();
    lines.push((
        "reply code",
        reply.code.map_or("none".into(), |code| format!("{code}, {}", class_meaning(code.class()))),
    ));
    lines.push(("enhanced status code", status_line(&reply, knowledge)));
    if reply.conflict {
        lines.push(("note", "the codes of this reply contradict each other".into()));
    }
    lines.push((
        "receiving ISP",
        format!("{}, by {}", knowledge.isp(&group).1, attribution.basis.as_str().replace('_', " ")),
    ));
    if let Some(filter) = attribution.filter.or(verdict.filter) {
        lines.push(("filter vendor", knowledge.filter(filter).into()));
    }
    lines.push(("cause", format!("{} ({})", cause.cause, cause.category)));
    let rule = verdict
        .rule
        .map_or("none".into(), |rule| format!("{}, by {}", knowledge.rule(rule), verdict.evidence.as_str()));
    lines.push(("rule", rule));
    if let Some(span) = verdict.span.and_then(|(start, end)| diagnostic.get(start as usize..end as usize)) {
        lines.push(("matched", format!("\"{}\"", shown(span))));
    }
    lines.extend(verdict.blocklist.as_deref().map(|list| ("blocklist", shown(list.as_bytes()))));
    lines.extend(verdict.sending_ip.map(|ip| ("sending address", ip.to_string())));
    let advice = knowledge.advice(verdict.cause, &group, verdict.blocklist.as_deref());
    lines.extend(advice.advice.map(|advice| ("what to do first", advice.into())));
    lines.extend(advice.reference.map(|page| ("read more", page.into())));
    lines.into_iter().map(|(name, value)| format!("{name:<22}{value}\n")).collect()
}

fn class_meaning(class: u8) -> &'static str {
    match class {
        2 => "accepted",
        3 => "go on",
        4 => "transient failure: try again later",
        _ => "permanent failure",
    }
}

fn status_line(reply: &Reply<'_>, knowledge: &Knowledge) -> String {
    let Some(status) = reply.status else { return "none".into() };
    let place = match reply.place {
        Some(StatusPlace::AfterReplyCode) | None => "after the reply code",
        Some(StatusPlace::Marked) => "marked # in the text",
        Some(StatusPlace::InText) => "in the text",
    };
    match knowledge.registered_meaning(status) {
        Some(meaning) => format!("{status}, {place}; registered as: {meaning}"),
        None => format!("{status}, {place}; not registered"),
    }
}
