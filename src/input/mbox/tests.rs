#![allow(clippy::unwrap_used, reason = "tests")]

use std::io::{self, Read};

use proptest::prelude::*;

use super::*;

/// What a message is, owned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Owned {
    from_line: Vec<u8>,
    bytes: Vec<u8>,
    offset: u64,
    len: u64,
    cut: bool,
    length_right: bool,
    unescaped_risk: bool,
}

const LIMITS: Limits = Limits { block: 4096, message: 4096, proof: 2048 };
const SEPARATOR: &str = "From a@example.com Thu Apr 29 23:34:45 2010\n";

/// Gives one to seven bytes a read, as a slow pipe does, then fails if it is told to.
struct Drips {
    bytes: Vec<u8>,
    at: usize,
    fails: bool,
}

impl Read for Drips {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let rest = &self.bytes[self.at..];
        if rest.is_empty() && self.fails {
            self.fails = false;
            return Err(io::Error::other("torn"));
        }
        let n = (self.at % 7 + 1).min(rest.len()).min(out.len());
        out[..n].copy_from_slice(&rest[..n]);
        self.at += n;
        Ok(n)
    }
}

fn cutter(text: &[u8], limits: Limits, fails: bool) -> MboxCutter {
    MboxCutter::with_limits(Box::new(Drips { bytes: text.to_vec(), at: 0, fails }), limits)
}

fn drain(cutter: &mut MboxCutter) -> (Vec<Owned>, Option<io::Error>) {
    let (mut messages, mut block) = (Vec::new(), MessageBlock::default());
    loop {
        match cutter.next(&mut block) {
            Ok(true) => messages.extend(block.messages().map(|m| Owned {
                from_line: m.from_line.to_vec(),
                bytes: m.bytes.to_vec(),
                offset: m.offset,
                len: m.len,
                cut: m.cut,
                length_right: m.length_right,
                unescaped_risk: m.unescaped_risk,
            })),
            Ok(false) => return (messages, None),
            Err(error) => return (messages, Some(error)),
        }
    }
}

fn cut_with(text: &[u8], limits: Limits) -> (Vec<Owned>, MboxCounts) {
    let mut cutter = cutter(text, limits, false);
    let (messages, error) = drain(&mut cutter);
    assert!(error.is_none());
    assert_eq!(cutter.offset(), text.len() as u64);
    (messages, cutter.counts())
}

/// Cuts at several block sizes and checks that it makes no difference.
fn cut(text: &str) -> (Vec<Owned>, MboxCounts) {
    let whole = cut_with(text.as_bytes(), LIMITS);
    for block in 1..40 {
        assert_eq!(cut_with(text.as_bytes(), Limits { block, ..LIMITS }), whole, "block size {block}");
    }
    assert_eq!(reference::cut(text.as_bytes(), LIMITS), whole);
    whole
}

fn bodies(text: &str) -> Vec<String> {
    cut(text).0.into_iter().map(|m| String::from_utf8(m.bytes).unwrap()).collect()
}

/// The same, slowly: all lines of the input at hand.
mod reference {
    use super::*;

