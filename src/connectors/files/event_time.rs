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
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoTime {
    /// There is none.
    #[error("it has no time: {field} is empty or missing")]
    Missing {
        /// Where it is looked for, in backticks.
        field: String,
    },
    /// There is something else.
    #[error("{reason}")]
    Bad {
        /// What is wrong with it.
        reason: String,
    },
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

    /// The time of a record.
    ///
    /// # Errors
    /// Where it has none, or something else stands in its place.
    pub fn of(&self, record: &Record) -> Result<Timestamp, NoTime> {
        let bad = |error: &dyn fmt::Display| NoTime::Bad {
            reason: error.to_string(),
        };
        match &self.0 {
            From::Field(field, format) => match record.field(field) {
                Ok(Some(text)) => {
                    let millis = format.parse(&text).map_err(|error| bad(&error))?;
                    Ok(Timestamp::from_millis(millis))
                }
                Ok(None) => Err(NoTime::Missing {
                    field: self.to_string(),
                }),
                Err(error) => Err(bad(&error)),
            },
            From::Made(make) => match make(record) {
                Ok(time) => Ok(time),
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
