#!/usr/bin/env python3
"""Write a generated mail log together with the exact truth about it.

    scripts/generate-log.py --format postfix --bytes 64M --seed 7 --refused 3% mail.log --truth mail.truth.json
    scripts/generate-log.py --format postfix --bytes 64M --worst worst.log --truth worst.truth.json

The log is that of an outgoing relay: arrivals, queue manager, deliveries to the MX hosts of about 40 providers and to
many unknown domains, refusals, deferrals and retries. Messages are interleaved, so the line that names the sender and
the line that tells the outcome are apart: mostly by some 40 messages, for one message in a hundred by several
megabytes. Queue ids are never reused. The stamps run in order over --days days; in the syslog formats they have no
year. All addresses of hosts are from the blocks reserved for documentation; local parts are random.

The same arguments and seed give the same bytes. Only the standard library is used.

The truth file (JSON) holds: format, seed, bytes, lines, deliveries (delivery lines, one per recipient and attempt),
outcomes (delivered, deferred, bounced), with_571, codes (list of reply_code, enhanced_status_code, attempts, failed;
of what was not delivered; null = not stated), remote_hosts (name -> attempts, refused), refused_by_sender_domain
(name -> attempts; "" = null sender, or not stated in the log), first_stamp, last_stamp (of the log) and first_refused,
last_refused (of what was not delivered).
"""

import argparse
import datetime
import json
import random
import string
import sys
from collections import Counter, defaultdict
from typing import NamedTuple

BATCH = 4096  # messages made at a time
QUEUE_DELAY = 37  # rounds from arrival to first delivery; one message arrives in each round
SLOW_DELAY = 6000  # the same for one message in a hundred
RETRY_DELAYS = (900, 3000, 9000)
ID_MASK = (1 << 40) - 1
BASE36 = string.digits + string.ascii_lowercase


class Host(NamedTuple):
    """A receiving host and a recipient domain behind it."""

    name: str
    ip: str
    domain: str
    accepted: str  # text of its 250 reply; %s is an id
    dsn: str


class Reply(NamedTuple):
    """A row of the table of refusals. `code` and `status` are what the reply says itself."""

    weight: int
    speakers: tuple  # ends of the names of the hosts that say so; empty = any
    stage: str  # connect, mail, rcpt, data; none = no session
    lines: tuple
    code: int | None
    status: str | None
    stated: str  # `dsn=` as Postfix writes it


class Message:
    """One message on its way."""

    __slots__ = (
        "queue_id", "number", "client", "sender", "sender_domain", "size", "host", "rcpt", "recipients", "reply",
    )

    def __init__(self, queue_id, number, client, sender, size, host, local, recipients, reply):
        self.queue_id = queue_id
        self.number = number
        self.client = client
        self.sender, self.sender_domain = sender
        self.size = size
        self.host = host
        self.rcpt = f"{local}@{host.domain}"
        self.recipients = recipients
        self.reply = reply

    @property
    def origin(self):
        """Domain of the message-id."""
        return self.sender_domain or "mx1.example.net"

    def to(self, host, local, reply):
        """The same message for another recipient."""
        sender = (self.sender, self.sender_domain)
        return Message(self.queue_id, self.number, self.client, sender, self.size, host, local, self.recipients, reply)


