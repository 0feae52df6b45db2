//! What makes tuples of messages, with times or without.

use std::marker::PhantomData;

use serde::de::DeserializeOwned;

use squall::spout::SplitId;
use squall::stream::{StreamAt, Streams};
use squall::{Out, Result, SpoutOut, Timestamp, Tuple};

use crate::message::Message;

/// What makes tuples of a message.
pub trait Decode<S: Streams>: Send + 'static {
    /// Whether it gives each tuple its event time.
    fn gives_times(&self) -> bool {
        false
    }

    /// Emits what it makes of a message of a split.
    ///
    /// # Errors
    /// Send the message to the dead letters.
    fn decode(&mut self, message: &Message<'_>, out: MessageOut<'_, S>) -> Result;
}

/// Where a decoder emits.
pub struct MessageOut<'o, S: Streams> {
    pub(crate) out: &'o mut SpoutOut<S>,
    pub(crate) split: SplitId,
    pub(crate) message: &'o Message<'o>,
}

impl<S: Streams> MessageOut<'_, S> {
    /// Where to emit what happened at this time. A time that is older than the newest one before it
    /// in its partition, by more than the lateness, makes its tuples late.
    #[inline]
    pub fn at(&mut self, time: Timestamp) -> &mut Out<S> {
        self.out.record_at(self.split, time);
        if self.out.is_late() {
            self.tell_late();
        }
        self.out
    }

    /// Where to emit what has no time of its own: where the [times are those of the
    /// messages](crate::ReadTopic::message_time), and by processing time.
    #[inline]
    pub fn untimed(&mut self) -> &mut Out<S> {
        self.out
    }

    #[cold]
    fn tell_late(&mut self) {
        let message = self.message;
        self.out.tell_late(self.split, || {
            let (source, offset) = place(message);
            (source, Some(offset), content(message))
        });
    }
}

/// Where a message stands, for people.
pub(crate) fn place(message: &Message<'_>) -> (String, u64) {
    let (topic, partition) = (message.topic(), message.partition());
    let source = format!("topic {topic}, partition {partition}");
    (source, u64::try_from(message.offset()).unwrap_or(0))
}

/// What a message has, for people.
pub(crate) fn content(message: &Message<'_>) -> String {
    String::from_utf8_lossy(message.value().unwrap_or_default()).into_owned()
}

/// A function of a message, whose tuples have the time of the message or none.
#[derive(Clone, Copy, Debug)]
pub struct Decoder<F>(pub(crate) F);

/// A function of a message that gives each tuple its time.
#[derive(Clone, Copy, Debug)]
pub struct TimedDecoder<F>(pub(crate) F);

/// Reads each message as a tuple in JSON.
pub struct Json<T>(pub(crate) PhantomData<fn() -> T>);

/// Reads each message as a tuple in JSON, which has its time.
pub struct TimedJson<T, F>(pub(crate) F, pub(crate) PhantomData<fn() -> T>);

impl<S, F> Decode<S> for Decoder<F>
where
    S: Streams,
    F: FnMut(&Message<'_>, &mut Out<S>) -> Result + Send + 'static,
{
    #[inline]
    fn decode(&mut self, message: &Message<'_>, out: MessageOut<'_, S>) -> Result {
        (self.0)(message, out.out)
    }
}

impl<S, F> Decode<S> for TimedDecoder<F>
where
    S: Streams,
    F: FnMut(&Message<'_>, &mut MessageOut<'_, S>) -> Result + Send + 'static,
{
    fn gives_times(&self) -> bool {
        true
    }

    #[inline]
    fn decode(&mut self, message: &Message<'_>, mut out: MessageOut<'_, S>) -> Result {
        (self.0)(message, &mut out)
    }
}

impl<T> Decode<T> for Json<T>
where
    T: Tuple + DeserializeOwned + Streams + StreamAt<0, Item = T>,
{
    #[inline]
    fn decode(&mut self, message: &Message<'_>, out: MessageOut<'_, T>) -> Result {
        out.out.emit(message.json()?);
        Ok(())
    }
}

impl<T, F> Decode<T> for TimedJson<T, F>
where
    T: Tuple + DeserializeOwned + Streams + StreamAt<0, Item = T>,
    F: FnMut(&T) -> Timestamp + Send + 'static,
{
    fn gives_times(&self) -> bool {
        true
    }

    #[inline]
    fn decode(&mut self, message: &Message<'_>, mut out: MessageOut<'_, T>) -> Result {
        let tuple: T = message.json()?;
        let time = (self.0)(&tuple);
        out.at(time).emit(tuple);
        Ok(())
    }
}
