//! A trie of phrases with its single-child paths folded, in flat arrays.

/// All tries of an index: each root is a node.
#[derive(Debug, Default)]
pub(super) struct Trie {
    nodes: Vec<Node>,
    /// First byte of each node's label, for its parent to choose by.
    first: Vec<u8>,
    labels: Vec<u8>,
    values: Vec<u32>,
    /// For nodes of many children: which child goes on with an ASCII byte, counted from 1; 0 where none does.
    tables: Vec<[u8; 128]>,
}

/// Children from which on a table is quicker than a look at each.
const MANY: usize = 5;

#[derive(Clone, Copy, Debug, Default)]
struct Node {
    /// The first eight bytes of what has to be read to get here, and a mask for those that count.
    label: (u64, u64),
    label_len: u32,
    /// The others, in `labels`.
    more: (u32, u32),
    /// Phrases that end here, in `values`.
    values: (u32, u32),
    /// Nodes that go on, in `nodes`.
    children: (u32, u32),
    /// Place in `tables`, counted from 1; 0 where there is none.
    table: u32,
}

/// A node to be made: its place, bytes read on the way to it, and its phrases.
type ToDo<'p> = (u32, usize, Vec<(&'p [u8], u32)>);

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

    pub(super) fn build(mut self) -> Trie {
        for node in &mut self.0.nodes {
            let children = slice(&self.0.first, node.children);
            if (MANY..=usize::from(u8::MAX)).contains(&children.len()) {
                let mut table = [0; 128];
                for (&first, n) in children.iter().zip(1..) {
                    if let Some(slot) = table.get_mut(usize::from(first)) {
                        *slot = n;
                    }
                }
                self.0.tables.push(table);
                node.table = self.0.tables.len() as u32;
            }
        }
        self.0
    }

    fn reserve(&mut self, count: usize) -> u32 {
        let at = self.0.nodes.len();
        self.0.nodes.resize(at + count, Node::default());
        self.0.first.resize(at + count, 0);
        at as u32
    }

    fn node<'p>(&mut self, at: u32, depth: usize, phrases: &[(&'p [u8], u32)], todo: &mut Vec<ToDo<'p>>) {
        let shared = shared_len(phrases);
        let label = phrases.first().and_then(|(first, _)| first.get(depth..shared)).unwrap_or(&[]);
        let (head, more) = label.split_at(label.len().min(8));
        let more_at = self.0.labels.len() as u32;
        self.0.labels.extend_from_slice(more);
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
            label: (eight(head), u64::MAX.checked_shr(64 - 8 * head.len() as u32).unwrap_or(0)),
            label_len: label.len() as u32,
            more: (more_at, more.len() as u32),
            values: (values_at, ends as u32),
            children: (children, branches.len() as u32),
            table: 0,
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
    /// Calls `each` with value and length of every phrase that `text` starts with, shortest first. At least eight bytes
    /// stand behind the text, none of them of a phrase.
    pub(super) fn follow(&self, root: u32, text: &[u8], mut each: impl FnMut(u32, usize)) {
        let mut at = root;
        let mut read = 0;
        while let Some(node) = self.nodes.get(at as usize) {
            let Some((rest, head)) = text.get(read..).and_then(|rest| Some((rest, rest.first_chunk::<8>()?))) else {
                return;
            };
            let (label, mask) = node.label;
            if (u64::from_le_bytes(*head) ^ label) & mask != 0 {
                return;
            }
            if node.more.1 > 0 && !rest.get(8..).is_some_and(|rest| rest.starts_with(slice(&self.labels, node.more))) {
                return;
            }
            read += node.label_len as usize;
            for &value in slice(&self.values, node.values) {
                each(value, read);
            }
            let Some(child) = text.get(read).and_then(|next| self.child(node, *next)) else { return };
            at = child;
        }
    }

    fn child(&self, node: &Node, next: u8) -> Option<u32> {
        let (first, _) = node.children;
        let table = (node.table as usize).checked_sub(1).and_then(|at| self.tables.get(at));
        if let Some(table) = table.filter(|_| next < 0x80) {
            let child = table.get(usize::from(next)).copied().unwrap_or(0);
            return u32::from(child).checked_sub(1).map(|child| first + child);
        }
        let children = slice(&self.first, node.children);
        children.iter().position(|first| *first == next).map(|child| first + child as u32)
    }
}

/// At most eight bytes in one number.
fn eight(bytes: &[u8]) -> u64 {
    let mut eight = [0; 8];
    eight.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    u64::from_le_bytes(eight)
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
            let padded = [text.as_bytes(), &[0; 8]].concat();
            trie.follow(root, &padded, |value, len| found.push((value, len)));
            found
        };
        assert_eq!(found(root, "mailbox is full"), [(5, 2), (0, 4), (6, 4), (1, 7), (3, 15)]);
        assert_eq!(found(root, "mails"), [(5, 2), (0, 4), (6, 4)]);
        assert_eq!(found(root, "m"), []);
        assert_eq!(found(other, "others"), [(9, 5)]);
    }
}
