//! The metrics of rows in memory.

use std::sync::Arc;

use squall::{BoxError, Result};

use super::partial::{Held, Number, merged};
use super::source::Source;
use crate::event::Input;
use crate::rows::MetricColumn;
use crate::schema::Kind;

/// The partials of rows, by the number of the row.
pub(super) struct Partials {
    kinds: Vec<Kind>,
    /// Those that are numbers. A row's lie side by side, since they are used together.
    numbers: Vec<Number>,
    /// Which metrics these are.
    numeric: Vec<usize>,
    /// The others, in the same way.
    sketches: Vec<Held>,
    distinct: Vec<usize>,
    /// The numbers of a row, before they are known to be all within their ranges.
    merged: Vec<Number>,
}

/// Why a row is as it was.
pub(super) enum NotMerged {
    /// This metric would leave its range.
    OutOfRange(usize),
    Failed(BoxError),
}

impl Partials {
    pub(super) fn new(kinds: Vec<Kind>) -> Self {
        let (distinct, numeric) =
            (0..kinds.len()).partition(|metric| kinds[*metric] == Kind::HyperUnique);
        Self {
            numbers: Vec::new(),
            numeric,
            sketches: Vec::new(),
            distinct,
            merged: Vec::new(),
            kinds,
        }
    }

    /// How many metrics there are.
    pub(super) fn width(&self) -> usize {
        self.kinds.len()
    }

    /// Whether the partials of a block are of these types.
    pub(super) fn fit(&self, columns: &[MetricColumn]) -> bool {
        let mut metrics = self.kinds.iter().zip(columns);
        self.kinds.len() == columns.len()
            && metrics.all(|(kind, column)| match column {
                MetricColumn::Long(_) => is_long(*kind),
                MetricColumn::Double(_) => !is_long(*kind) && *kind != Kind::HyperUnique,
                MetricColumn::Distinct(_) => *kind == Kind::HyperUnique,
            })
    }

    /// The metric of which the source has what is out of its range.
    pub(super) fn out_of_range(&self, source: &impl Source) -> Option<usize> {
        let mut numeric = self.numeric.iter().copied();
        numeric.find(|metric| match self.kinds[*metric] {
            Kind::DoubleSum => {
                let number = source.number(*metric, Kind::DoubleSum);
                matches!(number, Number::Double(sum) if !sum.iter().all(|part| part.is_finite()))
            }
            _ => false,
        })
    }

    /// Whether the row is within its ranges with what the source has.
    pub(super) fn can_merge(&self, row: usize, source: &impl Source) -> bool {
        let numbers = self.numbers_of(row).iter().zip(&self.numeric);
        let mut numbers = numbers.map(|(number, metric)| {
            let kind = self.kinds[*metric];
            merged(kind, *number, source.number(*metric, kind))
        });
        numbers.all(|merged| merged.is_some())
    }

    fn numbers_of(&self, row: usize) -> &[Number] {
        let width = self.numeric.len();
        &self.numbers[row * width..][..width]
    }

    /// Loads the memory of a row's partials that an event with these inputs changes; what it gives
    /// has no meaning.
    #[inline]
    pub(super) fn touch(&self, row: usize, inputs: &[Input]) -> usize {
        // Two or three are in a line of a cache.
        let numbers = self.numbers_of(row).iter().step_by(2);
        let none = numbers.filter(|number| **number == Number::None).count();
        let width = self.distinct.len();
        let sketches = self.sketches[row * width..][..width].iter();
        let sketches =
            sketches
                .zip(&self.distinct)
                .filter(|(held, metric)| match (held, inputs[**metric]) {
                    (Held::Open(sketch), Input::Hash(hash)) => sketch.has_hash(hash),
                    _ => true,
                });
        none + sketches.count()
    }

    /// Adds to a row, or leaves it as it was; gives about how many bytes of memory it takes more.
    #[inline]
    pub(super) fn merge(&mut self, row: usize, source: &impl Source) -> Result<usize, NotMerged> {
        let width = self.numeric.len();
        let numbers = &mut self.numbers[row * width..][..width];
        self.merged.clear();
        for (number, metric) in numbers.iter().zip(&self.numeric) {
            let kind = self.kinds[*metric];
            let merged = merged(kind, *number, source.number(*metric, kind));
            self.merged
                .push(merged.ok_or(NotMerged::OutOfRange(*metric))?);
        }
        let mut bytes = 0;
        let width = self.distinct.len();
        let sketches = &mut self.sketches[row * width..][..width];
        for (held, metric) in sketches.iter_mut().zip(&self.distinct) {
            let added = source.distinct_into(*metric, held);
            bytes += added.map_err(NotMerged::Failed)?;
        }
        numbers.copy_from_slice(&self.merged);
        Ok(bytes)
    }

    /// Adds a row; gives about how many bytes of memory it takes.
    pub(super) fn push(&mut self, source: &impl Source) -> usize {
        let kinds = &self.kinds;
        let numbers = self.numeric.iter();
        self.numbers
            .extend(numbers.map(|metric| source.number(*metric, kinds[*metric])));
        let mut bytes = self.numeric.len() * size_of::<Number>();
        for metric in &self.distinct {
            let held = source.distinct(*metric);
            bytes += held.bytes();
            self.sketches.push(held);
        }
        bytes
    }

    /// Takes everything out, these rows in this order.
    pub(super) fn take(&mut self, rows: &[u32]) -> Vec<MetricColumn> {
        let sketches: Vec<_> = self.sketches.drain(..).map(Held::into_stored).collect();
        let (mut numeric, mut distinct) = (0, 0);
        let columns = self.kinds.iter().map(|kind| match kind {
            Kind::HyperUnique => {
                distinct += 1;
                let places = places(rows, self.distinct.len(), distinct - 1);
                MetricColumn::Distinct(places.map(|place| Arc::clone(&sketches[place])).collect())
            }
            kind => {
                numeric += 1;
                let places = places(rows, self.numeric.len(), numeric - 1);
                let numbers = places.map(|place| self.numbers[place]);
                if is_long(*kind) {
                    MetricColumn::Long(numbers.map(Number::long).collect())
                } else {
                    MetricColumn::Double(numbers.map(Number::double).collect())
                }
            }
        });
        let columns = columns.collect();
        self.numbers.clear();
        columns
    }
}

/// Where a column's partials lie.
fn places(rows: &[u32], width: usize, column: usize) -> impl Iterator<Item = usize> {
    rows.iter().map(move |row| *row as usize * width + column)
}

fn is_long(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Count | Kind::LongSum | Kind::LongMin | Kind::LongMax
    )
}
