//! What a reply names beside its cause: what is listed, whose authentication failed, where to read on.
//!
//! Only what the words say of it is taken: a domain stands behind (or in front of) words such as `domain of` or
//! `does not pass DMARC`. Hosts of pages are no failing domains, whatever stands around them.

use std::sync::LazyLock;

use aho_corasick::AhoCorasick;

use super::Verdict;
use super::marks::{self, Side};
use super::normal::LIMIT;

/// URLs of one text that are kept.
pub const MAX_URLS: usize = 8;
/// Bytes of a URL that are kept; a longer one is no link that anybody wrote.
const LONGEST_URL: usize = 1024;
/// Longest name in the DNS.
const LONGEST_NAME: usize = 253;
/// Bytes behind a weak mark in which a word must say that something failed.
const NEAR: usize = 80;

/// What is on a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ListedKind {
    /// An address.
    Ip,
    /// A domain.
    Domain,
    /// A URL.
    Url,
}

impl ListedKind {
    /// The word used in tables.
    pub fn as_str(self) -> &'static str {
        match self {
            ListedKind::Ip => "ip",
            ListedKind::Domain => "domain",
            ListedKind::Url => "url",
        }
    }
}

/// What is listed.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Listed {
    /// What it is.
    pub kind: ListedKind,
    /// The address, the domain in lower case, or the URL as written.
    pub value: String,
}

/// What a reply names beside its cause.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Details {
    /// What is on the list; `None` where the cause is no listing or the text does not say what is listed.
    pub listed: Option<Listed>,
    /// The domain that failed SPF, DKIM or DMARC, in lower case; `None` where the cause is no failed authentication or
    /// the text does not name it.
    pub auth_domain: Option<String>,
    /// URLs in the order of the text, each once, at most [`MAX_URLS`].
    pub urls: Vec<String>,
}

/// Reads the details off a text that was judged so. Takes time linear in the first 16 KiB of the text.
pub fn details(text: &[u8], verdict: &Verdict) -> Details {
    let text = text.get(..LIMIT).unwrap_or(text);
    let spans = url_spans(text);
    let cause = verdict.cause.row();
    let listed = match cause.cause.as_str() {
        "domain_blocklisted" => listed_domain(text, &spans),
        "ip_blocklisted" => verdict.sending_ip.map(|ip| Listed { kind: ListedKind::Ip, value: ip.to_string() }),
        _ => None,
    };
    let is_authentication =
        matches!(cause.cause.as_str(), "spf_fail" | "dkim_fail" | "dmarc_fail" | "unauthenticated_sender");
    let auth_domain = if is_authentication { auth_domain(text, &spans) } else { None };
    Details { listed, auth_domain, urls: urls(text, &spans) }
}

/// Where a URL starts and ends.
type Span = (usize, usize);

static SCHEMES: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| finder(["https://", "http://"].iter()));

fn finder<'a>(words: impl Iterator<Item = &'a &'a str>) -> Option<AhoCorasick> {
    AhoCorasick::builder().ascii_case_insensitive(true).build(words).ok()
}

/// All URLs, without the punctuation behind them.
fn url_spans(text: &[u8]) -> Vec<Span> {
    let Some(schemes) = SCHEMES.as_ref() else { return Vec::new() };
    let mut spans: Vec<Span> = Vec::new();
    for found in schemes.find_iter(text) {
        if spans.last().is_some_and(|(_, end)| found.start() < *end) {
            continue;
        }
        let rest = text.get(found.start()..).unwrap_or(&[]);
        let len = rest.iter().position(|b| !in_url(*b)).unwrap_or(rest.len());
        let len = without_punctuation(rest.get(..len).unwrap_or(&[]));
        if found.start() + len > found.end() {
            spans.push((found.start(), found.start() + len));
        }
    }
    spans
}

fn in_url(b: u8) -> bool {
    b.is_ascii_graphic() && !matches!(b, b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}')
}

/// Length without punctuation at the end; a bracket stays where its other half is in the URL.
fn without_punctuation(url: &[u8]) -> usize {
    let mut len = url.len();
    let mut open: isize = url.iter().map(|b| isize::from(*b == b'(') - isize::from(*b == b')')).sum();
    while let Some(last) = url.get(..len).and_then(<[u8]>::last) {
        match last {
            b')' if open < 0 => open += 1,
            b'.' | b',' | b';' | b':' | b'!' | b'?' | b'\'' | b'*' | b']' => {}
            _ => break,
        }
        len -= 1;
    }
    len
}

