"""Keep some of the bounces that an MTA made, with the truth about them.

    bounces.py maildir DIRECTORY OUT PLAN.json MOST     copies mails to OUT/new/NNN
    bounces.py mbox FILE OUT PLAN.json MOST             writes OUT/bounces.mbox

Beside them OUT/expected.csv is written: one row for each failed recipient. First come bounces of replies that no
bounce before them has.
"""

import csv
import email
import json
import re
import sys
from pathlib import Path

from expect import domain
from table import load_mx, load_rules

COLUMNS = [
    "mail", "outcome", "reply_code", "status", "recipient_domain", "remote_host", "isp", "cause", "sender_domain",
]


def raw_mails(kind: str, source: str) -> list[bytes]:
    if kind == "maildir":
        return [path.read_bytes() for path in sorted(Path(source, "new").iterdir())]
    return re.split(rb"(?m)^(?=From .*\d{4}\n)", Path(source).read_bytes())[1:]


def failed(raw: bytes) -> list[tuple[str, str]]:
    """Recipient and Status field of each failed recipient of a delivery status notification."""
    mail = email.message_from_bytes(raw.split(b"\n", 1)[1] if raw.startswith(b"From ") else raw)
    found = []
    for part in mail.walk():
        if part.get_content_type() == "message/delivery-status":
            for block in part.get_payload():
                if block.get("Action", "").strip() == "failed":
                    rcpt = block["Final-Recipient"].partition(";")[2].strip()
                    found.append((rcpt, block.get("Status", "").split()[0]))
    return found


def choose(mails: list[bytes], answers: dict, most: int) -> list[bytes]:
    first, later, seen = [], [], set()
    for raw in mails:
        keys = {answers[rcpt]["key"] for rcpt, _ in failed(raw) if rcpt in answers}
        if not keys:
            continue
        (later if keys <= seen else first).append(raw)
        seen |= keys
    kept = set(map(id, (first + later)[:most]))
    return [raw for raw in mails if id(raw) in kept]


def expected(number: int, raw: bytes, plan: dict) -> list[dict]:
    rules, mx = {rule.key: rule for rule in load_rules()}, load_mx()
    result = []
    for rcpt, status in failed(raw):
        answer = plan["answers"][rcpt]
        rule = rules[answer["key"]]
        text = re.sub(r"\s+", " ", answer["reply"].split("\n")[-1]).strip()[:40]
        assert text in re.sub(r"\s+", " ", raw.decode()), (rcpt, text)
        result.append({
            "mail": number, "outcome": "bounced", "reply_code": rule.reply_code, "status": rule.status or status,
            "recipient_domain": domain(rcpt), "remote_host": mx.get(rule.domain, [""])[-1], "isp": rule.isp,
            "cause": rule.cause, "sender_domain": domain(answer["sender"]),
        })
    return result


def main() -> None:
    kind, source, out_name, plan_path, most = sys.argv[1:6]
    plan = json.loads(Path(plan_path).read_text(encoding="utf-8"))
    out = Path(out_name)
    target = out / "new" if kind == "maildir" else out
    target.mkdir(parents=True, exist_ok=True)
    for old in target.iterdir():
        if old.is_file():
            old.unlink()
    kept = choose(raw_mails(kind, source), plan["answers"], int(most))
    rows = []
    for number, raw in enumerate(kept, 1):
        rows += expected(number, raw, plan)
        if kind == "maildir":
            (target / f"{number:03}").write_bytes(raw)
    if kind == "mbox":
        (target / "bounces.mbox").write_bytes(b"".join(kept))
    with open(out / "expected.csv", "w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    print(f"{out}: {len(kept)} bounces, {len(rows)} recipients", file=sys.stderr)


if __name__ == "__main__":
    main()
