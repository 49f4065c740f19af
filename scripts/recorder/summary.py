"""Count the expected outcomes of all logs: summary.py SAMPLE_LOGS writes truth.csv and truth-by-log.csv.

Counted are attempts to deliver to other servers: hop remote or unconnected, attempted yes.
"""

import csv
import sys
from collections import Counter
from pathlib import Path

KEYS = ["isp", "cause", "reply_code", "status", "outcome"]


def write(path: Path, header: list[str], counts: Counter) -> None:
    with open(path, "w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow([*header, "count"])
        writer.writerows([*key, counts[key]] for key in sorted(counts))


def main() -> None:
    root = Path(sys.argv[1])
    by_log: Counter = Counter()
    for path in sorted(root.glob("*/*.expected.csv")):
        log = f"{path.parent.name}/{path.name.removesuffix('.expected.csv')}.log"
        with open(path, newline="", encoding="utf-8") as stream:
            for row in csv.DictReader(stream):
                if row["hop"] in ("remote", "unconnected") and row["attempted"] == "yes":
                    by_log[(log, *(row[key] for key in KEYS))] += 1
    total: Counter = Counter()
    for (_, *key), count in by_log.items():
        total[tuple(key)] += count
    write(root / "truth-by-log.csv", ["log", *KEYS], by_log)
    write(root / "truth.csv", KEYS, total)


if __name__ == "__main__":
    main()
