"""Hand mails to an MTA.

    inject.py mails PLAN.json COMMAND...     every mail of the plan: by COMMAND -f SENDER RCPT..., or, those
                                             meant for the filter, by SMTP to 127.0.0.1:10587
    inject.py inbound MTA ADDRESS OUT.jsonl  play the clients of inbound.csv, write what our server answered
"""

import csv
import json
import smtplib
import subprocess
import sys
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent


def message(sender: str, rcpts: list[str], number: int) -> str:
    origin = sender or "mailer@example.com"
    return (
        f"From: <{origin}>\nTo: {', '.join(f'<{r}>' for r in rcpts)}\nSubject: Notice {number}\n"
        f"Message-ID: <notice.{number}.{zlib.crc32(origin.encode())}@mail.example.com>\n\nNotice {number}.\n"
    )


def send_mails(plan_path: str, command: list[str]) -> None:
    mails = json.loads(Path(plan_path).read_text(encoding="utf-8"))["mails"]

    def send(item: tuple[int, dict]) -> None:
        number, mail = item
        text = message(mail["sender"], mail["rcpts"], number)
        if mail["via"] == "filter":
            with smtplib.SMTP("127.0.0.1", 10587, local_hostname="app.example.com") as client:
                client.sendmail(mail["sender"], mail["rcpts"], text)
            return
        sender = mail["sender"] or "<>"
        done = subprocess.run(
            [*command, "-f", sender, *mail["rcpts"]], input=text.encode(), capture_output=True, check=False
        )
        # Where a delivery in the foreground fails, Exim ends with 2 and Sendmail with one of sysexits.h.
        if done.returncode not in (0, 2, *range(64, 79)):
            sys.exit(f"{command} {mail}: {done.returncode} {done.stderr.decode()}")

    with ThreadPoolExecutor(max_workers=4) as pool:
        list(pool.map(send, enumerate(mails, 1)))


def play_clients(mta: str, address: str, out: str) -> None:
    with open(HERE / "inbound.csv", newline="", encoding="utf-8") as table, open(out, "w", encoding="utf-8") as stream:
        for row in csv.DictReader(table):
            if row["mta"] != mta:
                continue
            client = smtplib.SMTP(local_hostname=row["helo"], source_address=(row["client"], 0))
            client.connect(address, 25)
            client.ehlo()
            for _ in range(int(row["repeat"])):
                code, text = client.mail(row["from"])
                if code < 400:
                    code, text = client.docmd("RCPT", f"TO:<{row['to']}>")
                client.rset()
                stream.write(json.dumps({**row, "said": f"{code} {text.decode()}"}) + "\n")
            client.quit()


def main() -> None:
    if sys.argv[1] == "mails":
        send_mails(sys.argv[2], sys.argv[3:])
    else:
        play_clients(*sys.argv[2:5])


if __name__ == "__main__":
    main()
