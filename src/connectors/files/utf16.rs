//! UTF-16 as UTF-8, on the way into lines.

use std::io::{self, Read};

/// Bytes that are read at once.
const STEP_BYTES: usize = 16 * 1024;

/// Makes UTF-8 of UTF-16, with bounded memory.
///
/// What stands for no character comes out as bytes that are no UTF-8, of which
/// [`bytes_in_utf16`] knows the length.
pub(super) struct Utf16 {
    /// The first byte of a unit is its upper half.
    big: bool,
    /// The first half of a unit.
    odd: Option<u8>,
    /// The first half of a pair of surrogates.
    high: Option<u16>,
    text: Vec<u8>,
    given: usize,
}

impl Utf16 {
    pub(super) fn new(big: bool) -> Self {
        Self {
            big,
            odd: None,
            high: None,
            text: Vec::new(),
            given: 0,
        }
    }

    /// Reads from the input; what is incomplete at its end waits where it is growing.
    pub(super) fn read(
        &mut self,
        input: &mut impl Read,
        into: &mut [u8],
        growing: bool,
    ) -> io::Result<usize> {
        while self.given == self.text.len() {
            self.text.clear();
            self.given = 0;
            let mut bytes = [0; STEP_BYTES];
            match input.read(&mut bytes) {
                Ok(0) if growing => return Ok(0),
                Ok(0) => {
                    self.end();
                    if self.text.is_empty() {
                        return Ok(0);
                    }
                }
                Ok(read) => bytes[..read].iter().for_each(|&byte| self.take(byte)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        let read = (&self.text[self.given..]).read(into)?;
        self.given += read;
        Ok(read)
    }

    fn take(&mut self, byte: u8) {
        let Some(first) = self.odd.take() else {
            self.odd = Some(byte);
            return;
        };
        let pair = [first, byte];
        let unit = if self.big {
            u16::from_be_bytes(pair)
        } else {
            u16::from_le_bytes(pair)
        };
        let pair = self.high.take().map(|high| (high, is_low(unit)));
        match pair {
            Some((high, true)) => {
                let (high, low) = (u32::from(high) - 0xd800, u32::from(unit) - 0xdc00);
                // Any two surrogates make a character.
                let char = char::from_u32(0x1_0000 + (high << 10 | low)).unwrap_or_default();
                self.character(char);
                return;
            }
            Some((high, false)) => self.no_character(high),
            None => {}
        }
        match char::from_u32(u32::from(unit)) {
            Some(char) => self.character(char),
            None if is_low(unit) => self.no_character(unit),
            None => self.high = Some(unit),
        }
    }

    fn character(&mut self, char: char) {
        let mut bytes = [0; 4];
        self.text
            .extend_from_slice(char.encode_utf8(&mut bytes).as_bytes());
    }

    /// A surrogate as three bytes, as if it were a character.
    fn no_character(&mut self, unit: u16) {
        let [upper, lower] = unit.to_be_bytes();
        self.text.extend([
            0xe0 | upper >> 4,
            0x80 | (upper << 2 | lower >> 6) & 0x3f,
            0x80 | lower & 0x3f,
        ]);
    }

    fn end(&mut self) {
        if let Some(high) = self.high.take() {
            self.no_character(high);
        }
        if self.odd.take().is_some() {
            // It belongs to no character, and its length is that of none.
            self.text.push(0x80);
        }
    }
}

/// Whether it is the second half of a pair of surrogates.
fn is_low(unit: u16) -> bool {
    (0xdc00..0xe000).contains(&unit)
}

/// How many bytes of UTF-16 this UTF-8 was.
pub(super) fn bytes_in_utf16(text: &[u8]) -> usize {
    let chars = text.iter().filter(|&&byte| byte & 0xc0 != 0x80).count();
    let pairs = text.iter().filter(|&&byte| byte >= 0xf0).count();
    2 * (chars + pairs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utf16(text: &str, big: bool) -> Vec<u8> {
        let bytes = |unit: u16| {
            if big {
                unit.to_be_bytes()
            } else {
                unit.to_le_bytes()
            }
        };
        text.encode_utf16().flat_map(bytes).collect()
    }

    fn read(bytes: &[u8], big: bool, step: usize) -> Vec<u8> {
        let (mut utf16, mut out) = (Utf16::new(big), Vec::new());
        let mut bytes = bytes.chunks(step);
        loop {
            let mut chunk = bytes.next().unwrap_or_default();
            let last = chunk.is_empty();
            loop {
                let mut into = [0; 5];
                let read = utf16.read(&mut chunk, &mut into, !last).unwrap();
                out.extend_from_slice(&into[..read]);
                if read == 0 {
                    break;
                }
            }
            if last {
                return out;
            }
        }
    }

    #[test]
    fn text_is_the_same_in_steps_of_any_length() {
        let text = "a,č\n日本 😀x\u{10ffff}\r\n";
        for big in [false, true] {
            let bytes = utf16(text, big);
            assert_eq!(bytes_in_utf16(text.as_bytes()), bytes.len());
            for step in 1..=bytes.len() {
                assert_eq!(read(&bytes, big, step), text.as_bytes(), "{step}");
            }
        }
    }

    #[test]
    fn what_is_no_character_is_no_utf8_and_keeps_its_length() {
        let high = [0x3d, 0xd8];
        let low = [0x00, 0xde];
        let a = [b'a', 0];
        for (bytes, chars) in [
            ([high, a, a].concat(), "?aa"),
            ([low, a, a].concat(), "?aa"),
            ([high, high, low].concat(), "?😀"),
            ([a, a, high].concat(), "aa?"),
        ] {
            let text = read(&bytes, false, 3);
            assert_eq!(bytes_in_utf16(&text), bytes.len());
            let shown: Vec<String> = text
                .utf8_chunks()
                .map(|chunk| {
                    let mark = if chunk.invalid().is_empty() { "" } else { "?" };
                    format!("{}{mark}", chunk.valid())
                })
                .collect();
            // Each of the three bytes of a surrogate is one that is no UTF-8.
            assert_eq!(shown.concat().replace("???", "?"), chars);
        }
        assert_eq!(read(&[b'a', 0, b'b'], false, 1), b"a\x80");
    }
}
