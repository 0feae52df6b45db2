//! Rows of a table in order, however many: what is too much for memory waits in a temporary file.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value;

use super::row::{Row, padded, widen};
use crate::durable::error::DataDirError;
use crate::private;

/// Rows of about so many bytes are in memory before they go to the file.
const MAX_BYTES: usize = 32 << 20;

/// What is read of the file at once, for all of its parts together, and at least for each.
const READ_BYTES: usize = 8 << 20;
const MIN_READ_BYTES: usize = 8 << 10;

/// Takes rows in any order.
pub(in crate::durable) struct Sorter {
    /// Only the first so many are wanted.
    limit: usize,
    most_bytes: usize,
    rows: Vec<Row>,
    bytes: usize,
    widths: Vec<usize>,
    spilled: Option<Spilled>,
}

/// The file, and where each sorted part of it ends.
struct Spilled {
    file: Temporary,
    ends: Vec<u64>,
}

impl Sorter {
    pub(in crate::durable) fn new(limit: Option<usize>) -> Self {
        Self {
            limit: limit.unwrap_or(usize::MAX),
            most_bytes: MAX_BYTES,
            rows: Vec::new(),
            bytes: 0,
            widths: Vec::new(),
            spilled: None,
        }
    }

    pub(in crate::durable) fn push(&mut self, row: Row) -> Result<(), DataDirError> {
        self.bytes += bytes_of(&row);
        self.rows.push(row);
        if self.bytes < self.most_bytes {
            return Ok(());
        }
        self.sort();
        // The first ones of few may be all that is to be kept.
        self.bytes = self.rows.iter().map(bytes_of).sum();
        if self.bytes < self.most_bytes / 2 {
            return Ok(());
        }
        self.spill().map_err(failed)
    }

    /// The rows in the order of their tasks, sections and keys.
    pub(in crate::durable) fn finish(mut self) -> Result<Rows, DataDirError> {
        if self.spilled.is_none() {
            self.sort();
            for row in &self.rows {
                widen(&mut self.widths, &row.cells());
            }
            return Ok(Rows {
                widths: self.widths,
                left: self.limit,
                from: Place::Memory(self.rows.into_iter()),
            });
        }
        self.sort();
        self.spill().map_err(failed)?;
        // It is there: see above.
        let Some(Spilled { mut file, ends }) = self.spilled else {
            return Err(DataDirError::Ended);
        };
        let room = (READ_BYTES / ends.len().max(1)).max(MIN_READ_BYTES);
        let starts = [0].into_iter().chain(ends.iter().copied());
        let parts = starts.zip(&ends).map(|(at, end)| Part {
            at,
            end: *end,
            buffer: Vec::with_capacity(room),
            taken: 0,
        });
        let mut parts: Vec<_> = parts.collect();
        let mut heads = BinaryHeap::new();
        for (number, part) in parts.iter_mut().enumerate() {
            if let Some(row) = part.next(&mut file.file).map_err(failed)? {
                heads.push(Head { row, part: number });
            }
        }
        Ok(Rows {
            widths: self.widths,
            left: self.limit,
            from: Place::File { file, parts, heads },
        })
    }

    /// Puts what is in memory in order, and leaves out what is not wanted.
    fn sort(&mut self) {
        self.rows.sort_by(order);
        self.rows.truncate(self.limit);
    }

    fn spill(&mut self) -> io::Result<()> {
        if self.spilled.is_none() {
            self.spilled = Some(Spilled {
                file: Temporary::create()?,
                ends: Vec::new(),
            });
        }
        let Some(Spilled { file, ends }) = &mut self.spilled else {
            return Ok(());
        };
        let mut end = ends.last().copied().unwrap_or(0);
        let mut out = BufWriter::with_capacity(1 << 20, &mut file.file);
        let mut bytes = Vec::new();
        for row in self.rows.drain(..) {
            widen(&mut self.widths, &row.cells());
            bytes.clear();
            // Exact for every number, as text would not be.
            let mut encoder = rmp_serde::Serializer::new(&mut bytes).with_struct_map();
            row.serialize(&mut encoder).map_err(io::Error::other)?;
            let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
            out.write_all(&length.to_le_bytes())?;
            out.write_all(&bytes)?;
            end += 4 + u64::from(length);
        }
        out.flush()?;
        ends.push(end);
        self.bytes = 0;
        Ok(())
    }
}

