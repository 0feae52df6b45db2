//! Stored values without their types: `MessagePack` read as JSON.

use std::cmp::Ordering;
use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::error::Result;

/// The longest text of a key that is no text itself, in bytes. Maps as keys of maps take twice as
/// many at each level, since what is quoted is quoted again.
const MAX_KEY_BYTES: usize = 1 << 20;

/// Reads one stored key or value.
///
/// What JSON has no form for: bytes are a list of numbers, numbers that are none are text,
/// and keys of maps that are no text are their JSON as text.
pub(crate) fn read(bytes: &[u8]) -> Result<Value> {
    let Json(value) = rmp_serde::from_slice(bytes)?;
    Ok(value)
}

struct Json(Value);

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(JsonVisitor).map(Self)
    }
}

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        let number = Number::from_f64(value).map(Value::Number);
        Ok(number.unwrap_or_else(|| value.to_string().into()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_bytes<E>(self, value: &[u8]) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        from.deserialize_any(self)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        from.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Json(value)) = from.next_element()? {
            list.push(value);
        }
        Ok(list.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some((Json(key), Json(value))) = from.next_entry()? {
            let key = match key {
                Value::String(text) => text,
                other => {
                    let text = other.to_string();
                    if text.len() > MAX_KEY_BYTES {
                        let why = "maps as keys of maps are nested too deeply";
                        return Err(de::Error::custom(why));
                    }
                    text
                }
            };
            map.insert(key, value);
        }
        Ok(map.into())
    }
}

/// The order of keys: nothing, false, true, numbers by size, text by its bytes, lists and
/// maps by what is in them.
pub(crate) fn order(one: &Value, other: &Value) -> Ordering {
    match (one, other) {
        (Value::Bool(one), Value::Bool(other)) => one.cmp(other),
        (Value::Number(one), Value::Number(other)) => order_numbers(one, other),
        (Value::String(one), Value::String(other)) => one.cmp(other),
        (Value::Array(one), Value::Array(other)) => {
            let pairs = one.iter().zip(other);
            let differs = pairs.map(|(one, other)| order(one, other));
            first_difference(differs).then(one.len().cmp(&other.len()))
        }
        (Value::Object(one), Value::Object(other)) => {
            let pairs = one.iter().zip(other);
            let differs =
                pairs.map(|(one, other)| one.0.cmp(other.0).then_with(|| order(one.1, other.1)));
            first_difference(differs).then(one.len().cmp(&other.len()))
        }
        _ => rank(one).cmp(&rank(other)),
    }
}

fn first_difference(mut differs: impl Iterator<Item = Ordering>) -> Ordering {
    let found = differs.find(|order| *order != Ordering::Equal);
    found.unwrap_or(Ordering::Equal)
}

fn order_numbers(one: &Number, other: &Number) -> Ordering {
    if let (Some(one), Some(other)) = (one.as_i128(), other.as_i128()) {
        return one.cmp(&other);
    }
    let float = |number: &Number| number.as_f64().unwrap_or(f64::NAN);
    float(one).total_cmp(&float(other))
}

fn rank(value: &Value) -> u8 {
    match value {
        Value::Null => 0,
        Value::Bool(_) => 1,
        Value::Number(_) => 2,
        Value::String(_) => 3,
        Value::Array(_) => 4,
        Value::Object(_) => 5,
    }
}

/// A value for people: text as it is where nothing in it would be mistaken, else JSON.
pub(crate) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) if !text.is_empty() && !text.contains(char::is_control) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Serialize;
    use serde_json::json;

    use super::*;

    fn stored<T: Serialize>(value: &T) -> Value {
        let mut bytes = Vec::new();
        let mut into = rmp_serde::Serializer::new(&mut bytes).with_struct_map();
        value.serialize(&mut into).unwrap();
        read(&bytes).unwrap()
    }

    #[test]
    fn everything_that_can_be_stored_has_a_form() {
        #[derive(Serialize)]
        enum Kind {
            Plain,
            With(u8),
            Named { a: Option<bool> },
        }
        assert_eq!(
            stored(&(u64::MAX, -7, 1.5, 'x')),
            json!([u64::MAX, -7, 1.5, "x"])
        );
        assert_eq!(stored(&f64::NAN), json!("NaN"));
        assert_eq!(stored(&()), json!(null));
        let kinds = [Kind::Plain, Kind::With(3), Kind::Named { a: None }];
        assert_eq!(
            stored(&kinds),
            json!(["Plain", {"With": 3}, {"Named": {"a": null}}])
        );
        let by_number = BTreeMap::from([(7, "a")]);
        assert_eq!(stored(&by_number), json!({"7": "a"}));
        let by_pair = BTreeMap::from([((1, "b"), true)]);
        assert_eq!(stored(&by_pair), json!({"[1,\"b\"]": true}));
        let mut bytes = Vec::new();
        rmp_serde::encode::write(&mut bytes, &1_u128).unwrap();
        assert!(read(&bytes).unwrap().is_array());
        assert!(read(&[0xc4, 2, 1, 0]).unwrap() == json!([1, 0]));
        assert!(read(&[0xc1]).is_err());
    }

    /// Each level doubled the quotation marks of the ones within: forty took all memory.
    #[test]
    fn maps_nested_as_keys_are_refused_before_they_take_all_memory() {
        let nested = |levels| [vec![0x81; levels], vec![1; levels + 1]].concat();
        let text = read(&nested(3)).unwrap().to_string();
        assert_eq!(text, r#"{"{\"{\\\"1\\\":1}\":1}":1}"#);
        for levels in [24, 500] {
            let error = read(&nested(levels)).map(drop).unwrap_err().to_string();
            assert!(error.contains("nested too deeply"), "{error}");
        }
    }

    /// What goes through a socket is what is shown at rest: `serde_json` reads doubles exactly
    /// only with its feature `float_roundtrip`.
    #[test]
    fn doubles_are_read_back_as_they_were_written() {
        let mut random = fastrand::Rng::with_seed(1);
        for _ in 0..10_000 {
            let double = f64::from_bits(random.u64(..));
            if double.is_finite() {
                let line = stored(&double).to_string();
                let read: Value = serde_json::from_str(&line).unwrap();
                assert_eq!(read.as_f64().map(f64::to_bits), Some(double.to_bits()));
            }
        }
    }

    #[test]
    fn keys_have_the_order_of_what_they_are() {
        let sorted = [
            json!(null),
            json!(false),
            json!(-3),
            json!(2),
            json!(2.5),
            json!(10),
            json!(u64::MAX),
            json!("10"),
            json!("9"),
            json!("a"),
            json!([1, 9]),
            json!([1, 10]),
            json!([1, 10, 0]),
            json!({"a": 1}),
            json!({"a": 2}),
        ];
        let mut mixed = sorted.to_vec();
        fastrand::Rng::with_seed(1).shuffle(&mut mixed);
        mixed.sort_by(order);
        assert_eq!(mixed, sorted);
    }
}
