//! Rows being rolled up: what a roller, the segments and a compaction have in memory.

mod dictionary;
mod metrics;
mod source;

use std::ops::Range;
use std::sync::Arc;

use hashbrown::HashTable;
use squall::{KeyValue, Result, Text, Timestamp};

use crate::event::Event;
use crate::rows::{DimensionColumn, Rows};
use crate::schema::{Kind, Schema};

use dictionary::Dictionary;
use metrics::Partials;
use source::{OfEvent, OfRow, Source};

/// Rows by time and dimensions, with their metrics. They lie in arrays, by number; a table finds
/// the number of a row by its hash, and compares with the arrays.
pub(crate) struct Rolled {
    schema: Arc<Schema>,
    kinds: Vec<Kind>,
    /// The dimensions, in the order in which they came.
    names: Vec<Text>,
    /// For each dimension the odd number that the hashes of its values are multiplied by.
    salts: Vec<u64>,
    index: HashTable<u32>,
    hashes: Vec<u64>,
    times: Vec<i64>,
    /// The values of a row lie side by side: as many as there are dimensions.
    values: Vec<Option<Text>>,
    metrics: Vec<Partials>,
    /// About how much memory all of it takes.
    bytes: usize,
    mappings: Vec<Mapping>,
    /// Whether the dimensions are given, and stay when the rows are taken out.
    given: bool,
    /// The bucket of the latest event: most events come in order.
    bucket: Range<i64>,
}

/// Where the dimensions are in events with these names.
struct Mapping {
    names: Arc<[Text]>,
    /// By dimension; it may end before they do.
    places: Vec<Option<usize>>,
}

/// Events have the same few sets of names mostly.
const MOST_MAPPINGS: usize = 16;

/// What becomes of a row whose metrics would leave their range.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Overflow {
    /// It is refused.
    Refuse,
    /// It stays a row of its own, beside the one that it belongs to.
    KeepApart,
}

/// An event does not fit into its row.
#[derive(Debug, thiserror::Error)]
#[error(
    "the {kind} `{metric}` leaves its range with this event, in the row of {time} with {dimensions}"
)]
pub(crate) struct OutOfRange {
    kind: String,
    metric: String,
    time: Timestamp,
    dimensions: String,
}

impl Rolled {
    pub(crate) fn new(schema: Arc<Schema>) -> Self {
        let kinds: Vec<Kind> = schema.metrics.iter().map(|metric| metric.kind).collect();
        Self {
            names: Vec::new(),
            salts: Vec::new(),
            index: HashTable::new(),
            hashes: Vec::new(),
            times: Vec::new(),
            values: Vec::new(),
            metrics: kinds.iter().map(|kind| Partials::new(*kind)).collect(),
            kinds,
            bytes: 0,
            mappings: Vec::new(),
            given: false,
            bucket: 0..0,
            schema,
        }
    }

    /// With these dimensions, in this order.
    pub(crate) fn with_dimensions(schema: Arc<Schema>, names: &[Text]) -> Self {
        let mut rolled = Self::new(schema);
        for name in names {
            rolled.widen(name.clone());
        }
        rolled.given = true;
        rolled
    }

    pub(crate) fn len(&self) -> usize {
        self.times.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.times.is_empty()
    }

    /// About how much memory the rows take.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes in an event. An error leaves everything as it was.
    pub(crate) fn add_event(&mut self, event: &Event) -> Result {
        if event.dimensions.len() != event.names.len() || event.inputs.len() != self.kinds.len() {
            return Err("the event is not of this schema".into());
        }
        let mapping = self.mapping_of(&event.names);
        let moment = event.time.millis();
        if !self.bucket.contains(&moment) {
            self.bucket = self.schema.query.bucket(moment);
        }
        let time = self.time_of_bucket(moment);
        // Lent out, so that the table can be changed by what is read from them.
        let mapping = self.mappings.swap_remove(mapping);
        let kinds = std::mem::take(&mut self.kinds);
        let source = OfEvent {
            event,
            places: &mapping.places,
            kinds: &kinds,
        };
        let hash = self.hash_of(time, &source);
        let put = self.put(time, hash, &source, Overflow::Refuse);
        self.mappings.push(mapping);
        self.kinds = kinds;
        put
    }

    /// The time of the rows of a moment's bucket: when it begins. A bucket of everything begins
    /// with its segment, or with 1970 where that is one of everything too.
    fn time_of_bucket(&self, moment: i64) -> i64 {
        if self.bucket.start != i64::MIN {
            return self.bucket.start;
        }
        match self.schema.segment.bucket(moment).start {
            i64::MIN => 0,
            start => start,
        }
    }

