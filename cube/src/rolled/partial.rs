//! What a row in memory has of one metric.

use std::sync::Arc;

use squall::Result;
use squall::aggregate::Sketch;

use crate::double;
use crate::schema::Kind;

/// What there is of a metric that is a number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Number {
    None,
    Long(i64),
    Double([f64; 2]),
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

    pub(super) fn into_stored(self) -> Arc<[u8]> {
        match self {
            Self::Stored(bytes) => bytes,
            Self::Open(sketch) => sketch.to_bytes().into(),
        }
    }

    /// About how much memory it takes.
    pub(super) fn bytes(&self) -> usize {
        size_of::<Self>()
            + match self {
                Self::Stored(bytes) => bytes.len() + 2 * size_of::<usize>(),
                // It is new, and has one value at most.
                Self::Open(_) => 2 * size_of::<u64>(),
            }
    }
}

impl Number {
    pub(super) fn long(self) -> Option<i64> {
        match self {
            Self::Long(number) => Some(number),
            _ => None,
        }
    }

    pub(super) fn double(self) -> Option<[f64; 2]> {
        match self {
            Self::Double(number) => Some(number),
            _ => None,
        }
    }
}

/// Both together; none where that is out of range. Nothing and nothing is nothing.
#[inline]
pub(super) fn merged(kind: Kind, one: Number, other: Number) -> Option<Number> {
    match (one, other) {
        (Number::Long(a), Number::Long(b)) => match kind {
            Kind::LongMin => Some(a.min(b)),
            Kind::LongMax => Some(a.max(b)),
            _ => a.checked_add(b),
        }
        .map(Number::Long),
        (Number::Double(a), Number::Double(b)) => {
            let below = || a[0].total_cmp(&b[0]).is_lt();
            match kind {
                Kind::DoubleMin => Some(if below() { a } else { b }),
                Kind::DoubleMax => Some(if below() { b } else { a }),
                _ => double::add(a, b),
            }
            .map(Number::Double)
        }
        (Number::None, number) | (number, _) => Some(number),
    }
}