GOOGLE_ACCEPTS = "250 2.0.0 OK  1772409600 %s.215si4711815qkb.162 - gsmtp"
OUTLOOK_ACCEPTS = (
    "250 2.6.0 <%s.JavaMail@mx1.example.net> [InternalId=8123456789, Hostname=AM6EUR05HT100] "
    "21875 bytes in 0.142, 149.6 KB/sec Queued mail for delivery"
)
# Share of the traffic, host, recipient domain, text of the 250 reply.
KNOWN_HOSTS = [
    (160, "gmail-smtp-in.l.google.com", "gmail.com", GOOGLE_ACCEPTS),
    (40, "alt1.gmail-smtp-in.l.google.com", "gmail.com", GOOGLE_ACCEPTS),
    (60, "aspmx.l.google.com", "workspace.example.net", GOOGLE_ACCEPTS),
    (90, "outlook-com.olc.protection.outlook.com", "outlook.com", OUTLOOK_ACCEPTS),
    (80, "hotmail-com.olc.protection.outlook.com", "hotmail.com", OUTLOOK_ACCEPTS),
    (20, "live-com.olc.protection.outlook.com", "live.com", OUTLOOK_ACCEPTS),
    (40, "tenant-example-org.mail.protection.outlook.com", "tenant.example.org", OUTLOOK_ACCEPTS),
    (40, "mta5.am0.yahoodns.net", "yahoo.com", "250 ok dirdel %s"),
    (30, "mta7.am0.yahoodns.net", "yahoo.com", "250 ok dirdel %s"),
    (10, "mx-aol.mail.gm0.yahoodns.net", "aol.com", "250 ok dirdel %s"),
    (40, "mx00.emig.gmx.net", "gmx.de", "250 Requested mail action okay, completed: id=%s"),
    (30, "mx01.emig.gmx.net", "gmx.net", "250 Requested mail action okay, completed: id=%s"),
    (40, "mx-ha02.web.de", "web.de", "250 Requested mail action okay, completed: id=%s"),
    (20, "mx00.t-online.de", "t-online.de", "250 2.0.0 Message accepted. id=%s"),
    (20, "mx03.t-online.de", "t-online.de", "250 2.0.0 Message accepted. id=%s"),
    (12, "mx00.ionos.de", "ionos.example.com", "250 Requested mail action okay, completed: id=%s"),
    (25, "smtp-in.orange.fr", "orange.fr", "250 2.0.0 %s mail accepted for delivery"),
    (20, "smtp-in.orange.fr", "wanadoo.fr", "250 2.0.0 %s mail accepted for delivery"),
    (15, "smtp-in.sfr.fr", "sfr.fr", "250 2.0.0 Ok: queued as %s"),
    (15, "mx1.free.fr", "free.fr", "250 2.0.0 Ok: queued as %s"),
    (10, "mx2.free.fr", "free.fr", "250 2.0.0 Ok: queued as %s"),
    (12, "smtpz4.laposte.net", "laposte.net", "250 2.0.0 %s mail accepted for delivery"),
    (30, "mx01.mail.icloud.com", "icloud.com", "250 2.0.0 Ok: queued as %s"),
    (20, "mx02.mail.icloud.com", "me.com", "250 2.0.0 Ok: queued as %s"),
    (20, "mxs.mail.ru", "mail.ru", "250 OK id=%s"),
    (15, "mx.yandex.ru", "yandex.ru", "250 2.0.0 Ok: queued on mx.yandex.ru as %s"),
    (15, "mx1.comcast.net", "comcast.net", "250 2.0.0 %s mail accepted for delivery"),
    (8, "mx2.comcast.net", "comcast.net", "250 2.0.0 %s mail accepted for delivery"),
    (15, "mxa-00000000.gslb.pphosted.com", "firm-a.example.com", "250 2.0.0 %s-1 Message accepted for delivery"),
    (15, "mxb-00000001.gslb.pphosted.com", "firm-b.example.com", "250 2.0.0 %s-1 Message accepted for delivery"),
    (12, "eu-smtp-inbound-1.mimecast.com", "firm-c.example.com", "250 SmtpThread-%s"),
    (8, "cluster1.eu.messagelabs.com", "firm-d.example.com", "250 ok %s"),
    (8, "d00000a.ess.barracudanetworks.com", "firm-e.example.com", "250 Ok: queued as %s"),
    (8, "mx1.hc0000-00.eu.iphmx.com", "firm-f.example.com", "250 ok:  Message %s accepted"),
    (8, "in1-smtp.messagingengine.com", "fastmail.com", "250 2.0.0 Ok: queued as %s"),
    (8, "mail.protonmail.ch", "proton.me", "250 2.0.0 Ok: queued as %s"),
    (6, "mx.zoho.com", "zoho.com", "250 Message received: %s"),
    (8, "mx1.mail.ovh.net", "club.example.org", "250 2.0.0 Ok: queued as %s"),
    (6, "mx.poczta.onet.pl", "onet.pl", "250 2.0.0 Ok: queued as %s"),
    (6, "mx.wp.pl", "wp.pl", "250 2.0.0 %s Message accepted for delivery"),
    (6, "mx1.seznam.cz", "seznam.cz", "250 2.0.0 Ok: queued as %s"),
    (6, "mx3.qq.com", "qq.com", "250 OK: queued as %s"),
    (6, "smtp-in.libero.it", "libero.it", "250 2.0.0 %s mail accepted for delivery"),
]
UNKNOWN_SHARE = 0.15  # of the traffic, over all unknown domains together

