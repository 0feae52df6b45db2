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
        "the granularity `{asked}` is finer than what is stored, which is `{stored}`, or lies across \
         it: give `{stored}`, or what is made of it"
    )]
    Finer {
        /// What was asked for.
        asked: String,
        /// What is stored.
        stored: String,
    },
    /// Rows are stored by several granularities, and none was asked for.
    #[error("the rows are stored by `{one}` and by `{other}`: give the granularity of the answer")]
    SeveralGranularities {
        /// One of them.
        one: String,
        /// Another one.
        other: String,
    },
    /// The query begins or ends where rows cannot be divided.
    #[error(
        "the query's `{bound}` {moment} is within a stored bucket, which is of the granularity \
         `{stored}`: {hint}"
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
        "the answer would have `{}` twice: ask for it once, and not for a dimension of a metric's name",
        Shown(.0)
    )]
    SameName(String),
    /// A metric is not the same everywhere.
    #[error(
        "the metric `{}` is a {one} in some rows and a {other} in others, which cannot be \
         put together: ask for a time in which it is one of them",
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

/// A text that is no moment; see [`moment`](super::moment).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no moment: {reason}")]
#[non_exhaustive]
pub struct MomentError {
    /// The text.
    pub text: String,
    /// What is wrong with it.
    pub reason: String,
}
