//! The directory of ISPs and filter vendors: tables, ladder, hostile names, and the corpus where it is at hand.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::expect_used, clippy::panic, reason = "tests")]

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::LazyLock;

use bouncesift::isp::{Attribution, Clues, Directory, Isp, IspBasis, Table};

static DIRECTORY: LazyLock<Directory> = LazyLock::new(Directory::builtin);

fn ask(host: &str, recipient: &str, text: &str) -> Attribution {
    let some = |value: &'static [u8]| (!value.is_empty()).then_some(value);
    let leak = |value: &str| some(Box::leak(value.as_bytes().to_vec().into_boxed_slice()));
    DIRECTORY.attribute(&Clues {
        remote_mta: leak(host),
        remote_ip: None,
        recipient_domain: leak(recipient),
        text: leak(text),
    })
}

fn shown(answer: &Attribution) -> String {
    match &answer.isp {
        Isp::Known(id) => DIRECTORY.isp(*id).slug.clone(),
        Isp::Domain(domain) => format!("={domain}"),
        Isp::AddressLiteral => "(literal)".to_owned(),
        Isp::Unknown => "(unknown)".to_owned(),
    }
}

fn isp(host: &str, recipient: &str, text: &str) -> String {
    shown(&ask(host, recipient, text))
}

fn filter(host: &str, recipient: &str, text: &str) -> String {
    ask(host, recipient, text).filter.map_or(String::new(), |id| DIRECTORY.filter(id).slug.clone())
}

#[test]
fn each_sample_selects_its_own_row() {
    assert!(DIRECTORY.len() > 200);
    for (_, row) in DIRECTORY.isps() {
        let got = match row.sample.split_once(':').unwrap() {
            ("host", host) => isp(host, "", ""),
            ("recipient", domain) => isp("", domain, ""),
            ("text", text) => isp("", "", text),
            other => panic!("{}: sample {other:?}", row.slug),
        };
        assert_eq!(got, row.slug);
        assert!(!row.source.is_empty(), "{}", row.slug);
    }
    for (_, row) in DIRECTORY.filters() {
        let got = match row.sample.split_once(':').unwrap() {
            ("host", host) => filter(host, "", ""),
            ("text", text) => filter("", "", text),
            other => panic!("{}: sample {other:?}", row.slug),
        };
        assert_eq!(got, row.slug);
        assert!(!row.source.is_empty(), "{}", row.slug);
    }
}

#[test]
fn each_suffix_and_domain_selects_its_own_row() {
    for (_, row) in DIRECTORY.isps() {
        for suffix in &row.mx_suffixes {
            assert_eq!(isp(suffix, "", ""), row.slug, "{suffix}");
            assert_eq!(isp(&format!("MX7.{suffix}."), "gmail.com", ""), row.slug, "{suffix}");
        }
        for domain in &row.recipient_domains {
            assert_eq!(isp("", domain, ""), row.slug, "{domain}");
        }
    }
}

#[test]
fn each_signature_is_found() {
    let digits = |signature: &str| signature.replace('#', "4").replace('*', "77");
    for (_, row) in DIRECTORY.isps() {
        for signature in &row.text_signatures {
            assert_eq!(isp("", "", &format!("550 5.7.1 sorry, {} x", digits(signature))), row.slug, "{signature}");
        }
    }
    for (_, row) in DIRECTORY.filters() {
        for signature in &row.text_signatures {
            assert_eq!(filter("", "", &format!("550 5.7.1 sorry, {} x", digits(signature))), row.slug, "{signature}");
        }
    }
}

