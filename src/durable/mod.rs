//! A data directory: what is in it, whose it is, and how others look into it.
//!
//! | what | for whom |
//! |---|---|
//! | `layout`, `manifest` | the runtime, which writes it |
//! | `contents`, `inspect`, `view`, `row`, `sorted`, `json` | people, who look into it without its types |
//! | `views`, `table_view`, `following`, `commit_notifier` | programs, which read tables with their types |
//! | `edit` | tools, which change a table while no run has the directory |
//! | `protocol`; `socket`, `serving`, `heard`; `asking` | other processes, while one has the directory: what is said, who answers, who asks |
//! | `append_to`, `appender` | who appends to a depot, whoever has the directory |

mod append_to;
mod appender;
#[cfg(unix)]
mod asking;
mod commit_notifier;
mod contents;
mod data_dir;
mod edit;
mod error;
mod following;
#[cfg(all(unix, any(fuzzing, test)))]
pub(crate) mod fuzzing;
#[cfg(unix)]
mod heard;
mod inspect;
mod json;
pub(crate) mod layout;
mod manifest;
mod protocol;
mod row;
#[cfg(unix)]
mod serving;
#[cfg(unix)]
mod socket;
mod sorted;
mod table_view;
mod view;
mod views;

pub use append_to::AppendTo;
pub use appender::DepotAppender;
pub(crate) use commit_notifier::CommitNotifier;
pub use data_dir::DataDir;
pub use error::DataDirError;
pub use following::{TableChange, TableChanges};
pub use inspect::{InspectedComponent, InspectedState, Inspection, QuarantinedTuple};
pub use layout::Commit;
pub use manifest::{KeptComponent, Manifest, Misfit, MisfitOf};
pub use row::Row;
#[cfg(unix)]
pub(crate) use socket::Socket;
pub use sorted::Rows;
pub use table_view::TableView;
pub use views::{Snapshot, ViewError, Views};
