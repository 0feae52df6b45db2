//! How many bytes of the files have been read: what a progress bar shows.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Tells how far [`Files`](super::Files) have been read; made by
/// [`Files::progress`](super::Files::progress).
///
/// The readers of all tasks count into one number, which whoever shows it reads while they
/// run: hence the atomic. Nothing depends on its exact moment, so no order is asked of it.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    bytes: Arc<AtomicU64>,
}

impl Progress {
    /// The bytes read so far of all files, as they are on disk (of gzip the packed ones);
    /// read-ahead is counted as read, streams are not counted.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// So many bytes more were read, or need not be read any more.
    pub(super) fn add(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Files, Source};
    use crate::testing::TopologyTest;
    use crate::{Topology, Word, bolts::Filter};

    #[test]
    fn at_the_end_as_many_bytes_are_read_as_the_files_have() {
        let folder = tempfile::tempdir().unwrap();
        let sources = ["a", "b", "c"].map(|name| {
            let path = folder.path().join(name);
            std::fs::write(&path, format!("{name}\n").repeat(100_000)).unwrap();
            Source::File(path)
        });
        let files = Files::of(sources.to_vec());
        let progress = files.progress();
        assert_eq!((progress.bytes(), files.bytes()), (0, Some(600_000)));
        let topology = Topology::named("progress");
        let words = topology.spout("words", move || files.decode::<Word, _>(|_, _| Ok(())));
        let words = words.parallelism(2);
        let none = topology.bolt("none", || Filter::new(|_: &Word| false));
        let _ = none.global_grouping(&words);
        TopologyTest::new(topology).run().unwrap();
        assert_eq!(progress.bytes(), 600_000);
    }
}
