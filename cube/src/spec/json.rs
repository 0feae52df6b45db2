//! JSON of which each value knows its line.
//!
//! Only what is asked for is taken apart: a value is a part of the text until then, and its place
//! is the distance of its address from that of the text.

use std::fmt;

use serde::Deserializer;
use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;

/// A text of which lines are known.
#[derive(Debug)]
pub(super) struct Text<'t> {
    text: &'t str,
    /// Where its line ends are, in order: the line of a place is found by them, and not by going
    /// through all of the text before it.
    line_ends: Vec<usize>,
}

/// How deep lists and objects may lie in each other: each is looked through for what is in it, so
/// the time that a spec takes grows with its length times this. Druid's own are about eight deep.
const MAX_DEEP: usize = 100;

impl<'t> Text<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        let line_ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        Self {
            text,
            line_ends: line_ends.map(|(place, _)| place).collect(),
        }
    }

    /// The line of a place, from 1.
    fn line(&self, place: usize) -> usize {
        self.line_ends.partition_point(|end| *end < place) + 1
    }

    /// Where the first list or object begins that lies too deep, if any does.
    fn too_deep(&self) -> Option<usize> {
        let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
        for (place, byte) in self.text.bytes().enumerate() {
            if in_string {
                in_string = escaped || byte != b'"';
                escaped = !escaped && byte == b'\\';
                continue;
            }
            match byte {
                b'"' => in_string = true,
                b'{' | b'[' if depth == MAX_DEEP => return Some(place),
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth = depth.saturating_sub(1),
                _ => {}
            }
        }
        None
    }
}

/// A value in a text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node<'t> {
    text: &'t Text<'t>,
    raw: &'t str,
}

/// A name and a value of an object.
#[derive(Clone, Debug)]
pub(super) struct Member<'t> {
    pub name: String,
    /// Where the name is.
    pub line: usize,
    pub value: Node<'t>,
}

impl<'t> Node<'t> {
    /// The one value of a text.
    ///
    /// # Errors
    /// The line from 1 where it is no JSON or nested too deep, and why.
    pub(super) fn of(text: &'t Text<'t>) -> Result<Self, (usize, String)> {
        if let Some(place) = text.too_deep() {
            let what = format!(
                "lists and objects are nested more than {MAX_DEEP} deep here: flatten them"
            );
            return Err((text.line(place), what));
        }
        match serde_json::from_str::<&RawValue>(text.text) {
            Ok(raw) => Ok(Self {
                text,
                raw: raw.get(),
            }),
            Err(error) => {
                let message = error.to_string();
                let what = message.split(" at line ").next().unwrap_or(&message);
                let column = error.column();
                Err((
                    error.line().max(1),
                    format!("this is not JSON: {what}, at byte {column} of the line"),
                ))
            }
        }
    }

    /// The line on which it begins, from 1.
    pub(super) fn line(self) -> usize {
        self.text.line(self.place())
    }

    /// Where it begins in the text.
    fn place(self) -> usize {
        self.raw.as_ptr().addr() - self.text.text.as_ptr().addr()
    }

    /// What it is, for people.
    pub(super) fn kind(self) -> &'static str {
        match self.raw.as_bytes().first() {
            Some(b'{') => "an object",
            Some(b'[') => "a list",
            Some(b'"') => "a text",
            Some(b'n') => "null",
            Some(b't' | b'f') => "a boolean",
            _ => "a number",
        }
    }

    /// As it stands in the text.
    pub(super) fn raw(self) -> &'t str {
        self.raw
    }

    /// The members of an object, in their order, equal names included.
    pub(super) fn members(self) -> Option<Vec<Member<'t>>> {
        let members = serde_json::Deserializer::from_str(self.raw).deserialize_map(Members);
        let members = members.ok()?.into_iter().map(|(name, raw)| {
            let value = Node {
                text: self.text,
                raw: raw.get(),
            };
            // Between the name's last quote and the value are a colon and white space.
            let before = self.text.text.get(..value.place()).unwrap_or_default();
            let colon = before.trim_end();
            let quote = colon.strip_suffix(':').unwrap_or(colon).trim_end();
            Member {
                name,
                line: self.text.line(quote.len()),
                value,
            }
        });
        Some(members.collect())
    }

    /// A member of an object.
    pub(super) fn member(self, name: &str) -> Option<Self> {
        let mut members = self.members()?.into_iter();
        let member = members.find(|member| member.name == name);
        member.map(|member| member.value)
    }

    /// The elements of a list.
    pub(super) fn elements(self) -> Option<Vec<Self>> {
        let elements: Vec<&RawValue> = serde_json::from_str(self.raw).ok()?;
        let elements = elements.into_iter().map(|raw| Node {
            text: self.text,
            raw: raw.get(),
        });
        Some(elements.collect())
    }

    /// A string, a number or a boolean.
    pub(super) fn value<T: serde::Deserialize<'t>>(self) -> Option<T> {
        serde_json::from_str(self.raw).ok()
    }
}

struct Members;

impl<'t> Visitor<'t> for Members {
    type Value = Vec<(String, &'t RawValue)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'t>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_knows_its_line() {
        let text = "\n{\n \"a\"\n:\n[1,\n\"\\u0078\", true\n], \"b\": {\"c\": null}}\n";
        let text = Text::new(text);
        let root = Node::of(&text).unwrap();
        assert_eq!((root.line(), root.kind()), (2, "an object"));
        let members = root.members().unwrap();
        let places: Vec<_> = members
            .iter()
            .map(|member| (member.name.as_str(), member.line, member.value.line()))
            .collect();
        assert_eq!(places, [("a", 3, 5), ("b", 7, 7)]);
        let elements = members[0].value.elements().unwrap();
        let lines: Vec<_> = elements.iter().map(|element| element.line()).collect();
        assert_eq!(lines, [5, 6, 6]);
        assert_eq!(elements[1].value::<String>().as_deref(), Some("x"));
        assert!(members[0].value.members().is_none() && members[1].value.elements().is_none());
    }

    #[test]
    fn what_is_no_json_is_told_with_its_line() {
        let (line, why) = Node::of(&Text::new("{\n\"a\": 1,\n}")).unwrap_err();
        assert_eq!(line, 3);
        assert!(why.contains("key must be a string"), "{why}");
        assert_eq!(Node::of(&Text::new("")).unwrap_err().0, 1);
    }

    /// Each level was parsed again with all that was in it: 16,000 levels took minutes.
    #[test]
    fn what_is_nested_too_deep_is_told_with_its_line() {
        let nested = |deep: usize| format!("{}1{}", "{\"spec\":\n".repeat(deep), "}".repeat(deep));
        assert!(Node::of(&Text::new(&nested(MAX_DEEP))).is_ok());
        for deep in [MAX_DEEP + 1, 16_000] {
            let (line, why) = Node::of(&Text::new(&nested(deep))).unwrap_err();
            assert_eq!(line, MAX_DEEP + 1);
            assert!(why.contains("more than 100 deep"), "{why}");
        }
        // Neither what is in strings nor what lies side by side.
        let strings = format!("[\"{}\\\"[\", \"\\\\\"]", "[{".repeat(200));
        assert!(Node::of(&Text::new(&strings)).is_ok());
        let beside = format!("[{}1]", "[[]],{\"a\":{}},".repeat(200));
        assert!(Node::of(&Text::new(&beside)).is_ok());
    }
}
