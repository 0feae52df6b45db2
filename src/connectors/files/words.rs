//! Text becomes words.

use std::fmt;
use std::str::FromStr;

use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory};

/// How text is cut into words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Split {
    /// The text in lower case (all of Unicode, a final sigma as such), of which each longest run
    /// of letters and numbers (general categories L* and N*) is a word. The same words as
    /// Python's `str.lower()` and `str.isalnum()` give.
    Words,
    /// Each longest run of ASCII letters and digits, in lower case. Everything else separates,
    /// letters outside ASCII too: "Misérables" is "mis" and "rables".
    AsciiWords,
    /// The text as it is, as one word; no word if it is empty.
    None,
}

/// No way to split has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no split `{0}`; the splits are words, ascii-words and none")]
pub struct SplitError(String);

impl Split {
    /// Calls `word` for each word of `text`, in order. `scratch` is overwritten; to keep one from
    /// text to text saves an allocation for each.
    ///
    /// ```
    /// use squall::connectors::files::Split;
    ///
    /// let words = |split: Split, text| {
    ///     let (mut words, mut scratch) = (Vec::new(), String::new());
    ///     split.for_each_word(text, &mut scratch, |word| words.push(word.to_owned()));
    ///     words
    /// };
    /// assert_eq!(words(Split::Words, "Ça va? 2½ ΟΔΟΣ"), ["ça", "va", "2½", "οδος"]);
    /// assert_eq!(words(Split::AsciiWords, "Ça va? 2½"), ["a", "va", "2"]);
    /// assert_eq!(words(Split::None, "Ça va?"), ["Ça va?"]);
    /// ```
    pub fn for_each_word(&self, text: &str, scratch: &mut String, word: impl FnMut(&str)) {
        match self {
            Split::AsciiWords => ascii_words(text, scratch, word),
            // Of ASCII text both make the same words.
            Split::Words if text.is_ascii() => ascii_words(text, scratch, word),
            Split::Words => unicode_words(text, scratch, word),
            Split::None => {
                let mut word = word;
                if !text.is_empty() {
                    word(text);
                }
            }
        }
    }
}

fn ascii_words(text: &str, scratch: &mut String, mut word: impl FnMut(&str)) {
    scratch.clear();
    scratch.push_str(text);
    scratch.make_ascii_lowercase();
    let bytes = scratch.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let start = at;
        while at < bytes.len() && IS_WORD[usize::from(bytes[at])] {
            at += 1;
        }
        if start < at {
            word(&scratch[start..at]);
        }
        // What ended the run is no part of a word either.
        at += 1;
    }
}

/// Whether a byte belongs to a word: one look-up instead of four comparisons.
static IS_WORD: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        table[byte as usize] = byte.is_ascii_alphanumeric();
        byte += 1;
    }
    table
};

fn unicode_words(text: &str, scratch: &mut String, mut word: impl FnMut(&str)) {
    lower(text, scratch);
    let mut start = 0;
    let mut inside = false;
    for (at, char) in scratch.char_indices() {
        let belongs = match u8::try_from(char) {
            Ok(byte) if byte.is_ascii() => IS_WORD[usize::from(byte)],
            _ => is_letter_or_number(char),
        };
        if belongs != inside {
            if inside {
                word(&scratch[start..at]);
            }
            inside = belongs;
            start = at;
        }
    }
    if inside {
        word(&scratch[start..]);
    }
}

fn is_letter_or_number(char: char) -> bool {
    matches!(
        char.general_category_group(),
        GeneralCategoryGroup::Letter | GeneralCategoryGroup::Number
    )
}

/// `str::to_lowercase` into a buffer.
fn lower(text: &str, into: &mut String) {
    into.clear();
    if text.contains('Σ') {
        // The one letter whose lower case depends on its neighbours, which only the function of
        // the standard library looks at.
        into.push_str(&text.to_lowercase());
        return;
    }
    for char in text.chars() {
        if char.is_ascii() {
            into.push(char.to_ascii_lowercase());
        } else {
            into.extend(char.to_lowercase());
        }
    }
}

impl FromStr for Split {
    type Err = SplitError;

    fn from_str(name: &str) -> Result<Self, SplitError> {
        match name {
            "words" => Ok(Split::Words),
            "ascii-words" => Ok(Split::AsciiWords),
            "none" => Ok(Split::None),
            _ => Err(SplitError(name.to_owned())),
        }
    }
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Split::Words => "words",
            Split::AsciiWords => "ascii-words",
            Split::None => "none",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(split: Split, text: &str) -> Vec<String> {
        let (mut words, mut scratch) = (Vec::new(), "left over".to_owned());
        split.for_each_word(text, &mut scratch, |word| words.push(word.to_owned()));
        words
    }

    #[test]
    fn words_are_runs_of_letters_and_numbers_in_lower_case() {
        let table: [(&str, &[&str]); 11] = [
            ("", &[]),
            (" .,-", &[]),
            ("Don't STOP-me 42nd", &["don", "t", "stop", "me", "42nd"]),
            ("a", &["a"]),
            ("snake_case", &["snake", "case"]),
            ("Les Misérables", &["les", "misérables"]),
            ("ΟΔΥΣΣΕΥΣ ΣΑΣ", &["οδυσσευς", "σας"]),
            ("x² Ⅷ ½ ٣", &["x²", "ⅷ", "½", "٣"]),
            ("日本語 中文。", &["日本語", "中文"]),
            // The lower case of İ is i and a combining dot, which is a mark and so separates.
            ("İstanbul", &["i", "stanbul"]),
            // Vowel signs are marks too, as for Python's isalnum.
            ("नमस्ते", &["नमस", "त"]),
        ];
        for (text, expected) in table {
            assert_eq!(words(Split::Words, text), expected, "{text}");
        }
    }

    #[test]
    fn ascii_words_end_at_every_other_byte() {
        assert_eq!(
            words(Split::AsciiWords, "Misérables, 3rd! É"),
            ["mis", "rables", "3rd"]
        );
        // The Kelvin sign is a letter whose lower case is an ASCII k.
        assert_eq!(words(Split::AsciiWords, "a\u{212a}b"), ["a", "b"]);
        assert_eq!(words(Split::Words, "a\u{212a}b"), ["akb"]);
    }

    #[test]
    fn lower_case_is_that_of_the_standard_library_for_every_character() {
        let mut scratch = String::new();
        for char in '\0'..=char::MAX {
            let text = format!("A{char}Z");
            lower(&text, &mut scratch);
            assert_eq!(scratch, text.to_lowercase());
        }
    }

    #[test]
    fn names_read_back_as_what_they_print() {
        for split in [Split::Words, Split::AsciiWords, Split::None] {
            assert_eq!(split.to_string().parse(), Ok(split));
        }
        let error = "letters".parse::<Split>().unwrap_err().to_string();
        assert!(error.starts_with("there is no split `letters`; the splits are words"));
    }
}
