//! The arguments of `scan`, and what they mean.

use std::path::PathBuf;

use clap::ValueEnum;
use jiff::tz::TimeZone;

use super::Color;
use super::knowledge_args::KnowledgeArgs;
use crate::crosswalk::{SYSTEMS, System};
use crate::error::Error;
use crate::formats::FORMATS;
use crate::pipeline::{Events, MAX_BLOCK, Options, TimeOptions};

/// Arguments of `scan`.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  bouncesift scan /var/log/mail.log*
  bouncesift scan archive/ --out audit
  bouncesift scan mail.log --rules own.csv --isps own-isps.csv
  bouncesift scan /var/log/mail.log --table codes_by_isp --out -
  zcat mail.log.2.gz | bouncesift scan -

Exit status: 0 complete, 1 failed, 2 wrong arguments, 3 some input could not be read (the rest is reported).")]
pub struct Args {
    /// Log files and directories; `-` is standard input
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,

    /// Write CSV, Parquet and the run to this directory; `-` with --table is standard output
    #[arg(short, long, value_name = "DIR", help_heading = "Output")]
    pub out: Option<PathBuf>,
    /// File formats of the reports (the run is Parquet where this build has it)
    #[arg(long, value_delimiter = ',', value_name = "LIST", help_heading = "Output")]
    pub formats: Option<Vec<FileFormat>>,
    /// Of the reports, write only this table: causes_by_isp, codes_by_isp, traffic_by_isp, blocklists, unclassified or events
    #[arg(long, value_name = "TABLE", help_heading = "Output")]
    pub table: Option<String>,
    /// Print the summary as JSON
    #[arg(long, conflicts_with = "table", help_heading = "Output")]
    pub json: bool,
    /// Write one row per refused recipient; `all` adds those delivered
    #[arg(long, value_name = "WHICH", num_args = 0..=1, require_equals = true, default_missing_value = "refused", help_heading = "Output")]
    pub events: Option<WhichEvents>,
    /// Write recipient addresses into the events
    #[arg(long, help_heading = "Output")]
    pub include_addresses: bool,
    /// Write reply texts as they were into the events
    #[arg(long, help_heading = "Output")]
    pub include_diagnostics: bool,
    /// Write CSV text as it is: without the guard against spreadsheet formulas, without escapes
    #[arg(long, help_heading = "Output")]
    pub csv_raw: bool,
    /// Start CSV files with a byte order mark, for Excel
    #[arg(long, help_heading = "Output")]
    pub csv_bom: bool,
    /// Codes in the headline table of the summary, for example 5.7.*,4.7.* (files always hold all)
    #[arg(long, value_name = "LIST", default_value = "5.7.1", help_heading = "Output")]
    pub codes: String,
    /// Rows in the headline table of the summary
    #[arg(long, value_name = "N", default_value_t = 20, help_heading = "Output")]
    pub top: usize,
    /// Add the nearest classes of other systems to causes_by_isp: sisimai, kumomta, powermta, sparkpost, sendgrid, postmark
    #[arg(long, value_delimiter = ',', value_name = "LIST", help_heading = "Output")]
    pub crosswalk: Vec<String>,
    /// Print nothing when all is well
    #[arg(short, long, help_heading = "Output")]
    pub quiet: bool,
    /// When to use colour
    #[arg(long, value_enum, default_value_t = Color::Auto, help_heading = "Output")]
    pub color: Color,

    /// Read only these log formats: postfix, exim, sendmail [default: all, told apart line by line]
    #[arg(long, value_delimiter = ',', value_name = "LIST", help_heading = "Input")]
    pub format: Vec<String>,
    /// Year of each log's last line (of standard input: its first), where stamps have none [default: from the file's
    /// name or date]
    #[arg(long, value_name = "YEAR", value_parser = clap::value_parser!(i16).range(1980..=9999), help_heading = "Input")]
    pub year: Option<i16>,
    /// Time zone of stamps that state none, for example Europe/Paris or UTC [default: the system's]
    #[arg(long, value_name = "ZONE", help_heading = "Input")]
    pub tz: Option<String>,
    /// Take this for the present, for example 2026-11-23T06:00:00Z [default: each file's own date]
    #[arg(long, value_name = "TIME", help_heading = "Input")]
    pub now: Option<String>,
    /// Longest line that is read; K and M may follow the number
    #[arg(long, value_name = "BYTES", default_value = "1M", value_parser = bytes, help_heading = "Input")]
    pub max_line: usize,

    /// A domain of ours (those below it too); bounces of mail that others sent are counted apart. May be repeated
    #[arg(long, value_name = "DOMAIN", help_heading = "Input")]
    pub own_domain: Vec<String>,

    #[command(flatten)]
    pub knowledge: KnowledgeArgs,

    /// Threads; 0 is one for each core
    #[arg(short = 'j', long, value_name = "N", default_value_t = 0, env = "BOUNCESIFT_THREADS", help_heading = "Run")]
    #[arg(value_parser = clap::value_parser!(u16).range(..=MAX_THREADS))]
    pub threads: u16,
    /// Bytes read at once; changes no result (what fits the second-level cache costs least to copy)
    #[arg(long, value_name = "BYTES", default_value = "256K", value_parser = bytes, hide = true)]
    pub block_size: usize,
}

