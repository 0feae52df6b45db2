//! Text becomes words.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory};

use super::runs::{ascii_bytes, bits, each_run, low_bits};
use crate::text::{Shown, Text};

/// How text is cut into words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Split {
    /// The words of the text in lower case (all of Unicode, a final sigma as such). A word begins
    /// with a letter or a number (general categories L and N) and goes on with letters, numbers
    /// and marks (M), and with the joiners U+200C, U+200D and U+00AD where one of these follows.
    /// So a Hindi, a vocalised Arabic or a decomposed word is one word, and lower-casing cuts
    /// none.
    Words,
    /// Each longest run of ASCII letters and digits, in lower case. Everything else separates,
    /// letters outside ASCII too: "Misérables" is "mis" and "rables".
    AsciiWords,
    /// The text as it is, as one word; no word if it is empty.
    None,
}

/// No way to split has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no split `{}`; the splits are words, ascii-words and none", Shown(.0))]
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
    pub fn for_each_word(&self, text: &str, scratch: &mut String, mut word: impl FnMut(&str)) {
        self.each(text, scratch, |text, range| word(&text[range]));
    }

    /// The same with each word as a [`Text`] of its own, which is quicker than to make one of
    /// each word that [`Split::for_each_word`] gives.
    pub fn for_each_text(&self, text: &str, scratch: &mut String, mut word: impl FnMut(Text)) {
        self.each(text, scratch, |text, range| {
            word(Text::of_part(text, range));
        });
    }

    /// Calls `found` with a text, and with where in it each word is.
    #[inline]
    fn each(self, text: &str, scratch: &mut String, mut found: impl FnMut(&str, Range<usize>)) {
        match self {
            Split::AsciiWords => ascii_words(text, scratch, found),
            // Of ASCII text both make the same words.
            Split::Words if text.is_ascii() => ascii_words(text, scratch, found),
            Split::Words => unicode_words(text, scratch, found),
            Split::None => {
                if !text.is_empty() {
                    found(text, 0..text.len());
                }
            }
        }
    }
}

/// Behind the text, so that it goes on after the last word: [`Text::of_part`] reads 16 bytes.
const BEHIND: &str = "                ";

fn ascii_words(text: &str, scratch: &mut String, mut found: impl FnMut(&str, Range<usize>)) {
    scratch.clear();
    scratch.push_str(text);
    scratch.make_ascii_lowercase();
    scratch.push_str(BEHIND);
    // What is not ASCII separates, so both ends of a run are ends of characters.
    each_run(scratch, |_, _| 0, |run| found(scratch, run));
}

fn unicode_words(text: &str, scratch: &mut String, mut found: impl FnMut(&str, Range<usize>)) {
    lower(text, scratch);
    scratch.push_str(BEHIND);
    let mut others = Others::default();
    let belonging = |at, block: &[u8]| others.belonging(scratch, at, block);
    each_run(scratch, belonging, |run| found(scratch, run));
}

/// The characters outside ASCII, block by block.
#[derive(Default)]
struct Others {
    /// Where the last character ends, which may be in a later block.
    end: usize,
    /// Whether it belongs to a word.
    belongs: bool,
    /// It is a joiner.
    joins: bool,
}

impl Others {
    /// The bytes of such characters that belong to words, in the block that begins here.
    fn belonging(&mut self, text: &str, begin: usize, block: &[u8]) -> u64 {
        let mut left = bits(block, |byte| !byte.is_ascii());
        let mut belonging = 0;
        loop {
            // The bytes of the last character, as far as they are in this block.
            let rest = low_bits(self.end.saturating_sub(begin)) & left;
            left ^= rest;
            if self.belongs {
                belonging |= rest;
            }
            if left == 0 {
                return belonging;
            }
            let at = begin + left.trailing_zeros() as usize;
            let Some(char) = text[at..].chars().next() else {
                return belonging;
            };
            let within = if at == self.end {
                self.belongs
            } else {
                text.as_bytes()[at - 1].is_ascii_alphanumeric()
            };
            // Of joiners side by side only the first looks ahead.
            let joined = self.joins && at == self.end;
            self.end = at + char.len_utf8();
            let class = Class::of(char);
            self.joins = class == Class::Joins;
            self.belongs = match class {
                Class::Begins => true,
                Class::GoesOn => within,
                Class::Joins => within && (joined || goes_on(&text[self.end..])),
                Class::Separates => false,
            };
        }
    }
}

