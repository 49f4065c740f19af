#!/usr/bin/env python3
"""Check that DuckDB, pandas and Polars read a report's tables alike, and that the tables agree with each other.

    scripts/check-readers.py report/

Reads every table of the report directory, as Parquet and as CSV, with all three libraries. Compared are rows, column
names, null counts and the sums of the counts: between the readers, between Parquet and CSV, with summary.json and with
the tables of the runs (run=*/). The types that the documentation promises are checked too.

Prints one line per table. At the first difference it says what differs and where, and exits with status 1.
scripts/check-readers.sh installs what this needs.
"""

import json
import sys
from pathlib import Path
from typing import NamedTuple

try:
    import duckdb
    import pandas
    import polars
    import pyarrow.parquet
    import pyarrow.types
except ImportError as error:
    sys.exit(f"check-readers: {error}. Run scripts/check-readers.sh, which installs it, or: "
             "pip install duckdb pandas pyarrow polars")

REPORT_TABLES = ["causes_by_isp", "codes_by_isp", "traffic_by_isp", "unclassified"]
OPTIONAL_REPORT_TABLES = ["blocklists", "events"]
RUN_TABLES = ["refusals", "traffic", "templates"]
OPTIONAL_RUN_TABLES = ["events"]
COUNTS = {
    "attempts", "delivered", "deferred", "refused", "refused_policy", "refused_571", "failed_recipients",
    "code_conflicts", "isps", "weight",
}
NULLABLE_COUNTS = {"isp_attempts", "example_offset", "example_length"}
DATES = {"log_date"}
TIMES = {"first_seen", "last_seen", "event_time"}
NUMBERS = {"reply_code", "status_class", "status_subject", "status_detail", "rate", "rate_low", "rate_high"}
NUMBERS |= {"byte_offset", "code_conflict", "text_lossy", "aligned"}
TEXT_IN_CSV = "enhanced_status_code"
OUTWARD = {"remote", "unconnected"}


class Difference(Exception):
    """What differs and where."""


class Facts(NamedTuple):
    """What one reader says of one file."""

    reader: str
    rows: int
    columns: list
    nulls: dict
    sums: dict


def quoted(name):
    return '"' + name.replace('"', '""') + '"'


def literal(path):
    return "'" + str(path).replace("'", "''") + "'"


def counts_of(columns):
    return [name for name in columns if name in COUNTS | NULLABLE_COUNTS]


def duckdb_facts(path):
    relation = duckdb_relation(path)
    parts = ["count(*)"]
    parts += [f"count(*) - count({quoted(name)})" for name in relation.columns]
    sums = counts_of(relation.columns)
    # A CSV file without rows gives no hint of its types: all its columns are text then.
    parts += [f"coalesce(sum({quoted(name)}::BIGINT), 0)::HUGEINT" for name in sums]
    rows, *values = relation.aggregate(", ".join(parts)).fetchall()[0]
    width = len(relation.columns)
    nulls = dict(zip(relation.columns, values[:width]))
    return Facts("DuckDB", rows, relation.columns, nulls, dict(zip(sums, map(int, values[width:]))))


def duckdb_relation(path):
    if path.suffix == ".parquet":
        return duckdb.sql(f"SELECT * FROM read_parquet({literal(path)}, hive_partitioning = false)")
    # Where no code of a file ends in one digit (5.7.26, 4.7.28), DuckDB takes the column for dates: the type is named.
    header = path.open(encoding="ascii", errors="replace").readline().rstrip("\r\n").split(",")
    types = "{'" + TEXT_IN_CSV + "': 'VARCHAR'}"
    typed = f", types = {types}" if TEXT_IN_CSV in header else ""
    return duckdb.sql(f"SELECT * FROM read_csv({literal(path)}, header = true, delim = ',', quote = '\"', "
                      f"escape = '\"', sample_size = -1{typed})")


def pandas_facts(path):
    frame = pandas_frame(path)
    nulls = {name: int(frame[name].isna().sum()) for name in frame.columns}
    sums = {name: int(frame[name].sum()) for name in counts_of(frame.columns)}
    return Facts("pandas", len(frame), list(frame.columns), nulls, sums)


def pandas_frame(path):
    if path.suffix == ".parquet":
        return pandas.read_parquet(path, engine="pyarrow", partitioning=None)
    # Words such as "null" or "nan" are text here; only the empty field is null.
    return pandas.read_csv(path, keep_default_na=False, na_values=[""], low_memory=False)


def polars_facts(path):
    frame = polars_frame(path)
    nulls = {name: frame[name].null_count() for name in frame.columns}
    sums = {name: int(frame[name].cast(polars.Int64).sum() or 0) for name in counts_of(frame.columns)}
    return Facts("Polars", frame.height, frame.columns, nulls, sums)


def polars_frame(path):
    if path.suffix == ".parquet":
        return polars.read_parquet(path, hive_partitioning=False)
    return polars.read_csv(path, infer_schema_length=None)


READERS = [duckdb_facts, pandas_facts, polars_facts]