AUTH = "https://support.google.com/mail/answer/81126#authentication"
GOOGLE, MICROSOFT, YAHOO = ("google.com",), ("outlook.com",), ("yahoodns.net",)
GMX, APPLE, ORANGE = ("gmx.net", "web.de", "ionos.de"), ("icloud.com",), ("orange.fr",)
REPLIES = [
    Reply(9, GOOGLE, "data", (
        "550-5.7.26 This mail has been blocked because the sender is unauthenticated.",
        "550-5.7.26 Gmail requires all senders to authenticate with either SPF or DKIM.",
        f"550 5.7.26  For instructions on setting up authentication, go to {AUTH} {{id}} - gsmtp",
    ), 550, "5.7.26", "5.7.26"),
    Reply(8, GOOGLE, "data", (
        "550-5.7.1 [{ip}      12] Our system has detected that this message is",
        "550-5.7.1 likely unsolicited mail. To reduce the amount of spam sent to Gmail,",
        "550 5.7.1 this message has been blocked. {id} - gsmtp",
    ), 550, "5.7.1", "5.7.1"),
    Reply(6, GOOGLE, "data", (
        "421-4.7.28 [{ip}] Our system has detected an unusual rate of",
        "421-4.7.28 unsolicited mail originating from your IP address. {id}",
        "421 4.7.28 To review our guidelines go to https://support.google.com/mail/?p=UnsolicitedRateLimitError",
    ), 421, "4.7.28", "4.7.28"),
    Reply(9, MICROSOFT, "mail", (
        "550 5.7.1 Unfortunately, messages from [{ip}] weren't sent. Please contact your Internet service provider "
        "since part of their network is on our block list (S3150). [{id}.prod.protection.outlook.com]",
    ), 550, "5.7.1", "5.7.1"),
    Reply(3, MICROSOFT, "data", (
        "550 5.7.515 Access denied, sending domain {domain} does not meet the required authentication level. [{id}]",
    ), 550, "5.7.515", "5.7.515"),
    Reply(4, MICROSOFT, "rcpt", (
        "550 5.7.1 Service unavailable, Client host [{ip}] blocked using Spamhaus. To request removal from this list "
        "see https://www.spamhaus.org/query/ip/{ip} AS(1430) [{id}]",
    ), 550, "5.7.1", "5.7.1"),
    Reply(5, YAHOO, "connect", (
        "421 4.7.0 [TSS04] Messages from {ip} temporarily deferred due to unexpected volume or user complaints - "
        "4.16.55.1; see https://postmaster.yahooinc.com/error-codes",
    ), 421, "4.7.0", "4.7.0"),
    Reply(2, YAHOO, "data", (
        "554 5.7.9 Message not accepted for policy reasons. See https://postmaster.yahooinc.com/error-codes",
    ), 554, "5.7.9", "5.7.9"),
    Reply(5, (), "rcpt", (
        "554 5.7.1 Service unavailable; Client host [{ip}] blocked using zen.spamhaus.org; "
        "https://www.spamhaus.org/query/ip/{ip}",
    ), 554, "5.7.1", "5.7.1"),
    Reply(3, GMX, "connect", (
        "554-gmx.net (mxgmx{n}) Nemesis ESMTP Service not available",
        "554-No SMTP service",
        "554-Bad DNS PTR resource record.",
        "554 For explanation visit https://postmaster.gmx.net/en/error-messages?ip={ip}&c=rdns",
    ), 554, None, "4.0.0"),
    Reply(4, (), "connect", ("554 5.7.1 {host} Client host [{ip}] refused: poor reputation",), 554, "5.7.1", "4.7.1"),
    Reply(3, (), "data", ("550 5.7.1 Message rejected due to SPF fail for {domain} ({id})",), 550, "5.7.1", "5.7.1"),
    Reply(3, APPLE, "data", ("550 5.7.1 [CS01] Message rejected due to local policy. ({id})",), 550, "5.7.1", "5.7.1"),
    Reply(2, (), "data", ("550 5.7.20 No valid DKIM signature found on the message from {domain}",),
          550, "5.7.20", "5.7.20"),
    Reply(2, ORANGE, "connect", ("421 {host} too many connections from {ip}, OFR_{n} slow down",), 421, None, "4.0.0"),
    Reply(4, (), "rcpt", ("450 4.2.0 <{rcpt}>: Recipient address rejected: Greylisted, try again in {n} seconds",),
          450, "4.2.0", "4.2.0"),
    Reply(12, GOOGLE, "rcpt", (
        "550-5.1.1 The email account that you tried to reach does not exist. Please try",
        "550-5.1.1 double-checking the recipient's email address for typos or",
        "550 5.1.1 unnecessary spaces. {id} - gsmtp",
    ), 550, "5.1.1", "5.1.1"),
    Reply(10, (), "rcpt", ("550 5.1.1 <{rcpt}>: Recipient address rejected: User unknown in virtual mailbox table",),
          550, "5.1.1", "5.1.1"),
    Reply(3, (), "rcpt", ("550 Requested action not taken: mailbox unavailable ({n})",), 550, None, "5.0.0"),
    Reply(3, (), "rcpt", ("550 #5.1.0 Address rejected.",), 550, "5.1.0", "5.0.0"),
    Reply(5, (), "rcpt", ("452 4.2.2 <{rcpt}> Mailbox full",), 452, "4.2.2", "4.2.2"),
    Reply(3, (), "data", ("552 5.2.2 <{rcpt}>: user is over quota ({id})",), 552, "5.2.2", "5.2.2"),
    Reply(2, (), "data", ("552 5.3.4 Message size exceeds fixed limit of {n}000 kB",), 552, "5.3.4", "5.3.4"),
    Reply(2, (), "rcpt", ("451 4.3.2 {host} Please try again later",), 451, "4.3.2", "4.3.2"),
    Reply(2, (), "data", ("554 5.6.0 Message contains invalid header ({id})",), 554, "5.6.0", "5.6.0"),
    Reply(6, (), "none", ("Connection timed out",), None, None, "4.4.1"),
]
POSTFIX_COMMANDS = {"mail": "MAIL FROM", "rcpt": "RCPT TO", "data": "end of DATA"}