/// What a character does to words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    /// Letters and numbers: they begin a word, or go on with one.
    Begins,
    /// Marks: they go on with a word.
    GoesOn,
    /// Joiners: they belong to the word on both sides of them, and to none at its edge.
    Joins,
    /// Everything else.
    Separates,
}

impl Class {
    fn of(char: char) -> Self {
        match char {
            // What is met most is told without a search in the tables: punctuation, and letters.
            '\u{200c}' | '\u{200d}' | '\u{ad}' => Self::Joins,
            '\u{2000}'..='\u{206f}' | '\u{3000}'..='\u{3004}' | '×' | '÷' => Self::Separates,
            'À'..='ʯ' | 'Σ'..='ϵ' | 'Ѐ'..='ҁ' | 'ぁ'..='ゖ' | '一'..='鿿' | '가'..='힣' => {
                Self::Begins
            }
            _ => match char.general_category_group() {
                GeneralCategoryGroup::Letter | GeneralCategoryGroup::Number => Self::Begins,
                GeneralCategoryGroup::Mark => Self::GoesOn,
                _ => Self::Separates,
            },
        }
    }
}

/// Whether a word goes on behind joiners.
fn goes_on(text: &str) -> bool {
    let mut classes = text.chars().map(Class::of);
    let next = classes.find(|class| *class != Class::Joins);
    matches!(next, Some(Class::Begins | Class::GoesOn))
}

