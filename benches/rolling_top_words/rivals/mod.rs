//! The job by other libraries, each as its documentation teaches and as fast as it gets so.
//!
//! A source hands every word to the dataflow as a record, which is what a spout does, too; all
//! else is done by operators. In both the fastest form was the same: an operator behind each
//! source counts the words of a pane on the source's thread, and the counts go by the hash of
//! the word to the operator that keeps the windows. Records are slices of the input, and become
//! texts of their own where they leave the thread. Each module says what was tried beside it.

mod renoir;
mod timely;
mod window;

pub use renoir::run as renoir;
pub use timely::run as timely;
