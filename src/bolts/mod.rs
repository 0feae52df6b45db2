//! Ready bolts, one file each. They use only what user code can use.

mod aggregate;
mod author;
mod filter;
mod flat_map;
mod map;
mod merge_rankings;
mod panes;
mod pending;
mod rank;
mod ranker;
mod rolling_aggregate;
mod rolling_count;
mod sliding_window_counter;
mod top_monotonic;
mod top_totals;
mod totals;

#[cfg(test)]
mod tests;

pub use aggregate::{Aggregate, Updated};
pub use filter::Filter;
pub use flat_map::FlatMap;
pub use map::Map;
pub use merge_rankings::MergeRankings;
pub use rank::Rank;
pub use rolling_aggregate::{Aggregated, RollingAggregate};
pub use rolling_count::RollingCount;
pub use sliding_window_counter::{SlidingWindowCounter, TooFewSlots};
pub use top_monotonic::TopMonotonic;
pub use top_totals::{TopTotals, TotalsMisfit};
pub use totals::{ShardTotals, TopMode, TotalOutOfRange, Totals, UnknownMode};