class Worst:
    """Refusals that all have different texts, in letters that no mask takes for an id."""

    def __init__(self, rng, log_format):
        self.rng = rng
        self.words = ["".join(rng.choices(string.ascii_lowercase, k=rng.randint(3, 9))) for _ in range(4096)]
        self.codes = [(550, "5.7.1"), (550, "5.7.1"), (554, "5.7.1"), (550, "5.7.26"), (421, "4.7.0"), (550, "5.1.1")]
        if isinstance(log_format, Sendmail):  # whose bounces have no text: deferrals only
            self.codes = [(451, f"4.{status[2:]}") for _, status in self.codes]
        self.count = 0

    def reply(self):
        code, status = self.rng.choice(self.codes)
        self.count += 1
        words = " ".join(self.rng.choices(self.words, k=9))
        text = f"{code} {status} {words} {letters(self.count)}"
        return Reply(1, (), "data", (text,), code, status, status)


def letters(number):
    """A number as a word: every number another one."""
    word = "q"
    while number:
        number, digit = divmod(number, 26)
        word += string.ascii_lowercase[digit]
    return word


class Postfix:
    """Lines as Postfix 3 writes them, in the traditional syslog frame."""

    round_bytes = 905  # a little less than measured: the log must not outlast its days
    worst_bytes = 350

    def __init__(self, rng):
        self.smtpd = rng.sample(range(10_000, 40_000), 16)
        self.smtp = rng.sample(range(40_000, 70_000), 64)
        self.cleanup = rng.sample(range(70_000, 99_000), 8)
        self.delays = [self._delay(rng) for _ in range(997)]

    @staticmethod
    def _delay(rng):
        parts = [rng.choice((0.01, 0.02, 0.03, 0.05)), rng.choice((0, 0.01)), rng.uniform(0.05, 2), rng.uniform(0.1, 9)]
        text = "/".join(f"{part:.2g}" for part in parts)
        return f"delay={sum(parts):.2g}, delays={text}"

    def stamp(self, moment):
        return f"{moment:%b} {moment.day:2} "

    def head(self, day, clock):
        return f"{day}{clock} mx1 postfix/"

    def arrive(self, h, m):
        smtpd, client, queue_id = f"{h}smtpd[{self.smtpd[m.number & 15]}]:", m.client, m.queue_id
        return (
            f"{smtpd} connect from {client}\n{smtpd} {queue_id}: client={client}\n"
            f"{h}cleanup[{self.cleanup[m.number & 7]}]: {queue_id}: "
            f"message-id=<{m.size}.{m.number:x}.{queue_id}.JavaMail@{m.origin}>\n"
        )

    def activate(self, h, m):
        rcpts = m.recipients
        return self.again(h, m) + (
            f"{h}smtpd[{self.smtpd[m.number & 15]}]: disconnect from {m.client} "
            f"ehlo=1 mail=1 rcpt={rcpts} data=1 quit=1 commands={rcpts + 4}\n"
        )

    def again(self, h, m):
        return f"{h}qmgr[811]: {m.queue_id}: from=<{m.sender}>, size={m.size}, nrcpt={m.recipients} (queue active)\n"

    def sent(self, h, m):
        host = m.host
        return (
            f"{h}smtp[{self.smtp[m.number & 63]}]: {m.queue_id}: to=<{m.rcpt}>, relay={host.name}[{host.ip}]:25, "
            f"{self.delays[m.number % 997]}, dsn={host.dsn}, status=sent ({host.accepted % m.queue_id[::-1]})\n"
        )

    def refused(self, h, m):
        host, reply = m.host, m.reply
        peer, text = f"{host.name}[{host.ip}]", " ".join(reply.lines)
        relay = f"{peer}:25"
        if reply.stage == "none":
            relay, text = "none", f"connect to {peer}:25: {text}"
        elif reply.stage == "connect":
            text = f"host {peer} refused to talk to me: {text}"
        else:
            text = f"host {peer} said: {text} (in reply to {POSTFIX_COMMANDS[reply.stage]} command)"
        word = "bounced" if self.is_final(reply) else "deferred"
        return (
            f"{h}smtp[{self.smtp[m.number & 63]}]: {m.queue_id}: to=<{m.rcpt}>, relay={relay}, "
            f"{self.delays[m.number % 997]}, dsn={reply.stated}, status={word} ({text})\n"
        )

    def done(self, h, m):
        return f"{h}qmgr[811]: {m.queue_id}: removed\n"

    def is_final(self, reply):
        return reply.stated[0] == "5"

    def truth(self, reply):
        return reply.code, reply.status or reply.stated


