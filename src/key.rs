//! Keys: the values that a fields grouping routes by, and their hash, which is the same on every
//! computer.

use std::borrow::Cow;
use std::fmt::Debug;
use std::hash::Hash;
use std::ops::Range;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::text::{Text, packed};
use crate::tuple::{Field, FieldAt, Is, Tuple};

/// Number of shards; fixed, because stored state is laid out by shard.
pub const SHARDS: usize = 256;

/// The seed of the routing hash: "squall" in ASCII.
const SEED: u64 = 0x7371_7561_6c6c;

/// A value that tuples can be grouped by.
///
/// The routing hash must not depend on the computer, the process or the version of Rust,
/// which `std::hash::Hash` does not promise. It is defined here:
///
/// - bytes and text of any type: [`hash_bytes`];
/// - integers of any width, `char`, `bool`: of the value as 8 bytes little-endian,
///   sign-extended where signed (16 bytes for the 128-bit ones);
/// - pairs and more, options: of the parts' hashes, 8 bytes little-endian each
///   (`None` has no parts).
///
/// ```
/// use squall::{Text, key::KeyValue};
///
/// assert_eq!(Text::from("storm").route_hash(), "storm".to_string().route_hash());
/// assert_eq!(7_u8.route_hash(), 7_i64.route_hash());
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a key",
    label = "keys need an order, equality and a routing hash",
    note = "group by text, an integer, or a pair of them; a type of your own can implement `KeyValue` through `route_hash` of its parts"
)]
pub trait KeyValue:
    Clone + Debug + Ord + Hash + Serialize + DeserializeOwned + Send + 'static
{
    /// The hash that chooses the shard.
    fn route_hash(&self) -> u64;
}

/// The routing hash of raw bytes; see [`KeyValue`].
///
/// Of up to 15 bytes, zeros behind them up to the 15th and their number plus one as the 16th
/// are two integers `a` and `b`, little-endian; the hash is `f(f(a ^ A, b ^ B), C)`, where
/// `f(x, y)` is both halves of the 128 bits of `x * y`, one xor the other, and `A`, `B` and `C`
/// are the first 192 bits of the fraction of pi. Fixed width: XXH3 asks for the length first,
/// which for words of text costs more than the hash. Longer bytes: XXH3 (64 bits, fixed seed).
#[inline]
#[must_use]
pub fn hash_bytes(bytes: &[u8]) -> u64 {
    match packed(bytes) {
        Some(packed) => hash_packed(packed),
        None => hash_long(bytes),
    }
}

/// The first 192 bits of the fraction of pi.
const PI: [u64; 3] = [
    0x243f_6a88_85a3_08d3,
    0x1319_8a2e_0370_7344,
    0xa409_3822_299f_31d0,
];

#[inline]
fn hash_packed([a, b]: [u64; 2]) -> u64 {
    folded(folded(a ^ PI[0], b ^ PI[1]), PI[2])
}

/// Both halves of the product, one xor the other.
#[inline]
fn folded(one: u64, other: u64) -> u64 {
    let product = u128::from(one) * u128::from(other);
    // The halves of it.
    #[allow(clippy::cast_possible_truncation)]
    let halves = (product as u64, (product >> 64) as u64);
    halves.0 ^ halves.1
}

/// The routing hash of a value made of parts; see [`KeyValue`].
#[must_use]
pub fn hash_parts<const N: usize>(parts: [u64; N]) -> u64 {
    hash_bytes(parts.map(u64::to_le_bytes).as_flattened())
}

/// The lower half of a key's routing hash, by which a [`KeyIndex`](crate::state::KeyIndex) finds it.
/// The upper half has the shard in it, which the keys of one task share.
///
/// Streams carry it beside the tuples of a fields grouping, so that no key is hashed twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyHash(pub(crate) u32);

impl KeyHash {
    /// Of a key.
    #[inline]
    #[must_use]
    pub fn of(key: &impl KeyValue) -> Self {
        Self::of_route(key.route_hash())
    }

    /// Of a [routing hash](KeyValue::route_hash).
    #[inline]
    #[must_use]
    pub const fn of_route(hash: u64) -> Self {
        // Half of it is meant.
        #[allow(clippy::cast_possible_truncation)]
        let half = hash as u32;
        Self(half)
    }
}

/// The shard of a routing hash, `0..256`: its high byte.
#[inline]
#[must_use]
pub const fn shard_of(hash: u64) -> usize {
    (hash >> 56) as usize
}

/// The task that holds `shard`: shards are dealt to tasks as contiguous ranges whose sizes
/// differ by at most one.
///
/// ```
/// use squall::key::task_of_shard;
///
/// assert_eq!(task_of_shard(0, 3), 0);
/// assert_eq!(task_of_shard(255, 3), 2);
/// ```
#[inline]
#[must_use]
pub const fn task_of_shard(shard: usize, tasks: usize) -> usize {
    shard * tasks / SHARDS
}

