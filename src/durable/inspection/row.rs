//! A row of JSON, and rows as columns for people.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::json;
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
    /// use squall::views::Row;
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

    pub(in crate::durable) fn cells(&self) -> Vec<String> {
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
pub(in crate::durable) fn aligned(lines: &[Vec<String>]) -> String {
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
pub(in crate::durable) fn widen(widths: &mut Vec<usize>, line: &[String]) {
    widths.resize(widths.len().max(line.len()), 0);
    for (width, cell) in widths.iter_mut().zip(&line[..line.len().saturating_sub(1)]) {
        *width = (*width).max(cell.chars().count());
    }
}

/// Appends a line of cells for columns of these widths.
pub(in crate::durable) fn padded(line: &[String], widths: &[usize], text: &mut String) {
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
