//! Tells of fields that are asked for and that no record has.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::csv_rows::Header;
use super::field::FieldSelector;
use super::record::{Content, Record};
use crate::text::{excerpt, nearest};

/// After so many records of a run it is told what none of them has.
const TOLD_AFTER: u64 = 1_000;

/// So many names that records have are kept to find the nearest one among.
const MAX_NAMES: usize = 256;

/// So many of them are shown where none is near.
const MAX_SHOWN: usize = 12;

/// Names of values inside of others are kept down to this depth: `a.b.c`.
const DEEPEST: usize = 3;

/// Sees which of the fields that are asked for records have.
///
/// Clones see the same run: what one task finds, all have found, so a field that one file has and
/// another has not is not missing. It is logged once, after the first 1,000 records of the run,
/// what none of them has, with the nearest name that they have. Where the input ends before that,
/// it is logged at its end. A record has a field that is null.
///
/// Looking costs nothing once every field was found.
///
/// ```
/// use squall::connectors::files::{FieldSelector, FieldWatch, Format, Record, RecordReader};
///
/// let json = br#"{"t":1,"Country":"CZ"}"#;
/// let mut reader =
///     RecordReader::new(Box::new(&json[..]), "a.ndjson", Format::NdJson, Default::default());
/// let mut record = Record::new();
/// reader.next(&mut record)?;
///
/// let mut watch = FieldWatch::over(["t", "country"].map(FieldSelector::named));
/// watch.look(&record);
/// let missing = watch.missing();
/// assert_eq!(missing.to_string(), "no record has the field `country` (nearest: `Country`)");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct FieldWatch {
    shared: Arc<Shared>,
    /// The header that was looked at last: the rows under it have the same columns.
    header: Option<Arc<Header>>,
}

/// What all tasks of a run have found. Each atomic is a value of its own: whoever sees one a
/// moment early or late looks once more, or once less.
#[derive(Debug, Default)]
struct Shared {
    asked: Vec<Asked>,
    /// How many of them no record has so far.
    left: AtomicUsize,
    records: AtomicU64,
    names: Mutex<BTreeSet<String>>,
    told: AtomicU8,
    /// The tasks whose input has ended.
    ended: Mutex<BTreeSet<usize>>,
}

#[derive(Debug)]
struct Asked {
    field: FieldSelector,
    found: AtomicBool,
}

/// Nothing was told so far.
const NOTHING: u8 = 0;
/// It was told while the run went on.
const MEANWHILE: u8 = 1;
/// It was told at the end.
const AT_THE_END: u8 = 2;

/// The fields that no record has; shown as a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingFields {
    /// Each with the name that was probably meant, where the records have one that is near.
    pub fields: Vec<(String, Option<String>)>,
    /// The names that records have, in order, at most 256.
    pub names: Vec<String>,
}

impl FieldWatch {
    /// Watches these fields; whole records are none.
    #[must_use]
    pub fn over(fields: impl IntoIterator<Item = FieldSelector>) -> Self {
        let mut asked: Vec<Asked> = Vec::new();
        for field in fields {
            let known = asked.iter().any(|known| known.field.name() == field.name());
            if field.name().is_some() && !known {
                let found = AtomicBool::new(false);
                asked.push(Asked { field, found });
            }
        }
        let shared = Shared {
            left: AtomicUsize::new(asked.len()),
            asked,
            ..Shared::default()
        };
        Self {
            shared: Arc::new(shared),
            header: None,
        }
    }

