//! Gzip is recognised by its first two bytes, whatever the file is called.

use std::io::{self, Cursor, Read};

use super::encoding::Encoding;
use super::members::{MemberStart, Members, Reached};
use super::sniff::{LOOKED_AT_BYTES, Seen, look};
use super::utf16::Utf16;

pub(super) type Raw = Box<dyn Read + Send>;

/// Reads plain bytes, unpacked if they were gzip (of one or many members), and as UTF-8 if they
/// were UTF-16. What is neither text nor gzip by its first bytes is an error.
///
/// A gzip member's checksum stands at its end, so damage inside a member is told only there, after
/// what was unpacked of it has been given out.
///
/// Looks at the input at its first read and not when it is made: making a reader of a pipe must
/// not wait for the pipe.
pub(super) struct Unpacked {
    input: Input,
    gzip: bool,
    encoding: Option<Encoding>,
    utf16: Option<Utf16>,
    /// More may be appended to the input.
    growing: bool,
}

enum Input {
    /// Nothing was read; the input is here until the first read takes it.
    Unopened(Option<Raw>),
    Opened(Raw),
    /// A file that is known to be gzip.
    Members(Box<Packed>),
}

/// A gzip file, of which the first bytes are looked at.
struct Packed {
    members: Members<Raw>,
    start: Vec<u8>,
    given: usize,
    looked: bool,
}

impl Unpacked {
    pub(super) fn new(raw: Raw) -> Self {
        Self {
            input: Input::Unopened(Some(raw)),
            gzip: false,
            encoding: None,
            utf16: None,
            growing: false,
        }
    }

    /// Plain bytes, whatever they look like: the middle of a file.
    pub(super) fn plain(raw: Raw) -> Self {
        Self {
            input: Input::Opened(raw),
            ..Self::new(Box::new(io::empty()))
        }
    }

    /// A gzip file from a member on; of the text before it, the hash of its beginning is known.
    /// Where it [grows](Self::growing), the end of what is there is no error, not even in the
    /// middle of a member: more can be read once it is there.
    pub(super) fn from_member(
        raw: Raw,
        start: MemberStart,
        head: Option<u64>,
        grows: bool,
    ) -> Self {
        let packed = Packed {
            members: Members::new(raw, start, head, grows),
            start: Vec::new(),
            given: 0,
            looked: start.unpacked > 0,
        };
        Self {
            input: Input::Members(Box::new(packed)),
            gzip: true,
            growing: grows,
            ..Self::new(Box::new(io::empty()))
        }
    }

    /// Whether everything that was read of it is whole: not where gzip ends within a member.
    pub(super) fn is_whole(&self) -> bool {
        match &self.input {
            Input::Members(packed) => packed.members.is_whole(),
            _ => true,
        }
    }

    /// How far a gzip file has been unpacked that is read with [`from_member`](Self::from_member),
    /// and where the last member begins that does not begin after this offset of the text.
    pub(super) fn reached(&mut self, offset: u64) -> Option<Reached> {
        match &mut self.input {
            Input::Members(packed) => Some(packed.members.reached(offset)),
            _ => None,
        }
    }

    /// The encoding of the text; none where it was not said.
    pub(super) fn set_encoding(&mut self, encoding: Option<Encoding>) {
        self.encoding = encoding;
        self.utf16 = encoding.and_then(Encoding::utf16).map(Utf16::new);
    }

    /// More may be appended to the input.
    pub(super) fn growing(&mut self, growing: bool) {
        self.growing = growing;
    }

    /// Whether the input turned out to be gzip. False before the first read.
    pub(super) fn is_gzip(&self) -> bool {
        self.gzip
    }

    /// Whether it is made UTF-8 of UTF-16.
    pub(super) fn is_utf16(&self) -> bool {
        self.utf16.is_some()
    }

    fn open(&mut self, raw: Raw) -> io::Result<Raw> {
        let (seen, raw) = begin(raw, self.encoding)?;
        match seen {
            Seen::Gzip => self.gzip = true,
            Seen::Foreign(foreign) => {
                return Err(io::Error::new(io::ErrorKind::InvalidData, foreign));
            }
            Seen::Plain | Seen::Undecided => return Ok(raw),
        }
        // What is packed is looked at, too; gzip within gzip is read as any other bytes.
        let members = Members::new(raw, MemberStart::default(), None, false);
        match begin(Box::new(members), self.encoding)? {
            (Seen::Foreign(foreign), _) => Err(io::Error::new(io::ErrorKind::InvalidData, foreign)),
            (_, raw) => Ok(raw),
        }
    }
}

