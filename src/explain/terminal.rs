//! Explanations for people: aligned, wrapped, and safe to print.

use std::fmt::Write as _;

use super::{Code, Explanation, Form, Judged, Origin, Told};
use crate::text::{columns, columns_of, sanitize, shown};

/// Columns of a line.
const WIDTH: usize = 100;
/// Columns of the names in front.
const NAMES: usize = 22;
/// Columns of a link that may stand over the edge.
const LONGEST_LINK: usize = 200;

/// Explanations as text, with an empty line between. `left_out` is how many there were beyond them. Foreign text is
/// escaped; the words that the rule matched stand in `[[ ]]`.
pub fn render(explanations: &[Explanation], left_out: u64) -> String {
    let mut out = String::new();
    for (at, explanation) in explanations.iter().enumerate() {
        if at > 0 {
            out.push('\n');
        }
        one(explanation, explanations.len() > 1 || explanation.form != Form::Reply, at + 1, &mut out);
    }
    if left_out > 0 {
        let _ = writeln!(out, "\nand {left_out} more");
    }
    out
}

fn one(explanation: &Explanation, is_headed: bool, number: usize, out: &mut String) {
    if is_headed || explanation.told == Told::Nothing {
        let heading = heading(explanation, number);
        out.push_str(&heading);
        out.push('\n');
    }
    if explanation.told == Told::Nothing {
        return;
    }
    for field in &explanation.fields {
        let name = field.name.replace('_', " ");
        let from = if field.from == Origin::Option { " (as given)" } else { "" };
        line(&name, &format!("{}{from}", sanitize(&field.value)), out);
    }
    line("reply code", &code(explanation.reply_code.as_ref(), false), out);
    line("enhanced status code", &code(explanation.status.as_ref(), true), out);
    if explanation.code_conflict {
        line("note", "the codes contradict each other", out);
    }
    if explanation.code_invalid {
        line("note", "something stands in a code's place that is none", out);
    }
    if let Some(to) = &explanation.receiver {
        let slug = to.isp.as_ref().map(|slug| format!(" ({slug})")).unwrap_or_default();
        let basis = if to.basis == "none" { "nothing names it".into() } else { format!("by {}", spaced(to.basis)) };
        line("receiving ISP", &format!("{}{slug}, {basis}", sanitize(&to.name)), out);
        optional("filter vendor", to.filter_vendor.as_deref(), out);
    }
    if let Some(judged) = &explanation.judged {
        verdict(judged, out);
    }
    text(explanation, out);
    if let Some(judged) = &explanation.judged {
        what_to_do(judged, out);
    }
}

fn heading(explanation: &Explanation, number: usize) -> String {
    let what = match (explanation.form, explanation.line) {
        (Form::LogLine, Some(line)) => format!("log line {line}"),
        (Form::BounceMail, _) if explanation.told != Told::Nothing => format!("bounce mail, recipient {number}"),
        (Form::BounceMail, _) => "mail".to_owned(),
        (Form::LogLine, None) | (Form::Reply, _) => "text".to_owned(),
    };
    let mta = explanation.mta.map(|mta| format!(" ({mta})")).unwrap_or_default();
    let told = match explanation.told {
        Told::Refusal => "refused or put off",
        Told::Delivery => "no refusal: it was accepted",
        Told::Nothing => "no refusal",
    };
    let reason = explanation.reason.map(|reason| format!(": {}", why_nothing(reason))).unwrap_or_default();
    format!("{what}{mta}: {told}{reason}")
}

/// The counters' names in plain words, where they need any.
fn why_nothing(reason: &str) -> String {
    match reason {
        "no_outcome" => "the line reports no outcome of a delivery".to_owned(),
        "other_program" => "the line is of a program that delivers no mail".to_owned(),
        "ordinary_mail" => "the mail is no report of any kind".to_owned(),
        "nothing_told" => "the mail looks like a bounce, but names no recipient and no reason".to_owned(),
        "empty" => "there is no text".to_owned(),
        other => spaced(other),
    }
}

fn spaced(word: &str) -> String {
    word.replace('_', " ")
}

fn code(code: Option<&Code>, is_status: bool) -> String {
    let Some(code) = code else { return "none".into() };
    let place = match code.from {
        Origin::AfterReplyCode => ", after the reply code",
        Origin::Marked => ", marked # in the text",
        Origin::InText => ", in the text",
        Origin::StatusField => ", in the program's own status field",
        _ => "",
    };
    let meaning = match (&code.meaning, is_status) {
        (Some(meaning), true) => format!("; registered as: {meaning}"),
        (Some(meaning), false) => format!(", {meaning}"),
        (None, true) => "; not registered".to_owned(),
        (None, false) => String::new(),
    };
    format!("{}{place}{meaning}", code.value)
}

