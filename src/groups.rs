//! Counts by group with a bound on the number of groups, independent of the order in which they come.
//!
//! Keys are attacker-chosen (domains, addresses, texts). Of the most detailed keys only so many are kept apart: those
//! with the smallest [`GroupKey::rank`], a fixed hash of the key. What falls out is folded into a coarser key, level by
//! level. A key that is among the smallest of all is among the smallest of any part it appears in, so it is never
//! folded on the way, and its counts are exact; counts of folded keys are exact in their coarser group. Hence parts may be
//! merged in any order and cut anywhere.

use std::hash::Hash;

use foldhash::fast::RandomState;
use hashbrown::HashMap;

/// A key that knows its coarser self.
pub trait GroupKey: Clone + Eq + Hash + Ord {
    /// A hash that is the same in every process and on every machine.
    fn rank(&self) -> u64;
    /// The key with its attacker-chosen parts replaced by "other"; at [`Level::Everything`] all but closed sets.
    fn fold(&self, level: Level) -> Self;
}

/// How much of a key is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// The details: sender domain, sending address, template, unknown receiving domain.
    Details,
    /// All but what comes from closed sets.
    Everything,
}

/// Counts that can be added.
pub trait Mergeable {
    /// Adds `other`.
    fn merge(&mut self, other: Self);
    /// Gives up what only belongs to the full key, when the counts are folded into a coarser one.
    fn fold(&mut self) {}
}

/// Groups and their counts.
#[derive(Clone, Debug)]
pub struct Groups<K, V> {
    full: HashMap<K, V, RandomState>,
    coarse: HashMap<K, V, RandomState>,
    coarsest: HashMap<K, V, RandomState>,
    limit: usize,
}

impl<K: GroupKey, V: Mergeable + Default> Groups<K, V> {
    /// Groups of which about `limit` are kept apart on each of the two bounded levels.
    pub fn with_limit(limit: usize) -> Self {
        Self { full: HashMap::default(), coarse: HashMap::default(), coarsest: HashMap::default(), limit: limit.max(1) }
    }

    /// The counts of a group, made if missing.
    pub fn at(&mut self, key: &K) -> &mut V {
        if self.full.len() >= self.limit * 3 / 2 && !self.full.contains_key(key) {
            self.prune();
        }
        self.full.entry_ref(key).or_default()
    }

    /// Number of groups on the most detailed level.
    pub fn len(&self) -> usize {
        self.full.len()
    }

    /// Whether nothing was counted.
    pub fn is_empty(&self) -> bool {
        self.full.is_empty() && self.coarse.is_empty() && self.coarsest.is_empty()
    }

    /// Adds all groups of `other` and leaves it empty.
    pub fn absorb(&mut self, other: &mut Self) {
        for (key, counts) in other.full.drain() {
            self.at(&key).merge(counts);
        }
        for (key, counts) in other.coarse.drain() {
            self.add_coarse(key, counts);
        }
        for (key, counts) in other.coarsest.drain() {
            self.coarsest.entry(key).or_default().merge(counts);
        }
    }

    /// All groups of all levels, sorted by key.
    pub fn into_sorted(mut self) -> Vec<(K, V)> {
        if self.full.len() > self.limit {
            self.prune();
        }
        if self.coarse.len() > self.limit {
            self.prune_coarse();
        }
        let mut all: Vec<(K, V)> = self.full.drain().chain(self.coarse.drain()).chain(self.coarsest.drain()).collect();
        all.sort_by(|(a, _), (b, _)| a.cmp(b));
        all
    }

    fn prune(&mut self) {
        for (key, counts) in largest(&mut self.full, self.limit) {
            self.add_coarse(key.fold(Level::Details), counts);
        }
    }

    fn add_coarse(&mut self, key: K, mut counts: V) {
        counts.fold();
        if self.coarse.len() >= self.limit * 3 / 2 && !self.coarse.contains_key(&key) {
            self.prune_coarse();
        }
        self.coarse.entry(key).or_default().merge(counts);
    }

