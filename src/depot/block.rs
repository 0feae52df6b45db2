//! Records that lie together: what one commit has brought for one partition.
//!
//! A block is the number of its records, the time of the append in milliseconds since 1970, and
//! each record with its length before it; all numbers LEB128. Its checksum is the store's.

use crate::state::take;
use crate::varint::{push_varint, take_varint};

/// A block is closed when its records have so many bytes: the engine writes two bytes for each
/// byte of values of this size, and four where they are small.
pub(super) const FULL_BYTES: usize = 256 << 10;

/// A block that is being filled.
#[derive(Default)]
pub(super) struct Filling {
    records: u64,
    bytes: Vec<u8>,
}

impl Filling {
    pub(super) fn push(&mut self, record: &str) {
        self.records += 1;
        push_varint(record.len() as u64, &mut self.bytes);
        self.bytes.extend_from_slice(record.as_bytes());
    }

    pub(super) fn records(&self) -> u64 {
        self.records
    }

    pub(super) fn is_full(&self) -> bool {
        self.bytes.len() >= FULL_BYTES
    }

    /// The stored form; the block is empty again.
    pub(super) fn take(&mut self, time_ms: u64) -> Vec<u8> {
        let mut stored = Vec::with_capacity(self.bytes.len() + 16);
        push_varint(std::mem::take(&mut self.records), &mut stored);
        push_varint(time_ms, &mut stored);
        stored.append(&mut self.bytes);
        stored
    }
}

/// A block that is being read.
#[derive(Debug, Default)]
pub(crate) struct Block {
    /// The offset of the next record.
    next: u64,
    end: u64,
    time_ms: u64,
    bytes: Vec<u8>,
    /// How much of `bytes` was read.
    read: usize,
    /// The length of the stored form.
    stored_bytes: u64,
}

impl Block {
    /// The block that ends before the offset `end`; none where it cannot be one.
    pub(super) fn new(end: u64, stored: &[u8]) -> Option<Self> {
        let mut rest = stored;
        let records = take_varint(&mut rest)?;
        let time_ms = take_varint(&mut rest)?;
        Some(Self {
            next: end.checked_sub(records)?,
            end,
            time_ms,
            bytes: rest.to_vec(),
            read: 0,
            stored_bytes: stored.len() as u64,
        })
    }

    /// The offset of the next record; the end where there is none.
    pub(crate) fn next_offset(&self) -> u64 {
        self.next
    }

    pub(super) fn end(&self) -> u64 {
        self.end
    }

    pub(super) fn time_ms(&self) -> u64 {
        self.time_ms
    }

    pub(super) fn stored_bytes(&self) -> u64 {
        self.stored_bytes
    }

    /// The next record with its offset; `None` at the end, and an error where the bytes are not
    /// as they were written.
    #[allow(clippy::should_implement_trait)] // it lends
    pub(crate) fn next(&mut self) -> Result<Option<(u64, &str)>, BrokenBlock> {
        if self.next == self.end {
            return Ok(None);
        }
        let broken = BrokenBlock { offset: self.next };
        let mut rest = self.bytes.get(self.read..).ok_or(broken)?;
        let record = take_varint(&mut rest).and_then(|length| take(&mut rest, length));
        let record = std::str::from_utf8(record.ok_or(broken)?).map_err(|_| broken)?;
        self.read = self.bytes.len() - rest.len();
        self.next += 1;
        Ok(Some((self.next - 1, record)))
    }

    /// Passes over the records before an offset.
    pub(super) fn skip_to(&mut self, offset: u64) -> Result<(), BrokenBlock> {
        while self.next < offset && self.next()?.is_some() {}
        Ok(())
    }
}

/// A block is not as it was written, from this offset on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BrokenBlock {
    pub(crate) offset: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_back_with_their_offsets() {
        let mut filling = Filling::default();
        let long = "x".repeat(300);
        for record in ["", "a", &long, "é"] {
            filling.push(record);
        }
        assert_eq!(filling.records(), 4);
        let stored = filling.take(77);
        assert_eq!((filling.records(), filling.is_full()), (0, false));

        let mut block = Block::new(104, &stored).unwrap();
        assert_eq!((block.time_ms(), block.end()), (77, 104));
        block.skip_to(101).unwrap();
        for (offset, record) in [(101, "a"), (102, &*long), (103, "é")] {
            assert_eq!(block.next(), Ok(Some((offset, record))));
        }
        assert_eq!(block.next(), Ok(None));
        assert_eq!(block.next_offset(), 104);
    }

    #[test]
    fn a_block_that_was_cut_off_is_an_error_and_no_record() {
        let mut filling = Filling::default();
        filling.push("abc");
        let stored = filling.take(1);
        let mut block = Block::new(1, &stored[..stored.len() - 1]).unwrap();
        assert_eq!(block.next(), Err(BrokenBlock { offset: 0 }));
        assert!(Block::new(0, &stored).is_none());
        assert!(Block::new(1, &[]).is_none());
    }
}
