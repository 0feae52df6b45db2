//! Where rows come from.

use std::sync::Arc;

use squall::{Result, Text};

use super::metrics::Held;
use crate::double;
use crate::event::{Event, Input};
use crate::rows::{MetricColumn, Rows};
use crate::schema::Kind;
use squall::aggregate::Sketch;

/// What becomes part of a row: an event, or a row of another table.
pub(super) trait Source {
    /// The value of a dimension.
    fn value(&self, column: usize) -> Option<&Text>;

    /// What there is of a metric of whole numbers.
    fn long(&self, metric: usize) -> Option<i64>;

    /// What there is of a metric of numbers.
    fn double(&self, metric: usize) -> Option<[f64; 2]>;

    /// The different values.
    fn distinct(&self, metric: usize) -> Result<Held>;

    /// Adds the different values to others; gives about how many bytes of memory these need
    /// more.
    fn distinct_into(&self, metric: usize, held: &mut Held) -> Result<usize>;
}

pub(super) struct OfEvent<'e> {
    pub(super) event: &'e Event,
    pub(super) places: &'e [Option<usize>],
    pub(super) kinds: &'e [Kind],
}

/// What a sketch in memory needs for a hash at most.
const BYTES_OF_HASH: usize = 8;

impl Source for OfEvent<'_> {
    #[inline]
    fn value(&self, column: usize) -> Option<&Text> {
        // Dimensions that have come since are not in this event.
        let place = (*self.places.get(column)?)?;
        self.event.dimensions[place].as_ref()
    }

    #[inline]
    fn long(&self, metric: usize) -> Option<i64> {
        match (self.kinds[metric], self.event.inputs[metric]) {
            (Kind::Count, _) => Some(1),
            (_, Input::Long(number)) => Some(number),
            (Kind::LongSum, _) => Some(0),
            _ => None,
        }
    }

    #[inline]
    fn double(&self, metric: usize) -> Option<[f64; 2]> {
        match (self.kinds[metric], self.event.inputs[metric]) {
            (_, Input::Double(number)) => Some(double::of(number)),
            (Kind::DoubleSum, _) => Some([0.0; 2]),
            _ => None,
        }
    }

    fn distinct(&self, metric: usize) -> Result<Held> {
        let mut sketch = Sketch::new();
        if let Input::Hash(hash) = self.event.inputs[metric] {
            sketch.insert_hash(hash);
        }
        Ok(Held::Open(sketch))
    }

    fn distinct_into(&self, metric: usize, held: &mut Held) -> Result<usize> {
        let Input::Hash(hash) = self.event.inputs[metric] else {
            return Ok(0);
        };
        held.open()?.insert_hash(hash);
        Ok(BYTES_OF_HASH)
    }
}

pub(super) struct OfRow<'r> {
    pub(super) rows: &'r Rows,
    pub(super) row: usize,
    pub(super) places: &'r [Option<usize>],
}

impl Source for OfRow<'_> {
    #[inline]
    fn value(&self, column: usize) -> Option<&Text> {
        let place = (*self.places.get(column)?)?;
        self.rows.dimensions[place].value(self.row)
    }

    #[inline]
    fn long(&self, metric: usize) -> Option<i64> {
        match &self.rows.metrics[metric] {
            MetricColumn::Long(numbers) => numbers[self.row],
            _ => None,
        }
    }

    #[inline]
    fn double(&self, metric: usize) -> Option<[f64; 2]> {
        match &self.rows.metrics[metric] {
            MetricColumn::Double(numbers) => numbers[self.row],
            _ => None,
        }
    }

    fn distinct(&self, metric: usize) -> Result<Held> {
        match &self.rows.metrics[metric] {
            MetricColumn::Distinct(sketches) => Ok(Held::Stored(Arc::clone(&sketches[self.row]))),
            _ => Ok(Held::Open(Sketch::new())),
        }
    }

    fn distinct_into(&self, metric: usize, held: &mut Held) -> Result<usize> {
        let MetricColumn::Distinct(sketches) = &self.rows.metrics[metric] else {
            return Ok(0);
        };
        let stored = &sketches[self.row];
        if let Held::Stored(known) = held
            && known == stored
        {
            return Ok(0);
        }
        held.open()?.merge_bytes(stored)?;
        // A hash takes two or three bytes as it is stored.
        Ok(stored.len() * 3)
    }
}
