//! Rows as they are taken out.

use super::Rolled;
use super::dictionary::Dictionary;
use crate::rows::{DimensionColumn, RolledRows};

impl Rolled {
    /// Takes out all rows, in the order in which they came. The dimensions are in the order of
    /// their names.
    pub(crate) fn take(&mut self) -> RolledRows {
        let rows: Vec<u32> = self.numbers().collect();
        let dictionaries = self.dictionaries();
        self.take_in_order(&rows, dictionaries)
    }

    /// Takes out all rows, in the order of their times and then of their dimensions, by name:
    /// null first, then by the bytes of the values.
    pub(crate) fn take_sorted(&mut self) -> RolledRows {
        let mut dictionaries = self.dictionaries();
        for dictionary in &mut dictionaries {
            dictionary.sort();
        }
        let mut rows: Vec<u32> = self.numbers().collect();
        rows.sort_by(|one, other| {
            let (one, other) = (*one as usize, *other as usize);
            let by_time = self.times[one].cmp(&self.times[other]);
            let mut by_value = dictionaries.iter();
            by_time.then_with(|| {
                let different = by_value.find(|column| column.ids[one] != column.ids[other]);
                // Null has the greatest id, and comes first.
                let ranks = different.map(|column| {
                    let rank = |row: usize| column.ids[row].wrapping_add(1);
                    rank(one).cmp(&rank(other))
                });
                ranks.unwrap_or(std::cmp::Ordering::Equal)
            })
        });
        self.take_in_order(&rows, dictionaries)
    }

    fn numbers(&self) -> impl Iterator<Item = u32> {
        // There are no more: `push` has seen to it.
        0..u32::try_from(self.times.len()).unwrap_or(u32::MAX)
    }

    fn take_in_order(&mut self, rows: &[u32], dictionaries: Vec<Dictionary>) -> RolledRows {
        let taken = RolledRows {
            times: rows.iter().map(|row| self.times[*row as usize]).collect(),
            dimensions: dictionaries
                .into_iter()
                .map(|dictionary| DimensionColumn {
                    ids: rows
                        .iter()
                        .map(|row| dictionary.ids[*row as usize])
                        .collect(),
                    name: dictionary.name,
                    dictionary: dictionary.values,
                })
                .collect(),
            metrics: self.metrics.take(rows),
        };
        self.index.clear();
        self.times.clear();
        self.values.clear();
        self.bytes = 0;
        if !self.given {
            // Events with other dimensions come later, and may have as many.
            self.names.clear();
            self.salts.clear();
            self.mappings.clear();
        }
        taken
    }

    /// The dimensions by name, their values by dictionary.
    fn dictionaries(&self) -> Vec<Dictionary> {
        let width = self.names.len();
        let mut columns: Vec<usize> = (0..width).collect();
        columns.sort_by(|one, other| self.names[*one].cmp(&self.names[*other]));
        let columns = columns.into_iter().map(|column| {
            let values = self.values.iter().skip(column).step_by(width);
            Dictionary::of(self.names[column].clone(), values)
        });
        columns.collect()
    }
}