class Exim:
    """Lines of an Exim 4.9x main log."""

    round_bytes = 500  # a little less than measured: the log must not outlast its days
    worst_bytes = 260

    def __init__(self, rng):
        pass

    def stamp(self, moment):
        return f"{moment:%Y-%m-%d} "

    def head(self, day, clock):
        return f"{day}{clock} "

    def _id(self, m):
        # Six, six and two characters, as before 4.97; those of the hexadecimal queue id are enough here.
        q = m.queue_id
        return f"1{q[:5]}-000{q[5:8]}-{q[8:]}"

    def arrive(self, h, m):
        client = m.client.replace("[", " [")
        sender = m.sender or "<>"
        return (
            f"{h}{self._id(m)} <= {sender} H={client} P=esmtps X=TLS1.3:TLS_AES_256_GCM_SHA384:256 CV=no S={m.size} "
            f"id={m.number:x}.{m.queue_id}@{m.origin}\n"
        )

    def activate(self, h, m):
        return ""

    def again(self, h, m):
        return ""

    def sent(self, h, m):
        host = m.host
        return (
            f"{h}{self._id(m)} => {m.rcpt} R=dnslookup T=remote_smtp H={host.name} [{host.ip}] "
            f'X=TLS1.3:TLS_AES_256_GCM_SHA384:256 CV=yes C="{host.accepted % m.queue_id[::-1]}"\n'
        )

    def refused(self, h, m):
        host, reply = m.host, m.reply
        peer = f"H={host.name} [{host.ip}]"
        if reply.stage == "none":
            return f"{h}{self._id(m)} == {m.rcpt} R=dnslookup T=remote_smtp defer (110): {reply.lines[0]} {peer}\n"
        command = {
            "connect": "initial connection",
            "mail": f"MAIL FROM:<{m.sender}> SIZE={m.size}",
            "rcpt": f"RCPT TO:<{m.rcpt}>",
            "data": "end of data",
        }[reply.stage]
        text = "\\n".join(reply.lines)
        flag, defer = ("**", "") if self.is_final(reply) else ("==", " defer (-44)")
        return (
            f"{h}{self._id(m)} {flag} {m.rcpt} R=dnslookup T=remote_smtp{defer} {peer}: "
            f"SMTP error from remote mail server after {command}: {text}\n"
        )

    def done(self, h, m):
        return f"{h}{self._id(m)} Completed\n"

    def is_final(self, reply):
        return reply.code is not None and reply.code >= 500

    def truth(self, reply):
        return reply.code, reply.status


class Sendmail:
    """Lines as Sendmail 8.15 writes them: a bounce has no reply text, only `dsn=`."""

    round_bytes = 498  # a little less than measured: the log must not outlast its days
    worst_bytes = 285
    WORDS = {"5.1.1": "User unknown", "5.1.0": "User unknown", "5.6.0": "Data format error"}

    def __init__(self, rng):
        self.pids = rng.sample(range(10_000, 40_000), 64)

    def stamp(self, moment):
        return f"{moment:%b} {moment.day:2} "

    def head(self, day, clock):
        return f"{day}{clock} mx1 sm-mta["

    def _id(self, m):
        return f"6AO{m.queue_id}6"

    def _start(self, h, m):
        return f"{h}{self.pids[m.number & 63]}]: {self._id(m)}:"

    def arrive(self, h, m):
        client = m.client.replace("[", " [")
        return (
            f"{self._start(h, m)} from=<{m.sender}>, size={m.size}, class=0, nrcpts={m.recipients}, "
            f"msgid=<{m.number:x}.{m.queue_id}@{m.origin}>, proto=ESMTP, daemon=MTA, relay={client}\n"
        )

    def activate(self, h, m):
        return ""

    def again(self, h, m):
        return ""

    def _delivery(self, h, m, relay, dsn, stat):
        return (
            f"{self._start(h, m)} to=<{m.rcpt}>, delay=00:00:02, xdelay=00:00:01, mailer=esmtp, pri={m.size + 30_000}, "
            f"relay={relay}, dsn={dsn}, stat={stat}\n"
        )

    def _relay(self, m):
        return f"{m.host.name}. [{m.host.ip}]"

    def sent(self, h, m):
        text = (m.host.accepted % m.queue_id[::-1])[4:].removeprefix(m.host.dsn).lstrip()
        return self._delivery(h, m, self._relay(m), m.host.dsn, f"Sent ({text})")

    def refused(self, h, m):
        reply = m.reply
        _, status = self.truth(reply)
        if reply.stage == "none":
            return self._delivery(h, m, f"{m.host.name}.", status, f"Deferred: {reply.lines[0]} with {m.host.name}.")
        if self.is_final(reply):
            return self._delivery(h, m, self._relay(m), status, self.WORDS.get(status, "Service unavailable"))
        return self._delivery(h, m, self._relay(m), status, shorten(f"Deferred: {reply.lines[-1]}"))

    def done(self, h, m):
        return ""

    def is_final(self, reply):
        return reply.code is not None and reply.code >= 500

    def truth(self, reply):
        if reply.code is None:
            return None, reply.stated
        status = reply.status or f"{reply.code // 100}.0.0"
        return (None if self.is_final(reply) else reply.code), status


