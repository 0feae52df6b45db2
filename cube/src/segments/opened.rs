//! A file that several threads read at once.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::sync::Arc;

use bytes::Bytes;
use parquet::errors::{ParquetError, Result};
use parquet::file::reader::{ChunkReader, Length};

/// An open file. A [`File`] itself has one position for all who read it, which would be moved
/// from under a thread by the others.
pub(super) struct Opened {
    file: Arc<File>,
    length: u64,
}

impl Opened {
    pub(super) fn new(file: File) -> io::Result<Self> {
        Ok(Self {
            length: file.metadata()?.len(),
            file: Arc::new(file),
        })
    }

    /// Its bytes from there on.
    pub(super) fn from(&self, position: u64) -> impl Read + use<> {
        Reading {
            file: Arc::clone(&self.file),
            position,
        }
    }

    pub(super) fn length(&self) -> u64 {
        self.length
    }
}

impl Length for Opened {
    fn len(&self) -> u64 {
        self.length
    }
}

impl ChunkReader for Opened {
    type T = BufReader<Reading>;

    fn get_read(&self, start: u64) -> Result<Self::T> {
        Ok(BufReader::new(Reading {
            file: Arc::clone(&self.file),
            position: start,
        }))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        let end = start.saturating_add(length as u64);
        if end > self.length {
            let length = self.length;
            return Err(ParquetError::EOF(format!(
                "bytes {start}..{end} are behind its end at {length}"
            )));
        }
        let mut bytes = vec![0; length];
        self.from(start).read_exact(&mut bytes)?;
        Ok(bytes.into())
    }
}

/// Reads a file from a position of its own.
pub(super) struct Reading {
    file: Arc<File>,
    position: u64,
}

impl Read for Reading {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        #[cfg(unix)]
        let read = std::os::unix::fs::FileExt::read_at(&*self.file, into, self.position)?;
        #[cfg(windows)]
        let read = std::os::windows::fs::FileExt::seek_read(&*self.file, into, self.position)?;
        self.position += read as u64;
        Ok(read)
    }
}
