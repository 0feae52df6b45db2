//! Why there is no answer.

use squall::{BoxError, Timestamp, text::Shown};

/// Why there is no answer to a query.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// No row has a metric of this name.
    #[error("there is no metric `{}`; {hint}", Shown(asked))]
    UnknownMetric {
        /// What was asked for.
        asked: String,
        /// What there is.
        hint: String,
    },
    /// No row has a dimension of this name.
    #[error("there is no dimension `{}`; {hint}", Shown(asked))]
    UnknownDimension {
        /// What was asked for.
        asked: String,
        /// What there is.
        hint: String,
    },
    /// The rows do not say what happened when within their buckets.
    #[error(
        "the granularity `{asked}` is finer than the stored granularity `{stored}`, or its \
         buckets cut stored ones: give `{stored}`, or a multiple of it"
    )]
    Finer {
        /// What was asked for.
        asked: String,
        /// What is stored.
        stored: String,
    },
    /// Rows are stored by several granularities, and none was asked for.
    #[error(
        "some rows are stored by `{one}`, others by `{other}`: name the granularity of the answer"
    )]
    SeveralGranularities {
        /// One of them.
        one: String,
        /// Another one.
        other: String,
    },
    /// The query begins or ends where rows cannot be divided.
    #[error(
        "the query's `{bound}` {moment} is inside a stored bucket (the granularity is \
         `{stored}`): {hint}"
    )]
    Within {
        /// `from` or `to`.
        bound: &'static str,
        /// The moment.
        moment: Timestamp,
        /// What is stored.
        stored: String,
        /// What to give instead.
        hint: String,
    },
    /// No moment is in its range.
    #[error("the query's `from` {from} is not before its `to` {to}")]
    Empty {
        /// The first moment.
        from: Timestamp,
        /// The first moment behind it.
        to: Timestamp,
    },
    /// Two columns of the answer would have one name.
    #[error(
        "the answer would have `{}` twice: ask for it once, as a dimension or as a metric",
        Shown(.0)
    )]
    SameName(String),
    /// A metric is not the same everywhere.
    #[error(
        "the metric `{}` is a {one} in some rows and a {other} in others, which cannot be added: \
         ask for a time range with one of them",
        Shown(metric)
    )]
    Kinds {
        /// The metric.
        metric: String,
        /// One aggregator.
        one: String,
        /// The other one.
        other: String,
    },
    /// A sum is too large or too small for its type.
    #[error(
        "the sum {sum} of the metric `{}` is out of range: ask for smaller groups",
        Shown(metric)
    )]
    OutOfRange {
        /// The metric.
        metric: String,
        /// The sum, as far as it can be told.
        sum: String,
    },
    /// The rows cannot be read.
    #[error(transparent)]
    Source(BoxError),
}

/// A text that is not a moment; see [`moment`](super::moment).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a moment: {reason}")]
#[non_exhaustive]
pub struct MomentError {
    /// The text.
    pub text: String,
    /// What is wrong with it.
    pub reason: String,
}
