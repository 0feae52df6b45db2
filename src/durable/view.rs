//! A table as rows of JSON.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::contents::{Contents, has_sections};
use super::error::DataDirError;
use super::json;
use super::manifest::KeptComponent;
use super::sorted::Sorter;
use crate::state::Shape;
use crate::text::Shown;

/// One entry of a stored table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The task that it belongs to, where it does not belong to the shard of its key and
    /// there is more than one task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<u16>,
    /// The section of its key, where the state has sections: the window, the slot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub section: Option<Value>,
    /// The key; none of a single value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Value>,
    /// The value.
    pub value: Value,
}

impl Row {
    /// The rows for people, a line each: task, section, key and value as far as there are
    /// any, in columns. Text is shown as it is where that is clear, all else as JSON.
    ///
    /// ```
    /// use squall::Row;
    ///
    /// let row = |text| serde_json::from_str::<Row>(text);
    /// let rows = [row(r#"{"key": "storm", "value": 2}"#)?, row(r#"{"key": "a", "value": {"b": 1}}"#)?];
    /// assert_eq!(Row::aligned(&rows), "storm  2\na      {\"b\":1}\n");
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    #[must_use]
    pub fn aligned(rows: &[Self]) -> String {
        aligned(&rows.iter().map(Self::cells).collect::<Vec<_>>())
    }

    pub(super) fn cells(&self) -> Vec<String> {
        let task = self.task.map(|task| format!("task {task}"));
        let section = self.section.as_ref().map(json::plain);
        let key = self.key.as_ref().map(json::plain);
        let cells = task.into_iter().chain(section).chain(key);
        let cells = cells.chain([json::plain(&self.value)]);
        // JSON has control characters escaped, and no others.
        cells.map(|cell| Shown(cell).to_string()).collect()
    }
}

/// Lines of cells, each column as wide as its widest cell; the last one is left as it is.
pub(super) fn aligned(lines: &[Vec<String>]) -> String {
    let mut widths = Vec::new();
    for line in lines {
        widen(&mut widths, line);
    }
    let mut text = String::new();
    for line in lines {
        padded(line, &widths, &mut text);
    }
    text
}

/// Makes columns wide enough for a line of cells, but for its last one.
pub(super) fn widen(widths: &mut Vec<usize>, line: &[String]) {
    widths.resize(widths.len().max(line.len()), 0);
    for (width, cell) in widths.iter_mut().zip(&line[..line.len().saturating_sub(1)]) {
        *width = (*width).max(cell.chars().count());
    }
}

/// Appends a line of cells for columns of these widths.
pub(super) fn padded(line: &[String], widths: &[usize], text: &mut String) {
    for (column, cell) in line.iter().enumerate() {
        if column + 1 < line.len() {
            let width = widths[column];
            text.push_str(&format!("{cell:width$}  "));
        } else {
            text.push_str(cell);
        }
    }
    text.push('\n');
}

/// A key that was asked for by a person: as text, or as JSON.
struct Wanted<'k> {
    text: &'k str,
    json: Option<Value>,
}

impl<'k> Wanted<'k> {
    fn new(text: &'k str) -> Self {
        let json = serde_json::from_str(text).ok();
        Self { text, json }
    }

    fn is(&self, key: &Value) -> bool {
        key.as_str() == Some(self.text) || self.json.as_ref() == Some(key)
    }
}

/// Component and state that `asked` names: `component.state`, a component that has one
/// state, or a state whose name no other component has.
pub(super) fn find(
    contents: &Contents<'_>,
    asked: &str,
) -> Result<(String, String, KeptComponent, Shape), DataDirError> {
    let Some(manifest) = contents.manifest()? else {
        let dir = contents.dir();
        return Err(DataDirError::NothingCommitted { dir });
    };
    let mut tables = Vec::new();
    for (id, component) in &manifest.components {
        for (state, shape) in &component.states {
            tables.push((id, state, component, shape));
        }
    }
    let named: Vec<String> = tables
        .iter()
        .map(|(id, state, ..)| format!("{id}.{state}"))
        .collect();
    let one = |wanted: &dyn Fn(usize) -> bool| {
        let mut found = (0..tables.len()).filter(|at| wanted(*at));
        let first = found.next()?;
        found.next().is_none().then_some(tables[first])
    };
    let found = one(&|at| named[at] == asked)
        .or_else(|| one(&|at| tables[at].0 == asked))
        .or_else(|| one(&|at| tables[at].1 == asked));
    match found {
        Some((id, state, component, shape)) => {
            Ok((id.clone(), state.clone(), component.clone(), shape.clone()))
        }
        None => Err(DataDirError::UnknownTable {
            asked: asked.to_owned(),
            tables: named,
        }),
    }
}

/// Of so many rows the first ones are chosen where the rows are read.
const FEW_ROWS: usize = 10_000;

/// Calls `each` with the rows of a table, or those of one key, in no order. Where a few of the
/// first ones are asked for, and the table has more, the others are left out.
pub(super) fn view(
    contents: &Contents<'_>,
    asked: &str,
    key: Option<&str>,
    limit: Option<usize>,
    each: &mut dyn FnMut(Row) -> Result<(), DataDirError>,
) -> Result<(), DataDirError> {
    let (component, state, kept, shape) = find(contents, asked)?;
    let (component, state) = ((&*component, &kept), (&*state, &shape));
    if limit.is_none_or(|limit| limit > FEW_ROWS) {
        return each_row(contents, component, state, key, each);
    }
    let mut first = Sorter::new(limit);
    each_row(contents, component, state, key, &mut |row| first.push(row))?;
    first.finish()?.try_for_each(|row| each(row?))
}

/// All rows of a state in the order of their tasks, sections and keys.
pub(super) fn rows(
    contents: &Contents<'_>,
    component: (&str, &KeptComponent),
    state: (&str, &Shape),
) -> Result<Vec<Row>, DataDirError> {
    let mut rows = Sorter::new(None);
    each_row(contents, component, state, None, &mut |row| rows.push(row))?;
    rows.finish()?.collect()
}

/// Calls `each` with all rows of a state, or those of one key, in no order. A part of a unit is in
/// memory at a time.
fn each_row(
    contents: &Contents<'_>,
    (component, kept): (&str, &KeptComponent),
    (state, shape): (&str, &Shape),
    key: Option<&str>,
    each: &mut dyn FnMut(Row) -> Result<(), DataDirError>,
) -> Result<(), DataDirError> {
    let wanted = key.map(Wanted::new);
    let by_task = !(kept.by_shard && shape.by_key) && kept.tasks > 1;
    contents.units(component, state, |unit, values| {
        contents.replay_in_parts(values, has_sections(shape), &mut |image| {
            for (section, entries) in image {
                let section = section.map(|section| json::read(&section)).transpose()?;
                for (key, value) in entries {
                    let key = json::read(&key)?;
                    if wanted.as_ref().is_some_and(|wanted| !wanted.is(&key)) {
                        continue;
                    }
                    each(Row {
                        task: by_task.then_some(unit),
                        section: section.clone(),
                        key: (!shape.key.is_empty()).then_some(key),
                        value: json::read(&value)?,
                    })?;
                }
            }
            Ok(())
        })
    })
}