fn urls(text: &[u8], spans: &[Span]) -> Vec<String> {
    let mut urls: Vec<String> = Vec::new();
    for (start, end) in spans {
        let url = text.get(*start..*end).unwrap_or(&[]);
        let url = String::from_utf8_lossy(url.get(..LONGEST_URL).unwrap_or(url));
        if urls.len() < MAX_URLS && !urls.iter().any(|known| *known == url) {
            urls.push(url.into_owned());
        }
    }
    urls
}

fn is_within(spans: &[Span], at: usize) -> bool {
    let next = spans.partition_point(|(start, _)| *start <= at);
    next.checked_sub(1).and_then(|i| spans.get(i)).is_some_and(|(_, end)| at < *end)
}

/// Words, and where the domain that they speak of stands.
struct Marks {
    words: &'static [(&'static str, Side)],
    finder: Option<AhoCorasick>,
}

impl Marks {
    fn new(words: &'static [(&'static str, Side)]) -> Self {
        Marks { words, finder: finder(words.iter().map(|(words, _)| words)) }
    }

    /// The first domain that the words point at, with the words' place in the list.
    fn first(&self, text: &[u8], spans: &[Span]) -> Option<String> {
        let finder = self.finder.as_ref()?;
        // Overlapping: there are words within words (`domain of` in `mail from domain of`).
        finder.find_overlapping_iter(text).find_map(|found| {
            let (start, end) = (found.start(), found.end());
            let (_, side) = self.words.get(found.pattern().as_usize())?;
            if !stands_alone(text, start, end) || is_within(spans, start) {
                return None;
            }
            match side {
                Side::Before => domain_before(text.get(..start)?, spans),
                Side::Behind => domain_behind(text, end, spans).map(|(domain, _)| domain),
                Side::BehindIfFailed => {
                    let (domain, end) = domain_behind(text, end, spans)?;
                    let near = text.get(end..text.len().min(end + NEAR))?;
                    says_failure(near).then_some(domain)
                }
            }
        })
    }
}

/// Whether what was found is no part of a longer word or name.
fn stands_alone(text: &[u8], start: usize, end: usize) -> bool {
    let is_letter = |at: Option<usize>| at.and_then(|at| text.get(at)).is_some_and(u8::is_ascii_alphanumeric);
    let joins = |b: &u8| matches!(b, b'.' | b'-' | b'_' | b'@');
    let goes_on = || is_letter(Some(end)) || (text.get(end).is_some_and(joins) && is_letter(Some(end + 1)));
    (!is_letter(Some(start)) || !is_letter(start.checked_sub(1))) && (!is_letter(end.checked_sub(1)) || !goes_on())
}

static FAILURES: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    finder(
        [
            "fail",
            "not pass",
            "dmarc",
            "spf",
            "dkim",
            "not exist",
            "not found",
            "no mx",
            "not resolve",
            "not authent",
            "unauthent",
            "not authori",
            "unauthori",
            "not permit",
            "not allow",
            "not designate",
            "not sign",
            "invalid",
        ]
        .iter(),
    )
});

fn says_failure(text: &[u8]) -> bool {
    FAILURES.as_ref().is_some_and(|words| words.is_match(text))
}

static AUTH_MARKS: LazyLock<Marks> = LazyLock::new(|| Marks::new(marks::AUTH));
static LISTED_MARKS: LazyLock<Marks> = LazyLock::new(|| Marks::new(marks::LISTED));

fn auth_domain(text: &[u8], spans: &[Span]) -> Option<String> {
    AUTH_MARKS.first(text, spans).or_else(|| spf_page(text, spans))
}

/// The domain in the link to a page that explains a failed SPF check: `openspf.org/Why?s=mfrom;id=a%40example.com`.
fn spf_page(text: &[u8], spans: &[Span]) -> Option<String> {
    spans.iter().find_map(|&(start, end)| {
        let url = text.get(start..end)?.to_ascii_lowercase();
        let (host, query) = url.split_at(memchr::memchr(b'?', &url)?);
        memchr::memmem::find(host, b"spf")?;
        let values = query.split(|b| matches!(b, b'?' | b'&' | b';'));
        let of = |value: &[u8]| {
            let name =
                ["id=", "sender=", "domain=", "identity="].iter().find(|name| value.starts_with(name.as_bytes()))?;
            domain_of_token(value.get(name.len()..)?)
        };
        values.map(of).find(Option::is_some).flatten()
    })
}

