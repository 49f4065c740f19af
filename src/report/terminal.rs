//! A summary as text for people: at most 80 columns, ASCII but for foreign names, no control characters.

use std::borrow::Cow;
use std::time::Duration;

use super::summary::{Inputs, Rest, Summary, TopRow};
use crate::table::time;
use crate::text::{columns, columns_of, sanitize};

/// Columns of a line.
const WIDTH: usize = 80;
const LONGEST_BAR: usize = 12;
/// Codes that are named; the others are summed up.
const NAMED_CODES: usize = 7;
/// Where the values of the lines `Codes` and `Skipped` start.
const VALUES_AT: usize = 12;

/// What belongs to the terminal and to no file.
#[derive(Clone, Copy, Debug, Default)]
pub struct TextOptions {
    /// Bold titles and coloured warnings. Nothing is said by colour alone.
    pub color: bool,
    /// How long the pass took.
    pub elapsed: Option<Duration>,
}

/// The summary as text. With the default options, this is `summary.txt`.
pub fn render(summary: &Summary, options: TextOptions) -> String {
    let mut page = Page { text: String::new(), color: options.color };
    head(&mut page, summary, options.elapsed);
    totals(&mut page, summary);
    if summary.refusals() == 0 {
        page.gap();
        page.line(&format!("no refusals found in {}", read(&summary.inputs)));
    } else {
        headline(&mut page, summary);
        codes(&mut page, summary);
        coverage(&mut page, summary);
        unexplained(&mut page, summary);
    }
    tail(&mut page, summary);
    page.text
}

struct Page {
    text: String,
    color: bool,
}

impl Page {
    fn gap(&mut self) {
        self.text.push('\n');
    }

    /// A line that is short by construction.
    fn line(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    fn styled(&mut self, style: &str, line: &str) {
        if self.color {
            self.line(&format!("\u{1b}[{style}m{}\u{1b}[0m", line.trim_end()));
        } else {
            self.line(line);
        }
    }

    fn title(&mut self, line: &str) {
        self.styled("1", line);
    }

    fn alarm(&mut self, line: &str) {
        self.styled("1;33", line);
    }

    /// Words, broken where they do not fit; lines after the first start with `indent` spaces.
    fn words<'w>(&mut self, first: &str, indent: usize, words: impl Iterator<Item = Cow<'w, str>>, between: &str) {
        let mut line = first.to_string();
        let mut fresh = true;
        for word in words {
            for piece in pieces(&word, WIDTH - indent) {
                let wanted = columns(&piece) + if fresh { 0 } else { between.len() };
                if columns(&line) + wanted > WIDTH {
                    self.line(&line);
                    line = " ".repeat(indent);
                } else if !fresh {
                    line.push_str(between);
                }
                line.push_str(&piece);
                fresh = false;
            }
        }
        self.line(&line);
    }

    /// Foreign text.
    fn prose(&mut self, first: &str, indent: usize, text: &str) {
        self.words(first, indent, sanitize(text).split_whitespace().map(Cow::Borrowed), " ");
    }
}

/// A word, in pieces of at most `width` columns.
fn pieces(word: &str, width: usize) -> Vec<String> {
    let mut all = vec![String::new()];
    let mut used = 0;
    for c in word.chars() {
        if used + columns_of(c) > width {
            all.push(String::new());
            used = 0;
        }
        used += columns_of(c);
        if let Some(last) = all.last_mut() {
            last.push(c);
        }
    }
    all
}

fn head(page: &mut Page, summary: &Summary, elapsed: Option<Duration>) {
    let inputs = &summary.inputs;
    let mut what = format!(
        "{}: {}, {}, {}",
        summary.command,
        plural(inputs.count.0, "input"),
        size(inputs.bytes.0),
        read(inputs),
    );
    if let Some(elapsed) = elapsed {
        what.push_str(&format!(" in {}", seconds(elapsed)));
    }
    let parts = [format!("bouncesift {}", summary.tool_version), what];
    page.words("", 2, parts.iter().map(|p| sanitize(p)), "  ");
    let window = match summary.window.seen {
        Some(seen) => format!("Window {} .. {} UTC", time::minute(seen.first), time::minute(seen.last)),
        None => "Window unknown: no usable time stamp".to_string(),
    };
    let parts = [window, format!("rules {}", summary.ruleset)];
    page.words("", 2, parts.iter().map(|p| sanitize(p)), "  ");
    if summary.partial {
        let (damaged, all) = (group(inputs.damaged.0), plural(inputs.count.0, "input"));
        page.alarm(&format!("PARTIAL: {damaged} of {all} damaged or unreadable, see the end"));
    }
}

