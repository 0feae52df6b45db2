//! What is committed and waits for its delivery.

use serde::{Deserialize, Serialize};

use crate::Error;

/// So many rows are in one statement, or fewer where they are long.
const ROWS_AT_ONCE: usize = 1_000;
const BYTES_AT_ONCE: usize = 1 << 20;

/// The output of one task and epoch. Its encoding is stored, so names and contents stay as they are.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Outbox<'bytes> {
    /// The task that has written it, also where another one delivers it.
    pub(crate) task: u64,
    #[serde(borrow)]
    pub(crate) content: Content<'bytes>,
}

/// Rows are objects of JSON.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Content<'bytes> {
    /// The last change of each key.
    Rows {
        #[serde(borrow)]
        columns: Vec<&'bytes str>,
        #[serde(borrow)]
        set: Vec<&'bytes str>,
        #[serde(borrow)]
        gone: Vec<&'bytes str>,
    },
    /// All that the table has from now on.
    #[serde(borrow)]
    Ranking(Vec<&'bytes str>),
}

impl<'bytes> Outbox<'bytes> {
    pub(crate) fn encode(&self) -> Result<Vec<u8>, Error> {
        rmp_serde::to_vec_named(self).map_err(|error| Error::Outbox {
            reason: error.to_string(),
        })
    }

    pub(crate) fn decode(bytes: &'bytes [u8]) -> Result<Self, Error> {
        rmp_serde::from_slice(bytes).map_err(|error| Error::Outbox {
            reason: error.to_string(),
        })
    }
}

/// Rows as arrays of JSON, for one statement each.
pub(crate) fn arrays(rows: &[&str]) -> Vec<String> {
    let (mut arrays, mut array, mut in_array) = (Vec::new(), String::new(), 0);
    for row in rows {
        if in_array == ROWS_AT_ONCE || (in_array > 0 && array.len() + row.len() > BYTES_AT_ONCE) {
            arrays.push(std::mem::take(&mut array) + "]");
            in_array = 0;
        }
        array.push(if in_array == 0 { '[' } else { ',' });
        array += row;
        in_array += 1;
    }
    if in_array > 0 {
        arrays.push(array + "]");
    }
    arrays
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_is_read_back() {
        let outbox = Outbox {
            task: 3,
            content: Content::Rows {
                columns: vec!["a"],
                set: vec!["{\"a\":1}"],
                gone: vec![],
            },
        };
        let bytes = outbox.encode().unwrap();
        assert_eq!(Outbox::decode(&bytes).unwrap(), outbox);
        assert!(Outbox::decode(&bytes[1..]).is_err());
    }

    #[test]
    fn many_rows_and_long_ones_go_in_several_arrays() {
        assert!(arrays(&[]).is_empty());
        assert_eq!(arrays(&["{}", "{}"]), ["[{},{}]"]);
        let many = vec!["{}"; 2_500];
        assert_eq!(arrays(&many).len(), 3);
        let long = "x".repeat(BYTES_AT_ONCE / 2 + 1);
        let long = arrays(&[&long, &long, "{}"]);
        assert_eq!(long.len(), 2);
        assert!(
            long.iter()
                .all(|array| array.starts_with('[') && array.ends_with(']'))
        );
    }
}
