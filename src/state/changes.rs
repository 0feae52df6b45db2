//! What a state writes at a commit.

use serde::Serialize;

use super::codec::{encode, push_varint};
use crate::error::Result;
use crate::time::Timestamp;

/// An entry begins with a number: the length of what follows it, times eight, plus one of
/// these.
pub(super) mod op {
    /// How many bits an operation takes.
    pub(in super::super) const BITS: u32 = 3;

    /// A key; then a value with its length.
    pub(in super::super) const PUT: u64 = 0;
    /// A key that is gone.
    pub(in super::super) const DELETE: u64 = 1;
    /// The section of the entries that follow.
    pub(in super::super) const SECTION: u64 = 2;
    /// A section that is gone, with all that was in it.
    pub(in super::super) const DROP: u64 = 3;
    /// A key; then the [step](super::step) to its number, which stands for it from here on, and
    /// a value that is a number.
    pub(in super::super) const PUT_NAMED: u64 = 4;
    /// In place of a length the step to the number of a key; then a value that is a number.
    pub(in super::super) const PUT_NUMBERED: u64 = 5;
    /// The same with the value 1, which most counts of many keys are.
    pub(in super::super) const PUT_ONE: u64 = 6;
}

/// The changes of one state, by unit; filled by [`State::save`](super::State::save).
pub struct Changes {
    units: Vec<Unit>,
    /// When the cut was made that is being committed.
    time: Timestamp,
    section: Vec<u8>,
    /// Counts the sections; 0 before the first one.
    section_number: u32,
    committed: Vec<Box<dyn FnOnce() + Send>>,
}

#[derive(Default)]
struct Unit {
    bytes: Vec<u8>,
    whole: bool,
    stored: bool,
    section_number: u32,
    /// Of the latest key in the section that has one.
    number: u32,
}

impl Changes {
    /// For units of which some are to be written whole, and some have something stored.
    pub(crate) fn new(
        units: usize,
        time: Timestamp,
        whole: impl Fn(usize) -> bool,
        stored: impl Fn(usize) -> bool,
    ) -> Self {
        let units = (0..units).map(|unit| Unit {
            whole: whole(unit),
            stored: stored(unit),
            ..Unit::default()
        });
        Self {
            units: units.collect(),
            time,
            section: Vec::new(),
            section_number: 0,
            committed: Vec::new(),
        }
    }

    /// Writes the units into these buffers, in their order: memory that was in use before
    /// costs a fraction of what new memory of the operating system does.
    pub(crate) fn into_buffers(mut self, buffers: impl Iterator<Item = Vec<u8>>) -> Self {
        for (unit, mut buffer) in self.units.iter_mut().zip(buffers) {
            buffer.clear();
            unit.bytes = buffer;
        }
        self
    }

    /// When the cut was made that is being committed.
    #[must_use]
    pub fn time(&self) -> Timestamp {
        self.time
    }

    /// Calls `tell` when what is written is on disk; nobody is told where the commit fails.
    ///
    /// The function runs on the thread that commits, and the next commit waits for it: it should
    /// store or send the position, and return. Components say it by
    /// [`States::keep_and_tell`](super::States::keep_and_tell).
    pub fn when_committed(&mut self, tell: impl FnOnce() + Send + 'static) {
        self.committed.push(Box::new(tell));
    }

    /// Takes out who is to be told of the commit.
    pub(crate) fn take_committed(&mut self) -> Vec<Box<dyn FnOnce() + Send>> {
        std::mem::take(&mut self.committed)
    }

    /// Whether the units are shards. Otherwise the only one is that of the task, number 0.
    #[must_use]
    pub fn by_shard(&self) -> bool {
        self.units.len() > 1
    }

    /// The unit of a shard.
    #[inline]
    #[must_use]
    pub fn unit(&self, shard: u8) -> usize {
        if self.by_shard() {
            usize::from(shard)
        } else {
            0
        }
    }

    /// Whether all that a unit holds must be written, and not only what has changed.
    #[inline]
    #[must_use]
    pub fn is_whole(&self, unit: usize) -> bool {
        self.units[unit].whole
    }

    /// Whether all units are to be written whole, or any.
    #[must_use]
    pub fn any_whole(&self) -> bool {
        self.units.iter().any(|unit| unit.whole)
    }

    /// Notes the new value of a key.
    ///
    /// # Errors
    /// Where one of them cannot be encoded.
    #[inline]
    pub fn put<K, V>(&mut self, unit: usize, key: &K, value: &V) -> Result
    where
        K: Serialize + ?Sized,
        V: Serialize + ?Sized,
    {
        let bytes = &mut self.begin(unit).bytes;
        push_sized(bytes, op::PUT, |bytes| encode(key, bytes))?;
        push_sized_value(bytes, |bytes| encode(value, bytes))
    }

    /// Notes the new value, which is a number, of a key that has one itself: from here on the
    /// key's number stands for it in what is stored of the unit, until it is another key's.
    ///
    /// # Errors
    /// Where the key cannot be encoded.
    pub fn put_named<K>(&mut self, unit: usize, number: u32, key: &K, value: u64) -> Result
    where
        K: Serialize + ?Sized,
    {
        let unit = self.begin(unit);
        push_sized(&mut unit.bytes, op::PUT_NAMED, |bytes| encode(key, bytes))?;
        push_varint(step(&mut unit.number, number), &mut unit.bytes);
        encode(&value, &mut unit.bytes)
    }

