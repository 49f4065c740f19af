use std::collections::BTreeMap;
use std::sync::Arc;

use super::*;
use crate::report::rate::wilson;

#[derive(Clone, Copy, Default)]
struct Sums {
    delivered: u64,
    deferred: u64,
    refused: u64,
    policy: u64,
    with_571: u64,
}

impl Sums {
    fn take(&mut self, row: &TrafficRow) {
        self.delivered = add(self.delivered, row.delivered);
        self.deferred = add(self.deferred, row.deferred);
        self.refused = add(self.refused, row.refused);
        self.policy = add(self.policy, row.refused_policy);
        self.with_571 = add(self.with_571, row.refused_571);
    }

    fn attempts(&self) -> u64 {
        add(add(self.delivered, self.deferred), self.refused)
    }
}

/// Table `traffic_by_isp`: all attempts by day and ISP, and the share refused with 5.7.1.
///
/// # Errors
/// None that data could cause.
pub fn traffic_by_isp(input: ViewInput<'_>, names: &dyn Names) -> Result<Table, ReportError> {
    let mut cell_texts = Texts::new(names);
    let mut groups: BTreeMap<(Option<i32>, Text), Sums> = BTreeMap::new();
    for row in input.traffic {
        groups.entry((row.log_date, cell_texts.slug(&row.isp))).or_default().take(row);
    }
    let rate = |s: &Sums| if input.bounces_only { None } else { wilson(s.with_571, s.attempts()) };
    let rates: Vec<_> = groups.values().map(rate).collect();
    let sum = |part: fn(&Sums) -> u64| counts(groups.values().map(part));
    let doc_policy = "Of the deferred and refused attempts, those refused for policy: a code x.7.*, or a text that \
        states a policy cause. Never null.";
    let mut columns = vec![
        Column::new("log_date", DOC_DATE, dates(groups.keys().map(|k| k.0))),
        Column::new("isp", DOC_ISP, texts(groups.keys().map(|k| Some(Arc::clone(&k.1))))),
        Column::new("attempts", "Delivery attempts, counted per recipient. Never null.", sum(Sums::attempts)),
        Column::new("delivered", "Of these, delivered. Never null.", sum(|s| s.delivered)),
        Column::new("deferred", "Of these, put off to a later attempt. Never null.", sum(|s| s.deferred)),
        Column::new("refused", "Of these, given up. Never null.", sum(|s| s.refused)),
        Column::new("refused_policy", doc_policy, sum(|s| s.policy)),
        Column::new(
            "refused_571",
            "Of the deferred and refused attempts, those with 5.7.1. Never null.",
            sum(|s| s.with_571),
        ),
    ];
    columns.extend(rate_columns("refused_571 / attempts. Null where the inputs hold bounces only.", &rates));
    Table::new("traffic_by_isp", columns)
}
