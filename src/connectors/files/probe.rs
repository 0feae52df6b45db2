//! Looks into the sources before a run starts, so that a mistyped column or time format is told at
//! once and not after an hour of dead letters.

use std::sync::Arc;

use super::columns::Columns;
use super::csv_rows::Header;
use super::encoding::Encoding;
use super::event_time::{EventTime, NoTime};
use super::field::FieldSelector;
use super::field_error::{FieldError, MissingColumn};
use super::field_watch::FieldWatch;
use super::format::{Delimiter, Format};
use super::input::{InputError, Source};
use super::reader::{Outcome, ReadError, RecordReader};
use super::record::Record;
use crate::error::{BoxError, Fatal};
use crate::text::Shown;

/// Of this many records, over all sources in order, one must have a time.
pub const MAX_RECORDS_WITHOUT_TIME: u64 = 100;

/// How many records (bad ones included) are read of one source to find its first time.
pub const MAX_RECORDS_PER_SOURCE: u64 = 1_000;

/// What to look for.
#[derive(Clone, Debug, Default)]
pub struct Probe<'a> {
    /// The sources in the order in which they will be read. Streams are left alone: what is read
    /// of them here would be missing later.
    pub sources: &'a [Source],
    /// The format, or `None` to go by each source's name.
    pub format: Option<Format>,
    /// The CSV delimiter, or `None` to go by each source's name.
    pub delimiter: Option<Delimiter>,
    /// The encoding, or `None` for UTF-8.
    pub encoding: Option<Encoding>,
    /// The columns of lines of text, if these have any.
    pub columns: Option<&'a Columns>,
    /// The fields that will be asked of each record.
    pub fields: &'a [FieldSelector],
    /// Notes what the first record of each source has. Where all sources are CSV, and none has
    /// one of its fields, that is an error.
    pub watch: Option<&'a FieldWatch>,
    /// Where the time of a record is.
    pub time: Option<&'a EventTime>,
    /// More may be appended to the files: what is not whole at their end is not looked at.
    pub growing: bool,
}

/// Which fields the records of a source have.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fields {
    None,
    /// The same ones, which are known before the first record.
    Columns,
    /// Each its own.
    Names,
}

impl Probe<'_> {
    fn fields_of(&self, source: &Source) -> Fields {
        let by_name = || Format::from_name(&source.name());
        match self.format.unwrap_or_else(by_name) {
            Format::Text if self.columns.is_none() => Fields::None,
            Format::Text | Format::Csv => Fields::Columns,
            Format::NdJson => Fields::Names,
        }
    }
}

/// What would make the run fail or do nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProbeError {
    /// A source cannot be opened.
    #[error(transparent)]
    Input(#[from] InputError),
    /// A source cannot be read, or has no usable header.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A CSV file lacks a column.
    #[error("`{}`: {missing}", Shown(name))]
    MissingColumn {
        /// The name of the source.
        name: String,
        /// The column asked and the columns found.
        missing: MissingColumn,
    },
    /// A field was asked of plain text.
    #[error(
        "`{}` is read as plain text, which has no field `{}`; is it CSV or NDJSON?",
        Shown(name),
        Shown(field)
    )]
    NoFields {
        /// The name of the source.
        name: String,
        /// The field that was asked for.
        field: String,
    },
    /// The name of a field has brackets that cannot be, and none of the first records has a key of
    /// this full name.
    #[error("`{}`: {error}", Shown(name))]
    Field {
        /// The name of the source.
        name: String,
        /// What is wrong with the name of the field.
        error: FieldError,
    },
    /// None of the first records has a time.
    #[error(
        "none of the first {records} records has a readable time in {field}; the first one: {first}"
    )]
    NoTime {
        /// How many records were looked at.
        records: u64,
        /// The field asked for the time.
        field: String,
        /// The source and line of the first value that is no time, with the value and the format;
        /// where no record has any value, the first record.
        first: String,
    },
}

impl ReadError {
    /// As the error of a task: what is damaged is so at the next attempt, too.
    pub(super) fn into_cause(self) -> BoxError {
        match &self {
            Self::Io { hint: "", .. } => self.into(),
            Self::Io { .. } => Fatal::new(self).into(),
            // What is wrong with the input is told as such.
            Self::Header { .. } | Self::Foreign { .. } => Fatal::new(ProbeError::Read(self)).into(),
        }
    }
}