/// `9 lines`, `9 mails` or `9 lines and 9 mails`.
fn read(inputs: &Inputs) -> String {
    let (lines, mails) = (plural(inputs.lines.0, "line"), plural(inputs.mails.0, "mail"));
    match (inputs.lines.0, inputs.mails.0) {
        (_, 0) => lines,
        (0, _) => mails,
        _ => format!("{lines} and {mails}"),
    }
}

fn totals(page: &mut Page, summary: &Summary) {
    let all = summary.attempts.map(|n| n.0);
    let (refused, chosen) = (summary.refusals(), summary.headline.attempts.0);
    let label = sanitize(&summary.headline.patterns).into_owned();
    let total = |page: &mut Page, name: &str, n: Option<u64>, note: String| {
        let number = n.map_or_else(|| "unknown".to_string(), group);
        page.line(&cut(&format!("{} {number:>14}  {note}", pad(name, 23)), WIDTH));
    };
    page.gap();
    let known = if all.is_none() { "(bounce mails only)" } else { "" };
    total(page, "Delivery attempts", all, known.to_string());
    let of_all = all.map_or_else(String::new, |all| of(refused, all, "attempts"));
    total(page, "Rejected or deferred", Some(refused), of_all);
    if refused > 0 {
        total(page, &format!("  with {label}"), Some(chosen), of(chosen, refused, "rejected or deferred"));
        let classified = summary.headline.classified.0;
        total(page, "  cause known", Some(classified), of(classified, chosen, &label));
    }
    let apart = [
        ("Refused by us", summary.refused_by_us, "by our own server; in no other count"),
        ("Unnamed bounces", summary.bounces_unnamed, "may be forged; in no other count"),
        ("Foreign bounces", summary.bounces_foreign, "of mail others sent; in no other count"),
        ("Told twice", summary.told_before, "by several lines or mails; counted once"),
    ];
    for (name, n, note) in apart {
        if n.0 > 0 {
            total(page, name, Some(n.0), note.to_string());
        }
    }
}

/// `33.9% of rejected`, or nothing where there is no whole.
fn of(part: u64, whole: u64, name: &str) -> String {
    let share = share(part, whole);
    if share.is_empty() { share } else { format!("{share:>6} of {name}") }
}

/// Widths of the headline table's columns.
struct Layout {
    isp: usize,
    cause: usize,
    label: usize,
    attempts: usize,
    failed: usize,
    bar: usize,
    /// The longest bar stands for this many attempts.
    most: u64,
}

const SHARE: usize = 6;

/// Room that is kept for the bars.
const SHORTEST_BAR: usize = 8;

impl Layout {
    fn new(summary: &Summary, title: &str, labels: &[&str]) -> Self {
        let head = &summary.headline;
        let longest = |f: &dyn Fn(&TopRow) -> usize, most: usize| head.top.iter().map(f).max().unwrap_or(0).min(most);
        let isp = longest(&|r| columns(&sanitize(short(&r.isp_name))), 24);
        let cause = longest(&|r| columns(&r.cause), 30);
        let number = |n: u64, name: &str| columns(&group(n)).max(name.len());
        let rests = [head.more, head.unclassified];
        let longest_bar =
            head.top.iter().map(|r| r.attempts.0).chain([head.unclassified.attempts.0]).max().unwrap_or(0);
        let shown =
            || head.top.iter().map(|r| (r.attempts.0, r.failed.0)).chain(rests.map(|r| (r.attempts.0, r.failed.0)));
        let most = shown().map(|(attempts, _)| attempts).max().unwrap_or(0);
        let attempts = number(most, "attempts");
        let failed = number(shown().map(|(_, failed)| failed).max().unwrap_or(0), "final");
        let numbers = 2 + attempts + 2 + failed + 2 * (2 + SHARE);
        let wanted = labels.iter().map(|l| columns(l)).max().unwrap_or(0).max(isp + 2 + cause).max(columns(title));
        let room = WIDTH.saturating_sub(numbers);
        let label = wanted.min(room.saturating_sub(2 + SHORTEST_BAR).max(columns(title).min(room)));
        // A cause cut short says little; the ISP's name is the one to give way, down to a third.
        let isp = isp.min(label.saturating_sub(2 + cause).max(label / 3));
        let bar = WIDTH.saturating_sub(label + numbers + 2).min(LONGEST_BAR);
        Layout { isp, cause: label.saturating_sub(isp + 2), label, attempts, failed, bar, most: longest_bar }
    }

