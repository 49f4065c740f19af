"""Join a recorded log with the plan and the stub's transcript, and write what a reader must find in it.

    expect.py LOG OUT.csv TRANSCRIPT.jsonl INBOUND.jsonl|- PLAN.json...

Outcomes, hosts, codes and causes come from the plan and from what the stub (or, inbound, our own server) answered;
the log is only read for the line numbers, the MTA's own dsn= where a reply has no enhanced code, and for the
assertion that both agree. A disagreement ends the program.
"""

import csv
import json
import re
import sys
from collections import Counter, deque
from pathlib import Path

from table import Rule, load_mx, load_rules

COLUMNS = [
    "line_no", "outcome", "reply_code", "status", "recipient_domain", "remote_host", "isp", "cause",
    "sender_domain", "hop", "attempted",
]
WORDS = {"sent": "delivered", "deferred": "deferred", "bounced": "bounced"}
FLAGS = {"=>": "delivered", "->": "delivered", "==": "deferred", "**": "bounced"}


class Mismatch(Exception):
    pass


def require(condition: object, *what: object) -> None:
    if not condition:
        raise Mismatch(" ".join(map(str, what)))


def domain(address: str) -> str:
    return address.rpartition("@")[2].lower()


class Truth:
    """Plan and transcript of all sessions that went into one log."""

    def __init__(self, said_path: str, inbound_path: str, plan_paths: list[str]) -> None:
        self.rules = {rule.key: rule for rule in load_rules()}
        self.mx = load_mx()
        self.accepts = {rule.domain: rule for rule in self.rules.values() if rule.accepts}
        self.answers: dict[str, dict] = {}
        self.local: dict[str, str] = {}
        self.filtered: set[str] = set()
        self.attempts: dict[str, deque] = {}
        self.greeted: Counter = Counter()
        self.inbound: dict[str, deque] = {"postfix": deque(), "exim": deque(), "sendmail": deque()}
        self.seen: Counter = Counter()
        for path in plan_paths:
            self.load_plan(path)
        self.load_transcripts(said_path, inbound_path)

    def load_plan(self, plan_path: str) -> None:
        plan = json.loads(Path(plan_path).read_text(encoding="utf-8"))
        self.answers.update(plan["answers"])
        for mail in plan["mails"]:
            if mail["via"] == "local":
                self.local[mail["rcpts"][0]] = mail["sender"]
            if mail["via"] == "filter":
                self.filtered.update(mail["rcpts"])

    def load_transcripts(self, said_path: str, inbound_path: str) -> None:
        for line in Path(said_path).read_text(encoding="utf-8").splitlines():
            fact = json.loads(line)
            require(fact["stage"] != "unplanned", "not in the plan:", fact)
            if "rcpt" in fact:
                self.attempts.setdefault(fact["rcpt"], deque()).append(fact)
            else:
                self.greeted[fact["host"]] += 1
        if inbound_path != "-":
            for line in Path(inbound_path).read_text(encoding="utf-8").splitlines():
                row = json.loads(line)
                self.inbound[row["mta"]].append(row)

    def isp_of_domain(self, name: str) -> str:
        return next((rule.isp for rule in self.rules.values() if rule.domain == name and rule.isp), "")

    def rule_of(self, rcpt: str, reply: str) -> Rule:
        """The row of replies.csv that a given answer came from."""
        answer = self.answers[rcpt]
        if reply == answer["reply"]:
            return self.rules[answer["key"]]
        accept = self.accepts.get(self.rules[answer["key"]].domain)
        require(accept and reply.startswith("2"), "answer is not from the plan:", rcpt, reply)
        return accept

    def attempt(self, rcpt: str) -> tuple[Rule, str, str]:
        """The next attempt for a recipient: rule, host, reply."""
        rule = self.rules[self.answers[rcpt]["key"]]
        host = self.mx.get(rule.domain, [""])[-1]
        if rule.stage in ("connect", "ehlo"):
            require(rule.stage == "ehlo" or self.greeted[host], "no greeting given by", host)
            return rule, host, rule.reply
        if rule.stage in ("refused", "nxdomain"):
            return rule, host, ""
        require(self.attempts.get(rcpt), "more attempts in the log than answers:", rcpt)
        fact = self.attempts[rcpt].popleft()
        if fact["stage"] == "drop":
            return rule, fact["host"], ""
        return self.rule_of(rcpt, fact["reply"]), fact["host"], fact["reply"]

    def finish(self) -> None:
        missing = [rcpt for rcpt in self.answers if not self.seen[rcpt]]
        require(not missing, "not in the log:", missing[:5], len(missing))
        left = {rcpt: len(facts) for rcpt, facts in self.attempts.items() if facts}
        require(not left, "answers that are not in the log:", left)
        for mta, rows in self.inbound.items():
            require(not rows, "refusals that are not in the log:", mta, list(rows)[:2])