#[test]
fn the_ladder_in_its_order() {
    let said = |host: &str, recipient: &str, text: &str| {
        let answer = ask(host, recipient, text);
        (shown(&answer), answer.basis)
    };
    let gsmtp = "550-5.7.1 unsolicited mail - gsmtp";
    let pair = |slug: &str, basis| (slug.to_owned(), basis);
    assert_eq!(said("aspmx.l.google.com", "orange.fr", "OFR_506"), pair("google", IspBasis::RemoteHost));
    assert_eq!(said("mx.filter.example.co.uk", "gmail.com", gsmtp), pair("=example.co.uk", IspBasis::RemoteHostDomain));
    for host in ["", "192.0.2.1", "[192.0.2.1]", "unknown", "none", "localhost", "local", "[IPv6:2001:db8::1]"] {
        assert_eq!(said(host, "GMail.com.", "OFR_506"), pair("google", IspBasis::RecipientDomain), "{host}");
        assert_eq!(said(host, "example.org", gsmtp), pair("google", IspBasis::Text), "{host}");
        assert_eq!(
            said(host, "mail.example.org", "550 no"),
            pair("=example.org", IspBasis::RecipientRegistrableDomain)
        );
        assert_eq!(said(host, "[192.0.2.1]", "550 no"), pair("(literal)", IspBasis::None), "{host}");
    }
    assert_eq!(said("192.0.2.1", "", "550 no"), pair("(literal)", IspBasis::None));
    assert_eq!(said("", "", "550 no"), pair("(unknown)", IspBasis::None));
    assert_eq!(said("", "cfl.rr.com", ""), pair("charter", IspBasis::RecipientDomain));
    let address_only = Clues { remote_ip: Some(b"192.0.2.1"), ..Clues::default() };
    assert_eq!(DIRECTORY.attribute(&address_only).isp, Isp::AddressLiteral);
}

#[test]
fn filter_vendor_is_a_second_answer() {
    assert_eq!(isp("smtp-in.sfr.fr", "sfr.fr", "550 rejected, see vadesecure.com"), "sfr");
    assert_eq!(filter("smtp-in.sfr.fr", "sfr.fr", "550 rejected, see vadesecure.com"), "vade");
    assert_eq!(filter("smtp-in.sfr.fr", "sfr.fr", "550 rejected"), "");
    assert_eq!(isp("cxr.mx.a.cloudfilter.net", "cox.net", ""), "cox");
    assert_eq!(filter("cxr.mx.a.cloudfilter.net", "cox.net", ""), "cloudmark");
    assert_eq!(isp("mx.a.cloudfilter.net", "example.net", ""), "cloudmark");
    assert_eq!(isp("eu-smtp-inbound-1.mimecast.com", "example.net", ""), "mimecast");
    assert_eq!(filter("eu-smtp-inbound-1.mimecast.com", "example.net", ""), "mimecast");
    assert_eq!(filter("mx01.mail.icloud.com", "me.com", "550 see https://support.proofpoint.com/dnsbl"), "proofpoint");
    assert_eq!(filter("", "", "554 5.7.1 blocked using zen.spamhaus.org"), "");
}

#[test]
fn the_text_names_a_speaker_only_where_one_speaks() {
    for (text, want) in [
        ("host mx01.emig.gmx.net[212.227.17.5] refused to talk to me: 554-gmx.net", "gmx"),
        ("host mx.small.example.org[192.0.2.1] said: 550 5.7.1 see https://support.google.com/mail", "=example.org"),
        ("host 192.0.2.1[192.0.2.1] said: 550 5.7.1 x - gsmtp", "google"),
        ("554-mail.com (mxgmxus002) Nemesis ESMTP, see http://postmaster.gmx.com/en", "mail-com"),
        ("421 4.4.2 mail.yandex.net Error: timeout exceeded", "yandex"),
        ("553 Relaying disallowed,mx.zoho.com", "zoho"),
        ("550 Mailbox is frozen. See http://mail.i.ua/err/3/", "i-ua"),
        ("550 <user@orange.fr>: user unknown", "orange-fr"),
        ("550 5.7.1 <user@hotmail.it>: Relay access denied", "(unknown)"),
        ("550 5.7.1 Email rejected per DMARC policy for zoho.com", "(unknown)"),
        ("550 Client host [mail-lf1.google.com] blocked using x.example", "(unknown)"),
        ("550 5.7.1 mail-lf1.google.com is listed at x.example", "(unknown)"),
        ("550 5.7.1 mail-lf1.google.com[192.0.2.1] refused", "(unknown)"),
        ("554 5.7.1 <a8-95.smtp-out.amazonses.com[192.0.2.1]>: Client host rejected", "(unknown)"),
        ("550 see http://www.barracudanetworks.com/reputation/", "(unknown)"),
        ("550 x@mx.google.com", "(unknown)"),
        ("550 notgmail.com mx.google.com.evil.example evilgoogle.com", "(unknown)"),
        ("550 mx.google.com.evil.example", "(unknown)"),
        ("550 https://mx.google.com.evil.example/ http://evilgoogle.com/ notgsmtp", "(unknown)"),
        ("host mx.google.com.evil.example[192.0.2.1] said: no", "=evil.example"),
    ] {
        assert_eq!(isp("", "", text), want, "{text}");
    }
    assert_eq!(isp("", "example.org", "550 <user@orange.fr>: user unknown"), "=example.org");
}