fn listed_domain(text: &[u8], spans: &[Span]) -> Option<Listed> {
    let domain = |value| Listed { kind: ListedKind::Domain, value };
    listed_url(text, spans)
        .or_else(|| spans.iter().find_map(|span| looked_up(text, *span)).map(domain))
        .or_else(|| LISTED_MARKS.first(text, spans).map(domain))
}

static URL_MARKS: LazyLock<Option<AhoCorasick>> =
    LazyLock::new(|| finder(["url", "uri", "link", "links to", "website"].iter()));

/// A URL that the words call listed: `URL [http://www.example.com/a] blocked`.
fn listed_url(text: &[u8], spans: &[Span]) -> Option<Listed> {
    spans.iter().find_map(|&(start, end)| {
        let before = text.get(start.saturating_sub(12)..start)?;
        let before = before.trim_ascii_end();
        let before = before.trim_ascii_end_of(b"[(<:\"' ");
        let is_named = URL_MARKS.as_ref()?.find_iter(before).any(|m| m.end() == before.len());
        let url = text.get(start..end)?;
        let url = String::from_utf8_lossy(url.get(..LONGEST_URL).unwrap_or(url)).into_owned();
        is_named.then_some(Listed { kind: ListedKind::Url, value: url })
    })
}

trait TrimEnd {
    fn trim_ascii_end_of(&self, set: &[u8]) -> &Self;
}

impl TrimEnd for [u8] {
    fn trim_ascii_end_of(&self, set: &[u8]) -> &[u8] {
        let len = self.iter().rposition(|b| !set.contains(b)).map_or(0, |at| at + 1);
        self.get(..len).unwrap_or(self)
    }
}

/// The domain that a link to a list's look-up page asks for: `/query/domain/example.com`, `?domain=example.com`.
fn looked_up(text: &[u8], (start, end): Span) -> Option<String> {
    const KEYS: [&[u8]; 7] = [b"/query/domain/", b"/query/dbl/", b"domain=", b"query=", b"lookup=", b"?q=", b"?d="];
    let url = text.get(start..end)?.to_ascii_lowercase();
    KEYS.iter().find_map(|key| domain_of_token(url.get(memchr::memmem::find(&url, key)? + key.len()..)?))
}

/// The domain that starts at `at`, behind brackets, quotes and the fold of a reply of several lines, and its end.
fn domain_behind(text: &[u8], at: usize, spans: &[Span]) -> Option<(String, usize)> {
    let mut at = at + usize::from(matches!(text.get(at), Some(b':' | b',')));
    for _ in 0..2 {
        at += blank_len(text.get(at..)?);
        at += fold_len(text.get(at..)?);
    }
    let rest = text.get(at..)?;
    at += rest.iter().take(4).take_while(|b| matches!(b, b' ' | b'"' | b'\'' | b'<' | b'[' | b'(' | b'@')).count();
    if is_within(spans, at) {
        return None;
    }
    let token = token_at(text.get(at..)?);
    Some((domain_of_token(token)?, at + token.len()))
}

fn blank_len(text: &[u8]) -> usize {
    let mut len = text.iter().take_while(|b| b.is_ascii_whitespace()).count();
    for fold in [&b"\\r\\n"[..], b"\\n"] {
        len += text.get(len..).filter(|rest| rest.starts_with(fold)).map_or(0, |_| fold.len());
    }
    len
}

/// Length of the codes that each line of a folded reply starts with: `550-5.7.26 `.
fn fold_len(text: &[u8]) -> usize {
    match text {
        [b'4' | b'5', b, c, b'-' | b' ', rest @ ..] if b.is_ascii_digit() && c.is_ascii_digit() => {
            let status = crate::smtp::EnhancedStatus::at_start(rest).map_or(0, |(_, len)| len);
            4 + status + rest.get(status..).unwrap_or(&[]).iter().take_while(|b| **b == b' ').count()
        }
        _ => 0,
    }
}

