// Numbers of a test are small, and what is exact is compared exactly.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::float_cmp
)]

use proptest::prelude::*;

use super::*;

fn sketch_of(hashes: &[u64]) -> Sketch {
    let mut sketch = Sketch::new();
    for hash in hashes {
        sketch.insert_hash(*hash);
    }
    sketch
}

/// What is stored of a set by its description: an independent second way to it.
fn stored(hashes: &[u64]) -> Vec<u8> {
    use std::collections::BTreeMap;
    let mut entries: BTreeMap<u64, u32> = BTreeMap::new();
    for hash in hashes {
        let rest = hash & ((1 << 39) - 1);
        let zeros = if (hash >> 39).is_multiple_of(2_048) {
            (0..39).take_while(|n| rest >> (38 - n) & 1 == 0).count() as u32 + 1
        } else {
            0
        };
        let entry = entries.entry(hash >> 39).or_default();
        *entry = zeros.max(*entry);
    }
    if entries.len() <= 2_048 {
        let mut bytes = vec![1, 0];
        push_varint(entries.len() as u64, &mut bytes);
        let mut before = 0;
        for (index, zeros) in entries {
            push_varint(index - before, &mut bytes);
            before = index;
            bytes.extend((zeros > 0).then_some(zeros as u8));
        }
        return bytes;
    }
    let mut registers = vec![0_u32; 16_384];
    for hash in hashes {
        let zeros = (0..50).take_while(|n| hash >> (49 - n) & 1 == 0).count() as u32;
        let register = &mut registers[(hash >> 50) as usize];
        *register = (zeros + 1).max(*register);
    }
    let mut bytes = vec![1, 1];
    bytes.resize(2 + 12_288, 0);
    for (number, value) in registers.into_iter().enumerate() {
        for bit in (0..6).filter(|bit| value >> bit & 1 == 1) {
            let place = number * 6 + bit;
            bytes[2 + place / 8] |= 1 << (place % 8);
        }
    }
    bytes
}

/// Hashes of few different beginnings too, with many zeros behind them.
fn hashes() -> impl Strategy<Value = Vec<u64>> {
    let hash = prop_oneof![
        any::<u64>(),
        (0..40_u64, 0..64_u32).prop_map(|(index, zeros)| {
            (index << 49) | (u64::MAX >> 15).checked_shr(zeros).unwrap_or(0)
        }),
        (0..5_000_u64).prop_map(|index| index << 39),
    ];
    let length = prop_oneof![0..9_usize, 0..100_usize, 2_000..2_400_usize, 0..6_000_usize];
    length.prop_flat_map(move |length| prop::collection::vec(hash.clone(), length))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// However hashes come, and however sketches of parts of them are merged.
    #[test]
    fn a_set_has_one_form(hashes in hashes(), parts in 1..9_usize, seed in any::<u64>()) {
        let expected = stored(&hashes);
        let whole = sketch_of(&hashes);
        prop_assert_eq!(&whole.to_bytes(), &expected);

        let mut random = fastrand::Rng::with_seed(seed);
        let mut twice: Vec<u64> = hashes.iter().chain(&hashes).copied().collect();
        random.shuffle(&mut twice);
        let size = twice.len() / parts + 1;
        let mut sketches: Vec<Sketch> = twice.chunks(size).map(sketch_of).collect();
        while sketches.len() > 1 {
            let other = sketches.swap_remove(random.usize(..sketches.len()));
            let into = random.usize(..sketches.len());
            if random.bool() {
                sketches[into].merge(&other);
            } else {
                sketches[into].merge_bytes(&other.to_bytes()).unwrap();
            }
        }
        let merged = sketches.pop().unwrap_or_default();
        prop_assert_eq!(&merged.to_bytes(), &expected);
        prop_assert_eq!(&merged, &whole);
        prop_assert_eq!(merged.estimate().to_bits(), whole.estimate().to_bits());
        let read = Sketch::from_bytes(&expected).unwrap();
        prop_assert_eq!(read.to_bytes(), expected);
        prop_assert_eq!(&read, &whole);
    }

    #[test]
    fn a_hash_is_there_where_it_would_change_nothing(
        mut all in hashes(),
        others in prop::collection::vec(any::<prop::sample::Index>(), 20),
    ) {
        let half = all.len() / 2;
        let sketch = sketch_of(&all[..half]);
        prop_assert!(all[..half].iter().all(|hash| sketch.has_hash(*hash)));
        all.push(7);
        for other in others {
            let hash = *other.get(&all);
            let mut with = sketch.clone();
            with.insert_hash(hash);
            prop_assert_eq!(sketch.has_hash(hash), with.to_bytes() == sketch.to_bytes());
        }
    }

    /// Nothing is read that would be written otherwise, and nothing panics.
    #[test]
    fn only_the_stored_form_is_read(
        mut bytes in hashes().prop_map(|hashes| sketch_of(&hashes).to_bytes()),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        if let Ok(sketch) = Sketch::from_bytes(&bytes) {
            prop_assert_eq!(sketch.to_bytes(), bytes);
        }
    }
}

