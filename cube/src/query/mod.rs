//! Questions to a cube.
//!
//! | file | idea |
//! |---|---|
//! | `source` | where rows are read from: portions, column by column |
//! | `plan` | what a query means for a cube, or why it is refused |
//! | `groups` | rows are grouped, and their metrics put together |
//! | `partials` | the metrics of groups |
//! | `answer` | what comes out, as JSON and as a table |

mod answer;
mod error;
mod groups;
mod partials;
mod plan;
mod source;
#[cfg(test)]
mod tests;

use std::str::FromStr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::granularity::Granularity;
use groups::Groups;
use plan::Plan;

pub use answer::{Answer, AnswerRow, Measure};
pub use error::{MomentError, QueryError};
pub use source::{Portion, RowSource, Stored};

/// A question to a cube: its metrics by time and dimensions.
///
/// ```
/// use std::sync::Arc;
/// use squall_cube::query::{Query, Stored};
/// use squall_cube::{DimensionColumn, MetricColumn, RolledRows, spec};
///
/// let (spec, _) = spec::parse(
///     r#"{
///       "aggregators": [{"type": "count", "name": "impressions"}],
///       "granularitySpec": {"queryGranularity": "hour"}
///     }"#,
///     "rollup.json",
/// )?;
/// // The stored rows of 2015-03-20T18:00:00Z and 19:00:00Z.
/// let rows = RolledRows {
///     times: vec![1_426_874_400_000, 1_426_874_400_000, 1_426_878_000_000],
///     dimensions: vec![DimensionColumn {
///         name: "campaignId".into(),
///         dictionary: vec!["13650".into(), "36708".into()],
///         ids: vec![0, 1, 1],
///     }],
///     metrics: vec![MetricColumn::Long(vec![Some(2), Some(4), Some(3)])],
/// };
/// let cube = [Stored::new(Arc::new(spec.schema), rows)];
///
/// let query = Query {
///     granularity: Some("day".parse()?),
///     by: vec!["campaignId".to_owned()],
///     order: Some("impressions".to_owned()),
///     ..Query::default()
/// };
/// let answer = query.run(&cube[..])?;
/// let rows: Vec<_> = answer.json().collect();
/// assert_eq!(
///     rows,
///     [
///         r#"{"timestamp":"2015-03-20T00:00:00Z","campaignId":"36708","impressions":7}"#,
///         r#"{"timestamp":"2015-03-20T00:00:00Z","campaignId":"13650","impressions":2}"#,
///     ]
/// );
///
/// let finer = Query { granularity: Some("minute".parse()?), ..Query::default() };
/// let error = finer.run(&cube[..]).unwrap_err().to_string();
/// assert!(error.starts_with("the granularity `minute` is finer than the stored granularity `hour`"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Query {
    /// How finely time is divided: as it is stored, or more coarsely. As it is stored where none
    /// is given.
    pub granularity: Option<Granularity>,
    /// The dimensions to group by.
    pub by: Vec<String>,
    /// What rows must have, all of it.
    pub filters: Vec<DimensionFilter>,
    /// The metrics; all that are stored where none is given. `count`, where no metric is stored
    /// by this name, is how many rows are stored: the sum of a stored count is how many events
    /// there were.
    pub metrics: Vec<String>,
    /// The first moment, in milliseconds since 1970; it is where a stored bucket begins.
    pub from: Option<i64>,
    /// The first moment behind the last one, in milliseconds since 1970; it is where a stored
    /// bucket begins.
    pub to: Option<i64>,
    /// The metric that says which rows come first: those with the most of it. Rows come by time
    /// and dimensions where none is given, and where it is the same.
    pub order: Option<String>,
    /// Whether those with the least of it come first; those without any are the last in any case.
    pub ascending: bool,
    /// The most rows that the answer may have.
    pub limit: Option<usize>,
}

