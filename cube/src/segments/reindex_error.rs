//! Why segments are not made again.

use squall::Timestamp;

/// Why a time cannot be made again.
#[derive(Debug, thiserror::Error)]
pub enum ReindexError {
    /// No events were archived.
    #[error("this cube has no archive: its runs kept no raw events")]
    NoArchive,
    /// The time ends within a segment.
    #[error(
        "the time from {from} to {to} cuts the segment from {start} to {end} of {whose}: give \
         whole segments"
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
    #[error(
        "the new spec refuses all archived events, so nothing was changed; the first one: {first}"
    )]
    NothingTaken {
        /// Why the first one was refused.
        first: String,
    },
    /// The archive may not have everything.
    #[error(
        "the cube had rows before it had an archive, and the events in them are not counted: \
         those that are not archived would be lost"
    )]
    NotKnown,
    /// Not everything is in the archive.
    #[error(
        "the cube has {stored} events from {from} to {to}, but the archive has only {archived} of \
         them: the others would be lost"
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
