//! Groups of phrases of which one is enough. Rules share groups; which ones are found is worked out once a text.

use std::collections::BTreeMap;

use super::literals::{Found, LiteralId};

/// Number of a group.
pub(super) type GroupId = u32;

/// All groups of the rules.
#[derive(Debug, Default)]
pub(super) struct Groups {
    /// The literals of each group, in ascending order.
    members: Vec<Vec<LiteralId>>,
    /// The groups of each literal.
    of_literal: Vec<Vec<GroupId>>,
    known: BTreeMap<Vec<LiteralId>, GroupId>,
}

/// The groups found in one text. Reused.
#[derive(Debug, Default)]
pub(super) struct FoundGroups {
    text: u32,
    last_text: Vec<u32>,
    /// Groups found, each once.
    pub(super) seen: Vec<GroupId>,
}

impl Groups {
    pub(super) fn add(&mut self, mut literals: Vec<LiteralId>) -> GroupId {
        literals.sort_unstable();
        literals.dedup();
        if let Some(&known) = self.known.get(&literals) {
            return known;
        }
        let id = self.members.len() as GroupId;
        for &literal in &literals {
            let at = literal as usize;
            if self.of_literal.len() <= at {
                self.of_literal.resize(at + 1, Vec::new());
            }
            self.of_literal.get_mut(at).into_iter().for_each(|groups| groups.push(id));
        }
        self.known.insert(literals.clone(), id);
        self.members.push(literals);
        id
    }

    pub(super) fn len(&self) -> usize {
        self.members.len()
    }

    pub(super) fn literals(&self, group: GroupId) -> &[LiteralId] {
        self.members.get(group as usize).map_or(&[], Vec::as_slice)
    }

    pub(super) fn contains(&self, group: GroupId, literal: LiteralId) -> bool {
        self.literals(group).binary_search(&literal).is_ok()
    }

    /// The groups of the literals that were found.
    pub(super) fn find(&self, found: &Found, groups: &mut FoundGroups) {
        groups.begin(self.len());
        for &literal in &found.seen {
            for &group in self.of_literal.get(literal as usize).into_iter().flatten() {
                groups.add(group);
            }
        }
    }
}

impl FoundGroups {
    fn begin(&mut self, count: usize) {
        self.seen.clear();
        self.text = self.text.wrapping_add(1);
        if self.text == 0 || self.last_text.len() != count {
            self.last_text.clear();
            self.last_text.resize(count, 0);
            self.text = 1;
        }
    }

    fn add(&mut self, group: GroupId) {
        if let Some(text) = self.last_text.get_mut(group as usize)
            && *text != self.text
        {
            *text = self.text;
            self.seen.push(group);
        }
    }

    pub(super) fn has(&self, group: GroupId) -> bool {
        self.last_text.get(group as usize) == Some(&self.text)
    }
}
