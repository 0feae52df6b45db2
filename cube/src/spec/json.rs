//! JSON of which each value knows its line.
//!
//! Only what is asked for is taken apart: a value is a part of the text until then, and its place
//! is the distance of its address from that of the text.

use std::fmt;

use serde::Deserializer;
use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;

/// A value in a text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node<'t> {
    text: &'t str,
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
    /// The line from 1 where it is no JSON, and why.
    pub(super) fn of(text: &'t str) -> Result<Self, (usize, String)> {
        match serde_json::from_str::<&RawValue>(text) {
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
                    format!("this is no JSON: {what}, at byte {column} of the line"),
                ))
            }
        }
    }

    /// The line on which it begins, from 1.
    pub(super) fn line(self) -> usize {
        line_of(self.before())
    }

    /// The text before it.
    fn before(self) -> &'t str {
        let place = self.raw.as_ptr().addr() - self.text.as_ptr().addr();
        self.text.get(..place).unwrap_or(self.text)
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
            let colon = value.before().trim_end();
            let quote = colon.strip_suffix(':').unwrap_or(colon).trim_end();
            Member {
                name,
                line: line_of(quote),
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

fn line_of(before: &str) -> usize {
    before.bytes().filter(|byte| *byte == b'\n').count() + 1
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
        let root = Node::of(text).unwrap();
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
        let (line, why) = Node::of("{\n\"a\": 1,\n}").unwrap_err();
        assert_eq!(line, 3);
        assert!(why.contains("key must be a string"), "{why}");
        assert_eq!(Node::of("").unwrap_err().0, 1);
    }
}
