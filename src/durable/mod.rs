//! A data directory: what is in it, whose it is, and how others look into it.
//!
//! | what | for whom |
//! |---|---|
//! | `layout`, `manifest` | the runtime, which writes it |
//! | `inspection` | people, who look into it without its types |
//! | `views` | programs, which read tables with their types |
//! | `edit` | tools, which change a table while no run has the directory |
//! | `socket` | other processes, while one has the directory |
//! | `append_to`, `appender` | who appends to a depot, whoever has the directory |

mod append_to;
mod appender;
mod data_dir;
mod edit;
mod error;
#[cfg(all(unix, any(fuzzing, test)))]
pub(crate) mod fuzzing;
mod inspection;
pub(crate) mod layout;
mod manifest;
mod socket;
mod views;

pub use append_to::AppendTo;
pub use appender::DepotAppender;
pub use data_dir::DataDir;
pub use error::DataDirError;
pub use inspection::{InspectedComponent, InspectedState, Inspection, QuarantinedTuple, Row, Rows};
pub use layout::Commit;
pub use manifest::{KeptComponent, Manifest, Misfit, MisfitOf};
#[cfg(unix)]
pub(crate) use socket::Socket;
pub(crate) use views::CommitNotifier;
pub use views::{Snapshot, TableChange, TableChanges, TableView, ViewError, Views};
