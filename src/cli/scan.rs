//! `scan`: one pass over some inputs, one run, its reports.

use std::fs;
use std::io::IsTerminal;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::output::{self, EventWriter, Files, RUN, Target};
use super::progress::ProgressLine;
use super::scan_args::Args;
use super::warnings::{Findings, findings};
use super::{complain, is_broken_pipe, print, signals, use_color};
use crate::crosswalk::with_classes;
use crate::error::Error;
use crate::formats::Skip;
use crate::input::discover::{Found, discover};
use crate::knowledge::Knowledge;
use crate::pipeline::{self, EventSink, Options};
use crate::report::terminal::{self, TextOptions};
use crate::report::views::{self, ViewInput};
use crate::report::{CodePatterns, Summary, SummaryInput};
use crate::run::manifest::{self, Manifest};
use crate::run::staging::Staging;
use crate::run::{Scanned, tables};
use crate::table::Table;
use crate::tally::RunRows;

/// Exit status of a run that could not read all of its inputs.
const PARTIAL: u8 = 3;

/// Scans; the exit status is 0, 3 (partial) or 128 and the signal's number.
pub fn run(args: Args) -> Result<u8, Error> {
    let started = Instant::now();
    let options = args.options()?;
    let codes: CodePatterns = args.codes.parse().map_err(|error| Error::Usage(format!("--codes: {error}")))?;
    args.crosswalk()?;
    let target = output::target(&args)?;
    refuse_silent_terminal(&args)?;
    signals::listen()?;
    let knowledge = args.knowledge.load()?;
    let found = discover(&args.paths);
    let names: Vec<Arc<str>> = found.inputs.iter().map(|i| Arc::from(crate::text::shown_path(&i.path))).collect();
    let staging = stage(&target)?;
    let root = staging.as_ref().map(Staging::path);
    let mut events = output::event_writer(&args, &target, root, &knowledge, &names)?;
    let sink = events.as_mut().map(|events| events as &mut dyn EventSink);
    let Some(mut scanned) = scan(found, &options, &knowledge, sink, args.quiet)? else {
        return Ok(signals::exit_status());
    };
    let findings = findings(&scanned);
    refuse_empty(&scanned, &findings, &args)?;
    let events = events.map(EventWriter::finish).transpose()?;
    let rows = std::mem::take(&mut scanned.tally).into_rows(&names);
    let report =
        Report { args: &args, knowledge: &knowledge, scanned: &scanned, rows: &rows, findings: &findings, codes };
    report.write(&target, staging, events, started.elapsed())?;
    for problem in &findings.problems {
        complain(problem);
    }
    Ok(report.status())
}

/// Standard input that is a terminal would wait for ever for what nobody types.
fn refuse_silent_terminal(args: &Args) -> Result<(), Error> {
    let stdin = args.paths.iter().any(|path| path.as_os_str() == "-");
    match stdin && std::io::stdin().is_terminal() {
        true => Err(Error::Usage(
            "standard input is a terminal; pipe a log into it: zcat mail.log.2.gz | bouncesift scan -".into(),
        )),
        false => Ok(()),
    }
}

fn stage(target: &Target) -> Result<Option<Staging>, Error> {
    let Some(directory) = target.directory() else { return Ok(None) };
    let staging = Staging::new(directory)?;
    signals::stage(staging.disposable());
    let run = staging.path().join(RUN);
    fs::create_dir(&run).map_err(Error::io(run, "writing"))?;
    Ok(Some(staging))
}

fn scan(
    found: Found,
    options: &Options,
    knowledge: &Knowledge,
    sink: Option<&mut dyn EventSink>,
    quiet: bool,
) -> Result<Option<Scanned>, Error> {
    let progress = ProgressLine::new(quiet);
    let scanned = pipeline::scan(found, options, knowledge, sink, &progress, &signals::STOP);
    progress.clear();
    scanned
}

/// A scan that read nothing at all has nothing to report.
fn refuse_empty(scanned: &Scanned, findings: &Findings, args: &Args) -> Result<(), Error> {
    if findings.readable > 0 {
        return Ok(());
    }
    let why = match (findings.problems.as_slice(), findings.remarks.as_slice()) {
        ([problem], _) => problem.clone(),
        ([], []) => format!(
            "no files in {}",
            args.paths.iter().map(|p| crate::text::shown_path(p)).collect::<Vec<_>>().join(", ")
        ),
        ([], remarks) => format!("no mail log found; {}", remarks.join("; ")),
        (problems, _) => problems.join("\nbouncesift: "),
    };
    debug_assert!(scanned.counts.lines == 0 && scanned.counts.mails == 0);
    Err(Error::NoInput(why))
}

/// Everything the reports are made of.
struct Report<'a> {
    args: &'a Args,
    knowledge: &'a Knowledge,
    scanned: &'a Scanned,
    rows: &'a RunRows,
    findings: &'a Findings,
    codes: CodePatterns,
}

