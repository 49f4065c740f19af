//! Recipients as they are found, each once, with what is known of it so far.

use std::collections::HashMap;

use super::Told;
use super::reason::Reason;
use crate::record::Outcome;

/// Recipients of one report that are kept; further ones are dropped.
pub(super) const MAX_RECIPIENTS: usize = 10_000;

/// How a recipient was named, weakest first. A report that names some in a better way says nothing with the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    /// It only stands in the report.
    Weak,
    /// A sentence says that it failed.
    Prose,
    /// It stands in a session.
    Session,
    /// It opens a line of a list, or a line that says why.
    Listed,
    /// A field names it.
    Field,
}

impl Rank {
    fn shape(self) -> &'static str {
        match self {
            Rank::Weak => "hint",
            Rank::Prose => "prose",
            Rank::Session => "transcript",
            Rank::Listed => "listed",
            Rank::Field => "fields",
        }
    }
}

#[derive(Debug)]
pub(super) struct Entry<'t> {
    pub told: Told<'t>,
    pub rank: Rank,
    /// The report says that it was delivered after all.
    pub delivered: bool,
}

impl<'t> Entry<'t> {
    /// Takes over what a reason says, where nothing better is known: a reply beats words.
    pub fn learn(&mut self, reason: &Reason<'t>) {
        let told = &mut self.told;
        let better = told.diagnostic.is_none() || (reason.is_reply && !told.is_reply);
        if better && !reason.text.is_empty() {
            told.diagnostic = Some(reason.text);
            told.is_reply = reason.is_reply;
            told.status = told.status.or(reason.status);
            (told.remote_mta, told.remote_ip) = match (reason.host, reason.ip) {
                (None, None) => (told.remote_mta, told.remote_ip),
                named => named,
            };
            told.stage = reason.stage.or(told.stage);
        }
    }

    pub fn needs_reply(&self) -> bool {
        !self.told.is_reply
    }
}

/// All recipients of a report, in its order.
#[derive(Debug, Default)]
pub(super) struct Entries<'t> {
    pub list: Vec<Entry<'t>>,
    /// Address in lower case to its place in the list.
    places: HashMap<Vec<u8>, usize>,
}

impl<'t> Entries<'t> {
    /// The place of this recipient, made where it is new. `None` where there are too many.
    pub fn claim(&mut self, address: &'t [u8], rank: Rank) -> Option<usize> {
        let key = address.to_ascii_lowercase();
        if let Some(&place) = self.places.get(&key) {
            let entry = self.list.get_mut(place)?;
            if rank > entry.rank {
                entry.rank = rank;
                entry.told.shape = rank.shape();
            }
            return Some(place);
        }
        if self.list.len() >= MAX_RECIPIENTS {
            return None;
        }
        self.places.insert(key, self.list.len());
        self.list.push(Entry { told: told(rank.shape(), Some(address)), rank, delivered: false });
        Some(self.list.len() - 1)
    }

    pub fn get_mut(&mut self, place: usize) -> Option<&mut Entry<'t>> {
        self.list.get_mut(place)
    }

    /// The place of a recipient that is known already.
    pub fn find(&self, address: &[u8]) -> Option<usize> {
        self.places.get(&address.to_ascii_lowercase()).copied()
    }

    pub fn best_rank(&self) -> Option<Rank> {
        self.list.iter().map(|entry| entry.rank).max()
    }

    /// Leaves out all recipients that were named in a weaker way than the best.
    pub fn keep_best(&mut self) {
        if let Some(best) = self.best_rank() {
            self.list.retain(|entry| entry.rank == best && !entry.delivered);
        }
        self.places.clear();
    }
}

/// One recipient, nothing known of it yet.
pub(super) fn told<'t>(shape: &'static str, recipient: Option<&'t [u8]>) -> Told<'t> {
    Told {
        shape,
        outcome: Outcome::Bounced,
        recipient,
        original_recipient: None,
        diagnostic: None,
        is_reply: false,
        status: None,
        remote_mta: None,
        remote_ip: None,
        reporting_mta: None,
        queue_id: None,
        stage: None,
    }
}
