//! A view of SQL on the engine: chunks of rows as tuples, aggregates in parts, deltas at commits, and a
//! topology that is built anew while its data directory stays open.
//!
//! ```text
//! SELECT event, count(*) FROM source GROUP BY event
//!
//! source --shuffle--> stage --fields(shard)--> aggregate --global--> view
//! JSON to columns     counts each chunk,       groups; what has      the rows that
//!                     one part for each task   changed, at commits   a reader sees
//! ```

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use arrow_array::builder::{Int64Builder, StringViewBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, Int64Array, RecordBatch, StringViewArray, UInt32Array};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use squall::key::{KeyValue, hash_bytes, shard_of, shards_of_task, task_of_shard};
use squall::views::Views;
use squall::{
    Bolt, Context, DataDir, Epoch, Next, Out, Result, RunOptions, Spout, SpoutOut, States, Table,
    Topology, Tuple, Value, millis,
};

// --- tuples ---

/// Rows as columns.
#[derive(Clone)]
struct Chunk {
    rows: RecordBatch,
}

impl Tuple for Chunk {}

impl fmt::Debug for Chunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} rows", self.rows.num_rows())
    }
}

/// A shard as a key: its hash lies in the shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
struct Shard(u8);

impl KeyValue for Shard {
    fn route_hash(&self) -> u64 {
        u64::from(self.0) << 56
    }
}

/// The rows of a chunk that belong to one task.
#[derive(Tuple, Clone, Debug)]
struct Part {
    shard: Shard,
    chunk: Chunk,
}

/// The columns of a key, encoded; routed and stored by these bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
struct SqlKey(Vec<u8>);

impl KeyValue for SqlKey {
    fn route_hash(&self) -> u64 {
        hash_bytes(&self.0)
    }
}

// --- JSON into columns ---

/// Decodes the text field of a name from JSON objects into a column; null where it is missing.
struct Column {
    name: &'static str,
    texts: StringViewBuilder,
    found: bool,
}

impl Column {
    fn push(&mut self, message: &[u8]) {
        self.found = false;
        let mut json = serde_json::Deserializer::from_slice(message);
        // A broken message is a row of nulls here; the rows before it stay whole.
        let _ = Object(self).deserialize(&mut json);
        if !self.found {
            self.texts.append_null();
        }
    }

    fn finish(&mut self, schema: &SchemaRef) -> Result<RecordBatch> {
        let column: ArrayRef = Arc::new(self.texts.finish());
        Ok(RecordBatch::try_new(Arc::clone(schema), vec![column])?)
    }
}

struct Object<'c>(&'c mut Column);

impl<'de> DeserializeSeed<'de> for Object<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Object<'_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        while let Some(name) = members.next_key::<&str>()? {
            if name == self.0.name && !self.0.found {
                members.next_value_seed(Cell(&mut *self.0))?;
            } else {
                members.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

struct Cell<'c>(&'c mut Column);

impl<'de> DeserializeSeed<'de> for Cell<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Cell<'_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }
    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.0.texts.append_value(text);
        self.0.found = true;
        Ok(())
    }
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }
    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }
    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }
    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }
    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(())
    }
}

// --- components ---

/// Reads messages up to a position, which is kept; each run may read further.
struct Source {
    messages: Arc<Vec<Vec<u8>>>,
    until: usize,
    column: Column,
    schema: SchemaRef,
    position: Value<u64>,
}

/// Rows of a chunk.
const CHUNK_ROWS: usize = 512;

impl Spout for Source {
    type Output = Chunk;

    fn next(&mut self, out: &mut SpoutOut<Chunk>) -> Result<Next> {
        let at = usize::try_from(*self.position)?;
        if at == self.until {
            return Ok(Next::Pause);
        }
        let end = (at + CHUNK_ROWS).min(self.until);
        for message in &self.messages[at..end] {
            self.column.push(message);
        }
        *self.position = end as u64;
        let rows = self.column.finish(&self.schema)?;
        out.emit(Chunk { rows });
        Ok(Next::More)
    }

