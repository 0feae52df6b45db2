//! Rows are grouped, and their metrics put together.

use std::cmp::Ordering;
use std::ops::Range;

use ahash::{AHashMap, AHashSet, RandomState};
use hashbrown::HashTable;
use squall::{Text, Timestamp};

use super::answer::{Answer, AnswerRow, Measure};
use super::error::QueryError;
use super::partials::{NO_GROUP, Partials};
use super::plan::{Plan, stored};
use super::source::Portion;
use super::{DimensionFilter, Query};
use crate::rows::{DimensionColumn, RolledRows};

/// Numbers for values, in the order in which they came.
#[derive(Default)]
struct Numbers {
    numbers: AHashMap<Text, u32>,
    values: Vec<Text>,
}

impl Numbers {
    fn of(&mut self, value: &Text) -> u32 {
        if let Some(number) = self.numbers.get(value) {
            return *number;
        }
        let number = number_of(self.values.len());
        self.numbers.insert(value.clone(), number);
        self.values.push(value.clone());
        number
    }

    /// For each number how many values are less than its own.
    fn ranks(&self) -> Vec<u32> {
        let mut order: Vec<u32> = (0..number_of(self.values.len())).collect();
        order.sort_unstable_by_key(|number| &self.values[*number as usize]);
        let mut ranks = vec![0; order.len()];
        for (rank, number) in (0..).zip(order) {
            ranks[number as usize] = rank;
        }
        ranks
    }
}

/// What lies in memory one by one are fewer than 2^32.
fn number_of(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX)
}

/// The groups of an answer, as far as rows were read.
pub(super) struct Groups {
    /// When the bucket of each number begins.
    buckets: Vec<i64>,
    bucket_numbers: AHashMap<i64, u32>,
    /// The values of each dimension that is grouped by.
    values: Vec<Numbers>,
    /// The groups by their keys.
    groups: HashTable<u32>,
    hasher: RandomState,
    /// The key of each group, side by side: the numbers of its bucket and its values. Millions of
    /// small allocations would take longer than all else.
    keys: Vec<u32>,
    /// How many numbers a key has.
    width: usize,
    metrics: Vec<Partials>,
    /// When the first stored bucket begins.
    first: i64,
    rows_read: u64,
    /// The stored rows themselves, where they are counted.
    rows: AHashSet<StoredRow>,
    /// All names and values of these.
    texts: Numbers,
}

/// The time of a row, and the numbers of its dimensions and their values, but for null.
type StoredRow = (i64, Box<[(u32, u32)]>);

impl Groups {
    pub(super) fn new(plan: &Plan) -> Self {
        let metrics = plan.metrics.iter();
        Self {
            buckets: Vec::new(),
            bucket_numbers: AHashMap::new(),
            values: plan.by.iter().map(|_| Numbers::default()).collect(),
            groups: HashTable::new(),
            hasher: RandomState::new(),
            keys: Vec::new(),
            width: 1 + plan.by.len(),
            metrics: metrics.map(|metric| Partials::of(metric.kind)).collect(),
            first: i64::MAX,
            rows_read: 0,
            rows: AHashSet::new(),
            texts: Numbers::default(),
        }
    }

