//! JSON lines: the same records however the input is cut, each of which is an object.
#![no_main]

use std::collections::HashMap;

use libfuzzer_sys::fuzz_target;
use serde_json::value::RawValue;
use squall::connectors::files::{Delimiter, Format, Outcome, Record, RecordReader};
use squall_fuzz::{Way, head, read_cut};

fuzz_target!(|bytes: &[u8]| {
    let Some((byte, cuts, bytes)) = head(bytes) else {
        return;
    };
    let way = Way::of(Format::NdJson, byte);
    let _ = read_cut(bytes, cuts, way);

    let input = Box::new(std::io::Cursor::new(bytes.to_vec()));
    let mut reader = RecordReader::new(input, "input", Format::NdJson, Delimiter::default());
    let mut record = Record::new();
    while let Ok(Outcome::Record) = reader.next(&mut record) {
        if let Ok(Some(object)) = record.object() {
            // Values as they are written: a text that is no Unicode spoils its own field only.
            let object: HashMap<String, Box<RawValue>> =
                serde_json::from_str(&object).expect("a record is a JSON object");
            assert!(record.names().all(|name| object.contains_key(name)));
        }
    }
});
