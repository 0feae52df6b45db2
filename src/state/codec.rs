//! How keys and values become bytes.

use rmp_serde::Serializer;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Result;
pub(super) use crate::varint::{push_varint, take_varint};

/// Appends a value.
pub(super) fn encode<T: Serialize + ?Sized>(value: &T, into: &mut Vec<u8>) -> Result {
    let mut serializer = Serializer::new(into).with_struct_map();
    Ok(value.serialize(&mut serializer)?)
}

pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    let mut from = rmp_serde::Deserializer::from_read_ref(bytes);
    Ok(T::deserialize(&mut from)?)
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
