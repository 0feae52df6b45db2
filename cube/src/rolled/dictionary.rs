//! Values as numbers.

use ahash::AHashMap;
use squall::Text;

use crate::rows::DimensionColumn;

/// The values of a dimension, each once, and which of them each row has.
pub(super) struct Dictionary {
    pub(super) name: Text,
    pub(super) values: Vec<Text>,
    pub(super) ids: Vec<u32>,
}

impl Dictionary {
    pub(super) fn of<'v>(name: Text, values: impl Iterator<Item = &'v Option<Text>>) -> Self {
        let mut dictionary = Self {
            name,
            values: Vec::new(),
            ids: Vec::new(),
        };
        let mut known: AHashMap<&Text, u32> = AHashMap::new();
        for value in values {
            let id = match value {
                None => DimensionColumn::NULL,
                Some(value) => *known.entry(value).or_insert_with(|| {
                    dictionary.values.push(value.clone());
                    // There are fewer values than rows, and fewer rows than 2^32.
                    u32::try_from(dictionary.values.len() - 1).unwrap_or(u32::MAX)
                }),
            };
            dictionary.ids.push(id);
        }
        dictionary
    }

    /// Puts the values in order, so that ids compare as values do.
    pub(super) fn sort(&mut self) {
        let mut order: Vec<(Text, usize)> = std::mem::take(&mut self.values)
            .into_iter()
            .zip(0..)
            .collect();
        order.sort();
        let mut ranks = vec![0; order.len()];
        for ((_, id), rank) in order.iter().zip(0..) {
            ranks[*id] = rank;
        }
        for id in &mut self.ids {
            *id = ranks.get(*id as usize).copied().unwrap_or(*id);
        }
        self.values = order.into_iter().map(|(value, _)| value).collect();
    }
}
