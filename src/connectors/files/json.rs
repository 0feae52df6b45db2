//! Where in a JSON line each top-level value stands.
//!
//! One pass checks the whole line and notes each top-level key with the range of its value. The
//! values stay text: `1.0` and `1e5` keep their spelling, and nothing is built that no field asks
//! for.

use std::fmt;
use std::ops::Range;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::elements;
use super::field_error::FieldError;
use super::json_value::{member, not_scalar, scalar, unreadable};
use super::scalar::Scalar;

/// The top-level keys of one line; its buffers are kept from line to line.
#[derive(Clone, Debug, Default)]
pub(super) struct TopLevel {
    /// All keys, one after the other.
    keys: String,
    entries: Vec<Entry>,
}

#[derive(Clone, Debug)]
struct Entry {
    /// The key's place in `keys`.
    key: Range<usize>,
    /// The value's place in the line.
    value: Range<usize>,
}

impl TopLevel {
    /// Checks that `line` is one JSON object and nothing else, and notes its keys.
    pub(super) fn index(&mut self, line: &str) -> Result<(), String> {
        self.keys.clear();
        self.entries.clear();
        let mut json = serde_json::Deserializer::from_str(line);
        let start = line.as_ptr().addr();
        json.deserialize_map(Fill { top: self, start })
            .and_then(|()| json.end())
            .map_err(|error| {
                let column = error.column();
                // serde_json counts lines, and here each line is line 1.
                let message = error.to_string();
                let what = message.split(" at line ").next().unwrap_or(&message);
                format!("not a JSON object: {what}, at byte {column} of the line")
            })
    }

    /// The keys, as often as they are there.
    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        let keys = self.entries.iter();
        keys.map(|entry| &self.keys[entry.key.clone()])
    }

    /// The value at `path` in the `line` that was indexed: that of the key of that full name if
    /// there is one, else the one that the dotted path leads to.
    pub(super) fn scalar<'a>(
        &self,
        line: &'a str,
        path: &str,
    ) -> Result<Option<Scalar<'a>>, FieldError> {
        match self.value(line, path) {
            Some(raw) => scalar(raw, path),
            None => match self.follow(line, path)? {
                Some(raw) => scalar(raw, path),
                None => Ok(None),
            },
        }
    }

    /// The value of the key of this full name.
    pub(super) fn exact<'a>(
        &self,
        line: &'a str,
        key: &str,
    ) -> Option<Result<Option<Scalar<'a>>, FieldError>> {
        self.value(line, key).map(|raw| scalar(raw, key))
    }

    /// The values at a `path` with `[]`, in their order, without those that are null: up to its
    /// first `[]` as of one without.
    pub(super) fn elements<'a>(
        &self,
        line: &'a str,
        path: &str,
    ) -> Result<Vec<Scalar<'a>>, FieldError> {
        let mut found = Vec::new();
        let head = elements::head(path);
        let raw = match self.value(line, &path[..head]) {
            None => self.follow(line, &path[..head]),
            some => Ok(some),
        };
        if let Some(raw) = raw.map_err(|error| elements::instead(error, path))? {
            elements::collect(raw, path, head, &mut found)?;
        }
        Ok(found)
    }

    /// Whether there is a value, be it null, array or object.
    pub(super) fn has(&self, line: &str, path: &str) -> bool {
        // A path that leads through an array is told with each record.
        self.has_key(line, path) || !matches!(self.follow(line, path), Ok(None))
    }

    /// The same of the key of this full name.
    pub(super) fn has_key(&self, line: &str, key: &str) -> bool {
        self.value(line, key).is_some()
    }

    /// The same of a `path` with `[]`: there is a value for an element, or an array that has none.
    pub(super) fn has_elements(&self, line: &str, path: &str) -> bool {
        let head = elements::head(path);
        let raw = match self.value(line, &path[..head]) {
            None => self.follow(line, &path[..head]),
            some => Ok(some),
        };
        raw.map_or(true, |raw| {
            raw.is_some_and(|raw| elements::leads(raw, path, head))
        })
    }

    /// Calls `each` with every key, and with the paths of those inside of objects, and of the
    /// `elements` of arrays, down to this depth, until it says `false`.
    pub(super) fn each_path(
        &self,
        line: &str,
        depth: usize,
        elements: bool,
        each: &mut dyn FnMut(&str) -> bool,
    ) {
        for entry in &self.entries {
            let key = &self.keys[entry.key.clone()];
            let raw = line.get(entry.value.clone()).unwrap_or_default();
            if !each(key) || !each_path_in(raw, key, depth - 1, elements, each) {
                return;
            }
        }
    }

    fn value<'a>(&self, line: &'a str, key: &str) -> Option<&'a str> {
        // From the back: of equal keys the last one counts, as for most JSON readers.
        let mut entries = self.entries.iter().rev();
        let entry = entries.find(|entry| &self.keys[entry.key.clone()] == key)?;
        line.get(entry.value.clone())
    }

    fn follow<'a>(&self, line: &'a str, path: &str) -> Result<Option<&'a str>, FieldError> {
        let Some((first, mut rest)) = path.split_once('.') else {
            return Ok(None);
        };
        let mut value = self.value(line, first);
        loop {
            let Some(raw) = value else { return Ok(None) };
            let (key, further) = match rest.split_once('.') {
                Some((key, further)) => (key, Some(further)),
                None => (rest, None),
            };
            match raw.as_bytes().first() {
                Some(b'{') => value = member(raw, key).map_err(|why| unreadable(path, &why))?,
                Some(b'[') => {
                    // `rest` is a tail of `path`, after a dot.
                    let array = &path[..path.len() - rest.len() - 1];
                    return Err(not_scalar(array, "an array"));
                }
                _ => return Ok(None),
            }
            match further {
                Some(further) => rest = further,
                None => return Ok(value),
            }
        }
    }
}

