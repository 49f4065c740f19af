"""The table of reply texts and the host table, shared by the planner and the checker."""

import csv
import hashlib
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent

# Where the stub's hosts live: one documentation address for each.
HOST_NET = "203.0.113."
# The address our own mail leaves from; the reply texts name it, too.
OUR_IP = "192.0.2.25"
OUR_NAME = "mail.example.com"

SENDER_DOMAINS = ["example.com", "example.net", "example.org", "news.example.com", "billing.example.net"]


@dataclass(frozen=True)
class Rule:
    """One row of replies.csv: a reply, where it comes, and what it means."""

    key: str
    domain: str
    stage: str
    times: int
    reply: str
    isp: str
    reply_code: str
    status: str
    cause: str
    count: int

    @property
    def accepts(self) -> bool:
        return self.stage == "eod" and self.reply.startswith("2")


def load_rules() -> list[Rule]:
    with open(HERE / "replies.csv", newline="", encoding="utf-8") as stream:
        return [
            Rule(
                r["key"], r["domain"], r["stage"], int(r["times"] or 0), r["reply"].replace("\\n", "\n"),
                r["isp"], r["reply_code"], r["status"], r["cause"], int(r["count"]),
            )
            for r in csv.DictReader(stream)
        ]


def load_mx() -> dict[str, list[str]]:
    """Mail exchangers of each domain, best first."""
    mx: dict[str, list[str]] = {}
    with open(HERE / "hosts.csv", newline="", encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            mx.setdefault(row["domain"], []).append(row["mx"])
    return mx


def host_addresses() -> dict[str, str]:
    """Address of each mail exchanger, in the order of hosts.csv."""
    addresses: dict[str, str] = {}
    for hosts in load_mx().values():
        for host in hosts:
            addresses.setdefault(host, f"{HOST_NET}{len(addresses) + 10}")
    return addresses


def expand(text: str, rcpt: str, sender: str) -> str:
    """Fill the placeholders of a reply text; the ids depend on the recipient alone."""
    digest = hashlib.sha256(f"{rcpt}|{text[:20]}".encode()).hexdigest()
    values = {
        "{id}": digest[:14],
        "{hex}": digest[14:25].upper(),
        "{num}": str(1_700_000_000 + int(digest[25:32], 16) % 90_000_000),
        "{rcpt}": rcpt,
        "{sender_domain}": sender.rpartition("@")[2] or OUR_NAME,
    }
    for name, value in values.items():
        text = text.replace(name, value)
    return text