def row(line_no: int, outcome: str, hop: str, **values: str) -> dict:
    fixed = {"line_no": line_no, "outcome": outcome, "hop": hop, "attempted": "yes"}
    return {**dict.fromkeys(COLUMNS, ""), **fixed, **values}


def outcome_of(rule: Rule, reply: str, mta: str) -> str:
    """What an MTA makes of a reply."""
    if rule.stage == "nxdomain":
        return "bounced"
    if not reply:
        return "deferred"
    if rule.stage == "connect" and mta in TEMPORARY_GREETING:
        return "deferred"
    # Exim goes by the first line of a reply, Postfix and Sendmail by the last.
    line = reply.split("\n")[0 if mta == "exim" else -1]
    return {"2": "delivered", "4": "deferred", "5": "bounced"}[line[0]]


# MTAs that take a 5xx greeting for a temporary trouble of that host.
TEMPORARY_GREETING = {"postfix"}


def remote_row(truth: Truth, line_no: int, rcpt: str, mta: str, dsn: str) -> tuple[dict, str]:
    """Row of an attempt outwards, and the reply that must stand in the log line."""
    rule, host, reply = truth.attempt(rcpt)
    outcome = outcome_of(rule, reply, mta)
    delivered = outcome == "delivered"
    result = row(
        line_no, outcome, "unconnected" if rule.stage in ("refused", "nxdomain") else "remote",
        reply_code=rule.reply_code, status=rule.status or dsn, recipient_domain=domain(rcpt), remote_host=host,
        isp=rule.isp, cause="" if delivered else rule.cause, sender_domain=domain(truth.answers[rcpt]["sender"]),
    )
    truth.seen[rcpt] += 1
    return result, reply


# --- Postfix ----------------------------------------------------------------------------------------------------

# With RFC 5424 the daemon's name after the slash is not in the frame.
POSTFIX_FRAME = r" postfix[\w.-]*(?:(?:/\w+)+\[\d+\]:| \d+ - -) +"
POSTFIX = re.compile(
    POSTFIX_FRAME + r"(?P<id>\w+): to=<(?P<rcpt>.*?)>, relay=(?P<relay>[^,]+),.*?"
    r" dsn=(?P<dsn>[\d.]+), status=(?P<word>\w+) \((?P<text>.*)\)$"
)
POSTFIX_EXPIRED = re.compile(POSTFIX_FRAME + r"\w+: from=<(?P<sender>.*?)>, status=expired, returned to sender$")
POSTFIX_REJECT = re.compile(r"NOQUEUE: reject: \w+ from (?P<name>[^\[]+)\[(?P<ip>[\d.]+)\]: (?P<text>.*)$")
REPEATED = re.compile(r" message repeated (\d+) times: \[ ?(.*)\]$")


def postfix_rows(truth: Truth, line_no: int, line: str) -> list[dict]:
    found = POSTFIX.search(line)
    if found:
        return [postfix_row(truth, line_no, found)]
    found = POSTFIX_EXPIRED.search(line)
    if found:
        return [row(line_no, "bounced", "unconnected", sender_domain=domain(found["sender"]), attempted="no")]
    found = POSTFIX_REJECT.search(line)
    if found:
        return [postfix_reject(truth, line_no, found)]
    return []


def postfix_row(truth: Truth, line_no: int, found: re.Match) -> dict:
    rcpt, text = found["rcpt"], found["text"]
    outcome = WORDS[found["word"]]
    if found["relay"] == "virtual":
        require(outcome == "delivered", line_no, "local delivery failed")
        sender = truth.local.get(rcpt, "")
        return row(line_no, outcome, "local", status=found["dsn"], recipient_domain=domain(rcpt),
                   sender_domain=domain(sender))
    answer = truth.answers.get(rcpt)
    require(answer, line_no, "recipient is not in the plan", rcpt)
    if found["relay"].startswith("127.0.0.1"):
        require(rcpt in truth.filtered and outcome == "delivered", line_no, "filter hop")
        return row(line_no, outcome, "internal", reply_code="250", status="2.0.0", recipient_domain=domain(rcpt),
                   remote_host="127.0.0.1", sender_domain=domain(answer["sender"]))
    if "delivery temporarily suspended" in text:
        return suspended(truth, line_no, rcpt, outcome, text, found["dsn"])
    result, reply = remote_row(truth, line_no, rcpt, "postfix", found["dsn"])
    require(outcome == result["outcome"], line_no, "outcome", outcome, result)
    require(reply.replace("\n", " ").strip() in text, line_no, "reply is not in the log:", reply, text)
    if result["remote_host"]:
        host = result["remote_host"]
        require(host in text or found["relay"].startswith(host + "["), line_no, "host", host)
    if not result["reply_code"]:
        require(found["dsn"] in ("4.4.1", "4.4.2", "5.4.4"), line_no, "dsn", found["dsn"])
    elif result["status"] == found["dsn"] and result["status"] not in reply:
        require(found["dsn"].endswith(".0.0"), line_no, "dsn", found["dsn"])
    return result


