//! Our causes in the words of other systems, for comparing and migrating: `tables/crosswalk.csv`.
//!
//! A cell holds the system's nearest class, by its public documentation; several are parted by `;`, the nearest first.
//! An empty cell: its documentation does not say.

use std::sync::{Arc, LazyLock};

use crate::cause::CauseId;
use crate::cause::table::{RulesError, for_each_row};
use crate::table::{Column, ColumnData, ReportError, Table};

const TABLE: &str = include_str!("tables/crosswalk.csv");
const COLUMNS: [&str; 8] = ["cause", "sisimai", "kumomta", "powermta", "sparkpost", "sendgrid", "postmark", "source"];

/// Another system that sorts bounces into classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct System {
    /// Its column.
    pub name: &'static str,
    /// The column that reports get, and what it means.
    column: (&'static str, &'static str),
    /// Where it documents its classes.
    pub page: &'static str,
}

/// The systems, in the order of the columns.
pub const SYSTEMS: [System; 6] = [
    System {
        name: "sisimai",
        column: ("class_sisimai", "Nearest reason of Sisimai; several are parted by ;. Null where none is known."),
        page: "https://metacpan.org/pod/Sisimai::Reason",
    },
    System {
        name: "kumomta",
        column: (
            "class_kumomta",
            "Nearest bounce class of KumoMTA; several are parted by ;. Null where none is known.",
        ),
        page: "https://docs.kumomta.com/rustapi/bounce_classify/enum.PreDefinedBounceClass.html",
    },
    System {
        name: "powermta",
        column: (
            "class_powermta",
            "Nearest bounce category of PowerMTA; several are parted by ;. Null where none is known.",
        ),
        page: "PowerMTA user's guide, bounce categories",
    },
    System {
        name: "sparkpost",
        column: (
            "class_sparkpost",
            "Nearest class of SparkPost, with its number; several are parted by ;. Null where none is known.",
        ),
        page: "https://support.sparkpost.com/docs/deliverability/bounce-classification-codes",
    },
    System {
        name: "sendgrid",
        column: (
            "class_sendgrid",
            "Nearest bounce classification of SendGrid; several are parted by ;. Null where none is known.",
        ),
        page: "https://www.twilio.com/docs/sendgrid/ui/analytics-and-reporting/bounce-and-block-classifications",
    },
    System {
        name: "postmark",
        column: (
            "class_postmark",
            "Nearest bounce type of Postmark; several are parted by ;. Null where none is known.",
        ),
        page: "https://postmarkapp.com/developer/api/bounce-api",
    },
];

/// The classes of one cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crossing {
    /// Our cause.
    pub cause: CauseId,
    /// Cells in the order of [`SYSTEMS`]; empty where the documentation does not say.
    pub classes: Vec<Arc<str>>,
    /// What the choice rests on.
    pub source: String,
}

static CROSSINGS: LazyLock<Vec<Crossing>> = LazyLock::new(|| read("crosswalk.csv", TABLE).unwrap_or_default());

/// All causes in the order of their table.
pub fn crosswalk() -> &'static [Crossing] {
    &CROSSINGS
}

impl System {
    /// The system of that name.
    pub fn by_name(name: &str) -> Option<System> {
        SYSTEMS.into_iter().find(|system| system.name == name)
    }

    /// Its class for a cause; `None` where its documentation does not say.
    pub fn class(&self, cause: CauseId) -> Option<Arc<str>> {
        let at = SYSTEMS.iter().position(|system| system == self)?;
        let crossing = crosswalk().iter().find(|crossing| crossing.cause == cause)?;
        crossing.classes.get(at).filter(|class| !class.is_empty()).cloned()
    }
}

/// The table with one more column for each system, by its column `cause`.
///
/// # Errors
/// If it has no such column.
pub fn with_classes(table: Table, systems: &[System]) -> Result<Table, ReportError> {
    if systems.is_empty() {
        return Ok(table);
    }
    let causes: Vec<Option<CauseId>> =
        table.strs("cause")?.iter().map(|cause| cause.as_deref().and_then(CauseId::by_name)).collect();
    let mut columns = table.columns().to_vec();
    for system in systems {
        let classes = causes.iter().map(|cause| cause.and_then(|cause| system.class(cause))).collect();
        columns.push(Column::new(system.column.0, system.column.1, ColumnData::Str(classes)));
    }
    Table::new(table.name().to_owned(), columns)
}

