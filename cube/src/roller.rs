//! Events become rows.

use std::sync::Arc;

use squall::{Bolt, Epoch, Out, Result, Tuple, bolt::Neighbours};

use crate::event::Event;
use crate::rolled::Rolled;
use crate::rows::RolledRows;
use crate::schema::Schema;

/// Rows on their way to the segments, in no order.
#[derive(Tuple, Clone, Debug, PartialEq)]
pub struct RowBlock {
    /// The rows. Each time and set of dimensions is there once, where the schema rolls up.
    pub rows: RolledRows,
}

/// Rolls events up: those of one bucket and the same dimensions become one row. What it has
/// goes on with every commit, and before it takes more memory than it may; so several tasks can
/// share the events in any way, and the [`Segments`](crate::Segments) make one row of theirs.
///
/// With the schema's `rollup` off every event is a row.
///
/// An event with which a sum would leave its range goes to the dead letters, with the row's
/// dimensions and the metric; nothing of it is taken in.
///
/// ```
/// use std::sync::Arc;
/// use squall::{Timestamp, testing::BoltTest};
/// use squall_cube::{Event, Granularity, Input, Kind, Metric, MetricColumn, Roller, Schema};
///
/// let hour: Granularity = "hour".parse()?;
/// let clicks = Metric { name: "clicks".into(), field: None, kind: Kind::Count };
/// let schema = Schema {
///     metrics: vec![clicks],
///     segment: hour.clone(),
///     query: hour,
///     rollup: true,
/// };
/// let names = Arc::from(["campaign".into()]);
/// let click = |millis, campaign: &str| Event {
///     time: Timestamp::from_millis(millis),
///     names: Arc::clone(&names),
///     dimensions: [Some(campaign.into())].into(),
///     inputs: [Input::None].into(),
///     raw: None,
/// };
/// let out = BoltTest::new(Roller::new(schema.into()))
///     .send(click(1, "a"))
///     .send(click(3_600_000, "a"))
///     .send(click(3_599_999, "a"))
///     .last_epoch()
///     .run()?;
/// let rows = &out.emitted()[0].rows;
/// assert_eq!(rows.times, [0, 3_600_000]);
/// assert_eq!(rows.metrics, [MetricColumn::Long(vec![Some(2), Some(1)])]);
/// # Ok::<(), squall::BoxError>(())
/// ```
pub struct Roller {
    rolled: Rolled,
    most_rows: usize,
    most_bytes: usize,
}

/// A task has no more rows than this between two commits.
const MAX_ROWS: usize = 262_144;

/// And no more memory for them.
const MAX_BYTES: usize = 64 << 20;

impl Roller {
    /// Rolls up by a schema.
    #[must_use]
    pub fn new(schema: Arc<Schema>) -> Self {
        Self {
            rolled: Rolled::new(schema),
            most_rows: MAX_ROWS,
            most_bytes: MAX_BYTES,
        }
    }

    /// Hands its rows on as soon as it has so many; 262,144 unless said. At least 1.
    #[must_use]
    pub fn most_rows(mut self, rows: usize) -> Self {
        self.most_rows = rows.max(1);
        self
    }

    fn hand_on(&mut self, out: &mut Out<RowBlock>) {
        if !self.rolled.is_empty() {
            out.emit(RowBlock {
                rows: self.rolled.take(),
            });
        }
    }
}

impl Bolt for Roller {
    type Input = Event;
    type Output = RowBlock;

    fn execute_many(&mut self, events: &Neighbours<'_, Event>) -> usize {
        if self.rolled.bytes() >= self.most_bytes {
            return 0;
        }
        self.rolled.add_first(events, self.most_rows)
    }

    fn execute(&mut self, event: &Event, out: &mut Out<RowBlock>) -> Result {
        self.rolled.add_event(event)?;
        if self.rolled.len() >= self.most_rows || self.rolled.bytes() >= self.most_bytes {
            self.hand_on(out);
        }
        Ok(())
    }

    fn on_epoch(&mut self, epoch: &Epoch, out: &mut Out<RowBlock>) -> Result {
        // Without a data directory nothing is committed, and the end is all that counts.
        if epoch.commit || epoch.last {
            self.hand_on(out);
        }
        Ok(())
    }

    /// It keeps nothing over a commit, so its tasks may go with those that they read.
    fn is_light(&self) -> bool {
        true
    }
}
