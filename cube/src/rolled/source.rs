//! Where rows come from.

use std::sync::Arc;

use squall::{Result, Text};

use super::partial::{Held, Number};
use crate::double;
use crate::event::{Event, Input};
use crate::rows::{MetricColumn, RolledRows};
use crate::schema::Kind;
use squall::aggregate::Sketch;

/// What becomes part of a row: an event, or a row of another table.
pub(super) trait Source {
    /// The value of a dimension.
    fn value(&self, column: usize) -> Option<&Text>;

    /// What there is of a metric of numbers, which is of this kind.
    fn number(&self, metric: usize, kind: Kind) -> Number;

    /// The different values.
    fn distinct(&self, metric: usize) -> Held;

    /// Adds the different values to others; gives about how many bytes of memory these need
    /// more.
    fn distinct_into(&self, metric: usize, held: &mut Held) -> Result<usize>;
}

pub(super) struct OfEvent<'e> {
    pub(super) event: &'e Event,
    pub(super) places: &'e [Option<usize>],
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
    fn number(&self, metric: usize, kind: Kind) -> Number {
        match (kind, self.event.inputs[metric]) {
            (Kind::Count, _) => Number::Long(1),
            (Kind::LongSum | Kind::LongMin | Kind::LongMax, Input::Long(number)) => {
                Number::Long(number)
            }
            (Kind::LongSum, _) => Number::Long(0),
            (Kind::DoubleSum | Kind::DoubleMin | Kind::DoubleMax, Input::Double(number)) => {
                Number::Double(double::of(number))
            }
            (Kind::DoubleSum, _) => Number::Double([0.0; 2]),
            _ => Number::None,
        }
    }

    fn distinct(&self, metric: usize) -> Held {
        let mut sketch = Sketch::new();
        if let Input::Hash(hash) = self.event.inputs[metric] {
            sketch.insert_hash(hash);
        }
        Held::Open(sketch)
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
    pub(super) rows: &'r RolledRows,
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
    fn number(&self, metric: usize, _: Kind) -> Number {
        match &self.rows.metrics[metric] {
            MetricColumn::Long(numbers) => numbers[self.row].map_or(Number::None, Number::Long),
            MetricColumn::Double(numbers) => numbers[self.row].map_or(Number::None, Number::Double),
            MetricColumn::Distinct(_) => Number::None,
        }
    }

    fn distinct(&self, metric: usize) -> Held {
        match &self.rows.metrics[metric] {
            MetricColumn::Distinct(sketches) => Held::Stored(Arc::clone(&sketches[self.row])),
            _ => Held::Open(Sketch::new()),
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