#[test]
fn the_stored_form_is_the_same_for_ever() {
    assert_eq!(Sketch::new().to_bytes(), [1, 0, 0]);
    let words = ["nathan", "mike", "jackson", "golda", "bertels", "", "storm"];
    let hashes = words.map(|word| Sketch::hash(word.as_bytes()));
    // All of it was computed by another implementation (in Python, with its xxhash 3).
    assert_eq!(hashes[..2], [0x4aa7_8572_a2d1_d303, 0x6fa4_9f19_7bac_e0c2]);
    let mut list = sketch_of(&hashes);
    list.insert_hash(5 << 50);
    assert_eq!(
        list.to_bytes(),
        [
            0x01, 0x00, 0x08, 0x80, 0x50, 0x28, 0xed, 0xb4, 0x26, 0x9d, 0x99, 0xae, 0x04, 0xb4,
            0xf4, 0xa7, 0x02, 0x96, 0xa4, 0x9d, 0x02, 0x89, 0xb2, 0x81, 0x01, 0x9a, 0xf3, 0xf1,
            0x03, 0xf7, 0x8e, 0x11
        ]
    );
    let numbers: Vec<u64> = (0..5_000_u32)
        .map(|n| Sketch::hash(n.to_string().as_bytes()))
        .collect();
    let registers = sketch_of(&numbers).to_bytes();
    assert_eq!(
        (registers.len(), xxh3_64_with_seed(&registers, 0)),
        (12_290, 0x9ec3_db7c_b733_a473)
    );
}

#[test]
fn what_is_no_sketch_is_refused_with_a_reason() {
    let cases: [(&[u8], &str); 8] = [
        (&[], "does not begin with format 1"),
        (&[2, 0, 0], "does not begin with format 1"),
        (&[1, 2, 0], "neither a list nor registers"),
        (&[1, 0, 2, 1], "cut off"),
        (&[1, 0, 2, 1, 0], "not in order"),
        (&[1, 0, 1, 0, 41], "out of range"),
        (&[1, 0, 0, 0], "more follows"),
        (&[1, 1, 0], "12,288 bytes"),
    ];
    for (bytes, why) in cases {
        let error = Sketch::from_bytes(bytes).unwrap_err().to_string();
        assert!(error.contains(why), "{bytes:?}: {error}");
        let mut sketch = sketch_of(&[1]);
        assert!(sketch.merge_bytes(bytes).is_err());
        assert_eq!(sketch, sketch_of(&[1]));
    }
}

/// The crate has the same registers where it is given the same hashes.
#[test]
fn large_sets_are_estimated_as_by_the_crate() {
    use hyperloglogplus::{HyperLogLog, HyperLogLogPlus};
    let mut random = fastrand::Rng::with_seed(7);
    for size in [20_000, 60_000, 300_000] {
        let mut reference = HyperLogLogPlus::<u64, _>::new(14, dense::AsItIs).unwrap();
        let mut sketch = Sketch::new();
        for _ in 0..size {
            let hash = random.u64(..);
            sketch.insert_hash(hash);
            reference.insert(&hash);
        }
        let (ours, theirs) = (sketch.estimate(), reference.count());
        assert!((ours - theirs).abs() < 1e-6, "{size}: {ours} {theirs}");
    }
}

#[test]
fn estimates_are_as_far_off_as_they_say() {
    const SEEDS: u64 = 200;
    for size in [
        10, 40, 300, 1_000, 2_000, 2_200, 5_000, 12_000, 30_000, 100_000,
    ] {
        let (mut sum, mut squares, mut said) = (0.0, 0.0, 0.0);
        for seed in 0..SEEDS {
            let mut random = fastrand::Rng::with_seed(seed);
            let mut sketch = Sketch::new();
            (0..size).for_each(|_| sketch.insert_hash(random.u64(..)));
            let off = sketch.estimate() / f64::from(size) - 1.0;
            sum += off;
            squares += off * off;
            said = sketch.error();
        }
        let mean = sum / SEEDS as f64;
        let deviation = (squares / SEEDS as f64).sqrt();
        assert!(
            mean.abs() < 0.002 && deviation < 0.01,
            "{size}: {mean} {deviation}"
        );
        // 200 seeds give a deviation to 5 %; linear counting is better than what is said.
        assert!(
            deviation < said * 1.2 + 0.000_05,
            "{size}: {deviation} {said}"
        );
    }
}

/// The first 41 users of a group are never estimated as one more or less but for a collision,
/// which is one in 40,000 such groups.
#[test]
fn small_sets_are_exact() {
    for size in [0_u32, 1, 6, 7, 41, 200] {
        let values = (0..size).map(|n| Sketch::hash(format!("user-{n}").as_bytes()));
        let sketch = sketch_of(&values.collect::<Vec<_>>());
        assert_eq!(sketch.estimate().round(), f64::from(size));
    }
}

#[test]
fn small_sets_take_little_memory() {
    assert_eq!(size_of::<Sketch>(), 32);
    let allocated = |values: u64| {
        let hashes: Vec<u64> = (0..values)
            .map(|n| Sketch::hash(&n.to_le_bytes()))
            .collect();
        allocation_counter::measure(|| drop(sketch_of(&hashes))).count_total
    };
    assert_eq!(allocated(6), 0, "six values are held in place");
    assert!(allocated(7) > 0);
}