/// Whether a character is for certain its own lower case: punctuation, small letters, letters of
/// scripts that have one case. Of what is met most this is told without a search in the tables.
fn stays(char: char) -> bool {
    matches!(
        char,
        '\u{2000}'..='\u{206f}' | 'ß'..='ÿ' | 'ά'..='ώ' | 'а'..='џ'
            | '\u{590}'..='\u{109f}' | '\u{3000}'..='\u{a63f}' | '\u{ac00}'..='\u{d7ff}'
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
    let mut rest = text;
    while !rest.is_empty() {
        let (ascii, others) = rest.split_at(ascii_bytes(rest.as_bytes()));
        into.push_str(ascii);
        let mut chars = others.chars();
        rest = others;
        while let Some(char) = chars.next()
            && !char.is_ascii()
        {
            if stays(char) {
                into.push(char);
            } else {
                into.extend(char.to_lowercase());
            }
            rest = chars.as_str();
        }
    }
    into.make_ascii_lowercase();
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
        let mut texts = Vec::new();
        split.for_each_text(text, &mut scratch, |word| texts.push(word.to_string()));
        assert_eq!(texts, words, "{text:?}");
        words
    }

    #[test]
    fn words_are_runs_of_letters_and_numbers_in_lower_case() {
        let table: [(&str, &[&str]); 26] = [
            ("", &[]),
            (" .,-", &[]),
            ("Don't STOP-me 42nd", &["don", "t", "stop", "me", "42nd"]),
            ("a", &["a"]),
            ("snake_case", &["snake", "case"]),
            ("Les Misérables", &["les", "misérables"]),
            ("ΟΔΥΣΣΕΥΣ ΣΑΣ", &["οδυσσευς", "σας"]),
            ("x² Ⅷ ½ ٣", &["x²", "ⅷ", "½", "٣"]),
            ("日本語 中文。", &["日本語", "中文"]),
            // The lower case of İ is i and a combining dot.
            (
                "İstanbul İZMİR",
                &["i\u{307}stanbul", "i\u{307}zmi\u{307}r"],
            ),
            ("GROẞ straße STRASSE", &["groß", "straße", "strasse"]),
            ("नमस्ते हिन्दी", &["नमस्ते", "हिन्दी"]),
            ("ก็ที่ นี้", &["ก็ที่", "นี้"]),
            ("مُحَمَّد", &["مُحَمَّد"]),
            ("שָׁלוֹם", &["שָׁלוֹם"]),
            ("cafe\u{301}s CAFE\u{301}", &["cafe\u{301}s", "cafe\u{301}"]),
            // A mark begins no word.
            ("\u{301}a -\u{301}b a-\u{301}", &["a", "b", "a"]),
            ("1\u{301} 1\u{20e3}", &["1\u{301}", "1\u{20e3}"]),
            // Joiners belong to words only within them.
            ("می\u{200c}خواهم", &["می\u{200c}خواهم"]),
            ("क्\u{200d}ष", &["क्\u{200d}ष"]),
            ("CO\u{ad}operate", &["co\u{ad}operate"]),
            (
                "\u{ad}a\u{ad} \u{200c}b\u{200d}- c\u{200d}",
                &["a", "b", "c"],
            ),
            ("a\u{200c}\u{200d}\u{ad}b", &["a\u{200c}\u{200d}\u{ad}b"]),
            ("a\u{200d}\u{301}b", &["a\u{200d}\u{301}b"]),
            ("👩\u{200d}🚀", &[]),
            ("a\u{200b}b a\u{2060}b", &["a", "b", "a", "b"]),
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
    fn every_character_has_the_class_of_its_general_category() {
        for char in '\0'..=char::MAX {
            let expected = match char.general_category_group() {
                GeneralCategoryGroup::Letter | GeneralCategoryGroup::Number => Class::Begins,
                GeneralCategoryGroup::Mark => Class::GoesOn,
                _ if ['\u{200c}', '\u{200d}', '\u{ad}'].contains(&char) => Class::Joins,
                _ => Class::Separates,
            };
            assert_eq!(Class::of(char), expected, "{char:?}");
        }
    }

    /// The words by their definition, character by character.
    fn defined(text: &str) -> Vec<String> {
        let lower: Vec<char> = text.to_lowercase().chars().collect();
        let mut words = vec![String::new()];
        for (place, &char) in lower.iter().enumerate() {
            let rest: String = lower[place + 1..].iter().collect();
            let within = words.last().is_some_and(|word| !word.is_empty());
            let belongs = match Class::of(char) {
                Class::Begins => true,
                Class::GoesOn => within,
                Class::Joins => within && goes_on(&rest),
                Class::Separates => false,
            };
            match words.last_mut() {
                Some(word) if belongs => word.push(char),
                _ => words.push(String::new()),
            }
        }
        words.retain(|word| !word.is_empty());
        words
    }

    #[test]
    fn words_are_those_of_the_definition_wherever_a_block_ends() {
        // A word begins, ends and goes on at each place of a block, with characters of each
        // length.
        let others = [
            "-",
            "é",
            "—",
            "日",
            "𝒳",
            "😀",
            "\u{301}",
            "\u{200d}",
            "\u{ad}",
            "\u{200c}\u{93f}",
            "İ",
        ];
        for other in others {
            for before in 0..70 {
                let before = &"a ".repeat(35)[..before];
                let text = format!("{before}{other}b{other}{other} c{other}d");
                for text in [text.clone(), format!("é{text}"), text.repeat(3)] {
                    assert_eq!(words(Split::Words, &text), defined(&text), "{text}");
                    let expected = text.split(|char: char| !char.is_ascii_alphanumeric());
                    let expected: Vec<_> = expected.filter(|word| !word.is_empty()).collect();
                    assert_eq!(words(Split::AsciiWords, &text), expected, "{text}");
                }
            }
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
