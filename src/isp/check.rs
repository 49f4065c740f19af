//! Whether rows of own tables are found by their samples.

use super::table::{self, IspRow, Placed, Table, TableError};
use super::{Clues, Directory, Isp};

/// A row whose sample does not select it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LostSample {
    /// Table and line.
    pub place: String,
    /// The row.
    pub slug: String,
    /// Its sample.
    pub sample: String,
    /// What the sample selects instead: a slug or domain; `None` where it is no clue or selects nothing.
    pub selected: Option<String>,
}

impl Directory {
    /// Tries the samples of tables that are part of this directory.
    ///
    /// # Errors
    /// As [`Directory::from_tables`].
    pub fn lost_samples(&self, tables: &[Table<'_>]) -> Result<Vec<LostSample>, TableError> {
        let mut lost = Vec::new();
        for table in tables {
            for Placed { row, place, .. } in table::read::<IspRow>(*table)? {
                let selected = self.selected(&row.sample);
                if selected.as_ref() != Some(&row.slug) {
                    let place = format!("{}:{}", place.table, place.line);
                    lost.push(LostSample { place, slug: row.slug, sample: row.sample, selected });
                }
            }
        }
        Ok(lost)
    }

    /// Slug, or domain, that a sample selects.
    fn selected(&self, sample: &str) -> Option<String> {
        let (kind, clue) = sample.split_once(':')?;
        let clue = Some(clue.as_bytes());
        let clues = match kind {
            "host" => Clues { remote_mta: clue, ..Clues::default() },
            "recipient" => Clues { recipient_domain: clue, ..Clues::default() },
            "text" => Clues { text: clue, ..Clues::default() },
            _ => return None,
        };
        match self.attribute(&clues).isp {
            Isp::Known(id) => Some(self.isp(id).slug.clone()),
            Isp::Domain(domain) => Some(domain.to_string()),
            Isp::AddressLiteral | Isp::Unknown => None,
        }
    }
}