/// The domain in front of a place.
fn domain_before(text: &[u8], spans: &[Span]) -> Option<String> {
    let text = text.trim_ascii_end_of(b" >])\"'.,:");
    let window = text.get(text.len().saturating_sub(2 * LONGEST_NAME)..)?;
    let start = window.iter().rposition(|b| !in_token(*b)).map_or(0, |at| at + 1);
    let at = text.len() - window.len() + start;
    if is_within(spans, at) { None } else { domain_of_token(window.get(start..)?) }
}

fn token_at(text: &[u8]) -> &[u8] {
    let len = text.iter().take(2 * LONGEST_NAME).take_while(|b| in_token(**b)).count();
    text.get(..len).unwrap_or(text)
}

fn in_token(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b'@' | b'+' | b'=' | b'%' | b'/')
}

/// The domain of a token that is one or an address, in lower case.
fn domain_of_token(token: &[u8]) -> Option<String> {
    let at = memchr::memrchr(b'@', token).map(|at| at + 1);
    let encoded = || memchr::memmem::rfind(&token.to_ascii_lowercase(), b"%40").map(|at| at + 3);
    let token = token.get(at.or_else(encoded).unwrap_or(0)..)?;
    let len = token.iter().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_')).count();
    let (name, rest) = token.split_at(len);
    let name = name.trim_ascii_end_of(b".-_");
    let is_path = rest.first() == Some(&b'/');
    (is_domain(name) && !is_path).then(|| String::from_utf8_lossy(name).to_ascii_lowercase())
}