    fn row(&self, label: &str, attempts: u64, failed: u64, share: &str, rate: &str) -> String {
        let (attempts_text, failed_text) = (group(attempts), group(failed));
        let (wide, narrow) = (self.attempts, self.failed);
        let bar = "#".repeat(self.bar_length(attempts));
        let label = pad(label, self.label);
        format!("{label}  {attempts_text:>wide$}  {failed_text:>narrow$}  {share:>SHARE$}  {rate:>SHARE$}  {bar}")
    }

    fn header(&self, title: &str) -> String {
        let (title, wide, narrow) = (pad(title, self.label), self.attempts, self.failed);
        format!("{title}  {:>wide$}  {:>narrow$}  {:>SHARE$}  {:>SHARE$}", "attempts", "final", "share", "rate")
    }

    fn bar_length(&self, attempts: u64) -> usize {
        if attempts == 0 || self.bar == 0 || self.most == 0 {
            return 0;
        }
        let (n, most, bar) = (u128::from(attempts), u128::from(self.most), self.bar as u128);
        usize::try_from((n * bar + most / 2) / most).unwrap_or(0).clamp(1, self.bar)
    }
}

/// A name without what stands in brackets behind it: `Microsoft` of `Microsoft (Outlook.com, Microsoft 365)`.
fn short(name: &str) -> &str {
    name.split(" (").next().filter(|name| !name.is_empty()).unwrap_or(name)
}

fn headline(page: &mut Page, summary: &Summary) {
    let head = &summary.headline;
    page.gap();
    let patterns = sanitize(&head.patterns).into_owned();
    if head.attempts.0 == 0 {
        page.line(&cut(&format!("no refusals with {patterns}"), WIDTH));
        return;
    }
    let title = format!("{patterns} by receiving ISP and cause");
    let more = format!("({} more {})", group(head.more.rows), if head.more.rows == 1 { "row" } else { "rows" });
    let unclassified = format!("unclassified ({})", plural(head.unclassified.rows, "text"));
    let layout = Layout::new(summary, &title, &[&more, &unclassified]);
    page.title(&layout.header(&title));
    for row in &head.top {
        let label = format!("{}  {}", pad(&sanitize(short(&row.isp_name)), layout.isp), cut(&row.cause, layout.cause));
        let rate = row.isp_attempts.map_or_else(String::new, |all| share(row.attempts.0, all.0));
        let of_all = share(row.attempts.0, head.attempts.0);
        page.line(&layout.row(&label, row.attempts.0, row.failed.0, &of_all, &rate));
    }
    let rest = |page: &mut Page, label: &str, rest: &Rest| {
        if rest.rows > 0 {
            let of_all = share(rest.attempts.0, head.attempts.0);
            page.line(&layout.row(label, rest.attempts.0, rest.failed.0, &of_all, ""));
        }
    };
    rest(page, &more, &head.more);
    rest(page, &unclassified, &head.unclassified);
    if head.top.iter().any(|row| row.isp_attempts.is_some()) {
        page.line("final: given up, the others were deferred. rate: of all attempts to that ISP.");
    }
}

fn codes(page: &mut Page, summary: &Summary) {
    let mut entries: Vec<String> = Vec::new();
    for code in summary.codes.iter().take(NAMED_CODES) {
        entries.push(format!("{} {}", code.code.as_deref().unwrap_or("none"), group(code.attempts.0)));
    }
    let others = summary.codes.iter().skip(NAMED_CODES).fold(0, |sum, c| super::merge::add(sum, c.attempts.0));
    if others > 0 {
        entries.push(format!("(others {})", group(others)));
    }
    page.gap();
    page.words("Codes       ", VALUES_AT, entries.into_iter().map(Cow::Owned), "   ");
}

/// What the verdicts on refusals by policy rest on.
fn coverage(page: &mut Page, summary: &Summary) {
    let (parts, all) = (&summary.coverage, summary.policy.0);
    if all == 0 {
        return;
    }
    let named =
        [("text", parts.text), ("token", parts.token), ("code", parts.registered_code), ("abstained", parts.abstained)];
    let entries = named.map(|(name, n)| format!("{name} {}", share(n.0, all)));
    let entries = entries.into_iter().chain(["(policy only)".to_string()]);
    page.words("Explained   ", VALUES_AT, entries.map(Cow::Owned), "  ");
}

