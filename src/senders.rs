//! Who sent the message with this queue id: the join of a refusal with the earlier line that names its sender.
//!
//! Postfix, Exim and Sendmail name the sender when a message enters the queue and only its queue id when it is refused.
//! The sender of a refusal is that of the latest opening line of the same id and the same log host before it, if the
//! message was not closed in between and at most [`WINDOW`] other messages were opened since. That rule does not know
//! blocks, so neither does its result: a block resolves what it can ([`BlockSenders`]), the rest is resolved in block
//! order against what earlier blocks left open ([`Carry`]).

use std::ops::Range;
use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::{HashMap, HashTable};

/// How many messages may be opened between a message's opening line and its refusal. Bounds the memory of the join.
/// Must not be less than the number of opening lines that fit in the largest block.
pub const WINDOW: u64 = 262_144;

/// Identity of a message: a hash of log host and queue id, keyed anew in every process.
pub type MessageKey = u64;

/// Makes message keys; all workers of a run share one.
#[derive(Clone, Debug, Default)]
pub struct KeyMaker(RandomState);

impl KeyMaker {
    /// The key of a queue id on a host (`None` where the log does not name its host).
    pub fn key(&self, host: Option<&[u8]>, queue_id: &[u8]) -> MessageKey {
        use std::hash::{BuildHasher, Hash, Hasher};
        let mut hasher = self.0.build_hasher();
        host.hash(&mut hasher);
        hasher.write(queue_id);
        hasher.finish()
    }
}

/// What is known of a message's sender.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sender {
    /// The domain, as a place in the block's bytes; empty for the null sender.
    Open(Range<usize>),
    /// The message left the queue.
    Closed,
}

#[derive(Debug)]
struct Entry {
    key: MessageKey,
    sender: Sender,
    /// Number of messages opened in this block before this one.
    nth: u32,
}

/// The messages that one block opens and closes.
#[derive(Debug, Default)]
pub struct BlockSenders {
    entries: HashTable<Entry>,
    opened: u32,
}

impl BlockSenders {
    /// Forgets everything; keeps the memory.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.opened = 0;
    }

    /// A message enters the queue; its sender's domain stands at `domain` in the block.
    pub fn open(&mut self, key: MessageKey, domain: Range<usize>) {
        let nth = self.opened;
        self.opened += 1;
        self.set(Entry { key, sender: Sender::Open(domain), nth });
    }

    /// A message leaves the queue.
    pub fn close(&mut self, key: MessageKey) {
        let nth = self.opened;
        self.set(Entry { key, sender: Sender::Closed, nth });
    }

    /// What this block says of a message so far; `None` if nothing.
    pub fn find(&self, key: MessageKey) -> Option<&Sender> {
        self.entries.find(key, |entry| entry.key == key).map(|entry| &entry.sender)
    }

    /// Number of messages opened in this block so far.
    pub fn opened(&self) -> u32 {
        self.opened
    }

    /// What later blocks need to know. `domain` makes the text of a place in the block.
    pub fn ends(&self, mut domain: impl FnMut(&Range<usize>) -> Option<Arc<str>>) -> Ends {
        let change = |entry: &Entry| Change {
            key: entry.key,
            nth: entry.nth,
            open: match &entry.sender {
                Sender::Open(place) => Some(domain(place)),
                Sender::Closed => None,
            },
        };
        Ends { opened: self.opened, changes: self.entries.iter().map(change).collect() }
    }

    fn set(&mut self, entry: Entry) {
        let key = entry.key;
        match self.entries.find_mut(key, |old| old.key == key) {
            Some(old) => *old = entry,
            None => {
                self.entries.insert_unique(key, entry, |entry| entry.key);
            }
        }
    }
}

/// What a block leaves to later blocks.
#[derive(Debug, Default)]
pub struct Ends {
    opened: u32,
    changes: Vec<Change>,
}

#[derive(Debug)]
struct Change {
    key: MessageKey,
    nth: u32,
    /// `None`: closed. `Some(None)`: opened with the null sender.
    open: Option<Option<Arc<str>>>,
}

/// Messages left open by the blocks before, in block order.
#[derive(Debug, Default)]
pub struct Carry {
    /// Sender domain (`None`: null sender) and the number of messages opened before this one.
    open: HashMap<MessageKey, (Option<Arc<str>>, u64), RandomState>,
    opened: u64,
}

impl Carry {
    /// The sender's domain of a message that the next block refers to before it opens or closes it, after `nth`
    /// openings of its own. `None` if unknown or the null sender.
    pub fn find(&self, key: MessageKey, nth: u32) -> Option<&Arc<str>> {
        let (domain, at) = self.open.get(&key)?;
        (self.opened + u64::from(nth) - at <= WINDOW).then_some(domain.as_ref()?)
    }

    /// Moves on past a block.
    pub fn advance(&mut self, ends: Ends) {
        for change in ends.changes {
            match change.open {
                Some(domain) => {
                    self.open.insert(change.key, (domain, self.opened + u64::from(change.nth)));
                }
                None => {
                    self.open.remove(&change.key);
                }
            }
        }
        self.opened += u64::from(ends.opened);
        if self.open.len() as u64 > WINDOW + WINDOW / 4 {
            let oldest = self.opened.saturating_sub(WINDOW);
            self.open.retain(|_, (_, at)| *at >= oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(senders: &BlockSenders) -> Ends {
        senders.ends(|place| (!place.is_empty()).then(|| Arc::from(format!("{}.example", place.start))))
    }

    #[test]
    fn a_message_is_known_until_it_is_closed() {
        let (mut block, mut carry) = (BlockSenders::default(), Carry::default());
        block.open(1, 5..9);
        block.open(2, 7..9);
        block.open(3, 0..0);
        assert_eq!(block.find(1), Some(&Sender::Open(5..9)));
        block.close(2);
        assert_eq!(block.find(2), Some(&Sender::Closed));
        carry.advance(ends(&block));
        assert_eq!(carry.find(1, 0).map(|d| &**d), Some("5.example"));
        assert_eq!((carry.find(2, 0), carry.find(3, 0)), (None, None));
        block.clear();
        block.close(1);
        carry.advance(ends(&block));
        assert_eq!(carry.find(1, 0), None);
    }

    #[test]
    fn a_message_is_forgotten_after_a_fixed_number_of_others() {
        let (mut block, mut carry) = (BlockSenders::default(), Carry::default());
        block.open(u64::MAX, 5..9);
        carry.advance(ends(&block));
        for start in 0..WINDOW / 1024 {
            block.clear();
            (0..1024).for_each(|n| block.open(start * 1024 + n, 0..0));
            assert!(carry.find(u64::MAX, block.opened()).is_some() == (start * 1024 + 1025 <= WINDOW));
            carry.advance(ends(&block));
        }
        assert!(carry.open.len() as u64 <= WINDOW + 1);
    }
}
