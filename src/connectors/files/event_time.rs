//! Where the time of a record comes from.

use std::fmt;
use std::sync::Arc;

use super::field::FieldSelector;
use super::record::Record;
use super::time::TimeFormat;
use crate::error::Result;
use crate::time::Timestamp;

/// Where the time of a record comes from.
#[derive(Clone)]
pub struct EventTime(From);

#[derive(Clone)]
enum From {
    Field(FieldSelector, TimeFormat),
    Made(Arc<Make>),
}

/// Makes a time of a record.
type Make = dyn Fn(&Record) -> Result<Timestamp> + Send + Sync;

/// Why a record has no time.
pub(super) enum NoTime {
    /// There is none.
    Missing,
    /// There is something else.
    Bad(String),
}

impl EventTime {
    /// A field of each record, and how the time is written in it.
    #[must_use]
    pub fn field(field: FieldSelector, format: TimeFormat) -> Self {
        Self(From::Field(field, format))
    }

    /// What `make` makes of each record.
    pub fn made(make: impl Fn(&Record) -> Result<Timestamp> + Send + Sync + 'static) -> Self {
        Self(From::Made(Arc::new(make)))
    }

    /// The time of a record, in milliseconds since 1970.
    pub(super) fn of(&self, record: &Record) -> Result<i64, NoTime> {
        let bad = |error: &dyn fmt::Display| NoTime::Bad(error.to_string());
        match &self.0 {
            From::Field(field, format) => match record.field(field) {
                Ok(Some(text)) => format.parse(&text).map_err(|error| bad(&error)),
                Ok(None) => Err(NoTime::Missing),
                Err(error) => Err(bad(&error)),
            },
            From::Made(make) => match make(record) {
                Ok(time) => Ok(time.millis()),
                Err(error) => Err(bad(&error)),
            },
        }
    }

    /// The field in which it is.
    pub(super) fn selector(&self) -> Option<&FieldSelector> {
        match &self.0 {
            From::Field(field, _) => Some(field),
            From::Made(_) => None,
        }
    }

    /// How it is written.
    pub(super) fn format(&self) -> Option<&TimeFormat> {
        match &self.0 {
            From::Field(_, format) => Some(format),
            From::Made(_) => None,
        }
    }
}

/// Where it is looked for: `` `at` ``.
impl fmt::Display for EventTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            From::Field(field, _) => field.fmt(f),
            From::Made(_) => f.write_str("the program's own time"),
        }
    }
}

impl fmt::Debug for EventTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EventTime({self})")
    }
}