fn verdict(judged: &Judged, out: &mut String) {
    line("cause", &format!("{} ({})", judged.cause, judged.category), out);
    line("meaning", judged.meaning, out);
    let basis = match judged.evidence {
        "text" => "by words of the text",
        "token" => "by a provider's own code",
        "registered_code" => "by the registered status code",
        _ => "none gives a reason",
    };
    let rule = judged.rule.as_ref().map(|rule| format!("{}, ", sanitize(rule))).unwrap_or_default();
    line("rule", &format!("{rule}{basis}"), out);
    if let Some(next) = &judged.runner_up {
        line("runner-up", &format!("{} ({})", sanitize(&next.rule), next.cause), out);
    }
    if let Some(list) = &judged.blocklist {
        let scope = match list.scope.as_deref() {
            Some("receiver") => ", the receiver's own",
            Some("public") => ", public",
            _ => "",
        };
        line("blocklist", &format!("{}{scope}", sanitize(&list.name)), out);
        optional("look it up at", list.lookup_url.as_deref(), out);
    }
    if let Some(listed) = &judged.listed {
        line("listed", &format!("{} ({})", sanitize(&listed.value), listed.kind.as_str()), out);
    }
    optional("sending address", judged.sending_ip.as_deref(), out);
    optional("domain that failed", judged.auth_domain.as_deref(), out);
}

fn what_to_do(judged: &Judged, out: &mut String) {
    judged.urls.iter().for_each(|url| line("link in the text", &sanitize(url), out));
    let whose = match judged.responsible {
        "sender" => "the sending side's",
        "recipient_org" => "the recipient's organisation's",
        "receiver" => "the receiving server's",
        _ => "something's on the way (DNS, network, relay)",
    };
    line("whose to put right", whose, out);
    let retry = match judged.retry_helps {
        "yes" => "yes, later",
        "no" => "no, not before something is changed",
        _ => "maybe",
    };
    line("can a retry help", retry, out);
    let mut name = "what to do first";
    for advised in &judged.advice {
        line(name, &advised.advice, out);
        optional("  page", advised.page.as_deref(), out);
        optional("  procedure", advised.procedure.as_deref(), out);
        let checked = advised.checked.as_ref().map(|date| format!(", looked at on {date}")).unwrap_or_default();
        line("  source", &format!("{}{checked}", advised.source), out);
        name = "what else to do";
    }
    let reference = judged.reference.as_deref();
    if !judged.advice.iter().any(|advised| advised.page.as_deref() == reference) {
        optional("read more", reference, out);
    }
}

/// The text with the matched words marked.
fn text(explanation: &Explanation, out: &mut String) {
    let Some(text) = &explanation.text else { return };
    let text = &text.0;
    let span = explanation.judged.as_ref().and_then(|judged| judged.matched.as_ref());
    let (before, matched, after) = match span {
        Some(span) => (text.get(..span.start), text.get(span.start..span.end), text.get(span.end..)),
        None => (Some(&text[..]), None, None),
    };
    let part = |part: Option<&[u8]>| part.map(shown_lines).unwrap_or_default();
    let matched = matched.map(|matched| format!("[[{}]]", shown_lines(matched))).unwrap_or_default();
    let cut = if explanation.text_cut { " ..." } else { "" };
    line("text", &format!("{}{matched}{}{cut}", part(before), part(after)), out);
}

/// Foreign text made fit to be shown, with its line breaks.
fn shown_lines(text: &[u8]) -> String {
    let lines = text.split(|b| *b == b'\n').map(|line| shown(line.strip_suffix(b"\r").unwrap_or(line)));
    lines.collect::<Vec<_>>().join("\n")
}

fn optional(name: &str, value: Option<&str>, out: &mut String) {
    if let Some(value) = value {
        line(name, &sanitize(value), out);
    }
}

/// A name and its value, which is safe to print.
fn line(name: &str, value: &str, out: &mut String) {
    let mut name = name;
    for value in value.split('\n') {
        wrapped(name, value, out);
        name = "";
    }
}

/// Wraps at blanks; a word that is longer than a line is broken, but for a link, which could then not be opened.
fn wrapped(name: &str, value: &str, out: &mut String) {
    let _ = write!(out, "{name:<NAMES$}");
    let room = WIDTH - NAMES;
    let mut used = 0;
    for word in value.split(' ').filter(|word| !word.is_empty()) {
        let width = columns(word);
        if used > 0 && used + 1 + width > room {
            let _ = write!(out, "\n{:NAMES$}", "");
            used = 0;
        } else if used > 0 {
            out.push(' ');
            used += 1;
        }
        let is_link = word.starts_with("http") && width <= LONGEST_LINK;
        for c in word.chars() {
            if used + columns_of(c) > room && !is_link {
                let _ = write!(out, "\n{:NAMES$}", "");
                used = 0;
            }
            out.push(c);
            used += columns_of(c);
        }
    }
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explain::{Hints, explain};
    use crate::knowledge::Knowledge;

    fn told(text: &str) -> String {
        let knowledge = Knowledge::builtin().unwrap_or_else(|e| unreachable!("{e}"));
        render(&explain(text.as_bytes(), &Hints::default(), &knowledge), 0)
    }

    #[test]
    fn the_matched_words_are_marked_and_nothing_steers_the_terminal() {
        let out = told("550 5.7.1 \u{1b}[2J\u{202e}client host [192.0.2.1] blocked using zen.spamhaus.org\u{9b}");
        assert!(out.contains("[[") && out.contains("]]"), "{out}");
        assert!(out.contains("\\u{1b}[2J\\u{202e}") && out.contains("\\u{9b}"), "{out}");
        assert!(!out.chars().any(|c| c != '\n' && crate::text::is_unsafe(c)), "{out}");
    }

    #[test]
    fn no_line_is_too_long() {
        let long = format!("550 5.7.1 {} spam https://example.com/{}", "\u{4e2d}".repeat(300), "a".repeat(400));
        let out = told(&long);
        assert!(out.lines().all(|line| columns(line) <= WIDTH), "{out}");
    }
}