/// The shards that `task` of `tasks` holds, where `task` is below `tasks`, and `tasks` at least 1 and at
/// most [`SHARDS`].
///
/// ```
/// use squall::key::shards_of_task;
///
/// assert_eq!(shards_of_task(0, 3), 0..86);
/// assert_eq!(shards_of_task(2, 3), 171..256);
/// ```
#[inline]
#[must_use]
pub const fn shards_of_task(task: usize, tasks: usize) -> Range<usize> {
    (task * SHARDS).div_ceil(tasks)..((task + 1) * SHARDS).div_ceil(tasks)
}

macro_rules! text_keys {
    ($($type:ty),*) => {$(
        impl KeyValue for $type {
            #[inline]
            fn route_hash(&self) -> u64 {
                let text: &str = self;
                hash_bytes(text.as_bytes())
            }
        }
    )*};
}
text_keys!(String, Arc<str>, Box<str>);

impl KeyValue for Text {
    // Forced: a few instructions, for every tuple.
    #[allow(clippy::inline_always)]
    #[inline(always)]
    fn route_hash(&self) -> u64 {
        match self.packed_or_bytes() {
            Ok(packed) => hash_packed(packed),
            Err(bytes) => hash_long(bytes),
        }
    }
}

#[inline(never)]
fn hash_long(bytes: &[u8]) -> u64 {
    xxh3_64_with_seed(bytes, SEED)
}

macro_rules! integer_keys {
    ($wide:ty: $($type:ty),*) => {$(
        impl KeyValue for $type {
            #[inline]
            fn route_hash(&self) -> u64 {
                hash_bytes(&<$wide>::from(*self).to_le_bytes())
            }
        }
    )*};
}
integer_keys!(u64: u8, u16, u32, u64, bool, char);
integer_keys!(i64: i8, i16, i32, i64);
integer_keys!(u128: u128);
integer_keys!(i128: i128);

impl KeyValue for usize {
    fn route_hash(&self) -> u64 {
        hash_bytes(&(*self as u64).to_le_bytes())
    }
}

impl KeyValue for Vec<u8> {
    fn route_hash(&self) -> u64 {
        hash_bytes(self)
    }
}

impl<V: KeyValue> KeyValue for Option<V> {
    fn route_hash(&self) -> u64 {
        match self {
            Some(value) => hash_parts([value.route_hash()]),
            None => hash_parts([]),
        }
    }
}

#[doc(hidden)]
/// The type of a fields grouping's keys, where it is the one, `K`, that the keyed bolt `B`
/// takes.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`{B}` is keyed by `{K}`, but its fields grouping gives it keys of type `{Self}`",
    label = "this grouping's key is of type `{Self}`",
    note = "group by a key of type `{K}`, or let `{B}` take `type Key = {Self}`"
)]
pub trait GivenTo<B, K> {
    fn given(&self) -> &K;
}

impl<B, K> GivenTo<B, K> for K {
    #[inline]
    fn given(&self) -> &K {
        self
    }
}

/// What a grouping reads from a tuple: a field, a pair or triple of keys, or [`by`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a key of the tuple `{T}`",
    label = "expected a key of `{T}`",
    note = "group by a constant that `#[derive(Tuple)]` made of a field of `{T}` (`{T}::USER_ID` for the field `user_id`), by a pair of them, or by a closure: `by(|t: &{T}| &t.field)`"
)]
pub trait Key<T: Tuple>: Clone + Send + Sync + 'static {
    /// The key's type.
    type Value: KeyValue;

    /// The key of a tuple, borrowed from it where possible.
    fn value<'t>(&self, tuple: &'t T) -> Cow<'t, Self::Value>;

    /// The routing hash of a tuple's key, without copying it.
    #[inline]
    fn route_hash(&self, tuple: &T) -> u64 {
        self.value(tuple).route_hash()
    }

    /// The names of the fields in the key; `None` in place of a closure.
    fn parts(&self) -> Vec<Option<&'static str>>;

    /// The names of the fields in the key; `closure` in place of a closure.
    fn fields(&self) -> Vec<&'static str> {
        let parts = self.parts().into_iter();
        parts.map(|part| part.unwrap_or("closure")).collect()
    }
}

impl<T: Tuple + Is<U>, U: FieldAt<I>, const I: usize> Key<T> for Field<U, I>
where
    U::Value: KeyValue,
{
    type Value = U::Value;

    #[inline]
    fn value<'t>(&self, tuple: &'t T) -> Cow<'t, U::Value> {
        Cow::Borrowed(tuple.itself().get())
    }

    fn parts(&self) -> Vec<Option<&'static str>> {
        vec![Some(U::NAME)]
    }
}

