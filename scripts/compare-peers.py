#!/usr/bin/env python3
"""Time bouncesift beside other tools on one generated Postfix log, and check that their answers agree.

    scripts/generate-log.py --bytes 1G mail.log --truth mail.truth.json
    cargo build --release
    scripts/compare-peers.py mail.log

Runs `rg -c status= FILE` (counts the delivery lines: about the least that a pass over the log can cost), `pflogsumm
FILE` (the usual Postfix report) and `bouncesift scan FILE --out DIR`, each in a process of its own with the file in the
page cache. Prints median time, speed, peak memory and the ratio of the time to bouncesift's. Before that it compares:
lines counted by rg = attempts of bouncesift; delivered, deferrals and bounced of pflogsumm = those of bouncesift.

Missing tools are installed with apt-get where that is possible (Debian as root); only the standard library is used.
"""

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

PACKAGES = {"rg": "ripgrep", "pflogsumm": "pflogsumm"}


class Run(NamedTuple):
    """One process: seconds of wall clock, of processor, peak resident KiB and standard output."""

    seconds: float
    cpu: float
    peak: int
    output: str


def fail(message):
    sys.exit(f"compare-peers: {message}")


def measure(command, environment=None):
    """Runs a command to its end."""
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=output, stderr=errors, stdin=subprocess.DEVNULL, env=environment)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            errors.seek(0)
            words = errors.read().decode(errors="replace").strip()
            fail(f"{' '.join(map(str, command))}: exit status {process.returncode}: {words or 'no message'}")
        output.seek(0)
        text = output.read().decode(errors="replace")
    return Run(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss, text)


def find_tool(name):
    """Path of a tool, installed first if it is missing."""
    where = os.environ.get("PATH", "") + ":/usr/sbin"
    found = shutil.which(name, path=where)
    if found:
        return found
    if os.geteuid() == 0 and shutil.which("apt-get"):
        install(PACKAGES[name])
        found = shutil.which(name, path=where)
    return found or fail(f"no {name} on this machine. On Debian: apt-get install {PACKAGES[name]}")


def install(package):
    environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    command = ["apt-get", "-qq", "install", "-y", "--no-install-recommends", package]
    for attempt in ([command], [["apt-get", "-qq", "update"], command]):
        results = [subprocess.run(c, env=environment, stdout=sys.stderr, check=False) for c in attempt]
        if results[-1].returncode == 0:
            return
    fail(f"apt-get cannot install {package}: see its words above")


def find_bouncesift(given):
    """The release binary."""
    if given:
        return given if os.access(given, os.X_OK) else fail(f"--bouncesift {given}: no such program")
    path = Path(target_directory()) / "release" / "bouncesift"
    if not path.is_file():
        fail(f"no {path}. Build it: cargo build --release, or name one: --bouncesift PATH")
    return str(path)