impl Report<'_> {
    fn status(&self) -> u8 {
        if self.findings.problems.is_empty() { 0 } else { PARTIAL }
    }

    /// Nobody knows how many attempts there were.
    fn bounces_only(&self) -> bool {
        let counts = &self.scanned.counts;
        counts.lines == 0 && counts.mails > 0
    }

    fn views(&self) -> Result<Vec<Table>, Error> {
        let RunRows { refusals, traffic, templates } = self.rows;
        let input = ViewInput { refusals, traffic, templates, bounces_only: self.bounces_only() };
        let systems = self.args.crosswalk()?;
        let mut tables = views::all(input, self.knowledge)?;
        if let Some(causes) = tables.iter_mut().find(|table| table.name() == "causes_by_isp") {
            *causes = with_classes(causes.clone(), &systems)?;
        }
        Ok(tables)
    }

    fn write(
        &self,
        target: &Target,
        staging: Option<Staging>,
        events: Option<(Vec<String>, usize)>,
        elapsed: Duration,
    ) -> Result<(), Error> {
        match (target, staging) {
            (Target::Stdout(name), _) if name == "events" => Ok(()),
            (Target::Stdout(name), _) => match output::find(&self.views()?, name) {
                Some(table) => output::table_to_stdout(self.args, table),
                None => Ok(()),
            },
            (Target::Directory(_), Some(staging)) => {
                self.files(staging.path(), events)?;
                signals::commit(|| staging.commit(&output::known_files()))?;
                self.say_beside(elapsed)
            }
            _ => self.say(elapsed),
        }
    }

    fn summary(&self) -> Summary {
        let scanned = self.scanned;
        let ruleset = self.knowledge.ruleset();
        let ruleset = format!("{}+{}", ruleset.rules, ruleset.sha256.get(..8).unwrap_or_default());
        let skipped: Vec<(String, u64)> = Skip::ALL
            .iter()
            .zip(scanned.counts.skipped)
            .filter(|(_, lines)| *lines > 0)
            .map(|(reason, lines)| (reason.as_str().to_string(), lines))
            .collect();
        let warnings: Vec<String> = self.findings.problems.iter().chain(&self.findings.remarks).cloned().collect();
        let input = SummaryInput {
            command: "scan",
            tool_version: env!("CARGO_PKG_VERSION"),
            ruleset: &ruleset,
            inputs: (self.findings.readable + self.findings.unread) as u64,
            damaged: self.findings.damaged as u64,
            bytes: scanned.inputs.iter().map(|input| input.bytes).sum(),
            lines: scanned.counts.lines,
            mails: scanned.counts.mails,
            told_before: scanned.counts.told_before,
            window: scanned.counts.seen,
            refusals: &self.rows.refusals,
            traffic: &self.rows.traffic,
            templates: &self.rows.templates,
            bounces_only: self.bounces_only(),
            skipped: &skipped,
            warnings: &warnings,
            codes: &self.codes,
            top: self.args.top,
            next: self.args.out.is_none().then_some("bouncesift scan ... --out DIR   for CSV and Parquet"),
        };
        Summary::new(&input, self.knowledge)
    }

    /// The summary on standard output where the files are what was asked for: that it cannot be written there is
    /// worth a message at most.
    fn say_beside(&self, elapsed: Duration) -> Result<(), Error> {
        match self.say(elapsed) {
            Err(Error::Stdout(error)) if !self.args.json => {
                if !is_broken_pipe(&error) {
                    complain(&format!("standard output: {error}; the files are complete"));
                }
                Ok(())
            }
            said => said,
        }
    }

    /// The summary, or its JSON, on standard output.
    fn say(&self, elapsed: Duration) -> Result<(), Error> {
        if self.args.json {
            return print(&self.json()?);
        }
        if self.args.quiet {
            return Ok(());
        }
        let options = TextOptions { color: use_color(self.args.color), elapsed: Some(elapsed) };
        print(terminal::render(&self.summary(), options).as_bytes())
    }

    fn json(&self) -> Result<Vec<u8>, Error> {
        let mut out = Vec::new();
        crate::table::json::write(&self.summary(), &mut out, Path::new("-"))?;
        Ok(out)
    }

    fn files(&self, root: &Path, events: Option<(Vec<String>, usize)>) -> Result<(), Error> {
        let mut files = Files::new(self.args, root);
        for table in
            self.views()?.iter().filter(|table| self.args.table.as_deref().is_none_or(|name| name == table.name()))
        {
            files.view(table)?;
        }
        files.text("summary.txt", terminal::render(&self.summary(), TextOptions::default()).as_bytes())?;
        files.text("summary.json", &self.json()?)?;
        files.run_table(&tables::refusal_table(&self.rows.refusals, self.knowledge)?)?;
        files.run_table(&tables::traffic_table(&self.rows.traffic, self.knowledge)?)?;
        files.run_table(&tables::template_table(&self.rows.templates)?)?;
        if let Some((names, rows)) = events {
            for name in names {
                files.wrote(&name, Some(rows))?;
            }
        }
        files.manifest(self.manifest())
    }

    fn manifest(&self) -> Manifest {
        Manifest {
            schema_version: crate::table::SCHEMA_VERSION,
            tool_version: env!("CARGO_PKG_VERSION"),
            ruleset: self.knowledge.ruleset().clone(),
            time_zone: self.args.zone_name(),
            exit_status: self.status(),
            partial: self.status() == PARTIAL,
            inputs: manifest::inputs(self.scanned),
            problems: manifest::problems(self.scanned),
            passed_over: self.scanned.passed_over,
            counts: (&self.scanned.counts).into(),
            outputs: Default::default(),
        }
    }
}
