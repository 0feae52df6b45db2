//! Every kind of input with what it gives.

use std::io::{Cursor, Write};

use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;

fn reader(input: impl Into<Vec<u8>>, format: Format) -> RecordReader {
    let input = Box::new(Cursor::new(input.into()));
    RecordReader::new(input, "in", format, Delimiter::COMMA)
}

/// Everything up to the end: `line@offset text`, and bad records as they print.
fn all(mut reader: RecordReader) -> (Vec<String>, Option<ReadError>) {
    let (mut record, mut out) = (Record::new(), Vec::new());
    loop {
        match reader.next(&mut record) {
            Ok(Outcome::Record) => {
                let (line, offset, text) = (record.line(), record.offset(), record.text());
                out.push(format!("{line}@{offset} {text}"));
            }
            Ok(Outcome::Bad(bad)) => {
                assert_eq!(record.text(), "");
                out.push(bad.to_string());
            }
            Ok(Outcome::End) => return (out, None),
            Err(error) => {
                assert_eq!(reader.next(&mut record).unwrap(), Outcome::End);
                return (out, Some(error));
            }
        }
    }
}

fn read(input: impl Into<Vec<u8>>, format: Format) -> Vec<String> {
    let (out, error) = all(reader(input, format));
    assert!(error.is_none(), "{error:?}");
    out
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn bad_utf8_costs_one_record_in_every_format() {
    let found = read(b"a\n\xffb\nc".to_vec(), Format::Text);
    let bad = "in:2: not valid UTF-8 after the record's first 0 bytes";
    assert_eq!(found, ["1@0 a", bad, "3@5 c"]);
    let found = read(b"h\nab\xc3\nc\n\"\xc3\"\xa9\nd".to_vec(), Format::Csv);
    let [first, second] = [(2, 2), (4, 1)].map(|(line, valid)| {
        format!("in:{line}: not valid UTF-8 after the record's first {valid} bytes")
    });
    assert_eq!(found, [&*first, "3@6 c", &*second, "5@13 d"]);
    let found = read(b"{\"a\":\"\xff\"}\n{}\n".to_vec(), Format::NdJson);
    let bad = "in:1: not valid UTF-8 after the record's first 6 bytes";
    assert_eq!(found, [bad, "2@10 {}"]);
}

#[test]
fn rows_of_the_wrong_width_are_passed_over_and_lines_stay_right() {
    let input = "a,b\r\n1,\"x\r\ny\"\r\n\r\n1\r\n1,2,\"\n3\"\r\n\r\n\"\n\",4\r\n";
    let expected = [
        "2@5 1,\"x\r\ny\"",
        "in:5: the row has 1 column, the header has 2",
        "in:6: the row has 3 columns, the header has 2",
        "9@32 \"\n\",4",
    ];
    assert_eq!(read(input, Format::Csv), expected);
}

#[test]
fn broken_json_is_passed_over_and_blank_lines_are_skipped() {
    let input = "\u{feff}{\"a\":1}\r\n\r\n  \n[1]\n{\"a\":1}}\n{\"a\"\n{}";
    let found = read(input, Format::NdJson);
    assert_eq!(found.len(), 5);
    assert_eq!(found[0], "1@3 {\"a\":1}");
    assert!(found[1].starts_with("in:4: not a JSON object: invalid type: sequence"));
    assert!(found[2].starts_with("in:5: not a JSON object: trailing characters"));
    assert!(found[3].starts_with("in:6: not a JSON object: EOF"));
    assert_eq!(found[4], "7@35 {}");
}

#[test]
fn a_reader_can_move_to_another_thread() {
    fn is_send<T: Send>(_: &T) {}
    is_send(&reader("", Format::Csv));
}

#[test]
fn empty_inputs_end_at_once() {
    for format in [Format::Text, Format::Csv, Format::NdJson] {
        for input in ["", "\u{feff}"] {
            assert_eq!(read(input, format), [""; 0]);
        }
        assert_eq!(read(gzip(b""), format), [""; 0]);
    }
    assert_eq!(read("\n\r\n\n", Format::Csv), [""; 0]);
    assert_eq!(read("a,b\n\r", Format::Csv), [""; 0]);
    assert!(reader("", Format::Csv).header().unwrap().is_none());
    assert!(reader("a", Format::Text).header().unwrap().is_none());
}

#[test]
fn the_header_can_be_asked_before_and_after_reading() {
    let mut reader = reader("\u{feff}\n\"id\",\"te\nxt\",id\n1,2,3\n", Format::Csv);
    let header = Arc::clone(reader.header().unwrap().unwrap());
    assert!(header.names().eq(["id", "te\nxt", "id"]));
    assert_eq!(header.position("id"), Some(0));
    let mut record = Record::new();
    assert_eq!(reader.next(&mut record).unwrap(), Outcome::Record);
    assert_eq!(record.line(), 4);
    assert!(Arc::ptr_eq(reader.header().unwrap().unwrap(), &header));
}

#[test]
fn a_broken_header_ends_the_reading() {
    let (out, error) = all(reader(b"\na,\xff\n1,2\n".to_vec(), Format::Csv));
    assert_eq!(out, [""; 0]);
    let message = error.unwrap().to_string();
    assert_eq!(
        message,
        "`in`, line 2: the header cannot be read: not valid UTF-8 after the record's first 2 \
         bytes"
    );
}

#[test]
fn a_line_of_16_mib_is_bad_and_memory_stays_bounded() {
    let long = "x".repeat(crate::connectors::files::MAX_RECORD_BYTES);
    let input = format!("a\n{long}{long}{long}\nb");
    let mut reader = reader(input, Format::Text);
    let mut record = Record::new();
    let mut steps = Vec::new();
    loop {
        let next = reader.next(&mut record).unwrap();
        assert!(record.text.capacity() <= 2 * crate::connectors::files::MAX_RECORD_BYTES);
        match next {
            Outcome::Record => steps.push(record.text().to_owned()),
            Outcome::Bad(bad) => steps.push(bad.to_string()),
            Outcome::End => break,
        }
    }
    let bad = "in:2: the line is longer than 16777216 bytes";
    assert_eq!(steps, ["a", bad, "b"]);
}

#[test]
fn gzip_is_unpacked_whatever_its_name_and_number_of_members() {
    let two = [gzip(b"one\ntw"), gzip(b"o\n")].concat();
    assert_eq!(read(two, Format::Text), ["1@0 one", "2@4 two"]);
}

#[test]
fn a_gzip_cut_short_gives_its_whole_records_and_then_names_the_source() {
    let lines: String = (0..50_000).map(|n| format!("line {n}\n")).collect();
    let mut bytes = gzip(lines.as_bytes());
    bytes.truncate(bytes.len() / 2);
    let (out, error) = all(reader(bytes, Format::Text));
    assert!(out.len() > 1_000);
    for (n, text) in out.iter().enumerate() {
        assert!(text.ends_with(&format!(" line {n}")), "{text}");
    }
    let message = error.unwrap().to_string();
    let line = out.len() + 1;
    let expected = format!("cannot read `in` beyond line {line}: the gzip data is cut short");
    assert_eq!(message, expected);
}

#[test]
fn opening_goes_by_the_name_unless_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.tsv");
    std::fs::write(&path, "a\tb,c\n1\t2,3\n").unwrap();
    let source = Source::File(path);
    let columns = |format, delimiter| {
        let mut reader = RecordReader::open(&source, format, delimiter).unwrap();
        reader.header().unwrap().map(ToString::to_string)
    };
    assert_eq!(columns(None, None).as_deref(), Some("`a`, `b,c`"));
    let comma = Some(Delimiter::COMMA);
    assert_eq!(columns(None, comma).as_deref(), Some("`a\tb`, `c`"));
    assert_eq!(columns(Some(Format::Text), None), None);
    let absent = Source::File(folder.path().join("absent"));
    let error = RecordReader::open(&absent, None, None).unwrap_err();
    assert!(error.to_string().contains("absent"));
}