def shorten(text, limit=203):
    """As Sendmail does: the middle gives way."""
    if len(text) <= limit:
        return text
    half = (limit - 3) // 2
    return f"{text[:half]}...{text[-half:]}"


FORMATS = {"postfix": Postfix, "exim": Exim, "sendmail": Sendmail}


class Clock:
    """Heads of lines: `days` days from `start`, spread evenly over `rounds` rounds, on and on."""

    def __init__(self, log_format, start, days, rounds):
        self.log_format = log_format
        self.start = start
        self.seconds_per_round = days * 86_400 / max(rounds, 1)
        self.times = [f"{s // 3600:02}:{s // 60 % 60:02}:{s % 60:02}" for s in range(86_400)]
        self.day = None
        self.day_text = ""

    def stamp(self, round_number):
        """Stamp without what follows it."""
        day, second = divmod(int(round_number * self.seconds_per_round), 86_400)
        self._turn_to(day)
        return self.day_text + self.times[second]

    def head(self, round_number):
        day, second = divmod(int(round_number * self.seconds_per_round), 86_400)
        if day != self.day:
            self._turn_to(day)
        return self.log_format.head(self.day_text, self.times[second])

    def _turn_to(self, day):
        self.day = day
        self.day_text = self.log_format.stamp(self.start + datetime.timedelta(days=day))


class Truth:
    """What was written."""

    def __init__(self):
        self.bytes = self.lines = 0
        self.outcomes = Counter(delivered=0, deferred=0, bounced=0)
        self.codes = defaultdict(lambda: [0, 0])
        self.hosts = defaultdict(lambda: [0, 0])
        self.senders = Counter()
        self.first_refused = self.last_refused = None

    def delivered(self, m):
        self.outcomes["delivered"] += 1
        self.hosts[m.host.name][0] += 1

    def refused(self, m, codes, final, sender_known, round_number):
        self.outcomes["bounced" if final else "deferred"] += 1
        host = self.hosts[m.host.name]
        host[0] += 1
        host[1] += 1
        group = self.codes[codes]
        group[0] += 1
        group[1] += final
        self.senders[m.sender_domain if sender_known else ""] += 1
        self.first_refused = round_number if self.first_refused is None else self.first_refused
        self.last_refused = round_number

    def deliveries(self):
        return sum(self.outcomes.values())

    def not_delivered(self):
        return self.outcomes["deferred"] + self.outcomes["bounced"]

    def as_json(self, args, clock, last_round):
        def stamp(round_number):
            return None if round_number is None else clock.stamp(round_number)

        def order(item):
            (code, status), _ = item
            return code or 0, status or ""

        return {
            "format": args.format,
            "seed": args.seed,
            "worst": args.worst,
            "bytes": self.bytes,
            "lines": self.lines,
            "deliveries": self.deliveries(),
            "outcomes": dict(self.outcomes),
            "with_571": sum(n for (_, status), (n, _) in self.codes.items() if status == "5.7.1"),
            "codes": [
                {"reply_code": code, "enhanced_status_code": status, "attempts": attempts, "failed": failed}
                for (code, status), (attempts, failed) in sorted(self.codes.items(), key=order)
            ],
            "remote_hosts": {
                name: {"attempts": attempts, "refused": refused}
                for name, (attempts, refused) in sorted(self.hosts.items())
            },
            "refused_by_sender_domain": dict(sorted(self.senders.items())),
            "first_stamp": stamp(0),
            "last_stamp": stamp(last_round),
            "first_refused": stamp(self.first_refused),
            "last_refused": stamp(self.last_refused),
        }


