use bouncesift::report::merge::MAX_COUNT;
use bouncesift::report::{merge_refusals, merge_templates, merge_traffic};
use bouncesift::rows::{RefusalRow, Seen, TemplateRow, TrafficRow};
use proptest::prelude::*;

use super::double::*;

fn a_refusal() -> impl Strategy<Value = RefusalRow> {
    (0u16..3, 0usize..3, prop_oneof![0u64..100, Just(u64::MAX)], proptest::option::of(0i64..1000)).prop_map(
        |(i, code, attempts, at)| {
            let mut row = refusal(isp(i), ["5.7.1", "4.7.0", ""][code], SPF, attempts, attempts / 2);
            row.seen = at.map(|at| Seen { first: at, last: at + 5 });
            row
        },
    )
}

fn a_traffic() -> impl Strategy<Value = TrafficRow> {
    (0u16..3, 0u64..100, 0u64..100).prop_map(|(i, delivered, refused)| traffic(isp(i), delivered, 1, refused, 0))
}

fn a_template() -> impl Strategy<Value = TemplateRow> {
    (0u64..4, "[ab]{1,2}", 0u64..100).prop_map(|(id, text, attempts)| template(id, &text, attempts))
}

proptest! {
    #[test]
    fn refusals_merge_in_any_order_and_grouping(
        (rows, shuffled) in proptest::collection::vec(a_refusal(), 0..30)
            .prop_flat_map(|rows| (Just(rows.clone()), Just(rows).prop_shuffle())),
        cut in 0usize..30,
    ) {
        let whole = merge_refusals(rows);
        let (left, right) = shuffled.split_at(cut.min(shuffled.len()));
        let (left, right) = (merge_refusals(left.to_vec()), merge_refusals(right.to_vec()));
        prop_assert_eq!(&merge_refusals(right.rows.into_iter().chain(left.rows)).rows, &whole.rows);
        prop_assert_eq!(merge_refusals(shuffled), whole);
    }

    #[test]
    fn traffic_merges_in_any_order((rows, shuffled) in proptest::collection::vec(a_traffic(), 0..20)
        .prop_flat_map(|rows| (Just(rows.clone()), Just(rows).prop_shuffle()))) {
        prop_assert_eq!(merge_traffic(rows), merge_traffic(shuffled));
    }

    #[test]
    fn templates_merge_in_any_order((rows, shuffled) in proptest::collection::vec(a_template(), 0..20)
        .prop_flat_map(|rows| (Just(rows.clone()), Just(rows).prop_shuffle()))) {
        prop_assert_eq!(merge_templates(rows), merge_templates(shuffled));
    }
}

#[test]
fn equal_keys_are_one_row() {
    let mut later = refusal(isp(0), "5.7.1", SPF, 2, 1);
    later.code_conflicts = 1;
    later.seen = Some(Seen { first: 5, last: 6 });
    let mut timeless = refusal(isp(0), "5.7.1", SPF, 4, 0);
    timeless.seen = None;
    let merged = merge_refusals([timeless, refusal(isp(0), "5.7.1", SPF, 1, 1), later]);
    let [row] = &merged.rows[..] else { panic!("{merged:?}") };
    assert_eq!((row.attempts, row.failed, row.code_conflicts), (7, 2, 1));
    assert_eq!(row.seen, Some(Seen { first: 5, last: MICROS + 43_200_000_000 }));
    assert!(!merged.saturated);
}

#[test]
fn sums_stop_at_the_limit_and_say_so() {
    let merged = merge_refusals([refusal(isp(0), "5.7.1", SPF, MAX_COUNT, 0), refusal(isp(0), "5.7.1", SPF, 1, 0)]);
    assert_eq!((merged.rows[0].attempts, merged.saturated), (MAX_COUNT, true));
    // No one row is at the limit, but their total is beyond it.
    let merged = merge_refusals([refusal(isp(0), "5.7.1", SPF, MAX_COUNT, 0), refusal(isp(1), "5.7.1", SPF, 1, 0)]);
    assert!(merged.saturated);
}
