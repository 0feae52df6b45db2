//! An object whose members are taken out one by one.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use serde::Deserialize;
use squall::text::{self, Shown};

use super::json::{Member, Node};

/// What is wrong with a spec, and what of it is ignored, each with its line.
#[derive(Default)]
pub(super) struct Notes {
    pub mistakes: Vec<(usize, String)>,
    pub warnings: Vec<(usize, String)>,
}

impl Notes {
    pub(super) fn mistake(&mut self, line: usize, what: impl Into<String>) {
        self.mistakes.push((line, what.into()));
    }

    pub(super) fn warning(&mut self, line: usize, what: impl Into<String>) {
        self.warnings.push((line, what.into()));
    }
}

pub(super) struct Object<'t> {
    /// What it is called in messages.
    pub name: String,
    pub line: usize,
    members: Vec<Member<'t>>,
    /// The names that were asked for.
    known: Vec<&'static str>,
}

impl<'t> Object<'t> {
    /// The object, or a mistake where it is something else; names that it has twice are mistakes,
    /// and then it has the first one.
    pub(super) fn of(node: Node<'t>, name: &str, notes: &mut Notes) -> Option<Self> {
        let line = node.line();
        let Some(mut members) = node.members() else {
            notes.mistake(line, format!("{name} is {}: give an object", node.kind()));
            return None;
        };
        let mut lines = HashMap::new();
        members.retain(|member| match lines.entry(member.name.clone()) {
            Entry::Vacant(entry) => {
                entry.insert(member.line);
                true
            }
            Entry::Occupied(entry) => {
                let (first, again) = (entry.get(), member.line);
                let twice = format!(
                    "{name} has `{}` twice, in line {first} and in line {again}: give it once",
                    Shown(&member.name)
                );
                notes.mistake(again, twice);
                false
            }
        });
        Some(Self {
            name: name.to_owned(),
            line,
            members,
            known: Vec::new(),
        })
    }

    /// Whether it has the member; null is as absent.
    pub(super) fn has(&mut self, name: &'static str) -> bool {
        self.known.push(name);
        let is = |member: &Member| member.name == name && member.value.kind() != "null";
        self.members.iter().any(is)
    }

    /// Takes a member out.
    pub(super) fn take(&mut self, name: &'static str) -> Option<Node<'t>> {
        self.known.push(name);
        let place = self.members.iter().position(|member| member.name == name)?;
        let value = self.members.remove(place).value;
        Some(value).filter(|value| value.kind() != "null")
    }

    pub(super) fn object(&mut self, name: &'static str, notes: &mut Notes) -> Option<Object<'t>> {
        let node = self.take(name)?;
        Self::of(node, &format!("`{name}`"), notes)
    }

    pub(super) fn list(&mut self, name: &'static str, notes: &mut Notes) -> Option<Vec<Node<'t>>> {
        let node = self.take(name)?;
        let elements = node.elements();
        if elements.is_none() {
            notes.mistake(
                node.line(),
                format!("`{name}` is {}: give a list", node.kind()),
            );
        }
        elements
    }

    pub(super) fn text(&mut self, name: &'static str, notes: &mut Notes) -> Option<String> {
        self.located(name, notes).map(|(text, _)| text)
    }

    /// A text with its line.
    pub(super) fn located(
        &mut self,
        name: &'static str,
        notes: &mut Notes,
    ) -> Option<(String, usize)> {
        let node = self.take(name)?;
        let text = scalar(node, "a text", &format!("`{name}`"), notes)?;
        Some((text, node.line()))
    }

    pub(super) fn boolean(&mut self, name: &'static str, notes: &mut Notes) -> Option<bool> {
        let node = self.take(name)?;
        scalar(node, "true or false", &format!("`{name}`"), notes)
    }

    /// A text that must be there and not be empty.
    pub(super) fn required(
        &mut self,
        name: &'static str,
        notes: &mut Notes,
    ) -> Option<(String, usize)> {
        let there = self.has(name);
        match self.located(name, notes) {
            Some((text, line)) if !text.is_empty() => Some((text, line)),
            // It is something else than a text, which is told.
            None if there => None,
            _ => {
                notes.mistake(self.line, format!("{} needs `{name}`", self.name));
                None
            }
        }
    }

    /// Warns of everything that was not taken out. What was probably meant to be is a mistake.
    pub(super) fn end(self, notes: &mut Notes) {
        for Member { name, line, .. } in self.members {
            match text::nearest(&name, &self.known) {
                Some(known) => {
                    let (object, name) = (&self.name, Shown(name));
                    let what = format!("{object} has no `{name}`; did you mean `{known}`?");
                    notes.mistake(line, what);
                }
                None => {
                    notes.warning(
                        line,
                        format!("`{}` of {} is ignored", Shown(name), self.name),
                    );
                }
            }
        }
    }
}

/// A text, a number or a boolean.
pub(super) fn scalar<'t, T: Deserialize<'t>>(
    node: Node<'t>,
    wanted: &str,
    name: &str,
    notes: &mut Notes,
) -> Option<T> {
    let value = node.value();
    if value.is_none() {
        notes.mistake(
            node.line(),
            format!("{name} is {}: give {wanted}", node.kind()),
        );
    }
    value
}
