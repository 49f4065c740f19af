//! The command line: clap definitions, lowered once to what the commands need.

mod explain;
mod explain_csv;
mod knowledge_args;
mod output;
mod progress;
mod rules;
mod scan;
mod scan_args;
mod schema;
mod show;
mod signals;
mod warnings;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::error::Error;

const EXAMPLES: &str = "\
  bouncesift scan /var/log/mail.log*             look once, print a summary
  bouncesift scan archive/ --out audit           CSV and Parquet in audit/
  zcat mail.log.2.gz | bouncesift scan -         read standard input
  bouncesift explain '550 5.7.1 ... blocked'     what one reply means";

#[derive(Parser)]
#[command(
    name = "bouncesift",
    version,
    about = "Count bounce codes and causes of 5.7.1 by receiving ISP.",
    before_help = EXAMPLES,
    arg_required_else_help = true,
    disable_help_subcommand = false,
    max_term_width = 100
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Read mail logs and report who refuses our mail, with which codes, and why
    Scan(Box<scan_args::Args>),
    /// Say what a reply, a log line or a bounce mail means: codes, receiving ISP, cause, rule, and what to do
    Explain(Box<explain::Args>),
    /// The rules that find causes: list, show and check them, try own ones on a run, mine replies that none explains
    Rules(rules::Args),
    /// Say what the columns of all tables mean, and the causes
    Schema(schema::Args),
}

/// Whether and when to use colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Color {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// Runs the program with the process's arguments; the exit status is one of those the README lists.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    // A panic is a bug. What it was is on standard error already; results under way have been dropped on the way here.
    let done = std::panic::catch_unwind(|| match cli.command {
        Command::Scan(args) => scan::run(*args),
        Command::Explain(args) => explain::run(*args),
        Command::Rules(args) => rules::run(args),
        Command::Schema(args) => schema::run(&args),
    });
    let Ok(done) = done else {
        let version = env!("CARGO_PKG_VERSION");
        complain(&format!("this is a bug in bouncesift {version}; please report it with the lines above"));
        return ExitCode::from(70);
    };
    match done {
        Ok(status) => ExitCode::from(status),
        Err(Error::Stdout(error)) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&format!("{error}"));
            ExitCode::from(error.exit_status())
        }
    }
}

/// Whether the reader of standard output has gone.
fn is_broken_pipe(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::BrokenPipe
}

/// Characters of one line of a message. A path has up to 4,096.
const LONGEST_COMPLAINT: usize = 5000;

/// One message on standard error. That it may be closed is no reason to stop.
fn complain(text: &str) {
    use std::io::Write;
    // What others' parsers say quotes foreign text as it stands, however long.
    let line = |line| crate::text::sanitize(&show::cut(line, LONGEST_COMPLAINT)).into_owned();
    let text = text.split('\n').map(line).collect::<Vec<_>>().join("\n");
    let _ = writeln!(std::io::stderr().lock(), "bouncesift: {text}");
}

/// Writes to standard output.
fn print(text: &[u8]) -> Result<(), Error> {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    out.write_all(text).and_then(|()| out.flush()).map_err(Error::Stdout)
}

/// `--color`, then `NO_COLOR`, then `CLICOLOR_FORCE` and `FORCE_COLOR`, then whether standard output is a terminal.
fn use_color(choice: Color) -> bool {
    use std::io::IsTerminal;
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    match choice {
        Color::Always => true,
        Color::Never => false,
        Color::Auto if set("NO_COLOR") => false,
        Color::Auto if set("CLICOLOR_FORCE") || set("FORCE_COLOR") => true,
        Color::Auto => std::io::stdout().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb"),
    }
}
