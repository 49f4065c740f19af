//! What blocks leave behind, put in the order of the input again: the join of senders and the events.

use std::collections::BTreeMap;
use std::sync::Mutex;

use super::EventSink;
use super::mails::PendingBounce;
use super::worker::{PendingEvent, Remains};
use crate::error::Error;
use crate::groups::Mergeable;
use crate::provenance::FileId;
use crate::rows::{Bounded, EventRow};
use crate::senders::Carry;
use crate::tally::{LineCounts, Tally};
use crate::told::{self, Told};

/// Everything that workers share while they scan. One lock, taken once per block.
pub(super) struct Shared<'s> {
    inner: Mutex<Inner<'s>>,
}

struct Inner<'s> {
    tally: Tally,
    carry: Carry,
    told: Told,
    /// Blocks that came before their turn.
    waiting: BTreeMap<u64, (FileId, Remains)>,
    next: u64,
    per_input: Vec<LineCounts>,
    sink: Option<&'s mut dyn EventSink>,
    failure: Option<Error>,
}

impl<'s> Shared<'s> {
    pub(super) fn new(inputs: usize, sink: Option<&'s mut dyn EventSink>) -> Self {
        let inner = Inner {
            tally: Tally::new(),
            carry: Carry::default(),
            told: Told::default(),
            waiting: BTreeMap::new(),
            next: 0,
            per_input: vec![LineCounts::default(); inputs],
            sink,
            failure: None,
        };
        Self { inner: Mutex::new(inner) }
    }

    /// Takes what the `nth` block (counted over all inputs, without gaps) left behind, and a worker's groups if they
    /// are many. `false` once the run has failed.
    pub(super) fn take(&self, nth: u64, file: FileId, remains: Remains, groups: &mut Tally) -> bool {
        let mut inner = self.lock();
        inner.waiting.insert(nth, (file, remains));
        while let Some((file, remains)) = inner.next_waiting() {
            inner.settle(file, remains);
        }
        if groups.is_full() {
            inner.tally.absorb(groups);
        }
        inner.failure.is_none()
    }

    /// Takes the last groups of a worker.
    pub(super) fn take_groups(&self, groups: &mut Tally) {
        self.lock().tally.absorb(groups);
    }

    /// All that was found: groups and counts by input.
    ///
    /// # Errors
    /// If the events could not be written.
    pub(super) fn finish(self) -> Result<(Tally, Vec<LineCounts>), Error> {
        let inner = self.inner.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        match inner.failure {
            Some(failure) => Err(failure),
            None => Ok((inner.tally, inner.per_input)),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner<'s>> {
        self.inner.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Inner<'_> {
    fn next_waiting(&mut self) -> Option<(FileId, Remains)> {
        let found = self.waiting.remove(&self.next)?;
        self.next += 1;
        Some(found)
    }

    fn settle(&mut self, file: FileId, mut remains: Remains) {
        for key in std::mem::take(&mut remains.told) {
            self.told.tell(key);
        }
        for (message_id, queue_id) in std::mem::take(&mut remains.names) {
            self.told.name(message_id, queue_id);
        }
        for bounce in std::mem::take(&mut remains.bounces) {
            let event = self.bounce(bounce, &mut remains.counts);
            remains.events.extend(event.map(|row| PendingEvent { row, sought: None }));
        }
        for mut pending in remains.pending {
            if let Some(domain) = self.carry.find(pending.message, pending.nth) {
                pending.key.sender_domain = Bounded::Value(domain.clone());
            }
            self.tally.refusals.at(&pending.key).merge(pending.counts);
        }
        if let Some(sink) = &mut self.sink
            && self.failure.is_none()
        {
            for mut event in remains.events {
                if let Some((message, nth)) = event.sought {
                    event.row.mail_from_domain = self.carry.find(message, nth).cloned();
                }
                if let Err(error) = sink.take(event.row) {
                    self.failure = Some(error);
                    break;
                }
            }
        }
        self.carry.advance(remains.ends);
        if let Some(counts) = self.per_input.get_mut(file.0 as usize) {
            counts.merge(remains.counts);
        }
    }

    /// Counts what a bounce tells, unless a line or another mail told it.
    fn bounce(&mut self, bounce: PendingBounce, counts: &mut LineCounts) -> Option<EventRow> {
        let PendingBounce { content, messages, recipients, hop, outcome, weight, refusal, traffic, event } = bounce;
        let by_refusal = recipients.iter().any(|recipient| self.told.knows_refusal(&messages, recipient));
        let told_before = self.told.tell(content) || by_refusal;
        let weight = if told_before { 0 } else { weight };
        counts.attempt(hop, outcome, weight);
        counts.told_before += u64::from(told_before);
        if weight > 0 {
            // What is not believed must not hide what is: whoever knows a Message-ID could forge a bounce ahead.
            if refusal.0.trust.is_believed() {
                for recipient in &recipients {
                    messages.iter().for_each(|message| {
                        self.told.tell(told::refusal(*message, recipient));
                    });
                }
            }
            let (key, refused) = refusal;
            self.tally.refusals.at(&key).merge(refused);
            if let Some((key, attempts)) = traffic {
                self.tally.traffic.at(&key).merge(attempts);
            }
        }
        event.map(|row| EventRow { told_before, weight, ..row })
    }
}
