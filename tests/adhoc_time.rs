#![allow(warnings)]
use bouncesift::formats::{FORMATS, LineEvent, Parsed, syslog};
use bouncesift::provenance::{FileId, Provenance};
use std::hint::black_box;
use std::time::Instant;
fn time(name: &str, line: &str) {
    let line = line.as_bytes();
    let p = Provenance { file: FileId(0), len: 0, offset: 0 };
    let n = 30_000;
    let mut best = (f64::MAX, f64::MAX);
    for _ in 0..60 {
        let t = Instant::now();
        for _ in 0..n {
            {
                let frame = syslog::frame(black_box(line), p);
                black_box(&frame);
            }
        }
        let a = t.elapsed().as_nanos() as f64 / n as f64;
        let t = Instant::now();
        for _ in 0..n {
            let frame = syslog::frame(black_box(line), p);
            for f in FORMATS {
                if f.parse(&frame, &mut |e| {
                    black_box(&e);
                }) != Parsed::NotMine
                {
                    break;
                }
            }
        }
        let b = t.elapsed().as_nanos() as f64 / n as f64;
        best = (best.0.min(a), best.1.min(b));
    }
    println!("{name:24} {:4} bytes  frame {:5.1} ns  parse {:6.1} ns", line.len(), best.0, best.1 - best.0);
}
#[test]
fn timing() {
    let d = "Feb  8 05:36:57 mx1 postfix/smtp[12345]: ";
    time(
        "bounced",
        &format!(
            "{d}3Pt2mN2VXxznjll: to=<alice@example.com>, relay=mx.example.com[192.0.2.1]:25, delay=0.5, delays=0.1/0/0.2/0.2, dsn=5.7.1, status=bounced (host mx.example.com[192.0.2.1] said: 550 5.7.1 Message blocked, see https://example.com/why (in reply to RCPT TO command))"
        ),
    );
    time(
        "deferred greeting",
        &format!(
            "{d}3Pt2mN2VXxznjll: to=<alice@example.com>, relay=mx.example.com[192.0.2.1]:25, delay=0.5, delays=0.1/0/0.2/0.2, dsn=4.7.1, status=deferred (host mx.example.com[192.0.2.1] refused to talk to me: 554 5.7.1 Message blocked, see https://example.com/why)"
        ),
    );
    time(
        "sent",
        &format!(
            "{d}3Pt2mN2VXxznjll: to=<alice@example.com>, relay=mx.example.com[192.0.2.1]:25, delay=0.5, delays=0.1/0/0.2/0.2, dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as 4F2A31234)"
        ),
    );
    time(
        "qmgr from",
        "Feb  8 05:36:57 mx1 postfix/qmgr[12345]: 3Pt2mN2VXxznjll: from=<alice@example.com>, size=1234, nrcpt=1 (queue active)",
    );
    time("qmgr removed", "Feb  8 05:36:57 mx1 postfix/qmgr[12345]: 3Pt2mN2VXxznjll: removed");
    time(
        "cleanup",
        "Feb  8 05:36:57 mx1 postfix/cleanup[12345]: 3Pt2mN2VXxznjll: message-id=<20130610.12345@example.com>",
    );
    time("connect from", "Feb  8 05:36:57 mx1 postfix/smtpd[12345]: connect from client.example.org[192.0.2.7]");
    time("dovecot", "Feb  8 05:36:57 mx1 dovecot: imap-login: Login: user=<alice>, method=PLAIN, rip=192.0.2.7");
    time(
        "iso connect",
        "2025-07-24T08:50:26.640058+00:00 mx1 postfix/smtpd[12345]: connect from client.example.org[192.0.2.7]",
    );
    time(
        "reject",
        "Feb  8 05:36:57 mx1 postfix/smtpd[12345]: NOQUEUE: reject: RCPT from unknown[192.0.2.7]: 554 5.7.1 <a@example.com>: Relay access denied; from=<b@example.org> to=<a@example.com> proto=ESMTP helo=<x.example.org>",
    );
    time(
        "exim **",
        "2020-06-19 10:32:57 1jmKso-0009d4-Uf ** molly@example.com R=dnslookup T=remote_smtp H=mail.example.com [192.0.2.3] X=TLS1.2:ECDHE_RSA_AES_256_GCM_SHA384:256 CV=yes DN=\"C=US,CN=mail.example.com\": SMTP error from remote mail server after end of data: 554 5.2.0 Recipient Mailbox Full [504]",
    );
    time(
        "exim =>",
        "2020-06-19 10:32:57 1jmKso-0009d4-Uf => molly@example.com R=dnslookup T=remote_smtp H=mail.example.com [192.0.2.3] X=TLS1.2:ECDHE_RSA_AES_256_GCM_SHA384:256 CV=yes DN=\"C=US,CN=mail.example.com\" C=\"250 2.0.0 Ok: queued\"",
    );
    time("exim <=", "2020-06-19 10:32:57 1jmKso-0009d4-Uf <= alice@example.com H=(test) [192.0.2.3] P=smtp S=7983");
    time("exim Completed", "2020-06-19 10:32:57 1jmKso-0009d4-Uf Completed");
    time(
        "exim no MAIL",
        "2016-03-21 06:38:05 [5718] no MAIL in SMTP connection from www.example.jp [192.0.2.15]:28890 I=[192.0.2.6]:25 D=21s C=EHLO,STARTTLS",
    );
    time(
        "sendmail to",
        "Feb  8 05:36:57 mx1 sm-mta[6555]: n3KFZnc6006553: to=<xxx@example.com>, ctladdr=<www-data@example.org> (33/33), delay=00:00:02, xdelay=00:00:01, mailer=esmtp, pri=120314, relay=mx00.example.com. [192.0.2.169], dsn=4.0.0, stat=Deferred: 421 unable to verify sender domain",
    );
    time(
        "sendmail starttls",
        "Feb  8 05:36:57 mx1 sm-mta[6555]: STARTTLS=client, relay=whatever.example., version=TLSv1/SSLv3, verify=FAIL, cipher=AES256-SHA, bits=256/256",
    );
}
