//! Why a record does not give a field.

use crate::text::Shown;

/// The column that was asked for does not exist.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "there is no column `{}`{}; the columns are {found}",
    Shown(asked),
    told(.nearest.as_ref())
)]
pub struct MissingColumn {
    /// The column that was asked for.
    pub asked: String,
    /// The columns there are, for people: each in backticks, separated by commas.
    pub found: String,
    /// The column that was probably meant.
    pub nearest: Option<String>,
}

fn told(nearest: Option<&String>) -> String {
    nearest.map_or_else(String::new, |name| format!(" (nearest: `{}`)", Shown(name)))
}

/// Why a record does not give a field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FieldError {
    /// Plain text has no fields.
    #[error(
        "plain text has no field `{}`; without a field the whole line is read",
        Shown(field)
    )]
    NoFields {
        /// The field that was asked for.
        field: String,
    },
    /// The CSV file has no such column.
    #[error(transparent)]
    MissingColumn(#[from] MissingColumn),
    /// The JSON value is made of others.
    #[error(
        "`{}` is {kind}; a field is a string, a number, a boolean or null",
        Shown(field)
    )]
    NotScalar {
        /// The path of the value.
        field: String,
        /// "an array" or "an object".
        kind: &'static str,
    },
    /// The JSON value is an array, of which each element can be asked for.
    #[error(
        "`{}` is an array: ask for `{}` to read each of its elements",
        Shown(field),
        Shown(instead)
    )]
    Array {
        /// The path of the array.
        field: String,
        /// The path to ask for.
        instead: String,
    },
    /// What is asked for is inside of an array or an object, and the JSON value is another one.
    #[error("`{}` is {kind}, but {needed} is needed", Shown(field))]
    Unfit {
        /// The path of the value.
        field: String,
        /// What it is, such as "a string".
        kind: &'static str,
        /// "an array" or "an object".
        needed: &'static str,
    },
    /// One value is needed, and the path leads to each element of an array.
    #[error(
        "`{}` has a value for each element of an array, but one value per record is needed here: \
         name a field without `[]`",
        Shown(field)
    )]
    Several {
        /// The path.
        field: String,
    },
    /// The name has brackets that mean nothing, and no key has it as its full name.
    #[error(
        "`{}` is neither a key nor a path: {reason}; a path is `items[].name` for the name of \
         each item",
        Shown(field)
    )]
    Path {
        /// The name.
        field: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The value, or its name, is not of the encoding of the input.
    #[error("{reason}")]
    NotOfEncoding {
        /// What is not, from which byte on, and what to do.
        reason: String,
    },
    /// The JSON string has escapes that stand for no character.
    #[error("`{}` cannot be read: {reason}", Shown(field))]
    Unreadable {
        /// The path of the value.
        field: String,
        /// What the JSON reader objects to.
        reason: String,
    },
}
