//! A data directory: what is in it, and whose it is.

pub(crate) mod layout;
mod manifest;

pub use layout::Commit;
pub use manifest::{KeptComponent, Manifest, Misfit, MisfitOf};