/// Looks at the first bytes of an input; gives all of it.
fn begin(mut raw: Raw, encoding: Option<Encoding>) -> io::Result<(Seen, Raw)> {
    let mut start = vec![0; LOOKED_AT_BYTES];
    let mut length = 0;
    let mut seen = Seen::Undecided;
    // Stops at the first byte that decides: a pipe that has sent one byte of plain text must
    // not be held up until it sends a second one.
    while seen == Seen::Undecided && length < start.len() {
        match raw.read(&mut start[length..]) {
            Ok(0) => break,
            Ok(read) => {
                length += read;
                seen = look(&start[..length], encoding);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    start.truncate(length);
    Ok((seen, Box::new(Cursor::new(start).chain(raw))))
}

impl Read for Unpacked {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            match &mut self.input {
                Input::Opened(raw) => {
                    return match &mut self.utf16 {
                        None => raw.read(into),
                        Some(utf16) => utf16.read(raw, into, self.growing),
                    };
                }
                Input::Members(packed) => {
                    packed.look(self.encoding)?;
                    return match &mut self.utf16 {
                        None => packed.read(into),
                        Some(utf16) => utf16.read(packed, into, self.growing),
                    };
                }
                Input::Unopened(raw) => match raw.take() {
                    Some(raw) => self.input = Input::Opened(self.open(raw)?),
                    // The first look failed; its error has been reported.
                    None => return Ok(0),
                },
            }
        }
    }
}

impl Packed {
    /// Looks at what is packed, as far as it is there.
    fn look(&mut self, encoding: Option<Encoding>) -> io::Result<()> {
        let mut bytes = [0; LOOKED_AT_BYTES];
        while !self.looked {
            let room = LOOKED_AT_BYTES - self.start.len();
            let read = match self.members.read(&mut bytes[..room]) {
                Ok(read) => read,
                // What is whole before that is given out first.
                Err(_) if !self.start.is_empty() => 0,
                Err(error) => return Err(error),
            };
            if read == 0 {
                return Ok(());
            }
            self.start.extend_from_slice(&bytes[..read]);
            match look(&self.start, encoding) {
                Seen::Foreign(foreign) => {
                    return Err(io::Error::new(io::ErrorKind::InvalidData, foreign));
                }
                Seen::Undecided if self.start.len() < LOOKED_AT_BYTES => {}
                _ => self.looked = true,
            }
        }
        Ok(())
    }
}

impl Read for Packed {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.given < self.start.len() {
            let read = (&self.start[self.given..]).read(into)?;
            self.given += read;
            return Ok(read);
        }
        self.members.read(into)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn read(bytes: Vec<u8>) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        Unpacked::new(Box::new(Cursor::new(bytes))).read_to_end(&mut out)?;
        Ok(out)
    }

    #[test]
    fn plain_bytes_pass_unchanged_however_short() {
        for plain in [&b""[..], b"a", b"\x1f", b"\x1fa", b"\x8b\x1f", b"abc"] {
            assert_eq!(read(plain.to_vec()).unwrap(), plain);
        }
    }

    #[test]
    fn a_pipe_is_read_no_further_than_its_first_byte_of_plain_text() {
        struct OneByteSoFar(bool);
        impl Read for OneByteSoFar {
            fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
                assert!(!self.0, "asked for more than the pipe has");
                self.0 = true;
                into[0] = b'a';
                Ok(1)
            }
        }
        let mut buffer = [0; 100];
        let read = Unpacked::new(Box::new(OneByteSoFar(false))).read(&mut buffer);
        assert_eq!((read.unwrap(), buffer[0]), (1, b'a'));
    }

    #[test]
    fn every_member_of_a_gzip_is_read() {
        let two = [gzip(b"one\n"), gzip(b"two\n")].concat();
        assert_eq!(read(two).unwrap(), b"one\ntwo\n");
    }

    #[test]
    fn zeros_behind_the_last_member_are_passed_over_and_nothing_else() {
        let member = gzip(b"one\n");
        for zeros in [1, 2, 511, 200_000] {
            let padded = [&member[..], &member, &vec![0; zeros]].concat();
            assert_eq!(read(padded).unwrap(), b"one\none\n");
            let more = [&member[..], &vec![0; zeros], &member].concat();
            assert!(read(more).is_err());
        }
        for garbage in [&b"x"[..], b"\x1f", b"\x1fx", b"\0x"] {
            let mut out = Vec::new();
            let bytes = Cursor::new([&member[..], garbage].concat());
            let ended = Unpacked::new(Box::new(bytes)).read_to_end(&mut out);
            assert!(ended.is_err(), "{garbage:?}");
            assert_eq!(out, b"one\n");
        }
    }

    #[test]
    fn what_is_packed_is_looked_at_too() {
        for foreign in [&b"\xff\xfea\0"[..], b"\x28\xb5\x2f\xfdx"] {
            let error = read(gzip(foreign)).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData);
            assert!(error.to_string().starts_with("looks like "), "{error}");
        }
    }

    #[test]
    fn utf16_comes_out_as_utf8_also_out_of_gzip() {
        let bytes: Vec<u8> = "a,č\n".encode_utf16().flat_map(u16::to_be_bytes).collect();
        for bytes in [bytes.clone(), gzip(&bytes)] {
            let mut unpacked = Unpacked::new(Box::new(Cursor::new(bytes)));
            unpacked.set_encoding("utf-16be".parse().ok());
            let mut out = String::new();
            unpacked.read_to_string(&mut out).unwrap();
            assert_eq!(out, "a,č\n");
        }
    }

    #[test]
    fn a_gzip_cut_short_is_an_error() {
        let mut bytes = gzip(&b"some text\n".repeat(100));
        bytes.truncate(bytes.len() - 5);
        let error = read(bytes).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}