def suspended(truth: Truth, line_no: int, rcpt: str, outcome: str, text: str, dsn: str) -> dict:
    """Not tried: the cause is copied from another recipient's attempt at the same host."""
    rule = truth.rules[truth.answers[rcpt]["key"]]
    require(outcome == "deferred" and rule.stage in ("connect", "refused"), line_no, "suspended", rcpt)
    require(rule.reply.replace("\n", " ") in text, line_no, "copied cause")
    truth.seen[rcpt] += 1
    return row(
        line_no, outcome, "unconnected", reply_code=rule.reply_code, status=rule.status or dsn,
        recipient_domain=domain(rcpt), remote_host=truth.mx[rule.domain][0], isp=rule.isp, cause=rule.cause,
        sender_domain=domain(truth.answers[rcpt]["sender"]), attempted="no",
    )


def postfix_reject(truth: Truth, line_no: int, found: re.Match) -> dict:
    require(truth.inbound["postfix"], line_no, "refusal without a client")
    case = truth.inbound["postfix"].popleft()
    require(found["text"].startswith(case["said"]) and found["ip"] == case["client"], line_no, "refusal", case)
    return inbound_row(line_no, case)


def inbound_row(line_no: int, case: dict) -> dict:
    require(case["said"].startswith(case["reply_code"]) and case["status"] in case["said"], line_no, "our answer", case)
    name = "" if case["client_name"] == "unknown" else case["client_name"]
    return row(
        line_no, "rejected", "inbound", reply_code=case["reply_code"], status=case["status"], cause=case["cause"],
        recipient_domain=domain(case["to"]), remote_host=name, sender_domain=domain(case["from"]),
    )


# --- Exim -------------------------------------------------------------------------------------------------------

EXIM = re.compile(
    r" (?P<id>\w{6}-\w{6,11}-\w{2,4}) (?P<flag>=>|->|==|\*\*) (?P<address>.+?)(?: <(?P<original>[^>]*)>)?"
    r"(?P<rest>(?:: Unrouteable| F=<| R=\w).*)$"
)
EXIM_REJECT = re.compile(r" H=.*?\[(?P<ip>[\d.]+)\].* (?:temporarily )?rejected RCPT <(?P<rcpt>.*?)>: (?P<text>.*)$")


def exim_rows(truth: Truth, line_no: int, line: str) -> list[dict]:
    found = EXIM.search(line)
    if found:
        return [exim_row(truth, line_no, found)]
    found = EXIM_REJECT.search(line)
    if found:
        require(truth.inbound["exim"], line_no, "refusal without a client")
        case = truth.inbound["exim"].popleft()
        said = case["said"].partition(" ")[2].replace("\n", " ")
        require(said == found["text"] and found["ip"] == case["client"], line_no, case)
        return [inbound_row(line_no, case)]
    return []


def exim_row(truth: Truth, line_no: int, found: re.Match) -> dict:
    rcpt, rest = found["original"] or found["address"], found["rest"]
    outcome = FLAGS[found["flag"]]
    if " T=store" in rest:
        require(outcome == "delivered", line_no, "local delivery failed")
        sender = truth.local.get(rcpt, "")
        return row(line_no, outcome, "local", recipient_domain=domain(rcpt), sender_domain=domain(sender))
    answer = truth.answers.get(rcpt)
    require(answer, line_no, "recipient is not in the plan", rcpt)
    if "retry time not reached" in rest:
        rule = truth.rules[answer["key"]]
        require(outcome == "deferred", line_no, "not tried")
        truth.seen[rcpt] += 1
        return row(line_no, outcome, "unconnected", recipient_domain=domain(rcpt), isp=truth.isp_of_domain(rule.domain),
                   sender_domain=domain(answer["sender"]), attempted="no")
    result, reply = remote_row(truth, line_no, rcpt, "exim", "")
    require(outcome == result["outcome"], line_no, "outcome", outcome, result)
    logged = "\\n".join(part.rstrip() for part in reply.split("\n"))
    require(logged in rest, line_no, "reply is not in the log:", reply, rest)
    if result["hop"] == "unconnected":
        result["remote_host"] = ""  # the line does not name it
    else:
        require(f" H={result['remote_host']} [" in rest, line_no, "host", rest)
    return result