#[test]
fn look_alikes_and_odd_names() {
    for (host, want) in [
        ("mx.google.com.evil.example", "=evil.example"),
        ("evilgoogle.com", "=evilgoogle.com"),
        ("notgmail.com", "=notgmail.com"),
        ("MX.GOOGLE.COM.", "google"),
        ("google.com", "google"),
        ("mx。google。com", "google"),
        ("gооgle.com", "=xn--ggle-55da.com"),
        ("mx.xn--ggle-55da.com", "=xn--ggle-55da.com"),
        ("mx.пример.рф", "=xn--e1afmkfd.xn--p1ai"),
        ("mx.xn--e1afmkfd.xn--p1ai", "=xn--e1afmkfd.xn--p1ai"),
        ("mx.example.公司.cn", "=example.xn--55qx5d.cn"),
        ("mailhost", "=mailhost"),
        ("mx1.office.local", "=office.local"),
        ("office.lan", "=office.lan"),
        ("a.b.internal", "=b.internal"),
        ("co.uk", "=co.uk"),
        ("com", "=com"),
        ("a..google.com", "(unknown)"),
        (".google.com", "(unknown)"),
        ("x@google.com", "(unknown)"),
        ("@", "(unknown)"),
        ("google.com\0.example", "(unknown)"),
        ("\u{fffd}.google.com", "(unknown)"),
        ("/var/run/dovecot/lmtp", "(unknown)"),
    ] {
        assert_eq!(isp(host, "", ""), want, "{host}");
    }
    let long_label = format!("{}.google.com", "a".repeat(300));
    let long_name = format!("{}google.com", "abcdefgh.".repeat(30));
    let many_labels = format!("{}google.com", "a.".repeat(100));
    assert_eq!(isp(&long_label, "gmail.com", ""), "(unknown)");
    assert_eq!(isp(&long_name, "gmail.com", ""), "(unknown)");
    assert_eq!(isp(&many_labels, "", ""), "google");
    for (recipient, want) in [
        ("\"a@b\"@gmail.com", "google"),
        ("@", "(unknown)"),
        ("[192.0.2.1]", "(literal)"),
        ("[IPv6:2001:db8::1]", "(literal)"),
        ("BÜCHER.example", "=xn--bcher-kva.example"),
        ("gmail.com.evil.example", "=evil.example"),
        ("a b.example", "(unknown)"),
    ] {
        assert_eq!(isp("", recipient, ""), want, "{recipient}");
    }
    let broken =
        Clues { remote_mta: Some(b"mx.goo\xffgle.com"), recipient_domain: Some(b"gmail.com"), ..Clues::default() };
    assert_eq!(DIRECTORY.attribute(&broken).isp, Isp::Unknown);
    let broken =
        Clues { recipient_domain: Some(b"\xff\xfe"), text: Some(b"\xff\xfe@\xff gsmtp\xff"), ..Clues::default() };
    assert_eq!(DIRECTORY.attribute(&broken).basis, IspBasis::Text);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn any_bytes_give_a_clean_answer(
        host in proptest::option::of(proptest::collection::vec(proptest::num::u8::ANY, 0..300)),
        recipient in proptest::option::of("[a-zA-Z0-9.@\\[\\]:%_\\-äж。\u{fffd}]{0,80}"),
        text in proptest::option::of("(host |550 |[a-z]{1,6}[.]|google.com|@|\\[|http://|- |[ -~]|ß){0,40}"),
    ) {
        let answer = DIRECTORY.attribute(&Clues {
            remote_mta: host.as_deref(),
            remote_ip: None,
            recipient_domain: recipient.as_deref().map(str::as_bytes),
            text: text.as_deref().map(str::as_bytes),
        });
        if let Isp::Domain(domain) = &answer.isp {
            assert!(domain.len() <= 253 && !domain.is_empty());
            assert!(domain.split('.').all(|label| (1..=63).contains(&label.len())));
            assert!(domain.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.".contains(&b)));
        }
    }
}

const HEADER: &str = "slug,name,kind,country,mx_suffixes,recipient_domains,text_signatures,postmaster_url,delisting_url,\
                      contact,sample,source\n";

fn load(rows: &[(&str, &str)]) -> Result<Directory, String> {
    let texts: Vec<String> = rows.iter().map(|(_, rows)| format!("{HEADER}{rows}")).collect();
    let mut tables: Vec<Table<'_>> = rows.iter().zip(&texts).map(|((name, _), csv)| Table { name, csv }).collect();
    tables.push(Directory::builtin_isps());
    Directory::from_tables(&tables, &[Directory::builtin_filters()]).map_err(|error| error.to_string())
}

#[test]
fn broken_tables_are_told_with_their_line() {
    for (rows, want) in [
        (
            "a,A,isp,,a.example,,,,,,host:a.example,own\nb,B,isp,,a.example,,,,,,host:b,own\n",
            "own.csv:3: `a.example` stands already on line 2",
        ),
        (
            "a,A,isp,,a.example,,,,,,host:a.example,own\na,B,isp,,b.example,,,,,,host:b,own\n",
            "own.csv:3: `a` stands already on line 2",
        ),
        ("a,A,isp,,,,X9;x9,,,,text:X9,own\n", "own.csv:2: `x9` stands already on line 2"),
        ("a,A,isp,,a.example,,,,,,host:a.example,\n", "own.csv:2: `a` needs a sample and a source"),
        ("A b,A,isp,,a.example,,,,,,host:a.example,own\n", "own.csv:2: `A b` is no slug"),
        ("a,A,isp,,.a.example,,,,,,host:a.example,own\n", "own.csv:2: `.a.example` is not a domain name"),
        ("a,A,isp,,A.example,,,,,,host:a.example,own\n", "own.csv:2: `A.example` is not a domain name"),
        ("a,A,isp,,,,#,,,,text:1,own\n", "own.csv:2: signature `#`"),
        ("a,A,bank,,a.example,,,,,,host:a.example,own\n", "own.csv:2: "),
        ("a,A,isp\n", "own.csv:2: "),
    ] {
        let error = load(&[("own.csv", rows)]).err().unwrap_or_default();
        assert!(error.starts_with(want), "{rows} gave: {error}");
    }
    let headless = Table { name: "x.csv", csv: "slug,nope\na,b\n" };
    assert!(Directory::from_tables(&[headless], &[]).is_err());
    assert!(Directory::from_tables(&[Table { name: "x.csv", csv: "" }], &[]).unwrap().is_empty());
}

#[test]
fn own_tables_are_asked_first_and_add_to_known_rows() {
    let own = "ours,Our group,hosting,,mx.google.com;mx.example,ours.example,,,,,host:mx.example,own\n\
               google,Google,mailbox_provider,,relay.example,,,,,,host:relay.example,own\n";
    let directory = load(&[("own.csv", own)]).unwrap();
    let slug = |host: &[u8]| match directory.attribute(&Clues { remote_mta: Some(host), ..Clues::default() }).isp {
        Isp::Known(id) => directory.isp(id).slug.clone(),
        other => format!("{other:?}"),
    };
    assert_eq!(directory.len(), DIRECTORY.len() + 1);
    assert_eq!(slug(b"a.mx.google.com"), "ours");
    assert_eq!(slug(b"aspmx.l.google.com"), "google");
    assert_eq!(slug(b"relay.example"), "google");
    assert!(directory.isp(directory.isp_by_slug("google").unwrap()).delisting_url.is_some());
}

/// Run with `--release -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement"]
fn speed() {
    let time = |what: &str, clues: &[Clues<'_>], want: &str| {
        assert_eq!(shown(&DIRECTORY.attribute(&clues[0])), want);
        let rounds = 300_000;
        let start = std::time::Instant::now();
        for round in 0..rounds {
            std::hint::black_box(DIRECTORY.attribute(std::hint::black_box(&clues[round % clues.len()])));
        }
        println!("{what}: {:.0} ns", start.elapsed().as_nanos() as f64 / rounds as f64);
    };
    let start = std::time::Instant::now();
    std::hint::black_box(ask("", "", "550 no"));
    println!("first text: {:?}", start.elapsed());
    let host = |host: &'static str| Clues { remote_mta: Some(host.as_bytes()), ..Clues::default() };
    let known =
        [host("gmail-smtp-in.l.google.com"), host("orange-fr.mail.protection.outlook.com"), host("mx00.t-online.de")];
    time("known host", &known, "google");
    time("unknown host", &[host("mx1.mail.example.co.uk"), host("mail.small.example.org")], "=example.co.uk");
    time("unknown host below a long list", &[host("mx1.mail.shop.kawasaki.jp")], "=mail.shop.kawasaki.jp");
    time("non-ASCII host", &[host("mx.bücher.example")], "=xn--bcher-kva.example");
    let recipient = Clues { recipient_domain: Some(b"gmail.com"), ..Clues::default() };
    time("recipient", &[recipient], "google");
    let text = b"550-5.7.1 [192.0.2.1 12] Our system has detected that this message is likely unsolicited mail. To reduce the \
                 amount of spam sent to Gmail, this message has been blocked. Please visit https://support.google.com/mail";
    time("text of 210 bytes", &[Clues { text: Some(text), ..Clues::default() }], "google");
    time("known host and that text", &[Clues { text: Some(text), ..known[0] }], "google");
}

fn corpus(path: &str) -> Option<Vec<HashMap<String, String>>> {
    let root = std::env::var_os("BOUNCESIFT_SHARED")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from);
    let Ok(mut reader) = csv::Reader::from_path(root.join("corpus").join(path)) else {
        println!("skipped: no corpus");
        return None;
    };
    Some(reader.deserialize().map(Result::unwrap).collect())
}

