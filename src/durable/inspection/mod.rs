//! What is stored, for people, who look into it without its types: all that there is, and the entries of
//! one table.

mod contents;
mod inspect;
pub(super) mod json;
mod row;
mod sorted;
mod view;

pub(super) use contents::{Contents, damaged};
pub(super) use inspect::inspect;
pub use inspect::{InspectedComponent, InspectedState, Inspection, QuarantinedTuple};
pub use row::Row;
pub use sorted::Rows;
pub(super) use sorted::Sorter;
pub(super) use view::view;