    fn state(&mut self, states: &mut States<'_>) {
        states.keep("position", &mut self.position);
    }
}

/// Splits a chunk into the parts of its reader's tasks, aggregated where that is asked for.
struct Stage {
    reader: &'static str,
    tasks: usize,
    aggregates: bool,
    schema: SchemaRef,
}

impl Stage {
    fn task_of(&self, key: &str) -> usize {
        task_of_shard(shard_of(hash_bytes(key.as_bytes())), self.tasks)
    }

    fn emit(&self, task: usize, columns: Vec<ArrayRef>, out: &mut Out<Part>) -> Result {
        let rows = RecordBatch::try_new(Arc::clone(&self.schema), columns)?;
        if rows.num_rows() > 0 {
            let first = shards_of_task(task, self.tasks).start;
            let shard = Shard(u8::try_from(first)?);
            let chunk = Chunk { rows };
            out.emit(Part { shard, chunk });
        }
        Ok(())
    }
}

impl Bolt for Stage {
    type Input = Chunk;
    type Output = Part;

    fn is_light(&self) -> bool {
        true
    }

    fn waits(&self) -> bool {
        false
    }

    fn acts_on_epochs(&self) -> bool {
        false
    }

    fn prepare(&mut self, context: &Context) -> Result {
        let tasks = context.tasks_of(self.reader);
        self.tasks = tasks.ok_or("the reader is no component of this topology")?;
        Ok(())
    }

    fn execute(&mut self, chunk: &Chunk, out: &mut Out<Part>) -> Result {
        let keys = chunk.rows.column(0).as_string_view();
        let rows = 0..chunk.rows.num_rows();
        if self.aggregates {
            let mut counts: HashMap<&str, i64, ahash::RandomState> = HashMap::default();
            for row in rows {
                *counts.entry(text_at(keys, row)).or_default() += 1;
            }
            let mut parts: Vec<(StringViewBuilder, Int64Builder)> = Vec::new();
            parts.resize_with(self.tasks, Default::default);
            for (key, count) in counts {
                let (keys, counts) = &mut parts[self.task_of(key)];
                keys.append_value(key);
                counts.append_value(count);
            }
            for (task, (mut keys, mut counts)) in parts.into_iter().enumerate() {
                let columns: Vec<ArrayRef> =
                    vec![Arc::new(keys.finish()), Arc::new(counts.finish())];
                self.emit(task, columns, out)?;
            }
            return Ok(());
        }
        let mut rows_of: Vec<Vec<u32>> = vec![Vec::new(); self.tasks];
        for row in rows {
            rows_of[self.task_of(text_at(keys, row))].push(u32::try_from(row)?);
        }
        for (task, rows) in rows_of.into_iter().enumerate() {
            let ones: ArrayRef = Arc::new(Int64Array::from(vec![1; rows.len()]));
            let taken = UInt32Array::from(rows);
            let keys = arrow_select::take::take(chunk.rows.column(0), &taken, None)?;
            self.emit(task, vec![keys, ones], out)?;
        }
        Ok(())
    }
}

/// The text of a row; that of null is empty.
fn text_at(keys: &StringViewArray, row: usize) -> &str {
    if keys.is_valid(row) {
        keys.value(row)
    } else {
        ""
    }
}

/// A group, and what its reader was told of it.
#[derive(Clone, Default, Serialize, Deserialize)]
struct Group {
    rows: i64,
    #[serde(skip)]
    touched: bool,
    #[serde(skip)]
    told: i64,
}

/// Counts the rows of each group; emits what has changed at commits.
struct Aggregate {
    groups: Table<SqlKey, Group>,
    touched: Vec<SqlKey>,
    schema: SchemaRef,
}

impl Bolt for Aggregate {
    type Input = Part;
    type Output = Chunk;

    fn waits(&self) -> bool {
        false
    }

