//! The metrics of rows in memory.

use std::sync::Arc;

use squall::Result;

use super::source::Source;
use crate::double;
use crate::rows::MetricColumn;
use crate::schema::Kind;
use squall::aggregate::Sketch;

/// The partials of one metric, by the number of the row.
pub(super) struct Partials {
    kind: Kind,
    column: Column,
}

enum Column {
    Long(Vec<Option<i64>>),
    Double(Vec<Option<[f64; 2]>>),
    Distinct(Vec<Held>),
}

/// A sketch in memory: as it is stored, until something is added.
pub(super) enum Held {
    Stored(Arc<[u8]>),
    Open(Sketch),
}

impl Held {
    /// The sketch, to add to.
    pub(super) fn open(&mut self) -> Result<&mut Sketch> {
        if let Self::Stored(bytes) = self {
            *self = Self::Open(Sketch::from_bytes(bytes)?);
        }
        match self {
            Self::Open(sketch) => Ok(sketch),
            Self::Stored(_) => Err("a sketch was not opened".into()),
        }
    }

    fn into_stored(self) -> Arc<[u8]> {
        match self {
            Self::Stored(bytes) => bytes,
            Self::Open(sketch) => sketch.to_bytes().into(),
        }
    }

    /// About how much memory it takes.
    fn bytes(&self) -> usize {
        size_of::<Self>()
            + match self {
                Self::Stored(bytes) => bytes.len() + 2 * size_of::<usize>(),
                // It is new, and has one value at most.
                Self::Open(_) => 2 * size_of::<u64>(),
            }
    }
}

impl Partials {
    pub(super) fn new(kind: Kind) -> Self {
        let column = match kind {
            Kind::Count | Kind::LongSum | Kind::LongMin | Kind::LongMax => Column::Long(Vec::new()),
            Kind::DoubleSum | Kind::DoubleMin | Kind::DoubleMax => Column::Double(Vec::new()),
            Kind::HyperUnique => Column::Distinct(Vec::new()),
        };
        Self { kind, column }
    }

    /// Whether the partials of a block are of this type.
    pub(super) fn takes(&self, column: &MetricColumn) -> bool {
        matches!(
            (&self.column, column),
            (Column::Long(_), MetricColumn::Long(_))
                | (Column::Double(_), MetricColumn::Double(_))
                | (Column::Distinct(_), MetricColumn::Distinct(_))
        )
    }

    /// Whether what the source has of the metric is within its range.
    pub(super) fn can_hold(&self, metric: usize, source: &impl Source) -> bool {
        match self.kind {
            Kind::DoubleSum => source
                .double(metric)
                .is_none_or(|[number, low]| number.is_finite() && low.is_finite()),
            _ => true,
        }
    }

    /// Whether the row is within its range with what the source has.
    pub(super) fn can_merge(&self, row: usize, metric: usize, source: &impl Source) -> bool {
        match &self.column {
            Column::Long(numbers) => {
                merged_long(self.kind, numbers[row], source.long(metric)).is_ok()
            }
            Column::Double(numbers) => {
                merged_double(self.kind, numbers[row], source.double(metric)).is_ok()
            }
            Column::Distinct(_) => true,
        }
    }

    /// Adds to a row what [can be added](Self::can_merge); gives about how many bytes of memory
    /// it takes more.
    pub(super) fn merge(
        &mut self,
        row: usize,
        metric: usize,
        source: &impl Source,
    ) -> Result<usize> {
        match &mut self.column {
            Column::Long(numbers) => {
                let merged = merged_long(self.kind, numbers[row], source.long(metric));
                numbers[row] = merged?;
                Ok(0)
            }
            Column::Double(numbers) => {
                let merged = merged_double(self.kind, numbers[row], source.double(metric));
                numbers[row] = merged?;
                Ok(0)
            }
            Column::Distinct(sketches) => source.distinct_into(metric, &mut sketches[row]),
        }
    }

    /// Adds a row; gives about how many bytes of memory it takes.
    pub(super) fn push(&mut self, metric: usize, source: &impl Source) -> Result<usize> {
        Ok(match &mut self.column {
            Column::Long(numbers) => {
                numbers.push(source.long(metric));
                size_of::<Option<i64>>()
            }
            Column::Double(numbers) => {
                numbers.push(source.double(metric));
                size_of::<Option<[f64; 2]>>()
            }
            Column::Distinct(sketches) => {
                let held = source.distinct(metric)?;
                let bytes = held.bytes();
                sketches.push(held);
                bytes
            }
        })
    }

    /// Takes everything out, these rows in this order.
    pub(super) fn take(&mut self, rows: &[u32]) -> MetricColumn {
        match &mut self.column {
            Column::Long(numbers) => {
                let taken = rows.iter().map(|row| numbers[*row as usize]).collect();
                numbers.clear();
                MetricColumn::Long(taken)
            }
            Column::Double(numbers) => {
                let taken = rows.iter().map(|row| numbers[*row as usize]).collect();
                numbers.clear();
                MetricColumn::Double(taken)
            }
            Column::Distinct(sketches) => {
                let stored: Vec<_> = sketches.drain(..).map(Held::into_stored).collect();
                let taken = rows.iter().map(|row| Arc::clone(&stored[*row as usize]));
                MetricColumn::Distinct(taken.collect())
            }
        }
    }
}

/// A sum would leave its range.
#[derive(Debug, thiserror::Error)]
#[error("a sum has left its range")]
struct Overflowed;

/// Both together; nothing and nothing is nothing.
#[inline]
fn merged_long(
    kind: Kind,
    one: Option<i64>,
    other: Option<i64>,
) -> Result<Option<i64>, Overflowed> {
    let (Some(a), Some(b)) = (one, other) else {
        return Ok(one.or(other));
    };
    match kind {
        Kind::LongMin => Ok(Some(a.min(b))),
        Kind::LongMax => Ok(Some(a.max(b))),
        _ => a.checked_add(b).map(Some).ok_or(Overflowed),
    }
}

#[inline]
fn merged_double(
    kind: Kind,
    one: Option<[f64; 2]>,
    other: Option<[f64; 2]>,
) -> Result<Option<[f64; 2]>, Overflowed> {
    let (Some(a), Some(b)) = (one, other) else {
        return Ok(one.or(other));
    };
    let below = a[0].total_cmp(&b[0]).is_lt();
    match kind {
        Kind::DoubleMin => Ok(Some(if below { a } else { b })),
        Kind::DoubleMax => Ok(Some(if below { b } else { a })),
        _ => double::add(a, b).map(Some).ok_or(Overflowed),
    }
}
