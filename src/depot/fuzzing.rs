//! Blocks of depots, from any bytes.

use super::block::{Block, BrokenBlock, Filling};

/// A damaged block gives records and then an end or an error. Records that are there are found
/// by their offset, too, and come back when they are written again.
///
/// # Panics
/// Where that is not so.
pub fn block(bytes: &[u8]) {
    // Offsets go up to here, so that any number of records may be before it.
    let end = u64::MAX;
    let Some(mut block) = Block::new(end, bytes) else {
        return;
    };
    let time_ms = block.time_ms();
    let mut records: Vec<(u64, String)> = Vec::new();
    let broken = loop {
        match block.next() {
            Ok(Some((offset, record))) => records.push((offset, record.to_owned())),
            Ok(None) => break None,
            Err(BrokenBlock { offset }) => break Some(offset),
        }
    };
    assert!(records.len() <= bytes.len(), "each record has its length");
    if let Some(offset) = broken {
        assert_eq!(offset, block.next_offset());
    }
    let Some((last, record)) = records.last() else {
        return;
    };
    let mut again = Block::new(end, bytes).expect("it was one before");
    assert_eq!(again.skip_to(*last), Ok(()));
    assert_eq!(again.next(), Ok(Some((*last, record.as_str()))));

    let mut filling = Filling::default();
    for (_, record) in &records {
        filling.push(record);
    }
    let stored = filling.take(time_ms);
    let end = last + 1;
    let mut written = Block::new(end, &stored).expect("it was written");
    assert_eq!((written.time_ms(), written.end()), (time_ms, end));
    for (offset, record) in &records {
        assert_eq!(written.next(), Ok(Some((*offset, record.as_str()))));
    }
    assert_eq!(written.next(), Ok(None));
}
