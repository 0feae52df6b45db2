//! Finding keys.

use std::rc::Rc;

use ahash::AHashMap;
use fastrand::Rng;
use squall::{Text, key::KeyHash, state::KeyIndex};

use crate::cases::Case;
use crate::words::vocabulary;

/// How often a key is looked for.
const LOOKS: usize = 1 << 18;

pub fn cases() -> Vec<Case> {
    let sizes = [(1_000, "1 k"), (100_000, "100 k"), (5_000_000, "5 M")];
    let cases = sizes.into_iter().flat_map(|(keys, name)| of(keys, name));
    cases.collect()
}

/// Any of the keys, each as often as the others.
fn of(keys: usize, name: &str) -> [Case; 3] {
    let words = vocabulary(keys);
    let mut random = Rng::with_seed(1);
    let (mut index, mut map) = (KeyIndex::new(), AHashMap::new());
    for (number, word) in (0_u32..).zip(&words) {
        index.number_of(word, KeyHash::of(word));
        map.insert(word.clone(), number);
    }
    let wanted = (0..LOOKS).map(|_| words[random.usize(..keys)].clone());
    let wanted: Rc<Vec<Text>> = Rc::new(wanted.collect());
    let hashes: Vec<_> = wanted.iter().map(KeyHash::of).collect();
    let index = Rc::new(index);
    let by_hash = {
        let (index, wanted) = (Rc::clone(&index), Rc::clone(&wanted));
        Case::of(
            format!("`KeyIndex::find` of {name}, hash known"),
            LOOKS,
            move || {
                let wanted = wanted.iter().zip(&hashes);
                let found = wanted.filter_map(|(key, hash)| index.find(key, *hash));
                found.map(u64::from).sum::<u64>()
            },
        )
    };
    let by_key = {
        let wanted = Rc::clone(&wanted);
        Case::of(format!("`KeyIndex::find` of {name}"), LOOKS, move || {
            let found = wanted
                .iter()
                .filter_map(|key| index.find(key, KeyHash::of(key)));
            found.map(u64::from).sum::<u64>()
        })
    };
    let by_map = Case::of(format!("`AHashMap::get` of {name}"), LOOKS, move || {
        let found = wanted.iter().filter_map(|key| map.get(key));
        found.copied().map(u64::from).sum::<u64>()
    });
    [by_hash, by_key, by_map]
}