/// Whether this is a domain that there can be: at least two labels, the last one a known suffix or one kept for examples.
fn is_domain(name: &[u8]) -> bool {
    const EXAMPLES: [&[u8]; 3] = [b"example", b"test", b"invalid"];
    let lower = name.to_ascii_lowercase();
    let mut labels = lower.split(|b| *b == b'.');
    let sound = labels.clone().all(|label| (1..=63).contains(&label.len())) && labels.clone().count() > 1;
    let last = labels.next_back().unwrap_or(&[]);
    let known = || psl::suffix(&lower).is_some_and(|suffix| suffix.is_known());
    sound && lower.len() <= LONGEST_NAME && (EXAMPLES.contains(&last) || known())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cause::{CauseId, Evidence};

    fn verdict(cause: &str) -> Verdict {
        Verdict {
            cause: CauseId::by_name(cause).unwrap_or_else(|| unreachable!("{cause}")),
            rule: None,
            evidence: Evidence::Text,
            span: None,
            blocklist: None,
            sending_ip: "192.0.2.7".parse().ok(),
            filter: None,
        }
    }

    #[track_caller]
    fn auth(text: &str, want: &str) {
        let found = details(text.as_bytes(), &verdict("dmarc_fail")).auth_domain.unwrap_or_default();
        assert_eq!(found, want, "{text}");
    }

    #[track_caller]
    fn listed(text: &str, kind: &str, want: &str) {
        let found = details(text.as_bytes(), &verdict("domain_blocklisted")).listed;
        let found = found.map_or((String::new(), String::new()), |l| (l.kind.as_str().to_owned(), l.value));
        assert_eq!(found, (kind.to_owned(), want.to_owned()), "{text}");
    }

    #[test]
    fn the_domain_that_failed_is_read_out_of_many_wordings() {
        auth("550-5.7.26 Unauthenticated email from Example.COM is not accepted due to domain's", "example.com");
        auth("550-5.7.26 Unauthenticated email from\\n550-5.7.26 example.org is not accepted", "example.org");
        auth(
            "550 5.7.1 SPF fail (mx.example.net: domain of bob@mail.example.org does not designate 192.0.2.1)",
            "mail.example.org",
        );
        auth("550 5.7.509 Access denied, sending domain [EXAMPLE.JP] does not pass DMARC verification", "example.jp");
        auth("550 5.7.1 Email rejected per DMARC policy for example.net", "example.net");
        auth(
            "550 5.7.1 rejected due to example.net\u{2019}s DMARC policy. See https://support.example.com/x",
            "example.net",
        );
        auth("550 5.7.1 dmarc=fail (p=reject) header.from=news.example.com; x", "news.example.com");
        auth("550 dkim=fail header.d=example.org header.s=k1", "example.org");
        auth("550 5.7.20 DKIM signature (d=example.org) did not verify", "example.org");
        auth("550-The MAIL FROM domain [m4.example.com] has an SPF record with a hard fail", "m4.example.com");
        auth("550 192.0.2.68 is not allowed to send mail from mail.example.com", "mail.example.com");
        auth("550 192.0.2.22 is not allowed to send from <example.net> per its SPF record", "example.net");
        auth("550 example.com doesn't allow sending mails from 192.0.2.4", "example.com");
        auth("450 4.1.8 <bob@nowhere.example>: Sender address rejected: Domain not found", "nowhere.example");
        auth(
            "550 5.7.23 Please see http://www.openspf.org/Why?s=mfrom;id=bob%40example.com;ip=192.0.2.1",
            "example.com",
        );
        auth("550 DKIM = did not pass SPF [ example.com ] with ip: [192.0.2.1] = did not pass", "example.com");
        auth("550 the domain example.com fails SPF", "example.com");
    }

    #[test]
    fn neither_receivers_nor_pages_nor_words_are_failing_domains() {
        for text in [
            "host mx.example.net[192.0.2.1] said: 550 5.7.1 SPF check failed, see https://example.org/spf?domain=x",
            "550 5.7.26 Unauthenticated email from domain-name is not accepted",
            "550 5.7.1 rejected by DMARC policy of reject. Contact postmaster@example.net",
            "550 5.7.1 DMARC policy.Please see https://support.example.com/domain of example.org",
            "550 SPF of your domain failed; mx.example.net does accept no such mail",
            "550 domain mx.example.net is happy; go away",
            "550 5.7.1 policy of 192.0.2.1 d=192.0.2.1",
            "550 administrator of example.net can be reached by phone",
        ] {
            auth(text, "");
        }
        let other = details(b"550 domain of a@example.com", &verdict("spam_content"));
        assert_eq!((other.auth_domain, other.listed), (None, None));
    }

    #[test]
    fn what_is_listed_is_told_with_its_kind() {
        listed("554 Sender address [bob@example.com] blocked using dbl.example.org", "domain", "example.com");
        listed("554 Helo command [news.example.com] blocked using dbl.example.org", "domain", "news.example.com");

        // The list's own link knows best what is on it.
        listed(
            "554 Helo command [a.example.com] blocked; http://l.example.org/dbl?domain=example.com",
            "domain",
            "example.com",
        );
        listed(
            "550 Blacklisted URL in message. (example.com) in [black]. See http://l.example.org",
            "domain",
            "example.com",
        );
        listed("550 5.7.1 example.net is listed in dbl.example.org", "domain", "example.net");
        listed("550 URL [http://www.example.com/a?b=1] is on a list", "url", "http://www.example.com/a?b=1");
        listed(
            "550 having a domain present on a list, see https://l.example.org/query/domain/example.net",
            "domain",
            "example.net",
        );
        listed(
            "550 blocked using dbl.example.org; https://l.example.org/dbl?domain=example.com",
            "domain",
            "example.com",
        );
        listed("550 a domain is on the list of example.org, see https://l.example.org/", "", "");
        let ip = details(b"554 Client host [192.0.2.7] blocked using x", &verdict("ip_blocklisted")).listed;
        assert_eq!(ip, Some(Listed { kind: ListedKind::Ip, value: "192.0.2.7".into() }));
    }

    #[test]
    fn urls_end_where_people_would_end_them() {
        let found = |text: &str| details(text.as_bytes(), &verdict("access_denied")).urls.join(" ");
        assert_eq!(
            found("see https://example.com/a, or (http://example.org/b)."),
            "https://example.com/a http://example.org/b"
        );
        assert_eq!(
            found("<https://example.com/a(b)>; HTTP://example.com\\n550 x"),
            "https://example.com/a(b) HTTP://example.com"
        );
        assert_eq!(found("https://a.example/x https://a.example/x http:// https://"), "https://a.example/x");
        let many: String = (0..50).map(|i| format!("http://example.com/{i} ")).collect();
        assert_eq!(details(many.as_bytes(), &verdict("access_denied")).urls.len(), MAX_URLS);
    }

    #[test]
    fn any_bytes_are_taken() {
        for piece in
            ["domain of ", "http://", "d=", " is listed", "((((", "\u{2019}s dmarc policy", "a.", "550-5.7.1 ", "@"]
        {
            for cause in ["dmarc_fail", "domain_blocklisted"] {
                let text = piece.repeat(200_000 / piece.len());
                details(text.as_bytes(), &verdict(cause));
                details(&[piece.as_bytes(), b"\xff\0", piece.as_bytes()].concat(), &verdict(cause));
            }
        }
    }
}