    fn execute(&mut self, part: &Part, _: &mut Out<Chunk>) -> Result {
        let rows = &part.chunk.rows;
        let keys = rows.column(0).as_string_view();
        let counts = rows.column(1).as_primitive::<Int64Type>();
        let mut key = SqlKey(Vec::new());
        for row in 0..rows.num_rows() {
            key.0.clear();
            key.0.extend_from_slice(text_at(keys, row).as_bytes());
            let group = self.groups.entry(&key);
            if !std::mem::replace(&mut group.touched, true) {
                group.told = group.rows;
                self.touched.push(key.clone());
            }
            group.rows += counts.value(row);
        }
        Ok(())
    }

    fn on_epoch(&mut self, epoch: &Epoch, out: &mut Out<Chunk>) -> Result {
        if self.touched.is_empty() || !(epoch.commit || epoch.last) {
            return Ok(());
        }
        let (mut keys, mut rows, mut weights) = (
            StringViewBuilder::new(),
            Int64Builder::new(),
            Int64Builder::new(),
        );
        for key in self.touched.drain(..) {
            let text = str::from_utf8(&key.0)?;
            let group = self.groups.entry(&key);
            group.touched = false;
            for (count, weight) in [(group.told, -1), (group.rows, 1)] {
                if count != 0 {
                    keys.append_value(text);
                    rows.append_value(count);
                    weights.append_value(weight);
                }
            }
        }
        let columns: Vec<ArrayRef> = vec![
            Arc::new(keys.finish()),
            Arc::new(rows.finish()),
            Arc::new(weights.finish()),
        ];
        let rows = RecordBatch::try_new(Arc::clone(&self.schema), columns)?;
        out.emit(Chunk { rows });
        Ok(())
    }

    fn state(&mut self, states: &mut States<'_>) {
        states.keep("groups", &mut self.groups);
    }
}

/// Applies changes with weights to the rows that readers see.
#[derive(Default)]
struct View {
    rows: Table<SqlKey, i64>,
}

impl Bolt for View {
    type Input = Chunk;
    type Output = ();

    fn waits(&self) -> bool {
        false
    }

    fn execute(&mut self, chunk: &Chunk, _: &mut Out<()>) -> Result {
        let keys = chunk.rows.column(0).as_string_view();
        let counts = chunk.rows.column(1).as_primitive::<Int64Type>();
        let weights = chunk.rows.column(2).as_primitive::<Int64Type>();
        for row in 0..chunk.rows.num_rows() {
            let key = SqlKey(keys.value(row).as_bytes().to_vec());
            if weights.value(row) > 0 {
                self.rows.insert(key, counts.value(row));
            } else if self.rows.remove(&key) != Some(counts.value(row)) {
                return Err(format!("the view has another row of {key:?}").into());
            }
        }
        Ok(())
    }

    fn state(&mut self, states: &mut States<'_>) {
        states.keep("rows", &mut self.rows);
    }
}

// --- the topology ---

