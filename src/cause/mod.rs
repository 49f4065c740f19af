//! Why a reply refuses: the rule tables and the matcher over them. Text decides, not the code; it abstains.
//!
//! ```
//! use bouncesift::cause::{Engine, Question, RuleSet, Scratch};
//! use bouncesift::smtp::{locate_reply, parse_reply};
//!
//! let engine = Engine::new(RuleSet::builtin()?, &|_| None, &|_| None)?;
//! let text = b"554 5.7.1 Service unavailable; Client host [192.0.2.7] blocked using zen.spamhaus.org";
//! let reply = parse_reply(locate_reply(text), false);
//! let verdict = engine.decide(&Question { diagnostic: text, reply: &reply, isp: None }, &mut Scratch::default());
//! assert_eq!(verdict.cause.name(), "ip_blocklisted");
//! assert_eq!(verdict.blocklist.as_deref(), Some("Spamhaus ZEN"));
//! # Ok::<(), bouncesift::cause::RulesError>(())
//! ```

pub(crate) mod blocklist;
mod bytes8;
mod causes;
mod check;
mod details;
mod engine;
mod groups;
mod letters;
mod literals;
mod marks;
mod normal;
mod registered;
mod retry;
mod rules;
mod sending_ip;
mod suggest;
pub(crate) mod table;
mod template;
mod trie;

use std::net::IpAddr;

use crate::isp::{FilterId, IspId};
use crate::smtp::Reply;

pub use causes::{CauseRow, Party, Retry, causes};
pub use check::{Finding, FindingKind, check};
pub use details::{Details, Listed, ListedKind, MAX_URLS, details};
pub use engine::{Engine, Scratch};
pub use retry::retry_helps;
pub use rules::{COLUMNS as RULE_COLUMNS, Rule, RuleSet};
pub use suggest::{example_of, phrases_of, suggested_row};
pub use table::RulesError;
pub use template::{mask, template_id};

/// The built-in tables that verdicts rest on: name and text of each.
pub fn table_texts() -> Vec<(&'static str, &'static str)> {
    let mut texts = vec![
        ("causes.csv", causes::TABLE),
        ("words.csv", rules::WORDS),
        ("blocklists.csv", blocklist::TABLE),
        ("signatures.csv", engine::SIGNATURES),
        ("enhanced_status.csv", registered::TABLE),
    ];
    texts.extend(rules::FILES);
    texts
}

/// Row of `tables/causes.csv`, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CauseId(pub u8);

/// Row of the rule table, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleId(pub u16);

/// What a verdict rests on, strongest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Evidence {
    /// Words of the reply.
    Text,
    /// A provider's own code (`S3150`, `TSS04`, `OFR_506`).
    Token,
    /// A registered enhanced status code that itself names a cause (5.7.20 to 5.7.30).
    RegisteredCode,
    /// Nothing: the verdict abstains.
    None,
}

impl Evidence {
    /// The word used in tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Evidence::Text => "text",
            Evidence::Token => "token",
            Evidence::RegisteredCode => "registered_code",
            Evidence::None => "none",
        }
    }
}

/// A reply to be judged.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The whole text as written, with its codes and any frame around it.
    pub diagnostic: &'a [u8],
    /// Its codes.
    pub reply: &'a Reply<'a>,
    /// Who spoke, if the table knows it; opens the provider's own rules.
    pub isp: Option<IspId>,
}

/// The judgement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The cause; `unclassified` where nothing usable was said.
    pub cause: CauseId,
    /// The rule that chose it; `None` where no rule spoke (a registered code alone, or nothing).
    pub rule: Option<RuleId>,
    /// What it rests on. [`Evidence::None`] with a rule: words such as "rejected" that name no reason.
    pub evidence: Evidence,
    /// The bytes of `diagnostic` that the rule matched: start and end, from 0.
    pub span: Option<(u32, u32)>,
    /// Name of the blocklist that the text names, or that the provider's code stands for; only where a blocklist or
    /// reputation is the cause.
    pub blocklist: Option<Box<str>>,
    /// The refused client address, where the text states it.
    pub sending_ip: Option<IpAddr>,
    /// Filter product that the text names.
    pub filter: Option<FilterId>,
}