def compare(what, first, second):
    """Raises at the first fact in which the two differ."""
    for field in ("rows", "columns", "nulls", "sums"):
        a, b = getattr(first, field), getattr(second, field)
        if a == b:
            continue
        if isinstance(a, dict) and a.keys() == b.keys():
            name = next(key for key in a if a[key] != b[key])
            raise Difference(f"{what}: {field} of column {name}: {first.reader} {a[name]}, {second.reader} {b[name]}")
        raise Difference(f"{what}: {field}: {first.reader} {a}, {second.reader} {b}")


def facts_of(path):
    """The facts on which all three readers agree."""
    if not path.is_file():
        raise Difference(f"{path}: no such file. Was the report written with --formats csv,parquet (the default)?")
    facts = []
    for reader in READERS:
        try:
            facts.append(reader(path))
        except Exception as error:  # each library has errors of its own
            raise Difference(f"{path}: {reader.__name__.removesuffix('_facts')} cannot read it: {error}") from error
    for other in facts[1:]:
        compare(path, facts[0], other)
    for name in counts_of(facts[0].columns):
        if name in COUNTS and facts[0].nulls[name]:
            raise Difference(f"{path}: column {name} is a count but holds {facts[0].nulls[name]} nulls")
    return facts[0]._replace(reader=path.name)


def check_parquet_types(path):
    """The types that the schema states, and what pandas, Polars and DuckDB make of them."""
    schema = pyarrow.parquet.read_schema(path)
    frame = polars_frame(path)
    duck = dict(zip(*(lambda r: (r.columns, map(str, r.types)))(duckdb_relation(path))))
    dtypes = pandas_frame(path).dtypes
    for field in schema:
        wanted = wanted_types(field.name)
        found = (str(field.type), str(frame.schema[field.name]), duck[field.name])
        if not any(all(f == w for f, w in zip(found, want)) for want in wanted):
            raise Difference(f"{path}: column {field.name} has types {found} (Arrow, Polars, DuckDB), wanted {wanted}")
        if str(dtypes[field.name]) == "category":
            raise Difference(f"{path}: column {field.name} is categorical in pandas")
        if field.name in COUNTS and str(dtypes[field.name]) != "int64":
            raise Difference(f"{path}: column {field.name} is {dtypes[field.name]} in pandas, not int64")


def wanted_types(name):
    """The types that a column may have: as Arrow, Polars and DuckDB call them."""
    if name in COUNTS | NULLABLE_COUNTS or name == "byte_offset":
        return [("int64", "Int64", "BIGINT")]
    if name in DATES:
        return [("date32[day]", "Date", "DATE")]
    if name in TIMES:
        return [("timestamp[us, tz=UTC]", "Datetime(time_unit='us', time_zone='UTC')", "TIMESTAMP WITH TIME ZONE")]
    if name in NUMBERS:
        return [("int32", "Int32", "INTEGER"), ("double", "Float64", "DOUBLE"), ("bool", "Boolean", "BOOLEAN")]
    return [("string", "String", "VARCHAR"), ("large_string", "String", "VARCHAR")]


def check_csv(path):
    """Pure ASCII, and codes that stay text."""
    data = path.read_bytes()
    if not data.isascii():
        at = next(i for i, byte in enumerate(data) if byte > 127)
        raise Difference(f"{path}: byte {at} is not ASCII (line {data.count(10, 0, at) + 1})")
    frame = pandas_frame(path)
    if TEXT_IN_CSV not in frame.columns:
        return
    readings = {
        "pandas": [None if pandas.isna(code) else code for code in frame[TEXT_IN_CSV]],
        "Polars": polars_frame(path)[TEXT_IN_CSV].to_list(),
        "DuckDB": [row[0] for row in duckdb_relation(path).select(quoted(TEXT_IN_CSV)).fetchall()],
    }
    parquet = path.with_suffix(".parquet")
    expected = polars_frame(parquet)[TEXT_IN_CSV].to_list() if parquet.is_file() else readings["Polars"]
    for reader, codes in readings.items():
        for row, (code, wanted) in enumerate(zip(codes, expected), 1):
            if code != wanted:
                raise Difference(f"{path}: row {row}: {reader} reads {TEXT_IN_CSV} as {code!r}, not as {wanted!r}")


def check_table(directory, name, formats):
    """Checks one table in these formats; returns its facts."""
    known = None
    for suffix in formats:
        path = directory / f"{name}.{suffix}"
        facts = facts_of(path)
        if suffix == "parquet":
            check_parquet_types(path)
        else:
            check_csv(path)
        if known is not None:
            compare(f"{directory / name}", known, facts)
        known = facts
    sums = ", ".join(f"{key} {value}" for key, value in known.sums.items())
    print(f"ok  {str(directory / name):<40} {'+'.join(formats):<12} {known.rows:>8} rows  {sums}")
    return known


def formats_there(directory, name):
    return [suffix for suffix in ("parquet", "csv") if (directory / f"{name}.{suffix}").is_file()]


