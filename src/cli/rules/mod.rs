//! `rules`: the rule tables, as they are and as they judge.

mod check;
mod crosswalk;
mod diff;
mod list;
mod mine;
mod runs;

use crate::error::Error;

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