    /// Takes the rows of a portion in.
    pub(super) fn take(&mut self, plan: &Plan, portion: &dyn Portion) -> Result<(), QueryError> {
        let times = portion.times();
        let outside = *times.start() >= plan.times.end || *times.end() < plan.times.start;
        let may_have =
            |filter: &DimensionFilter| portion.may_have(&filter.dimension, filter.value.as_deref());
        if outside || !plan.filters.iter().all(may_have) {
            return Ok(());
        }
        let filtered = plan.filters.iter().map(|filter| filter.dimension.as_str());
        let mut dimensions: Vec<&str> = plan.by.iter().map(Text::as_str).chain(filtered).collect();
        let schema = portion.schema();
        let all_dimensions = plan.counts_rows() && schema.rollup;
        let named = dimensions.len();
        if all_dimensions {
            dimensions.extend(portion.dimensions().iter().map(Text::as_str));
        }
        let is_stored = |name: &str| schema.metrics.iter().any(|metric| metric.name == name);
        let metrics: Vec<usize> = (0..plan.metrics.len())
            .filter(|place| {
                !plan.metrics[*place].counts_rows && is_stored(&plan.metrics[*place].name)
            })
            .collect();
        let names: Vec<&str> = metrics
            .iter()
            .map(|place| plan.metrics[*place].name.as_str())
            .collect();
        let rows = portion
            .read(&dimensions, &names)
            .map_err(QueryError::Source)?;
        self.rows_read += rows.times.len() as u64;

        let Some(matching) = matching(plan, &rows) else {
            return Ok(());
        };
        let groups = self.group(plan, portion, &rows, &matching)?;
        for partials in &mut self.metrics {
            partials.resize(self.groups.len());
        }
        for (place, column) in metrics.iter().zip(&rows.metrics) {
            self.metrics[*place].take(&groups, column, &plan.metrics[*place].name)?;
        }
        if plan.counts_rows() {
            let columns = if all_dimensions {
                &rows.dimensions[named..]
            } else {
                &[]
            };
            self.count(plan, &rows.times, columns, &groups, schema.rollup);
        }
        Ok(())
    }

    /// The group of each row.
    fn group(
        &mut self,
        plan: &Plan,
        portion: &dyn Portion,
        rows: &RolledRows,
        matching: &[(&[u32], u32)],
    ) -> Result<Vec<u32>, QueryError> {
        let stored = stored(portion.schema());
        // The numbers of a column's values, which are asked for once each.
        let numbers: Vec<Vec<u32>> = self
            .values
            .iter_mut()
            .zip(&rows.dimensions)
            .map(|(values, column)| {
                column
                    .dictionary
                    .iter()
                    .map(|value| values.of(value))
                    .collect()
            })
            .collect();
        let mut groups = Vec::with_capacity(rows.times.len());
        let mut key = vec![0; self.width];
        let mut bucket = Bucket::none();
        // By one dimension, the groups of this bucket that are known, by its values and null.
        let mut known = match numbers.as_slice() {
            [numbers] => vec![NO_GROUP; numbers.len() + 1],
            _ => Vec::new(),
        };
        for (row, time) in rows.times.iter().enumerate() {
            let matches = |(ids, wanted): &(&[u32], u32)| ids[row] == *wanted;
            if !plan.times.contains(time) || !matching.iter().all(matches) {
                groups.push(NO_GROUP);
                continue;
            }
            if !bucket.stored.contains(time) {
                let before = bucket.number;
                bucket = Bucket::of(*time, stored, plan)?;
                bucket.number = self.bucket(bucket.start);
                if bucket.number != before {
                    known.fill(NO_GROUP);
                }
            }
            self.first = self.first.min(*time);
            let place = match known.len().checked_sub(1) {
                Some(null) => null.min(rows.dimensions[0].ids[row] as usize),
                None => 0,
            };
            if let Some(group) = known.get(place)
                && *group != NO_GROUP
            {
                groups.push(*group);
                continue;
            }
            key[0] = bucket.number;
            for (place, numbers) in numbers.iter().enumerate() {
                let id = rows.dimensions[place].ids[row];
                let number = numbers.get(id as usize);
                key[1 + place] = number.copied().unwrap_or(DimensionColumn::NULL);
            }
            // Rows of one group follow each other, where few dimensions are asked for.
            let group = match groups.last() {
                Some(latest) if *latest != NO_GROUP && same(self.key(*latest), &key) => *latest,
                _ => self.number(&key),
            };
            if let Some(known) = known.get_mut(place) {
                *known = group;
            }
            groups.push(group);
        }
        Ok(groups)
    }

    /// The number of the bucket that begins then.
    fn bucket(&mut self, start: i64) -> u32 {
        *self.bucket_numbers.entry(start).or_insert_with(|| {
            self.buckets.push(start);
            number_of(self.buckets.len() - 1)
        })
    }

