//! The keys of the store: what is where in a data directory.
//!
//! | key | value |
//! |---|---|
//! | `m` `commit` | the number and time of the last committed epoch ([`Commit`]) |
//! | `m` `identity` | a random number of this directory; a reset gives it up, and a backup has none until it is run |
//! | `m` `life` | a random number, there before the first run; a reset gives it up |
//! | `m` `manifest` | the topology that the state belongs to ([`Manifest`](super::Manifest)) |
//! | `s` component, state, unit, epoch | what was saved of a unit: an image, or changes |
//! | `d` depot | a [`Depot`](crate::depot::Depot): see its layout |
//! | `o` component, task, epoch | what a sink is to deliver |
//! | `q` component, tuple | a tuple that user code panicked on ([`Culprit`]) |
//!
//! Names have their length before them, numbers are big-endian, so a prefix of a key is a
//! range in the order of what it leaves out. Values of `m` and `q` are JSON.

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::time::Timestamp;

/// The first family after that of the depots; none is before it.
pub(crate) const AFTER_DEPOTS: &[u8] = b"e";

pub(crate) const COMMIT: &[u8] = b"mcommit";
pub(crate) const IDENTITY: &[u8] = b"midentity";
pub(crate) const LIFE: &[u8] = b"mlife";
pub(crate) const MANIFEST: &[u8] = b"mmanifest";

/// The last committed epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commit {
    /// Its number.
    pub epoch: u64,
    /// When its cut was made.
    pub time: Timestamp,
}

/// A tuple that has panicked so often is not given to user code any more.
pub(crate) const PANICS: u32 = 2;

/// A tuple that user code panicked on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Culprit {
    pub(crate) panics: u32,
    /// The message of the latest panic.
    pub(crate) message: String,
}

/// What a unit was saved under.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UnitKey {
    pub(crate) component: String,
    pub(crate) state: String,
    pub(crate) unit: u16,
    pub(crate) epoch: u64,
}

fn name(text: &str, into: &mut Vec<u8>) {
    // Longer names do not occur: a plan's ids are for people. They would only meet others of
    // the same beginning.
    let bytes = &text.as_bytes()[..text.len().min(usize::from(u16::MAX))];
    into.extend(u16::try_from(bytes.len()).unwrap_or(u16::MAX).to_be_bytes());
    into.extend_from_slice(bytes);
}

/// The prefix of all that was saved of a component.
pub(crate) fn component_states(component: &str) -> Vec<u8> {
    let mut key = vec![b's'];
    name(component, &mut key);
    key
}

/// The prefix of all that was saved of a state.
pub(crate) fn state(component: &str, state: &str) -> Vec<u8> {
    let mut key = component_states(component);
    name(state, &mut key);
    key
}

/// The key of what was saved of a unit at an epoch.
pub(crate) fn unit(component: &str, name: &str, unit: u16, epoch: u64) -> Vec<u8> {
    let mut key = unit_epochs(component, name, unit);
    key.extend(epoch.to_be_bytes());
    key
}

/// The prefix of all that was saved of a unit.
pub(crate) fn unit_epochs(component: &str, name: &str, unit: u16) -> Vec<u8> {
    let mut key = state(component, name);
    key.extend(unit.to_be_bytes());
    key
}

/// Reads a key of the `s` family.
pub(crate) fn read_unit(key: &[u8]) -> Result<UnitKey> {
    let mut rest = key.strip_prefix(b"s").ok_or("a key of another family")?;
    let component = take_name(&mut rest)?;
    let state = take_name(&mut rest)?;
    let (unit, epoch) = read_unit_epoch(rest)?;
    Ok(UnitKey {
        component,
        state,
        unit,
        epoch,
    })
}

/// Reads unit and epoch of a key of the `s` family without the prefix of its state.
pub(crate) fn read_unit_epoch(rest: &[u8]) -> Result<(u16, u64)> {
    let (unit, epoch) = rest.split_first_chunk::<2>().ok_or("a short key")?;
    Ok((
        u16::from_be_bytes(*unit),
        u64::from_be_bytes(epoch.try_into()?),
    ))
}

/// The component in a key of any family but `m`.
pub(crate) fn read_component(key: &[u8]) -> Result<String> {
    take_name(&mut key.get(1..).ok_or("a short key")?)
}

fn take_name(rest: &mut &[u8]) -> Result<String> {
    let (length, after) = rest.split_first_chunk::<2>().ok_or("a short key")?;
    let length = usize::from(u16::from_be_bytes(*length));
    let (name, after) = after.split_at_checked(length).ok_or("a short key")?;
    *rest = after;
    Ok(String::from_utf8(name.to_vec())?)
}

/// The prefix of all that sinks of a component are to deliver.
pub(crate) fn component_outbox(component: &str) -> Vec<u8> {
    let mut key = vec![b'o'];
    name(component, &mut key);
    key
}

/// The key of what a task is to deliver of an epoch.
pub(crate) fn outbox(component: &str, task: u16, epoch: u64) -> Vec<u8> {
    let mut key = component_outbox(component);
    key.extend(task.to_be_bytes());
    key.extend(epoch.to_be_bytes());
    key
}

/// Reads task and epoch of a key of the `o` family, whose prefix was asked for.
pub(crate) fn read_outbox(key: &[u8]) -> Result<(u16, u64)> {
    let tail = key.last_chunk::<10>().ok_or("a short key")?;
    let (task, epoch) = tail.split_first_chunk::<2>().ok_or("a short key")?;
    Ok((
        u16::from_be_bytes(*task),
        u64::from_be_bytes(epoch.try_into()?),
    ))
}

/// The prefix of the tuples that a component panicked on.
pub(crate) fn component_culprits(component: &str) -> Vec<u8> {
    let mut key = vec![b'q'];
    name(component, &mut key);
    key
}

/// The key of a tuple that a component panicked on.
pub(crate) fn culprit(component: &str, tuple: &str) -> Vec<u8> {
    let mut key = component_culprits(component);
    key.extend_from_slice(tuple.as_bytes());
    key
}

/// The first key after all that begin with `prefix`.
pub(crate) fn after(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            return end;
        }
    }
    // Keys begin with a letter.
    vec![u8::MAX; 32]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_read_back_and_lie_within_their_prefixes() {
        let key = unit("counts", "totals", 513, 7);
        let read = read_unit(&key).unwrap();
        assert_eq!(
            (read.component.as_str(), read.state.as_str()),
            ("counts", "totals")
        );
        assert_eq!((read.unit, read.epoch), (513, 7));
        for prefix in [component_states("counts"), state("counts", "totals")] {
            assert!(key.starts_with(&prefix) && key < after(&prefix));
        }
        assert!(!key.starts_with(&component_states("count")));
        assert_eq!(read_outbox(&outbox("out", 3, 9)).unwrap(), (3, 9));
        assert_eq!(after(&[b's', u8::MAX]), [b't']);
    }
}
