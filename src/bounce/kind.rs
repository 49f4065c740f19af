//! What a mail is, as far as its header says; and the quick look that lets ordinary mail pass.

use std::borrow::Cow;
use std::sync::LazyLock;

use aho_corasick::packed::Searcher;
use aho_corasick::{AhoCorasick, AhoCorasickBuilder};

use crate::formats::Skip;
use crate::mail::decode::{Cost, in_utf8};
use crate::mail::fields::{decoded, fields, split};
use crate::mail::starts_with_ignore_case;

/// What a mail turned out to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// None of the others.
    #[default]
    Ordinary,
    /// Delivery to at least one recipient was given up.
    Bounce,
    /// Delivery is delayed for all recipients that it speaks of.
    DelayNotice,
    /// The message was delivered, relayed or expanded.
    SuccessNotice,
    /// Complaint of a recipient, or another report of abuse or authentication.
    Feedback,
    /// An answer written by a program in a person's name.
    AutoReply,
    /// Message disposition notification: read, deleted.
    Disposition,
    /// It has the header of a bounce, but nothing in it was understood.
    Unread,
}

impl Kind {
    /// The word used in tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Ordinary => "ordinary",
            Kind::Bounce => "bounce",
            Kind::DelayNotice => "delay_notice",
            Kind::SuccessNotice => "success_notice",
            Kind::Feedback => "feedback",
            Kind::AutoReply => "auto_reply",
            Kind::Disposition => "disposition",
            Kind::Unread => "unread",
        }
    }

    /// Why a mail of this kind that told nothing was passed over.
    pub fn skip(self) -> Skip {
        match self {
            Kind::Ordinary => Skip::OrdinaryMail,
            Kind::AutoReply => Skip::AutoReply,
            Kind::SuccessNotice => Skip::SuccessNotice,
            Kind::Feedback => Skip::FeedbackReport,
            Kind::Disposition => Skip::ReadReceipt,
            Kind::Bounce | Kind::DelayNotice | Kind::Unread => Skip::NothingTold,
        }
    }
}

/// Words in the address or name of a program that returns mail, in `From`, `Sender` and `Return-Path`.
const ROBOTS: [&str; 29] = [
    "mailer-daemon",
    "(mmdf)",
    "mailer_daemon",
    "mailerdaemon",
    "mailer daemon",
    "mail-daemon",
    "maildaemon",
    "mdaemon",
    "postmaster",
    "post_master",
    "post-master",
    "post.master",
    "poostmaster",
    "postmeister",
    "postoffice@",
    "mail delivery",
    "mail deliver",
    "mail.delivery",
    "mail-delivery",
    "maildelivery",
    "mail system",
    "delivery subsystem",
    "delivery system",
    "ndr administrator",
    "system administrator",
    "undeliver",
    "non-delivery",
    "mail router",
    "bounce-notif",
];

/// Words of a `Subject` that says that mail was not delivered, in lower case.
const SUBJECTS: [&str; 121] = [
    // English
    "undeliver",
    "delivery status",
    "delivery fail",
    "delivery has fail",
    "delivery error",
    "delivery report",
    "delivery notif",
    "delivery problem",
    "delivery delay",
    "delivery incomplete",
    "delivery unsuccessful",
    "failed delivery",
    "failure delivery",
    "failed to deliver",
    "failure notice",
    "failure notification",
    "failed mail",
    "waiting mail",
    "mail fail",
    "mail delivery",
    "mail error",
    "mail undelivered",
    "message delivery",
    "message status",
    "returned mail",
    "returned to sender",
    "returned message",
    "returning message",
    "returning to sender",
    "return to sender",
    "be delivered",
    "not delivered",
    "not be sent",
    "could not send",
    "could not deliver",
    "unable to deliver",
    "cannot deliver",
    "non-delivery",
    "nondelivery",
    "non delivery",
    "non-delivered",
    "ndn:",
    "bounced mail",
    "bounced message",
    "delayed mail",
    "mail delayed",
    "message delayed",
    "still being retried",
    "message you sent blocked",
    "message rejected",
    "mail rejected",
    "has been rejected",
    "message blocked",
    "user unknown",
    "unknown user",
    "mailbox full",
    "quota exceeded",
    "not member",
    "not a member",
    // German
    "unzustellbar",
    "nicht zugestellt",
    "nicht zustellbar",
    "zustellung fehlgeschlagen",
    "zustellfehler",
    "zustellungsfehler",
    // French
    "non remis",
    "remise a échoué",
    "échec de la remise",
    "échec de remise",
    "non distribu",
    "non délivr",
    "retour à l'expéditeur",
    // Spanish, Portuguese
    "no se puede entregar",
    "no se pudo entregar",
    "no se ha podido entregar",
    "no entregado",
    "correo devuelto",
    "error de entrega",
    "não entregue",
    "não pôde ser entregue",
    "falha na entrega",
    "devolvida",
    // Italian, Dutch
    "non recapitabile",
    "mancata consegna",
    "mancato recapito",
    "non consegnat",
    "onbestelbaar",
    "niet bezorgd",
    "niet afgeleverd",
    // Scandinavian, Finnish
    "kunde inte levereras",
    "olevererbar",
    "kan ikke leveres",
    "ikke leveret",
    "kunne ikke leveres",
    "ei voitu toimittaa",
    "toimittamaton",
    // Polish, Czech, Hungarian, Turkish
    "niedostarcz",
    "nie dostarczono",
    "nedoručiteln",
    "nedoručen",
    "kézbesíthetetlen",
    "teslim edilemedi",
    // Russian, Ukrainian
    "не доставлен",
    "недоставлен",
    "не может быть доставлен",
    "невозможно доставить",
    "ошибка доставки",
    // Japanese
    "メールエラー",
    "エラー通知",
    "配信不能",
    "配信エラー",
    "配信でき",
    "送信でき",
    "未配達",
    "届きません",
    // Chinese, Korean
    "退信",
    "投递失败",
    "无法送达",
    "未送達",
    "無法傳遞",
    "반송",
];

