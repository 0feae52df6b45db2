//! Changing what is stored while no run has it.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::data_dir::DataDir;
use super::error::DataDirError;
use super::inspection::{Contents, damaged};
use super::layout;
use crate::error::Result;
use crate::key::KeyValue;
use crate::meaning::Meaning;
use crate::state::{Changes, State, StoredUnit, Table};
use crate::store::{Batch, Store};

/// The only task of a component is number 0, and so is its unit.
const UNIT: u16 = 0;

impl DataDir {
    /// Changes a [`Table`] of a component with one task, as one commit with the next number: a
    /// crash leaves all of it or nothing, and runs go on from there. Where `edit` fails, nothing
    /// is changed.
    ///
    /// It is for tools that replace as a whole what a run has made, such as files that a table
    /// names. Where entries have a time to live, it begins anew.
    ///
    /// ```
    /// use squall::testing::{Events, TopologyTest};
    /// use squall::{Bolt, DataDir, Out, Result, RunOptions, States, Table, Text, Topology, Word};
    ///
    /// #[derive(Default)]
    /// struct Seen { seen: Table<Text, u64> }
    /// impl Bolt for Seen {
    ///     type Input = Word;
    ///     type Output = ();
    ///     fn execute(&mut self, word: &Word, _: &mut Out<()>) -> Result {
    ///         *self.seen.entry(&word.word) += 1;
    ///         Ok(())
    ///     }
    ///     fn state(&mut self, states: &mut States<'_>) {
    ///         states.keep("seen", &mut self.seen);
    ///     }
    /// }
    ///
    /// let topology = Topology::named("seen");
    /// let words = Events::now(["a", "b", "a"].map(|word| Word { word: word.into() }));
    /// let words = topology.spout("words", move || words.clone());
    /// topology.bolt("seen", Seen::default).global_grouping(&words);
    /// let data_dir = DataDir::in_memory()?;
    /// let options = RunOptions { data_dir: Some(data_dir.clone()), ..RunOptions::default() };
    /// TopologyTest::new(topology).options(options).run()?;
    ///
    /// let taken = data_dir.edit_table("seen", "seen", |seen: &mut Table<Text, u64>| {
    ///     Ok(seen.remove(&"a".into()))
    /// })?;
    /// assert_eq!(taken, Some(2));
    /// let seen = data_dir.views()?.read()?.table::<Text, u64>("seen", "seen")?;
    /// assert_eq!(seen.iter()?.collect::<Vec<_>>(), [(&"b".into(), &1)]);
    /// # Ok::<(), squall::BoxError>(())
    /// ```
    ///
    /// # Errors
    /// Where a run has the directory open ([`StoreError::InUse`](crate::data_dir::StoreError::InUse) names
    /// it), where there is no such table, or it is of other types or several tasks, where `edit`
    /// fails, and where the store cannot be read or written. Memory must not be in use either,
    /// which nobody checks.
    pub fn edit_table<K, V, R>(
        &self,
        component: &str,
        state: &str,
        edit: impl FnOnce(&mut Table<K, V>) -> Result<R>,
    ) -> Result<R, DataDirError>
    where
        K: KeyValue,
        V: Serialize + DeserializeOwned + Send,
    {
        self.change(component, state, None, edit)
    }

    /// As [`DataDir::edit_table`]. In the same commit the component's results get another
    /// [`Meaning`]: first what its code says of them, then what is stated where it is added to a
    /// topology. From then on runs must mean that.
    ///
    /// # Errors
    /// As [`DataDir::edit_table`].
    pub fn edit_table_to_mean<K, V, R>(
        &self,
        component: &str,
        state: &str,
        meaning: (Meaning, Meaning),
        edit: impl FnOnce(&mut Table<K, V>) -> Result<R>,
    ) -> Result<R, DataDirError>
    where
        K: KeyValue,
        V: Serialize + DeserializeOwned + Send,
    {
        self.change(component, state, Some(meaning), edit)
    }

