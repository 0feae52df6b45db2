//! Gzip: damaged input gives the same lines and the same error however it is cut; what another
//! library unpacks comes out the same; and text that is packed in members is read as it was.
#![no_main]

use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use libfuzzer_sys::fuzz_target;
use squall::connectors::files::Format;
use squall_fuzz::{Way, head, read, read_cut};

/// Not more is unpacked for comparison.
const MAX_BYTES: u64 = 1 << 20;

fuzz_target!(|bytes: &[u8]| {
    let Some((_, cuts, bytes)) = head(bytes) else {
        return;
    };
    let way = Way::of(Format::Text, 0);
    let whole = read_cut(bytes, cuts, way);

    let is_gzip = |bytes: &[u8]| bytes.starts_with(&[0x1f, 0x8b]);
    if is_gzip(bytes) {
        let mut text = Vec::new();
        let unpacked = MultiGzDecoder::new(bytes)
            .take(MAX_BYTES)
            .read_to_end(&mut text);
        if unpacked.is_ok() && (text.len() as u64) < MAX_BYTES && !is_gzip(&text) {
            assert_eq!(whole, read(&text, &[], way));
        }
        return;
    }
    let mut packed = Vec::new();
    let members = bytes.chunks(cuts.first().map_or(64, |cut| usize::from(*cut).max(1)));
    for member in members {
        let mut encoder = GzEncoder::new(&mut packed, Compression::fast());
        encoder.write_all(member).expect("a Vec takes all");
        encoder.finish().expect("a Vec takes all");
    }
    if !bytes.is_empty() {
        // A member may be less than it takes to guess.
        let read = read_cut(&packed, cuts, way);
        assert!(
            read == whole
                || whole
                    .iter()
                    .chain(&read)
                    .any(|line| line.contains(" looks like "))
        );
    }
});