    fn prune_coarse(&mut self) {
        for (key, counts) in largest(&mut self.coarse, self.limit) {
            self.coarsest.entry(key.fold(Level::Everything)).or_default().merge(counts);
        }
    }
}

/// Takes all but the `keep` smallest keys (by rank, then by key) out of the map.
fn largest<K: GroupKey, V>(map: &mut HashMap<K, V, RandomState>, keep: usize) -> Vec<(K, V)> {
    let mut ranks: Vec<u64> = map.keys().map(GroupKey::rank).collect();
    if ranks.len() <= keep {
        return Vec::new();
    }
    let (_, last_kept, _) = ranks.select_nth_unstable(keep - 1);
    let last_kept = *last_kept;
    let mut taken: Vec<(K, V)> = map.extract_if(|key, _| key.rank() > last_kept).collect();
    // Keys can be made to share a rank; among those, the keys themselves decide.
    if let Some(surplus) = map.len().checked_sub(keep).filter(|surplus| *surplus > 0) {
        let mut tied: Vec<K> = map.keys().filter(|key| key.rank() == last_kept).cloned().collect();
        tied.sort_unstable();
        let from = tied.len().saturating_sub(surplus);
        taken.extend(tied.drain(from..).filter_map(|key| map.remove_entry(&key)));
    }
    taken
}

/// A fixed 64-bit hash (FNV-1a with a final mix), for ranks only.
#[derive(Clone, Copy, Debug)]
pub struct Rank(u64);

impl Default for Rank {
    fn default() -> Self {
        Rank(0xcbf2_9ce4_8422_2325)
    }
}

impl Rank {
    /// Adds bytes and their end.
    pub fn bytes(mut self, bytes: &[u8]) -> Self {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
        self.number(bytes.len() as u64)
    }

    /// Adds bytes and their end, eight at a time: for long texts. Not the hash of [`Rank::bytes`].
    pub fn content(mut self, bytes: &[u8]) -> Self {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self = self.number(u64::from_le_bytes(*word));
        }
        self.bytes(rest)
    }

    /// Adds a number.
    pub fn number(mut self, number: u64) -> Self {
        self.0 = (self.0 ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 ^= self.0 >> 29;
        self
    }

    /// The hash.
    pub fn get(self) -> u64 {
        let mixed = self.0.wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed ^ (mixed >> 32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
    struct Pair(Option<u16>, u8);

    impl GroupKey for Pair {
        fn rank(&self) -> u64 {
            // Coarse on purpose: many keys share a rank.
            Rank::default().number(self.0.map_or(0, |n| u64::from(n) / 16 + 1)).get()
        }
        fn fold(&self, level: Level) -> Self {
            Pair(None, if level == Level::Everything { 0 } else { self.1 })
        }
    }

    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    struct Count(u64);

    impl Mergeable for Count {
        fn merge(&mut self, other: Self) {
            self.0 += other.0;
        }
    }

    fn counted(keys: &[Pair], parts: usize) -> Vec<(Pair, Count)> {
        let mut all = Groups::with_limit(20);
        for part in keys.chunks(keys.len().div_ceil(parts).max(1)) {
            let mut groups = Groups::<Pair, Count>::with_limit(20);
            for key in part {
                groups.at(key).0 += 1;
            }
            all.absorb(&mut groups);
        }
        all.into_sorted()
    }

    proptest! {
        #[test]
        fn any_order_and_any_parts_give_the_same_groups(
            mut keys in prop::collection::vec((0u16..300, 0u8..60).prop_map(|(a, b)| Pair(Some(a), b)), 0..800),
            seed in any::<u64>(),
        ) {
            let whole = counted(&keys, 1);
            prop_assert_eq!(whole.iter().map(|(_, c)| c.0).sum::<u64>(), keys.len() as u64);
            prop_assert!(whole.len() <= 41);
            keys.sort_by_key(|key| Rank(seed).number(key.rank()).get());
            for parts in [1, 2, 3, 7] {
                prop_assert_eq!(&counted(&keys, parts), &whole);
            }
        }
    }
}
