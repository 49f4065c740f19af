"""The world outside: a name server and one SMTP server for each mail exchanger, all of them stubs.

    stub.py PLAN.json[,PLAN.json...] TRANSCRIPT.jsonl READY

Answers come from the plan; each one given to a recipient is written to the transcript. Nothing is relayed.
"""

import json
import re
import socket
import socketserver
import struct
import sys
import threading
from pathlib import Path

from table import OUR_IP, OUR_NAME

# Clients of the inbound recordings (inbound.csv): their names, and who is on the blocklist.
CLIENTS = {"198.51.100.20": "client20.example.net", "198.51.100.30": "mail.partner.example.org"}
LISTED = {"198.51.100.66", "198.51.100.67"}
BLOCKLIST = "dnsbl.example.net"

A, NS, PTR, MX, TXT = 1, 2, 12, 15, 16


class Names:
    """What the name server knows."""

    def __init__(self, plan: dict) -> None:
        self.records: dict[tuple[str, int], list[bytes]] = {}
        for host, address in plan["hosts"].items():
            self.add(host, A, socket.inet_aton(address))
            self.add(reverse(address), PTR, encode_name(host))
        for domain, hosts in plan["mx"].items():
            for rank, host in enumerate(hosts):
                self.add(domain, MX, struct.pack("!H", 10 * (rank + 1)) + encode_name(host))
        for address, name in {OUR_IP: OUR_NAME, **CLIENTS}.items():
            self.add(name, A, socket.inet_aton(address))
            self.add(reverse(address), PTR, encode_name(name))
        for domain in ("example.com", "example.net", "example.org", "news.example.com", "billing.example.net"):
            self.add(domain, MX, struct.pack("!H", 10) + encode_name(OUR_NAME))
        self.add("localhost", A, socket.inet_aton("127.0.0.1"))
        for address in LISTED:
            listed = reverse(address).replace("in-addr.arpa", BLOCKLIST)
            self.add(listed, A, socket.inet_aton("127.0.0.2"))
            text = f"Listed, see https://{BLOCKLIST}/query?ip={address}".encode()
            self.add(listed, TXT, bytes([len(text)]) + text)

    def add(self, name: str, kind: int, data: bytes) -> None:
        self.records.setdefault((name.lower(), kind), []).append(data)

    def answer(self, query: bytes) -> bytes:
        ident, flags, questions = struct.unpack("!HHH", query[:6])
        name, end = decode_name(query, 12)
        kind = struct.unpack("!H", query[end:end + 2])[0]
        found = self.records.get((name, kind), [])
        known = any(key[0] == name for key in self.records)
        rcode = 0 if known else 3
        head = struct.pack("!HHHHHH", ident, 0x8580 | (flags & 0x0100) | rcode, questions, len(found), 0, 0)
        body = query[12:end + 4]
        for data in found:
            body += struct.pack("!HHHIH", 0xC00C, kind, 1, 3600, len(data)) + data
        return head + body


def reverse(address: str) -> str:
    return ".".join(reversed(address.split("."))) + ".in-addr.arpa"


def encode_name(name: str) -> bytes:
    return b"".join(bytes([len(part)]) + part.encode() for part in name.split(".")) + b"\0"


def decode_name(data: bytes, at: int) -> tuple[str, int]:
    parts = []
    while data[at]:
        parts.append(data[at + 1:at + 1 + data[at]].decode("latin-1"))
        at += 1 + data[at]
    return ".".join(parts).lower(), at + 1


def serve_names(names: Names) -> None:
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 53))
    while True:
        query, peer = server.recvfrom(4096)
        server.sendto(names.answer(query), peer)


class Transcript:
    def __init__(self, path: str) -> None:
        self.stream = open(path, "w", encoding="utf-8")
        self.lock = threading.Lock()
        self.tries: dict[str, int] = {}

    def note(self, **fact: object) -> None:
        with self.lock:
            self.stream.write(json.dumps(fact) + "\n")
            self.stream.flush()

    def try_number(self, rcpt: str) -> int:
        with self.lock:
            self.tries[rcpt] = self.tries.get(rcpt, 0) + 1
            return self.tries[rcpt]