/// Calls `each` with the paths of the members of an object, or of the elements of an array; says
/// whether to go on.
fn each_path_in(
    raw: &str,
    path: &str,
    depth: usize,
    elements: bool,
    each: &mut dyn FnMut(&str) -> bool,
) -> bool {
    if depth == 0 {
        return true;
    }
    // The line was checked as a whole.
    match raw.as_bytes().first() {
        Some(b'{') => {
            let mut json = serde_json::Deserializer::from_str(raw);
            json.deserialize_map(EachMember {
                path,
                depth,
                elements,
                each,
            })
            .unwrap_or(true)
        }
        Some(b'[') if elements => {
            let path = format!("{path}[]");
            let mut goes_on = each(&path);
            let told = elements::each_element(raw, |element| {
                // Of arrays in arrays nothing is told.
                if goes_on && element.starts_with('{') {
                    goes_on = each_path_in(element, &path, depth, elements, each);
                }
                Ok(())
            });
            told.is_err() || goes_on
        }
        _ => true,
    }
}

struct EachMember<'e> {
    path: &'e str,
    depth: usize,
    elements: bool,
    each: &'e mut dyn FnMut(&str) -> bool,
}

impl<'de> Visitor<'de> for EachMember<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<bool, A::Error> {
        let mut goes_on = true;
        let mut path = String::new();
        loop {
            path.clear();
            path.push_str(self.path);
            path.push('.');
            if map.next_key_seed(Append(&mut path))?.is_none() {
                return Ok(goes_on);
            }
            let raw = map.next_value::<&'de RawValue>()?.get();
            goes_on = goes_on
                && (self.each)(&path)
                && each_path_in(raw, &path, self.depth - 1, self.elements, self.each);
        }
    }
}

struct Fill<'t> {
    top: &'t mut TopLevel,
    /// The address of the line's first byte.
    start: usize,
}

impl<'de> Visitor<'de> for Fill<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let keys = &mut self.top.keys;
        loop {
            let key = keys.len();
            if map.next_key_seed(Append(keys))?.is_none() {
                return Ok(());
            }
            let raw = map.next_value::<&RawValue>()?.get();
            // A borrowed value is a part of the line, so the distance of the two addresses is
            // its place there. `value` reads it with a checked `get`.
            let start = raw.as_ptr().addr() - self.start;
            self.top.entries.push(Entry {
                key: key..keys.len(),
                value: start..start + raw.len(),
            });
        }
    }
}

