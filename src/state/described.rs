//! The name under which a type is stored: what serde asks for when it reads one.
//!
//! The name that the compiler gives a type is not stored: a type that is renamed or moved is the
//! same on disk. What serde asks for tells a number from a text, and a list of the one from a list
//! of the other. A struct or an enum is stored by the names of its fields or variants, which may
//! be added to, so its name says no more than that it is one. redb names its types for the same
//! reason, by a function that each type has; here `Deserialize` says enough.

use std::fmt;

use serde::de::value::Error;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor,
};

/// A type within so many others is no longer looked at: it may be within itself.
const DEEPEST: u8 = 12;

/// The name of a type on disk, such as `list<u64>`.
pub(crate) fn described<T: DeserializeOwned>() -> String {
    let mut name = String::new();
    let asked = Asked {
        name: &mut name,
        depth: 0,
    };
    // Made-up values need not be valid ones: what was asked for is known all the same.
    let _ = T::deserialize(asked);
    name
}

/// Notes what is asked for, and answers with a made-up value.
struct Asked<'n> {
    name: &'n mut String,
    depth: u8,
}

impl Asked<'_> {
    fn of(&mut self, name: &str) {
        self.name.push_str(name);
    }

    /// What follows is within what was asked for last.
    fn inner(&mut self) -> Asked<'_> {
        Asked {
            name: self.name,
            depth: self.depth + 1,
        }
    }

    fn no_further<T>(mut self, name: &str) -> Result<T, Error> {
        self.of(name);
        Err(Error::custom("it is known what it is"))
    }

    /// So many values after one another.
    fn values<'de, V: Visitor<'de>>(
        mut self,
        (open, close): (&str, &str),
        count: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.of(open);
        let values = Values {
            asked: self.inner(),
            left: count,
            first: true,
        };
        let read = visitor.visit_seq(values);
        self.of(close);
        read
    }
}

macro_rules! plain {
    ($($method:ident $name:literal $visit:ident $value:expr;)*) => {$(
        fn $method<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Error> {
            self.of($name);
            visitor.$visit($value)
        }
    )*};
}

impl<'de> Deserializer<'de> for Asked<'_> {
    type Error = Error;

    plain! {
        deserialize_bool "bool" visit_bool true;
        deserialize_i8 "i8" visit_i8 1;
        deserialize_i16 "i16" visit_i16 1;
        deserialize_i32 "i32" visit_i32 1;
        deserialize_i64 "i64" visit_i64 1;
        deserialize_i128 "i128" visit_i128 1;
        deserialize_u8 "u8" visit_u8 1;
        deserialize_u16 "u16" visit_u16 1;
        deserialize_u32 "u32" visit_u32 1;
        deserialize_u64 "u64" visit_u64 1;
        deserialize_u128 "u128" visit_u128 1;
        deserialize_f32 "f32" visit_f32 1.0;
        deserialize_f64 "f64" visit_f64 1.0;
        deserialize_char "char" visit_char '1';
        deserialize_str "text" visit_str "1";
        deserialize_string "text" visit_str "1";
        deserialize_bytes "bytes" visit_bytes b"1";
        deserialize_byte_buf "bytes" visit_bytes b"1";
    }

    fn deserialize_unit<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Error> {
        self.of("unit");
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Error> {
        if self.depth == DEEPEST {
            return self.no_further("..");
        }
        self.of("option<");
        let read = visitor.visit_some(self.inner());
        self.of(">");
        read
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        mut self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        if self.depth == DEEPEST {
            return self.no_further("..");
        }
        // It is stored as what is in it.
        visitor.visit_newtype_struct(self.inner())
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.values(("list<", ">"), 1, visitor)
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        count: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.values(("(", ")"), count, visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        count: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_tuple(count, visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Error> {
        self.of("map<");
        let values = Values {
            asked: self.inner(),
            left: 1,
            first: true,
        };
        let read = visitor.visit_map(values);
        self.of(">");
        read
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Error> {
        self.no_further("struct")
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Error> {
        self.no_further("enum")
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_any(visitor)
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        self.no_further("any")
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_any(visitor)
    }

    /// As that of what is stored.
    fn is_human_readable(&self) -> bool {
        false
    }
}

/// Made-up values after one another.
struct Values<'n> {
    asked: Asked<'n>,
    left: usize,
    first: bool,
}

impl Values<'_> {
    fn value<'de, S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Error> {
        if !std::mem::take(&mut self.first) {
            self.asked.of(", ");
        }
        let depth = self.asked.depth;
        let asked = Asked {
            name: self.asked.name,
            depth,
        };
        if depth >= DEEPEST {
            return asked.no_further("..");
        }
        seed.deserialize(asked)
    }
}

impl<'de> SeqAccess<'de> for Values<'_> {
    type Error = Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Error> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        self.value(seed).map(Some)
    }
}

impl<'de> MapAccess<'de> for Values<'_> {
    type Error = Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Error> {
        self.next_element_seed(seed)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Error> {
        self.value(seed)
    }
}

impl fmt::Debug for Asked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashSet};
    use std::num::NonZeroU64;

    use serde::Deserialize;

    use super::*;
    use crate::{Text, Timestamp};

    #[derive(Deserialize)]
    #[allow(dead_code)]
    struct Total {
        cents: i64,
    }

    #[derive(Deserialize)]
    #[allow(dead_code)]
    struct Cents(i64);

    #[derive(Deserialize)]
    #[allow(dead_code)]
    enum Kind {
        Bought,
        Returned { cents: i64 },
    }

    /// It is within itself without a struct between.
    #[derive(Deserialize)]
    #[allow(dead_code)]
    struct Tree(Vec<Tree>);

    #[test]
    fn types_are_named_by_what_is_stored_of_them() {
        let names = [
            (described::<u64>(), "u64"),
            (described::<NonZeroU64>(), "u64"),
            (described::<String>(), "text"),
            (described::<Text>(), "text"),
            (described::<Timestamp>(), "i64"),
            (described::<Cents>(), "i64"),
            (described::<Total>(), "struct"),
            (described::<Kind>(), "enum"),
            (described::<()>(), "unit"),
            (described::<Option<bool>>(), "option<bool>"),
            (
                described::<(u8, Vec<[u8; 4]>)>(),
                "(u8, list<(u8, u8, u8, u8)>)",
            ),
            (
                described::<BTreeMap<String, HashSet<char>>>(),
                "map<text, list<char>>",
            ),
            (described::<Vec<(Total, u64)>>(), "list<(struct)>"),
            (described::<serde_json::Value>(), "any"),
        ];
        for (found, wanted) in names {
            assert_eq!(found, wanted);
        }
    }

    #[test]
    fn a_type_within_itself_has_a_name() {
        let name = described::<Tree>();
        assert!(
            name.starts_with("list<list<list<") && name.contains(".."),
            "{name}"
        );
    }
}
