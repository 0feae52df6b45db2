//! The value of a field.

use std::borrow::Cow;

/// The value of a field, with what it is in the input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scalar<'r> {
    /// A JSON string, also an empty one; a CSV column that is not empty; a line of text.
    Text(Cow<'r, str>),
    /// A JSON number in its exact spelling.
    Number(&'r str),
    /// A JSON boolean.
    Bool(bool),
}

impl<'r> Scalar<'r> {
    /// Its text, numbers and booleans in their exact spelling.
    pub fn into_text(self) -> Cow<'r, str> {
        match self {
            Self::Text(text) => text,
            Self::Number(text) => Cow::Borrowed(text),
            Self::Bool(true) => Cow::Borrowed("true"),
            Self::Bool(false) => Cow::Borrowed("false"),
        }
    }
}
