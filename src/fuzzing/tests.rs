//! The same decoders on bytes that were written and then damaged, with every run of the tests.

use super::*;

/// Calls a target with bytes, all their beginnings, and with each byte changed.
fn damaged(target: fn(&[u8]), bytes: &[u8]) {
    target(bytes);
    for at in 0..bytes.len() {
        target(&bytes[..at]);
        for other in [0, 1, 0x7f, 0x80, 0xc0, 0xff, bytes[at] ^ 1] {
            let mut damaged = bytes.to_vec();
            damaged[at] = other;
            target(&damaged);
        }
    }
}

#[test]
fn damaged_blocks_come_to_an_end() {
    damaged(block, b"\x03\x4d\x01a\x00\x05storm");
}

#[test]
fn damaged_lines_are_refused() {
    damaged(
        said,
        b"{\"view\":{\"table\":\"counts\",\"limit\":3}}\n[[\"a\",\"b\"]]\n",
    );
    damaged(
        said,
        b"{\"row\":{\"table\":\"counts\"}}\n{\"end\":{}}\n{\"busy\":{",
    );
}

#[test]
fn damaged_units_are_refused_or_come_back() {
    let mut changes = Changes::new(1, Timestamp::from_millis(0), |_| false, |_| true);
    changes.put_named(0, 7, "storm", 1).unwrap();
    changes.section(&-3_i64).unwrap();
    changes.put_numbered(0, 7, 300).unwrap();
    changes.put(0, "bolt", &u64::MAX).unwrap();
    changes.delete(0, "bolt").unwrap();
    changes.drop_section(&-3_i64).unwrap();
    let unit: Vec<u8> = changes.into_units().flatten().collect();
    damaged(stored_unit, &[&[4], unit.as_slice()].concat());
    for component in 0..8 {
        damaged(states, &[&[component], unit.as_slice()].concat());
    }
    damaged(positions, &unit);
    damaged(
        stored_value,
        b"\x83\xa1a\x93\x01\xc0\xcb?\xf0\0\0\0\0\0\0\xa1b\xc4\x02\xff\xfe\xa1c\xc3",
    );
}
