//! `explain`: what a reply, a log line or a bounce mail means.

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};

use super::knowledge_args::KnowledgeArgs;
use super::{complain, explain_csv, print};
use crate::error::Error;
use crate::explain::{Document, Explainer, Hints, render};
use crate::table::json;

/// Bytes of an input that are read. Whoever has more wants `scan`.
const MAX_INPUT: u64 = 64 << 20;

const EXAMPLES: &str = "\
Examples:
  bouncesift explain '550 5.7.1 client [192.0.2.1] blocked using zen.spamhaus.org'
  bouncesift explain --host mx.example.com '550 5.7.1 Message looks like spam'
  bouncesift explain --file bounce.eml           a bounce mail, each recipient
  grep 4F1A2B mail.log | bouncesift explain -    lines of a log, each delivery or refusal
  bouncesift explain --json --file bounce.eml    the same for programs
  bouncesift explain --csv in.csv > out.csv      many texts, one row each, in their order

The CSV file has the columns id and text and, if you like, remote_host and recipient_domain.";

/// Arguments of `explain`.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The reply, as the server or the log gives it, or a line of a log; several words are joined. - reads standard input
    #[arg(value_name = "TEXT", conflicts_with_all = ["file", "csv"])]
    text: Vec<String>,
    /// Read a text, log lines or a bounce mail from a file; - is standard input
    #[arg(long, short, value_name = "FILE", conflicts_with = "csv")]
    file: Option<PathBuf>,
    /// Read many texts from a CSV file with the columns id and text; - is standard input. Writes CSV
    #[arg(long, value_name = "FILE", conflicts_with_all = ["json", "host", "recipient_domain"])]
    csv: Option<PathBuf>,
    /// Host name of the server that replied, where no log line or mail says
    #[arg(long, value_name = "NAME")]
    host: Option<String>,
    /// Domain of the recipient, where no log line or mail says
    #[arg(long, value_name = "DOMAIN")]
    recipient_domain: Option<String>,
    /// Write JSON
    #[arg(long)]
    json: bool,
    /// Leave CSV text as it is: neither guarded against spreadsheets nor escaped
    #[arg(long, requires = "csv")]
    csv_raw: bool,
    /// Threads for --csv; 0 is one for each core
    #[arg(short = 'j', long, value_name = "N", default_value_t = 0, env = "BOUNCESIFT_THREADS")]
    #[arg(value_parser = clap::value_parser!(u16).range(..=super::scan_args::MAX_THREADS))]
    threads: u16,
    #[command(flatten)]
    knowledge: KnowledgeArgs,
}

/// Explains an input.
///
/// # Errors
/// If there is nothing to read, or standard output refuses.
pub fn run(args: Args) -> Result<u8, Error> {
    if let Some(path) = &args.csv {
        if path.as_os_str() == "-" {
            refuse_terminal()?;
        }
        return explain_csv::run(path, args.threads.into(), args.csv_raw, &args.knowledge.load()?);
    }
    let input = input(&args)?;
    let knowledge = args.knowledge.load()?;
    let hints = Hints {
        host: args.host.as_deref().map(str::as_bytes),
        recipient_domain: args.recipient_domain.as_deref().map(str::as_bytes),
    };
    let mut explainer = Explainer::new(&knowledge);
    let told = explainer.explain(&input, &hints);
    if args.json {
        json::write(&Document::new(&told, explainer.left_out()), io::stdout().lock(), Path::new("-"))?;
    } else {
        print(render(&told, explainer.left_out()).as_bytes())?;
    }
    Ok(0)
}

/// What is to be explained.
fn input(args: &Args) -> Result<Vec<u8>, Error> {
    match (&args.file, args.text.as_slice()) {
        (Some(path), _) if path.as_os_str() != "-" => {
            let file = File::open(path).map_err(Error::io(path, "opening"))?;
            read(file, path)
        }
        (Some(_), _) | (None, []) => stdin(),
        (None, [dash]) if dash == "-" => stdin(),
        (None, words) => {
            if let [word] = words
                && Path::new(word).is_file()
            {
                let word = crate::text::sanitize(word);
                complain(&format!("{word} is taken for a text; to read the file of that name: --file {word}"));
            }
            Ok(words.join(" ").into_bytes())
        }
    }
}

fn stdin() -> Result<Vec<u8>, Error> {
    refuse_terminal()?;
    read(io::stdin().lock(), Path::new("standard input"))
}

/// Whoever types sees nothing happen.
fn refuse_terminal() -> Result<(), Error> {
    if !io::stdin().is_terminal() {
        return Ok(());
    }
    let hint = "explain: nothing to explain: give the text as an argument, a file with --file, or pipe it in";
    Err(Error::Usage(format!("{hint} (bouncesift explain --help has examples)")))
}

fn read(input: impl Read, path: &Path) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    input.take(MAX_INPUT + 1).read_to_end(&mut bytes).map_err(Error::io(path, "reading"))?;
    if bytes.len() as u64 > MAX_INPUT {
        bytes.truncate(MAX_INPUT as usize);
        let path = crate::text::shown_path(path);
        complain(&format!("{path}: only the first {} MiB are explained; scan reads all", MAX_INPUT >> 20));
    }
    Ok(bytes)
}
