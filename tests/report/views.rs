use std::sync::Arc;

use bouncesift::cause::Evidence;
use bouncesift::isp::FilterId;
use bouncesift::record::Hop;
use bouncesift::report::refused_by_us;
use bouncesift::report::views;
use bouncesift::rows::{Bounded, GroupIsp, Seen};
use bouncesift::table::Table;

use super::double::*;

fn lines(table: &Table) -> Vec<String> {
    csv_of(table).lines().map(str::to_string).collect()
}

#[test]
fn causes_golden() {
    let mut deferred = refusal(isp(0), "5.7.1", SPF, 3, 0);
    deferred.key.template = Bounded::Value(8);
    deferred.key.evidence = Evidence::Token;
    deferred.seen = Some(Seen { first: MICROS, last: MICROS + 1 });
    let mut undated = refusal(isp(0), "", SPF, 2, 2);
    undated.key.log_date = None;
    undated.seen = None;
    undated.key.filter = Some(FilterId(0));
    undated.key.reply_code = None;
    undated.key.template = Bounded::Other;
    let mut inbound = refusal(isp(0), "5.7.1", SPF, 1000, 0);
    inbound.key.hop = Hop::Inbound;
    let refusals = [
        refusal(isp(0), "5.7.1", SPF, 7, 7),
        deferred,
        refusal(GroupIsp::Domain(Arc::from("example.org")), "5.7.1", UNCLASSIFIED, 1, 1),
        refusal(isp(0), "5.1.1", NOT_POLICY, 50, 50),
        listed(isp(1), 4, "192.0.2.7"),
        undated,
        inbound,
    ];
    let traffic = [traffic(isp(0), 80, 3, 17, 10), traffic(isp(1), 0, 0, 4, 4)];
    let templates = [template(7, "550 5.7.1 SPF check failed for <domain>", 12), template(8, "550 5.7.1 no SPF", 3)];
    let table = views::causes_by_isp(input(&refusals, &traffic, &templates), &Double).unwrap();
    let expected = "\
log_date,isp,isp_name,filter_vendor,reply_code,enhanced_status_code,status_class,status_subject,status_detail,\
category,cause,blocklist,attempts,failed_recipients,isp_attempts,rate,rate_low,rate_high,first_seen,last_seen,\
evidence,advice,reference,example
,google,Google,proofpoint,,,,,,authentication,spf_fail,,2,2,,,,,,,text,\
Publish an SPF record that names the sending hosts,https://support.google.com/a/answer/81126,
2026-11-22,example.org,example.org,,550,5.7.1,5,7,1,unclassified,unclassified,,1,1,,,,,\
2026-11-22T12:00:00.000000Z,2026-11-22T12:00:00.000000Z,none,,,550 5.7.1 SPF check failed for <domain>
2026-11-22,google,Google,,550,5.7.1,5,7,1,authentication,spf_fail,,10,7,100,0.1,0.055229137,0.174365662,\
2026-11-22T00:00:00.000000Z,2026-11-22T12:00:00.000000Z,token,\
Publish an SPF record that names the sending hosts,https://support.google.com/a/answer/81126,\
550 5.7.1 SPF check failed for <domain>
2026-11-22,microsoft,Microsoft,,550,5.7.1,5,7,1,reputation,ip_blocklisted,spamhaus,4,4,4,1,0.510109164,1,\
2026-11-22T12:00:00.000000Z,2026-11-22T12:00:00.000000Z,text,\
\"Look the address up, then ask for removal\",,550 5.7.1 SPF check failed for <domain>
";
    assert_eq!(csv_of(&table), expected);
    assert_eq!(refused_by_us(&refusals), 1000);
}

#[test]
fn bounces_have_no_denominator() {
    let refusals = [refusal(isp(0), "5.7.1", SPF, 7, 7)];
    let traffic = [traffic(isp(0), 0, 0, 7, 7)];
    let mut input = input(&refusals, &traffic, &[]);
    input.bounces_only = true;
    let causes = views::causes_by_isp(input, &Double).unwrap();
    assert!(lines(&causes)[1].contains(",7,7,,,,,2026-11-22T12"));
    let by_isp = views::traffic_by_isp(input, &Double).unwrap();
    assert!(lines(&by_isp)[1].ends_with(",7,0,0,7,7,7,,,"));
}

#[test]
fn codes_golden() {
    let mut conflict = refusal(isp(0), "4.7.0", UNCLASSIFIED, 5, 0);
    conflict.code_conflicts = 5;
    conflict.seen = None;
    let mut unconnected = refusal(GroupIsp::Unknown, "4.4.1", NOT_POLICY, 9, 0);
    unconnected.key.hop = Hop::Unconnected;
    unconnected.key.reply_code = None;
    unconnected.seen = None;
    let mut local = refusal(GroupIsp::Unknown, "5.2.2", NOT_POLICY, 9, 9);
    local.key.hop = Hop::Local;
    let rows =
        [refusal(isp(0), "5.7.1", SPF, 7, 6), refusal(isp(0), "5.7.1", LISTED, 1, 1), conflict, unconnected, local];
    let expected = "\
log_date,isp,reply_code,enhanced_status_code,status_class,status_subject,status_detail,registered_meaning,attempts,\
failed_recipients,code_conflicts,first_seen,last_seen
2026-11-22,google,550,4.7.0,4,7,0,,5,0,5,,
2026-11-22,google,550,5.7.1,5,7,1,\"Delivery not authorized, message refused\",8,7,0,\
2026-11-22T12:00:00.000000Z,2026-11-22T12:00:00.000000Z
2026-11-22,unknown,,4.4.1,4,4,1,,9,0,0,,
";
    assert_eq!(csv_of(&views::codes_by_isp(&rows, &Double).unwrap()), expected);
}

