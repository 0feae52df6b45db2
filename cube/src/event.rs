//! One event.

use std::sync::Arc;

use squall::{Text, Timestamp};

/// An event, decoded and checked: nothing about it is refused later, but for sums that leave
/// their range.
#[derive(squall::Tuple, Clone, Debug, PartialEq)]
pub struct Event {
    /// When it happened.
    pub time: Timestamp,
    /// The names of the dimensions; events share them.
    pub names: Arc<[Text]>,
    /// The dimensions, by `names`; none is null.
    pub dimensions: Box<[Option<Text>]>,
    /// What each metric takes in, in the order of the schema.
    pub inputs: Box<[Input]>,
    /// The event as it came, as a line of JSON, where it is to be archived.
    pub raw: Option<Text>,
}

/// What one metric takes in of one event.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Input {
    /// Nothing: the field is null or absent, or the metric is a count.
    None,
    /// A whole number.
    Long(i64),
    /// A number, never NaN.
    Double(f64),
    /// The hash of a value of which only the distinct ones are counted.
    Hash(u64),
}
