//! Columns of a line, by the named groups of a regular expression.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use csv::StringRecord;
use regex::{CaptureLocations, Regex};

use super::csv_rows::Header;
use crate::text::Shown;

/// A regular expression that makes columns of a line of text: each named group is a column.
///
/// The expression is searched for in the line, so it is anchored by `^` and `$` where it is to be
/// the whole line. A group that took part in no match is an empty column. A line that does not
/// match is a bad record. The syntax is that of the [`regex`](https://docs.rs/regex) crate, whose
/// time grows with the length of the line and never with its square.
///
/// ```
/// use squall::connectors::files::{Columns, FieldSelector, Format, Record, RecordReader};
///
/// let chat = "[19:04] <ann> hi\n-- ann has left\n";
/// let columns: Columns = r"^\[(?<time>\S+)\] <(?<nick>[^>]+)> (?<text>.*)$".parse()?;
/// let mut reader =
///     RecordReader::new(Box::new(chat.as_bytes()), "chat", Format::Text, Default::default())
///         .columns(Some(columns));
/// let mut record = Record::new();
/// reader.next(&mut record)?;
/// assert_eq!(record.field(&FieldSelector::named("nick"))?.as_deref(), Some("ann"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Columns(Arc<Pattern>);

#[derive(Debug)]
struct Pattern {
    regex: Regex,
    header: Arc<Header>,
    /// The number of each column's group.
    groups: Vec<usize>,
}

/// Why a text makes no columns.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ColumnsError {
    /// It is no regular expression.
    #[error("it is not a regular expression: {0}")]
    Syntax(String),
    /// It has no named group.
    #[error(
        "it has no named group, and each named group is a column: write (?<user>\\S+) for the \
         column `user`"
    )]
    NoColumn,
}

impl FromStr for Columns {
    type Err = ColumnsError;

    fn from_str(text: &str) -> Result<Self, ColumnsError> {
        let regex = Regex::new(text).map_err(|error| ColumnsError::Syntax(error.to_string()))?;
        let named = regex.capture_names().enumerate();
        let named = named.filter_map(|(group, name)| Some((group, name?.to_owned())));
        let (groups, names): (Vec<usize>, Vec<String>) = named.unzip();
        if names.is_empty() {
            return Err(ColumnsError::NoColumn);
        }
        let header = Arc::new(Header::new(names, None));
        Ok(Self(Arc::new(Pattern {
            regex,
            header,
            groups,
        })))
    }
}

impl fmt::Display for Columns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.regex.as_str())
    }
}

impl PartialEq for Columns {
    fn eq(&self, other: &Self) -> bool {
        self.0.regex.as_str() == other.0.regex.as_str()
    }
}

impl Eq for Columns {}

impl Columns {
    /// The names of the columns.
    pub(super) fn header(&self) -> &Arc<Header> {
        &self.0.header
    }

    pub(super) fn matcher(self) -> Matcher {
        let found = self.0.regex.capture_locations();
        Matcher {
            columns: self,
            found,
        }
    }
}

/// Columns, with the memory to find them in one line after the other.
pub(super) struct Matcher {
    columns: Columns,
    found: CaptureLocations,
}

impl Matcher {
    pub(super) fn header(&self) -> &Arc<Header> {
        self.columns.header()
    }

    /// Puts the columns of a line into `row`.
    pub(super) fn split(&mut self, line: &str, row: &mut StringRecord) -> Result<(), String> {
        let Pattern { regex, groups, .. } = &*self.columns.0;
        row.clear();
        if regex.captures_read(&mut self.found, line).is_none() {
            let columns = Shown(regex.as_str());
            return Err(format!("the line does not match `{columns}`"));
        }
        for group in groups {
            let place = self.found.get(*group);
            row.push_field(place.map_or("", |(from, to)| &line[from..to]));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Delimiter, FieldSelector, Format, Outcome, Record, RecordReader};
    use super::*;

    const ACCESS: &str = r#"^(?<host>\S+) \S+ \S+ \[(?<time>[^\]]+)\] "(?<method>\S+) (?<path>[^"]*?)(?: HTTP/[\d.]+)?" (?<status>\d{3}) (?<bytes>\d+|-)"#;

    #[test]
    fn each_named_group_is_a_column() {
        let log = concat!(
            "1.2.3.4 - - [10/Oct/2000:13:55:36 -0700] \"GET /a?b=1 HTTP/1.0\" 200 2326\n",
            "not a request\n",
            "::1 - - [10/Oct/2000:13:55:37 -0700] \"HEAD /\" 404 -\n",
        );
        let columns: Columns = ACCESS.parse().unwrap();
        let read = Box::new(log.as_bytes());
        let mut reader = RecordReader::new(read, "access.log", Format::Text, Delimiter::COMMA)
            .columns(Some(columns.clone()));
        let names = ["host", "time", "method", "path", "status", "bytes"];
        assert!(reader.header().unwrap().unwrap().names().eq(names));
        let mut record = Record::new();
        let mut next = || {
            let outcome = reader.next(&mut record).unwrap();
            let field = |name| record.field(&FieldSelector::named(name));
            let fields = matches!(outcome, Outcome::Record)
                .then(|| ["path", "status"].map(|name| field(name).unwrap().unwrap().into_owned()));
            (outcome, fields)
        };
        assert_eq!(next().1, Some(["/a?b=1".to_owned(), "200".to_owned()]));
        let (Outcome::Bad(bad), _) = next() else {
            panic!("the second line is no record");
        };
        assert!(
            bad.to_string()
                .starts_with("access.log:2: the line does not match `^(?<host>")
        );
        assert_eq!(bad.content, "not a request");
        assert_eq!(next().1, Some(["/".to_owned(), "404".to_owned()]));
        assert_eq!(next().0, Outcome::End);
    }

    #[test]
    fn a_group_without_a_part_of_the_match_is_empty() {
        let columns: Columns = "(?<a>x)|(?<b>y)".parse().unwrap();
        let (mut matcher, mut row) = (columns.matcher(), StringRecord::new());
        matcher.split("-y", &mut row).unwrap();
        assert!(row.iter().eq(["", "y"]), "{row:?}");
    }

    #[test]
    fn what_makes_no_columns_is_refused() {
        let refused = |text: &str| text.parse::<Columns>().unwrap_err().to_string();
        assert!(refused("(").contains("not a regular expression"));
        assert!(refused(r"(\d+)").contains("no named group"));
    }
}