fn schema(names: &[(&str, DataType)]) -> SchemaRef {
    let fields = names
        .iter()
        .map(|(name, of)| Field::new(*name, of.clone(), true));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// A view by each of these names, over the messages up to a position.
fn topology(messages: &Arc<Vec<Vec<u8>>>, until: usize, views: &[&'static str]) -> Topology {
    let topology = Topology::named("sql");
    let messages = Arc::clone(messages);
    let source = topology.spout("source", move || Source {
        messages: Arc::clone(&messages),
        until,
        column: Column {
            name: "event",
            texts: StringViewBuilder::new(),
            found: false,
        },
        schema: schema(&[("event", DataType::Utf8View)]),
        position: Value::new(0),
    });
    let counted = [("key", DataType::Utf8View), ("rows", DataType::Int64)];
    let weighted = [counted.as_slice(), &[("weight", DataType::Int64)]].concat();
    for (number, view) in views.iter().enumerate() {
        let (view, counted, weighted) = (*view, schema(&counted), schema(&weighted));
        let stage = topology
            .bolt(format!("{view}.stage"), move || Stage {
                reader: view,
                tasks: 0,
                aggregates: number == 0,
                schema: Arc::clone(&counted),
            })
            .local_or_shuffle_grouping(&source);
        let groups = topology
            .bolt(view, move || Aggregate {
                groups: Table::new(),
                touched: Vec::new(),
                schema: Arc::clone(&weighted),
            })
            .parallelism(3)
            .fields_grouping(&stage, Part::SHARD);
        topology
            .bolt(format!("{view}.view"), View::default)
            .global_grouping(&groups);
    }
    topology
}

/// Events of a thousand kinds, one without a kind, and one that is not JSON.
fn messages(many: usize) -> Vec<Vec<u8>> {
    let mut state = 88_172_645_463_325_252_u64;
    let messages = (0..many).map(|number| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        match number % 1_000 {
            7 => br#"{"user": "nathan", "event": null}"#.to_vec(),
            8 => b"{\"event".to_vec(),
            _ => format!(
                r#"{{"user": "user{}", "tags": [1, {{"event": 2}}], "event": "k{}"}}"#,
                state >> 40,
                state % 1_000
            )
            .into_bytes(),
        }
    });
    messages.collect()
}

/// The same by hand.
fn counted(messages: &[Vec<u8>]) -> HashMap<String, i64> {
    let mut counts = HashMap::new();
    for message in messages {
        let json: serde_json::Value = serde_json::from_slice(message).unwrap_or_default();
        let event = json["event"].as_str().unwrap_or_default();
        *counts.entry(event.to_owned()).or_default() += 1;
    }
    counts
}

/// The rows of a view, and the groups of its aggregate, at one commit.
fn read(views: &Views, view: &str) -> Result<[HashMap<String, i64>; 2]> {
    let snapshot = views.read()?;
    let rows = snapshot.table::<SqlKey, i64>(&format!("{view}.view"), "rows")?;
    let groups = snapshot.table::<SqlKey, Group>(view, "groups")?;
    let text = |key: &SqlKey| String::from_utf8(key.0.clone());
    let rows = rows.iter()?.map(|(key, count)| Ok((text(&key)?, *count)));
    let groups = groups
        .iter()?
        .map(|(key, group)| Ok((text(&key)?, group.rows)));
    Ok([rows.collect::<Result<_>>()?, groups.collect::<Result<_>>()?])
}

#[test]
fn views_are_exact_over_rebuilds_of_the_topology() -> Result {
    let messages = Arc::new(messages(30_000));
    let folder = tempfile::tempdir()?;
    let dir = DataDir::opened(folder.path().join("data"))?;
    let views = dir.views()?;
    let run = |until: usize, names: &[&'static str]| {
        let options = RunOptions {
            batch_tuples: 1,
            commit: millis(5),
            epoch: millis(5),
            signals: false,
            data_dir: Some(dir.clone()),
            ..RunOptions::default()
        };
        topology(&messages, until, names).run(options)
    };
    let check = |view: &str, from: usize, until: usize| -> Result {
        let wanted = counted(&messages[from..until]);
        let [rows, groups] = read(&views, view)?;
        assert_eq!(rows, wanted, "{view}");
        assert_eq!(groups, wanted, "{view}");
        Ok(())
    };

    run(10_000, &["a"])?;
    check("a", 0, 10_000)?;
    // `CREATE MATERIALIZED VIEW b`: what it reads begins where the source is.
    run(17_000, &["a", "b"])?;
    check("a", 0, 17_000)?;
    check("b", 10_000, 17_000)?;
    // `DROP MATERIALIZED VIEW a`: not by leaving it out.
    let refused = run(20_000, &["b"]).unwrap_err().to_string();
    assert!(refused.contains("`a`"), "{refused}");
    for component in ["a", "a.view"] {
        dir.reset(Some(component))?;
    }
    run(30_000, &["b"])?;
    check("b", 10_000, 30_000)?;
    Ok(())
}
