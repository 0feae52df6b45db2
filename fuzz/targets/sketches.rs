//! Sketches of distinct values as they are stored: one that is read is written the same, and
//! merging its bytes is merging it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use squall::aggregate::Sketch;

fuzz_target!(|bytes: &[u8]| {
    let (half, other) = bytes.split_at(bytes.len() / 2);
    for bytes in [bytes, half, other] {
        let Ok(sketch) = Sketch::from_bytes(bytes) else {
            assert!(Sketch::default().merge_bytes(bytes).is_err());
            continue;
        };
        let written = sketch.to_bytes();
        let again = Sketch::from_bytes(&written).expect("it was written");
        assert_eq!(again, sketch);
        assert_eq!(again.to_bytes(), written);
        assert!(sketch.estimate() >= 0.0);
        let mut merged = Sketch::default();
        merged.merge_bytes(bytes).expect("it was read before");
        assert_eq!(merged, sketch);
    }
    if let (Ok(mut one), Ok(mut two)) = (Sketch::from_bytes(half), Sketch::from_bytes(other)) {
        let first = one.clone();
        one.merge_bytes(other).expect("it was read before");
        two.merge(&first);
        assert_eq!(one, two);
    }
});
