//! Gzip is recognised by its first two bytes, whatever the file is called.

use std::io::{self, BufReader, Cursor, Read};

use flate2::bufread::MultiGzDecoder;

/// The two bytes that every gzip member starts with (RFC 1952, 2.3.1).
pub(super) const MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Bytes read at once from a compressed input.
const COMPRESSED_BUFFER_BYTES: usize = 64 * 1024;

type Raw = Box<dyn Read + Send>;
/// The bytes taken to look at, and then the rest.
type Whole = io::Chain<io::Take<Cursor<[u8; 2]>>, Raw>;

/// Reads plain bytes, unpacked if they were gzip (of one or many members).
///
/// A gzip member's checksum stands at its end, so damage inside a member is told only there, after
/// what was unpacked of it has been given out.
///
/// Looks at the input at its first read and not when it is made: making a reader of a pipe must
/// not wait for the pipe.
pub(super) enum MaybeGzip {
    /// Nothing was read; the input is here until the first read takes it.
    Unopened(Option<Raw>),
    Plain(Whole),
    Gzip(Box<MultiGzDecoder<BufReader<Whole>>>),
}

impl MaybeGzip {
    pub(super) fn new(raw: Raw) -> Self {
        MaybeGzip::Unopened(Some(raw))
    }

    /// Plain bytes, whatever they look like: the middle of a file.
    pub(super) fn plain(raw: Raw) -> Self {
        MaybeGzip::Plain(Cursor::new([0; 2]).take(0).chain(raw))
    }

    /// Whether the input turned out to be gzip. False before the first read.
    pub(super) fn is_gzip(&self) -> bool {
        matches!(self, MaybeGzip::Gzip(_))
    }

    fn look(mut raw: Raw) -> io::Result<Self> {
        let mut start = [0; 2];
        let mut length = 0;
        // Stops at the first byte that decides: a pipe that has sent one byte of plain text must
        // not be held up until it sends a second one.
        while length < MAGIC.len() && start[..length] == MAGIC[..length] {
            match raw.read(&mut start[length..]) {
                Ok(0) => break,
                Ok(read) => length += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        let whole = Cursor::new(start).take(length as u64).chain(raw);
        if length == MAGIC.len() && start == MAGIC {
            let buffered = BufReader::with_capacity(COMPRESSED_BUFFER_BYTES, whole);
            Ok(MaybeGzip::Gzip(Box::new(MultiGzDecoder::new(buffered))))
        } else {
            Ok(MaybeGzip::Plain(whole))
        }
    }
}

impl Read for MaybeGzip {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            match self {
                MaybeGzip::Plain(whole) => return whole.read(into),
                MaybeGzip::Gzip(decoder) => return decoder.read(into),
                MaybeGzip::Unopened(raw) => match raw.take() {
                    Some(raw) => *self = MaybeGzip::look(raw)?,
                    // The first look failed; its error has been reported.
                    None => return Ok(0),
                },
            }
        }
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
        MaybeGzip::new(Box::new(Cursor::new(bytes))).read_to_end(&mut out)?;
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
        let read = MaybeGzip::new(Box::new(OneByteSoFar(false))).read(&mut buffer);
        assert_eq!((read.unwrap(), buffer[0]), (1, b'a'));
    }

    #[test]
    fn every_member_of_a_gzip_is_read() {
        let two = [gzip(b"one\n"), gzip(b"two\n")].concat();
        assert_eq!(read(two).unwrap(), b"one\ntwo\n");
    }

    #[test]
    fn a_gzip_cut_short_is_an_error() {
        let mut bytes = gzip(&b"some text\n".repeat(100));
        bytes.truncate(bytes.len() - 5);
        let error = read(bytes).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}