    /// Whether every field was found.
    #[inline]
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.shared.left.load(Ordering::Relaxed) == 0
    }

    /// Looks at the next record of the run.
    #[inline]
    pub fn look(&mut self, record: &Record) {
        if !self.is_complete() {
            self.look_closely(record);
        }
    }

    #[cold]
    fn look_closely(&mut self, record: &Record) {
        self.note(record);
        let records = self.shared.records.fetch_add(1, Ordering::Relaxed) + 1;
        if records == TOLD_AFTER {
            let missing = self.missing();
            if !missing.fields.is_empty() && self.first_to_tell(MEANWHILE) {
                let who = format!("none of the first {records} records has the field");
                let sentence = missing.sentence(&who);
                tracing::warn!("{sentence}");
            }
        }
    }

    /// Notes what a record has, which is not counted: it is going to be read again.
    pub(super) fn note(&mut self, record: &Record) {
        match &record.content {
            Content::Text => {}
            Content::Csv(header) => {
                let seen = self.header.as_ref();
                if !seen.is_some_and(|seen| Arc::ptr_eq(seen, header)) {
                    self.header = Some(Arc::clone(header));
                    self.note_header(header);
                }
            }
            Content::Json => {
                self.find(|field| record.has(field));
                if !self.is_complete() && self.shared.records.load(Ordering::Relaxed) < TOLD_AFTER {
                    let mut names = self.names();
                    let each = &mut |path: &str| {
                        keep(&mut names, path);
                        names.len() < MAX_NAMES
                    };
                    let elements = self.selectors().any(FieldSelector::is_each);
                    let json = &record.json;
                    json.each_path(&record.text, DEEPEST, elements, each);
                }
            }
        }
    }

    /// Notes the columns of a CSV file.
    pub(super) fn note_header(&self, header: &Header) {
        self.find(|field| {
            let column = field.name().and_then(|name| header.position(name));
            column.is_some()
        });
        if !self.is_complete() {
            let mut names = self.names();
            for name in header.names() {
                keep(&mut names, name);
            }
        }
    }

    fn names(&self) -> std::sync::MutexGuard<'_, BTreeSet<String>> {
        // A set of names is right at every moment, so a panic elsewhere does not matter.
        self.shared
            .names
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The fields that are watched.
    pub(super) fn selectors(&self) -> impl Iterator<Item = &FieldSelector> {
        self.shared.asked.iter().map(|asked| &asked.field)
    }

    fn find(&self, has: impl Fn(&FieldSelector) -> bool) {
        for Asked { field, found } in &self.shared.asked {
            let missing = !found.load(Ordering::Relaxed);
            if missing && has(field) && !found.swap(true, Ordering::Relaxed) {
                self.shared.left.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }

    /// The names of the fields that were not found so far.
    pub(super) fn not_found(&self) -> impl Iterator<Item = &str> {
        let asked = self.shared.asked.iter();
        let left = asked.filter(|asked| !asked.found.load(Ordering::Relaxed));
        left.filter_map(|asked| asked.field.name())
    }

    /// The fields that no record has had so far; none where there was no record.
    #[must_use]
    pub fn missing(&self) -> MissingFields {
        if self.shared.records.load(Ordering::Relaxed) == 0 {
            return MissingFields {
                fields: Vec::new(),
                names: Vec::new(),
            };
        }
        let names: Vec<String> = self.names().iter().cloned().collect();
        let fields = self
            .not_found()
            .map(|asked| (asked.to_owned(), near(asked, &names)));
        MissingFields {
            fields: fields.collect(),
            names,
        }
    }

    /// The input of one of so many tasks has ended: after the last one it is told what is missing,
    /// unless that was told before.
    pub fn end(&self, task: usize, tasks: usize) {
        let ended = {
            let ended = self.shared.ended.lock();
            let mut ended = ended.unwrap_or_else(PoisonError::into_inner);
            ended.insert(task);
            ended.len()
        };
        let missing = self.missing();
        if ended >= tasks && !missing.fields.is_empty() && self.first_to_tell(AT_THE_END) {
            tracing::warn!("{missing}");
        }
    }

    /// What is to be told in the summary of a run: what is missing, unless that was told just
    /// now, when the input ended.
    #[must_use]
    pub fn summary(&self) -> Option<MissingFields> {
        let missing = self.missing();
        let told = self.shared.told.swap(AT_THE_END, Ordering::Relaxed);
        (told != AT_THE_END && !missing.fields.is_empty()).then_some(missing)
    }

    fn first_to_tell(&self, when: u8) -> bool {
        let told = &self.shared.told;
        let (relaxed, nothing) = (Ordering::Relaxed, NOTHING);
        told.compare_exchange(nothing, when, relaxed, relaxed)
            .is_ok()
    }
}

fn keep(names: &mut BTreeSet<String>, name: &str) {
    if names.len() < MAX_NAMES && !names.contains(name) {
        names.insert(name.to_owned());
    }
}

/// The name that was probably meant: by its letters, or the same name inside of another value.
fn near(asked: &str, names: &[String]) -> Option<String> {
    let last = |name: &str| name.rsplit('.').next().unwrap_or(name).to_lowercase();
    let inside = || {
        let mut names = names.iter();
        names.find(|name| last(name) == last(asked)).cloned()
    };
    nearest(asked, names).map(str::to_owned).or_else(inside)
}

impl MissingFields {
    fn sentence(&self, beginning: &str) -> String {
        let mut sentence = String::new();
        for (place, (field, near)) in self.fields.iter().enumerate() {
            sentence.push_str(&match place {
                0 => format!("{beginning} `{}`", excerpt(field)),
                _ => format!(", none has `{}`", excerpt(field)),
            });
            if let Some(near) = near {
                sentence.push_str(&format!(" (nearest: `{}`)", excerpt(near)));
            }
        }
        if self.fields.iter().any(|(_, near)| near.is_none()) && !self.names.is_empty() {
            let shown = self.names.iter().take(MAX_SHOWN);
            let shown: Vec<_> = shown.map(|name| format!("`{}`", excerpt(name))).collect();
            let more = if self.names.len() > MAX_SHOWN {
                " ..."
            } else {
                ""
            };
            sentence.push_str(&format!("; the fields are {}{more}", shown.join(", ")));
        }
        sentence
    }
}

impl MissingFields {
    /// The same of one record.
    pub(super) fn of_the_record(&self) -> String {
        self.sentence("it has no field")
    }
}

impl fmt::Display for MissingFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence("no record has the field"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Delimiter, Format, Outcome, RecordReader};
    use super::*;

    fn watch(fields: &[&str]) -> FieldWatch {
        FieldWatch::over(fields.iter().map(|name| FieldSelector::named(name)))
    }

    fn look(watch: &mut FieldWatch, format: Format, input: &str) {
        let input: Box<dyn std::io::Read + Send> = Box::new(std::io::Cursor::new(input.to_owned()));
        let mut reader = RecordReader::new(input, "in", format, Delimiter::COMMA);
        let mut record = Record::new();
        while reader.next(&mut record).unwrap() == Outcome::Record {
            watch.look(&record);
        }
    }

    #[test]
    fn a_field_that_no_record_has_is_told_with_the_nearest_name() {
        let mut watch = watch(&["t", "country", "click", "user.nmae", "agent", "other", "t"]);
        let line = r#"{"t":null,"Country":"CZ","clicks":3,"user":{"name":1,"x":{"agent":2}}}"#;
        look(&mut watch, Format::NdJson, line);
        assert_eq!(
            watch.missing().to_string(),
            "no record has the field `country` (nearest: `Country`), none has `click` (nearest: \
             `clicks`), none has `user.nmae` (nearest: `user.name`), none has `agent` (nearest: \
             `user.x.agent`), none has `other`; the fields are `Country`, `clicks`, `t`, `user`, \
             `user.name`, `user.x`, `user.x.agent`"
        );
    }

    #[test]
    fn a_field_of_one_file_is_not_missing_in_another() {
        let mut one = watch(&["a", "b.c", "d"]);
        let mut other = one.clone();
        look(&mut one, Format::Csv, "a,x\n1,2\n3,4\n");
        look(&mut other, Format::NdJson, "{\"b\":{\"c\":null}}\n{}\n");
        let missing = one.missing();
        assert_eq!(missing.fields, [("d".to_owned(), None)]);
        assert_eq!(missing, other.missing());
        look(&mut one, Format::NdJson, "{\"d\":[]}\n");
        assert!(other.is_complete() && other.missing().fields.is_empty());
    }

    #[test]
    fn nothing_is_missing_where_there_is_no_record() {
        let mut empty = watch(&["a"]);
        look(&mut empty, Format::Csv, "b\n");
        assert_eq!(empty.missing().fields, []);
        assert_eq!(empty.summary(), None);
    }

    #[test]
    fn it_is_told_once_meanwhile_and_once_at_the_end() {
        let told = |watch: &FieldWatch| watch.shared.told.load(Ordering::Relaxed);
        let mut long = watch(&["a"]);
        look(&mut long, Format::NdJson, &"{\"b\":1}\n".repeat(999));
        assert_eq!(told(&long), NOTHING);
        look(&mut long, Format::NdJson, "{\"b\":1}\n");
        assert_eq!(told(&long), MEANWHILE);
        long.end(0, 1);
        assert!(long.summary().is_some());
        assert!(long.summary().is_none());

        let mut short = watch(&["a"]);
        look(&mut short, Format::NdJson, "{\"b\":1}\n");
        short.end(0, 2);
        short.end(0, 2);
        assert_eq!(told(&short), NOTHING, "another task reads on");
        short.end(1, 2);
        assert_eq!(told(&short), AT_THE_END);
        assert!(short.summary().is_none());
    }

    #[test]
    fn the_names_that_are_kept_are_bounded() {
        let mut watch = watch(&["a"]);
        for line in 0..100 {
            let members: Vec<_> = (0..100).map(|x| format!("\"x{line}-{x}\":{{}}")).collect();
            look(
                &mut watch,
                Format::NdJson,
                &format!("{{{}}}\n", members.join(",")),
            );
        }
        assert_eq!(watch.missing().names.len(), MAX_NAMES);
    }
}
