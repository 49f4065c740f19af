#!/usr/bin/env python3
"""Score what bouncesift makes of the corpus of labelled reply texts with the corpus' own scorer.

    score-diagnostics.py BOUNCESIFT [--shared DIR] [--misses N] [--texts FILE.csv]

Runs `explain --csv` on the labelled texts as a user would, and hands the answers to the scorer. Fails where a figure is
below its floor. Without the corpus it says "skipped: no corpus" and succeeds. Standard library only.

The rules were written while most of these texts were in sight: the figures tell that nothing got worse, not how good
the rules are on texts that nobody has seen. That figure stands in the README.
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

# Of all rows; of `isp`, `blocklist` and `sender_ip` also of those alone where one is stated.
FLOORS = {"cause": 0.97, "isp": 0.98, "reply_code": 0.99, "status": 0.99, "blocklist": 0.97, "sender_ip": 0.98}
STATED_FLOORS = {"isp": 0.98, "blocklist": 0.97, "sender_ip": 0.98}
MACRO_F1_FLOOR = 0.95


def options():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("bouncesift")
    shared = pathlib.Path(__file__).resolve().parents[2] / "shared"
    parser.add_argument("--shared", type=pathlib.Path, default=shared, help="directory of the corpus and its tools")
    parser.add_argument("--texts", type=pathlib.Path, help="other labelled texts than the corpus'; no floors then")
    parser.add_argument("--misses", type=int, default=0, metavar="N", help="list N wrong causes")
    return parser.parse_args()


def score(wanted, texts):
    scorer = [sys.executable, str(wanted.shared / "tools" / "score_diagnostics.py")]
    with tempfile.NamedTemporaryFile("wb", suffix=".csv") as answers:
        subprocess.run([wanted.bouncesift, "explain", "--csv", str(texts)], stdout=answers, check=True)
        answers.flush()
        subprocess.run(scorer + [answers.name, str(texts), "--misses", str(wanted.misses)], check=True)
        told = subprocess.run(scorer + [answers.name, str(texts), "--json"], stdout=subprocess.PIPE, check=True)
    return json.loads(told.stdout)


def below(figures):
    for column, floor in FLOORS.items():
        reached = figures["columns"][column]["accuracy"]
        if reached < floor:
            yield f"{column}: {reached:.3f} is below {floor}"
    for column, floor in STATED_FLOORS.items():
        reached = figures["columns"][column]["recall"]
        if reached < floor:
            yield f"{column} where stated: {reached:.3f} is below {floor}"
    if figures["macro_f1"] < MACRO_F1_FLOOR:
        yield f"macro-F1: {figures['macro_f1']:.3f} is below {MACRO_F1_FLOOR}"


def main():
    wanted = options()
    texts = wanted.texts or wanted.shared / "corpus" / "diagnostics" / "dev.csv"
    if not texts.exists() or not (wanted.shared / "tools" / "score_diagnostics.py").exists():
        print("skipped: no corpus")
        return 0
    figures = score(wanted, texts)
    lines = [] if wanted.texts else list(below(figures))
    for line in lines:
        print(line, file=sys.stderr)
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