/// The rows of a table in order, made by [`DataDir::rows`](crate::DataDir::rows). All are as of one
/// commit, and are read from a temporary file where they are many.
pub struct Rows {
    widths: Vec<usize>,
    left: usize,
    from: Place,
}

enum Place {
    Memory(std::vec::IntoIter<Row>),
    File {
        file: Temporary,
        parts: Vec<Part>,
        heads: BinaryHeap<Head>,
    },
}

impl Rows {
    /// The rows for people, as [`Row::aligned`] gives them, line by line.
    pub fn aligned(self) -> impl Iterator<Item = Result<String, DataDirError>> {
        let widths = self.widths.clone();
        self.map(move |row| {
            let mut line = String::new();
            padded(&row?.cells(), &widths, &mut line);
            Ok(line)
        })
    }
}

impl std::fmt::Debug for Rows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rows").finish_non_exhaustive()
    }
}

impl Iterator for Rows {
    type Item = Result<Row, DataDirError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        match &mut self.from {
            Place::Memory(rows) => rows.next().map(Ok),
            Place::File { file, parts, heads } => {
                let Head { row, part } = heads.pop()?;
                match parts[part].next(&mut file.file) {
                    Ok(None) => {}
                    Ok(Some(row)) => heads.push(Head { row, part }),
                    Err(error) => {
                        self.left = 0;
                        return Some(Err(failed(error)));
                    }
                }
                Some(Ok(row))
            }
        }
    }
}

/// A sorted part of the file, of which everything before `at` is in the buffer or was given.
struct Part {
    at: u64,
    end: u64,
    buffer: Vec<u8>,
    taken: usize,
}

impl Part {
    fn next(&mut self, file: &mut File) -> io::Result<Option<Row>> {
        if self.taken == self.buffer.len() && self.at == self.end {
            return Ok(None);
        }
        let length = self.take(4, file)?;
        let length = u32::from_le_bytes(length.try_into().map_err(io::Error::other)?);
        let length = usize::try_from(length).map_err(io::Error::other)?;
        let row = rmp_serde::from_slice(self.take(length, file)?);
        row.map(Some).map_err(io::Error::other)
    }

