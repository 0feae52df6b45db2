//! How keys and values become bytes.

use rmp_serde::Serializer;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Result;

/// Appends a value.
pub(super) fn encode<T: Serialize + ?Sized>(value: &T, into: &mut Vec<u8>) -> Result {
    let mut serializer = Serializer::new(into).with_struct_map();
    Ok(value.serialize(&mut serializer)?)
}

pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    let mut from = rmp_serde::Deserializer::from_read_ref(bytes);
    Ok(T::deserialize(&mut from)?)
}

/// Appends a number, seven bits a byte, the lowest first (LEB128).
pub(crate) fn push_varint(mut number: u64, into: &mut Vec<u8>) {
    while number >= 0x80 {
        into.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    into.push(number.to_le_bytes()[0]);
}

/// Takes a number off the front; none where the bytes end before it does.
pub(crate) fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

/// Takes that many bytes off the front.
pub(crate) fn take<'b>(bytes: &mut &'b [u8], count: u64) -> Option<&'b [u8]> {
    let (taken, rest) = bytes.split_at_checked(usize::try_from(count).ok()?)?;
    *bytes = rest;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[test]
    fn numbers_come_back() {
        for number in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX] {
            let mut bytes = Vec::new();
            push_varint(number, &mut bytes);
            let mut rest = bytes.as_slice();
            assert_eq!(take_varint(&mut rest), Some(number));
            assert!(rest.is_empty());
            assert_eq!(take_varint(&mut &bytes[..bytes.len() - 1]), None);
        }
    }

    #[test]
    fn a_field_added_with_a_default_reads_as_its_default() {
        #[derive(Serialize)]
        struct Old {
            count: u64,
        }
        #[derive(Deserialize, Debug, PartialEq)]
        struct New {
            count: u64,
            #[serde(default)]
            last: Option<String>,
        }
        let mut bytes = Vec::new();
        encode(&Old { count: 3 }, &mut bytes).unwrap();
        let new: New = decode(&bytes).unwrap();
        assert_eq!(
            new,
            New {
                count: 3,
                last: None
            }
        );
    }
}
