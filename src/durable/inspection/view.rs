//! A table as rows of JSON.

use serde_json::Value;

use super::contents::{Contents, has_sections};
use super::json;
use super::row::Row;
use super::sorted::Sorter;
use crate::durable::error::DataDirError;
use crate::durable::manifest::KeptComponent;
use crate::state::Shape;

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
pub(in crate::durable) fn find(
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
pub(in crate::durable) fn view(
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
pub(in crate::durable) fn rows(
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