/// More threads than this only wait for each other.
pub const MAX_THREADS: i64 = 256;

/// A file format of tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FileFormat {
    /// Comma-separated values, RFC 4180
    Csv,
    /// Apache Parquet
    Parquet,
}

/// Which events are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum WhichEvents {
    /// Of recipients refused or deferred
    Refused,
    /// Of all recipients
    All,
}

/// A number of bytes with an optional K, M or G.
fn bytes(text: &str) -> Result<usize, String> {
    let (digits, unit) = match text.strip_suffix(['K', 'k']) {
        Some(digits) => (digits, 1 << 10),
        None => match text.strip_suffix(['M', 'm']) {
            Some(digits) => (digits, 1 << 20),
            None => (text, 1),
        },
    };
    let number = digits.parse::<usize>().ok().and_then(|n| n.checked_mul(unit));
    number.filter(|n| (1..=1 << 30).contains(n)).ok_or_else(|| "not a number of bytes between 1 and 1024M".into())
}

impl Args {
    /// The options of the scan.
    ///
    /// # Errors
    /// [`Error::Usage`] if a value makes no sense.
    pub fn options(&self) -> Result<Options, Error> {
        if self.block_size > MAX_BLOCK {
            return Err(Error::Usage(format!("--block-size: at most {MAX_BLOCK} bytes")));
        }
        Ok(Options {
            threads: self.threads.into(),
            block_size: self.block_size,
            max_line: self.max_line,
            formats: self.format.iter().map(|name| format_name(name)).collect::<Result<_, _>>()?,
            zone: self.zone()?,
            time: TimeOptions { year: self.year, now: self.now()? },
            events: match (self.events, self.table.as_deref()) {
                (Some(WhichEvents::All), _) => Events::All,
                (Some(WhichEvents::Refused), _) | (None, Some("events")) => Events::Refused,
                (None, _) => Events::None,
            },
            addresses: self.include_addresses,
            diagnostics: self.include_diagnostics,
            own_domains: self.own_domain.iter().map(|name| own_domain(name)).collect::<Result<_, _>>()?,
        })
    }

    /// The systems of `--crosswalk`.
    ///
    /// # Errors
    /// [`Error::Usage`] for one that the table does not have.
    pub fn crosswalk(&self) -> Result<Vec<System>, Error> {
        let names = || SYSTEMS.map(|system| system.name).join(", ");
        let system = |name: &String| {
            System::by_name(name.trim())
                .ok_or_else(|| Error::Usage(format!("--crosswalk: {name:?} is not one of {}", names())))
        };
        let mut systems: Vec<System> = self.crosswalk.iter().map(system).collect::<Result<_, _>>()?;
        let order = |system: &System| SYSTEMS.iter().position(|other| other == system);
        systems.sort_by_key(order);
        systems.dedup();
        Ok(systems)
    }

    fn zone(&self) -> Result<TimeZone, Error> {
        match &self.tz {
            Some(name) => TimeZone::get(name).map_err(|_| Error::Usage(format!("--tz: no time zone named {name:?}"))),
            None => Ok(TimeZone::try_system().unwrap_or(TimeZone::UTC)),
        }
    }

    /// The zone's name, for the manifest.
    pub fn zone_name(&self) -> String {
        let zone = self.zone().unwrap_or(TimeZone::UTC);
        zone.iana_name().unwrap_or("local").to_string()
    }

    /// `--now`, else `SOURCE_DATE_EPOCH`.
    fn now(&self) -> Result<Option<i64>, Error> {
        if let Some(text) = &self.now {
            let moment = text.parse::<jiff::Timestamp>().ok().map(|moment| moment.as_second());
            let day = || text.parse::<jiff::civil::Date>().ok();
            let midnight = || day().and_then(|day| TimeZone::UTC.to_timestamp(day.at(0, 0, 0, 0)).ok());
            let found = moment.or_else(|| midnight().map(|moment| moment.as_second()));
            return match found {
                Some(seconds) => Ok(Some(seconds)),
                None => {
                    Err(Error::Usage(format!("--now: {text:?} is no time; write 2026-11-23 or 2026-11-23T06:00:00Z")))
                }
            };
        }
        Ok(std::env::var("SOURCE_DATE_EPOCH").ok().and_then(|text| text.parse().ok()))
    }
}

/// A domain as it is compared: lower-case A-labels.
fn own_domain(name: &str) -> Result<Vec<u8>, Error> {
    let bare = name.trim().trim_start_matches('@').trim_end_matches('.');
    match idna::domain_to_ascii(bare) {
        Ok(ascii) if !ascii.is_empty() && !ascii.contains(['@', '/', ' ']) => Ok(ascii.into_bytes()),
        _ => Err(Error::Usage(format!("--own-domain: {name:?} is no domain name"))),
    }
}

fn format_name(wanted: &str) -> Result<&'static str, Error> {
    let names: Vec<&'static str> = FORMATS.iter().map(|format| format.name()).collect();
    names
        .iter()
        .find(|name| name.eq_ignore_ascii_case(wanted))
        .copied()
        .ok_or_else(|| Error::Usage(format!("--format: {wanted:?} is not one of {}", names.join(", "))))
}
