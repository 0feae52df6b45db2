//! What makes tuples of records, with times or without.

use super::record::Record;
use crate::error::Result;
use crate::spout::{SplitId, SpoutOut};
use crate::stream::{Out, Streams};
use crate::time::Timestamp;

/// What makes tuples of a record.
pub trait Decode<S: Streams>: Send + 'static {
    /// Whether it gives each tuple its time.
    const TIMES: bool;

    /// Emits what it makes of a record of a split.
    ///
    /// # Errors
    /// Send the record to the dead letters.
    fn decode(&mut self, record: &Record, split: SplitId, out: &mut SpoutOut<S>) -> Result;
}

/// A function of a record, whose tuples have the time of the record; see
/// [`Files::decode`](super::Files::decode).
#[derive(Clone, Copy, Debug)]
pub struct Decoder<F>(pub(super) F);

/// A function of a record that gives each tuple its time; see
/// [`Files::decode_at`](super::Files::decode_at).
#[derive(Clone, Copy, Debug)]
pub struct TimedDecoder<F>(pub(super) F);

impl<S, F> Decode<S> for Decoder<F>
where
    S: Streams,
    F: FnMut(&Record, &mut Out<S>) -> Result + Send + 'static,
{
    const TIMES: bool = false;

    #[inline]
    fn decode(&mut self, record: &Record, _: SplitId, out: &mut SpoutOut<S>) -> Result {
        (self.0)(record, out)
    }
}

impl<S, F> Decode<S> for TimedDecoder<F>
where
    S: Streams,
    F: FnMut(&Record, &mut TimedOut<'_, S>) -> Result + Send + 'static,
{
    const TIMES: bool = true;

    #[inline]
    fn decode(&mut self, record: &Record, split: SplitId, out: &mut SpoutOut<S>) -> Result {
        (self.0)(record, &mut TimedOut { out, split, record })
    }
}

/// Where a decoder emits that gives each tuple its time.
pub struct TimedOut<'o, S: Streams> {
    out: &'o mut SpoutOut<S>,
    split: SplitId,
    record: &'o Record,
}

impl<S: Streams> TimedOut<'_, S> {
    /// Where to emit what happened at this time. A time that is older than the newest one before it
    /// in the file, by more than the lateness, makes its tuples late.
    #[inline]
    pub fn at(&mut self, time: Timestamp) -> &mut Out<S> {
        self.out.record_at(self.split, time);
        if self.out.is_late() {
            tell_late(self.out, self.split, self.record);
        }
        self.out
    }
}

/// Tells of a record that is late.
pub(super) fn tell_late<S: Streams>(out: &mut SpoutOut<S>, split: SplitId, record: &Record) {
    out.tell_late(split, || {
        let source = record.source().to_string();
        (source, Some(record.line()), record.text().to_owned())
    });
}