/// A value that a dimension must have.
///
/// As text: `campaignId=336`; without a value (`cityName=`) for the empty string, and the name
/// alone for null.
///
/// ```
/// use squall_cube::query::DimensionFilter;
///
/// let filter: DimensionFilter = "campaignId=336".parse()?;
/// assert_eq!((filter.dimension.as_str(), filter.value.as_deref()), ("campaignId", Some("336")));
/// let null: DimensionFilter = "cityName".parse()?;
/// assert_eq!(null.value, None);
/// # Ok::<(), std::convert::Infallible>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DimensionFilter {
    /// The dimension.
    pub dimension: String,
    /// The value; none for null.
    pub value: Option<String>,
}

impl FromStr for DimensionFilter {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (dimension, value) = match text.split_once('=') {
            Some((dimension, value)) => (dimension, Some(value.to_owned())),
            None => (text, None),
        };
        Ok(Self {
            dimension: dimension.to_owned(),
            value,
        })
    }
}

/// A moment as it is written in a query: ISO 8601, or a part of it that begins with the year; in
/// UTC where it has no offset. In milliseconds since 1970.
///
/// # Errors
/// [`MomentError`] with the reason.
///
/// ```
/// use squall_cube::query::moment;
///
/// assert_eq!(moment("2015-03-20"), Ok(1_426_809_600_000));
/// assert_eq!(moment("2015-03-20T18:00:00Z"), moment("2015-03-20T18"));
/// let error = moment("now").unwrap_err().to_string();
/// assert!(error.starts_with("`now` is not a moment"));
/// ```
pub fn moment(text: &str) -> Result<i64, MomentError> {
    crate::moment::iso(text).map_err(|reason| MomentError {
        text: text.to_owned(),
        reason,
    })
}

impl Query {
    /// Asks a cube. Portions are read by as many threads as there are processors.
    ///
    /// # Errors
    /// Where the query does not fit the cube, a sum leaves its range, or rows cannot be read.
    pub fn run(&self, source: &(impl RowSource + ?Sized)) -> Result<Answer, QueryError> {
        let range = self.from.unwrap_or(i64::MIN)..self.to.unwrap_or(i64::MAX);
        let portions = source.portions(&range).map_err(QueryError::Source)?;
        let plan = Plan::of(self, source, &portions)?;
        let groups = grouped(&plan, &portions)?;
        groups.answer(&plan, self)
    }
}

/// Reads and groups all portions.
fn grouped(plan: &Plan, portions: &[Box<dyn Portion + '_>]) -> Result<Groups, QueryError> {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    // Which rows are the same is known to one thread alone.
    let threads = if plan.counts_rows() { 1 } else { threads };
    let threads = threads.min(portions.len());
    if threads <= 1 {
        let mut groups = Groups::new(plan);
        for portion in portions {
            groups.take(plan, &**portion)?;
        }
        return Ok(groups);
    }
    let next = AtomicUsize::new(0);
    let failed = Mutex::new(None);
    let work = || {
        let mut groups = Groups::new(plan);
        // Each number is taken once, so each portion is read once.
        while let Some(portion) = portions.get(next.fetch_add(1, Ordering::Relaxed)) {
            if let Err(error) = groups.take(plan, &**portion) {
                // The others stop, too.
                next.store(portions.len(), Ordering::Relaxed);
                if let Ok(mut failed) = failed.lock() {
                    failed.get_or_insert(error);
                }
                break;
            }
        }
        groups
    };
    let parts: Vec<Groups> = thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let parts = threads.into_iter().map(|thread| match thread.join() {
            Ok(groups) => groups,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        parts.collect()
    });
    if let Ok(Some(error)) = failed.into_inner() {
        return Err(error);
    }
    let mut parts = parts.into_iter();
    let mut groups = parts.next().unwrap_or_else(|| Groups::new(plan));
    for part in parts {
        groups.merge(plan, &part)?;
    }
    Ok(groups)
}