    /// Takes in all rows of a block.
    pub(crate) fn add_rows(&mut self, rows: &Rows) -> Result {
        let places = self.places_in(rows)?;
        // Each value is hashed once.
        let hashes: Vec<Vec<u64>> = (0..self.names.len())
            .map(|column| match places[column] {
                Some(place) => {
                    let values = rows.dimensions[place].dictionary.iter();
                    let hashes = values.map(|value| salted(value, self.salts[column]));
                    hashes.collect()
                }
                None => Vec::new(),
            })
            .collect();
        for row in 0..rows.len() {
            let source = OfRow {
                rows,
                row,
                places: &places,
            };
            let time = rows.times[row];
            let mut hash = of_time(time);
            for (hashes, place) in hashes.iter().zip(&places) {
                let id = place.map(|place| rows.dimensions[place].ids[row]);
                // Null has no value, and no hash.
                let of_value = id.and_then(|id| hashes.get(id as usize)).unwrap_or(&0);
                hash = hash.wrapping_add(*of_value);
            }
            self.put(time, hash, &source, Overflow::KeepApart)?;
        }
        Ok(())
    }

    /// Where the dimensions are in a block; those that are new are added.
    fn places_in(&mut self, rows: &Rows) -> Result<Vec<Option<usize>>> {
        if !self.fit(rows) {
            return Err("the rows are not of this schema".into());
        }
        for dimension in &rows.dimensions {
            if !self.names.contains(&dimension.name) {
                self.widen(dimension.name.clone());
            }
        }
        let place = |name: &Text| {
            let mut dimensions = rows.dimensions.iter();
            dimensions.position(|dimension| dimension.name == *name)
        };
        Ok(self.names.iter().map(place).collect())
    }

    fn fit(&self, rows: &Rows) -> bool {
        let metrics = self.metrics.iter().zip(&rows.metrics);
        self.metrics.len() == rows.metrics.len()
            && metrics.into_iter().all(|(one, other)| one.takes(other))
    }

    /// Takes in a row that does not come before the latest one, with the places of the dimensions
    /// in its block. One that [belongs](Self::continues) to the latest becomes one with it.
    pub(crate) fn append(&mut self, rows: &Rows, row: usize, places: &[Option<usize>]) -> Result {
        let source = OfRow { rows, row, places };
        if !self.fit(rows) {
            return Err("the rows are not of this schema".into());
        }
        match self.last(rows.times[row], &source) {
            Some(last) => self.merge(last, &source),
            None => self.push(rows.times[row], 0, &source),
        }
    }

    /// Whether a row becomes one with the latest one.
    pub(crate) fn continues(&self, rows: &Rows, row: usize, places: &[Option<usize>]) -> bool {
        let source = OfRow { rows, row, places };
        self.last(rows.times[row], &source).is_some()
    }

    /// The latest row, where it can take in this one.
    fn last(&self, time: i64, source: &impl Source) -> Option<usize> {
        let last = self.len().checked_sub(1)?;
        let same = self.schema.rollup && self.times[last] == time && self.is_at(last, source);
        (same && self.overflowing(last, source).is_none()).then_some(last)
    }

    fn mapping_of(&mut self, names: &Arc<[Text]>) -> usize {
        let mut mappings = self.mappings.iter();
        // The latest one is the last.
        if let Some(place) = mappings.rposition(|known| Arc::ptr_eq(&known.names, names)) {
            return place;
        }
        for name in names.iter() {
            if !self.names.contains(name) {
                self.widen(name.clone());
            }
        }
        let place = |name| names.iter().position(|other| other == name);
        let places = self.names.iter().map(place).collect();
        if self.mappings.len() == MOST_MAPPINGS {
            self.mappings.remove(0);
        }
        self.mappings.push(Mapping {
            names: Arc::clone(names),
            places,
        });
        self.mappings.len() - 1
    }

    /// Adds a dimension, which is null in all rows so far.
    fn widen(&mut self, name: Text) {
        let old = self.names.len();
        let mut wider = Vec::with_capacity(self.times.len() * (old + 1));
        let mut values = std::mem::take(&mut self.values).into_iter();
        for _ in 0..self.times.len() {
            wider.extend(values.by_ref().take(old));
            wider.push(None);
        }
        self.values = wider;
        self.bytes += self.times.len() * size_of::<Option<Text>>();
        self.salts.push(name.route_hash() | 1);
        self.names.push(name);
    }

    fn hash_of(&self, time: i64, source: &impl Source) -> u64 {
        let mut hash = of_time(time);
        for (column, salt) in self.salts.iter().enumerate() {
            if let Some(value) = source.value(column) {
                hash = hash.wrapping_add(salted(value, *salt));
            }
        }
        hash
    }

    /// Whether the row has these dimensions.
    fn is_at(&self, row: usize, source: &impl Source) -> bool {
        let width = self.names.len();
        let values = &self.values[row * width..(row + 1) * width];
        let mut values = values.iter().enumerate();
        values.all(|(column, value)| value.as_ref() == source.value(column))
    }