class Pools:
    """What messages are made of."""

    def __init__(self, rng, host_count):
        self.rng = rng
        self.hosts, self.host_weights = self._hosts(host_count)
        self.senders = self._senders()
        self.clients = [f"app-{i:02}.production.example.net[192.0.2.{i}]" for i in range(1, 25)]
        self.sizes = [int(rng.lognormvariate(9.5, 1)) + 500 for _ in range(997)]
        self.locals = ["".join(rng.choices(BASE36, k=rng.randint(6, 11))) for _ in range(20_011)]
        self.sending_ips = [f"192.0.2.{i}" for i in range(200, 208)]
        self.replies = {host.name: self._replies(host.name) for host in self.hosts}

    def _hosts(self, count):
        hosts, weights = [], []
        for i, (weight, name, domain, accepted) in enumerate(KNOWN_HOSTS):
            hosts.append(self._host(name, f"203.0.113.{i + 10}", domain, accepted))
            weights.append(weight)
        share = sum(weights) * UNKNOWN_SHARE / (1 - UNKNOWN_SHARE)
        for i in range(count):
            domain = f"customer{i:04}.example"
            hosts.append(self._host(f"mx1.{domain}", f"198.51.100.{i % 250 + 1}", domain, "250 2.0.0 Ok: queued as %s"))
            weights.append(share / count)
        return hosts, weights

    @staticmethod
    def _replies(name):
        """What this host may say, and the weights of that."""
        rows = [reply for reply in REPLIES if not reply.speakers or name.endswith(reply.speakers)]
        return rows, [reply.weight for reply in rows]

    @staticmethod
    def _host(name, ip, domain, accepted):
        dsn = next((word for word in accepted.split() if word.startswith("2.")), "2.0.0")
        return Host(name, ip, domain, accepted, dsn)

    def _senders(self):
        domains = [f"{name}.example.{tld}" for name in ("news", "shop", "billing", "mail", "list", "app", "www", "crm")
                   for tld in ("com", "net", "org")]
        senders = [(f"{kind}{i}@{domain}", domain) for domain in domains
                   for kind in ("bounce", "info", "no-reply") for i in range(40)]
        return senders + [("", "")] * (len(senders) // 100)

    def reply(self, host, rcpt, sender_domain):
        """A refusal with its text filled in."""
        rng = self.rng
        row = rng.choices(*self.replies[host.name])[0]
        blanks = {
            "ip": rng.choice(self.sending_ips),
            "id": "".join(rng.choices(BASE36, k=14)),
            "n": str(rng.randint(100, 999)),
            "host": host.name,
            "rcpt": rcpt,
            "domain": sender_domain or "mx1.example.net",
        }
        return row._replace(lines=tuple(line.format_map(blanks) for line in row.lines))


class Generator:
    """Rounds: in each one message arrives, an earlier one becomes active and a still earlier one is delivered."""

    def __init__(self, args):
        self.args = args
        self.rng = random.Random(args.seed)
        self.format = FORMATS[args.format](self.rng)
        self.pools = Pools(self.rng, args.hosts)
        self.worst = Worst(self.rng, self.format) if args.worst else None
        self.clock = Clock(self.format, args.start, args.days, args.bytes / self._round_bytes())
        self.truth = Truth()
        self.salt = self.rng.getrandbits(40)
        self.made = 0
        self.later = defaultdict(list)  # round -> what is due then

    def _round_bytes(self):
        return self.format.worst_bytes if self.worst else self.format.round_bytes

    def write(self, out):
        """Writes the log; returns the number of the last round."""
        rounds = self._worst_rounds() if self.worst else self._rounds()
        chunk, size = [], 0
        last = 0
        for last, text in rounds:
            chunk.append(text)
            size += len(text)
            done = self.truth.bytes + size >= self.args.bytes
            if size > 1 << 20 or done:
                self._flush(out, chunk)
                chunk, size = [], 0
            if done:
                break
        return last

    def _flush(self, out, chunk):
        data = "".join(chunk).encode("ascii")
        self.truth.bytes += len(data)
        self.truth.lines += data.count(b"\n")
        out.write(data)

    def _messages(self):
        """Endless messages, made in batches; the share of refused first attempts follows the share wanted."""
        rng, pools, made = self.rng, self.pools, 0
        while True:
            share = self._share_of_next_batch()
            hosts = rng.choices(pools.hosts, pools.host_weights, k=BATCH)
            senders = rng.choices(pools.senders, k=BATCH)
            clients = rng.choices(pools.clients, k=BATCH)
            names = rng.choices(pools.locals, k=BATCH)
            sizes = rng.choices(pools.sizes, k=BATCH)
            for host, sender, client, local, size in zip(hosts, senders, clients, names, sizes):
                made += 1
                # A multiplication with an odd number permutes the 40-bit numbers: no id comes twice.
                queue_id = "%010X" % ((made * 0x9E3779B1 + self.salt) & ID_MASK)
                recipients = 2 if made % 31 == 0 else 1
                m = Message(queue_id, made, client, sender, size, host, local, recipients, None)
                if rng.random() < share:
                    m.reply = pools.reply(host, m.rcpt, m.sender_domain)
                yield m

    def _share_of_next_batch(self):
        """Steers: retries and what is on its way make the share drift."""
        wanted, truth = self.args.refused, self.truth
        missing = wanted * truth.deliveries() - truth.not_delivered()
        return min(1.0, max(0.0, wanted + missing / BATCH))

    def _rounds(self):
        """Yields the number and the text of each round."""
        fmt, head, later = self.format, self.clock.head, self.later
        arrive, activate, sent, done = fmt.arrive, fmt.activate, fmt.sent, fmt.done
        delivered = self.truth.delivered
        ring = [None] * (QUEUE_DELAY + 1)
        for number, m in enumerate(self._messages()):
            h = head(number)
            ring[number % (QUEUE_DELAY + 1)] = m
            text = arrive(h, m)
            active = ring[(number - 2) % (QUEUE_DELAY + 1)]
            if active is not None:
                text += activate(h, active)
            if number in later:
                text += self._due(h, number)
            due = ring[(number + 1) % (QUEUE_DELAY + 1)]
            if due is not None:
                if due.number % 100 == 0:
                    later[number + SLOW_DELAY].append((False, True, due))
                elif due.reply is None:
                    delivered(due)
                    text += sent(h, due) + done(h, due)
                else:
                    text += self._refuse(h, number, due, True)
            if m.recipients == 2:
                self._second_recipient(number, m)
            yield number, text

    def _second_recipient(self, number, m):
        """Plans the delivery to another recipient, one round before the first one's."""
        host = self.rng.choice(self.pools.hosts)
        local = self.rng.choice(self.pools.locals)
        reply = None
        if self.rng.random() < self.args.refused:
            reply = self.pools.reply(host, f"{local}@{host.domain}", m.sender_domain)
            if not self.format.is_final(reply):  # a deferred one would outlive the message
                reply = None
        self.later[number + QUEUE_DELAY - 1].append((False, False, m.to(host, local, reply)))

    def _due(self, h, number):
        text = ""
        for again, last, m in self.later.pop(number):
            if again:
                text += self.format.again(h, m)
            if m.reply is None:
                self.truth.delivered(m)
                text += self.format.sent(h, m)
                text += self.format.done(h, m) if last else ""
            else:
                text += self._refuse(h, number, m, last)
        return text

    def _refuse(self, h, number, m, last):
        """The line of a refusal; a deferred message is planned once more."""
        fmt = self.format
        final = fmt.is_final(m.reply)
        self.truth.refused(m, fmt.truth(m.reply), final, not self.worst, number)
        text = fmt.refused(h, m)
        if not final:
            self._plan_retry(number, m)
        elif last:
            text += fmt.done(h, m)
        return text

    def _plan_retry(self, number, m):
        reply = m.reply if self.rng.random() < 0.4 else None
        retry = m.to(m.host, m.rcpt.rpartition("@")[0], reply)
        retry.recipients = 1
        self.later[number + self.rng.choice(RETRY_DELAYS)].append((True, True, retry))

    def _worst_rounds(self):
        """Only refusals, each with a text of its own."""
        fmt = self.format
        for number, m in enumerate(self._messages()):
            m.reply = self.worst.reply()
            self.truth.refused(m, fmt.truth(m.reply), fmt.is_final(m.reply), False, number)
            yield number, fmt.refused(self.clock.head(number), m)


def size(text):
    """`64M`, `1G` (powers of 1000), `64Mi`, `1Gi` (powers of 1024) or plain bytes."""
    units = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "KI": 1 << 10, "MI": 1 << 20, "GI": 1 << 30}
    digits = text.rstrip("KMGikmgB")
    unit = text[len(digits):].rstrip("B").upper()
    try:
        return int(float(digits) * units[unit])
    except (ValueError, KeyError):
        raise argparse.ArgumentTypeError(f"{text!r} is no size; write for example 64M or 1G") from None


