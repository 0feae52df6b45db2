//! Records as bytes, apart from sending them: a sink encodes them when they are written, and whoever
//! commits sends them later.

/// One record to be sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Record<'r> {
    /// The number of the partition; without one the partition is chosen by the key, as the Java
    /// client chooses it.
    pub partition: Option<i32>,
    /// The key.
    pub key: Option<&'r [u8]>,
    /// The value; none for a tombstone, which deletes the key from a compacted topic.
    pub value: Option<&'r [u8]>,
}

/// Encoded records, in their order.
///
/// ```
/// use squall_kafka::{Record, Records};
///
/// let mut records = Records::new();
/// let record = Record { key: Some(b"ann"), value: Some(b"7"), ..Record::default() };
/// records.push(record);
/// let bytes = records.as_bytes();
/// assert_eq!(Records::read(bytes).collect::<Result<Vec<_>, _>>(), Ok(vec![record]));
/// assert_eq!(Records::read(&bytes[1..]).next(), Some(Err(0)));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Records {
    bytes: Vec<u8>,
}

/// What stands for a key, value or partition that is not there.
const NONE: u32 = u32::MAX;

/// The partition, and the lengths of key and value.
const HEAD_BYTES: usize = 12;

impl Records {
    /// No records.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a record. One of more than 4 GiB is cut off there, which no broker would take.
    pub fn push(&mut self, record: Record<'_>) {
        let Record {
            partition,
            key,
            value,
        } = record;
        let at = self.begin(partition);
        self.bytes.extend_from_slice(key.unwrap_or_default());
        self.end_key(at, key.is_some());
        self.bytes.extend_from_slice(value.unwrap_or_default());
        self.end_value(at, value.is_some());
    }

    /// Adds a record without a partition, whose key and value are written into the buffer; the key
    /// says whether there is one.
    pub(crate) fn push_with<E>(
        &mut self,
        key: impl FnOnce(&mut Vec<u8>) -> bool,
        value: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        let at = self.begin(None);
        let has_key = key(&mut self.bytes);
        self.end_key(at, has_key);
        if let Err(error) = value(&mut self.bytes) {
            self.bytes.truncate(at);
            return Err(error);
        }
        self.end_value(at, true);
        Ok(())
    }

    fn begin(&mut self, partition: Option<i32>) -> usize {
        let at = self.bytes.len();
        let partition = partition.map_or(NONE, i32::cast_unsigned);
        self.bytes.extend_from_slice(&partition.to_le_bytes());
        self.bytes.extend_from_slice(&[0; 8]);
        at
    }

    fn end_key(&mut self, at: usize, there: bool) {
        let length = self.bytes.len() - at - HEAD_BYTES;
        self.set(at + 4, length, there);
    }

    fn end_value(&mut self, at: usize, there: bool) {
        let key = match number(&self.bytes, at + 4) {
            Some(NONE) | None => 0,
            Some(key) => key as usize,
        };
        let length = self.bytes.len() - at - HEAD_BYTES - key;
        self.set(at + 8, length, there);
    }

    fn set(&mut self, at: usize, length: usize, there: bool) {
        let length = u32::try_from(length).unwrap_or(NONE - 1);
        let length = if there { length } else { NONE };
        self.bytes[at..at + 4].copy_from_slice(&length.to_le_bytes());
    }

    /// The bytes of all.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Takes them out.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }

    /// The records of these bytes; an error is the place of one that is damaged, and the last item.
    pub fn read(bytes: &[u8]) -> impl Iterator<Item = Result<Record<'_>, usize>> {
        let mut at = 0;
        std::iter::from_fn(move || {
            if at >= bytes.len() {
                return None;
            }
            let record = record(bytes, at);
            at = record.map_or(bytes.len(), |(_, end)| end);
            Some(record.map(|(record, _)| record))
        })
    }
}

/// A record, and where the next one begins.
fn record(bytes: &[u8], at: usize) -> Result<(Record<'_>, usize), usize> {
    let head = |offset| number(bytes, at + offset).ok_or(at);
    let (partition, key, value) = (head(0)?, head(4)?, head(8)?);
    let mut end = at + HEAD_BYTES;
    let mut part = |length: u32| {
        if length == NONE {
            return Ok(None);
        }
        let from = end;
        end = from.checked_add(length as usize).ok_or(at)?;
        bytes.get(from..end).map(Some).ok_or(at)
    };
    let (key, value) = (part(key)?, part(value)?);
    let partition = Some(partition).filter(|partition| *partition != NONE);
    let partition = partition.map(u32::cast_signed);
    let record = Record {
        partition,
        key,
        value,
    };
    Ok((record, end))
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}
