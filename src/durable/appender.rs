//! Appending to a depot of a data directory, whoever has that.

#[cfg(unix)]
use std::time::Duration;

use super::append_to::AppendTo;
#[cfg(unix)]
use super::data_dir::patiently_for;
use super::data_dir::{DataDir, patiently};
use super::error::DataDirError;
use super::socket::AppendingTo;
use crate::depot::{Appended, Appender, Depot, DepotError, Digest, PARTITIONS};
use crate::store::StoreError;

/// Appends records to a depot: into its data directory or, where another process has that,
/// through that process. Made by [`DataDir::appender`].
///
/// Where that process ends, the appender goes on: through whoever has the directory then, or it
/// takes the directory itself. With an id nothing is appended twice and nothing left out. Without
/// one it says so where it cannot know ([`DataDirError::Unacknowledged`]): where the process was
/// killed between taking records and acknowledging them.
pub struct DepotAppender {
    data_dir: DataDir,
    to: To,
    asked: AppendTo,
    /// What the depot is, with what was there of the id before.
    begun: AppendingTo,
    /// What the id has appended up to the last acknowledgement.
    known: Appended,
    /// How many records of the id are appended, or of this where there is no id.
    appended: u64,
    /// What of that which was there before was found again.
    found: Appended,
}

enum To {
    Here(Here),
    #[cfg(unix)]
    There(super::socket::Appending),
    /// The process is gone, and another place was not found yet.
    Nowhere,
}

/// A batch is sent to so many processes, one after the other.
#[cfg(unix)]
const MAX_TRIES: usize = 16;

/// So long is waited for the next process to open the directory.
#[cfg(unix)]
const TAKES_OVER: Duration = Duration::from_secs(30);

/// The depot of a directory that this appender has opened. Others who want something of the
/// directory ask it meanwhile.
struct Here {
    #[cfg(unix)]
    _socket: Option<std::sync::Arc<super::socket::Socket>>,
    depot: Depot,
}

impl DataDir {
    /// Begins to append to a depot. Where a process has the directory open, a run or
    /// [`DataDir::opened`], that process appends (on Unix; elsewhere the directory is in use).
    ///
    /// # Errors
    /// Where there is no such depot and no key to make one by, where the one that is there is
    /// another, and where the directory cannot be opened and its holder not be asked.
    ///
    /// ```
    /// use squall::{DataDir, data_dir::AppendTo};
    ///
    /// let data_dir = DataDir::in_memory()?;
    /// let to = AppendTo { key: Some("word".to_owned()), ..AppendTo::depot("said") };
    /// let mut appender = data_dir.appender(to)?;
    /// let record = ("storm".to_owned(), r#"{"word": "storm"}"#.to_owned());
    /// appender.append(vec![record])?;
    /// assert_eq!((appender.key(), appender.appended()), ("word", 1));
    /// # Ok::<(), squall::BoxError>(())
    /// ```
    pub fn appender(&self, to: AppendTo) -> Result<DepotAppender, DataDirError> {
        let begin = || self.begin_appending(&to, None);
        let (begun_at, begun) = patiently(begin, DataDirError::passes)?;
        Ok(DepotAppender {
            data_dir: self.clone(),
            to: begun_at,
            known: begun.appended,
            appended: begun.appended.records,
            begun,
            found: Appended::default(),
            asked: to,
        })
    }

    /// Opens the depot, or finds who has it. What is appended first comes after `from` records.
    fn begin_appending(
        &self,
        to: &AppendTo,
        from: Option<u64>,
    ) -> Result<(To, AppendingTo), DataDirError> {
        // What is refused leaves nothing behind: no data directory either.
        let store = if to.key.is_some() {
            Depot::check_possible(&to.depot, to.partitions.unwrap_or(PARTITIONS))?;
            self.open()
        } else {
            self.open_existing()
        };
        match store {
            Ok(store) => {
                let partitions = to.partitions;
                let depot = Depot::open_or_make(&store, &to.depot, partitions, to.key.as_deref())?;
                let begun = AppendingTo::new(&depot, to)?;
                let here = Here {
                    #[cfg(unix)]
                    _socket: super::socket::Socket::open(&store),
                    depot,
                };
                Ok((To::Here(here), begun))
            }
            Err(in_use @ StoreError::InUse { .. }) => self.begin_there(in_use, to, from),
            Err(error) => Err(error.into()),
        }
    }

    #[cfg(unix)]
    fn begin_there(
        &self,
        in_use: StoreError,
        to: &AppendTo,
        from: Option<u64>,
    ) -> Result<(To, AppendingTo), DataDirError> {
        use super::socket::Appending;
        let Some(dir) = self.path() else {
            return Err(in_use.into());
        };
        let begun = Appending::begin(dir, to, from).map_err(|error| error.with(in_use))?;
        Ok((To::There(begun.0), begun.1))
    }

    #[cfg(not(unix))]
    #[allow(clippy::unused_self)] // elsewhere it tells where the holder is
    fn begin_there(
        &self,
        in_use: StoreError,
        _: &AppendTo,
        _: Option<u64>,
    ) -> Result<(To, AppendingTo), DataDirError> {
        Err(in_use.into())
    }
}

