"""Draw up a plan: which mails are sent, and what the stub answers to whom.

    plan.py OUT.json --scale 0.5 --seed 7 [--skip KEY,KEY] [--local N]

The plan is the truth: each recipient is used once, and its answer is fixed here.
"""

import argparse
import json
import random

from table import SENDER_DOMAINS, Rule, expand, host_addresses, load_mx, load_rules

# So that about two thirds of all mails are accepted.
ACCEPTED_MORE = 1.6
LETTERS = "bcdfghjkmnpqrstvwxz23456789"


def word(rng: random.Random, length: int) -> str:
    return "".join(rng.choice(LETTERS) for _ in range(length))


def local_part(rng: random.Random) -> str:
    shape = rng.random()
    if shape < 0.6:
        return word(rng, rng.randint(6, 9))
    if shape < 0.8:
        return f"{word(rng, 4)}.{word(rng, 5)}"
    if shape < 0.9:
        return f"{word(rng, 5)}+{word(rng, 3)}"
    return f"{word(rng, 3)}-{word(rng, 4)}_{word(rng, 2)}"


def how_many(rng: random.Random, rule: Rule, scale: float, least: int) -> int:
    exact = rule.count * scale * (ACCEPTED_MORE if rule.accepts else 1)
    number = int(exact) + (1 if rng.random() < exact - int(exact) else 0)
    return max(least, number)


def poolable(rule: Rule) -> bool:
    """May it share a mail with other recipients? Not where the answer concerns the whole mail or session."""
    return rule.accepts or (rule.stage == "rcpt" and not rule.times and not rule.reply.startswith("421"))


class Planner:
    def __init__(self, seed: int, short: str) -> None:
        self.rng = random.Random(seed)
        self.short = short
        self.mails: list[dict] = []
        self.answers: dict[str, dict] = {}
        self.mail_answers: dict[str, str] = {}

    def sender(self) -> str:
        domain = self.rng.choices(SENDER_DOMAINS, weights=[5, 3, 2, 2, 1])[0]
        return f"{self.short}{word(self.rng, 7)}@{domain}"

    def recipient(self, domain: str) -> str:
        if self.rng.random() < 0.02:
            return f'"{word(self.rng, 3)} {word(self.rng, 4)}"@{domain}'
        return f"{self.short}{local_part(self.rng)}@{domain}"

    def answer(self, rcpt: str, sender: str, rule: Rule, accept: str) -> None:
        self.answers[rcpt] = {
            "key": rule.key,
            "stage": rule.stage,
            "times": rule.times,
            "reply": expand(rule.reply, rcpt, sender),
            "then": expand(accept, rcpt, sender),
            "sender": sender,
        }
        if rule.stage == "mail":
            self.mail_answers[sender] = rcpt

    def add(self, sender: str, rcpts: list[str], via: str = "outbound") -> None:
        self.mails.append({"sender": sender, "rcpts": rcpts, "via": via})

    def plan(self, rules: list[Rule], scale: float, least: int, local: int, filtered: int) -> None:
        accepts = {r.domain: r.reply for r in rules if r.accepts}
        default = "250 2.0.0 Ok: queued as {hex}"
        together: list[tuple[Rule, str]] = []
        for rule in rules:
            for _ in range(how_many(self.rng, rule, scale, least)):
                rcpt = self.recipient(rule.domain)
                accept = accepts.get(rule.domain, default)
                if poolable(rule) and self.rng.random() < 0.25:
                    together.append((rule, rcpt))
                    continue
                null = rule.accepts and self.rng.random() < 0.06
                sender = "" if null else self.sender()
                self.answer(rcpt, sender, rule, accept)
                self.add(sender, [rcpt])
        self.plan_together(together, accepts, default)
        self.rng.shuffle(self.mails)
        for mail in [m for m in self.mails if m["sender"]][:filtered]:
            mail["via"] = "filter"
        for _ in range(local):
            self.add(self.sender(), [f"{self.short}{word(self.rng, 6)}@example.com"], "local")

    def plan_together(self, pool: list[tuple[Rule, str]], accepts: dict[str, str], default: str) -> None:
        """Mails with several recipients: mostly of one domain, now and then of several."""
        pool.sort(key=lambda item: (item[0].domain, self.rng.random()))
        while pool:
            size = self.rng.randint(2, 4)
            part, pool = pool[:size], pool[size:]
            sender = self.sender()
            for rule, rcpt in part:
                self.answer(rcpt, sender, rule, accepts.get(rule.domain, default))
            self.add(sender, [rcpt for _, rcpt in part])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out")
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--least", type=int, default=1, help="recipients of each row at least")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--short", default="", help="prefix of all local parts, so that plans do not overlap")
    parser.add_argument("--skip", default="")
    parser.add_argument("--local", type=int, default=0)
    parser.add_argument("--filtered", type=int, default=0)
    options = parser.parse_args()
    skipped = set(options.skip.split(","))
    rules = [rule for rule in load_rules() if rule.key not in skipped]
    planner = Planner(options.seed, options.short)
    planner.plan(rules, options.scale, options.least, options.local, options.filtered)
    greetings = {}
    mx = load_mx()
    for rule in rules:
        if rule.stage in ("connect", "ehlo"):
            greetings[mx[rule.domain][0]] = {"stage": rule.stage, "reply": rule.reply, "key": rule.key}
    refused = [mx[r.domain][0] for r in load_rules() if r.stage == "refused"]
    with open(options.out, "w", encoding="utf-8") as stream:
        json.dump(
            {
                "mails": planner.mails,
                "answers": planner.answers,
                "mail_answers": planner.mail_answers,
                "greetings": greetings,
                "refused": refused,
                "hosts": host_addresses(),
                "mx": mx,
            },
            stream,
            indent=1,
        )


if __name__ == "__main__":
    main()
