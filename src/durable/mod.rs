//! A data directory: what is in it, and whose it is.

mod data_dir;
pub(crate) mod layout;
mod manifest;

pub use data_dir::DataDir;
pub use layout::Commit;
pub use manifest::{KeptComponent, Manifest, Misfit, MisfitOf};
