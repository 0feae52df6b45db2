//! CSV and TSV: the same rows however the input is cut.
#![no_main]

use libfuzzer_sys::fuzz_target;
use squall::connectors::files::Format;
use squall_fuzz::{Way, head, read_cut};

fuzz_target!(|bytes: &[u8]| {
    let Some((byte, cuts, bytes)) = head(bytes) else {
        return;
    };
    let way = Way::of(Format::Csv, byte);
    let _ = read_cut(bytes, cuts, way);
});