    fn key(&self, group: u32) -> &[u32] {
        &self.keys[group as usize * self.width..][..self.width]
    }

    fn number(&mut self, key: &[u32]) -> u32 {
        let (keys, width, hasher) = (&self.keys, self.width, &self.hasher);
        let key_of = |group: u32| &keys[group as usize * width..][..width];
        let hash = hasher.hash_one(key);
        let found = self.groups.find(hash, |group| same(key_of(*group), key));
        if let Some(group) = found {
            return *group;
        }
        let group = number_of(self.groups.len());
        let hash_of = |group: &u32| hasher.hash_one(key_of(*group));
        self.groups.insert_unique(hash, group, hash_of);
        self.keys.extend(key);
        group
    }

    /// Counts stored rows: one that was written in parts once.
    fn count(
        &mut self,
        plan: &Plan,
        times: &[i64],
        columns: &[DimensionColumn],
        groups: &[u32],
        rollup: bool,
    ) {
        let mut known: Vec<(u32, Vec<u32>)> = Vec::new();
        for column in columns {
            let name = self.texts.of(&column.name);
            let values = column.dictionary.iter().map(|value| self.texts.of(value));
            known.push((name, values.collect()));
        }
        for (row, (time, group)) in times.iter().zip(groups).enumerate() {
            if *group == NO_GROUP {
                continue;
            }
            if rollup {
                let values = columns.iter().zip(&known);
                let values = values.filter_map(|(column, (name, numbers))| {
                    Some((*name, *numbers.get(column.ids[row] as usize)?))
                });
                let mut values: Box<[(u32, u32)]> = values.collect();
                values.sort_unstable();
                if !self.rows.insert((*time, values)) {
                    continue;
                }
            }
            for (metric, partials) in plan.metrics.iter().zip(&mut self.metrics) {
                if metric.counts_rows {
                    partials.count(*group);
                }
            }
        }
    }

    /// Takes in what another thread has read.
    pub(super) fn merge(&mut self, plan: &Plan, other: &Self) -> Result<(), QueryError> {
        self.first = self.first.min(other.first);
        self.rows_read += other.rows_read;
        let mut here = vec![0; self.width];
        let mut groups = Vec::with_capacity(other.groups.len());
        // Each bucket and value is looked for once.
        let buckets = other.buckets.iter().map(|start| self.bucket(*start));
        let mut numbers = vec![buckets.collect::<Vec<u32>>()];
        for (values, others) in self.values.iter_mut().zip(&other.values) {
            numbers.push(others.values.iter().map(|value| values.of(value)).collect());
        }
        for key in other.keys.chunks_exact(other.width) {
            for ((here, numbers), number) in here.iter_mut().zip(&numbers).zip(key) {
                let number = numbers.get(*number as usize);
                *here = number.copied().unwrap_or(DimensionColumn::NULL);
            }
            groups.push(self.number(&here));
        }
        let metrics = self.metrics.iter_mut().zip(&other.metrics);
        for ((partials, others), metric) in metrics.zip(&plan.metrics) {
            partials.resize(self.groups.len());
            partials.merge(&groups, others, &metric.name)?;
        }
        Ok(())
    }

