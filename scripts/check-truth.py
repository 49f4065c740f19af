#!/usr/bin/env python3
"""Compare a report over a generated log with the truth that generate-log.py wrote beside the log.

    scripts/generate-log.py --bytes 64M mail.log --truth mail.truth.json
    TZ=UTC bouncesift scan mail.log --out report
    scripts/check-truth.py report mail.truth.json

Compared: lines and bytes read, attempts by outcome, attempts and final failures by (reply code, enhanced status code),
those with 5.7.1, first and last time of what was not delivered, and refusals by sender domain. The time check needs a
scan whose zone is UTC; --no-times leaves it out. Sender domains are in the run only: they are read from
run=*/refusals.csv, or from refusals.parquet if pyarrow is there, else left out with a note.

Only the standard library is needed. Exits with status 1 and says what differs where.
"""

import argparse
import csv
import datetime
import json
import sys
from collections import Counter
from pathlib import Path

csv.field_size_limit(1 << 30)


class Difference(Exception):
    """What differs and where."""


def read_csv(path):
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield from csv.DictReader(file)
    except OSError as error:
        raise Difference(f"{path}: {error.strerror}. Was the report written with --formats csv?") from error


def read_json(path):
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Difference(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise Difference(f"{path}: {error}") from error
    if not isinstance(value, dict):
        raise Difference(f"{path}: no JSON object")
    return value


def equal(what, found, truth):
    """Raises at the first difference; mappings are compared key by key, a missing key counts as nothing."""
    if found == truth:
        return
    if isinstance(found, dict) and isinstance(truth, dict):
        keys = [key for key in sorted(found.keys() | truth.keys(), key=str) if found.get(key) != truth.get(key)]
        shown = "; ".join(f"{key}: report {found.get(key)}, truth {truth.get(key)}" for key in keys[:5])
        raise Difference(f"{what}: {len(keys)} of {len(truth)} differ: {shown}")
    raise Difference(f"{what}: report {found}, truth {truth}")


def check_summary(report, truth):
    path = report / "summary.json"
    summary = read_json(path)
    outcomes = truth["outcomes"]
    expected = {
        "attempts": truth["deliveries"],
        "delivered": outcomes["delivered"],
        "deferred": outcomes["deferred"],
        "bounced": outcomes["bounced"],
        "with_571": truth["with_571"],
    }
    for key, value in expected.items():
        if summary.get(key) is None:
            raise Difference(f"{path}: no {key}")
        equal(f"{path}: {key}", int(summary[key]), value)
    inputs = summary.get("inputs", {})
    for key in ("lines", "bytes"):
        if key in inputs:
            equal(f"{path}: inputs.{key}", int(inputs[key]), truth[key])


def check_traffic(report, truth):
    path = report / "traffic_by_isp.csv"
    sums = Counter()
    for row in read_csv(path):
        for column in ("attempts", "delivered", "deferred", "refused", "refused_571"):
            sums[column] += int(row[column])
    outcomes = truth["outcomes"]
    expected = {
        "attempts": truth["deliveries"],
        "delivered": outcomes["delivered"],
        "deferred": outcomes["deferred"],
        "refused": outcomes["bounced"],
        "refused_571": truth["with_571"],
    }
    equal(f"{path}: sums", {key: sums[key] for key in expected}, expected)


def check_codes(report, truth):
    path = report / "codes_by_isp.csv"
    found = {}
    for row in read_csv(path):
        group = found.setdefault(code_name(row["reply_code"], row["enhanced_status_code"]), [0, 0])
        group[0] += int(row["attempts"])
        group[1] += int(row["failed_recipients"])
    expected = {
        code_name(row["reply_code"], row["enhanced_status_code"]): [row["attempts"], row["failed"]]
        for row in truth["codes"]
    }
    equal(f"{path}: [attempts, failed] by code", found, expected)


def code_name(code, status):
    return f"{code or 'none'} {status or 'none'}"


def check_times(report, truth):
    path = report / "codes_by_isp.csv"
    rows = list(read_csv(path))
    for column, pick, key in (("first_seen", min, "first_refused"), ("last_seen", max, "last_refused")):
        seen = [row[column] for row in rows if row[column]]
        found = as_stamp(pick(seen), truth[key]) if seen else None
        equal(f"{path}: {column} (read as UTC; see --no-times)", found, truth[key])


def as_stamp(time, like):
    """`2026-03-02T10:11:12.000000Z` as the log writes it: with or without a year."""
    moment = datetime.datetime.fromisoformat(time.removesuffix("Z"))
    if like and like[0].isdigit():
        return f"{moment:%Y-%m-%d %H:%M:%S}"
    return f"{moment:%b} {moment.day:2} {moment:%H:%M:%S}"


def sender_rows(run):
    """Rows of the run's refusals: hop, sender_domain, attempts; `None` if nothing here can read them."""
    if (run / "refusals.csv").is_file():
        return read_csv(run / "refusals.csv")
    try:
        from pyarrow import parquet
    except ImportError:
        return None
    path = run / "refusals.parquet"
    if not path.is_file():
        raise Difference(f"{run}: neither refusals.csv nor refusals.parquet in it")
    return parquet.read_table(path, columns=["hop", "sender_domain", "attempts"], partitioning=None).to_pylist()


def check_senders(report, truth):
    """Returns whether they could be read."""
    found = Counter()
    for run in sorted(report.glob("run=*")):
        rows = sender_rows(run)
        if rows is None:
            return False
        for row in rows:
            if row["hop"] in ("remote", "unconnected"):
                found[row["sender_domain"] or ""] += int(row["attempts"])
    equal(f"{report}/run=*/refusals: attempts by sender domain", dict(found), truth["refused_by_sender_domain"])
    return True


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("report", type=Path, metavar="REPORT_DIR")
    parser.add_argument("truth", type=Path, metavar="TRUTH.json")
    parser.add_argument("--no-times", action="store_true", help="do not compare times: the scan's zone was not UTC")
    return parser.parse_args()


def main():
    args = arguments()
    try:
        truth = read_json(args.truth)
        check_summary(args.report, truth)
        check_traffic(args.report, truth)
        check_codes(args.report, truth)
        if not args.no_times:
            check_times(args.report, truth)
        senders = check_senders(args.report, truth)
    except Difference as difference:
        sys.exit(f"check-truth: {difference}")
    if not senders:
        print("note: pyarrow is not installed: sender domains were not compared")
    print(f"ok  {args.report}: {truth['lines']} lines, {truth['deliveries']} attempts, {len(truth['codes'])} codes, "
          f"{truth['with_571']} with 5.7.1: as generated")


if __name__ == "__main__":
    main()
