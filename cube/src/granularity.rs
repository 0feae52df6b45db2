//! Buckets of time.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How finely time is divided, by Druid's names: each moment is in one bucket.
///
/// ```
/// use squall_cube::Granularity;
///
/// let minute: Granularity = "minute".parse()?;
/// assert_eq!(minute.bucket(61_000), 60_000..120_000);
/// assert_eq!(minute.bucket(-1), -60_000..0);
/// let hour: Granularity = "hour".parse()?;
/// assert!(hour.holds(&minute) && !minute.holds(&hour));
/// # Ok::<(), squall_cube::UnknownGranularity>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Granularity {
    /// The place in [`FIXED`].
    place: usize,
}

/// Of fixed length in UTC, which all begin with 1970.
const FIXED: &[(&str, Option<i64>)] = &[
    ("all", None),
    ("none", Some(1)),
    ("second", Some(1_000)),
    ("minute", Some(60_000)),
    ("five_minute", Some(300_000)),
    ("ten_minute", Some(600_000)),
    ("fifteen_minute", Some(900_000)),
    ("thirty_minute", Some(1_800_000)),
    ("hour", Some(3_600_000)),
    ("six_hour", Some(21_600_000)),
    ("eight_hour", Some(28_800_000)),
    ("day", Some(86_400_000)),
];

/// There is no such granularity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no granularity `{asked}`")]
pub struct UnknownGranularity {
    asked: String,
}

impl Granularity {
    /// How long a bucket is; none where there is one bucket.
    fn millis(&self) -> Option<i64> {
        FIXED[self.place].1
    }

    /// The bucket of a moment, in milliseconds since 1970.
    #[must_use]
    pub fn bucket(&self, moment: i64) -> Range<i64> {
        let Some(millis) = self.millis() else {
            return i64::MIN..i64::MAX;
        };
        let start = moment.saturating_sub(moment.rem_euclid(millis));
        start..start.saturating_add(millis)
    }

    /// Whether each bucket of this granularity is made of whole buckets of the other one.
    #[must_use]
    pub fn holds(&self, finer: &Self) -> bool {
        match (self.millis(), finer.millis()) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(one), Some(other)) => one % other == 0,
        }
    }
}

impl FromStr for Granularity {
    type Err = UnknownGranularity;

    fn from_str(text: &str) -> Result<Self, UnknownGranularity> {
        let asked = text.to_lowercase();
        match FIXED.iter().position(|(name, _)| *name == asked) {
            Some(place) => Ok(Self { place }),
            None => Err(UnknownGranularity {
                asked: text.to_owned(),
            }),
        }
    }
}

impl TryFrom<String> for Granularity {
    type Error = UnknownGranularity;

    fn try_from(text: String) -> Result<Self, UnknownGranularity> {
        text.parse()
    }
}

impl From<Granularity> for String {
    fn from(granularity: Granularity) -> Self {
        granularity.to_string()
    }
}

impl fmt::Display for Granularity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(FIXED[self.place].0)
    }
}