/// The texts that a rule is missing for.
fn unexplained(page: &mut Page, summary: &Summary) {
    let texts = &summary.unexplained;
    if texts.top.is_empty() {
        return;
    }
    let numbers = |attempts: u64, isps: &str| format!("{:>10}  {isps:>5}  ", group(attempts));
    page.gap();
    page.title(&format!("{:>10}  {:>5}  {}", "attempts", "ISPs", "texts that no rule explains"));
    for row in &texts.top {
        let start = numbers(row.attempts.0, &group(row.isps));
        let text = row.template.as_deref().or(row.template_id.as_deref()).unwrap_or("(no text)");
        let room = WIDTH.saturating_sub(columns(&start));
        page.line(&format!("{start}{}", cut(&sanitize(text), room)));
    }
    if texts.more.rows > 0 {
        let noun = if texts.more.rows == 1 { "text" } else { "texts" };
        page.line(&format!("{}({} more {noun})", numbers(texts.more.attempts.0, ""), group(texts.more.rows)));
    }
}

fn tail(page: &mut Page, summary: &Summary) {
    if !summary.skipped.is_empty() {
        let entries = summary.skipped.iter().map(|(reason, lines)| format!("{} {}", sanitize(reason), group(lines.0)));
        page.gap();
        page.words("Skipped     ", VALUES_AT, entries.map(Cow::Owned), "   ");
    }
    if !summary.warnings.is_empty() {
        page.gap();
        page.alarm("Warnings");
        for warning in &summary.warnings {
            page.prose("  ", 4, warning);
        }
    }
    if let Some(next) = &summary.next {
        page.gap();
        page.prose("Next: ", 6, next);
    }
}

/// `1,234,567`.
fn group(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

fn plural(n: u64, noun: &str) -> String {
    format!("{} {noun}{}", group(n), if n == 1 { "" } else { "s" })
}

/// A percentage with one decimal, rounded half up, from whole numbers only; nothing where `part` is no part of `whole`.
/// What is not nothing never shows as `0.0%`, and what is not all never as `100.0%`.
fn share(part: u64, whole: u64) -> String {
    if whole == 0 || part > whole {
        return String::new();
    }
    let tenths = (u128::from(part) * 1000 + u128::from(whole) / 2) / u128::from(whole);
    match tenths {
        0 if part > 0 => "<0.1%".to_string(),
        1000 if part < whole => ">99.9%".to_string(),
        _ => format!("{}.{}%", tenths / 10, tenths % 10),
    }
}

/// Decimal units, one decimal.
fn size(bytes: u64) -> String {
    let units = [(1_000_000_000_000, "TB"), (1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "kB")];
    match units.into_iter().find(|(unit, _)| bytes >= *unit) {
        Some((unit, name)) => {
            let tenths = bytes / (unit / 10);
            format!("{}.{} {name}", group(tenths / 10), tenths % 10)
        }
        None => format!("{bytes} B"),
    }
}

fn seconds(elapsed: Duration) -> String {
    let millis = elapsed.as_millis();
    if millis < 10_000 {
        format!("{}.{} s", millis / 1000, millis % 1000 / 100)
    } else {
        format!("{} s", millis / 1000)
    }
}

/// At most `width` columns, cut with `..`.
fn cut(text: &str, width: usize) -> Cow<'_, str> {
    if columns(text) <= width {
        return Cow::Borrowed(text);
    }
    let mut out = String::new();
    let mut used = 2;
    for c in text.chars() {
        used += columns_of(c);
        if used > width {
            break;
        }
        out.push(c);
    }
    out.push_str("..");
    Cow::Owned(out)
}

/// Exactly `width` columns (but never less than `..`).
fn pad(text: &str, width: usize) -> String {
    let mut text = cut(text, width).into_owned();
    let missing = width.saturating_sub(columns(&text));
    text.push_str(&" ".repeat(missing));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_for_people() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(group), ["0", "999", "1,000", "1,234,567"]);
        let cases =
            [(0, 7), (1, 10_000), (1, 3), (9_999, 10_000), (99_999, 100_000), (7, 7), (8, 7), (1, 0), (1, 2000)];
        let shown = ["0.0%", "<0.1%", "33.3%", ">99.9%", ">99.9%", "100.0%", "", "", "0.1%"];
        assert_eq!(cases.map(|(part, whole)| share(part, whole)), shown);
        assert_eq!([999, 1_000, 1_999_999, 41_812_000_000].map(size), ["999 B", "1.0 kB", "1.9 MB", "41.8 GB"]);
        assert_eq!(seconds(Duration::from_millis(1_490)), "1.4 s");
        assert_eq!((cut("abcdef", 5), pad("ab", 4)), ("abc..".into(), "ab  ".to_string()));
    }
}