macro_rules! keys_of_several {
    ($($name:ident $index:tt),*) => {
        impl<T: Tuple, $($name: Key<T>),*> Key<T> for ($($name,)*) {
            type Value = ($($name::Value,)*);

            fn value<'t>(&self, tuple: &'t T) -> Cow<'t, Self::Value> {
                Cow::Owned(($(self.$index.value(tuple).into_owned(),)*))
            }

            fn route_hash(&self, tuple: &T) -> u64 {
                hash_parts([$(self.$index.route_hash(tuple)),*])
            }

            fn parts(&self) -> Vec<Option<&'static str>> {
                let mut parts = Vec::new();
                $(parts.extend(self.$index.parts());)*
                parts
            }
        }

        impl<$($name: KeyValue),*> KeyValue for ($($name,)*) {
            fn route_hash(&self) -> u64 {
                hash_parts([$(self.$index.route_hash()),*])
            }
        }
    };
}
keys_of_several!(A 0, B 1);
keys_of_several!(A 0, B 1, C 2);
keys_of_several!(A 0, B 1, C 2, D 3);

/// A key that a closure reads; see [`by`].
#[derive(Clone)]
pub struct By<F>(F);

/// A key where a field constant is not enough: `by(|order: &Order| &order.customer.id)`.
///
/// Plans show it as `closure`, since a closure has no name.
pub fn by<T, V, F>(read: F) -> By<F>
where
    T: Tuple,
    V: KeyValue,
    F: Fn(&T) -> &V + Clone + Send + Sync + 'static,
{
    By(read)
}

impl<T, V, F> Key<T> for By<F>
where
    T: Tuple,
    V: KeyValue,
    F: Fn(&T) -> &V + Clone + Send + Sync + 'static,
{
    type Value = V;

    fn value<'t>(&self, tuple: &'t T) -> Cow<'t, V> {
        Cow::Borrowed((self.0)(tuple))
    }

    fn parts(&self) -> Vec<Option<&'static str>> {
        vec![None]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_routing_hash_is_the_same_for_ever() {
        // Computed by another implementation (in Python, with its xxhash 3) and written down:
        // stored state relies on these values.
        assert_eq!(hash_bytes(b""), 0xffef_3b2a_338f_2ae1);
        assert_eq!(Text::from("nathan").route_hash(), 0xb9b6_72bd_1573_591c);
        assert_eq!("nathan".to_string().route_hash(), 0xb9b6_72bd_1573_591c);
        let long = "a text of more than 15 bytes";
        assert_eq!(Text::from(long).route_hash(), 0x631a_2b14_2526_463f);
        assert_eq!(long.to_string().route_hash(), 0x631a_2b14_2526_463f);
        assert_eq!(7_u8.route_hash(), 0x8f4e_b082_a92f_b4e3);
        assert_eq!((-1_i32).route_hash(), 0x10f0_33d8_6801_9916);
        assert_eq!(
            (Text::from("a"), Text::from("bc")).route_hash(),
            0x9eda_ddeb_9f71_4140
        );
        assert_eq!(None::<u8>.route_hash(), hash_bytes(b""));
        assert_eq!(Some(0_u8).route_hash(), 0x3695_c9f1_98ae_f546);
        assert_eq!((-1_i8).route_hash(), (-1_i64).route_hash());
        assert_eq!(true.route_hash(), 1_u8.route_hash());
        assert_ne!(
            (Text::from("a"), Text::from("bc")).route_hash(),
            (Text::from("ab"), Text::from("c")).route_hash()
        );
        assert_ne!(None::<u8>.route_hash(), Some(0_u8).route_hash());
    }

    /// Both ends of the hash are used by themselves: the shard, and the half by which a table
    /// finds its keys.
    #[test]
    fn keys_that_are_alike_spread_evenly() {
        let numbers: Vec<u64> = (0..100_000_u64).map(|key| key.route_hash()).collect();
        let steps: Vec<u64> = (0..100_000_u64)
            .map(|key| (key << 20).route_hash())
            .collect();
        let texts = (0..100_000).map(|key| Text::from(format!("user-{key}").as_str()));
        let texts: Vec<u64> = texts.map(|key| key.route_hash()).collect();
        for hashes in [numbers, steps, texts] {
            for part in [|hash: u64| hash >> 56, |hash: u64| hash & 0xff] {
                let mut buckets = [0_i32; 256];
                for hash in &hashes {
                    buckets[usize::try_from(part(*hash)).unwrap()] += 1;
                }
                // 391 on average, with a standard deviation of 20.
                let furthest = buckets.map(|count| (count - 391).abs()).into_iter().max();
                assert!(furthest < Some(100), "{furthest:?}");
            }
        }
    }

    #[test]
    fn shards_are_dealt_evenly_and_in_order() {
        for tasks in 1..=SHARDS {
            let mut sizes = vec![0; tasks];
            let mut last = 0;
            for shard in 0..SHARDS {
                let task = task_of_shard(shard, tasks);
                assert!(task >= last && task < tasks);
                last = task;
                sizes[task] += 1;
            }
            let (least, most) = (sizes.iter().min(), sizes.iter().max());
            assert!(most.unwrap() - least.unwrap() <= 1, "{tasks}: {sizes:?}");
        }
    }
}