# --- Sendmail ---------------------------------------------------------------------------------------------------

SENDMAIL = re.compile(
    r" (?:sm-mta|sendmail)\[\d+\]: \w+: to=(?P<list>.*?), (?:ctladdr=.*?, )?delay=.*?, mailer=(?P<mailer>\w+),.*?"
    r"(?: relay=(?P<relay>[^,]*),)?(?: dsn=(?P<dsn>[\d.]+),)?(?: reply=(?P<reply>.*?),)? stat=(?P<stat>.*)$"
)
SENDMAIL_REJECT = re.compile(r" ruleset=check_\w+, .*? relay=.*?\[(?P<ip>[\d.]+)\], reject=(?P<text>.*)$")


def sendmail_rows(truth: Truth, line_no: int, line: str) -> list[dict]:
    found = SENDMAIL.search(line)
    if found and found["stat"] == "queued":
        return []
    if found:
        require(found["mailer"] == "esmtp", line_no, "mailer")
        rcpts = re.findall(r'((?:"[^"]*"|[^",])+)', found["list"])
        return [sendmail_row(truth, line_no, rcpt.strip("<>"), found) for rcpt in rcpts]
    found = SENDMAIL_REJECT.search(line)
    if found:
        require(truth.inbound["sendmail"], line_no, "refusal without a client")
        case = truth.inbound["sendmail"].popleft()
        require(case["said"] == found["text"] and found["ip"] == case["client"], line_no, case)
        return [inbound_row(line_no, case)]
    return []


def sendmail_row(truth: Truth, line_no: int, rcpt: str, found: re.Match) -> dict:
    require(rcpt in truth.answers, line_no, "recipient is not in the plan", rcpt)
    result, reply = remote_row(truth, line_no, rcpt, "sendmail", found["dsn"])
    stat = found["stat"]
    outcome = "delivered" if stat.startswith("Sent") else "deferred" if stat.startswith("Deferred") else "bounced"
    require(outcome == result["outcome"], line_no, "outcome", outcome, result)
    relay = found["relay"].partition(" ")[0].rstrip(".")
    head, dots, tail = relay.partition("...")
    if result["remote_host"]:
        host = result["remote_host"]
        require(host.startswith(head) and host.endswith(tail), line_no, "host", relay, host)
        result["remote_host"] = relay  # Sendmail cuts the middle out of a long name
    if outcome == "delivered":
        result["reply_code"] = ""  # not logged
    elif reply:
        # Only the first line is logged, its middle cut out if it is long.
        # The hyphen after the code stays in some lines and is a blank in others.
        first = reply.split("\n")[0]
        logged = found["reply"].split("...")[0]
        require(logged[:3] == first[:3] and first[4:].startswith(logged[4:].rstrip()), line_no, "reply:", first, logged)
    return result


# --- all --------------------------------------------------------------------------------------------------------

READERS = [postfix_rows, exim_rows, sendmail_rows]


def rows_of(truth: Truth, line_no: int, line: str) -> list[dict]:
    times = 1
    repeated = REPEATED.search(line)
    if repeated:
        times, line = int(repeated[1]), line[:repeated.start()] + " " + repeated[2]
    result = []
    for _ in range(times):
        for reader in READERS:
            result += reader(truth, line_no, line)
    return result


def main() -> None:
    log, out, said_path, inbound_path, *plan_paths = sys.argv[1:]
    truth = Truth(said_path, inbound_path, plan_paths)
    result = []
    try:
        for line_no, line in enumerate(Path(log).read_bytes().decode("utf-8", "replace").split("\n"), 1):
            result += rows_of(truth, line_no, line)
        truth.finish()
    except Mismatch as mismatch:
        sys.exit(f"{log}: {mismatch}")
    with open(out, "w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(result)
    counts = Counter((r["hop"], r["outcome"]) for r in result)
    print(f"{Path(log).name}: {len(result)} outcomes", dict(counts), file=sys.stderr)


if __name__ == "__main__":
    main()