/// Checks the sources before a run.
///
/// - Every source can be opened, and is text by its first bytes; every CSV header has all columns asked, fields of plain text are
///   not asked for. A CSV file without any row asks for nothing.
/// - Brackets in the name of a field of JSON are `[]` behind the name of an array, where several
///   values are wanted, or of a key in the first [`MAX_RECORDS_PER_SOURCE`] records.
/// - Of the fields that are watched each is in some CSV header, where there are only CSV files.
/// - Of the first [`MAX_RECORDS_WITHOUT_TIME`] records over all sources one has a time, unless
///   there are no records at all.
///
/// Gives, for each source, the time of its first record that has one, in milliseconds since 1970.
/// `None` for a stream, for a source without a time in its first [`MAX_RECORDS_PER_SOURCE`]
/// records, and for all if no time was asked. Reads of each source only as far as its first time.
///
/// # Errors
/// [`ProbeError`], for the first source in order that has something wrong.
pub fn probe(asked: &Probe<'_>) -> Result<Vec<Option<i64>>, ProbeError> {
    let mut search = Search {
        watch: asked.watch.cloned(),
        ..Search::default()
    };
    check_names(asked)?;
    let mut first_times_ms = Vec::with_capacity(asked.sources.len());
    for source in asked.sources {
        first_times_ms.push(if source.is_stream() {
            None
        } else {
            look_into(source, asked, &mut search)?
        });
    }
    let streams = asked.sources.iter().any(Source::is_stream);
    if let (false, false, Some((name, header)), Some(watch)) = (
        streams,
        search.others,
        search.first_header.take(),
        asked.watch,
    ) && let Some(field) = watch.not_found().next()
    {
        let missing = FieldSelector::named(field).resolve(&header);
        missing.map_err(|missing| ProbeError::MissingColumn { name, missing })?;
    }
    if !search.found && search.records > 0 {
        return Err(search.no_time(asked));
    }
    Ok(first_times_ms)
}

/// The search for a time over all sources.
#[derive(Default)]
struct Search {
    records: u64,
    found: bool,
    /// The first value that is no time.
    bad_value: Option<String>,
    /// The first record.
    no_value: Option<String>,
    record: Record,
    watch: Option<FieldWatch>,
    /// The first CSV header, and whose it is.
    first_header: Option<(String, Arc<Header>)>,
    /// Whether a source is not CSV.
    others: bool,
}

impl Search {
    fn no_time(&mut self, asked: &Probe<'_>) -> ProbeError {
        let first = self.bad_value.take().or(self.no_value.take());
        ProbeError::NoTime {
            records: self.records,
            field: asked.time.map_or_else(String::new, ToString::to_string),
            first: first.unwrap_or_default(),
        }
    }

    /// The time of the record just read.
    fn time(&mut self, time: &EventTime) -> Option<i64> {
        self.records += 1;
        let why: String = match time.of(&self.record) {
            Ok(time) => {
                self.found = true;
                return Some(time.millis());
            }
            Err(NoTime::Missing { .. }) => {
                if let Some(field) = time.selector()
                    && !self.found
                    && self.no_value.is_none()
                {
                    let mut watch = FieldWatch::over([field.clone()]);
                    watch.look(&self.record);
                    let missing = watch.missing();
                    self.no_value = Some(if missing.fields.is_empty() {
                        self.at("it has no value there")
                    } else {
                        self.at(&missing.of_the_record())
                    });
                }
                return None;
            }
            Err(NoTime::Bad { reason }) => reason,
        };
        if !self.found && self.bad_value.is_none() {
            self.bad_value = Some(self.at(&why));
        }
        None
    }

    /// Notes the columns of a CSV file.
    fn note_header(
        &mut self,
        source: &Source,
        asked: &Probe<'_>,
        reader: &mut RecordReader,
    ) -> Result<(), ReadError> {
        let name = source.name();
        if asked.fields_of(source) != Fields::Columns {
            self.others = true;
        } else if let Some(header) = reader.header()? {
            if let Some(watch) = &self.watch {
                watch.note_header(header);
            }
            let header = Arc::clone(header);
            self.first_header.get_or_insert((name, header));
        }
        Ok(())
    }

    fn at(&self, why: &str) -> String {
        format!(
            "{}:{}: {why}",
            Shown(self.record.source()),
            self.record.line()
        )
    }
}