impl DepotAppender {
    /// The field by which the depot's records are dealt to partitions.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.begun.key
    }

    /// How many partitions the depot has.
    #[must_use]
    pub fn partitions(&self) -> u16 {
        self.begun.partitions
    }

    /// How many records were appended by this id, in earlier processes too: so many of its input
    /// are to be passed over before the first [`DepotAppender::append`], and
    /// [`DepotAppender::is_there`] compares them. Without an id those of this appender.
    #[must_use]
    pub fn appended(&self) -> u64 {
        self.appended
    }

    /// Whether the next record of an input was appended by this id before, in an earlier process:
    /// then it is to be passed over. To be asked for each record in order, from the first one of
    /// the input on, until one is new; without an id each is.
    ///
    /// # Errors
    /// With the last one that was appended before, where they were not these
    /// ([`DepotError::OtherRecords`]): the input is another one, or was changed.
    ///
    /// ```
    /// use squall::{DataDir, data_dir::AppendTo};
    ///
    /// let data_dir = DataDir::in_memory()?;
    /// let to = AppendTo {
    ///     key: Some("word".to_owned()),
    ///     id: Some("me".to_owned()),
    ///     ..AppendTo::depot("said")
    /// };
    /// data_dir.appender(to.clone())?.append(vec![("a".to_owned(), "{}".to_owned())])?;
    /// let mut again = data_dir.appender(to.clone())?;
    /// assert!(again.is_there("a", "{}")?);
    /// assert!(!again.is_there("b", "{}")?);
    /// assert!(data_dir.appender(to)?.is_there("b", "{}").is_err());
    /// # Ok::<(), squall::BoxError>(())
    /// ```
    pub fn is_there(&mut self, key: &str, record: &str) -> Result<bool, DataDirError> {
        if self.found.records >= self.begun.appended.records {
            return Ok(false);
        }
        self.found = self.found.and(Digest::of(key, record));
        if self.found.records == self.begun.appended.records && self.found != self.begun.appended {
            return Err(self.other_records());
        }
        Ok(true)
    }

    /// The input has ended.
    ///
    /// # Errors
    /// Where fewer records were asked for by [`DepotAppender::is_there`] than were appended
    /// before: the input is another one, or was cut off.
    pub fn end(&self) -> Result<(), DataDirError> {
        if self.found.records < self.begun.appended.records {
            return Err(self.other_records());
        }
        Ok(())
    }

    fn other_records(&self) -> DataDirError {
        let error = DepotError::OtherRecords {
            depot: self.asked.depot.clone(),
            id: self.asked.id.clone().unwrap_or_default(),
            appended: self.begun.appended.records,
            found: self.found.records,
        };
        error.into()
    }

    /// Appends records, each after its key, as one commit, and waits for the acknowledgement.
    ///
    /// # Errors
    /// Where they cannot be appended, or, where that is asked for, are not processed; and where
    /// the process that has the directory ends meanwhile and nobody knows what is there.
    pub fn append(&mut self, records: Vec<(String, String)>) -> Result<(), DataDirError> {
        let count = records.len() as u64;
        let known = if self.asked.id.is_some() {
            let digests = records.iter().map(|(key, record)| Digest::of(key, record));
            digests.fold(self.known, Appended::and)
        } else {
            self.known
        };
        match self.to {
            To::Here(_) => self.append_here(records)?,
            #[cfg(unix)]
            _ => self.append_there(records, known)?,
            #[cfg(not(unix))]
            To::Nowhere => return Err(DataDirError::Ended),
        }
        self.known = known;
        self.appended += count;
        Ok(())
    }

    fn append_here(&self, records: Vec<(String, String)>) -> Result<(), DataDirError> {
        let To::Here(here) = &self.to else {
            return Err(DataDirError::Ended);
        };
        let appender = self.asked.id.as_ref().map(|id| Appender {
            id: id.clone(),
            from: self.appended,
        });
        let acknowledge = self.asked.acknowledge;
        let appender = appender.as_ref();
        let appended = here
            .depot
            .append_for(appender, records, acknowledge, &|| false);
        Ok(appended?)
    }

    /// Appends through the process that has the directory, or through the next one. `known` is
    /// what the id has appended with these.
    #[cfg(unix)]
    fn append_there(
        &mut self,
        records: Vec<(String, String)>,
        known: Appended,
    ) -> Result<(), DataDirError> {
        use super::socket::NotAppended;
        let count = records.len() as u64;
        for _ in 0..MAX_TRIES {
            let done = match &mut self.to {
                To::There(there) => there.append(&records),
                To::Here(_) => return self.append_here(records),
                To::Nowhere => Err(NotAppended::Nothing),
            };
            match done {
                Ok(()) => return Ok(()),
                Err(NotAppended::Refused(error)) => return Err(error),
                Err(NotAppended::Nothing) => {}
                Err(NotAppended::Unknown) if self.asked.id.is_some() => {}
                Err(NotAppended::Unknown) => {
                    self.to = To::Nowhere;
                    return Err(DataDirError::Unacknowledged {
                        acknowledged: self.appended,
                        unknown: count,
                    });
                }
            }
            self.go_on(known)?;
        }
        Err(DataDirError::Unacknowledged {
            acknowledged: self.appended,
            unknown: count,
        })
    }

    /// Finds who has the directory now, or takes it, and compares what the id has appended there.
    #[cfg(unix)]
    fn go_on(&mut self, known: Appended) -> Result<(), DataDirError> {
        // First of all the connection is let go of.
        self.to = To::Nowhere;
        // It is there: a depot that was deleted is not made anew.
        let to = AppendTo {
            key: None,
            ..self.asked.clone()
        };
        let from = to.id.as_ref().map(|_| self.appended);
        let begin = || self.data_dir.begin_appending(&to, from);
        let (place, begun) = patiently_for(TAKES_OVER, begin, DataDirError::passes)?;
        let Some(id) = &to.id else {
            self.to = place;
            return Ok(());
        };
        let there = begun.appended;
        if there.records < self.known.records {
            return Err(DataDirError::Lost {
                id: id.clone(),
                acknowledged: self.known.records,
                lost: self.known.records - there.records,
            });
        }
        // A commit has all of a batch or nothing of it.
        if there != self.known && there != known {
            return Err(self.other_records());
        }
        self.to = place;
        Ok(())
    }
}
