//! Labels that reports put before recipients and reasons: `Recipient: a@example.com`, `Reason: ...`.

/// What stands behind a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// An address that failed.
    Recipient,
    /// The `To` of the returned message: a recipient where nothing better is known.
    To,
    /// Address before forwarding.
    Original,
    /// RFC 3464 `Final-Recipient`.
    FinalRecipient,
    /// Why, in a few words or a reply.
    Reason,
    /// RFC 3464 `Diagnostic-Code`.
    Diagnostic,
    /// RFC 3464 `Status`.
    Status,
    /// RFC 3464 `Action`.
    Action,
    /// The server that spoke.
    RemoteMta,
    /// The host that reports.
    ReportingMta,
    /// Id of the message in the queue of the reporting host.
    QueueId,
    /// Nothing of use; addresses in it are no recipients.
    Other,
}

use Role::{
    Action, Diagnostic, FinalRecipient, Original, Other, QueueId, Reason, Recipient, RemoteMta, ReportingMta, Status,
    To,
};

/// Longest label that is looked up.
const MAX_LABEL: usize = 48;

/// Labels in lower case, without the colon.
const LABELS: [(&str, Role); 108] = [
    ("final-recipient", FinalRecipient),
    ("original-recipient", Original),
    ("action", Action),
    ("status", Status),
    ("diagnostic-code", Diagnostic),
    ("remote-mta", RemoteMta),
    ("reporting-mta", ReportingMta),
    ("received-from-mta", Other),
    ("x-postfix-queue-id", QueueId),
    ("x-postfix-sender", Other),
    ("arrival-date", Other),
    ("last-attempt-date", Other),
    ("will-retry-until", Other),
    ("recipient", Recipient),
    ("recipients", Recipient),
    ("recipient address", Recipient),
    ("recipient email", Recipient),
    ("recipient(s)", Recipient),
    ("failed recipient", Recipient),
    ("failed recipients", Recipient),
    ("failed recipient(s)", Recipient),
    ("failed address", Recipient),
    ("failed addresses", Recipient),
    ("rejected recipient", Recipient),
    ("rejected recipient(s)", Recipient),
    ("intended recipient", Recipient),
    ("intended recipients", Recipient),
    ("invalid recipients", Recipient),
    ("unknown recipients", Recipient),
    ("invalid recipient", Recipient),
    ("unknown recipient", Recipient),
    ("unknown user", Recipient),
    ("undeliverable address", Recipient),
    ("undelivered recipient", Recipient),
    ("bounced address", Recipient),
    ("rcpt to", Recipient),
    ("addressed to", Recipient),
    ("email address", Recipient),
    ("e-mail address", Recipient),
    ("envelope recipient", Recipient),
    ("destinatario", Recipient),
    ("destinataire", Recipient),
    ("destinatário", Recipient),
    ("empfänger", Recipient),
    ("宛先", Recipient),
    ("收件人", Recipient),
    ("to", To),
    ("an", To),
    ("À", To),
    ("para", To),
    ("reason", Reason),
    ("reasons", Reason),
    ("reason for failure", Reason),
    ("reason for return", Reason),
    ("reason code", Reason),
    ("failure reason", Reason),
    ("bounce reason", Reason),
    ("error", Reason),
    ("error message", Reason),
    ("error message below", Reason),
    ("error text", Reason),
    ("error code", Reason),
    ("error details", Reason),
    ("last error", Reason),
    ("smtp error", Reason),
    ("remote error", Reason),
    ("server response", Reason),
    ("remote server response", Reason),
    ("response", Reason),
    ("diagnostic", Reason),
    ("diagnostics", Reason),
    ("diagnosis", Reason),
    ("details", Reason),
    ("explanation", Reason),
    ("description", Reason),
    ("grund", Reason),
    ("ursache", Reason),
    ("fehler", Reason),
    ("fehlermeldung", Reason),
    ("raison", Reason),
    ("motif", Reason),
    ("erreur", Reason),
    ("motivo", Reason),
    ("razón", Reason),
    ("errore", Reason),
    ("erro", Reason),
    ("reden", Reason),
    ("理由", Reason),
    ("原因", Reason),
    ("generating server", ReportingMta),
    ("reporting server", ReportingMta),
    ("diagnostic code", Diagnostic),
    ("remote system", RemoteMta),
    ("remote server", RemoteMta),
    ("remote host", RemoteMta),
    ("receiving server", RemoteMta),
    ("queue-id", QueueId),
    ("queue id", QueueId),
    ("from", Other),
    ("mail from", Other),
    ("sender", Other),
    ("subject", Other),
    ("cc", Other),
    ("date", Other),
    ("sent", Other),
    ("message-id", Other),
    ("message id", Other),
    ("reply-to", Other),
];

/// The role of a line's label and what stands behind its colon; `None` for a line without a known label.
pub(super) fn labelled(content: &[u8]) -> Option<(Role, &[u8])> {
    let near = content.get(..MAX_LABEL).unwrap_or(content);
    let colon = near.iter().position(|b| *b == b':').or_else(|| wide_colon(near))?;
    let (label, rest) = content.split_at_checked(colon)?;
    let rest = rest.strip_prefix(b":").or_else(|| rest.strip_prefix("：".as_bytes()))?;
    let label = label.trim_ascii().trim_ascii_start();
    let label = label.strip_prefix(b"- ").or_else(|| label.strip_prefix(b"* ")).unwrap_or(label);
    let is = |known: &str| label.eq_ignore_ascii_case(known.as_bytes());
    let (_, role) = LABELS.iter().find(|(known, _)| is(known))?;
    Some((*role, rest.trim_ascii()))
}

fn wide_colon(near: &[u8]) -> Option<usize> {
    memchr::memmem::find(near, "：".as_bytes())
}