#[test]
fn the_catalogue_is_all_there() {
    let Some(rows) = corpus("providers/providers.csv") else { return };
    let mut suffixes = 0;
    for row in &rows {
        for suffix in row["mx_suffixes"].split(';').filter(|suffix| !suffix.is_empty()) {
            assert_eq!(isp(&format!("mx1.{suffix}"), "", ""), row["slug"], "{suffix}");
            suffixes += 1;
        }
        for domain in row["recipient_domains"].split(';').filter(|domain| !domain.is_empty()) {
            assert_eq!(isp("", domain, ""), row["slug"], "{domain}");
        }
    }
    assert!(suffixes > 250);
}

#[test]
fn labelled_replies_by_text_alone() {
    let Some(rows) = corpus("diagnostics/dev.csv") else { return };
    let (mut labelled, mut right, mut wrong, mut unlabelled, mut false_positives) = (0, 0, 0, 0, 0);
    let (mut vendors, mut vendors_right, mut vendors_false) = (0, 0, 0);
    for row in &rows {
        let answer = ask("", "", &row["text"]);
        let got = shown(&answer);
        let is_known = matches!(answer.isp, Isp::Known(_));
        if row["isp"].is_empty() {
            unlabelled += 1;
            false_positives += usize::from(is_known);
        } else {
            labelled += 1;
            right += usize::from(got == row["isp"]);
            wrong += usize::from(is_known && got != row["isp"]);
        }
        if got != row["isp"] && (is_known || !row["isp"].is_empty()) {
            println!("{} want {:?} got {got}: {:.140}", row["id"], row["isp"], row["text"]);
        }
        let vendor = answer.filter.map_or("", |id| DIRECTORY.filter(id).slug.as_str());
        vendors += usize::from(!row["filter_vendor"].is_empty());
        vendors_right += usize::from(!row["filter_vendor"].is_empty() && vendor == row["filter_vendor"]);
        vendors_false += usize::from(vendor != row["filter_vendor"] && !vendor.is_empty());
        if vendor != row["filter_vendor"] {
            println!("{} want filter {:?} got {vendor}: {:.140}", row["id"], row["filter_vendor"], row["text"]);
        }
    }
    println!("isp: {right} of {labelled} right, {wrong} wrong; {false_positives} of {unlabelled} unlabelled given one");
    println!("filter: {vendors_right} of {vendors} right, {vendors_false} given wrongly");
    assert!(right * 100 >= labelled * 98 && wrong == 0);
    assert!(false_positives * 100 < unlabelled * 2);
    assert!(vendors_right * 100 >= vendors * 90 && vendors_false <= 3);
}

#[test]
fn hosts_of_the_sample_logs() {
    let Some(rows) = corpus("logs/expected.csv") else { return };
    let mut hosts = BTreeMap::new();
    for row in &rows {
        *hosts.entry((isp(&row["remote_host"], "", ""), row["remote_host"].clone())).or_insert(0) += 1;
    }
    for ((isp, host), count) in &hosts {
        println!("{count:4} {isp:30} {host}");
    }
    assert!(hosts.keys().any(|(isp, _)| isp == "google"));
}