def share(text):
    """`3%` or `0.03`."""
    try:
        value = float(text.rstrip("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no share; write for example 3%")
    return value


def positive(text):
    """A whole number from 1."""
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1")
    return int(text)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("log", metavar="OUT.log", help="log to write")
    parser.add_argument("--truth", metavar="FILE", required=True, help="JSON file to write the truth to")
    parser.add_argument("--format", choices=sorted(FORMATS), default="postfix")
    parser.add_argument("--bytes", type=size, default=size("64M"), metavar="SIZE", help="about so long (default 64M)")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--refused", type=share, default=0.03, metavar="SHARE",
                        help="share of delivery lines that are not delivered (default 3%%)")
    parser.add_argument("--days", type=positive, default=7, metavar="N", help="about so many days (default 7)")
    parser.add_argument("--start", type=datetime.date.fromisoformat, default=datetime.date(2026, 3, 2), metavar="DATE",
                        help="first day (default 2026-03-02)")
    parser.add_argument("--hosts", type=positive, default=300, metavar="N",
                        help="unknown domains beside the known providers (default 300)")
    parser.add_argument("--worst", action="store_true", help="every line a refusal with a text of its own")
    return parser.parse_args()


def main():
    args = arguments()
    generator = Generator(args)
    try:
        with open(args.log, "wb") as out:
            last = generator.write(out)
        with open(args.truth, "w", encoding="ascii") as out:
            json.dump(generator.truth.as_json(args, generator.clock, last), out, indent=1)
            out.write("\n")
    except OSError as error:
        sys.exit(f"generate-log: cannot write {error.filename or args.log}: {error.strerror}")


if __name__ == "__main__":
    main()