    /// The rows of the answer, in its order.
    pub(super) fn answer(&self, plan: &Plan, query: &Query) -> Result<Answer, QueryError> {
        let all = self.groups.len();
        let finish = |place: usize, group: usize| {
            self.metrics[place].finish(group, &plan.metrics[place].name)
        };
        let ordered_by = plan.order.map(|place| {
            let measures = (0..all).map(|group| finish(place, group));
            measures.collect::<Result<Vec<Measure>, _>>()
        });
        let ordered_by = ordered_by.transpose()?.unwrap_or_default();
        let starts = self.buckets.iter().map(|start| match *start {
            i64::MIN => self.first,
            start => start,
        });
        let starts: Vec<i64> = starts.collect();
        let ranks: Vec<Vec<u32>> = self.values.iter().map(Numbers::ranks).collect();
        // Of equal ones the earlier and the lesser; null is the least value.
        let compare = |one: &u32, other: &u32| {
            let by_measure = match (
                ordered_by.get(*one as usize),
                ordered_by.get(*other as usize),
            ) {
                (Some(one), Some(other)) => in_order(one, other, query.ascending),
                _ => Ordering::Equal,
            };
            let (one, other) = (self.key(*one), self.key(*other));
            let values = ranks.iter().zip(&one[1..]).zip(&other[1..]);
            let mut values = values.map(|((ranks, one), other)| {
                ranks.get(*one as usize).cmp(&ranks.get(*other as usize))
            });
            by_measure
                .then_with(|| starts[one[0] as usize].cmp(&starts[other[0] as usize]))
                .then_with(|| {
                    values
                        .find(|order| order.is_ne())
                        .unwrap_or(Ordering::Equal)
                })
        };
        let mut order: Vec<u32> = (0..number_of(all)).collect();
        let limit = query.limit.unwrap_or(all);
        if limit < all {
            // All are put in order by few comparisons, where few of them are wanted.
            order.select_nth_unstable_by(limit, compare);
            order.truncate(limit);
        }
        order.sort_unstable_by(compare);
        let rows = order.into_iter().map(|group| {
            let key = self.key(group);
            let values = self.values.iter().zip(&key[1..]);
            let metrics = (0..plan.shown).map(|place| finish(place, group as usize));
            Ok(AnswerRow {
                timestamp: Timestamp::from_millis(starts[key[0] as usize]),
                dimensions: values
                    .map(|(values, number)| values.values.get(*number as usize).cloned())
                    .collect(),
                metrics: metrics.collect::<Result<_, _>>()?,
            })
        });
        let metrics = plan.metrics.iter().take(plan.shown);
        Ok(Answer {
            granularity: plan.granularity.clone(),
            dimensions: plan.by.clone(),
            metrics: metrics.map(|metric| metric.name.as_str().into()).collect(),
            rows: rows.collect::<Result<_, QueryError>>()?,
            rows_read: self.rows_read,
        })
    }
}

/// Whether two keys are the same: they are so short that a call would take longer.
#[inline]
fn same(one: &[u32], other: &[u32]) -> bool {
    one.iter().eq(other)
}

/// The greater one first, or the lesser; null is the last in any case.
fn in_order(one: &Measure, other: &Measure, ascending: bool) -> Ordering {
    let by_size = one.compare(other);
    if ascending && *one != Measure::Null && *other != Measure::Null {
        by_size
    } else {
        by_size.reverse()
    }
}

/// For each filter the ids of its dimension, and the one that rows must have; none where no row
/// has it.
fn matching<'r>(plan: &Plan, rows: &'r RolledRows) -> Option<Vec<(&'r [u32], u32)>> {
    let columns = rows.dimensions.get(plan.by.len()..).unwrap_or_default();
    let matching = plan.filters.iter().zip(columns).map(|(filter, column)| {
        let id = match &filter.value {
            None => DimensionColumn::NULL,
            Some(value) => {
                let mut values = column.dictionary.iter();
                number_of(values.position(|other| other == value.as_str())?)
            }
        };
        Some((column.ids.as_slice(), id))
    });
    matching.collect()
}

/// A bucket of the answer, for a stored one that lies in it.
struct Bucket {
    stored: Range<i64>,
    start: i64,
    number: u32,
}

impl Bucket {
    fn none() -> Self {
        Self {
            stored: 0..0,
            start: 0,
            number: 0,
        }
    }

    fn of(
        time: i64,
        stored: &crate::granularity::Granularity,
        plan: &Plan,
    ) -> Result<Self, QueryError> {
        let inner = stored.bucket(time);
        let outer = plan.granularity.bucket(inner.start);
        // Planning has compared the granularities as far as it can; this is the truth about
        // the rows that there are.
        if inner.end > outer.end {
            return Err(QueryError::Finer {
                asked: plan.granularity.to_string(),
                stored: stored.to_string(),
            });
        }
        Ok(Self {
            stored: inner,
            start: outer.start,
            number: 0,
        })
    }
}