    /// The same of a key that has its number from [`Changes::put_named`], in an earlier commit or in this
    /// one, and not from before the unit was [written whole](Changes::is_whole) the last time: a few bytes
    /// in place of the key.
    ///
    /// # Errors
    /// None but where the value cannot be encoded.
    #[inline]
    pub fn put_numbered(&mut self, unit: usize, number: u32, value: u64) -> Result {
        let unit = self.begin(unit);
        let is_one = u8::from(value == 1);
        let operation = op::PUT_NUMBERED + u64::from(is_one);
        let head = step(&mut unit.number, number) << op::BITS | operation;
        let [low, high, ..] = head.to_le_bytes();
        if value < 0x80 && (0x80..0x4000).contains(&head) {
            // As below, at a fraction of the cost: which values are 1 is not foreseen by the
            // processor, so the value is written first and then taken back.
            let value = value.to_le_bytes()[0];
            let head = [low | 0x80, high << 1 | low >> 7];
            unit.bytes.extend_from_slice(&[head[0], head[1], value]);
            let end = unit.bytes.len() - usize::from(is_one);
            unit.bytes.truncate(end);
            return Ok(());
        }
        push_varint(head, &mut unit.bytes);
        if operation == op::PUT_ONE {
            return Ok(());
        }
        encode(&value, &mut unit.bytes)
    }

    /// Notes that a key is gone.
    ///
    /// # Errors
    /// Where it cannot be encoded.
    pub fn delete<K: Serialize + ?Sized>(&mut self, unit: usize, key: &K) -> Result {
        // What was never stored, or is stored anew, need not be deleted.
        if self.units[unit].whole || !self.units[unit].stored {
            return Ok(());
        }
        let bytes = &mut self.begin(unit).bytes;
        push_sized(bytes, op::DELETE, |bytes| encode(key, bytes))
    }

    /// The section of the entries that follow.
    ///
    /// # Errors
    /// Where it cannot be encoded.
    pub fn section<S: Serialize + ?Sized>(&mut self, section: &S) -> Result {
        self.section.clear();
        self.section_number += 1;
        encode(section, &mut self.section)
    }

    /// Notes that a section is gone with all of its entries.
    ///
    /// # Errors
    /// Where it cannot be encoded.
    pub fn drop_section<S: Serialize + ?Sized>(&mut self, section: &S) -> Result {
        for unit in &mut self.units {
            if unit.stored && !unit.whole {
                push_sized(&mut unit.bytes, op::DROP, |bytes| encode(section, bytes))?;
            }
        }
        Ok(())
    }

    /// A unit, within the section at hand.
    #[inline]
    fn begin(&mut self, unit: usize) -> &mut Unit {
        let unit = &mut self.units[unit];
        if unit.section_number != self.section_number {
            unit.section_number = self.section_number;
            unit.begin_section(&self.section);
        }
        unit
    }

    /// The bytes of each unit.
    pub(crate) fn into_units(self) -> impl Iterator<Item = Vec<u8>> {
        self.units.into_iter().map(|unit| unit.bytes)
    }
}

impl Unit {
    #[cold]
    fn begin_section(&mut self, section: &[u8]) {
        let length = section.len() as u64;
        push_varint(length << op::BITS | op::SECTION, &mut self.bytes);
        self.bytes.extend_from_slice(section);
        self.number = 0;
    }
}

/// How far it is from the latest number to this one, which is the latest one then: forwards
/// twice as much, backwards twice as much less one. Numbers are mostly written in their order.
#[inline]
fn step(latest: &mut u32, number: u32) -> u64 {
    let step = i64::from(number) - i64::from(std::mem::replace(latest, number));
    (step << 1 ^ step >> 63).cast_unsigned()
}

/// The number that is a [step](step) from the latest one; none where that leads nowhere.
pub(super) fn stepped(latest: u32, step: u64) -> Option<u32> {
    let (span, backwards) = ((step >> 1).cast_signed(), -(step & 1).cast_signed());
    u32::try_from(i64::from(latest).checked_add(span ^ backwards)?).ok()
}

/// Appends what `encode` gives, with its length and an operation before it.
#[inline]
fn push_sized(
    bytes: &mut Vec<u8>,
    operation: u64,
    encode: impl FnOnce(&mut Vec<u8>) -> Result,
) -> Result {
    sized(bytes, encode, |length| length << op::BITS | operation)
}

/// Appends what `encode` gives, with its length before it.
#[inline]
fn push_sized_value(bytes: &mut Vec<u8>, encode: impl FnOnce(&mut Vec<u8>) -> Result) -> Result {
    sized(bytes, encode, |length| length)
}

#[inline]
fn sized(
    bytes: &mut Vec<u8>,
    encode: impl FnOnce(&mut Vec<u8>) -> Result,
    header: impl FnOnce(u64) -> u64,
) -> Result {
    // Most lengths fit into one byte; for the others room is made afterwards.
    let at = bytes.len();
    bytes.push(0);
    encode(bytes)?;
    let number = header((bytes.len() - at - 1) as u64);
    if number < 0x80 {
        bytes[at] = number.to_le_bytes()[0];
    } else {
        let mut varint = Vec::with_capacity(10);
        push_varint(number, &mut varint);
        bytes.splice(at..=at, varint);
    }
    Ok(())
}
