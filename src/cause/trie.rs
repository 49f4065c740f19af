//! A trie of phrases with its single-child paths folded, in flat arrays.

/// All tries of an index: each root is a node.
#[derive(Debug, Default)]
pub(super) struct Trie {
    nodes: Vec<Node>,
    /// First byte of each node's label, for its parent to choose by.
    first: Vec<u8>,
    labels: Vec<u8>,
    values: Vec<u32>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Node {
    /// What has to be read to get here, in `labels`.
    label: (u32, u32),
    /// Phrases that end here, in `values`.
    values: (u32, u32),
    /// Nodes that go on, in `nodes`.
    children: (u32, u32),
}

/// Makes a [`Trie`].
#[derive(Debug, Default)]
pub(super) struct TrieBuilder(Trie);

impl TrieBuilder {
    /// Adds phrases, each with its value; gives their root. Equal phrases may stand there with several values.
    pub(super) fn add(&mut self, phrases: &[(Vec<u8>, u32)]) -> u32 {
        let mut sorted: Vec<(&[u8], u32)> = phrases.iter().map(|(bytes, value)| (bytes.as_slice(), *value)).collect();
        sorted.sort_unstable();
        let root = self.reserve(1);
        // Depth is bounded by the longest phrase; a list of what is to do keeps that off the stack.
        let mut todo = vec![(root, 0, sorted)];
        while let Some((at, depth, phrases)) = todo.pop() {
            self.node(at, depth, &phrases, &mut todo);
        }
        root
    }

    pub(super) fn build(self) -> Trie {
        self.0
    }

    fn reserve(&mut self, count: usize) -> u32 {
        let at = self.0.nodes.len();
        self.0.nodes.resize(at + count, Node::default());
        self.0.first.resize(at + count, 0);
        at as u32
    }

    fn node<'p>(
        &mut self,
        at: u32,
        depth: usize,
        phrases: &[(&'p [u8], u32)],
        todo: &mut Vec<(u32, usize, Vec<(&'p [u8], u32)>)>,
    ) {
        let shared = shared_len(phrases);
        let label = phrases.first().and_then(|(first, _)| first.get(depth..shared)).unwrap_or(&[]);
        let label_at = self.0.labels.len() as u32;
        self.0.labels.extend_from_slice(label);
        let values_at = self.0.values.len() as u32;
        let ends = phrases.iter().take_while(|(bytes, _)| bytes.len() == shared).count();
        self.0.values.extend(phrases.iter().take(ends).map(|(_, value)| *value));
        let behind = phrases.get(ends..).unwrap_or(&[]);
        let branches: Vec<_> = behind.chunk_by(|a, b| a.0.get(shared) == b.0.get(shared)).collect();
        let children = self.reserve(branches.len());
        for (child, branch) in (children..).zip(&branches) {
            todo.push((child, shared, branch.to_vec()));
        }
        let node = Node {
            label: (label_at, label.len() as u32),
            values: (values_at, ends as u32),
            children: (children, branches.len() as u32),
        };
        if let (Some(slot), Some(first)) = (self.0.nodes.get_mut(at as usize), self.0.first.get_mut(at as usize)) {
            *slot = node;
            *first = label.first().copied().unwrap_or(0);
        }
    }
}

/// Bytes that all phrases of a sorted list share.
fn shared_len(phrases: &[(&[u8], u32)]) -> usize {
    match (phrases.first(), phrases.last()) {
        (Some((first, _)), Some((last, _))) => first.iter().zip(*last).take_while(|(a, b)| a == b).count(),
        _ => 0,
    }
}

impl Trie {
    /// Calls `each` with value and length of every phrase that `text` starts with, shortest first.
    pub(super) fn follow(&self, root: u32, text: &[u8], mut each: impl FnMut(u32, usize)) {
        let mut at = root;
        let mut rest = text;
        while let Some(node) = self.nodes.get(at as usize) {
            let label = slice(&self.labels, node.label);
            match strip(rest, label) {
                Some(behind) => rest = behind,
                None => return,
            }
            for &value in slice(&self.values, node.values) {
                each(value, text.len() - rest.len());
            }
            let Some(&next) = rest.first() else { return };
            let children = slice(&self.first, node.children);
            let Some(child) = children.iter().position(|first| *first == next) else { return };
            at = node.children.0 + child as u32;
        }
    }
}

/// What follows a label. Labels are a few bytes: a loop is quicker than a call of the library's comparison.
fn strip<'t>(text: &'t [u8], label: &[u8]) -> Option<&'t [u8]> {
    let (head, behind) = text.split_at_checked(label.len())?;
    head.iter().zip(label).all(|(a, b)| a == b).then_some(behind)
}

fn slice<T>(all: &[T], (at, len): (u32, u32)) -> &[T] {
    all.get(at as usize..(at + len) as usize).unwrap_or(&[])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_prefixes_are_found_shortest_first() {
        let phrases = ["mail", "mailbox", "mailbox full", "mailbox is full", "mailing", "ma", "mail"];
        let phrases: Vec<_> = phrases.iter().zip(0..).map(|(text, n)| (text.as_bytes().to_vec(), n)).collect();
        let mut builder = TrieBuilder::default();
        let other = builder.add(&[(b"other".to_vec(), 9)]);
        let root = builder.add(&phrases);
        let trie = builder.build();
        let found = |root, text: &str| {
            let mut found = Vec::new();
            trie.follow(root, text.as_bytes(), |value, len| found.push((value, len)));
            found
        };
        assert_eq!(found(root, "mailbox is full"), [(5, 2), (0, 4), (6, 4), (1, 7), (3, 15)]);
        assert_eq!(found(root, "mails"), [(5, 2), (0, 4), (6, 4)]);
        assert_eq!(found(root, "m"), []);
        assert_eq!(found(other, "others"), [(9, 5)]);
    }
}