/// Appends a key to a buffer, without a `String` of its own.
struct Append<'b>(&'b mut String);

impl<'de> DeserializeSeed<'de> for Append<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_str(self)
    }
}

impl Visitor<'_> for Append<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<(), E> {
        self.0.push_str(key);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(line: &str, path: &str) -> Result<Option<String>, String> {
        let mut top = TopLevel::default();
        top.index(line)?;
        match top.scalar(line, path) {
            Ok(value) => Ok(value
                .map(|value| value.into_text().into_owned())
                .filter(|text| !text.is_empty())),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn values_keep_their_exact_text() {
        let line = r#" { "a":1.0,"b" : 1e5 ,"c":-0,"d":true,"e":"x\ty","f":"é","g":12345678901234567890123} "#;
        let table = [
            ("a", "1.0"),
            ("b", "1e5"),
            ("c", "-0"),
            ("d", "true"),
            ("e", "x\ty"),
            ("f", "é"),
            ("g", "12345678901234567890123"),
        ];
        for (path, text) in table {
            assert_eq!(field(line, path), Ok(Some(text.to_owned())), "{path}");
        }
    }

    #[test]
    fn null_absent_and_empty_are_alike() {
        let line = r#"{"a":null,"b":"","c":{"d":null,"e":""},"f":5}"#;
        for path in [
            "a", "b", "c.d", "c.e", "c.x", "x", "x.y", "f.x", "a.x", "", ".", "c.",
        ] {
            assert_eq!(field(line, path), Ok(None), "{path}");
        }
    }

    #[test]
    fn a_key_with_dots_wins_over_the_path() {
        let line = r#"{"a":{"b":{"c":"path"}},"a.b.c":"key","x\u002ey":"escaped"}"#;
        assert_eq!(field(line, "a.b.c"), Ok(Some("key".to_owned())));
        assert_eq!(field(line, "x.y"), Ok(Some("escaped".to_owned())));
        let line = r#"{"a":{"b":{"c":"path"}}}"#;
        assert_eq!(field(line, "a.b.c"), Ok(Some("path".to_owned())));
    }

    #[test]
    fn of_equal_keys_the_last_one_counts() {
        let line = r#"{"a":1,"o":{"k":1,"k":2},"a":2}"#;
        assert_eq!(field(line, "a"), Ok(Some("2".to_owned())));
        assert_eq!(field(line, "o.k"), Ok(Some("2".to_owned())));
    }

    #[test]
    fn arrays_and_objects_are_not_fields() {
        let line = r#"{"a":[{"b":1}],"o":{"p":[1]}}"#;
        for (path, kind) in [
            ("a", "`a` is an array"),
            ("o", "`o` is an object"),
            ("a.b", "`a` is an array"),
            ("o.p.q", "`o.p` is an array"),
        ] {
            assert!(field(line, path).unwrap_err().starts_with(kind), "{path}");
        }
    }

    #[test]
    fn a_lone_surrogate_spoils_its_own_field_only() {
        let line = r#"{"a":"\ud800","b":1}"#;
        assert!(
            field(line, "a")
                .unwrap_err()
                .starts_with("`a` cannot be read")
        );
        assert_eq!(field(line, "b"), Ok(Some("1".to_owned())));
    }

    #[test]
    fn what_is_not_one_object_is_refused() {
        for line in [
            "",
            "[1]",
            "5",
            "null",
            "\"a\"",
            "{",
            "{\"a\":}",
            "{\"a\":1",
            "{\"a\":1}}",
            "{\"a\":1} {\"a\":2}",
            "{\"a\":1,}",
            "{a:1}",
            "{\"a\":01}",
            "{\"a\":\"\n\"}",
            "{\"a\":nul}",
            "{\"a\":[1,{]}",
        ] {
            let error = field(line, "a").unwrap_err();
            assert!(error.starts_with("not a JSON object: "), "{line}: {error}");
            assert!(!error.contains("at line"), "{error}");
        }
    }

    #[test]
    fn deep_nesting_needs_no_stack() {
        let line = format!("{{\"a\":{}1{}}}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(field(&line, "a").is_err());
        assert_eq!(field(&line, "b"), Ok(None));
    }
}