/// `Subject`s of programs that answer in a person's name.
const AUTO_REPLIES: [&str; 15] = [
    "out of office",
    "out of the office",
    "auto reply",
    "auto-reply",
    "autoreply",
    "automatic reply",
    "auto response",
    "vacation",
    "away from my mail",
    "automatische antwort",
    "abwesenheit",
    "réponse automatique",
    "respuesta automática",
    "risposta automatica",
    "自動応答",
];

/// Marks in a body that a notification has whatever its header says, as programs spell them. Case-sensitive on purpose:
/// this search goes through every body of an archive, and ignoring case makes it ten times slower.
const BODY_MARKS: [&str; 9] = [
    "essage/delivery-status",
    "essage/Delivery-Status",
    "ESSAGE/DELIVERY-STATUS",
    "essage/global-delivery-status",
    "inal-Recipient:",
    "inal-recipient:",
    "INAL-RECIPIENT:",
    "notificationType",
    "NotificationType",
];

fn finder(words: &[&str]) -> Option<AhoCorasick> {
    AhoCorasickBuilder::new().ascii_case_insensitive(true).build(words).ok()
}

static ROBOT: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| finder(&ROBOTS));
static SUBJECT: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| finder(&SUBJECTS));
static AUTO_REPLY: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| finder(&AUTO_REPLIES));
/// Vector search where the processor has it; `None` where not.
static BODY_MARK: LazyLock<Option<Searcher>> = LazyLock::new(|| Searcher::new(BODY_MARKS));

fn says(finder: &Option<AhoCorasick>, text: &[u8]) -> bool {
    finder.as_ref().is_some_and(|finder| finder.is_match(text))
}

/// What the header of a mail says of its kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Signs {
    /// The sender is, by its name or address, a program that returns mail.
    pub is_from_robot: bool,
    /// There is no sender (`Return-Path: <>`, `From: <>`), as in all that programs answer with.
    pub has_no_sender: bool,
    /// The `Subject` says that something was not delivered, and does not start with `Re:` or `Fwd:`.
    pub says_undelivered: bool,
    /// A `multipart/report`, a bare `message/delivery-status`, `X-Failed-Recipients` and the like.
    pub is_report: bool,
    /// `Auto-Submitted` other than `no`.
    pub is_automatic: bool,
    /// It looks like a vacation notice.
    pub is_auto_reply: bool,
    /// It looks like a complaint of the times before `message/feedback-report`.
    pub is_complaint: bool,
    /// It answers another mail.
    pub is_answer: bool,
}

impl Signs {
    /// Reads the signs of a header.
    pub fn read(header: &[u8]) -> Self {
        let mut signs = Signs::default();
        for field in fields(header) {
            signs.take(field.name, field.value);
        }
        signs
    }

    /// Whether the header alone makes the mail worth reading.
    pub fn any(&self) -> bool {
        self.is_by_reporter() || self.has_no_sender || self.is_complaint || self.is_auto_reply || self.says_undelivered
    }