    fn find(&self, time: i64, hash: u64, source: &impl Source) -> Option<usize> {
        let found = self.index.find(hash, |row| {
            let row = *row as usize;
            self.hashes[row] == hash && self.times[row] == time && self.is_at(row, source)
        });
        found.map(|row| *row as usize)
    }

    fn put(&mut self, time: i64, hash: u64, source: &impl Source, overflow: Overflow) -> Result {
        if !self.schema.rollup {
            self.check_alone(time, source)?;
            return self.push(time, hash, source);
        }
        let Some(row) = self.find(time, hash, source) else {
            if overflow == Overflow::Refuse {
                self.check_alone(time, source)?;
            }
            self.push(time, hash, source)?;
            let hashes = &self.hashes;
            // The number fits: `push` has checked it.
            let row = u32::try_from(self.times.len() - 1)?;
            self.index
                .insert_unique(hash, row, |row| hashes[*row as usize]);
            return Ok(());
        };
        match (self.overflowing(row, source), overflow) {
            (None, _) => self.merge(row, source),
            (Some(metric), Overflow::Refuse) => Err(self.out_of_range(metric, time, source)),
            (Some(_), Overflow::KeepApart) => self.push(time, hash, source),
        }
    }

    /// The first metric that would leave its range.
    fn overflowing(&self, row: usize, source: &impl Source) -> Option<usize> {
        let mut metrics = self.metrics.iter().enumerate();
        metrics.position(|(number, partials)| !partials.can_merge(row, number, source))
    }

    fn check_alone(&self, time: i64, source: &impl Source) -> Result {
        let mut metrics = self.metrics.iter().enumerate();
        let wrong = metrics.position(|(number, partials)| !partials.can_hold(number, source));
        match wrong {
            Some(metric) => Err(self.out_of_range(metric, time, source)),
            None => Ok(()),
        }
    }

    #[cold]
    fn out_of_range(&self, metric: usize, time: i64, source: &impl Source) -> squall::BoxError {
        let values = self.names.iter().enumerate().map(|(column, name)| {
            let value = source.value(column);
            value.map_or_else(
                || format!("{name} = null"),
                |value| format!("{name} = `{value}`"),
            )
        });
        let values: Vec<String> = values.collect();
        let metric = &self.schema.metrics[metric];
        OutOfRange {
            kind: metric.kind.to_string(),
            metric: metric.name.clone(),
            time: Timestamp::from_millis(time),
            dimensions: values.join(", "),
        }
        .into()
    }

    fn merge(&mut self, row: usize, source: &impl Source) -> Result {
        for (number, partials) in self.metrics.iter_mut().enumerate() {
            self.bytes += partials.merge(row, number, source)?;
        }
        Ok(())
    }

    fn push(&mut self, time: i64, hash: u64, source: &impl Source) -> Result {
        if self.times.len() >= u32::MAX as usize {
            return Err("there are more than 2^32 rows".into());
        }
        for (number, partials) in self.metrics.iter_mut().enumerate() {
            self.bytes += partials.push(number, source)?;
        }
        for column in 0..self.names.len() {
            let value = source.value(column).cloned();
            // Up to 15 bytes lie in the text itself.
            let length = value.as_ref().map_or(0, |value| value.len());
            self.bytes += size_of::<Option<Text>>() + if length > 15 { length } else { 0 };
            self.values.push(value);
        }
        self.times.push(time);
        self.hashes.push(hash);
        // With a place in the index, five of eight of which are taken.
        self.bytes += 2 * size_of::<u64>() + 2 * size_of::<u32>();
        Ok(())
    }

    /// Takes out all rows, in the order in which they came. The dimensions are in the order of
    /// their names.
    pub(crate) fn take(&mut self) -> Rows {
        let rows: Vec<u32> = self.numbers().collect();
        let dictionaries = self.dictionaries();
        self.take_in_order(&rows, dictionaries)
    }

    /// Takes out all rows, in the order of their times and then of their dimensions, by name:
    /// null first, then by the bytes of the values.
    pub(crate) fn take_sorted(&mut self) -> Rows {
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

    fn take_in_order(&mut self, rows: &[u32], dictionaries: Vec<Dictionary>) -> Rows {
        let taken = Rows {
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
            metrics: self
                .metrics
                .iter_mut()
                .map(|partials| partials.take(rows))
                .collect(),
        };
        self.index.clear();
        self.hashes.clear();
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

/// The hash of a row is the sum of those of its time and of its values, each of these times an odd
/// number that belongs to the dimension (multilinear hashing: Carter and Wegman, 1979). So neither
/// the order of the dimensions matters nor those that are null.
#[inline]
fn of_time(time: i64) -> u64 {
    // The finish of SplitMix64 (Steele, Lea and Flood, 2014): times have the same few last bits.
    let mut mixed = time.cast_unsigned();
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[inline]
fn salted(value: &Text, salt: u64) -> u64 {
    value.route_hash().wrapping_mul(salt)
}
