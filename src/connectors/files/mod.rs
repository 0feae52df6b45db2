//! Records from files, folders, globs and standard input.
//!
//! Plain synchronous readers, and on top of them one spout. In the order in which data
//! flows:
//!
//! | file | idea |
//! |---|---|
//! | `input` | what the user named (`logs/`, `'logs/*.gz'`, `-`): [`resolve`] makes [`Source`]s of it |
//! | `format` | text, CSV or NDJSON ([`Format`]), by name or by suffix, and the CSV [`Delimiter`] |
//! | `encoding` | in which [`Encoding`] an input is, where it is not UTF-8 |
//! | `sniff` | what an input is by its first bytes: text, gzip, or what cannot be read |
//! | `gzip` | gzip is unpacked on the way |
//! | `utf16` | UTF-16 becomes UTF-8 on the way |
//! | `members` | the members of a gzip file, which may grow |
//! | `lines` | physical lines with number and byte offset, bounded by [`MAX_RECORD_BYTES`] |
//! | `cut` | where a record ends: at a line end, or for CSV at one outside quotes |
//! | `columns` | the columns of a line of text, by the groups of a regular expression: [`Columns`] |
//! | `csv_rows` | the columns of a CSV row, and their names, the [`Header`] |
//! | `json` | where in a JSON line each top-level value stands |
//! | `json_value` | one value in the text of a JSON line |
//! | `reader` | [`RecordReader`]: all that makes records; a [`BadRecord`] is told and passed over |
//! | `record` | one [`Record`], its place in the input, and its fields |
//! | `scalar` | [`Scalar`]: the value of a field |
//! | `damage` | what of a record is not of the encoding of its input |
//! | `object` | a record as an object of JSON, and one of such an object |
//! | `elements` | `[]` in a JSON path: each element of an array |
//! | `field` | [`FieldSelector`]: the record itself, a CSV column, a dotted JSON path |
//! | `field_error` | [`FieldError`]: why a record does not give a field |
//! | `field_watch` | [`FieldWatch`]: which of the fields that are asked for no record has |
//! | `event_time` | [`EventTime`]: where the time of a record comes from |
//! | `time` | [`TimeFormat`]: the text of a field becomes milliseconds since 1970 |
//! | `time_numbers` | [`TimeUnit`]: times that are written as numbers since 1970 |
//! | `time_parts` | [`TimePart`]: what the pattern of a time must have, and must not have |
//! | `runs` | where in a text the runs of letters and digits are, 64 bytes at a time |
//! | `words` | [`Split`]: the text of a field becomes words |
//! | `probe` | [`probe()`]: all of the above on the first records, before a run starts |
//! | `progress` | how many bytes have been read: [`Progress`] |
//! | `stream` | a thread that reads what may keep one waiting: standard input, pipes |
//! | `builder` | [`Files`]: what to read, and how |
//! | `fingerprint` | what tells one file from another, whatever it is called |
//! | `content` | what a file holds: how it begins, and what it may be a copy of |
//! | `trail` | what was read of a file that may be another one by now |
//! | `position` | how far a file was read, and whether it is still that file |
//! | `read_as` | in which format a file was read, and what the spout states of all |
//! | `reading` | one source of a task, opened where it was left |
//! | `follow` | files that appear, grow and move while they are read |
//! | `decode` | what makes tuples of a record, with times or without |
//! | `spout` | [`FileSpout`]: records become tuples, each file a split with a watermark |
//!
//! # Example
//! ```
//! use squall::connectors::files::{FieldSelector, Format, Outcome, Record, RecordReader, Split};
//!
//! let csv = "user,text\nann,\"Hello,\nhello\"\nbob\neve,Good bye\n";
//! let mut reader = RecordReader::new(
//!     Box::new(csv.as_bytes()),
//!     "chat.csv",
//!     Format::Csv,
//!     Default::default(),
//! );
//! let text = FieldSelector::named("text");
//! let (mut record, mut scratch) = (Record::new(), String::new());
//! let (mut words, mut bad) = (Vec::new(), Vec::new());
//! loop {
//!     match reader.next(&mut record)? {
//!         Outcome::Record => {
//!             if let Some(text) = record.field(&text)? {
//!                 Split::Words.for_each_word(&text, &mut scratch, |word| words.push(word.to_owned()));
//!             }
//!         }
//!         Outcome::Bad(row) => bad.push(row.to_string()),
//!         Outcome::End => break,
//!     }
//! }
//! assert_eq!(words, ["hello", "hello", "good", "bye"]);
//! assert_eq!(bad, ["chat.csv:4: the row has 1 column, the header has 2"]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod builder;
mod columns;
mod content;
mod csv_rows;
mod cut;
mod damage;
mod decode;
mod elements;
mod encoding;
mod event_time;
mod field;
mod field_error;
mod field_watch;
mod fingerprint;
mod follow;
mod format;
mod gzip;
mod input;
mod json;
mod json_value;
mod lines;
mod members;
mod object;
mod position;
mod probe;
mod progress;
mod read_as;
mod reader;
mod reading;
mod record;
mod runs;
mod scalar;
mod sniff;
mod spout;
mod stream;
mod time;
mod time_numbers;
mod time_parts;
mod trail;
mod utf16;
mod words;

pub use builder::Files;
pub use columns::{Columns, ColumnsError};
pub use csv_rows::Header;
pub use decode::{Decode, Decoder, TimedDecoder, TimedOut};
pub use encoding::{Encoding, EncodingError};
pub use event_time::{EventTime, NoTime};
pub use field::FieldSelector;
pub use field_error::{FieldError, MissingColumn};
pub use field_watch::{FieldWatch, MissingFields};
pub use format::{Delimiter, Format, FormatError};
pub use input::{InputError, Source, finds, resolve};
pub use lines::MAX_RECORD_BYTES;
pub use position::PositionError;
pub use probe::{MAX_RECORDS_PER_SOURCE, MAX_RECORDS_WITHOUT_TIME, Probe, ProbeError, probe};
pub use progress::Progress;
pub use read_as::ReadOtherwise;
pub use reader::{BadRecord, Outcome, ReadError, RecordReader};
pub use record::{Fields, Record};
pub use scalar::Scalar;
pub use spout::FileSpout;
pub use time::{TimeError, TimeFormat, TimeFormatError, plain_time};
pub use time_numbers::{TimeNumberError, TimeUnit};
pub use time_parts::{TimePart, TimePartsError, check_time_parts};
pub use words::{Split, SplitError};
