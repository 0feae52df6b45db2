//! Tuples as rows.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::Serialize;
use serde_json::value::RawValue;
use squall::{Context, Epoch, Result, Sink, Tuple};

use crate::link::Target;
use crate::outbox::{Content, Outbox};
use crate::schema::Layout;
use crate::table::{Table, check};
use crate::{Error, Server};

/// What a row takes beside its texts.
const ROW_BYTES: usize = 128;

/// Writes a row for each tuple: inserts it, or updates the one of the same key, or deletes it.
///
/// Columns are the fields of the tuple, by their names. Of one commit only the last change of each key
/// is written. Several tasks need a fields grouping by the key, since each writes in its own order.
///
/// ```no_run
/// use squall::{DataDir, RunOptions, Text, Topology, Tuple, testing::Events};
/// use squall_postgres::{PostgresSink, Server};
///
/// #[derive(Tuple, Clone, Debug, serde::Serialize)]
/// struct Page { url: Text, count: u64 }
///
/// let topology = Topology::named("pages");
/// let pages = topology.spout("pages", || Events::now([Page { url: "/".into(), count: 1 }]));
/// let server = Server::at("postgres://squall@127.0.0.1/shop")?.password("secret");
/// topology
///     .sink("postgres", move || {
///         PostgresSink::new(&server, "pages", ["url"]).gone(|page: &Page| page.count == 0)
///     })
///     .fields_grouping(&pages, Page::URL);
/// let data_dir = Some(DataDir::at("pages.data"));
/// topology.run(RunOptions { data_dir, ..RunOptions::default() })?;
/// # Ok::<(), squall::BoxError>(())
/// ```
pub struct PostgresSink<T> {
    target: Target,
    table: String,
    keys: Vec<String>,
    types: BTreeMap<String, String>,
    id: Option<String>,
    gone: Option<IsGone<T>>,
    columns: Vec<String>,
    /// The row of each key, and whether it is to be deleted. In order, so that all transactions lock
    /// rows in one order.
    waiting: BTreeMap<String, (String, bool)>,
    waiting_bytes: usize,
    tuple: PhantomData<fn(&T)>,
}

type IsGone<T> = Box<dyn Fn(&T) -> bool + Send>;

impl<T: Tuple + Serialize> PostgresSink<T> {
    /// To a table, `NAME` or `SCHEMA.NAME`, whose rows these fields tell apart. It is made where it is
    /// missing, in a schema that is there.
    #[must_use]
    pub fn new<K: Into<String>>(
        server: &Server,
        table: impl Into<String>,
        key: impl IntoIterator<Item = K>,
    ) -> Self {
        Self {
            target: Target::new(server.clone()),
            table: table.into(),
            keys: key.into_iter().map(Into::into).collect(),
            types: BTreeMap::new(),
            id: None,
            gone: None,
            columns: Vec::new(),
            waiting: BTreeMap::new(),
            waiting_bytes: 0,
            tuple: PhantomData,
        }
    }

    /// The row of a tuple of which this is true is deleted.
    #[must_use]
    pub fn gone(mut self, is_gone: impl Fn(&T) -> bool + Send + 'static) -> Self {
        self.gone = Some(Box::new(is_gone));
        self
    }

    /// The SQL type of a column, where the table is made: `column("at", "timestamptz")`. Without one
    /// it is `text`, `bigint`, `numeric`, `double precision`, `boolean` or `jsonb`, by what the first
    /// rows have.
    #[must_use]
    pub fn column(mut self, name: impl Into<String>, sql_type: impl Into<String>) -> Self {
        self.types.insert(name.into(), sql_type.into());
        self
    }

    /// The sink's name in the table `squall_delivered`, instead of `TOPOLOGY/COMPONENT/TABLE`. Two
    /// sinks that write must not have the same.
    #[must_use]
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    fn put(&mut self, tuple: &T) -> Result<(), Error> {
        let row = serde_json::to_string(tuple).map_err(Error::Json)?;
        let fields: Result<BTreeMap<String, &RawValue>, _> = serde_json::from_str(&row);
        let fields = fields.map_err(|_| Error::NoFields {
            json: row.chars().take(80).collect(),
        })?;
        self.check_names(&fields)?;
        if row.contains("\\u0000")
            && let Some(field) = fields
                .iter()
                .find_map(|(name, value)| has_nul(value.get()).then(|| name.clone()))
        {
            return Err(Error::Nul { field });
        }
        let mut key = String::new();
        for field in &self.keys {
            match fields.get(field).map(|value| value.get()) {
                Some(value) if value != "null" => {
                    key += value;
                    key.push(',');
                }
                _ => {
                    return Err(Error::NullInKey {
                        field: field.clone(),
                    });
                }
            }
        }
        let is_gone = self.gone.as_ref().is_some_and(|is_gone| is_gone(tuple));
        self.waiting_bytes += row.len();
        let key_bytes = key.len();
        match self.waiting.insert(key, (row, is_gone)) {
            Some((before, _)) => self.waiting_bytes -= before.len(),
            None => self.waiting_bytes += ROW_BYTES + key_bytes,
        }
        Ok(())
    }

