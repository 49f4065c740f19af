//! Answers on standard output: aligned columns for people, JSON for programs.

use serde::Serialize;

use super::print;
use crate::error::Error;
use crate::text::{columns, sanitize};

/// A JSON document on standard output.
pub fn print_json(value: &impl Serialize) -> Result<(), Error> {
    Ok(crate::table::json::write(value, std::io::stdout().lock(), std::path::Path::new("-"))?)
}

/// Rows in aligned columns, made fit for a terminal. Columns of numbers stand to the right.
pub fn print_aligned(rows: &[Vec<String>]) -> Result<(), Error> {
    print(aligned(rows).as_bytes())
}

fn aligned(rows: &[Vec<String>]) -> String {
    let rows: Vec<Vec<_>> = rows.iter().map(|row| row.iter().map(|cell| sanitize(cell)).collect()).collect();
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let cells = |at: usize| rows.iter().skip(1).filter_map(move |row| row.get(at));
    let widths: Vec<usize> =
        (0..count).map(|at| rows.iter().filter_map(|row| row.get(at)).map(|c| columns(c)).max().unwrap_or(0)).collect();
    let is_number = |text: &str| text.bytes().all(|b| b.is_ascii_digit() || b == b',');
    let to_right: Vec<bool> =
        (0..count).map(|at| cells(at).next().is_some() && cells(at).all(|c| is_number(c))).collect();
    let mut out = String::new();
    for row in &rows {
        let mut line = String::new();
        for ((cell, width), right) in row.iter().zip(&widths).zip(&to_right) {
            let room = " ".repeat(width.saturating_sub(columns(cell)));
            let (before, behind) = if *right { (room.as_str(), "") } else { ("", room.as_str()) };
            line.extend([before, cell, behind, "  "]);
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// `1,234`, for people.
pub fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// At most so many characters of a text.
pub fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((at, _)) => text.get(..at).unwrap_or(text).to_owned() + "..",
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_to_the_right() {
        let rows = [["name", "n"], ["a", "1,000"], ["long\u{1b}", "7"]].map(|row| row.map(String::from).to_vec());
        assert_eq!(aligned(&rows), "name            n\na           1,000\nlong\\u{1b}      7\n");
    }
}
