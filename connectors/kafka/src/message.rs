//! One message of a topic.

use std::fmt;

use rdkafka::Message as _;
use rdkafka::message::{BorrowedMessage, Headers as _};
use serde::Deserialize;

use squall::Timestamp;

/// A message, as it stands in the topic.
pub struct Message<'m>(pub(crate) BorrowedMessage<'m>);

/// Why a message is not what it was taken for; sends it to the dead letters.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MessageError {
    /// It has a key, and no value: a tombstone.
    #[error("the message has no value")]
    NoValue,
    /// It is not text.
    #[error("the value is not valid UTF-8 after its first {valid} bytes")]
    NotText {
        /// How many bytes are.
        valid: usize,
    },
    /// It is not JSON, or of another shape.
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    /// It has no timestamp.
    #[error("the message has no timestamp")]
    NoTimestamp,
}

impl Message<'_> {
    /// The value; none of a tombstone.
    #[inline]
    pub fn value(&self) -> Option<&[u8]> {
        self.0.payload()
    }

    /// The key.
    #[inline]
    pub fn key(&self) -> Option<&[u8]> {
        self.0.key()
    }

    /// The value as text.
    ///
    /// # Errors
    /// Where there is none, or it is not UTF-8.
    pub fn text(&self) -> Result<&str, MessageError> {
        let value = self.value().ok_or(MessageError::NoValue)?;
        std::str::from_utf8(value).map_err(|error| MessageError::NotText {
            valid: error.valid_up_to(),
        })
    }

    /// The value as JSON, read into any type that serde knows.
    ///
    /// # Errors
    /// Where there is none, or it is not of this shape.
    #[inline]
    pub fn json<'d, T: Deserialize<'d>>(&'d self) -> Result<T, MessageError> {
        let value = self.value().ok_or(MessageError::NoValue)?;
        Ok(serde_json::from_slice(value)?)
    }

    /// The first header of this name; none where there is none, or it has no value.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers().find(|(key, _)| *key == name)?.1
    }

    /// The headers, in their order.
    pub fn headers(&self) -> impl Iterator<Item = (&str, Option<&[u8]>)> {
        let headers = self
            .0
            .headers()
            .into_iter()
            .flat_map(|headers| headers.iter());
        headers.map(|header| (header.key, header.value))
    }

    /// When it was made or appended, as the topic has it.
    ///
    /// # Errors
    /// Where it has none.
    #[inline]
    pub fn timestamp(&self) -> Result<Timestamp, MessageError> {
        let millis = self.0.timestamp().to_millis();
        let millis = millis.ok_or(MessageError::NoTimestamp)?;
        Ok(Timestamp::from_millis(millis))
    }

    /// The topic.
    pub fn topic(&self) -> &str {
        self.0.topic()
    }

    /// The number of the partition.
    #[inline]
    pub fn partition(&self) -> i32 {
        self.0.partition()
    }

    /// Its place in the partition.
    #[inline]
    pub fn offset(&self) -> i64 {
        self.0.offset()
    }
}

impl fmt::Debug for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("topic", &self.topic())
            .field("partition", &self.partition())
            .field("offset", &self.offset())
            .finish_non_exhaustive()
    }
}
