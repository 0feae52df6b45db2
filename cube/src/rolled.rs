//! Rows being rolled up: what a roller, the segments and a compaction have in memory.

mod dictionary;
mod metrics;
mod partial;
mod source;
mod taken;

use std::ops::Range;
use std::sync::Arc;

use hashbrown::HashTable;
use squall::{Result, Text, Timestamp, bolt::Neighbours, key::KeyValue};

use crate::event::Event;
use crate::rows::RolledRows;
use crate::schema::Schema;

use metrics::{NotMerged, Partials};
use source::{OfEvent, OfRow, Source};

/// Rows by time and dimensions, with their metrics. They lie in arrays, by number; a table finds
/// the number of a row by its hash, and compares with the arrays.
pub(crate) struct Rolled {
    schema: Arc<Schema>,
    /// The dimensions, in the order in which they came.
    names: Vec<Text>,
    /// For each dimension the odd number that the hashes of its values are multiplied by.
    salts: Vec<u64>,
    index: HashTable<Slot>,
    times: Vec<i64>,
    /// The values of a row lie side by side: as many as there are dimensions.
    values: Vec<Option<Text>>,
    metrics: Partials,
    /// About how much memory all of it takes.
    bytes: usize,
    mappings: Vec<Mapping>,
    /// Whether the dimensions are given, and stay when the rows are taken out.
    given: bool,
    /// The bucket of the latest event: most events come in order.
    bucket: Range<i64>,
    sought: Vec<Sought>,
}

/// A row in the index, with its hash: most others are told from it without a look at them.
#[derive(Clone, Copy)]
struct Slot {
    hash: u64,
    row: u32,
}

/// An event whose row is looked for.
struct Sought {
    time: i64,
    hash: u64,
    /// The one of this hash, which is the one of the event almost always.
    row: Option<usize>,
}

/// For so many events at once: enough that the memory is busy, few enough that what was loaded
/// for the first one is still there.
const AT_ONCE: usize = 32;

/// Where the dimensions are in events with these names.
#[derive(Default)]
struct Mapping {
    names: Arc<[Text]>,
    /// By dimension; it may end before they do.
    places: Vec<Option<usize>>,
}

impl Mapping {
    #[inline]
    fn source<'e>(&'e self, event: &'e Event) -> OfEvent<'e> {
        OfEvent {
            event,
            places: &self.places,
        }
    }
}

/// Events have the same few sets of names mostly.
const MAX_MAPPINGS: usize = 16;

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
#[error("the {kind} `{metric}` leaves its range with this event, in the row of {time}{dimensions}")]
pub(crate) struct OutOfRange {
    kind: String,
    metric: String,
    time: Timestamp,
    /// ` with a = `x`, b = null`; empty where there are none.
    dimensions: String,
}