/// None where it is gone, and may be found again later.
fn open(source: &Source, asked: &Probe<'_>) -> Result<Option<RecordReader>, ProbeError> {
    let reader = if asked.growing {
        match RecordReader::open_growing(source, asked.format, asked.delimiter) {
            // It was listed a moment ago, and renamed or packed since.
            Err(error) if error.is_gone() => return Ok(None),
            reader => reader?,
        }
    } else {
        RecordReader::open(source, asked.format, asked.delimiter)?
    };
    let reader = reader.encoding(asked.encoding);
    let mut reader = reader.columns(asked.columns.cloned());
    reader.look()?;
    Ok(Some(reader))
}

/// Names that are no paths of JSON are those of keys.
fn check_names(asked: &Probe<'_>) -> Result<(), ProbeError> {
    let time = asked.time.and_then(EventTime::selector);
    let watched = asked.watch.into_iter().flat_map(FieldWatch::selectors);
    let fields = asked.fields.iter().chain(time).chain(watched);
    let mut left: Vec<_> = fields
        .filter_map(|field| Some((field, field.no_path()?)))
        .collect();
    let json = |source: &&Source| !source.is_stream() && asked.fields_of(source) == Fields::Names;
    let (mut first, mut records) = (None, 0);
    let (mut record, mut watch) = (Record::new(), asked.watch.cloned());
    for source in asked.sources.iter().filter(json) {
        if left.is_empty() || records >= MAX_RECORDS_PER_SOURCE {
            break;
        }
        let Some(mut reader) = open(source, asked)? else {
            continue;
        };
        while !left.is_empty() && records < MAX_RECORDS_PER_SOURCE {
            match reader.next(&mut record)? {
                Outcome::Record => {}
                Outcome::Bad(_) => {
                    records += 1;
                    continue;
                }
                Outcome::End => break,
            }
            records += 1;
            first.get_or_insert_with(|| source.name());
            if let Some(watch) = &mut watch {
                watch.note(&record);
            }
            left.retain(|(field, _)| !record.has(field));
        }
    }
    match (first, left.into_iter().next()) {
        (Some(name), Some((_, error))) => Err(ProbeError::Field { name, error }),
        _ => Ok(()),
    }
}

fn look_into(
    source: &Source,
    asked: &Probe<'_>,
    search: &mut Search,
) -> Result<Option<i64>, ProbeError> {
    let Some(mut reader) = open(source, asked)? else {
        return Ok(None);
    };
    check_fields(source, asked, &mut reader)?;
    search.note_header(source, asked, &mut reader)?;
    let mut noted = false;
    for _ in 0..MAX_RECORDS_PER_SOURCE {
        let looks = !noted && search.watch.as_ref().is_some_and(|it| !it.is_complete());
        if asked.time.is_none() && !looks {
            return Ok(None);
        }
        match reader.next(&mut search.record)? {
            Outcome::Bad(_) => continue,
            Outcome::End => break,
            Outcome::Record => {}
        }
        if let Some(watch) = search.watch.as_mut().filter(|_| looks) {
            watch.note(&search.record);
        }
        noted = true;
        let Some(time) = asked.time else {
            return Ok(None);
        };
        if let Some(ms) = search.time(time) {
            return Ok(Some(ms));
        }
        if !search.found && search.records >= MAX_RECORDS_WITHOUT_TIME {
            return Err(search.no_time(asked));
        }
    }
    Ok(None)
}