    /// The next bytes.
    fn take(&mut self, count: usize, file: &mut File) -> io::Result<&[u8]> {
        if self.buffer.len() - self.taken < count {
            self.buffer.drain(..self.taken);
            self.taken = 0;
            let room = self.buffer.capacity().max(count) - self.buffer.len();
            let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
            let more = room.min(left);
            let start = self.buffer.len();
            self.buffer.resize(start + more, 0);
            file.seek(SeekFrom::Start(self.at))?;
            file.read_exact(&mut self.buffer[start..])?;
            self.at += more as u64;
        }
        let bytes = self.buffer.get(self.taken..self.taken + count);
        self.taken += count;
        bytes.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}

/// The next row of a part. The greatest one in the heap is the first in order.
struct Head {
    row: Row,
    part: usize,
}

impl Ord for Head {
    fn cmp(&self, other: &Self) -> Ordering {
        order(&other.row, &self.row).then(other.part.cmp(&self.part))
    }
}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Head {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Head {}

/// By task, section and key.
fn order(one: &Row, other: &Row) -> Ordering {
    let null = Value::Null;
    let part = |part: fn(&Row) -> &Option<Value>| {
        let [one, other] = [one, other].map(|row| part(row).as_ref().unwrap_or(&null));
        super::json::order(one, other)
    };
    let tasks = one.task.cmp(&other.task);
    tasks
        .then_with(|| part(|row| &row.section))
        .then_with(|| part(|row| &row.key))
}

/// About what a row takes in memory.
fn bytes_of(row: &Row) -> usize {
    let parts = [&row.section, &row.key].into_iter().flatten();
    size_of::<Row>() + bytes_of_value(&row.value) + parts.map(bytes_of_value).sum::<usize>()
}

fn bytes_of_value(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(text) => 16 + text.len(),
        Value::Array(list) => list
            .iter()
            .map(|value| size_of::<Value>() + bytes_of_value(value))
            .sum(),
        Value::Object(map) => map
            .iter()
            .map(|(key, value)| 2 * size_of::<Value>() + key.len() + bytes_of_value(value))
            .sum(),
    }
}

fn failed(source: io::Error) -> DataDirError {
    let dir = std::env::temp_dir();
    DataDirError::Temporary { dir, source }
}

/// A file that nobody else can open, and that is gone with this.
struct Temporary {
    file: File,
    path: PathBuf,
}

impl Temporary {
    fn create() -> io::Result<Self> {
        let name = format!("squall-rows-{:016x}", fastrand::u64(..));
        let path = std::env::temp_dir().join(name);
        let file = private::create(&path)?;
        if cfg!(unix) {
            // It lives on without its name, and is gone however the process ends.
            remove(&path);
        }
        Ok(Self { file, path })
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !cfg!(unix) {
            remove(&self.path);
        }
    }
}

fn remove(path: &Path) {
    // Where it stays, it is only in the way.
    let _ = std::fs::remove_file(path);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn row(task: Option<u16>, key: u32, value: f64) -> Row {
        Row {
            task,
            section: None,
            key: Some(json!(format!("key-{key}"))),
            value: json!(value),
        }
    }

    fn sorted(rows: &[Row], limit: Option<usize>, most_bytes: usize) -> Rows {
        let mut sorter = Sorter::new(limit);
        sorter.most_bytes = most_bytes;
        for row in rows {
            sorter.push(row.clone()).unwrap();
        }
        sorter.finish().unwrap()
    }

    proptest! {
        #[test]
        fn rows_come_in_order_from_memory_and_from_a_file_alike(
            rows in prop::collection::vec((0..3_u16, any::<u32>(), any::<f64>()), 0..200),
            limit in prop::option::of(0..250_usize),
            most_bytes in 1..20_000_usize,
        ) {
            let finite = rows.into_iter().filter(|(.., value)| value.is_finite());
            let rows: Vec<_> = finite.map(|(task, key, value)| row(Some(task), key, value)).collect();
            let mut expected = rows.clone();
            expected.sort_by(order);
            expected.truncate(limit.unwrap_or(usize::MAX));
            let given: Vec<_> = sorted(&rows, limit, most_bytes).map(Result::unwrap).collect();
            prop_assert_eq!(&given, &expected);
            if limit.is_none() {
                let lines: Vec<_> = sorted(&rows, limit, most_bytes).aligned().map(Result::unwrap).collect();
                prop_assert_eq!(lines.concat(), Row::aligned(&expected));
            }
        }
    }

    #[test]
    fn what_is_in_memory_does_not_grow_with_the_rows() {
        let mut sorter = Sorter::new(None);
        sorter.most_bytes = 100_000;
        let most = 100_000 / size_of::<Row>();
        for key in 0..20_000 {
            sorter.push(row(None, key, 1.0)).unwrap();
            assert!(sorter.rows.len() <= most);
        }
        let mut few = Sorter::new(Some(10));
        few.most_bytes = 100_000;
        for key in 0..20_000 {
            few.push(row(None, key, 1.0)).unwrap();
        }
        assert!(few.spilled.is_none());
        assert_eq!(few.finish().unwrap().count(), 10);
        assert_eq!(sorter.finish().unwrap().count(), 20_000);
    }
}
