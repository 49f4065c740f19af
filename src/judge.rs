//! From a record to what it means: its codes, the receiving ISP, the cause. Remembers what it was asked before.

use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::{HashMap, HashSet};

use crate::cause::{CauseId, Evidence, Question, Scratch, Verdict, mask, template_id};
use crate::isp::{Attribution, Clues, Isp, IspBasis};
use crate::knowledge::Knowledge;
use crate::record::{DeliveryRecord, Hop};
use crate::rows::GroupIsp;
use crate::smtp::{EnhancedStatus, Reply, ReplyCode, parse_reply};

/// Answers that are remembered at most, of each kind; then all are forgotten. Bounds memory, changes no answer.
const REMEMBERED: usize = 4096;

/// The codes of a record by the order of precedence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Codes {
    /// Reply code of the server; `None` where no server replied or its reply has none.
    pub reply_code: Option<ReplyCode>,
    /// The code in the reply; where the reply has none, the MTA's own status field; else `None`.
    pub status: Option<EnhancedStatus>,
    /// The reply contradicts itself, or its code contradicts the MTA's status field (a generic X.0.0 there contradicts
    /// nothing but another class).
    pub conflict: bool,
    /// Something stood in a code's place that is none.
    pub invalid: bool,
}

/// Reads the codes of a record.
///
/// The reply's own enhanced status code wins over the MTA's status field: Postfix writes X.0.0 there when the class of
/// the reply's code does not fit, and Exim has no such field.
pub fn codes<'b>(record: &DeliveryRecord<'b>) -> (Codes, Reply<'b>) {
    let text = record.diagnostic.unwrap_or(&[]);
    let reply = if record.is_reply { parse_reply(text, record.truncated) } else { Reply::words_only(text) };
    let contradicts = |own: EnhancedStatus, stated: EnhancedStatus| {
        own.class != stated.class || (!stated.is_generic() && own != stated)
    };
    let against_field = reply.status.zip(record.stated_status).is_some_and(|(own, stated)| contradicts(own, stated));
    let codes = Codes {
        reply_code: reply.code,
        status: precise(reply.status, record.stated_status),
        conflict: reply.conflict || against_field,
        invalid: reply.invalid,
    };
    (codes, reply)
}

/// The reply's own code; the status field's where the reply has none, or one that only says that something went wrong
/// while the field says what.
fn precise(own: Option<EnhancedStatus>, stated: Option<EnhancedStatus>) -> Option<EnhancedStatus> {
    match (own, stated) {
        (Some(own), Some(stated)) if own.detail == 0 && own.subject == 0 && own.class == stated.class => {
            Some(if stated.is_generic() { own } else { stated })
        }
        (own, stated) => own.or(stated),
    }
}

/// What a reply text was found to mean.
#[derive(Debug)]
pub struct Opinion {
    /// The verdict.
    pub verdict: Verdict,
    /// The verdict's blocklist.
    pub blocklist: Option<Arc<str>>,
    /// Masked text.
    pub template: Arc<str>,
    /// Its id.
    pub template_id: u64,
}

/// Judges records. One for each worker.
pub struct Judge<'k> {
    knowledge: &'k Knowledge,
    scratch: Scratch,
    masked: String,
    lower: Vec<u8>,
    by_host: HashMap<Box<[u8]>, Attribution, RandomState>,
    by_recipient: HashMap<Box<[u8]>, Attribution, RandomState>,
    opinions: HashMap<(u64, u32, Option<u16>), Arc<Opinion>, RandomState>,
    names: HashSet<Arc<str>, RandomState>,
    not_policy: Option<CauseId>,
}

impl<'k> Judge<'k> {
    /// A judge that has been asked nothing yet.
    pub fn new(knowledge: &'k Knowledge) -> Self {
        Self {
            knowledge,
            scratch: Scratch::default(),
            masked: String::new(),
            lower: Vec::new(),
            by_host: HashMap::default(),
            by_recipient: HashMap::default(),
            opinions: HashMap::default(),
            names: HashSet::default(),
            not_policy: CauseId::by_name("not_policy"),
        }
    }

    /// Whose server took or refused the message.
    pub fn attribute(&mut self, record: &DeliveryRecord<'_>) -> Attribution {
        self.attribute_clues(&Clues {
            remote_mta: record.remote_mta,
            remote_ip: record.remote_ip,
            recipient_domain: record.recipient_domain(),
            text: record.diagnostic.filter(|_| record.is_reply),
        })
    }