    struct Lines<'t>(&'t [u8]);

    impl Lines<'_> {
        /// Start of the line behind the one at `at`.
        fn behind(&self, at: usize) -> usize {
            self.0[at..].iter().position(|b| *b == b'\n').map_or(self.0.len(), |len| at + len + 1)
        }

        fn is_empty_line(&self, at: usize) -> bool {
            self.0[at..].starts_with(b"\n") || self.0[at..].starts_with(b"\r\n")
        }

        fn text(&self, at: usize) -> &[u8] {
            let line = &self.0[at..self.behind(at)];
            let line = line.strip_suffix(b"\n").unwrap_or(line);
            line.strip_suffix(b"\r").unwrap_or(line)
        }

        fn is_from(&self, at: usize) -> bool {
            self.text(at).starts_with(b"From ") && self.text(at).len() <= MAX_FROM_LINE
        }

        fn is_separator(&self, at: usize) -> bool {
            self.is_from(at) && from_line(self.text(at)).is_some()
        }

        fn is_quoted(&self, at: usize) -> bool {
            let quotes = self.text(at).iter().take_while(|b| **b == b'>').count();
            (1..=16).contains(&quotes) && self.text(at)[quotes..].starts_with(b"From ")
        }
    }

    pub fn cut(text: &[u8], limits: Limits) -> (Vec<Owned>, MboxCounts) {
        let lines = Lines(text);
        let (mut found, mut counts) = (Vec::new(), MboxCounts::default());
        let mut quoted_of: Vec<u64> = Vec::new();
        let mut at = if text.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
        while at < text.len() && lines.is_empty_line(at) {
            at = lines.behind(at);
        }
        while at < text.len() {
            let has_from = lines.is_from(at);
            let header = if has_from { lines.behind(at) } else { at };
            let from = if has_from { lines.text(at) } else { b"" };
            let mut suspects = u64::from(has_from && !lines.is_separator(at));
            let (mut body, mut lengths) = (header, Vec::new());
            while body < text.len() && !lines.is_empty_line(body) {
                let line = String::from_utf8_lossy(lines.text(body)).to_ascii_lowercase();
                lengths.extend(line.strip_prefix("content-length:").map(|value| value.trim().to_string()));
                body = lines.behind(body);
            }
            body = lines.behind(body);
            let length = match &lengths[..] {
                [one] if one.bytes().all(|b| b.is_ascii_digit()) => one.parse::<u64>().ok(),
                _ => None,
            };
            let claimed = length.and_then(|length| body.checked_add(usize::try_from(length).ok()?));
            let proven = claimed.filter(|end| end - body <= limits.proof && *end <= text.len()).and_then(|end| {
                let mut gap = end;
                for _ in 0..=2 {
                    let starts_line = gap > end || end == header || text[end - 1] == b'\n';
                    if gap == text.len() || (starts_line && lines.is_separator(gap)) {
                        return Some((end, gap));
                    }
                    if !lines.is_empty_line(gap) {
                        return None;
                    }
                    gap = lines.behind(gap);
                }
                (gap == text.len()).then_some((end, gap))
            });
            let mut quoted = 0;
            let (end, next) = proven.unwrap_or_else(|| {
                let (mut line, mut before) = (header, None);
                while line < text.len() {
                    if before.is_some_and(|before| lines.is_empty_line(before)) && lines.is_separator(line) {
                        break;
                    }
                    suspects += u64::from(lines.text(line).starts_with(b"From "));
                    quoted += u64::from(lines.is_quoted(line));
                    before = Some(line);
                    line = lines.behind(line);
                }
                // The empty line goes, also at the end of the input.
                let complete = before.is_some_and(|before| lines.is_empty_line(before));
                let preamble_end = before.filter(|before| complete && (*before > at || has_from));
                (preamble_end.unwrap_or(line), line)
            });
            let right = proven.is_some()
                || length.is_some_and(|n| [end, next].iter().any(|e| e.checked_sub(body) == Some(n as usize)));
            let cut = end - header > limits.message;
            let bytes = behind_uucp_lines(&text[header..end.min(header + limits.message)]).to_vec();
            let earlier_quoted: u64 = quoted_of.iter().rev().skip(1).sum();
            found.push(Owned {
                from_line: from.to_vec(),
                bytes,
                offset: at as u64,
                len: (end - at) as u64,
                cut,
                length_right: right,
                unescaped_risk: counts.messages > counts.content_length_right && earlier_quoted == 0,
            });
            quoted_of.push(quoted);
            counts.messages += 1;
            counts.cut += u64::from(cut);
            counts.from_line_suspect += suspects;
            counts.from_line_quoted += quoted;
            counts.content_length_right += u64::from(right);
            counts.content_length_wrong += u64::from(!right && !lengths.is_empty());
            at = next;
        }
        (found, counts)
    }
}

#[test]
fn messages_are_cut_at_separators_only() {
    let text = format!("{SEPARATOR}A: 1\n\none\n\n{SEPARATOR}A: 2\n\ntwo\nFrom b Thu Apr 29 23:34:45 2010\n\n");
    let (messages, counts) = cut(&text);
    let [one, two] = &messages[..] else { unreachable!("{messages:?}") };
    assert_eq!((one.bytes.as_slice(), one.offset, one.len), (&b"A: 1\n\none\n"[..], 0, 44 + 10));
    assert_eq!(one.from_line, SEPARATOR.trim_end().as_bytes());
    assert_eq!((two.bytes.as_slice(), two.offset), (&b"A: 2\n\ntwo\nFrom b Thu Apr 29 23:34:45 2010\n"[..], 44 + 11));
    assert_eq!((counts.messages, counts.from_line_suspect), (2, 1));
}

