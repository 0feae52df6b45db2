//! What makes records of tuples.

use serde::Serialize;

use squall::Result;

use super::records::Records;

/// Makes records of a tuple.
pub trait Encode<T>: Send + 'static {
    /// Adds the records of a tuple.
    ///
    /// # Errors
    /// End the run.
    fn encode(&mut self, tuple: &T, records: &mut Records) -> Result;
}

type WriteKey<T> = Box<dyn FnMut(&T, &mut Vec<u8>) + Send>;
type WriteValue<T> = Box<dyn FnMut(&T, &mut Vec<u8>) -> Result + Send>;

/// One record for each tuple, with a key or none, and a value.
pub struct KeyAndValue<T> {
    pub(super) key: Option<WriteKey<T>>,
    pub(super) value: WriteValue<T>,
}

/// The records that a function makes of each tuple.
#[derive(Clone, Copy, Debug)]
pub struct ToRecords<F>(pub(super) F);

impl<T: Serialize> KeyAndValue<T> {
    /// The tuple as JSON, without a key.
    pub(super) fn json() -> Self {
        let value = |tuple: &T, into: &mut Vec<u8>| Ok(serde_json::to_writer(into, tuple)?);
        Self {
            key: None,
            value: Box::new(value),
        }
    }
}

impl<T: 'static> Encode<T> for KeyAndValue<T> {
    #[inline]
    fn encode(&mut self, tuple: &T, records: &mut Records) -> Result {
        let Self { key, value } = self;
        let key = |into: &mut Vec<u8>| {
            if let Some(key) = key {
                key(tuple, into);
            }
            key.is_some()
        };
        records.push_with(key, |into| value(tuple, into))
    }
}

impl<T, F> Encode<T> for ToRecords<F>
where
    F: FnMut(&T, &mut Records) -> Result + Send + 'static,
{
    #[inline]
    fn encode(&mut self, tuple: &T, records: &mut Records) -> Result {
        (self.0)(tuple, records)
    }
}