#[test]
fn codes_sort_bytewise_nulls_first() {
    let rows = ["5.7.2", "", "5.7.15", "5.7.1", "4.7.1"].map(|code| refusal(isp(0), code, UNCLASSIFIED, 1, 1));
    let table = views::codes_by_isp(&rows, &Double).unwrap();
    let codes: Vec<_> = table.strs("enhanced_status_code").unwrap().iter().map(Option::as_deref).collect();
    assert_eq!(codes, [None, Some("4.7.1"), Some("5.7.1"), Some("5.7.15"), Some("5.7.2")]);
}

#[test]
fn traffic_golden() {
    let mut undated = traffic(isp(2), 1, 0, 0, 0);
    undated.log_date = None;
    let rows = [traffic(isp(1), 0, 0, 0, 0), traffic(isp(0), 80, 3, 17, 10), undated];
    let expected = "\
log_date,isp,attempts,delivered,deferred,refused,refused_policy,refused_571,rate,rate_low,rate_high
,gmx,1,1,0,0,0,0,0,0,0.793450686
2026-11-22,google,100,80,3,17,10,10,0.1,0.055229137,0.174365662
2026-11-22,microsoft,0,0,0,0,0,0,,,
";
    assert_eq!(csv_of(&views::traffic_by_isp(input(&[], &rows, &[]), &Double).unwrap()), expected);
}

#[test]
fn blocklists_golden() {
    let mut other = listed(isp(1), 1, "192.0.2.9");
    other.key.blocklist = Bounded::Other;
    other.key.sending_ip = Bounded::Other;
    let rows =
        [listed(isp(1), 4, "192.0.2.7"), listed(isp(0), 2, "2001:db8::1"), listed(isp(1), 1, "192.0.2.7"), other];
    let expected = "\
list,scope,listed_kind,listed,isp,attempts,first_seen,last_seen,lookup_url
other,,,other,microsoft,1,2026-11-22T12:00:00.000000Z,2026-11-22T12:00:00.000000Z,
spamhaus,public,ip,192.0.2.7,microsoft,5,2026-11-22T12:00:00.000000Z,2026-11-22T12:00:00.000000Z,https://check.spamhaus.org/
spamhaus,public,ip,2001:db8::1,google,2,2026-11-22T12:00:00.000000Z,2026-11-22T12:00:00.000000Z,https://check.spamhaus.org/
";
    assert_eq!(csv_of(&views::blocklists(&rows, &Double).unwrap()), expected);
}

#[test]
fn unclassified_golden() {
    let mut textless = refusal(isp(1), "5.7.1", UNCLASSIFIED, 2, 2);
    textless.key.template = Bounded::None;
    textless.seen = None;
    let mut denied = refusal(isp(2), "5.7.1", DENIED, 7, 7);
    denied.key.evidence = Evidence::None;
    denied.key.template = Bounded::Value(9);
    denied.seen = None;
    let explained = refusal(isp(2), "5.7.1", DENIED, 8, 8);
    let rows = [
        refusal(isp(0), "5.7.1", UNCLASSIFIED, 3, 3),
        refusal(isp(1), "5.7.1", UNCLASSIFIED, 3, 3),
        refusal(isp(2), "5.7.1", UNCLASSIFIED, 1, 1),
        refusal(isp(0), "5.7.1", SPF, 30, 30),
        textless,
        denied,
        explained,
    ];
    let templates = [template(7, "550 5.7.1 policy <id>: message, refused by filter <n>", 7), template(9, "550 No", 7)];
    let table = views::unclassified(input(&rows, &[], &templates), &Double).unwrap();
    let expected = "\
template_id,template,reply_code,enhanced_status_code,attempts,isps,top_isp,first_seen,last_seen,suggested_rule,cause
0000000000000007,\"550 5.7.1 policy <id>: message, refused by filter <n>\",550,5.7.1,7,3,google,\
2026-11-22T12:00:00.000000Z,2026-11-22T12:00:00.000000Z,\
\"local-0000000000000007,,,,\"\"message, refused by filter&policy\"\",,,,,,,,\
\"\"550 5.7.1 policy 4XhT2q9bZ7: message, refused by filter 10\"\",,own logs\",unclassified
0000000000000009,550 No,550,5.7.1,7,1,gmx,,,,access_denied
,,550,5.7.1,2,1,microsoft,,,,unclassified
";
    assert_eq!(csv_of(&table), expected);
}

#[test]
fn nothing_gives_headers_only() {
    for table in views::all(input(&[], &[], &[]), &Double).unwrap() {
        assert_eq!((table.rows(), lines(&table).len()), (0, 1), "{}", table.name());
        for column in table.columns() {
            assert!(column.doc.ends_with('.') && column.doc.len() > 20, "{}", column.name);
        }
    }
}

#[test]
fn order_of_rows_does_not_matter() {
    let mut rows: Vec<_> = (0..40u16)
        .map(|i| refusal(isp(i % 3), ["5.7.1", "4.7.0", ""][usize::from(i % 5 / 2)], SPF, u64::from(i) + 1, 0))
        .collect();
    let forward = views::causes_by_isp(input(&rows, &[], &[]), &Double).unwrap();
    rows.reverse();
    assert_eq!(views::causes_by_isp(input(&rows, &[], &[]), &Double).unwrap(), forward);
}