/// 17: prose behind an empty line that starts with `From `, and a date without an empty line before it.
#[test]
fn unescaped_from_lines_are_body() {
    let text = format!("{SEPARATOR}A: 1\n\nDear all,\n\nFrom Thursday on\n\nFrom x Thu Apr 29\n{SEPARATOR}end\n");
    let (messages, counts) = cut(&text);
    assert_eq!((messages.len(), counts.from_line_suspect), (1, 3));
}

/// 18: in an mboxo a forged separator cannot be told from a true one, and is flagged; with `Content-Length` it is body.
#[test]
fn forged_separators() {
    let forged = format!("A: 1\n\ntext\n\n{SEPARATOR}Subject: forged\n\nforged\n");
    let body = forged.len() - "A: 1\n\n".len();
    let plain = cut(&format!("{SEPARATOR}{forged}\n{SEPARATOR}A: 2\n\ntwo\n")).0;
    assert_eq!(plain.iter().map(|m| m.unescaped_risk).collect::<Vec<_>>(), [false, true, true]);
    let proven = format!("{SEPARATOR}Content-Length: {body}\n{forged}\n{SEPARATOR}Content-Length: 4\n\ntwo\n\n");
    let (messages, counts) = cut(&proven);
    assert_eq!(messages.len(), 2);
    assert!(messages.iter().all(|m| m.length_right && !m.unescaped_risk), "{messages:?}");
    assert_eq!((counts.content_length_right, counts.content_length_wrong), (2, 0));
    // The forger's own quoted line is no evidence; one of an earlier message is.
    let quoting = format!("{SEPARATOR}A: 1\n\n>From me\n\n{SEPARATOR}A: 2\n\n2\n\n{SEPARATOR}A: 3\n\n3\n");
    let (messages, counts) = cut(&quoting);
    assert_eq!(messages.iter().map(|m| m.unescaped_risk).collect::<Vec<_>>(), [false, true, false]);
    assert_eq!(counts.from_line_quoted, 1);
}

/// 20: lengths that do not prove right have no effect.
#[test]
fn wrong_lengths_are_ignored() {
    for length in ["99999999999999999999", "-1", "", "0x10", "3 4", "1000000", "3", "18446744073709551615", "4\n Z"] {
        let text =
            format!("{SEPARATOR}Content-Length: {length}\nA: 1\n\none\n\n\n{SEPARATOR}A: 2\n\ntwo\n").replace("Z", "4");
        let (messages, counts) = cut(&text);
        let wrong = (counts.content_length_wrong, counts.content_length_right);
        // What is folded is not read, so that `4` is what the first line says.
        let expected = if length.contains('\n') { (0, 1) } else { (1, 0) };
        assert_eq!((messages.len(), wrong), (2, expected), "{length}");
    }
    let twice = format!("{SEPARATOR}Content-Length: 4\ncontent-length: 4\n\none\n\n{SEPARATOR}A: 2\n\ntwo\n");
    assert_eq!(cut(&twice).1.content_length_wrong, 1);
}

#[test]
fn a_length_may_leave_out_line_ends() {
    for (length, gap) in [(3, "\n"), (3, "\n\n"), (4, "\n"), (4, "\n\n"), (4, ""), (3, "\r\n\r\n"), (5, "\n")] {
        let body = if length == 5 { "one\n\n" } else { "one\n" };
        let body = if length == 3 { "one" } else { body };
        let text = format!("{SEPARATOR}CONTENT-LENGTH: {length}\n\n{body}{gap}{SEPARATOR}\ntwo\n");
        let (messages, counts) = cut(&text);
        assert_eq!((messages.len(), counts.content_length_right), (2, 1), "{text}");
        assert_eq!(messages[0].bytes, format!("CONTENT-LENGTH: {length}\n\n{body}").as_bytes());
    }
    let three = format!("{SEPARATOR}Content-Length: 3\n\none\n\n\n{SEPARATOR}\ntwo\n");
    assert_eq!((cut(&three).0.len(), cut(&three).1.content_length_right), (2, 0));
}

