//! How tuples become bytes.

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Result;

/// How the tuples of one type become bytes and tuples again, where a message leaves its process.
///
/// A tuple has one by [`Tuple::wire`](crate::Tuple::wire): the derive gives [`Wire::serde`] to a
/// struct that is `Serialize` and `DeserializeOwned`. Bytes are read by the version of the type that
/// wrote them, or by one that serde reads them into: fields are known by their names.
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use squall::{Text, Tuple, tuple::Wire};
///
/// #[derive(Tuple, Clone, Debug, PartialEq, Serialize, Deserialize)]
/// struct Click { user: Text, at: u64 }
///
/// let wire: Wire<Click> = Click::wire().unwrap();
/// let clicks = [("nathan", 7), ("mike", 9)];
/// let clicks = clicks.map(|(user, at)| Click { user: user.into(), at });
/// let mut bytes = Vec::new();
/// for click in &clicks {
///     wire.encode(click, &mut bytes)?;
/// }
/// let mut rest = bytes.as_slice();
/// assert_eq!([wire.decode(&mut rest)?, wire.decode(&mut rest)?], clicks);
/// assert!(rest.is_empty());
///
/// #[derive(Tuple, Clone, Debug)]
/// struct Local { worker: u64 }
/// assert!(Local::wire().is_none());
/// # Ok::<(), squall::BoxError>(())
/// ```
pub struct Wire<T> {
    encode: fn(&T, &mut Vec<u8>) -> Result,
    decode: fn(&mut &[u8]) -> Result<T>,
}

impl<T> Wire<T> {
    /// By functions: the first appends the bytes of a tuple, the second takes those of one tuple off
    /// the front.
    #[must_use]
    pub const fn by(
        encode: fn(&T, &mut Vec<u8>) -> Result,
        decode: fn(&mut &[u8]) -> Result<T>,
    ) -> Self {
        Self { encode, decode }
    }

    /// Appends the bytes of a tuple.
    ///
    /// # Errors
    /// What the type says.
    pub fn encode(&self, tuple: &T, into: &mut Vec<u8>) -> Result {
        (self.encode)(tuple, into)
    }

    /// Takes the bytes of one tuple off the front.
    ///
    /// # Errors
    /// Where they are of no such tuple; how much is taken then is not said.
    pub fn decode(&self, bytes: &mut &[u8]) -> Result<T> {
        (self.decode)(bytes)
    }
}

impl<T: Serialize + DeserializeOwned> Wire<T> {
    /// By serde, as `rmp_serde` writes it: a struct is a map from the names of its fields. An array of
    /// its fields would be shorter, and wrong without an error where serde leaves one out.
    #[must_use]
    pub const fn serde() -> Self {
        Self::by(
            |tuple, into| Ok(rmp_serde::encode::write_named(into, tuple)?),
            |bytes| {
                let mut from = rmp_serde::Deserializer::new(bytes);
                Ok(T::deserialize(&mut from)?)
            },
        )
    }
}

impl<T> Clone for Wire<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Wire<T> {}

impl<T> fmt::Debug for Wire<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Wire<{}>", std::any::type_name::<T>())
    }
}

/// What the derive asks for the codec of a type: a method call takes the first of the two below
/// where serde's traits are there, since it needs one reference less.
#[doc(hidden)]
pub mod derived {
    use std::marker::PhantomData;

    use serde::Serialize;
    use serde::de::DeserializeOwned;

    use super::Wire;

    #[derive(Debug)]
    pub struct Of<T>(PhantomData<T>);

    impl<T> Of<T> {
        pub const NEW: Self = Self(PhantomData);
    }

    pub trait BySerde<T> {
        fn wire(&self) -> Option<Wire<T>>;
    }

    impl<T: Serialize + DeserializeOwned> BySerde<T> for &Of<T> {
        fn wire(&self) -> Option<Wire<T>> {
            Some(Wire::serde())
        }
    }

    pub trait Missing<T> {
        fn wire(&self) -> Option<Wire<T>>;
    }

    impl<T> Missing<T> for Of<T> {
        fn wire(&self) -> Option<Wire<T>> {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::{Deserialize, Serialize};

    use crate::{Text, Tuple};

    #[derive(Tuple, Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Sale {
        item: Text,
        cents: Option<i64>,
        tags: Vec<Text>,
    }

    #[derive(Tuple, Clone, Debug, PartialEq, Serialize, Deserialize)]
    enum Change {
        Set(Text, u64),
        Gone,
    }

    #[derive(Tuple, Clone, Debug)]
    struct Generic<T> {
        value: T,
    }

    fn text() -> impl Strategy<Value = Text> {
        ".{0,20}".prop_map(|text| Text::from(text.as_str()))
    }

    proptest! {
        #[test]
        fn tuples_are_read_back_one_after_the_other(
            sales in prop::collection::vec(
                (text(), any::<Option<i64>>(), prop::collection::vec(text(), 0..3)),
                0..9,
            ),
        ) {
            let sales = sales.into_iter().map(|(item, cents, tags)| Sale { item, cents, tags });
            let sales: Vec<Sale> = sales.collect();
            let wire = Sale::wire().unwrap();
            let mut bytes = Vec::new();
            for sale in &sales {
                wire.encode(sale, &mut bytes).unwrap();
            }
            let mut rest = bytes.as_slice();
            for sale in &sales {
                prop_assert_eq!(&wire.decode(&mut rest).unwrap(), sale);
            }
            prop_assert!(rest.is_empty());
            if !bytes.is_empty() {
                let mut torn = &bytes[..bytes.len() - 1];
                let read = sales.iter().map(|_| wire.decode(&mut torn));
                prop_assert!(read.into_iter().any(|read| read.is_err()));
            }
        }
    }

    #[test]
    fn enums_have_a_wire_and_types_without_serde_none() {
        let wire = Change::wire().unwrap();
        let mut bytes = Vec::new();
        for change in [Change::Set("a".into(), 1), Change::Gone] {
            bytes.clear();
            wire.encode(&change, &mut bytes).unwrap();
            assert_eq!(wire.decode(&mut bytes.as_slice()).unwrap(), change);
        }
        assert!(Generic::<u64>::wire().is_none(), "its argument decides");
        let generic = Generic { value: 1 };
        assert_eq!(generic.value, 1);
    }
}
