//! Keys: what a fields grouping routes by, and the hash that is the same on every computer.

use std::borrow::Cow;
use std::fmt::Debug;
use std::hash::Hash;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::text::Text;
use crate::tuple::{Field, FieldAt, Tuple};

/// Number of shards; fixed, because stored state is laid out by shard.
pub const SHARDS: usize = 256;

/// The seed of the routing hash: "squall" in ASCII.
const SEED: u64 = 0x7371_7561_6c6c;

/// A value that tuples can be grouped by.
///
/// The routing hash must not depend on the computer, the process or the version of Rust,
/// which `std::hash::Hash` does not promise. It is defined here:
///
/// - bytes and text of any type: XXH3 (64 bits, fixed seed) of the bytes;
/// - integers of any width, `char`, `bool`: XXH3 of the value as 8 bytes little-endian,
///   sign-extended where signed (16 bytes for the 128-bit ones);
/// - pairs and more, options: XXH3 of the parts' hashes, 8 bytes little-endian each
///   (`None` has no parts).
///
/// ```
/// use squall::{KeyValue, Text};
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
#[inline]
#[must_use]
pub fn hash_bytes(bytes: &[u8]) -> u64 {
    xxh3_64_with_seed(bytes, SEED)
}

/// The routing hash of a value made of parts; see [`KeyValue`].
#[must_use]
pub fn hash_parts<const N: usize>(parts: [u64; N]) -> u64 {
    hash_bytes(parts.map(u64::to_le_bytes).as_flattened())
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
/// use squall::task_of_shard;
///
/// assert_eq!(task_of_shard(0, 3), 0);
/// assert_eq!(task_of_shard(255, 3), 2);
/// ```
#[inline]
#[must_use]
pub const fn task_of_shard(shard: usize, tasks: usize) -> usize {
    shard * tasks / SHARDS
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
text_keys!(Text, String, Arc<str>, Box<str>);

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

impl<T: FieldAt<I>, const I: usize> Key<T> for Field<T, I>
where
    T::Value: KeyValue,
{
    type Value = T::Value;

    #[inline]
    fn value<'t>(&self, tuple: &'t T) -> Cow<'t, T::Value> {
        Cow::Borrowed(tuple.get())
    }

    fn parts(&self) -> Vec<Option<&'static str>> {
        vec![Some(T::NAME)]
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
        // Computed by another implementation (xxhash 3 for Python) and written down: stored
        // state relies on these values.
        assert_eq!(hash_bytes(b""), 0x9f38_b583_17ad_69f1);
        assert_eq!(Text::from("nathan").route_hash(), 0x64d4_0526_525b_be52);
        assert_eq!("nathan".to_string().route_hash(), 0x64d4_0526_525b_be52);
        assert_eq!(7_u8.route_hash(), 0x2b68_65e2_61cf_27eb);
        assert_eq!((-1_i32).route_hash(), 0x83ab_f10e_3da3_15a4);
        assert_eq!(
            (Text::from("a"), Text::from("bc")).route_hash(),
            0x7df0_4d90_7333_0acc
        );
        assert_eq!(None::<u8>.route_hash(), hash_bytes(b""));
        assert_eq!(Some(0_u8).route_hash(), 0x4b09_456f_c3b5_969c);
        assert_eq!((-1_i8).route_hash(), (-1_i64).route_hash());
        assert_eq!(true.route_hash(), 1_u8.route_hash());
        assert_ne!(
            (Text::from("a"), Text::from("bc")).route_hash(),
            (Text::from("ab"), Text::from("c")).route_hash()
        );
        assert_ne!(None::<u8>.route_hash(), Some(0_u8).route_hash());
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
