//! Which files of an archive no commit counts yet.

use std::collections::BTreeMap;
use std::io::{self, BufReader};
use std::path::Path;

use serde::{Deserialize, Serialize};
use squall::private;

use super::replace;

/// The file in the archive's directory.
const NAME: &str = "begun";

/// The files that were begun and are not counted by a commit, and how long each was before.
///
/// It is on the disk before the first byte is written into one. So what a crash or a full disk
/// leaves of a file before its first commit is known to belong to nothing, and not taken for what
/// somebody else has put there.
#[derive(Default)]
pub(super) struct Begun {
    /// What the data directory holds at present; none where nothing is kept, and nothing is noted.
    life: Option<u64>,
    /// Since the cut of the latest commit.
    now: BTreeMap<i64, u64>,
    /// Before that, and not known to be committed.
    before: BTreeMap<i64, u64>,
    /// Whether the file says so.
    written: bool,
}

/// What the file says. One of another life is of a cube that was given up: its files are whole.
#[derive(Serialize, Deserialize)]
struct Note {
    life: u64,
    /// The lengths by the start of the segment.
    files: BTreeMap<i64, u64>,
}

impl Begun {
    /// What was begun in this life.
    pub(super) fn read(dir: &Path, life: Option<u64>) -> Self {
        let note = private::open_to_read(&dir.join(NAME)).ok();
        let note =
            note.and_then(|file| serde_json::from_reader::<_, Note>(BufReader::new(file)).ok());
        let note = note.filter(|note| Some(note.life) == life);
        Self {
            life,
            now: note.map(|note| note.files).unwrap_or_default(),
            before: BTreeMap::new(),
            written: true,
        }
    }

    /// The files that were begun, with the lengths before that.
    pub(super) fn uncounted(&self) -> impl Iterator<Item = (i64, u64)> {
        let all = self.before.iter().chain(&self.now);
        all.map(|(segment, start)| (*segment, *start))
    }

    /// A file of this length is going to be begun; gives the length that it had when it was begun
    /// first.
    pub(super) fn note(&mut self, segment: i64, start: u64) -> u64 {
        if self.life.is_none() {
            return start;
        }
        if let Some(known) = self.before.get(&segment).or_else(|| self.now.get(&segment)) {
            return *known;
        }
        self.now.insert(segment, start);
        self.written = false;
        start
    }

    /// The commit before the one at hand is on disk.
    pub(super) fn committed(&mut self) {
        self.before = std::mem::take(&mut self.now);
    }

    /// Writes what was noted.
    pub(super) fn write(&mut self, dir: &Path) -> io::Result<()> {
        let Some(life) = self.life.filter(|_| !self.written) else {
            return Ok(());
        };
        let files = self.uncounted().collect();
        let note = serde_json::to_vec(&Note { life, files })?;
        replace(&dir.join(NAME), &note)?;
        self.written = true;
        Ok(())
    }
}
