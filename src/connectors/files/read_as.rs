//! How files are read, as a data directory keeps it: what of their text, and each of them in
//! which format.

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Delimiter, Encoding, EventTime, FieldSelector, Files, Format};
use crate::meaning::Meaning;
use crate::text::Shown;

/// How a file was read; stored with how far.
///
/// A position says where the next record begins only for the format that the records before it
/// were read in, and these have become part of the results. A file that was not read yet may be
/// read in any.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ReadAs {
    format: String,
    /// Of CSV alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    delimiter: Option<String>,
    encoding: String,
    /// Of text whose lines have columns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    columns: Option<String>,
}

impl ReadAs {
    /// How a file of this name is read.
    pub(super) fn of(files: &Files, name: &str) -> Self {
        let format = files.format_of(name);
        let by_name = || Delimiter::from_name(name);
        let delimiter = files.delimiter.unwrap_or_else(by_name);
        let columns = files.columns.as_ref().filter(|_| format == Format::Text);
        Self {
            format: format.to_string(),
            delimiter: (format == Format::Csv).then(|| delimiter.to_string()),
            encoding: files.encoding.unwrap_or(Encoding::UTF_8).to_string(),
            columns: columns.map(ToString::to_string),
        }
    }

    /// Whether a file of which a part was read in this way can be read on in another.
    pub(super) fn check(&self, now: &Self, path: &Path) -> Result<(), ReadOtherwise> {
        if self == now {
            return Ok(());
        }
        Err(ReadOtherwise {
            path: path.display().to_string(),
            stored: self.to_string(),
            found: now.to_string(),
        })
    }
}

impl fmt::Display for ReadAs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.format)?;
        if let Some(delimiter) = &self.delimiter {
            write!(f, " with the delimiter `{delimiter}`")?;
        }
        if let Some(columns) = &self.columns {
            write!(f, " with the columns `{}`", Shown(columns))?;
        }
        write!(f, " in {}", self.encoding)
    }
}

/// A file of which a part was read would be read on in another format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{}` was read as {stored} so far, and would be read as {found} from now on, which would mix \
     the results of both: go back to {stored}; or give another data directory; or delete all \
     state with `squall reset`, so that it is read from its beginning",
    Shown(path)
)]
pub struct ReadOtherwise {
    /// The file.
    pub path: String,
    /// How it was read: `csv with the delimiter ; in utf-8`.
    pub stored: String,
    /// How it would be read.
    pub found: String,
}

/// What [`Files`] read, as far as it is the same for all files.
#[derive(Serialize)]
struct Reads<'f> {
    reads: &'static str,
    time_field: Option<&'f str>,
    time_format: Option<String>,
    lateness_ms: Option<u64>,
}

impl Files {
    /// What the tuples of a spout that reads these mean, but for what is made of each record.
    pub(super) fn meaning(&self) -> Meaning {
        let time = self.time.as_ref();
        let lateness = u64::try_from(self.lateness.as_millis()).unwrap_or(u64::MAX);
        Meaning::of(&Reads {
            reads: "files",
            time_field: time
                .and_then(EventTime::selector)
                .and_then(FieldSelector::name),
            time_format: time.and_then(EventTime::format).map(ToString::to_string),
            lateness_ms: time.map(|_| lateness),
        })
    }
}
