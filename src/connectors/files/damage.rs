//! What of a record is not of the encoding of its input, and how that is told.

use super::encoding::Encoding;
use super::field_error::FieldError;
use crate::text::Shown;

/// A text holds what is not of the encoding of its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Damage {
    /// The character that stands for it, and for nothing else in the text.
    pub(super) marker: char,
    pub(super) encoding: Encoding,
}

impl Damage {
    /// Whether this part of the text is not whole.
    pub(super) fn is_in(self, text: &str) -> bool {
        text.contains(self.marker)
    }

    /// What is wrong with such a part, which is called `what`.
    pub(super) fn told(self, what: &str, text: &str) -> String {
        not_of(self.encoding, what, text.find(self.marker))
    }

    pub(super) fn of_field(self, name: &str, text: &str) -> FieldError {
        FieldError::NotOfEncoding {
            reason: self.told(&format!("`{}`", Shown(name)), text),
        }
    }
}

/// Something is not of the encoding, after so many bytes.
pub(super) fn not_of(encoding: Encoding, what: &str, bytes: Option<usize>) -> String {
    let place = match bytes {
        None => String::new(),
        Some(1) => " after its first byte".to_owned(),
        Some(bytes) => format!(" after its first {bytes} bytes"),
    };
    let instead = if encoding == Encoding::UTF_8 {
        "name the encoding of the input, such as --encoding latin1"
    } else {
        "is the input in another encoding?"
    };
    let encoding = encoding.to_string().to_uppercase();
    format!("{what} is not valid {encoding}{place}: {instead}")
}
