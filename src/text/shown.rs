//! Text from input as it is shown to people.

use std::fmt::{self, Display, Write};

use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};

/// Shows what came from input, so that it can do nothing to the terminal or to the lines around it:
/// control characters (with them line ends and the escapes of terminals), line and paragraph
/// separators, and invisible characters (with them those that turn the direction of text) are
/// shown as in Rust, `\n` and `\u{202e}`. The joiners U+200C, U+200D and U+00AD, which words of
/// many languages need, stay.
///
/// To be put around every name or value from input in errors, logs and tables; lines of JSON need
/// it not.
///
/// ```
/// use squall::text::Shown;
///
/// assert_eq!(Shown("user\u{1b}[2J\r").to_string(), r"user\u{1b}[2J\r");
/// assert_eq!(Shown("नमस्ते, Žižka").to_string(), "नमस्ते, Žižka");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown<T>(
    /// What is shown.
    pub T,
);

impl<T: Display> Display for Shown<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escaping(f), "{}", self.0)
    }
}

/// Escapes what is written.
struct Escaping<'f, 'w>(&'f mut fmt::Formatter<'w>);

impl Write for Escaping<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut shown = 0;
        for (place, char) in text.char_indices().filter(|(_, char)| hides(*char)) {
            self.0.write_str(&text[shown..place])?;
            write!(self.0, "{}", char.escape_debug())?;
            shown = place + char.len_utf8();
        }
        self.0.write_str(&text[shown..])
    }
}

/// Whether a character is not seen, or does something else than to be seen.
fn hides(char: char) -> bool {
    match char {
        ' '..='~' | '\u{ad}' | '\u{200c}' | '\u{200d}' => false,
        '\0'..='\u{9f}' => true,
        _ => matches!(
            char.general_category(),
            GeneralCategory::Format
                | GeneralCategory::LineSeparator
                | GeneralCategory::ParagraphSeparator
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_act_on_the_terminal_is_escaped_and_all_else_stays() {
        let table = [
            ("", ""),
            ("plain, \\ \"quoted\" `x`", "plain, \\ \"quoted\" `x`"),
            ("a\nb\r\tc\0", "a\\nb\\r\\tc\\0"),
            ("\u{1b}]0;title\u{7}", "\\u{1b}]0;title\\u{7}"),
            ("\u{9b}31m\u{7f}", "\\u{9b}31m\\u{7f}"),
            (
                "abc\u{202e}txt\u{2066}\u{200f}\u{61c}",
                "abc\\u{202e}txt\\u{2066}\\u{200f}\\u{61c}",
            ),
            (
                "a\u{2028}b\u{2029}\u{feff}\u{200b}",
                "a\\u{2028}b\\u{2029}\\u{feff}\\u{200b}",
            ),
            (
                "می\u{200c}خواهم co\u{ad}op e\u{301} 👩\u{200d}🚀",
                "می\u{200c}خواهم co\u{ad}op e\u{301} 👩\u{200d}🚀",
            ),
        ];
        for (text, shown) in table {
            assert_eq!(Shown(text).to_string(), shown);
        }
        assert_eq!(Shown(format_args!("{}-{}", "a\n", 1)).to_string(), "a\\n-1");
    }
}