def target_directory():
    if os.environ.get("CARGO_TARGET_DIR"):
        return os.environ["CARGO_TARGET_DIR"]
    here = Path(__file__).resolve().parent.parent
    command = ["cargo", "metadata", "--no-deps", "--format-version", "1", "--offline"]
    try:
        output = subprocess.run(command, cwd=here, check=True, capture_output=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        fail(f"cargo metadata: {error}. Name the program: --bouncesift PATH")
    return json.loads(output)["target_directory"]


def warm(path):
    """Reads the file once, so that all find it in the page cache."""
    with open(path, "rb", buffering=0) as file:
        while file.read(1 << 22):
            pass


def scan(program, log, threads):
    """Runs bouncesift once; returns the run and its summary."""
    with tempfile.TemporaryDirectory(prefix="compare-peers-") as directory:
        report = Path(directory) / "report"
        command = [program, "scan", log, "--out", str(report)]
        if threads:
            command += ["--threads", str(threads)]
        run = measure(command, dict(os.environ, TZ="UTC"))
        try:
            summary = json.loads((report / "summary.json").read_text())
        except (OSError, ValueError) as error:
            fail(f"{' '.join(command)}: summary.json: {error}")
    return run, summary


def pflogsumm_total(text, word):
    """A grand total of pflogsumm: the number and what one unit of it stands for (it writes 1035k for 1,060,000)."""
    found = re.search(rf"(\d+)([km]?) +{word}\b", text)
    if not found:
        return 0, 1
    return int(found[1]), {"": 1, "k": 1 << 10, "m": 1 << 20}[found[2]]


def check_answers(rg, pflogsumm, summary):
    for key in ("attempts", "delivered", "deferred", "bounced", "with_571"):
        if not isinstance(summary, dict) or summary.get(key) is None:
            fail(f"summary.json of bouncesift has no {key}")
    attempts = int(summary["attempts"])
    lines = int(rg.output)
    if lines != attempts:
        fail(f"rg counts {lines} delivery lines, bouncesift {attempts} attempts")
    for key, word in (("delivered", "delivered"), ("deferred", "deferrals"), ("bounced", "bounced")):
        if pflogsumm is None:
            continue
        number, unit = pflogsumm_total(pflogsumm.output, word)
        if int(summary[key]) // unit != number:
            fail(f"pflogsumm counts {number} x {unit} {word}, bouncesift {summary[key]}")
    others = "rg and pflogsumm" if pflogsumm else "rg"
    print(f"answers agree with {others}: {attempts} attempts, {summary['delivered']} delivered, "
          f"{summary['deferred']} deferred, {summary['bounced']} bounced, {summary['with_571']} with 5.7.1")


def median(runs):
    """The run in the middle by time, with the largest peak of all."""
    runs = sorted(runs)
    seconds = statistics.median(run.seconds for run in runs)
    cpu = statistics.median(run.cpu for run in runs)
    return Run(seconds, cpu, max(run.peak for run in runs), runs[0].output)


def print_table(rows, size, base):
    print(f"\n{'':<34}{'runs':>5}{'median s':>10}{'CPU s':>9}{'MB/s':>9}{'peak MiB':>10}{'time, ratio':>13}")
    for name, count, run in rows:
        print(f"{name:<34}{count:>5}{run.seconds:>10.3f}{run.cpu:>9.3f}{size / run.seconds / 1e6:>9.0f}"
              f"{run.peak / 1024:>10.1f}{run.seconds / base:>12.2f}x")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("log", metavar="FILE.log", help="Postfix log, for example of generate-log.py")
    parser.add_argument("--bouncesift", metavar="PATH", help="program (default: the release build of this checkout)")
    parser.add_argument("--repeats", type=int, default=5, metavar="N", help="runs of each (default 5; pflogsumm 1)")
    parser.add_argument("--threads", type=int, action="append", metavar="N",
                        help="threads of bouncesift; may be given several times (default: its own choice)")
    parser.add_argument("--no-pflogsumm", action="store_true", help="leave it out: it takes a minute per GB")
    args = parser.parse_args()
    if not os.path.isfile(args.log):
        parser.error(f"{args.log}: no such file")
    if args.repeats < 1:
        parser.error("--repeats: at least 1")
    return args


def main():
    args = arguments()
    program, rg = find_bouncesift(args.bouncesift), find_tool("rg")
    pflogsumm = None if args.no_pflogsumm else find_tool("pflogsumm")
    warm(args.log)
    search = [measure([rg, "-c", "status=", args.log]) for _ in range(args.repeats)]
    rows = [("rg -c status=", args.repeats, median(search))]
    for threads in args.threads or [0]:
        scans = [scan(program, args.log, threads) for _ in range(args.repeats)]
        name = "bouncesift scan --out" + (f" --threads {threads}" if threads else "")
        rows.append((name, args.repeats, median([run for run, _ in scans])))
    report = measure([pflogsumm, args.log]) if pflogsumm else None
    if report:
        rows.append(("pflogsumm", 1, report))
    check_answers(search[0], report, scans[0][1])
    print_table(rows, os.path.getsize(args.log), rows[1][2].seconds)


if __name__ == "__main__":
    main()
