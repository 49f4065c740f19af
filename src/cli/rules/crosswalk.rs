//! `rules crosswalk`: the causes in the words of other systems.

use std::io;
use std::path::Path;

use serde::Serialize;

use crate::cli::show::{print_aligned, print_json};
use crate::crosswalk::{SYSTEMS, crosswalk, table};
use crate::error::Error;
use crate::table::csv::{CsvOptions, write};
use crate::table::json::Rows;
use crate::table::{SCHEMA_VERSION, Table};

/// Arguments of `rules crosswalk`.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
The class that stands first is the nearest; the CSV and JSON forms name all of them. `scan --crosswalk sisimai,kumomta`
adds the classes to causes_by_isp as columns.")]
pub struct CrosswalkArgs {
    /// As CSV, with all classes and the source of each row
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    /// As JSON, likewise
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Document<'a> {
    schema_version: &'static str,
    systems: Vec<Page>,
    causes: Rows<'a>,
}

#[derive(Serialize)]
struct Page {
    name: &'static str,
    page: &'static str,
}

/// Shows the table.
pub fn run(args: &CrosswalkArgs) -> Result<u8, Error> {
    let table: Table = table()?;
    if args.csv {
        write(&table, io::stdout().lock(), Path::new("-"), CsvOptions::default())?;
    } else if args.json {
        let systems = SYSTEMS.iter().map(|system| Page { name: system.name, page: system.page }).collect();
        print_json(&Document { schema_version: SCHEMA_VERSION, systems, causes: Rows(&table) })?;
    } else {
        let mut rows = vec![["cause"].into_iter().chain(SYSTEMS.iter().map(|s| s.name)).map(str::to_owned).collect()];
        rows.extend(crosswalk().iter().map(|crossing| {
            let classes = crossing.classes.iter().map(|cell| first(cell));
            [crossing.cause.name().to_owned()].into_iter().chain(classes).collect::<Vec<_>>()
        }));
        print_aligned(&rows)?;
    }
    Ok(0)
}

/// The nearest class, and how many more there are.
fn first(cell: &str) -> String {
    match cell.split_once(';') {
        Some((first, others)) => format!("{first} +{}", others.split(';').count()),
        None if cell.is_empty() => "-".to_owned(),
        None => cell.to_owned(),
    }
}
