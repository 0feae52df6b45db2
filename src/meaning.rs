//! What the results of a component mean, as far as that depends on how it was made.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What a component's results mean, as far as its settings decide it: the field that it reads, the
/// length of its windows.
///
/// A component states it by [`Spout::meaning`](crate::Spout::meaning),
/// [`Bolt::meaning`](crate::Bolt::meaning) and their like, or where it is added to a topology, by
/// [`Component::meaning`](crate::topology::Component::meaning). A data directory keeps it beside the
/// state. A run with the same directory goes on only where both are the same: otherwise its results
/// would be part of one question and part of another.
///
/// Settings that change no result (parallelism, rates, timers) do not belong into it. Its names
/// are stored, so they stay the same from version to version of a program.
///
/// ```
/// use serde::Serialize;
/// use squall::state::Meaning;
///
/// #[derive(Serialize)]
/// struct Reads<'r> { field: &'r str, unit: Option<&'r str> }
///
/// let text = Meaning::of(&Reads { field: "text", unit: None });
/// assert_eq!(text.to_string(), r#"{"field":"text","unit":null}"#);
/// assert_ne!(text, Meaning::of(&Reads { field: "title", unit: None }));
/// assert!(Meaning::none().is_none());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Meaning {
    members: Map<String, Value>,
    /// Why the value that was given is none that can be kept.
    #[serde(skip)]
    failed: Option<String>,
}

/// The member for a value that has no names of its own.
const UNNAMED: &str = "value";

impl Meaning {
    /// Nothing is stated.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// What a value says as JSON: a struct or a map by the names of its members, anything else
    /// as the member `value`, and nothing where it is null.
    ///
    /// A value that JSON cannot have, such as a map whose keys are no text, is an error when a
    /// topology with a data directory starts.
    pub fn of(value: &(impl Serialize + ?Sized)) -> Self {
        match serde_json::to_value(value).map(kept) {
            Ok(Value::Object(members)) => Self {
                members,
                failed: None,
            },
            Ok(Value::Null) => Self::none(),
            Ok(value) => Self {
                members: Map::from_iter([(UNNAMED.to_owned(), value)]),
                failed: None,
            },
            Err(error) => Self {
                members: Map::new(),
                failed: Some(error.to_string()),
            },
        }
    }

    /// Both together. Of a member that both have, `more` says what it is.
    #[must_use]
    pub fn and(mut self, more: Self) -> Self {
        self.members.extend(more.members);
        self.failed = self.failed.or(more.failed);
        self
    }

    /// Whether nothing is stated.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.members.is_empty() && self.failed.is_none()
    }

    /// Why what was given cannot be kept, where it cannot.
    pub(crate) fn fault(&self) -> Option<&str> {
        self.failed.as_deref()
    }

    /// Every way in which the other one differs, in the order of the names.
    pub(crate) fn differences(&self, other: &Self) -> Vec<Difference> {
        let mut found = Vec::new();
        of_members(&self.members, &other.members, "", &mut found);
        found
    }

    /// Its members with their values as JSON, by name; those of members are one value.
    pub(crate) fn members(&self) -> impl Iterator<Item = (&str, String)> {
        let members = self.members.iter();
        members.map(|(name, value)| (name.as_str(), value.to_string()))
    }
}

/// The value as it is kept: numbers with a fraction are text, since JSON does not promise that
/// they read back the same to the last bit.
fn kept(value: Value) -> Value {
    match value {
        Value::Number(number) if number.is_f64() => Value::String(number.to_string()),
        Value::Array(list) => list.into_iter().map(kept).collect(),
        Value::Object(members) => {
            let members = members.into_iter();
            members.map(|(name, value)| (name, kept(value))).collect()
        }
        value => value,
    }
}

impl fmt::Display for Meaning {
    /// As one line of JSON, by the order of the names.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match serde_json::to_string(self) {
            Ok(text) => f.write_str(&text),
            Err(_) => f.write_str("{}"),
        }
    }
}

/// A part of a meaning that another one says otherwise, each side as JSON; none where that side
/// says nothing of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    /// The names that lead to it: `window.length_ms`.
    pub(crate) path: String,
    pub(crate) one: Option<String>,
    pub(crate) other: Option<String>,
}

fn of_members(
    one: &Map<String, Value>,
    other: &Map<String, Value>,
    outer: &str,
    found: &mut Vec<Difference>,
) {
    let mut names: Vec<_> = one.keys().chain(other.keys()).collect();
    names.sort();
    names.dedup();
    for name in names {
        let path = match outer {
            "" => name.clone(),
            outer => format!("{outer}.{name}"),
        };
        match (one.get(name), other.get(name)) {
            (Some(Value::Object(one)), Some(Value::Object(other))) => {
                of_members(one, other, &path, found);
            }
            (one, other) if one != other => found.push(Difference {
                path,
                one: one.map(Value::to_string),
                other: other.map(Value::to_string),
            }),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;

    #[test]
    fn differences_are_named_by_their_paths_with_both_sides() {
        let one = Meaning::of(&json!({"field": "a", "window": {"ms": 5, "slide": 1}, "gone": 1}));
        let other = Meaning::of(&json!({"window": {"slide": 1, "ms": 6}, "field": "a", "new": []}));
        let said = one.differences(&other).into_iter().map(|it| {
            let side = |side: Option<String>| side.unwrap_or_else(|| "-".to_owned());
            format!("{}: {} {}", it.path, side(it.one), side(it.other))
        });
        let wanted = ["gone: 1 -", "new: - []", "window.ms: 5 6"];
        assert_eq!(said.collect::<Vec<_>>(), wanted);
        assert_eq!(one.differences(&one.clone()), []);
    }

    #[test]
    fn the_order_of_members_says_nothing() {
        let one = Meaning::of(&json!({"a": {"x": 1, "y": 2}, "b": 2}));
        let other = Meaning::of(&json!({"b": 2, "a": {"y": 2, "x": 1}}));
        assert_eq!((&one, one.to_string()), (&other, other.to_string()));
    }

    #[test]
    fn what_has_no_names_is_a_value_and_null_is_nothing() {
        assert_eq!(Meaning::of("text").to_string(), r#"{"value":"text"}"#);
        assert!(Meaning::of(&()).is_none() && Meaning::of(&None::<u8>).is_none());
        let both = Meaning::of(&json!({"a": 1, "b": 2})).and(Meaning::of(&json!({"b": 3})));
        assert_eq!(both.to_string(), r#"{"a":1,"b":3}"#);
    }

    #[test]
    fn what_json_cannot_have_is_a_fault_and_not_nothing() {
        let by_pairs = BTreeMap::from([((1, 2), 3)]);
        let meaning = Meaning::none().and(Meaning::of(&by_pairs));
        assert!(!meaning.is_none());
        assert!(meaning.fault().is_some_and(|why| why.contains("key")));
    }

    #[test]
    fn what_is_stored_reads_back_the_same() {
        let share = 0.1 + 0.2;
        let meaning = Meaning::of(&json!({"field": "text", "list": [1, null, {"of": share}]}));
        let stored = serde_json::to_string(&meaning).unwrap();
        assert_eq!(serde_json::from_str::<Meaning>(&stored).unwrap(), meaning);
    }
}