    /// Keeps the columns up to date, and refuses fields that serde renames: their columns would be
    /// empty.
    fn check_names(&mut self, fields: &BTreeMap<String, &RawValue>) -> Result<(), Error> {
        if fields.keys().all(|name| self.columns.contains(name)) {
            return Ok(());
        }
        let absent = T::FIELDS.iter().find(|field| !fields.contains_key(**field));
        let has_others = |name: &String| !T::FIELDS.contains(&name.as_str());
        if let Some(field) = absent
            && fields.keys().any(has_others)
        {
            let names: Vec<&str> = fields.keys().map(String::as_str).collect();
            return Err(Error::Renamed {
                field: (*field).to_owned(),
                names: names.join(", "),
            });
        }
        for name in fields.keys() {
            if !self.columns.contains(name) {
                check(name)?;
                self.columns.push(name.clone());
            }
        }
        Ok(())
    }
}

/// Whether a piece of JSON has the character U+0000, which is `\u0000` with no backslash before that
/// escapes its own.
pub(crate) fn has_nul(json: &str) -> bool {
    json.match_indices("\\u0000").any(|(at, _)| {
        let before = json[..at].bytes().rev();
        before.take_while(|byte| *byte == b'\\').count() % 2 == 0
    })
}

impl<T: Tuple + Serialize> Sink for PostgresSink<T> {
    type Input = T;

    fn prepare(&mut self, context: &Context) -> Result {
        let table = Table::parse(&self.table)?;
        self.columns = T::FIELDS.iter().map(|name| (*name).to_owned()).collect();
        if self.keys.is_empty() {
            let table = table.to_string();
            return Err(Error::NoKey { table }.into());
        }
        let unknown = self.keys.iter().find(|key| !self.columns.contains(key));
        if let Some(field) = unknown.filter(|_| !self.columns.is_empty()) {
            return Err(Error::Key {
                field: field.clone(),
                fields: T::FIELDS.join(", "),
            }
            .into());
        }
        for name in self.columns.iter().chain(&self.keys) {
            check(name)?;
        }
        let layout = Layout {
            table,
            fields: self.columns.clone(),
            keys: self.keys.clone(),
            types: self.types.clone(),
            is_ranking: false,
        };
        self.target.prepare(context, layout, self.id.as_deref())
    }

    fn write(&mut self, tuples: &[T]) -> Result {
        for tuple in tuples {
            self.put(tuple).map_err(squall::error::Fatal::new)?;
        }
        Ok(())
    }

    fn outbox(&mut self) -> Result<Option<Vec<u8>>> {
        let waiting = std::mem::take(&mut self.waiting);
        self.waiting_bytes = 0;
        if waiting.is_empty() {
            return Ok(None);
        }
        let rows = |which: bool| {
            let rows = waiting
                .values()
                .filter(move |(_, is_gone)| *is_gone == which);
            rows.map(|(row, _)| row.as_str()).collect()
        };
        let outbox = Outbox {
            task: self.target.task(),
            content: Content::Rows {
                columns: self.columns.iter().map(String::as_str).collect(),
                set: rows(false),
                gone: rows(true),
            },
        };
        Ok(Some(outbox.encode()?))
    }

    fn waiting_bytes(&self) -> usize {
        self.waiting_bytes
    }

    fn deliver(&mut self, outbox: &[u8], epoch: Option<u64>) -> Result {
        self.target.deliver(outbox, epoch)
    }

    fn flush(&mut self, _: &Epoch) -> Result {
        self.target.look()
    }
}

impl<T> fmt::Debug for PostgresSink<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresSink")
            .field("table", &self.table)
            .field("keys", &self.keys)
            .field("waiting_bytes", &self.waiting_bytes)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_nul_is_found_and_a_backslash_before_u0000_is_none(text in "[a\0\\\\u0]{0,12}") {
            let json = serde_json::to_string(&text).unwrap();
            prop_assert_eq!(has_nul(&json), text.contains('\0'));
        }
    }
}