    /// Whether the mail comes from a program that returns mail, whatever its text says.
    pub fn is_by_reporter(&self) -> bool {
        self.is_from_robot || self.is_report
    }

    /// Whether a program sent it, by its name or its manners.
    pub fn is_by_program(&self) -> bool {
        self.is_by_reporter() || self.has_no_sender || self.is_automatic
    }

    /// Whether what its text says may be believed: a person who writes about a bounce is no bounce, and a vacation notice
    /// that comes without a sender is none either.
    pub fn may_be_prose(&self) -> bool {
        if self.is_by_reporter() {
            return true;
        }
        let by_program = self.is_by_program();
        !self.is_notice() && (self.has_no_sender || (self.says_undelivered && (by_program || !self.is_answer)))
    }

    /// Whether it looks like a vacation notice and not like a bounce.
    pub fn is_notice(&self) -> bool {
        self.is_auto_reply && !self.is_by_reporter() && !self.says_undelivered
    }

    fn take(&mut self, name: &[u8], value: &[u8]) {
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        match name.first().map(u8::to_ascii_lowercase) {
            Some(b'f') if is("From") => self.sender(value),
            Some(b's') if is("Sender") => self.sender(value),
            Some(b's') if is("Subject") => self.subject(value),
            Some(b'r') if is("Return-Path") => self.sender(value),
            Some(b'r') if is("References") => self.is_answer = true,
            Some(b'i') if is("In-Reply-To") => self.is_answer = true,
            Some(b'c') if is("Content-Type") => self.content_type(value.trim_ascii_start()),
            Some(b'a') if is("Auto-Submitted") => {
                let value = value.trim_ascii_start();
                self.is_automatic = !starts_with_ignore_case(value, b"no");
                self.is_auto_reply |= starts_with_ignore_case(value, b"auto-replied");
            }
            Some(b'x') => self.extension(name, value),
            Some(b'p') if is("Precedence") => {
                self.is_auto_reply |= starts_with_ignore_case(value.trim_ascii_start(), b"auto_reply");
            }
            _ => {}
        }
    }

    fn sender(&mut self, value: &[u8]) {
        if self.is_from_robot {
            return;
        }
        let value = decoded(value);
        self.is_from_robot = says(&ROBOT, &value);
        self.has_no_sender |= memchr::memmem::find(&value, b"<>").is_some();
    }

    fn subject(&mut self, value: &[u8]) {
        let text = lower(readable(decoded(value)));
        let text = text.trim_start();
        let is_answer = ["re:", "re :", "fw:", "fwd:", "aw:", "wg:", "tr:", "sv:", "vs:"].iter();
        let is_answer = is_answer.into_iter().any(|prefix| text.starts_with(prefix));
        self.is_answer |= is_answer;
        self.says_undelivered = !is_answer && says(&SUBJECT, text.as_bytes());
        self.is_auto_reply |= says(&AUTO_REPLY, text.as_bytes());
        self.is_complaint |= text.starts_with("complaint about message from");
    }

    fn content_type(&mut self, value: &[u8]) {
        const REPORTS: [&[u8]; 4] =
            [b"multipart/report", b"message/delivery-status", b"message/feedback-report", b"message/global-delivery"];
        self.is_report |= REPORTS.iter().any(|report| starts_with_ignore_case(value, report));
    }

    fn extension(&mut self, name: &[u8], value: &[u8]) {
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        if is("X-Failed-Recipients") || is("X-MS-Exchange-Message-Is-Ndr") {
            self.is_report = true;
        } else if is("X-Loop") {
            self.is_complaint |= value.trim_ascii().eq_ignore_ascii_case(b"scomp");
        } else if is("X-Autoreply") || is("X-Autorespond") || is("X-Auto-Response-From") || is("X-Mail-Autoreply") {
            self.is_auto_reply = true;
        } else if is("X-MLServer") {
            // The mailing list managers that write it refuse posts in answers to them.
            self.is_automatic = true;
        }
    }
}

