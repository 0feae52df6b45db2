//! Making strings.

use std::hint::black_box;
use std::ops::RangeInclusive;
use std::rc::Rc;

use compact_str::CompactString;
use ecow::EcoString;
use fastrand::Rng;
use squall::Text;

use crate::cases::Case;
use crate::words::word;

/// They fit into a core's own cache.
const WORDS: usize = 4_096;

const TIMES: usize = 50;

/// Words in one text.
struct Line {
    text: String,
    /// Where each word begins and ends.
    parts: Vec<(usize, usize)>,
}

impl Line {
    fn of(letters: &RangeInclusive<usize>) -> Self {
        let mut random = Rng::with_seed(1);
        let (mut text, mut parts) = (String::new(), Vec::new());
        for _ in 0..WORDS {
            let start = text.len();
            text.push_str(&word(&mut random, letters));
            parts.push((start, text.len()));
        }
        Self { text, parts }
    }
}

/// Makes a string of each word, and drops it.
fn case<T: 'static>(
    name: String,
    line: &Rc<Line>,
    make: impl Fn(&str, usize, usize) -> T + 'static,
) -> Case {
    let line = Rc::clone(line);
    Case::of(name, WORDS * TIMES, move || {
        for _ in 0..TIMES {
            for (start, end) in &line.parts {
                black_box(make(&line.text, *start, *end));
            }
        }
    })
}

pub fn cases() -> Vec<Case> {
    let lengths = [("3 to 11 letters", 3..=11), ("40 letters", 40..=40)];
    let cases = lengths.into_iter().flat_map(|(letters, length)| {
        let line = &Rc::new(Line::of(&length));
        let name = |make: &str| format!("`{make}`, {letters}");
        [
            case(name("Text::of_part"), line, |text, start, end| {
                Text::of_part(text, start..end)
            }),
            case(name("Text::from"), line, |text, start, end| {
                Text::from(&text[start..end])
            }),
            case(name("String::from"), line, |text, start, end| {
                String::from(&text[start..end])
            }),
            case(name("EcoString::from"), line, |text, start, end| {
                EcoString::from(&text[start..end])
            }),
            case(name("CompactString::from"), line, |text, start, end| {
                CompactString::from(&text[start..end])
            }),
        ]
    });
    cases.collect()
}