impl Rolled {
    pub(crate) fn new(schema: Arc<Schema>) -> Self {
        let kinds = schema.metrics.iter().map(|metric| metric.kind).collect();
        Self {
            names: Vec::new(),
            salts: Vec::new(),
            index: HashTable::new(),
            times: Vec::new(),
            values: Vec::new(),
            metrics: Partials::new(kinds),
            bytes: 0,
            mappings: Vec::new(),
            given: false,
            bucket: 0..0,
            sought: Vec::new(),
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
        self.know_dimensions(event)?;
        let time = self.time_of(event);
        let mapping = self.lend();
        let source = mapping.source(event);
        let hash = self.hash_of(time, &source);
        let put = self.put(time, hash, &source, Overflow::Refuse);
        self.mappings.push(mapping);
        put
    }

    /// Takes in the first of some events, up to one with which something is wrong or there would
    /// be `most_rows`; says how many.
    ///
    /// The rows of several are looked for at once, and their memory is loaded, before the first
    /// one is changed: what takes longest is to wait for it.
    pub(crate) fn add_first(&mut self, events: &Neighbours<'_, Event>, most_rows: usize) -> usize {
        let mut taken = 0;
        while let Some(first) = events.all().get(taken) {
            if self.know_dimensions(first).is_err() {
                break;
            }
            let alike = events.all()[taken..].iter().take(AT_ONCE);
            let alike = alike.take_while(|event| {
                Arc::ptr_eq(&event.names, &first.names) && self.is_of_schema(event)
            });
            let end = taken + alike.count();
            let mapping = self.lend();
            let mut sought = std::mem::take(&mut self.sought);
            self.seek(&events.all()[taken..end], &mapping, &mut sought);
            for sought in sought.drain(..) {
                let source = mapping.source(events.take(taken));
                if self.len() + 1 >= most_rows || self.put_sought(&sought, &source).is_err() {
                    break;
                }
                taken += 1;
            }
            self.mappings.push(mapping);
            self.sought = sought;
            if taken < end {
                break;
            }
        }
        taken
    }

    /// Looks for the rows of some events, and loads their memory.
    fn seek(&mut self, events: &[Event], mapping: &Mapping, sought: &mut Vec<Sought>) {
        sought.extend(events.iter().map(|event| {
            let time = self.time_of(event);
            let hash = self.hash_of(time, &mapping.source(event));
            Sought {
                time,
                hash,
                row: None,
            }
        }));
        for sought in &mut *sought {
            let found = self
                .index
                .find(sought.hash, |slot| slot.hash == sought.hash);
            sought.row = found.map(|slot| slot.row as usize);
        }
        let width = self.names.len();
        let nulls = sought.iter().zip(events).map(|(sought, event)| {
            let Some(row) = sought.row else {
                return 0;
            };
            let values = &self.values[row * width..][..width];
            // Each fourth begins a line of a cache, of which all have 64 bytes.
            let nulls = values.iter().step_by(4).filter(|value| value.is_none());
            nulls.count()
                + usize::from(self.times[row] == 0)
                + self.metrics.touch(row, &event.inputs)
        });
        std::hint::black_box(nulls.sum::<usize>());
    }

    fn put_sought(&mut self, sought: &Sought, source: &impl Source) -> Result {
        match sought.row {
            Some(row) if self.times[row] == sought.time && self.is_at(row, source) => {
                self.merge(row, sought.time, source, Overflow::Refuse)
            }
            // It may have come with an event that was sought at the same time.
            _ => self.put(sought.time, sought.hash, source, Overflow::Refuse),
        }
    }

    fn is_of_schema(&self, event: &Event) -> bool {
        event.dimensions.len() == event.names.len() && event.inputs.len() == self.metrics.width()
    }

    /// Sees to it that all dimensions of an event are known; its mapping is the last one then.
    fn know_dimensions(&mut self, event: &Event) -> Result {
        if !self.is_of_schema(event) {
            return Err("the event is not of this schema".into());
        }
        let mapping = self.mapping_of(&event.names);
        let last = self.mappings.len() - 1;
        self.mappings.swap(mapping, last);
        Ok(())
    }

    /// The last mapping, lent out so that the table can be changed by what is read with it.
    fn lend(&mut self) -> Mapping {
        self.mappings.pop().unwrap_or_default()
    }

    /// The time of the row of an event.
    #[inline]
    fn time_of(&mut self, event: &Event) -> i64 {
        let moment = event.time.millis();
        if !self.bucket.contains(&moment) {
            self.bucket = self.schema.query.bucket(moment);
        }
        self.time_of_bucket(moment)
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
    pub(crate) fn add_rows(&mut self, rows: &RolledRows) -> Result {
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
    fn places_in(&mut self, rows: &RolledRows) -> Result<Vec<Option<usize>>> {
        if !self.metrics.fit(&rows.metrics) {
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

    /// Takes in a row that does not come before the latest one, with the places of the dimensions
    /// in its block. One that [belongs](Self::continues) to the latest becomes one with it.
    pub(crate) fn append(
        &mut self,
        rows: &RolledRows,
        row: usize,
        places: &[Option<usize>],
    ) -> Result {
        let source = OfRow { rows, row, places };
        if !self.metrics.fit(&rows.metrics) {
            return Err("the rows are not of this schema".into());
        }
        if let Some(last) = self.last(rows.times[row], &source) {
            self.merge(last, rows.times[row], &source, Overflow::KeepApart)
        } else {
            self.push(rows.times[row], &source)
        }
    }

    /// Whether a row becomes one with the latest one.
    pub(crate) fn continues(
        &self,
        rows: &RolledRows,
        row: usize,
        places: &[Option<usize>],
    ) -> bool {
        let source = OfRow { rows, row, places };
        let last = self.last(rows.times[row], &source);
        last.is_some_and(|last| self.metrics.can_merge(last, &source))
    }

    /// The latest row, where it is the one of this time and these dimensions.
    fn last(&self, time: i64, source: &impl Source) -> Option<usize> {
        let last = self.len().checked_sub(1)?;
        let same = self.schema.rollup && self.times[last] == time && self.is_at(last, source);
        same.then_some(last)
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
        if self.mappings.len() == MAX_MAPPINGS {
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

    fn put(&mut self, time: i64, hash: u64, source: &impl Source, overflow: Overflow) -> Result {
        if !self.schema.rollup {
            self.check_alone(time, source)?;
            return self.push(time, source);
        }
        let found = self.index.find(hash, |slot| {
            let row = slot.row as usize;
            slot.hash == hash && self.times[row] == time && self.is_at(row, source)
        });
        if let Some(slot) = found {
            return self.merge(slot.row as usize, time, source, overflow);
        }
        if overflow == Overflow::Refuse {
            self.check_alone(time, source)?;
        }
        self.push(time, source)?;
        // The number fits: `push` has checked it.
        let row = u32::try_from(self.times.len() - 1)?;
        let slot = Slot { hash, row };
        self.index.insert_unique(hash, slot, |slot| slot.hash);
        Ok(())
    }

    fn check_alone(&self, time: i64, source: &impl Source) -> Result {
        match self.metrics.out_of_range(source) {
            Some(metric) => Err(self.out_of_range(metric, time, source)),
            None => Ok(()),
        }
    }

    #[cold]
    fn out_of_range(&self, metric: usize, time: i64, source: &impl Source) -> squall::BoxError {
        let values = self.names.iter().enumerate().map(|(column, name)| {
            let before = if column == 0 { " with" } else { "," };
            let value = source.value(column);
            value.map_or_else(
                || format!("{before} {name} = null"),
                |value| format!("{before} {name} = `{value}`"),
            )
        });
        let metric = &self.schema.metrics[metric];
        OutOfRange {
            kind: metric.kind.to_string(),
            metric: metric.name.clone(),
            time: Timestamp::from_millis(time),
            dimensions: values.collect(),
        }
        .into()
    }

    #[inline]
    fn merge(&mut self, row: usize, time: i64, source: &impl Source, overflow: Overflow) -> Result {
        match (self.metrics.merge(row, source), overflow) {
            (Ok(bytes), _) => {
                self.bytes += bytes;
                Ok(())
            }
            (Err(NotMerged::OutOfRange(metric)), Overflow::Refuse) => {
                Err(self.out_of_range(metric, time, source))
            }
            (Err(NotMerged::OutOfRange(_)), Overflow::KeepApart) => self.push(time, source),
            (Err(NotMerged::Failed(error)), _) => Err(error),
        }
    }

    fn push(&mut self, time: i64, source: &impl Source) -> Result {
        if self.times.len() >= u32::MAX as usize {
            return Err("there are more than 2^32 rows".into());
        }
        self.bytes += self.metrics.push(source);
        for column in 0..self.names.len() {
            let value = source.value(column).cloned();
            // Up to 15 bytes lie in the text itself.
            let length = value.as_ref().map_or(0, |value| value.len());
            self.bytes += size_of::<Option<Text>>() + if length > 15 { length } else { 0 };
            self.values.push(value);
        }
        self.times.push(time);
        // With a place in the index, five of eight of which are taken.
        self.bytes += size_of::<i64>() + size_of::<Slot>() * 8 / 5;
        Ok(())
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
