//! A small world: three ISPs, four causes, one filter.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use bouncesift::cause::{CauseId, Evidence, RuleId};
use bouncesift::isp::{FilterId, IspId};
use bouncesift::names::{AdviceText, BlocklistText, CauseText, Names};
use bouncesift::record::{Hop, Trust};
use bouncesift::report::views::ViewInput;
use bouncesift::rows::{Bounded, GroupIsp, RefusalKey, RefusalRow, Seen, TemplateRow, TrafficRow};
use bouncesift::smtp::{EnhancedStatus, ReplyCode};
use bouncesift::table::Table;
use bouncesift::table::csv::{self, CsvOptions};

pub const DAY: i32 = 20_779; // 2026-11-22
pub const MICROS: i64 = 20_779 * 86_400_000_000;

pub const UNCLASSIFIED: CauseId = CauseId(0);
pub const NOT_POLICY: CauseId = CauseId(1);
pub const SPF: CauseId = CauseId(2);
pub const LISTED: CauseId = CauseId(3);
pub const DENIED: CauseId = CauseId(4);

pub struct Double;

const ISPS: [(&str, &str, Option<&str>); 3] = [
    ("google", "Google", Some("https://support.google.com/a/answer/81126")),
    ("microsoft", "Microsoft", None),
    ("gmx", "GMX/WEB.DE", None),
];

impl Names for Double {
    fn isp<'a>(&'a self, isp: &'a GroupIsp) -> (Cow<'a, str>, Cow<'a, str>) {
        let (slug, name): (&str, &str) = match isp {
            GroupIsp::Known(IspId(i)) => (ISPS[usize::from(*i)].0, ISPS[usize::from(*i)].1),
            GroupIsp::Domain(domain) => (domain, domain),
            GroupIsp::AddressLiteral => ("address_literal", "address_literal"),
            GroupIsp::Unknown => ("unknown", "unknown"),
            GroupIsp::Other => ("other", "other"),
        };
        (Cow::Borrowed(slug), Cow::Borrowed(name))
    }

    fn filter(&self, _: FilterId) -> &str {
        "proofpoint"
    }

    fn cause(&self, cause: CauseId) -> CauseText<'_> {
        let (cause, category, is_policy) = match cause {
            UNCLASSIFIED => ("unclassified", "unclassified", false),
            NOT_POLICY => ("not_policy", "not_policy", false),
            SPF => ("spf_fail", "authentication", true),
            DENIED => ("access_denied", "policy", true),
            _ => ("ip_blocklisted", "reputation", true),
        };
        CauseText { cause, category, is_policy }
    }

    fn rule(&self, rule: RuleId) -> &str {
        ["generic-spf-01", "generic-list-01"][usize::from(rule.0)]
    }

    fn advice(&self, cause: CauseId, isp: &GroupIsp, blocklist: Option<&str>) -> AdviceText<'_> {
        let advice = match (cause, blocklist) {
            (SPF, _) => Some("Publish an SPF record that names the sending hosts"),
            (LISTED, Some("spamhaus")) => Some("Look the address up, then ask for removal"),
            _ => None,
        };
        let reference = if let GroupIsp::Known(IspId(i)) = isp { ISPS[usize::from(*i)].2 } else { None };
        AdviceText { advice, reference }
    }

    fn registered_meaning(&self, status: EnhancedStatus) -> Option<&str> {
        (status.subject == 7 && status.detail == 1).then_some("Delivery not authorized, message refused")
    }

    fn blocklist(&self, list: &str) -> Option<BlocklistText<'_>> {
        (list == "spamhaus").then_some(BlocklistText {
            scope: Some("public"),
            listed_kind: Some("ip"),
            lookup_url: Some("https://check.spamhaus.org/"),
        })
    }
}

pub fn isp(i: u16) -> GroupIsp {
    GroupIsp::Known(IspId(i))
}

/// A refusal at noon; `code` empty is none.
pub fn refusal(isp: GroupIsp, code: &str, cause: CauseId, attempts: u64, failed: u64) -> RefusalRow {
    let key = RefusalKey {
        log_date: Some(DAY),
        isp,
        hop: Hop::Remote,
        trust: Trust::Log,
        filter: None,
        reply_code: ReplyCode::new(550),
        status: EnhancedStatus::exact(code.as_bytes()),
        cause,
        rule: None,
        evidence: if cause == UNCLASSIFIED { Evidence::None } else { Evidence::Text },
        blocklist: Bounded::None,
        sender_domain: Bounded::Value(Arc::from("example.net")),
        sending_ip: Bounded::None,
        template: Bounded::Value(7),
    };
    let noon = MICROS + 43_200_000_000;
    RefusalRow { key, attempts, failed, code_conflicts: 0, seen: Some(Seen { first: noon, last: noon }) }
}

pub fn listed(isp: GroupIsp, attempts: u64, ip: &str) -> RefusalRow {
    let mut row = refusal(isp, "5.7.1", LISTED, attempts, attempts);
    row.key.blocklist = Bounded::Value(Arc::from("spamhaus"));
    row.key.sending_ip = Bounded::Value(ip.parse::<IpAddr>().unwrap());
    row
}

pub fn traffic(isp: GroupIsp, delivered: u64, deferred: u64, refused: u64, with_571: u64) -> TrafficRow {
    let refused_policy = with_571;
    TrafficRow { log_date: Some(DAY), isp, delivered, deferred, refused, refused_policy, refused_571: with_571 }
}

pub fn template(id: u64, text: &str, attempts: u64) -> TemplateRow {
    TemplateRow { id, text: Arc::from(text), attempts, example: None }
}

pub fn input<'a>(r: &'a [RefusalRow], t: &'a [TrafficRow], texts: &'a [TemplateRow]) -> ViewInput<'a> {
    ViewInput { refusals: r, traffic: t, templates: texts, bounces_only: false }
}

pub fn csv_of(table: &Table) -> String {
    csv_with(table, CsvOptions::default())
}

pub fn csv_with(table: &Table, options: CsvOptions) -> String {
    let mut out = Vec::new();
    csv::write(table, &mut out, "-".as_ref(), options).unwrap();
    String::from_utf8(out).unwrap()
}
