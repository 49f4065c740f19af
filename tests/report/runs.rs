use std::net::IpAddr;
use std::sync::Arc;

use bouncesift::cause::{CauseId, Evidence, RuleId};
use bouncesift::isp::{FilterId, IspId};
use bouncesift::record::Hop;
use bouncesift::rows::{Bounded, GroupIsp, RefusalRow};
use bouncesift::run::tables::{self, Ids};
use bouncesift::table::{ColumnData, Table, csv};
use proptest::prelude::*;

use super::double::*;

struct Back;

impl Ids for Back {
    fn isp(&self, slug: &str) -> Option<IspId> {
        ["google", "microsoft", "gmx"].iter().position(|s| *s == slug).map(|i| IspId(i as u16))
    }

    fn filter(&self, slug: &str) -> Option<FilterId> {
        (slug == "proofpoint").then_some(FilterId(0))
    }

    fn cause(&self, cause: &str) -> Option<CauseId> {
        ["unclassified", "not_policy", "spf_fail", "ip_blocklisted"]
            .iter()
            .position(|s| *s == cause)
            .map(|i| CauseId(i as u8))
    }

    fn rule(&self, rule: &str) -> Option<RuleId> {
        ["generic-spf-01", "generic-list-01"].iter().position(|s| *s == rule).map(|i| RuleId(i as u16))
    }
}

fn bounded<T: Clone + std::fmt::Debug + 'static>(value: impl Strategy<Value = T>) -> impl Strategy<Value = Bounded<T>> {
    prop_oneof![Just(None), value.prop_map(Some)].prop_flat_map(|v| match v {
        Some(v) => prop_oneof![3 => Just(Bounded::Value(v)), 1 => Just(Bounded::Other)].boxed(),
        None => Just(Bounded::None).boxed(),
    })
}

fn text() -> impl Strategy<Value = Arc<str>> {
    prop_oneof![Just("*".to_string()), Just("**a".to_string()), ".{1,12}"].prop_map(Arc::from)
}

prop_compose! {
    fn any_refusal()(
        group in prop_oneof![
            (0u16..3).prop_map(isp), text().prop_map(GroupIsp::Domain), Just(GroupIsp::AddressLiteral),
            Just(GroupIsp::Unknown), Just(GroupIsp::Other)],
        code in prop_oneof![Just(""), Just("5.7.1"), Just("4.999.999")],
        cause in (0u8..4).prop_map(CauseId),
        attempts in 0u64..=i64::MAX as u64,
        (blocklist, sender) in (bounded(text()), bounded(text())),
        ip in bounded(any::<IpAddr>()),
        template in bounded(any::<u64>()),
        (rule, filter) in (proptest::option::of((0u16..2).prop_map(RuleId)), any::<bool>()),
        hop in proptest::sample::select(vec![Hop::Remote, Hop::Unconnected, Hop::Internal, Hop::Local, Hop::Inbound]),
        evidence in proptest::sample::select(vec![Evidence::Text, Evidence::Token, Evidence::RegisteredCode, Evidence::None]),
        dated in any::<bool>(),
    ) -> RefusalRow {
        let mut row = refusal(group, code, cause, attempts, attempts / 2);
        let key = &mut row.key;
        (key.blocklist, key.sender_domain, key.sending_ip, key.template) = (blocklist, sender, ip, template);
        (key.rule, key.filter, key.hop, key.evidence) = (rule, filter.then_some(FilterId(0)), hop, evidence);
        if !dated {
            (key.log_date, key.reply_code, row.seen) = (None, None, None);
        }
        row
    }
}

proptest! {
    #[test]
    fn refusals_come_back(rows in proptest::collection::vec(any_refusal(), 0..8)) {
        let table = tables::refusal_table(&rows, &Double).unwrap();
        prop_assert_eq!(&tables::refusal_rows(&table, &Back).unwrap(), &rows);
        let text = csv_of(&table);
        let read = csv::read(text.as_bytes(), "x".as_ref(), &table).unwrap();
        prop_assert_eq!(tables::refusal_rows(&read, &Back).unwrap(), rows);
    }
}

#[test]
fn traffic_and_templates_come_back() {
    let rows = [
        traffic(isp(0), 1, 2, 3, 4),
        traffic(GroupIsp::Domain(Arc::from("other")), 5, 0, 0, 0),
        traffic(GroupIsp::Other, 6, 0, 0, 0),
    ];
    let table = tables::traffic_table(&rows, &Double).unwrap();
    assert_eq!(tables::traffic_rows(&table, &Back).unwrap(), rows);
    let rows = [template(u64::MAX, "550 <ip>", 3), template(0, "", 1)];
    assert_eq!(tables::template_rows(&tables::template_table(&rows).unwrap()).unwrap(), rows);
}

/// The table with one cell of row 1 replaced.
fn with(table: &Table, name: &str, data: ColumnData) -> Table {
    let mut columns = table.columns().to_vec();
    columns.iter_mut().find(|c| c.name == name).unwrap().data = data;
    Table::new("refusals", columns).unwrap()
}

#[test]
fn what_newer_or_damaged_runs_hold() {
    let table = tables::refusal_table(&[refusal(isp(0), "5.7.1", SPF, 1, 1)], &Double).unwrap();
    let text = |word: &str| ColumnData::Str(vec![Some(Arc::from(word))]);
    let error = |name, data| tables::refusal_rows(&with(&table, name, data), &Back).unwrap_err().to_string();
    let moved = tables::refusal_rows(&with(&table, "isp", text("yahoo")), &Back).unwrap();
    assert_eq!(moved[0].key.isp, GroupIsp::Domain(Arc::from("yahoo")));
    assert_eq!(tables::refusal_rows(&with(&table, "rule", text("gone-1")), &Back).unwrap()[0].key.rule, None);
    assert_eq!(error("cause", text("new")), "table refusals: row 1: column cause cannot be Some(Str(\"new\"))");
    assert!(error("hop", text("up")).contains("column hop"));
    assert!(error("template_id", text("12")).contains("column template_id"));
    assert!(error("attempts", ColumnData::Int64(vec![-1])).contains("column attempts"));
    assert!(error("attempts", ColumnData::Int64Null(vec![None])).contains("int64 without nulls"));
    assert!(error("reply_code", ColumnData::Int32(vec![Some(99)])).contains("column reply_code"));
    assert!(error("last_seen", ColumnData::Timestamp(vec![Some(0)])).contains("column last_seen"));
}

#[test]
fn tables_are_read_by_extension() {
    let table = tables::refusal_table(&[refusal(isp(0), "5.7.1", SPF, 1, 1)], &Double).unwrap();
    let schema = tables::refusal_table(&[], &Double).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("refusals.csv");
    let file = std::fs::File::create(&path).unwrap();
    csv::write(&table, file, &path, csv::CsvOptions::default()).unwrap();
    assert_eq!(tables::read_table(&path, &schema).unwrap(), table);
    let path = dir.path().join("refusals.parquet");
    #[cfg(feature = "parquet")]
    {
        bouncesift::table::parquet::write_file(&table, &path).unwrap();
        assert_eq!(tables::read_table(&path, &schema).unwrap(), table);
    }
    #[cfg(not(feature = "parquet"))]
    assert!(tables::read_table(&path, &schema).unwrap_err().to_string().ends_with("this build reads no Parquet"));
}
