//! Longest suffix on label borders.

use hashbrown::HashMap;

/// Owners by name suffix. A name belongs to the longest suffix that is the name itself or follows one of its dots.
pub(crate) struct SuffixMap<T> {
    entries: HashMap<Box<[u8]>, Entry<T>, foldhash::fast::RandomState>,
    /// Whether a suffix of one label exists; only then need names be asked for one.
    has_single: bool,
}

/// What is known of one name: by itself, and of the suffixes that end in it where it has two labels. Most names are
/// settled by one look-up of their last two labels.
#[derive(Clone, Copy)]
struct Entry<T> {
    owner: Option<T>,
    /// Labels of the longest suffix that ends in this name; 0 unless it has two labels.
    deepest: usize,
}

impl<T: Copy> SuffixMap<T> {
    pub(crate) fn new() -> Self {
        SuffixMap { entries: HashMap::default(), has_single: false }
    }

    pub(crate) fn insert(&mut self, suffix: &[u8], owner: T) {
        let labels = 1 + memchr::memchr_iter(b'.', suffix).count();
        self.has_single |= labels == 1;
        let blank = Entry { owner: None, deepest: 0 };
        let pair = self.entries.entry(last_labels(suffix, 2).into()).or_insert(blank);
        pair.deepest = pair.deepest.max(labels);
        self.entries.entry(suffix.into()).or_insert(blank).owner = Some(owner);
    }

    /// The owner of the longest suffix of `name`, which is in lower case and without trailing dot. Costs one hash,
    /// and one more for each label beyond two that the suffixes in question have, whatever the name has.
    pub(crate) fn longest(&self, name: &[u8]) -> Option<T> {
        let pair = last_labels(name, 2);
        let entry = self.entries.get(pair);
        if let Some(Entry { deepest: 3.., .. }) = entry
            && let Some(owner) = self.longest_below(name, pair, entry?.deepest)
        {
            return Some(owner);
        }
        entry.and_then(|entry| entry.owner).or_else(|| self.single(name))
    }

    fn longest_below(&self, name: &[u8], pair: &[u8], deepest: usize) -> Option<T> {
        let mut rest = last_labels(name, deepest);
        while rest.len() > pair.len() {
            if let Some(Entry { owner: Some(owner), .. }) = self.entries.get(rest) {
                return Some(*owner);
            }
            rest = rest.get(memchr::memchr(b'.', rest)? + 1..)?;
        }
        None
    }

    fn single(&self, name: &[u8]) -> Option<T> {
        if self.has_single { self.entries.get(last_labels(name, 1))?.owner } else { None }
    }
}

/// The last labels of a name, at most `count`, which is at least 1.
fn last_labels(name: &[u8], count: usize) -> &[u8] {
    let dot = name.iter().enumerate().rev().filter(|(_, byte)| **byte == b'.').nth(count.saturating_sub(1));
    dot.and_then(|(at, _)| name.get(at + 1..)).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn longest_suffix_on_label_borders() {
        let mut map = SuffixMap::new();
        assert_eq!(map.longest(b"mx.example.com"), None);
        map.insert(b"example.com", 1);
        map.insert(b"in.mx.example.com", 2);
        assert_eq!(map.longest(b"example.com"), Some(1));
        assert_eq!(map.longest(b"a.b.c.d.e.f.g.mx.example.com"), Some(1));
        assert_eq!(map.longest(b"a.in.mx.example.com"), Some(2));
        assert_eq!(map.longest(b"in.mx.example.com"), Some(2));
        assert_eq!(map.longest(b"notexample.com"), None);
        assert_eq!(map.longest(b"example.com.evil.example"), None);
        assert_eq!(map.longest(b"com"), None);
        assert_eq!(map.longest(b""), None);
        map.insert(b"corp", 3);
        assert_eq!(map.longest(b"corp"), Some(3));
        assert_eq!(map.longest(b"mx.corp"), Some(3));
        assert_eq!(map.longest(b"a.mx.corp"), Some(3));
        map.insert(b"a.co.uk", 4);
        assert_eq!(map.longest(b"co.uk"), None);
        assert_eq!(map.longest(b"b.co.uk"), None);
        assert_eq!(map.longest(b"x.y.z.a.co.uk"), Some(4));
    }
}
