//! What changes in a table from commit to commit.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use serde::de::DeserializeOwned;

use super::commit_notifier::{CommitNotifier, Follower};
use super::snapshot::{Image, Snapshot, ViewError, Views};
use crate::key::KeyValue;

/// A key whose value has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableChange<K, V> {
    /// The key.
    pub key: K,
    /// The value before; none where the key is new.
    pub before: Option<V>,
    /// The value after; none where the key is gone.
    pub after: Option<V>,
}

/// What changes in a table, made by [`Views::changes`]: for each commit that changes it the
/// epoch and the changes, in the order of the keys. It begins with the commit after it was
/// made, and ends with the run, whose last commit it still gives.
///
/// Whoever takes them more slowly than commits come gets several commits as one: a key that
/// has changed twice has the value before and after both. Nothing is queued, and the run
/// does not wait.
///
/// ```no_run
/// use squall::{RunOptions, Text, Topology};
/// # let topology = Topology::named("words");
/// let running = topology.start(RunOptions::default())?;
/// let views = running.views().expect("it has a data directory");
/// for change in views.changes::<Text, u64>("counts", "totals")? {
///     let (epoch, changes) = change?;
///     println!("{epoch}: {} words", changes.len());
/// }
/// # Ok::<(), squall::BoxError>(())
/// ```
pub struct TableChanges<K, V> {
    following: Arc<Following<K, V>>,
    notifier: CommitNotifier,
    seen: u64,
    before: Images<K, V>,
    ended: bool,
}

type Images<K, V> = BTreeMap<u16, Image<K, V>>;

/// A table as of a commit.
type Seen<K, V> = (u64, Images<K, V>);

/// What the end of the run is told to.
struct Following<K, V> {
    views: Views,
    component: String,
    state: String,
    /// The table as of the last commit, once the run has ended; put there by the thread of
    /// the run, hence the lock. It is held while reading: the end of the run waits for that,
    /// or the data directory would still be open after it.
    last: Mutex<Option<Result<Seen<K, V>, ViewError>>>,
}

impl<K, V> Following<K, V>
where
    K: KeyValue + Sync,
    V: DeserializeOwned + Send + Sync + 'static,
{
    fn last(&self) -> MutexGuard<'_, Option<Result<Seen<K, V>, ViewError>>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// To be called with the lock on `last`.
    fn read(&self) -> Result<Seen<K, V>, ViewError> {
        let snapshot = self.views.read()?;
        Ok((snapshot.epoch(), self.images(&snapshot)?))
    }

    fn images(&self, snapshot: &Snapshot) -> Result<Images<K, V>, ViewError> {
        if snapshot.commit().is_none() {
            return Ok(Images::new());
        }
        snapshot.table(&self.component, &self.state)?.images()
    }
}

impl Views {
    /// What changes in a table from now on, commit by commit; see [`TableChanges`].
    ///
    /// # Errors
    /// As [`Snapshot::table`], but a state that is not there yet may come with the first
    /// commit.
    pub fn changes<K, V>(
        &self,
        component: &str,
        state: &str,
    ) -> Result<TableChanges<K, V>, ViewError>
    where
        K: KeyValue + Sync,
        V: DeserializeOwned + Clone + PartialEq + Send + Sync + 'static,
    {
        TableChanges::new(self.clone(), component, state)
    }
}

impl<K, V> Follower for Following<K, V>
where
    K: KeyValue + Sync,
    V: DeserializeOwned + Send + Sync + 'static,
{
    fn take_last(&self) {
        let mut last = self.last();
        *last = Some(self.read());
    }
}

impl<K, V> fmt::Debug for TableChanges<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Following {
            component, state, ..
        } = &*self.following;
        write!(f, "TableChanges({component}.{state} after {})", self.seen)
    }
}

impl<K, V> TableChanges<K, V>
where
    K: KeyValue + Sync,
    V: DeserializeOwned + Clone + PartialEq + Send + Sync + 'static,
{
    pub(in crate::durable) fn new(
        views: Views,
        component: &str,
        state: &str,
    ) -> Result<Self, ViewError> {
        let notifier = views.notifier().clone();
        let following = Arc::new(Following {
            views,
            component: component.to_owned(),
            state: state.to_owned(),
            last: Mutex::new(None),
        });
        // Before the first look, so that no commit falls between.
        let weak: Weak<Following<K, V>> = Arc::downgrade(&following);
        notifier.follow(weak);
        let (seen, before) = {
            let mut last = following.last();
            last.take().unwrap_or_else(|| following.read())?
        };
        Ok(Self {
            following,
            notifier,
            seen,
            before,
            ended: false,
        })
    }

    /// The table as of the next commit; none after the end of the run.
    fn next_seen(&mut self) -> Option<Result<Seen<K, V>, ViewError>> {
        let goes_on = self.notifier.wait(self.seen);
        let mut last = self.following.last();
        if last.is_some() || !goes_on {
            self.ended = true;
            return last.take();
        }
        Some(self.following.read())
    }
}

impl<K, V> Iterator for TableChanges<K, V>
where
    K: KeyValue + Sync,
    V: DeserializeOwned + Clone + PartialEq + Send + Sync + 'static,
{
    type Item = Result<(u64, Vec<TableChange<K, V>>), ViewError>;

    /// Waits for the next commit that changes the table; none after the end of the run.
    fn next(&mut self) -> Option<Self::Item> {
        while !self.ended {
            let (epoch, after) = match self.next_seen()? {
                Ok(seen) => seen,
                Err(error) => {
                    self.ended = true;
                    return Some(Err(error));
                }
            };
            let before = std::mem::replace(&mut self.before, after);
            self.seen = epoch;
            let changes = compare(&before, &self.before);
            if !changes.is_empty() {
                return Some(Ok((epoch, changes)));
            }
        }
        None
    }
}

/// What differs, in the order of the keys.
fn compare<K, V>(before: &Images<K, V>, after: &Images<K, V>) -> Vec<TableChange<K, V>>
where
    K: Ord + Clone,
    V: Clone + PartialEq,
{
    let mut changes = Vec::new();
    let empty = Image::default();
    let gone = before.keys().filter(|unit| !after.contains_key(unit));
    for unit in after.keys().chain(gone) {
        let [before, after] = [before, after].map(|images| images.get(unit).unwrap_or(&empty));
        if Arc::ptr_eq(before, after) {
            continue;
        }
        let change = |key: &K, before: Option<&V>, after: Option<&V>| TableChange {
            key: key.clone(),
            before: before.cloned(),
            after: after.cloned(),
        };
        for (key, value) in after.iter() {
            let old = before.get(key);
            if old != Some(value) {
                changes.push(change(key, old, Some(value)));
            }
        }
        for (key, value) in before.iter() {
            if !after.contains_key(key) {
                changes.push(change(key, Some(value), None));
            }
        }
    }
    changes.sort_by(|one, other| one.key.cmp(&other.key));
    changes
}
