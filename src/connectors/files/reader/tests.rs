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
fn bad_utf8_costs_one_line_of_text_and_no_other_record() {
    let found = read(b"a\n\xffb\nc".to_vec(), Format::Text);
    let bad = "in:2: the record is not valid UTF-8 after its first 0 bytes: name the encoding of \
               the input, such as --encoding latin1";
    assert_eq!(found, ["1@0 a", bad, "3@5 c"]);
    let found = read(b"h\nab\xc3\nc\n\"\xc3\"\xa9\nd".to_vec(), Format::Csv);
    let marked = "4@8 \"\u{fffd}\"\u{fffd}";
    assert_eq!(found, ["2@2 ab\u{fffd}", "3@6 c", marked, "5@13 d"]);
    let found = read(b"{\"a\":\"\xff\"}\n{}\n".to_vec(), Format::NdJson);
    assert_eq!(found, ["1@0 {\"a\":\"\u{fffd}\"}", "2@10 {}"]);
}

#[test]
fn an_encoding_that_is_given_is_that_of_everything() {
    type Encode = fn(&str) -> Vec<u8>;
    let latin: Encode = |text| text.chars().map(|char| char as u8).collect();
    let wide: Encode = |text| text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let encode = [("latin1", latin, 1), ("utf-16le", wide, 2)];
    for (label, encode, unit) in encode {
        for mark in ["", "\u{feff}"] {
            if !mark.is_empty() && unit == 1 {
                continue;
            }
            let start = mark.chars().count() as u64 * unit;
            let table = [
                (
                    Format::Text,
                    "é\r\n\nü",
                    vec![(1, 0, "é"), (2, 3, ""), (3, 4, "ü")],
                ),
                (
                    Format::Csv,
                    "é,h\r\"ä\nö\",1\rb,2",
                    vec![(2, 4, "\"ä\nö\",1"), (4, 12, "b,2")],
                ),
                (
                    Format::NdJson,
                    "{\"é\":1}\n{}",
                    vec![(1, 0, "{\"é\":1}"), (2, 8, "{}")],
                ),
            ];
            for (format, text, expected) in table {
                let bytes = encode(&format!("{mark}{text}"));
                for bytes in [bytes.clone(), gzip(&bytes)] {
                    let (found, error) = all(reader(bytes, format).encoding(label.parse().ok()));
                    assert!(error.is_none(), "{error:?}");
                    let expected = expected.iter().map(|(line, offset, text)| {
                        format!("{line}@{} {text}", start + offset * unit)
                    });
                    assert!(
                        found.iter().cloned().eq(expected),
                        "{label} {format}: {found:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn a_delimiter_that_is_a_part_of_characters_is_refused() {
    let open = |label: &str, delimiter: &str| {
        let input = Box::new(Cursor::new(b"a|b\n\x83\x7c|1\n".to_vec()));
        let delimiter = delimiter.parse().unwrap();
        let reader = RecordReader::new(input, "in", Format::Csv, delimiter);
        reader.encoding(label.parse().ok())
    };
    for label in ["shift_jis", "gbk", "big5", "gb18030"] {
        let told =
            format!("`in` cannot be cut at `|`, which is part of other characters in {label}");
        let error = open(label, "|").look().unwrap_err().to_string();
        assert!(error.starts_with(&told), "{error}");
        assert!(open(label, "|").next(&mut Record::new()).is_err());
    }
    for (label, delimiter) in [("shift_jis", ","), ("gbk", ";"), ("latin1", "|"), ("", "|")] {
        assert!(open(label, delimiter).look().is_ok());
    }
}

#[test]
fn what_is_no_text_is_told_with_what_to_do() {
    let table: [(&[u8], &str, &str); 5] = [
        (
            b"\xff\xfew\0,\0v\0",
            "",
            "`in` looks like UTF-16 (little-endian): give --encoding utf-16le",
        ),
        (
            b"w\0,\0v\0\n\0",
            "",
            "`in` looks like UTF-16 (little-endian)",
        ),
        (
            b"\x28\xb5\x2f\xfd...",
            "",
            "`in` looks like zstd: unpack it first",
        ),
        (b"PK\x03\x04...", "latin1", "`in` looks like zip"),
        (
            b"\xfe\xff\0a",
            "utf-16le",
            "`in` begins with the byte order mark of UTF-16 (big-endian), but --encoding is",
        ),
    ];
    for format in [Format::Text, Format::Csv, Format::NdJson] {
        for (bytes, encoding, told) in table {
            let looked = reader(bytes, format).encoding(encoding.parse().ok()).look();
            let (records, read) = all(reader(bytes, format).encoding(encoding.parse().ok()));
            assert!(records.is_empty());
            for error in [looked.unwrap_err(), read.unwrap()] {
                let error = error.to_string();
                assert!(error.starts_with(told), "{error}");
            }
        }
    }
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
    let (out, error) = all(reader(b"\na,\"x\n1,2\n".to_vec(), Format::Csv));
    assert_eq!(out, [""; 0]);
    let message = error.unwrap().to_string();
    assert_eq!(
        message,
        "`in`, line 2: the header cannot be read: a quote in the row is never closed: everything \
         from here to the end of the file (2 lines) reads as one row"
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
    let expected = format!("cannot read `in` after line {line}: the gzip data is cut short");
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
    assert_eq!(columns(None, comma).as_deref(), Some("`a\\tb`, `c`"));
    assert_eq!(columns(Some(Format::Text), None), None);
    let absent = Source::File(folder.path().join("absent"));
    let error = RecordReader::open(&absent, None, None).unwrap_err();
    assert!(error.to_string().contains("absent"));
}
