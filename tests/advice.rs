//! The table of advice against the tables it speaks of.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::sync::Arc;

use bouncesift::cause::{CauseId, causes};
use bouncesift::knowledge::Knowledge;
use bouncesift::names::Names;
use bouncesift::rows::GroupIsp;

#[test]
fn each_row_speaks_of_what_there_is() {
    let knowledge = Knowledge::builtin().unwrap();
    for row in knowledge.advice.rows() {
        let advice = &row.advice;
        assert!(row.causes().iter().all(|cause| cause.get().is_some()), "{advice}");
        for slug in row.isps() {
            assert!(knowledge.directory.isp_by_slug(slug).is_some(), "no isp {slug}: {advice}");
        }
        for list in row.blocklists() {
            assert!(knowledge.knows_list(list), "no list {list}: {advice}");
        }
        let pages = row.page.iter().chain(&row.procedure);
        assert!(pages.into_iter().all(|page| page.starts_with("https://") || page.starts_with("mailto:")), "{advice}");
        // A provider's page may change; a standard does not.
        let is_open = row.source.starts_with("RFC ") || row.source.ends_with("(not looked at)");
        assert!(row.checked.is_some() != is_open, "checked, or why not: {advice}");
    }
}

#[test]
fn the_reports_take_the_most_specific_advice() {
    let knowledge = Knowledge::builtin().unwrap();
    let cause = CauseId::by_name("ip_blocklisted").unwrap();
    let microsoft = GroupIsp::Known(knowledge.directory.isp_by_slug("microsoft").unwrap());
    let other = GroupIsp::Domain(Arc::from("example.org"));
    let said = |isp, list| knowledge.advice(cause, isp, list);
    let general = said(&other, None);
    let own = said(&microsoft, None);
    let listed = said(&microsoft, Some("Spamhaus ZEN"));
    assert!(general.reference.unwrap().contains("rfc6471"));
    assert!(own.advice != general.advice && own.reference.unwrap().contains("microsoft.com"));
    assert_eq!(listed, said(&other, Some("Spamhaus ZEN")));
    assert_eq!(listed.reference, Some("https://check.spamhaus.org/"));
    // A list without advice of its own is looked up at its operator's all the same.
    assert_eq!(said(&other, Some("PSBL")).reference, Some("https://psbl.org/"));
    assert_eq!(said(&other, Some("PSBL")).advice, general.advice);
    for at in 0..causes().len() {
        let cause = CauseId(u8::try_from(at).unwrap());
        assert!(knowledge.advice(cause, &GroupIsp::Unknown, None).advice.is_some(), "{}", cause.name());
    }
}

#[test]
fn lists_are_known_by_scope_and_kind() {
    let knowledge = Knowledge::builtin().unwrap();
    let list = |name: &str| {
        let list = knowledge.blocklist(name).unwrap();
        (list.scope.unwrap().to_owned(), list.listed_kind.map(str::to_owned), list.lookup_url.is_some())
    };
    assert_eq!(list("Spamhaus ZEN"), ("public".into(), Some("ip".into()), true));
    assert_eq!(list("Spamhaus DBL"), ("public".into(), Some("domain".into()), true));
    assert_eq!(list("Spamhaus"), ("public".into(), None, true));
    assert_eq!(list("Microsoft S3150"), ("receiver".into(), Some("ip".into()), false));
    assert!(knowledge.blocklist("rbl.example.org").is_none());
}
