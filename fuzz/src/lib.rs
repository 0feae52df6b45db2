//! What several targets need: input in pieces, and the records of it.

use std::io::{self, Read};

use squall::connectors::files::{
    Delimiter, Encoding, FieldSelector, Format, Outcome, Record, RecordReader,
};

/// Bytes that come in pieces, as from a pipe; how long each is, `cuts` says over and over.
struct Pieces {
    bytes: Vec<u8>,
    at: usize,
    cuts: Vec<u8>,
    piece: usize,
}

impl Read for Pieces {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let cut = self.cuts.get(self.piece % self.cuts.len().max(1));
        self.piece += 1;
        let most = cut.map_or(usize::MAX, |cut| usize::from(*cut).max(1));
        let rest = &self.bytes[self.at..];
        let count = most.min(rest.len()).min(into.len());
        into[..count].copy_from_slice(&rest[..count]);
        self.at += count;
        Ok(count)
    }
}

/// How bytes are read.
#[derive(Clone, Copy)]
pub struct Way {
    /// In which format.
    pub format: Format,
    /// Of CSV.
    pub delimiter: Delimiter,
    /// None where it is not said.
    pub encoding: Option<Encoding>,
}

impl Way {
    /// The delimiter and the encoding that a byte says.
    #[must_use]
    pub fn of(format: Format, byte: u8) -> Self {
        let name = ["a.csv", "a.tsv"][usize::from(byte & 1)];
        let names = [
            "",
            "latin1",
            "shift_jis",
            "gbk",
            "utf-16le",
            "utf-16be",
            "utf-8",
            "",
        ];
        Self {
            format,
            delimiter: Delimiter::from_name(name),
            encoding: names[usize::from(byte >> 1 & 7)].parse().ok(),
        }
    }
}

/// All that a reader gives of bytes that come in pieces: each record with its place and its fields,
/// and what is no record; the last one may be an error. Pieces of no length are whole.
#[must_use]
pub fn read(bytes: &[u8], cuts: &[u8], way: Way) -> Vec<String> {
    let pieces = Pieces {
        bytes: bytes.to_vec(),
        at: 0,
        cuts: cuts.to_vec(),
        piece: 0,
    };
    let reader = RecordReader::new(Box::new(pieces), "input", way.format, way.delimiter);
    let mut reader = reader.encoding(way.encoding);
    let mut record = Record::new();
    let mut read = Vec::new();
    loop {
        match reader.next(&mut record) {
            Ok(Outcome::Record) => read.push(shown(&record)),
            Ok(Outcome::Bad(bad)) => read.push(format!("{bad:?}")),
            Ok(Outcome::End) => return read,
            Err(error) => {
                read.push(error.to_string());
                return read;
            }
        }
        assert!(
            read.len() <= bytes.len() * 1_100 + 1,
            "each record ends with a line's end, which deflate packs a thousandfold at most"
        );
    }
}

/// All that a reader gives of bytes, which is the same however they are cut.
///
/// What is no text is told by the first piece where it is guessed (a pipe must not be held up), so
/// an input that is refused by a guess is left out.
#[must_use]
pub fn read_cut(bytes: &[u8], cuts: &[u8], way: Way) -> Vec<String> {
    let whole = read(bytes, &[], way);
    let cut = read(bytes, cuts, way);
    let is_guessed = |read: &[String]| {
        read.last()
            .is_some_and(|last| last.contains(" looks like "))
    };
    if !is_guessed(&whole) && !is_guessed(&cut) {
        assert_eq!(cut, whole);
    }
    whole
}

fn shown(record: &Record) -> String {
    let mut shown = format!("{}:{}:{:?}", record.line(), record.offset(), record.text());
    for name in record.names() {
        let field = FieldSelector::named(name);
        shown += &format!("\n{name:?}: {:?}", record.scalar(&field));
    }
    shown + &format!("\n{:?}", record.object())
}

/// The first byte and then, by the second one, up to 15 bytes more; and what is left.
#[must_use]
pub fn head(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let [first, count, rest @ ..] = bytes else {
        return None;
    };
    let (cuts, rest) = rest.split_at_checked(usize::from(count & 15))?;
    Some((*first, cuts, rest))
}