class Session(socketserver.StreamRequestHandler):
    """One SMTP session with one of the hosts."""

    server: "Host"
    timeout = 60

    def say(self, reply: str) -> None:
        self.wfile.write(reply.replace("\n", "\r\n").encode() + b"\r\n")
        self.wfile.flush()

    def handle(self) -> None:
        try:
            self.converse()
        except (ConnectionError, TimeoutError):
            pass

    def converse(self) -> None:
        host, plan = self.server.host, self.server.plan
        greeting = plan["greetings"].get(host, {})
        if greeting.get("stage") == "connect":
            self.server.transcript.note(host=host, stage="connect", reply=greeting["reply"])
            self.say(greeting["reply"])
            self.rfile.readline()
            return
        self.say(f"220 {host} ESMTP")
        self.sender, self.failed, self.accepted = "", "", []
        while line := self.rfile.readline():
            command = line.decode("latin-1").strip()
            verb = command[:4].upper()
            if verb in ("EHLO", "HELO") and greeting.get("stage") == "ehlo":
                self.say(greeting["reply"])
            elif verb == "EHLO":
                self.say(f"250-{host}\n250-PIPELINING\n250-SIZE 36700160\n250-8BITMIME\n250 ENHANCEDSTATUSCODES")
            elif verb == "MAIL":
                self.mail(address_of(command))
            elif verb == "RCPT":
                self.rcpt(address_of(command))
            elif verb == "DATA":
                self.data()
            elif verb == "QUIT":
                self.say("221 2.0.0 Bye")
                return
            elif verb in ("RSET", "HELO", "NOOP"):
                self.sender, self.failed, self.accepted = "", "", []
                self.say("250 2.0.0 Ok")
            else:
                self.say("502 5.5.2 Error: command not recognized")
            if self.failed.startswith("421"):
                self.connection_ends()
                return

    def connection_ends(self) -> None:
        """After 421 the server hangs up; what was pipelined is read and thrown away."""
        self.connection.shutdown(socket.SHUT_WR)
        self.connection.settimeout(2)
        while self.rfile.readline():
            pass

    def note(self, rcpt: str, stage: str, reply: str) -> None:
        self.server.transcript.note(host=self.server.host, stage=stage, rcpt=rcpt, sender=self.sender, reply=reply)

    def mail(self, sender: str) -> None:
        self.sender, self.failed, self.accepted = sender, "", []
        rcpt = self.server.plan["mail_answers"].get(sender)
        if rcpt is None:
            self.say("250 2.1.0 Ok")
            return
        reply = self.server.plan["answers"][rcpt]["reply"]
        self.note(rcpt, "mail", reply)
        self.failed = reply
        self.say(reply)

    def rcpt(self, rcpt: str) -> None:
        if self.failed:
            self.say("503 5.5.1 Error: need MAIL command")
            return
        answer = self.server.plan["answers"].get(rcpt)
        if answer is None:
            self.server.transcript.note(host=self.server.host, stage="unplanned", rcpt=rcpt, reply="550")
            self.say("550 5.1.1 not in the plan")
            return
        if answer["stage"] == "drop":
            self.note(rcpt, "drop", "")
            self.failed = "421"
            return
        if answer["stage"] == "rcpt":
            number = self.server.transcript.try_number(rcpt)
            if not answer["times"] or number <= answer["times"]:
                self.note(rcpt, "rcpt", answer["reply"])
                self.say(answer["reply"])
                if answer["reply"].startswith("421"):
                    self.failed = answer["reply"]
                return
        self.accepted.append(rcpt)
        self.say("250 2.1.5 Ok")

    def data(self) -> None:
        if self.failed or not self.accepted:
            self.say("554 5.5.1 Error: no valid recipients")
            return
        answers = {rcpt: self.server.plan["answers"][rcpt] for rcpt in self.accepted}
        first = answers[self.accepted[0]]
        if first["stage"] == "data":
            self.note(self.accepted[0], "data", first["reply"])
            self.say(first["reply"])
            return
        self.say("354 End data with <CR><LF>.<CR><LF>")
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            pass
        reply = first["reply"] if first["stage"] == "eod" else first["then"]
        for rcpt in self.accepted:
            self.note(rcpt, "eod", reply)
        self.accepted = []
        if reply.startswith("421"):
            self.failed = reply
        self.say(reply)


def address_of(command: str) -> str:
    found = re.search(r"<(.*)>", command)
    return found.group(1) if found else ""


class Host(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, host: str, address: str, plan: dict, transcript: Transcript) -> None:
        self.host, self.plan, self.transcript = host, plan, transcript
        super().__init__((address, 25), Session)


def main() -> None:
    plan_paths, transcript_path, ready = sys.argv[1:4]
    plan: dict = {}
    for path in plan_paths.split(","):
        part = json.loads(Path(path).read_text(encoding="utf-8"))
        for name, value in part.items():
            plan[name] = {**plan.get(name, {}), **value} if isinstance(value, dict) else value
    transcript = Transcript(transcript_path)
    threading.Thread(target=serve_names, args=(Names(plan),), daemon=True).start()
    threads = []
    for host, address in plan["hosts"].items():
        if host in plan["refused"]:
            continue
        thread = threading.Thread(target=Host(host, address, plan, transcript).serve_forever, daemon=True)
        thread.start()
        threads.append(thread)
    Path(ready).touch()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
