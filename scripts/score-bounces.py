#!/usr/bin/env python3
"""Score what bouncesift reads from the corpus of bounce mails with the corpus' own scorer.

    score-bounces.py BOUNCESIFT [--shared DIR] [--misses N]

Scans the three parts of the corpus (single mails, mbox files, variants of line ends) as a user would, with the events on
standard output, and hands them to the scorer. Fails where a figure is below its floor. Without the corpus it says
"skipped: no corpus" and succeeds. Standard library only.
"""
import argparse
import csv
import io
import json
import pathlib
import subprocess
import sys
import tempfile

PARTS = [("maildir", "expected.csv"), ("mbox", "expected-mbox.csv"), ("variants", "expected-variants.csv")]
COLUMNS = {
    "file": "input",
    "recipient": "final_recipient",
    "reply_code": "reply_code",
    "status": "enhanced_status_code",
}
# Figure of the scorer, and its floor by part. What is missing to the floors of single mails in the other parts are a
# few mails that each stand in them twice, and one mail that a person forwarded with every line quoted.
FLOORS = {
    "mails_found": {"maildir": 0.99, "mbox": 0.99, "variants": 0.99},
    "recipients_recall": {"maildir": 0.98, "mbox": 0.97, "variants": 0.95},
    "recipients_precision": {"maildir": 0.99, "mbox": 0.99, "variants": 0.96},
    "reply_exact": {"maildir": 0.98, "mbox": 0.96, "variants": 0.94},
    "status_exact": {"maildir": 0.97, "mbox": 0.92, "variants": 0.96},
    "status_571_recall": {"maildir": 1.0, "mbox": 1.0, "variants": 1.0},
}


def events(bouncesift, part, target):
    command = [bouncesift, "scan", str(part), "--table", "events", "--out", "-", "--include-addresses", "--csv-raw"]
    scan = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    writer = csv.writer(target, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in csv.DictReader(io.StringIO(scan.stdout.decode("utf-8"))):
        writer.writerow(row[column] for column in COLUMNS.values())
    target.flush()


def score(options, corpus, part, expected):
    with tempfile.NamedTemporaryFile("w", suffix=".csv", encoding="utf-8", newline="") as target:
        events(options.bouncesift, corpus / part, target)
        scorer = [sys.executable, str(options.shared / "tools" / "score_bounces.py"), str(corpus / expected), target.name]
        if options.misses:
            subprocess.run(scorer + ["--misses", str(options.misses)], check=True)
        return json.loads(subprocess.run(scorer + ["--json"], stdout=subprocess.PIPE, check=True).stdout)


def report(part, figures):
    """Prints the figures of a part; returns those below their floor."""
    below = []
    print(part)
    for name, floors in FLOORS.items():
        figure, floor = figures[name], floors.get(part)
        if not figure["of"]:
            continue
        fails = floor is not None and figure["rate"] < floor
        below += [f"{part}: {name} {figure['rate']:.4f} < {floor}"] if fails else []
        shown = f"{100 * figure['rate']:6.2f} %  ({figure['hit']} / {figure['of']})"
        print(f"  {name:<24}{shown}{'  below ' + str(floor) if fails else ''}")
    alarms = figures["not_bounce_false_alarms"]
    if alarms["of"]:
        print(f"  {'false alarms':<24}{alarms['hit']} of {alarms['of']}")
        below += [f"{part}: an event in a mail that is no bounce"] if alarms["hit"] else []
    return below


def main():
    parser = argparse.ArgumentParser(description="score bounce events against the corpus' expected values")
    parser.add_argument("bouncesift", help="the program")
    parser.add_argument("--shared", type=pathlib.Path, default=pathlib.Path(__file__).resolve().parents[2] / "shared")
    parser.add_argument("--misses", type=int, default=0, help="list up to N single misses of each part")
    options = parser.parse_args()
    corpus = options.shared / "corpus" / "bounces"
    if not corpus.is_dir():
        print("skipped: no corpus")
        return 0
    below = []
    for part, expected in PARTS:
        below += report(part, score(options, corpus, part, expected))
    for line in below:
        print("BELOW: " + line, file=sys.stderr)
    return 1 if below else 0


if __name__ == "__main__":
    sys.exit(main())
