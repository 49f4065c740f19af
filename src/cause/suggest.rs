//! From a masked text that no rule explains to a row for a table of own rules. Pure: the same text gives the same row.

use std::cmp::Reverse;

use super::engine::reply_words;
use super::rules::COLUMNS;
use crate::table::csv::guarded;
use crate::text::is_unsafe;

/// A phrase shorter than this would make a rule that matches anything.
const SHORTEST: usize = 8;
/// The same for a second phrase.
const SHORTEST_SECOND: usize = 4;
/// A phrase of so many bytes says enough by itself.
const LONG: usize = 48;
/// Bytes of a phrase; a longer one would miss the next variant of the wording.
const LONGEST: usize = 80;

/// What stands for a placeholder of [`mask`](super::mask) in a sample.
const EXAMPLES: [(&str, &str); 6] = [
    ("<addr>", "user@example.com"),
    ("<ip>", "192.0.2.1"),
    ("<domain>", "mail.example.com"),
    ("<url>", "https://example.com/help"),
    ("<n>", "10"),
    ("<id>", "4XhT2q9bZ7"),
];

/// The phrases that tell such a text from others: the longest run of words between placeholders and codes, and where
/// that one is short also the next longest. Empty where the text has no words to go by.
pub fn phrases_of(template: &str) -> Vec<&str> {
    let reply = template.get(reply_words(template.as_bytes())).unwrap_or(template);
    let letters = |run: &str| run.chars().filter(|c| c.is_alphanumeric()).map(char::len_utf8).sum::<usize>();
    let mut runs: Vec<&str> = Runs { text: reply }.map(trimmed).collect();
    runs.retain(|run| letters(run) >= SHORTEST_SECOND && run.chars().any(char::is_alphabetic));
    runs.sort_by_key(|run| Reverse(run.len()));
    match runs.first() {
        Some(first) if letters(first) >= SHORTEST => runs.truncate(if first.len() < LONG { 2 } else { 1 }),
        _ => runs.clear(),
    }
    runs.dedup();
    runs
}

/// A text that has this mask.
pub fn example_of(template: &str) -> String {
    let mut text = template.to_owned();
    for (mask, example) in EXAMPLES {
        text = text.replace(mask, example);
    }
    text
}

/// A row with the columns of a table of rules, without line end: id, words, sample and source are filled in, the cause
/// is yours to fill in. `None` where the text has no words to go by, or holds what no mask lets through.
///
/// ```
/// let row = bouncesift::cause::suggested_row("00ff", "550 5.7.1 [<ip>] not welcome in our house (x, <n>)").unwrap();
/// let sample = r#""550 5.7.1 [192.0.2.1] not welcome in our house (x, 10)""#;
/// assert_eq!(row, format!("local-00ff,,,,not welcome in our house (x,,,,,,,,{sample},,own logs"));
/// ```
pub fn suggested_row(id: &str, template: &str) -> Option<String> {
    let phrases = phrases_of(template);
    if phrases.is_empty() || template.chars().any(is_unsafe) {
        return None;
    }
    let cell = |column: &&str| match *column {
        "id" => format!("local-{id}"),
        "words" => phrases.join("&"),
        "sample" => guarded(&example_of(template)).into_owned(),
        "source" => "own logs".to_owned(),
        _ => String::new(),
    };
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(COLUMNS.iter().map(cell)).ok()?;
    let row = String::from_utf8(writer.into_inner().ok()?).ok()?;
    Some(row.trim_end_matches(['\r', '\n']).to_owned())
}

/// Runs of words that a rule's phrase can hold.
struct Runs<'t> {
    text: &'t str,
}

impl<'t> Iterator for Runs<'t> {
    type Item = &'t str;

    fn next(&mut self) -> Option<&'t str> {
        if self.text.is_empty() {
            return None;
        }
        let (start, end) = next_break(self.text).unwrap_or((self.text.len(), self.text.len()));
        let run = self.text.get(..start)?;
        self.text = self.text.get(end..)?;
        Some(run)
    }
}

/// Start and end of what no phrase goes across: a placeholder, a token that starts with a digit, a sign that has a
/// meaning in the column `words` (within `<` and `>` mostly names stand), a byte that was no text.
fn next_break(text: &str) -> Option<(usize, usize)> {
    let mut in_token = false;
    for (at, c) in text.char_indices() {
        let rest = text.get(at..)?;
        if let Some(len) = placeholder_len(rest) {
            return Some((at, at + len));
        }
        match c {
            '|' | '&' | '<' | '>' | char::REPLACEMENT_CHARACTER => return Some((at, at + c.len_utf8())),
            _ if c.is_ascii_digit() && !in_token => {
                let len = rest.find(|c: char| c.is_whitespace() || c == '<').unwrap_or(rest.len());
                return Some((at, at + len));
            }
            _ => in_token = c.is_alphanumeric() || (in_token && !c.is_whitespace()),
        }
    }
    None
}

fn placeholder_len(text: &str) -> Option<usize> {
    EXAMPLES.iter().map(|(mask, _)| mask).find(|mask| text.starts_with(**mask)).map(|mask| mask.len())
}

/// Without signs at its ends, and of a long run the first words.
fn trimmed(run: &str) -> &str {
    let mut run = run.trim_matches(|c: char| !c.is_alphanumeric());
    if run.len() > LONGEST {
        let room = run.floor_char_boundary(LONGEST);
        let head = run.get(..room).unwrap_or(run);
        run = head.rfind(' ').and_then(|at| head.get(..at)).unwrap_or(head);
    }
    run.trim_end_matches(|c: char| !c.is_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_run_of_words() {
        let find = |text: &str| Some(phrases_of(text).join("&")).filter(|words| !words.is_empty());
        let check = |text: &str, words: Option<&str>| assert_eq!(find(text).as_deref(), words, "{text}");
        check("550 5.7.1 <ip> is not allowed to send: see <url>", Some("is not allowed to send: see"));
        check("550 5.7.1 Message refused", Some("Message refused"));
        check("host <domain>[<ip>] said: 550 No thanks (in reply to end of DATA command)", Some("No thanks"));
        check("550-5.7.1 Your mail was 550 5.7.1 not taken in", Some("Your mail was&not taken in"));
        check("550 5.7.1 no, not <ip> no, not <ip>", None);
        check("550 5.7.1 never at all <ip> never at all", Some("never at all"));
        check("550 one|two three & four and five", Some("four and five&two three"));
        check("<ip><url>", None);
        check("550 5.7.1 no", None);
        check("550 5.7.1 迷惑メールです", Some("迷惑メールです"));
        check("550 5.7.1 <foo>: name rejected; from=<<addr>> proto=ESMTP helo=<foo>", Some("name rejected"));
        check("", None);
        assert!(find(&"word ".repeat(60)).is_some_and(|phrase| phrase.len() <= LONGEST && phrase.ends_with("word")));
        assert!(find(&"é".repeat(200)).is_some_and(|phrase| phrase.len() <= LONGEST));
    }

    #[test]
    fn a_row_is_csv() {
        let row = suggested_row("00ff", "550 Sorry, \"you\" are not wanted by <domain>");
        let words = r#""Sorry, ""you"" are not wanted by""#;
        let sample = r#""550 Sorry, ""you"" are not wanted by mail.example.com""#;
        assert_eq!(row, Some(format!("local-00ff,,,,{words},,,,,,,,{sample},,own logs")));
    }
}
