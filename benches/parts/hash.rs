//! Hashing keys.

use std::hash::Hash;
use std::hint::black_box;
use std::rc::Rc;

use ahash::RandomState;
use fastrand::Rng;
use squall::{Text, key::KeyValue};

use crate::cases::Case;
use crate::words::word;

/// They fit into a core's own cache.
const KEYS: usize = 4_096;

const TIMES: usize = 50;

/// The routing hash of the keys, and ahash of the same.
fn of<K: KeyValue>(name: &str, make: impl Fn(&mut Rng) -> K) -> [Case; 2] {
    let mut random = Rng::with_seed(1);
    let keys: Vec<K> = (0..KEYS).map(|_| make(&mut random)).collect();
    let keys = Rc::new(keys);
    [
        all(format!("routing hash, {name}"), &keys, K::route_hash),
        all(format!("ahash, {name}"), &keys, {
            let state = RandomState::with_seed(1);
            move |key| state.hash_one(key)
        }),
    ]
}

fn all<K: Hash + 'static>(
    name: String,
    keys: &Rc<Vec<K>>,
    hash: impl Fn(&K) -> u64 + 'static,
) -> Case {
    let keys = Rc::clone(keys);
    Case::of(name, KEYS * TIMES, move || {
        for _ in 0..TIMES {
            for key in keys.iter() {
                black_box(hash(key));
            }
        }
    })
}

pub fn cases() -> Vec<Case> {
    let text = |letters| move |random: &mut Rng| Text::from(word(random, &letters));
    let cases = [
        of("`Text` of 3 to 11 letters", text(3..=11)),
        of("`Text` of 40 letters", text(40..=40)),
        of("`u64`", |random| random.u64(..)),
        of("`(Text, u64)`", |random| {
            (Text::from(word(random, &(3..=11))), random.u64(..))
        }),
    ];
    cases.into_iter().flatten().collect()
}