    /// The same for clues from elsewhere. The text must be a server's reply; it is only read where neither host nor
    /// recipient tell the ISP.
    pub fn attribute_clues(&mut self, clues: &Clues<'_>) -> Attribution {
        let named = clues.remote_mta.and_then(whole_labels);
        let clues = Clues { remote_mta: named, ..*clues };
        let textless = Clues { text: None, ..clues };
        let directory = &self.knowledge.directory;
        if let Some(host) = named {
            let only_host = Clues { recipient_domain: None, ..textless };
            let found = remember(&mut self.by_host, host, || directory.attribute(&only_host));
            if matches!(found.basis, IspBasis::RemoteHost | IspBasis::RemoteHostDomain) {
                return found;
            }
        }
        let found = match clues.recipient_domain {
            Some(domain) => remember(&mut self.by_recipient, domain, || {
                directory.attribute(&Clues { remote_mta: None, remote_ip: None, ..textless })
            }),
            None => directory.attribute(&textless),
        };
        if found.basis == IspBasis::RecipientDomain || clues.text.is_none() {
            return found;
        }
        directory.attribute(&clues)
    }

    /// What the record's text means. `isp` is who spoke.
    pub fn opinion(&mut self, record: &DeliveryRecord<'_>, reply: &Reply<'_>, isp: &Isp) -> Arc<Opinion> {
        use std::hash::BuildHasher;
        let text = record.diagnostic.unwrap_or(&[]);
        let isp = if let Isp::Known(id) = isp { Some(*id) } else { None };
        let unreached = record.hop == Hop::Unconnected && !record.is_reply;
        let key = (
            self.opinions.hasher().hash_one((text, record.is_reply, record.truncated, unreached)),
            text.len() as u32,
            isp.map(|i| i.0),
        );
        if let Some(known) = self.opinions.get(&key) {
            return Arc::clone(known);
        }
        let mut verdict = self.knowledge.engine.decide(&Question { diagnostic: text, reply, isp }, &mut self.scratch);
        if unreached {
            self.clear_of_policy(&mut verdict);
        }
        self.masked.clear();
        mask(text, &mut self.masked);
        let template = self.masked_name();
        let blocklist = verdict.blocklist.as_deref().map(|name| self.name(name));
        let opinion = Arc::new(Opinion { blocklist, template_id: template_id(&template), template, verdict });
        if self.opinions.len() >= REMEMBERED {
            self.opinions.clear();
        }
        self.opinions.insert(key, Arc::clone(&opinion));
        opinion
    }

    /// Where no server was reached none refused: words such as "Connection refused" are the network's.
    fn clear_of_policy(&self, verdict: &mut Verdict) {
        let Some(not_policy) = self.not_policy.filter(|cause| *cause != verdict.cause) else { return };
        *verdict = Verdict { cause: not_policy, rule: None, evidence: Evidence::None, span: None, ..verdict.clone() };
    }

    fn masked_name(&mut self) -> Arc<str> {
        let masked = std::mem::take(&mut self.masked);
        let name = self.name(&masked);
        self.masked = masked;
        name
    }

    /// A domain as it stands in tables: lower case, valid UTF-8, no trailing dot; `None` if it is empty.
    pub fn domain(&mut self, domain: &[u8]) -> Option<Arc<str>> {
        let domain = domain.strip_suffix(b".").unwrap_or(domain);
        if domain.is_empty() {
            return None;
        }
        let mut lower = std::mem::take(&mut self.lower);
        lower.clear();
        lower.extend(domain.iter().take(255).map(u8::to_ascii_lowercase));
        let name = self.name(&String::from_utf8_lossy(&lower));
        self.lower = lower;
        Some(name)
    }

    /// A shared copy of a name: the same names share one.
    pub fn name(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.names.get(name) {
            return Arc::clone(known);
        }
        if self.names.len() >= REMEMBERED {
            self.names.clear();
        }
        let name: Arc<str> = Arc::from(name);
        self.names.insert(Arc::clone(&name));
        name
    }
}

/// The labels of a host name that are whole: those behind the first dot after `...`, which Sendmail puts where it cut the
/// middle out of a long name. `None` where none are left.
fn whole_labels(host: &[u8]) -> Option<&[u8]> {
    let Some(at) = memchr::memmem::rfind(host, b"...") else { return Some(host) };
    let tail = host.get(at + 3..)?;
    let tail = tail.get(memchr::memchr(b'.', tail)? + 1..)?;
    (!tail.is_empty()).then_some(tail)
}

/// The ISP as a group's key holds it.
pub fn group_isp(isp: &Isp) -> GroupIsp {
    match isp {
        Isp::Known(id) => GroupIsp::Known(*id),
        Isp::Domain(domain) => GroupIsp::Domain(Arc::clone(domain)),
        Isp::AddressLiteral => GroupIsp::AddressLiteral,
        Isp::Unknown => GroupIsp::Unknown,
    }
}

fn remember(
    known: &mut HashMap<Box<[u8]>, Attribution, RandomState>,
    key: &[u8],
    answer: impl FnOnce() -> Attribution,
) -> Attribution {
    if let Some(found) = known.get(key) {
        return found.clone();
    }
    let found = answer();
    // No host name is longer; a longer key would only cost memory.
    if key.len() > 255 {
        return found;
    }
    if known.len() >= REMEMBERED {
        known.clear();
    }
    known.insert(key.into(), found.clone());
    found
}