def check_tables(report):
    """Checks all tables; returns the sums of the report's tables and, added up, of the runs' tables."""
    tables = {name: check_table(report, name, ["parquet", "csv"]).sums for name in REPORT_TABLES}
    for name in OPTIONAL_REPORT_TABLES:
        formats = formats_there(report, name)
        if formats:
            tables[name] = check_table(report, name, formats).sums
    runs = sorted(path for path in report.glob("run=*") if path.is_dir())
    if not runs:
        raise Difference(f"{report}: no run=*/ directory in it")
    for run in runs:
        for name in RUN_TABLES:
            check_table(run, name, formats_there(run, name) or ["parquet"])
        for name in OPTIONAL_RUN_TABLES:
            formats = formats_there(run, name)
            if formats:
                check_table(run, name, formats)
    return tables, runs


def read_summary(report):
    path = report / "summary.json"
    try:
        summary = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Difference(f"{path}: {error}") from error
    if not isinstance(summary, dict):
        raise Difference(f"{path}: no JSON object")
    for key in ("attempts", "delivered", "deferred", "bounced", "with_571"):
        if key not in summary:
            raise Difference(f"{path}: no key {key!r}; it has {', '.join(summary)}")
    # Counts beyond 2^53 are strings of digits; attempts and delivered are null where the inputs were bounces only.
    return {key: int(value) for key, value in summary.items() if key in SUMMARY_KEYS and value is not None}


SUMMARY_KEYS = ("attempts", "delivered", "deferred", "bounced", "with_571", "policy")


def attempts_where(path, condition):
    rows = duckdb_relation(path).filter(condition)
    return int(rows.aggregate("coalesce(sum(attempts::BIGINT), 0)::HUGEINT").fetchall()[0][0])


def equal(first, a, second, b):
    if a != b:
        raise Difference(f"{first} is {a}, but {second} is {b}")


def check_sums(report, tables, runs):
    """The tables, the runs and the summary tell of the same attempts."""
    summary, traffic, codes = read_summary(report), tables["traffic_by_isp"], tables["codes_by_isp"]
    for key, column in [("attempts", "attempts"), ("delivered", "delivered"), ("deferred", "deferred"),
                        ("bounced", "refused"), ("with_571", "refused_571"), ("policy", "refused_policy")]:
        if key in summary:
            equal(f"summary.json {key}", summary[key], f"the sum of traffic_by_isp {column}", traffic[column])
    not_delivered = traffic["deferred"] + traffic["refused"]
    equal("traffic_by_isp attempts", traffic["attempts"], "delivered + deferred + refused",
          traffic["delivered"] + not_delivered)
    equal("the sum of codes_by_isp attempts", codes["attempts"], "traffic_by_isp deferred + refused", not_delivered)
    equal("the sum of codes_by_isp failed_recipients", codes["failed_recipients"], "traffic_by_isp refused",
          traffic["refused"])
    with_571 = attempts_where(report / "codes_by_isp.parquet", "enhanced_status_code = '5.7.1'")
    equal("the sum of codes_by_isp attempts with 5.7.1", with_571, "summary.json with_571", summary["with_571"])
    equal("the sum of causes_by_isp attempts", tables["causes_by_isp"]["attempts"], "traffic_by_isp refused_policy",
          traffic["refused_policy"])
    check_run_sums(runs, codes, traffic)
    print(f"ok  sums agree: {', '.join(f'{key} {value}' for key, value in summary.items())}")


def check_run_sums(runs, codes, traffic):
    """The runs' tables, added up, give the report's."""
    hops = ", ".join(literal(hop) for hop in sorted(OUTWARD))
    refusals = sum(attempts_where(run_file(run, "refusals"), f"hop IN ({hops})") for run in runs)
    equal("the sum of run=*/refusals attempts", refusals, "codes_by_isp attempts", codes["attempts"])
    for column in ("delivered", "deferred", "refused", "refused_policy", "refused_571"):
        total = sum(polars_facts(run_file(run, "traffic")).sums[column] for run in runs)
        equal(f"the sum of run=*/traffic {column}", total, f"traffic_by_isp {column}", traffic[column])
    if all(formats_there(run, "events") for run in runs):
        condition = f"hop IN ({hops}) AND outcome <> 'delivered'"
        weight = sum(duckdb_relation(run_file(run, "events")).filter(condition)
                     .aggregate("coalesce(sum(weight::BIGINT), 0)::HUGEINT").fetchall()[0][0] for run in runs)
        equal("the sum of run=*/events weight", int(weight), "codes_by_isp attempts", codes["attempts"])


def run_file(run, name):
    suffix = (formats_there(run, name) or ["parquet"])[0]
    return run / f"{name}.{suffix}"


def main():
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        print(__doc__)
        sys.exit(0 if sys.argv[1:] in (["-h"], ["--help"]) else 2)
    report = Path(sys.argv[1])
    if not report.is_dir():
        sys.exit(f"check-readers: {report} is no directory. Make one with: bouncesift scan LOG... --out {report}")
    versions = f"DuckDB {duckdb.__version__}, pandas {pandas.__version__}, Polars {polars.__version__}"
    print(f"{versions}, pyarrow {pyarrow.__version__}")
    try:
        tables, runs = check_tables(report)
        check_sums(report, tables, runs)
    except Difference as difference:
        sys.exit(f"check-readers: {difference}")


if __name__ == "__main__":
    main()
