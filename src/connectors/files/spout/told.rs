//! What is told about files.

use super::super::decode::Decode;
use super::super::follow::Found;
use super::super::position::{FilePosition, path_of};
use super::FileSpout;
use crate::stream::Streams;
use crate::text::Shown;

/// So many warnings about files are logged by a task.
const MAX_WARNINGS: u32 = 20;

impl<S, D> FileSpout<S, D>
where
    S: Streams,
    D: Decode<S>,
{
    pub(super) fn moved_by_content(&mut self, at: &str, found: &Found) {
        let bytes = self
            .positions
            .get(&at.to_owned())
            .map_or(0, |position| position.offset);
        let name = found.source.name();
        let (of, name) = (Shown(path_of(at)), Shown(&name));
        tracing::info!(
            "`{name}` has the {bytes} bytes that were read of `{of}`, which is gone: it is read \
             on after them"
        );
    }

    /// Two files of the same content are not one because the first is gone.
    pub(super) fn alike(&mut self, of: &str, found: &Found) {
        let name = found.source.name();
        let (of, name) = (Shown(path_of(of)), Shown(&name));
        self.warn(&format!(
            "`{name}` begins like `{of}`, which was read and is gone: it is read from its \
             beginning, as another file, since it is newer and its name is not made from the old \
             one"
        ));
    }

    /// A file is gone: a warning, unless all of it was read.
    pub(super) fn gone(&mut self, at: &str) {
        let name = Shown(path_of(at));
        let read = match self.positions.get(&at.to_owned()) {
            Some(position) if position.is_of_all() => return,
            Some(FilePosition { offset, line, .. }) => {
                format!("was read up to byte {offset} (line {line})")
            }
            None => "was found, but not read yet,".to_owned(),
        };
        self.warn(&format!(
            "`{name}` {read} and is now gone, and no file in its folder has its content: the rest \
             of it is not read, unless it comes back"
        ));
    }

    pub(super) fn lost(&mut self, name: &str, position: &FilePosition) {
        let FilePosition { offset, line, .. } = position;
        let name = Shown(name);
        self.warn(&format!(
            "`{name}` was emptied, overwritten or replaced after it was read up to byte {offset} \
             (line {line}), and no file in its folder has the rest: records appended after that \
             byte are lost, and the present file is read from its beginning"
        ));
    }

    /// Logs a warning, unless there were too many.
    pub(super) fn warn(&mut self, text: &str) {
        self.warned += 1;
        if self.warned <= MAX_WARNINGS {
            tracing::warn!("{text}");
        }
        if self.warned == MAX_WARNINGS {
            tracing::warn!("this task logs no further warnings about files");
        }
    }
}