    fn change<K, V, R>(
        &self,
        component: &str,
        state: &str,
        meaning: Option<(Meaning, Meaning)>,
        edit: impl FnOnce(&mut Table<K, V>) -> Result<R>,
    ) -> Result<R, DataDirError>
    where
        K: KeyValue,
        V: Serialize + DeserializeOwned + Send,
    {
        let store = self.open_existing()?;
        let mut table = Table::new();
        let mut commit = load(&store, component, state, &mut table)?;
        let edited = edit(&mut table).map_err(|cause| DataDirError::Edit { cause })?;

        commit.epoch += 1;
        let mut changes = Changes::new(1, commit.time, |_| true, |_| true);
        let not_encoded = |cause| DataDirError::Edit { cause };
        table.save(&mut changes).map_err(not_encoded)?;
        let mut batch = Batch::default();
        let stored = layout::unit_epochs(component, state, UNIT);
        let end = layout::after(&stored);
        batch.delete_range(stored, end);
        for image in changes.into_units().filter(|image| !image.is_empty()) {
            batch.put(layout::unit(component, state, UNIT, commit.epoch), image);
        }
        let record = serde_json::to_vec(&commit);
        let record = record.map_err(|error| not_encoded(error.into()))?;
        batch.put(layout::COMMIT.to_vec(), record);
        if let Some(meaning) = meaning {
            let manifest = meaning_otherwise(&store, component, meaning)?;
            batch.put(layout::MANIFEST.to_vec(), manifest);
        }
        store.commit(batch)?;
        Ok(edited)
    }
}

/// The manifest in which a component means something else.
fn meaning_otherwise(
    store: &Store,
    component: &str,
    (meaning, stated): (Meaning, Meaning),
) -> Result<Vec<u8>, DataDirError> {
    let reader = store.read()?;
    let contents = Contents::new(&reader, store.dir(), &|| false);
    let mut manifest = contents.manifest()?.unwrap_or_default();
    if let Some(kept) = manifest.components.get_mut(component) {
        kept.meaning = meaning;
        kept.stated = stated;
    }
    let text = serde_json::to_vec(&manifest);
    text.map_err(|error| contents.failed(error.into()))
}

/// Loads a table; gives the commit that it is of.
fn load<K, V>(
    store: &Store,
    component: &str,
    state: &str,
    table: &mut Table<K, V>,
) -> Result<layout::Commit, DataDirError>
where
    K: KeyValue,
    V: Serialize + DeserializeOwned + Send,
{
    let reader = store.read()?;
    let contents = Contents::new(&reader, store.dir(), &|| false);
    let commit = contents.commit()?;
    let Some((manifest, commit)) = contents.manifest()?.zip(commit) else {
        return Err(DataDirError::NothingCommitted {
            dir: contents.dir(),
        });
    };
    let asked = format!("{component}.{state}");
    let kept = manifest.components.get(component);
    let Some((kept, shape)) = kept.and_then(|kept| Some((kept, kept.states.get(state)?))) else {
        let tables = manifest.components.iter().flat_map(|(id, kept)| {
            let states = kept.states.keys();
            states.map(move |state| format!("{id}.{state}"))
        });
        return Err(DataDirError::UnknownTable {
            asked,
            tables: tables.collect(),
        });
    };
    let found = table.shape();
    if (&found.kind, &found.key, &found.value) != (&shape.kind, &shape.key, &shape.value) {
        return Err(DataDirError::NotEditable {
            table: asked,
            why: format!("it is {shape}, and not {found}"),
        });
    }
    if kept.tasks != 1 || kept.by_shard {
        return Err(DataDirError::NotEditable {
            table: asked,
            why: format!("{component} keeps it by task or key, and not as one"),
        });
    }
    contents.units(component, state, |_, values| {
        table.load(&StoredUnit::new(values, false))
    })?;
    let loaded = table.loaded();
    loaded.map_err(|error| damaged(store.dir(), error.to_string()))?;
    Ok(commit)
}
