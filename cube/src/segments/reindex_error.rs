//! Why segments are not made again.

use squall::Timestamp;

/// Why a time cannot be made again.
#[derive(Debug, thiserror::Error)]
pub enum ReindexError {
    /// No events were archived.
    #[error("there is no archive of this cube: it was not run with one")]
    NoArchive,
    /// The time ends within a segment.
    #[error(
        "the time from {from} to {to} is not made of whole segments: it cuts the one from {start} to \
         {end} of {whose}"
    )]
    CutsSegment {
        /// When the time begins.
        from: Timestamp,
        /// When it ends.
        to: Timestamp,
        /// When the segment begins.
        start: Timestamp,
        /// When it ends.
        end: Timestamp,
        /// Whose segment it is: `the cube`, `the archive`, `the new spec`.
        whose: &'static str,
    },
    /// The new spec takes nothing.
    #[error("the new spec takes none of the archived events, and nothing was changed: {first}")]
    NothingTaken {
        /// Why the first one was refused.
        first: String,
    },
    /// The archive may not have everything.
    #[error(
        "the cube had rows before it had an archive, and nothing counts its events: what is not \
         archived would be lost"
    )]
    NotKnown,
    /// Not everything is in the archive.
    #[error(
        "the cube has {stored} events from {from} to {to}, and the archive has {archived} of them: \
         what is missing would be lost"
    )]
    NotArchived {
        /// When the time begins.
        from: Timestamp,
        /// When it ends.
        to: Timestamp,
        /// The events in the cube, or its rows where it does not count events: at least as many.
        stored: u64,
        /// The events in the archive.
        archived: u64,
    },
}
