//! Which refusals were told already, so that one that a log line and a bounce mail tell is counted once.
//!
//! A refusal is known by the queue id or the `Message-ID` of its message together with its recipient; a mail by its
//! content. Only so many keys are kept, those with the smallest hashes, which is independent of the order they come in.

use foldhash::fast::RandomState;
use hashbrown::{HashMap, HashSet};

use crate::groups::Rank;

/// Keys that are kept at least; twice as many at most.
pub const WINDOW: usize = 1 << 19;

/// A hash that is the same in every process.
pub type Key = u64;

/// A message by its queue id or its `Message-ID`.
pub type Message = u64;

/// The message with this queue id or this `Message-ID` (without `<>`).
pub fn message(id: &[u8]) -> Message {
    Rank::default().number(1).bytes(id).get()
}

/// Key of a message refused to one recipient. Letter case of the address is not considered: programs differ in whether
/// they keep it.
pub fn refusal(message: Message, recipient: &[u8]) -> Key {
    let rank = Rank::default().number(2).number(message);
    recipient.iter().fold(rank, |rank, byte| rank.number(u64::from(byte.to_ascii_lowercase()))).get()
}

/// Key of a mail by its content.
pub fn by_content(content: u64) -> Key {
    Rank::default().number(3).number(content).get()
}

/// The keys told so far.
#[derive(Debug)]
pub struct Told {
    names: Names,
    keys: HashSet<Key, RandomState>,
    /// Keys from here on are not kept.
    end: Key,
    window: usize,
}

impl Default for Told {
    fn default() -> Self {
        Self::with_window(WINDOW)
    }
}

impl Told {
    /// Keeps about `window` keys.
    pub fn with_window(window: usize) -> Self {
        Self { names: Names::default(), keys: HashSet::default(), end: Key::MAX, window: window.max(1) }
    }

    /// Adds a key; `true` if it was told before. `false` too where it is beyond those kept.
    pub fn tell(&mut self, key: Key) -> bool {
        if key >= self.end {
            return false;
        }
        let known = !self.keys.insert(key);
        if self.keys.len() >= 2 * self.window {
            self.prune();
        }
        known
    }

    /// Whether a key was told before.
    pub fn knows(&self, key: Key) -> bool {
        self.keys.contains(&key)
    }

    /// Remembers that the message with a `Message-ID` has a queue id.
    pub fn name(&mut self, message_id: Message, queue_id: Message) {
        self.names.add(message_id, queue_id, self.window);
    }

    /// Whether a refusal was told: by one of the ids that its mail has for the message, or by the queue id that a log
    /// has for that.
    pub fn knows_refusal(&self, messages: &[Message], recipient: &[u8]) -> bool {
        let told = |message: &Message| self.knows(refusal(*message, recipient));
        messages.iter().any(|message| told(message) || self.names.of(*message).iter().flatten().any(told))
    }

    /// Whether keys had to be given up: then a refusal told twice may be counted twice.
    pub fn is_full(&self) -> bool {
        self.end != Key::MAX
    }

    fn prune(&mut self) {
        let mut keys: Vec<Key> = self.keys.iter().copied().collect();
        let (_, end, _) = keys.select_nth_unstable(self.window);
        self.end = *end;
        self.keys.retain(|key| *key < self.end);
    }
}

/// Queue ids by `Message-ID`: the two smallest of each, as a message that passes a content filter has two.
#[derive(Debug)]
struct Names {
    queue_ids: HashMap<Message, [Option<Message>; 2], RandomState>,
    /// `Message-ID`s from here on are not kept.
    end: Message,
}

impl Default for Names {
    fn default() -> Self {
        Self { queue_ids: HashMap::default(), end: Message::MAX }
    }
}

impl Names {
    fn add(&mut self, message_id: Message, queue_id: Message, window: usize) {
        if message_id >= self.end {
            return;
        }
        let kept = self.queue_ids.entry(message_id).or_default();
        if !kept.contains(&Some(queue_id)) {
            let mut ids: Vec<Message> = kept.iter().copied().flatten().chain([queue_id]).collect();
            ids.sort_unstable();
            *kept = [ids.first().copied(), ids.get(1).copied()];
        }
        if self.queue_ids.len() >= 2 * window {
            let mut ids: Vec<Message> = self.queue_ids.keys().copied().collect();
            let (_, end, _) = ids.select_nth_unstable(window);
            self.end = *end;
            self.queue_ids.retain(|id, _| *id < self.end);
        }
    }

    fn of(&self, message_id: Message) -> [Option<Message>; 2] {
        self.queue_ids.get(&message_id).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_known_by_message_and_recipient() {
        let mut told = Told::default();
        let queue_id = message(b"4Wq1Xn2bz9z1r");
        assert!(!told.tell(refusal(queue_id, b"a@example.com")));
        assert!(told.knows_refusal(&[message(b"other"), queue_id], b"A@Example.com"));
        assert!(!told.knows_refusal(&[queue_id], b"b@example.com"));
        let message_id = message(b"1@app.example.com");
        assert!(!told.knows_refusal(&[message_id], b"a@example.com"));
        [message(b"before the filter"), queue_id].iter().for_each(|id| told.name(message_id, *id));
        assert!(told.knows_refusal(&[message_id], b"a@example.com"));
        assert!(!told.is_full());
    }

    #[test]
    fn what_is_kept_does_not_depend_on_the_order() {
        let keys: Vec<Key> = (0..1000).map(by_content).collect();
        let kept = |keys: &mut dyn Iterator<Item = Key>| {
            let mut told = Told::with_window(10);
            keys.for_each(|key| {
                told.tell(key);
            });
            assert!(told.is_full() && told.keys.len() < 20);
            let mut smallest: Vec<Key> = told.keys.into_iter().collect();
            smallest.sort_unstable();
            smallest.truncate(10);
            smallest
        };
        let forwards = kept(&mut keys.iter().copied());
        assert_eq!(forwards, kept(&mut keys.iter().rev().copied()));
        let mut sorted = keys.clone();
        sorted.sort_unstable();
        assert_eq!(forwards, sorted.get(..10).unwrap_or(&[]));
    }
}