/// A body above the limit of proofs is cut by search, and its length judged by what that finds.
#[test]
fn long_bodies_are_measured_afterwards() {
    let body = "x".repeat(LIMITS.proof) + "\n";
    let text = format!("{SEPARATOR}Content-Length: {}\n\n{body}\n{SEPARATOR}A: 2\n\ntwo\n", body.len());
    let (messages, counts) = cut(&text);
    assert_eq!((messages.len(), counts.content_length_right, counts.content_length_wrong), (2, 1, 0));
}

#[test]
fn line_ends_and_starts_of_inputs() {
    let one = format!("{SEPARATOR}A: 1\n\none\n\n{SEPARATOR}A: 2\n\ntwo\n");
    assert_eq!(bodies(&one), ["A: 1\n\none\n", "A: 2\n\ntwo\n"]);
    assert_eq!(bodies(&one.replace('\n', "\r\n")), ["A: 1\r\n\r\none\r\n", "A: 2\r\n\r\ntwo\r\n"]);
    for before in ["\u{feff}", "\n\n\r\n", "\u{feff}\r\n"] {
        let text = format!("{before}{one}");
        assert_eq!(bodies(&text), bodies(&one));
        assert_eq!(cut(&text).0[0].offset, before.len() as u64);
    }
    assert_eq!(bodies(""), [""; 0]);
    assert_eq!(bodies("\n\r\n\n"), [""; 0]);
    assert_eq!(bodies(&format!("{SEPARATOR}\n{SEPARATOR}")), ["", ""]);
    assert_eq!(bodies(SEPARATOR.trim_end()), [""]);
    assert_eq!(bodies(&format!("{SEPARATOR}>From mx!a remote from mx\n>From b\nA: 1\n\n>From\n")), ["A: 1\n\n>From\n"]);
}

/// A single message, with a first line as some programs write it, and with another message behind it.
#[test]
fn inputs_without_a_separator_at_the_top() {
    assert_eq!(bodies("A: 1\n\none\n"), ["A: 1\n\none\n"]);
    let (messages, counts) = cut("From a@example.com yesterday\nA: 1\n\none\n");
    assert_eq!((messages[0].from_line.as_slice(), messages[0].bytes.len()), (&b"From a@example.com yesterday"[..], 10));
    assert_eq!(counts.from_line_suspect, 1);
    assert_eq!(bodies(&format!("A: 1\n\none\n\n{SEPARATOR}A: 2\n\n")), ["A: 1\n\none\n", "A: 2\n"]);
}

/// 21: of a long message the first bytes, and its whole length.
#[test]
fn long_messages_are_cut() {
    let long = format!("A: 1\n\n{}\nFrom me\n\n>From you\n{}\n", "x".repeat(9000), "y".repeat(9000));
    for (text, count) in
        [(format!("{SEPARATOR}{long}"), 1), (format!("{SEPARATOR}\n{SEPARATOR}{long}\n{SEPARATOR}A: 2\n\n"), 3)]
    {
        let (messages, counts) = cut(&text);
        assert_eq!((messages.len(), counts.cut, counts.from_line_suspect, counts.from_line_quoted), (count, 1, 1, 1));
        let message = messages.iter().find(|m| m.cut).unwrap();
        assert_eq!(message.bytes, &long.as_bytes()[..LIMITS.message]);
        assert_eq!(message.len, (SEPARATOR.len() + long.len()) as u64);
    }
}

/// 21: five GiB, none of them on disk.
#[test]
fn a_huge_message_takes_no_memory() {
    struct Huge(u64);
    impl Read for Huge {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let n = self.0.min(out.len() as u64);
            self.0 -= n;
            // What is in the buffer from before may stay there: it holds no separator.
            Ok(n as usize)
        }
    }
    const SIZE: u64 = 5 << 30;
    let head = format!("{SEPARATOR}A: 1\n\n");
    let end = format!("\n\n{SEPARATOR}A: 2\n\ntwo\n");
    let reader = io::Cursor::new(head.clone()).chain(Huge(SIZE)).chain(io::Cursor::new(end));
    let (mut cutter, mut block) = (MboxCutter::new(Box::new(reader)), MessageBlock::default());
    let (mut seen, mut kept) = (Vec::new(), 0);
    while cutter.next(&mut block).unwrap() {
        seen.extend(block.messages().map(|m| (m.offset, m.len, m.bytes.len(), m.cut)));
        kept = kept.max(block.buffer.bytes.len() + cutter.tail.bytes.len());
    }
    let first = head.len() as u64 + SIZE + 1;
    assert_eq!(seen, [(0, first, MAX_MESSAGE, true), (first + 1, 44 + 10, 10, false)]);
    assert!(kept < 2 * MAX_MESSAGE, "{kept}");
}