/// A Subject that is no UTF-8 may be raw Japanese: in JIS it has its escapes, in others its bytes decide.
fn readable(text: Cow<'_, [u8]>) -> Cow<'_, [u8]> {
    let has_escapes = memchr::memchr(0x1B, &text).is_some();
    if !has_escapes && std::str::from_utf8(&text).is_ok() {
        return text;
    }
    for charset in [&b"iso-2022-jp"[..], b"euc-jp", b"shift_jis", b"gbk", b"iso-8859-1"] {
        let mut trial = Cost::default();
        let found = in_utf8(Cow::Borrowed(&text), Some(charset), &mut trial);
        if !trial.lossy && std::str::from_utf8(&found).is_ok() {
            return Cow::Owned(found.into_owned());
        }
    }
    text
}

/// Subject in lower case, its first bytes.
fn lower(text: Cow<'_, [u8]>) -> String {
    const SEEN: usize = 256;
    String::from_utf8_lossy(text.get(..SEEN).unwrap_or(&text)).to_lowercase()
}

/// Whether a mail may be a bounce, a delay notice or a report. It takes all that [`super::Reader`] can read, but for a
/// notification whose header says nothing and whose marks are spelled as no program is known to; much that it takes is
/// something else, the reader decides.
///
/// One look at the header, then one search through the body.
pub fn is_candidate(message: &[u8]) -> bool {
    let cut = split(message);
    let header = message.get(cut.header).unwrap_or(&[]);
    if Signs::read(header).any() {
        return true;
    }
    has_body_mark(message.get(cut.body).unwrap_or(&[])) || is_bare_cr(message)
}

/// Whether the lines of a message end with CR alone.
pub fn is_bare_cr(message: &[u8]) -> bool {
    memchr::memchr2(b'\n', b'\r', message).is_some_and(|at| message.get(at) == Some(&b'\r'))
        && memchr::memchr(b'\n', message).is_none()
}

/// Whether a body has a mark that a notification has whatever its header says.
pub fn has_body_mark(body: &[u8]) -> bool {
    match &*BODY_MARK {
        Some(searcher) => searcher.find(body).is_some(),
        None => BODY_MARKS.iter().any(|mark| memchr::memmem::find(body, mark.as_bytes()).is_some()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(header: &str) -> bool {
        is_candidate(format!("{header}\n\nbody\n").as_bytes())
    }

    #[test]
    fn bounces_are_candidates() {
        for header in [
            "From: MAILER-DAEMON@mx.example",
            "From: Mail Delivery System <x@mx.example>",
            "From: a@b.example\nReturn-Path: <>",
            "From: MAILER-DAEMON <>",
            "From: post_master@b.example\nSubject: Re:x",
            "Content-Type: Multipart/Report;\n boundary=x",
            "X-Failed-Recipients: a@b.example",
            "Subject: Undeliverable: x",
            "Subject: =?iso-8859-1?Q?Non_remis_:_x?=",
            "Subject: =?utf-8?B?0J3QtSDQtNC+0YHRgtCw0LLQu9C10L3Qvg==?=",
            "From: no-reply@b.example\nSubject: \u{30e1}\u{30fc}\u{30eb}\u{30a8}\u{30e9}\u{30fc}\u{901a}\u{77e5}",
            "Subject: \u{1b}$B%a!<%k%(%i!<DLCN\u{1b}(B",
            "Subject: complaint about message from 192.0.2.1",
        ] {
            assert!(candidate(header), "{header}");
        }
        assert!(is_candidate(b"From: a@b.example\n\n--b\nContent-Type: Message/Delivery-Status\n"));
        assert!(is_candidate(b"From: MAILER-DAEMON\rSubject: x\r\rbody\r"));
    }

    #[test]
    fn ordinary_mail_is_none() {
        for header in [
            "From: a@b.example\nSubject: hello",
            "From: a@b.example\nSubject: Re: Undelivered Mail Returned to Sender",
            "From: a@b.example\nSubject: Fwd: Undeliverable: x",
            "From: a@b.example\nReturn-Path: <a@b.example>",
            "",
        ] {
            assert!(!candidate(header), "{header}");
        }
    }

    #[test]
    fn answers_about_a_bounce_are_no_prose_to_believe() {
        let read = |header: &str| Signs::read(header.as_bytes()).may_be_prose();
        assert!(read("Subject: Mail delivery failed"));
        assert!(!read("Subject: Mail delivery failed\nIn-Reply-To: <x@y.example>"));
        assert!(!read("Subject: Re: Mail delivery failed"));
        assert!(read("Subject: Mail delivery failed\nIn-Reply-To: <x@y.example>\nFrom: mailer-daemon@x.example"));
        assert!(!read("Return-Path: <>\nAuto-Submitted: auto-replied\nSubject: Out of office"));
        assert!(read("From: mailer-daemon@x.example\nAuto-Submitted: auto-replied"));
    }
}
