//! Files that are held back, for they may be copies of others.

use std::path::PathBuf;

use super::super::Source;
use super::super::content::is_part;
use super::super::decode::Decode;
use super::super::fingerprint::{Holds, Stamp, is_gzip};
use super::super::follow::{Found, find};
use super::super::position::{path_of, stamp_of};
use super::super::reading::Input;
use super::FileSpout;
use super::known::still_there;
use super::turns::QUIET_LOOKS;
use crate::connectors::paths::one_spelling;
use crate::error::Result;
use crate::spout::SpoutOut;
use crate::stream::Streams;
use crate::text::Shown;

/// A file that is shorter than what it may be a copy of, and grows, is held back for so many looks,
/// about ten seconds.
const MAX_LOOKS: u32 = 100;

/// A file that may be the copy of another one.
pub(super) struct Held {
    pub(super) path: PathBuf,
    stamp: Stamp,
    /// Of what.
    pub(super) of: String,
    looks: u32,
    /// Those of them that have found it as it was.
    quiet_looks: u32,
}

enum Reviewed {
    Gone,
    Waits,
    /// It is read now: as what it may be a copy of, or as a file of its own.
    Read(Found),
}

impl<S, D> FileSpout<S, D>
where
    S: Streams,
    D: Decode<S>,
{
    /// Holds a file back that may be a copy of another one.
    pub(super) fn hold(&mut self, found: &Found, of: String) {
        let Some(path) = found.source.path() else {
            return;
        };
        let before = self.held.iter().position(|held| held.path == path);
        let looks = before.map_or(0, |number| self.held.swap_remove(number).looks);
        self.held.push(Held {
            path: path.to_owned(),
            stamp: found.stamp,
            of,
            looks,
            quiet_looks: 0,
        });
    }

    /// Looks at the files that may be copies; says whether one is read now.
    pub(super) fn review_held(&mut self, out: &mut SpoutOut<S>) -> Result<bool> {
        let mut left = std::mem::take(&mut self.held).into_iter();
        while let Some(mut held) = left.next() {
            let found = match self.review(&mut held)? {
                Reviewed::Gone => continue,
                Reviewed::Waits => {
                    self.held.push(held);
                    continue;
                }
                Reviewed::Read(found) => {
                    // What is held may be of what moves.
                    self.held.extend(left);
                    found
                }
            };
            let Some(file) = &found.open()? else {
                self.held.push(held);
                break;
            };
            let position = self.positions.get(&held.of);
            let holds = match position {
                Some(position) => position.compare(file)?,
                None => Holds::Other,
            };
            if holds == Holds::All && path_of(&held.of) == found.path {
                // It is again what it was.
                let input = self.input(found.source, held.of, found.stamp.id, None, out)?;
                self.inputs.push_back(input);
                return Ok(true);
            }
            let there = match position {
                Some(position) => still_there(&held.of, position)?.is_some(),
                None => false,
            };
            if holds == Holds::All && !there {
                self.moved_by_content(&held.of, &found);
                self.move_to(&held.of, found, out)?;
                return Ok(true);
            }
            if let Some(position) = position.filter(|_| holds != Holds::Other) {
                let name = held.path.display().to_string();
                let (name, of) = (Shown(&name), Shown(path_of(&held.of)));
                let bytes = position.text.length;
                let told = format!(
                    "`{name}` begins like `{of}`, of which {bytes} bytes were read: it is read \
                     from its beginning, as another file"
                );
                self.warn(&told);
            }
            self.take_in_new(found, None, out)?;
            return Ok(true);
        }
        Ok(false)
    }

    /// What is to be done with a file that is held back.
    fn review(&self, held: &mut Held) -> Result<Reviewed> {
        held.looks += 1;
        let Some(stamp) = stamp_of(&held.path)? else {
            return Ok(Reviewed::Gone);
        };
        let reads = |input: &Input| {
            input.id == stamp.id && input.source.path() == Some(held.path.as_path())
        };
        if self.inputs.iter().any(reads) {
            // It was emptied, and what was written to it then was found as a file of its own.
            return Ok(Reviewed::Gone);
        }
        if stamp == held.stamp {
            held.quiet_looks += 1;
        } else {
            held.stamp = stamp;
            held.quiet_looks = 0;
        }
        let waits = held.quiet_looks < QUIET_LOOKS && held.looks < MAX_LOOKS;
        let position = self.positions.get(&held.of);
        if position.is_none() && self.inputs.iter().any(|input| input.place == held.of) {
            // Nothing of that was read yet.
            return Ok(Reviewed::Waits);
        }
        let Some(found) = find(&self.files, Source::File(held.path.clone()))? else {
            return Ok(Reviewed::Gone);
        };
        let Some(position) = position else {
            return Ok(Reviewed::Read(found));
        };
        let Some(file) = &found.open()? else {
            return Ok(Reviewed::Gone);
        };
        if waits && held.quiet_looks == 0 && is_gzip(file)? {
            // To compare it takes time; when it is whole is time enough.
            return Ok(Reviewed::Waits);
        }
        let there = still_there(&held.of, position)?;
        let holds = match (position.compare(file)?, &there) {
            (Holds::Less, Some(of)) if is_part(file, of)? == Some(false) => Holds::Other,
            (holds, _) => holds,
        };
        let moved = holds == Holds::All && (there.is_none() || path_of(&held.of) == found.path);
        Ok(if moved || holds == Holds::Other || !waits {
            Reviewed::Read(found)
        } else {
            Reviewed::Waits
        })
    }

    /// Whether what is at this path may become what was there.
    pub(super) fn is_held(&self, path: &str) -> bool {
        let mut held = self.held.iter();
        held.any(|held| one_spelling(&held.path) == path)
    }
}
