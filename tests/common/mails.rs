//! Mails that the tests of the command line give to the program.

/// An mbox separator with its date.
pub const FROM: &str = "From MAILER-DAEMON Sat Nov 23 10:00:00 2024\n";

/// A mail with its separator and the empty line behind it.
pub fn in_mbox(mail: &str) -> String {
    format!("{FROM}{mail}\n")
}

/// A bounce of message `id`, sent by `sender@example.org`, for this recipient.
pub fn bounce(id: usize, to: &str) -> String {
    report("Sorry.", &group(to), &returned(id))
}

/// A recipient group of a delivery status notification: refused with 5.7.1.
pub fn group(to: &str) -> String {
    group_of(to, "5.7.1", "smtp; 550 5.7.1 Access denied")
}

/// A recipient group with this status and diagnostic.
pub fn group_of(to: &str, status: &str, diagnostic: &str) -> String {
    format!(
        "Final-Recipient: rfc822; {to}\nAction: failed\nStatus: {status}\nRemote-MTA: dns; mail.example.com\n\
         Diagnostic-Code: {diagnostic}\n"
    )
}

/// The header of the message that a bounce returns.
pub fn returned(id: usize) -> String {
    format!(
        "Return-Path: <sender@example.org>\nMessage-ID: <{id}@example.org>\nFrom: sender@example.org\nSubject: a {id}\n"
    )
}

/// Header of a report, without its `Content-Type`.
pub const REPORTER: &str = "From: MAILER-DAEMON@mx.example.org\nTo: sender@example.org\n\
                            Date: Sat, 23 Nov 2024 10:00:00 +0000\nSubject: Undelivered Mail Returned to Sender\n";

/// A report of these parts: text, recipient groups, header of the returned message.
pub fn report(text: &str, groups: &str, returned: &str) -> String {
    let status = part("message/delivery-status", &format!("Reporting-MTA: dns; mx.example.org\n\n{groups}"));
    parts("b", &[part("text/plain", text), status, part("text/rfc822-headers", returned)])
}

/// A part of this type.
pub fn part(media: &str, body: &str) -> String {
    format!("Content-Type: {media}\n\n{body}\n")
}

/// A `multipart/report` of these parts.
pub fn parts(boundary: &str, parts: &[String]) -> String {
    let head =
        format!("{REPORTER}Content-Type: multipart/report; report-type=delivery-status; boundary=\"{boundary}\"\n");
    let body: String = parts.iter().map(|part| format!("--{boundary}\n{part}\n")).collect();
    format!("{head}\n{body}--{boundary}--\n")
}
