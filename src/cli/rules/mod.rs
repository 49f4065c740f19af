//! `rules`: the rule tables, as they are and as they judge.

mod check;
mod crosswalk;
mod diff;
mod list;
mod mine;
mod runs;

use serde::Serialize;

use super::print;
use crate::error::Error;
use crate::text::{columns, sanitize};

/// Arguments of `rules`.
#[derive(clap::Args, Debug)]
#[command(
    arg_required_else_help = true,
    after_help = "\
Examples:
  bouncesift rules list --cause spf_fail         which rules name this cause
  bouncesift rules show greylist                 one rule, with its samples
  bouncesift rules mine out --csv > own.csv      start a table of own rules; then fill in the causes
  bouncesift rules check own.csv                 is my own table sound?
  bouncesift rules diff own.csv --on out         what would it change?

A table of own rules is a CSV file with the columns that `bouncesift schema rules` explains; `scan --rules own.csv` tries
its rows before the built-in ones."
)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand, Debug)]
enum Command {
    /// List rules: id, cause, evidence, providers, table and line
    List(list::ListArgs),
    /// Show all that one rule says, and who wins its samples
    Show(list::ShowArgs),
    /// Check tables: samples that are not won, rows that can never win, rows that contend for a text
    Check(check::CheckArgs),
    /// Show what own rules would change in stored runs, without their logs
    Diff(diff::DiffArgs),
    /// List the texts that no rule explains, most frequent first, with rows to start own rules from
    Mine(mine::MineArgs),
    /// Show the causes in the words of Sisimai, KumoMTA, PowerMTA, SparkPost, SendGrid and Postmark
    Crosswalk(crosswalk::CrosswalkArgs),
}

/// Runs one of its commands.
///
/// # Errors
/// [`Error::Usage`] for tables or arguments that cannot be used.
pub fn run(args: Args) -> Result<u8, Error> {
    match args.command {
        Command::List(args) => list::list(&args),
        Command::Show(args) => list::show(&args),
        Command::Check(args) => check::run(&args),
        Command::Diff(args) => diff::run(&args),
        Command::Mine(args) => mine::run(&args),
        Command::Crosswalk(args) => crosswalk::run(&args),
    }
}

/// A JSON document on standard output.
fn print_json(value: &impl Serialize) -> Result<(), Error> {
    Ok(crate::table::json::write(value, std::io::stdout().lock(), std::path::Path::new("-"))?)
}

/// Rows in aligned columns, made fit for a terminal. Columns of numbers stand to the right.
fn print_aligned(rows: &[Vec<String>]) -> Result<(), Error> {
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
fn grouped(n: u64) -> String {
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
fn cut(text: &str, most: usize) -> String {
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
