//! What is committed, for programs, which read tables with their types, while a run goes on or when none
//! does.

mod commit_notifier;
mod following;
mod snapshot;
mod table_view;

pub(crate) use commit_notifier::CommitNotifier;
pub use following::{TableChange, TableChanges};
pub use snapshot::{Snapshot, ViewError, Views};
pub use table_view::TableView;