/// The whole table: `cause`, a column for each system, `source`.
///
/// # Errors
/// None that data could cause.
pub fn table() -> Result<Table, ReportError> {
    let texts = |cell: &dyn Fn(&Crossing) -> Arc<str>| {
        ColumnData::Str(crosswalk().iter().map(|crossing| Some(cell(crossing))).collect())
    };
    let mut columns = vec![Column::new("cause", "Our cause.", texts(&|crossing| Arc::from(crossing.cause.name())))];
    for (at, system) in SYSTEMS.iter().enumerate() {
        let cell = |crossing: &Crossing| crossing.classes.get(at).cloned().unwrap_or_else(|| Arc::from(""));
        columns.push(Column::new(system.name, system.column.1, texts(&cell)));
    }
    columns.push(Column::new("source", "What the choice rests on.", texts(&|crossing| Arc::from(&*crossing.source))));
    Table::new("crosswalk", columns)
}

fn read(file: &str, text: &str) -> Result<Vec<Crossing>, RulesError> {
    let mut crossings = Vec::new();
    for_each_row(file, text, &COLUMNS, |row| {
        let cause = row.need("cause")?;
        crossings.push(Crossing {
            cause: CauseId::by_name(cause).ok_or_else(|| row.error(format!("no cause {cause:?}")))?,
            classes: SYSTEMS.iter().map(|system| Arc::from(row.get(system.name))).collect(),
            source: row.need("source")?.to_owned(),
        });
        Ok(())
    })?;
    Ok(crossings)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cause::causes;

    #[test]
    fn each_cause_has_its_row() {
        let crossings = read("crosswalk.csv", TABLE).unwrap_or_else(|e| unreachable!("{e}"));
        let found: Vec<CauseId> = crossings.iter().map(|crossing| crossing.cause).collect();
        let all: Vec<CauseId> = (0..causes().len()).map(|at| CauseId(at as u8)).collect();
        assert_eq!(found, all);
        for crossing in &crossings {
            let known = crossing.classes.iter().filter(|class| !class.is_empty()).count();
            assert!(known >= 2, "{}", crossing.cause.name());
        }
    }

    #[test]
    fn classes_are_those_that_the_systems_document() {
        let documented: [&[&str]; 6] = [
            &[
                "authfailure",
                "badreputation",
                "blocked",
                "contenterror",
                "emailtoolarge",
                "expired",
                "failedstarttls",
                "filtered",
                "hostunknown",
                "mailboxfull",
                "networkerror",
                "norelaying",
                "notcompliantrfc",
                "onhold",
                "policyviolation",
                "ratelimited",
                "rejected",
                "requireptr",
                "securityerror",
                "spamdetected",
                "speeding",
                "suspend",
                "systemerror",
                "toomanyconn",
                "undefined",
                "userunknown",
                "virusdetected",
            ],
            &[
                "InvalidRecipient",
                "DNSFailure",
                "SpamBlock",
                "SpamContent",
                "ProhibitedAttachment",
                "RelayDenied",
                "TransientFailure",
                "BadConnection",
                "BadDomain",
                "ContentRelated",
                "InactiveMailbox",
                "InvalidSender",
                "MessageExpired",
                "NoAnswerFromHost",
                "PolicyRelated",
                "ProtocolErrors",
                "QuotaIssues",
                "RelayingIssues",
                "RoutingErrors",
                "SpamRelated",
                "VirusRelated",
                "AuthenticationFailed",
                "TooManyRecipients",
                "Uncategorized",
            ],
            &[
                "bad-connection",
                "bad-domain",
                "bad-mailbox",
                "content-related",
                "inactive-mailbox",
                "invalid-sender",
                "message-expired",
                "no-answer-from-host",
                "other",
                "policy-related",
                "protocol-errors",
                "quota-issues",
                "relaying-issues",
                "routing-errors",
                "spam-related",
                "virus-related",
            ],
            &[
                "1 Undetermined",
                "10 Invalid Recipient",
                "20 Soft Bounce",
                "21 DNS Failure",
                "22 Mailbox Full",
                "23 Too Large",
                "24 Timeout",
                "50 Mail Block",
                "51 Spam Block",
                "52 Spam Content",
                "53 Prohibited Attachment",
                "54 Relaying Denied",
                "70 Transient Failure",
            ],
            &[
                "Content",
                "Frequency or Volume Too High",
                "Invalid Address",
                "Mailbox Unavailable",
                "Reputation",
                "Technical Failure",
                "Unclassified",
            ],
            &[
                "HardBounce",
                "Transient",
                "DnsError",
                "SpamNotification",
                "Unknown",
                "SoftBounce",
                "VirusNotification",
                "BadEmailAddress",
                "Blocked",
                "DMARCPolicy",
            ],
        ];
        for crossing in crosswalk() {
            for (cell, names) in crossing.classes.iter().zip(documented) {
                for class in cell.split(';').filter(|class| !class.is_empty()) {
                    assert!(names.contains(&class), "{}: {class}", crossing.cause.name());
                }
            }
        }
    }
}
