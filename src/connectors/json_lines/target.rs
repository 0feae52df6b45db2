//! A file that gets each byte exactly once.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use crate::context::Context;
use crate::text::Shown;

/// What is compared at once with what the file has.
const COMPARED_BYTES: usize = 64 * 1024;

/// Why a run cannot go on with a file that it writes.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OutputError {
    /// It has less than what was written into it.
    #[error(
        "`{}` was written up to byte {stored}, but now it has only {found}: restore it, or delete \
         the state of `{}` with `squall reset`, so that it is written again from here on",
        Shown(path),
        Shown(component)
    )]
    Shorter {
        /// The file.
        path: String,
        /// The bytes that were written.
        stored: u64,
        /// The bytes that it has.
        found: u64,
        /// The component that writes it.
        component: String,
    },
    /// It is not there.
    #[error(
        "`{}` was written up to byte {stored}, but now it does not exist: restore it, or delete \
         the state of `{}` with `squall reset`, so that it is written again from here on",
        Shown(path),
        Shown(component)
    )]
    Missing {
        /// The file.
        path: String,
        /// The bytes that were written.
        stored: u64,
        /// The component that writes it.
        component: String,
    },
    /// It cannot be opened.
    #[error("cannot write to `{}`", Shown(path))]
    Unwritable {
        /// The file.
        path: String,
        /// What the operating system says.
        source: io::Error,
    },
}

/// A file, and how much of it is known to be written.
///
/// What lies behind that after a failure was delivered, wholly or in part, and that was not
/// recorded. It is not cut off, for readers may have seen it: it is going to be delivered
/// again, byte for byte the same, and what is there already is passed over.
#[derive(Debug)]
pub(super) struct DurableFile {
    file: File,
    length: u64,
    /// After a failure: the number of the commit up to which everything is delivered again.
    /// What the file has behind that belongs to nothing.
    recovers: Option<u64>,
    /// The file may have bytes behind `length`.
    surplus: bool,
    /// Something was delivered since the last flush.
    unflushed: bool,
}

impl DurableFile {
    /// A file that is made or emptied.
    pub(super) fn new(path: &Path) -> io::Result<Self> {
        let file = File::create(path)?;
        sync_folder(path)?;
        Ok(Self {
            file,
            length: 0,
            recovers: None,
            surplus: false,
            unflushed: true,
        })
    }

    /// A file into which so much was delivered.
    pub(super) fn go_on(path: &Path, length: u64, context: &Context) -> Result<Self, OutputError> {
        let name = || path.display().to_string();
        let unwritable = |source| OutputError::Unwritable {
            path: name(),
            source,
        };
        let mut options = OpenOptions::new();
        // A file into which nothing was delivered is no loss.
        options.read(true).write(true).create(length == 0);
        let file = match options.open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && length > 0 => {
                return Err(OutputError::Missing {
                    path: name(),
                    stored: length,
                    component: context.component.clone(),
                });
            }
            opened => opened.map_err(unwritable)?,
        };
        let found = file.metadata().map_err(unwritable)?.len();
        if found < length {
            return Err(OutputError::Shorter {
                path: name(),
                stored: length,
                found,
                component: context.component.clone(),
            });
        }
        Ok(Self {
            file,
            length,
            recovers: context.resumed_from,
            surplus: found > length,
            // What a process has written before it died may not be on the disk.
            unflushed: true,
        })
    }

    /// How much was delivered.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Writes what follows, as far as the file does not have it.
    pub(super) fn deliver(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.unflushed = true;
        let mut rest = bytes;
        if self.surplus {
            let there = self.common(bytes)?;
            rest = &bytes[there..];
            if !rest.is_empty() {
                // What is there instead was never committed.
                self.file.set_len(self.length + there as u64)?;
                self.surplus = false;
            }
        }
        if !rest.is_empty() {
            let at = self.length + (bytes.len() - rest.len()) as u64;
            self.file.seek(SeekFrom::Start(at))?;
            self.file.write_all(rest)?;
        }
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// How many of these bytes the file has behind what was delivered.
    fn common(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.seek(SeekFrom::Start(self.length))?;
        let mut there = vec![0; COMPARED_BYTES.min(bytes.len())];
        let mut compared = 0;
        while compared < bytes.len() {
            let room = there.len().min(bytes.len() - compared);
            let read = match self.file.read(&mut there[..room]) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let pairs = there[..read].iter().zip(&bytes[compared..]);
            let equal = pairs.take_while(|(a, b)| a == b).count();
            compared += equal;
            if equal < read {
                break;
            }
        }
        Ok(compared)
    }

    /// Everything of this epoch was delivered.
    pub(super) fn flush(&mut self, epoch: u64) -> io::Result<()> {
        if self.recovers.is_some_and(|commit| epoch >= commit) {
            self.recovers = None;
            if self.surplus {
                self.file.set_len(self.length)?;
                self.surplus = false;
                self.unflushed = true;
            }
        }
        if std::mem::take(&mut self.unflushed) {
            self.file.sync_data()?;
        }
        Ok(())
    }
}

/// A new file survives a crash of the system when its folder is written too.
#[cfg(unix)]
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}