fn check_fields(
    source: &Source,
    asked: &Probe<'_>,
    reader: &mut RecordReader,
) -> Result<(), ProbeError> {
    let name = source.name();
    let time = asked.time.and_then(EventTime::selector);
    let mut columns = asked
        .fields
        .iter()
        .chain(time)
        .filter_map(FieldSelector::name);
    match asked.fields_of(source) {
        Fields::Names => {}
        Fields::None => {
            if let Some(field) = columns.next() {
                let field = field.to_owned();
                return Err(ProbeError::NoFields { name, field });
            }
        }
        Fields::Columns => {
            if let Some(header) = reader.header()? {
                for column in columns {
                    FieldSelector::named(column)
                        .resolve(header)
                        .map_err(|missing| ProbeError::MissingColumn {
                            name: name.clone(),
                            missing,
                        })?;
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    struct Files {
        folder: tempfile::TempDir,
        sources: Vec<Source>,
    }

    fn files(contents: &[(&str, &str)]) -> Files {
        let folder = tempfile::tempdir().unwrap();
        let mut sources = Vec::new();
        for (name, content) in contents {
            let path = folder.path().join(name);
            fs::write(&path, content).unwrap();
            sources.push(Source::File(path));
        }
        Files { folder, sources }
    }

    impl Files {
        fn probe(
            &self,
            fields: &[&str],
            time: Option<(&str, &str)>,
        ) -> Result<Vec<Option<i64>>, String> {
            let fields: Vec<_> = fields
                .iter()
                .map(|name| FieldSelector::named(name))
                .collect();
            let time = time.map(|(field, format)| {
                EventTime::field(FieldSelector::named(field), format.parse().unwrap())
            });
            let asked = Probe {
                sources: &self.sources,
                fields: &fields,
                time: time.as_ref(),
                ..Probe::default()
            };
            probe(&asked).map_err(|error| {
                let root = format!("{}/", self.folder.path().display());
                error.to_string().replace(&root, "")
            })
        }
    }

    #[test]
    fn each_source_gives_its_first_time() {
        let files = files(&[
            ("a.csv", "t,x\n,1\nsoon,2\n5,3\n6,4\n"),
            ("b.ndjson", "broken\n{}\n{\"t\":4.5,\"x\":1}\n"),
            ("c.csv", "t,x\n"),
            ("d.csv", ""),
        ]);
        let times = files.probe(&["x"], Some(("t", "unix")));
        assert_eq!(times, Ok(vec![Some(5_000), Some(4_500), None, None]));
        assert_eq!(files.probe(&["x"], None), Ok(vec![None; 4]));
    }

    #[test]
    fn a_missing_column_is_told_with_its_file() {
        let files = files(&[("a.csv", "x,y\n1,2\n"), ("b.csv", "x,z\n1,2\n")]);
        let error = files.probe(&["y"], None).unwrap_err();
        assert_eq!(
            error,
            "`b.csv`: there is no column `y`; the columns are `x`, `z`"
        );
        let error = files.probe(&[], Some(("t", "unix"))).unwrap_err();
        assert_eq!(
            error,
            "`a.csv`: there is no column `t`; the columns are `x`, `y`"
        );
    }

    #[test]
    fn a_field_of_plain_text_is_refused() {
        let error = files(&[("a.txt", "x\n")]).probe(&["x"], None).unwrap_err();
        assert_eq!(
            error,
            "`a.txt` is read as plain text, which has no field `x`; is it CSV or NDJSON?"
        );
    }

    #[test]
    fn a_time_format_that_fits_nothing_is_told_with_the_first_value() {
        let rows = "x\n".repeat(60);
        let first = format!("t\n\"\"\n{rows}");
        let files = files(&[("a.csv", &first), ("b.csv", &format!("t\n{rows}7\n"))]);
        let error = files.probe(&[], Some(("t", "unix"))).unwrap_err();
        let start = "none of the first 100 records has a readable time in `t`; the first one: \
                     a.csv:3: `x` is not a time of the format unix: ";
        assert!(error.starts_with(start), "{error}");
    }

    #[test]
    fn one_time_among_the_first_hundred_records_is_enough() {
        let late = format!("t\n{}7\n", "x\n".repeat(99));
        let files = files(&[
            ("a.csv", &late),
            ("b.csv", &format!("t\n{}8\n", "x\n".repeat(500))),
        ]);
        let times = files.probe(&[], Some(("t", "unix")));
        assert_eq!(times, Ok(vec![Some(7_000), Some(8_000)]));
    }

    #[test]
    fn a_field_without_any_value_is_told_with_the_first_record() {
        let files = files(&[("a.ndjson", "\n{\"x\":1}\n{\"x\":2}\n")]);
        let error = files.probe(&[], Some(("t", "rfc3339"))).unwrap_err();
        assert_eq!(
            error,
            "none of the first 2 records has a readable time in `t`; the first one: a.ndjson:2: \
             it has no field `t`; the fields are `x`"
        );
    }

    #[test]
    fn the_search_in_one_source_is_bounded() {
        let late = format!("t\n{}8\n", "x\n".repeat(1_000));
        let files = files(&[("a.csv", "t\n7\n"), ("b.csv", &late)]);
        let times = files.probe(&[], Some(("t", "unix")));
        assert_eq!(times, Ok(vec![Some(7_000), None]));
    }

    #[test]
    fn streams_are_left_alone_and_absent_files_told() {
        let mut files = files(&[]);
        files.sources = vec![Source::Stdin];
        #[cfg(unix)]
        files.sources.push(Source::File("/dev/zero".into()));
        let none = vec![None; files.sources.len()];
        assert_eq!(files.probe(&["x"], Some(("t", "unix"))), Ok(none));
        files
            .sources
            .push(Source::File(files.folder.path().join("absent.csv")));
        assert_eq!(
            files.probe(&[], None),
            Err("cannot open `absent.csv`".to_owned())
        );
    }
}