/// Lengths that make the cutter read ahead for each message cost no more than the input's length.
#[test]
fn wrong_lengths_cost_linear_time() {
    let message = format!("{SEPARATOR}Content-Length: {MAX_PROOF}\n\nx\n\n");
    let text = message.repeat((40 << 20) / message.len());
    let count = text.len() / message.len();
    let (mut cutter, mut block) = (MboxCutter::new(Box::new(io::Cursor::new(text))), MessageBlock::default());
    let (mut seen, mut kept) = (0, 0);
    let started = std::time::Instant::now();
    while cutter.next(&mut block).unwrap() {
        seen += block.messages().len();
        kept = kept.max(block.buffer.bytes.len());
    }
    assert_eq!((seen, cutter.counts().content_length_wrong), (count, count as u64));
    assert!(kept < 2 * MAX_MESSAGE, "{kept}");
    assert!(started.elapsed().as_secs() < 30);
}

#[test]
fn a_reader_that_fails_says_so_behind_what_was_complete() {
    let text = format!("{SEPARATOR}A: 1\n\none\n\n{SEPARATOR}A: 2\n\ntwo\n");
    for block in [1, 20, 4096] {
        let mut cutter = cutter(text.as_bytes(), Limits { block, ..LIMITS }, true);
        let (messages, error) = drain(&mut cutter);
        assert_eq!((messages.len(), error.unwrap().to_string()), (1, "torn".into()));
        let (messages, error) = drain(&mut cutter);
        assert_eq!((messages.len(), error.is_none()), (0, true));
    }
}

fn piece() -> impl Strategy<Value = String> {
    let raw = prop::sample::select(vec![
        "\n",
        "\n",
        "\n\n",
        "\r\n",
        "\r\n\r\n",
        "\r",
        "F",
        "From",
        "From ",
        "From a\n",
        ">From b\n",
        ">",
        ">>From c\n",
        "a: b\n",
        "text\n",
        "x",
        "\u{feff}",
        "Content-Length: 0\n",
        "Content-Length: 5\r\n",
        "content-length:17\n",
        "Content-Length: -1\n",
        "Content-Length: 99999999999999999999\n",
        "Content-Length: 2000\n",
        "From a Thu Apr 29 23:34:45 2010",
        "\nFrom a Thu Apr 29 23:34:45 2010\n",
        "\r\nFrom a Thu Apr 29 23:34 10\r\n",
        "\n\nFrom <> 2010-04-29 23:34:45 +0000\n",
    ]);
    let long = (1..8_usize).prop_map(|n| "y".repeat(n * 700) + "\n");
    let line = (1000..1050_usize).prop_map(|n| format!("\n\nFrom {} Thu Apr 29 23:34:45 2010\n", "z".repeat(n - 31)));
    prop_oneof![20 => raw.prop_map(str::to_string), 1 => long, 1 => line]
}

/// A message with its length, right or nearly so.
fn proven() -> impl Strategy<Value = String> {
    (prop::collection::vec(piece(), 0..8), -2..3_i64, 0..4_usize).prop_map(|(pieces, off, gap)| {
        let body = pieces.concat();
        let length = (body.len() as i64 + off / 2).max(0);
        format!("{SEPARATOR}Content-Length: {length}\n\n{body}{}", "\n".repeat(gap))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_input_is_cut_as_by_the_reference(
        pieces in prop::collection::vec(prop_oneof![6 => piece(), 1 => proven()], 0..40),
        block in 1..200_usize,
        message in 1..3000_usize,
    ) {
        let text = pieces.concat();
        let limits = Limits { block, message, proof: message / 2 };
        prop_assert_eq!(cut_with(text.as_bytes(), limits), reference::cut(text.as_bytes(), limits));
    }
}

/// The input ends where the block is full, behind as many line ends as may follow a body.
#[test]
fn a_proof_waits_for_the_end_of_the_input() {
    let text = format!("{SEPARATOR}Content-Length: 0\n\n\n\n\n");
    let limits = Limits { block: text.len(), ..LIMITS };
    let (messages, counts) = cut_with(text.as_bytes(), limits);
    assert_eq!((messages.len(), messages[0].length_right, counts.content_length_right), (1, true, 1));
}
