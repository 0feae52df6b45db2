//! Appending to a depot of a data directory, whoever has that.

use serde::{Deserialize, Serialize};

use super::data_dir::{DataDir, patiently};
use super::error::DataDirError;
use super::protocol::AppendingTo;
use crate::depot::{Acknowledge, Appended, Appender, Depot, DepotError, Digest, PARTITIONS};
use crate::store::StoreError;

/// What is to be appended to, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppendTo {
    /// The depot.
    pub depot: String,
    /// The field by which its records are dealt to partitions; that of the depot where it is not
    /// given. Where it is, a depot that is not there is made.
    pub key: Option<String>,
    /// Of how many partitions one is made, by default [`PARTITIONS`](crate::PARTITIONS), and one
    /// that is there must be, by default as many as it has.
    pub partitions: Option<u16>,
    /// Who appends, so that it can go on after a crash without appending anything twice.
    pub id: Option<String>,
    /// When it is acknowledged.
    pub acknowledge: Acknowledge,
}

/// Appends records to a depot: into its data directory or, where another process has that,
/// through that process. Made by [`DataDir::appender`].
pub struct DepotAppender {
    to: To,
    asked: AppendTo,
    /// What the depot is, with what was there of the id before.
    begun: AppendingTo,
    /// How many records of the id are appended, or of this where there is no id.
    appended: u64,
    /// What of that which was there before was found again.
    found: Appended,
}

enum To {
    Here(Here),
    #[cfg(unix)]
    There(super::socket::Appending),
}

/// The depot of a directory that this appender has opened. Others who want something of the
/// directory ask it meanwhile.
struct Here {
    #[cfg(unix)]
    _socket: Option<std::sync::Arc<super::socket::Socket>>,
    depot: Depot,
}

impl AppendTo {
    /// To a depot that is there, acknowledged when it is on disk.
    #[must_use]
    pub fn depot(name: &str) -> Self {
        Self {
            depot: name.to_owned(),
            key: None,
            partitions: None,
            id: None,
            acknowledge: Acknowledge::Appended,
        }
    }
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
    /// use squall::{AppendTo, DataDir};
    ///
    /// let data_dir = DataDir::in_memory()?;
    /// let to = AppendTo { key: Some("word".to_owned()), ..AppendTo::depot("said") };
    /// let mut appender = data_dir.appender(to)?;
    /// let record = ("storm".to_owned(), r#"{"word": "storm"}"#.to_owned());
    /// appender.append(vec![record])?;
    /// assert_eq!((appender.key(), appender.appended()), ("word", 1));
    /// # Ok::<(), squall::BoxError>(())
    /// ```
    #[allow(clippy::needless_pass_by_value)] // it goes into what is made, by the last attempt
    pub fn appender(&self, to: AppendTo) -> Result<DepotAppender, DataDirError> {
        patiently(
            || self.appender_now(to.clone()),
            |error| matches!(error, DataDirError::NoAnswer { .. }),
        )
    }

    fn appender_now(&self, to: AppendTo) -> Result<DepotAppender, DataDirError> {
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
                let begun = AppendingTo::new(&depot, &to)?;
                let here = Here {
                    #[cfg(unix)]
                    _socket: super::socket::Socket::open(&store),
                    depot,
                };
                Ok(DepotAppender::new(To::Here(here), begun, to))
            }
            Err(in_use @ StoreError::InUse { .. }) => self.appender_there(in_use, to),
            Err(error) => Err(error.into()),
        }
    }

    #[cfg(unix)]
    fn appender_there(
        &self,
        in_use: StoreError,
        to: AppendTo,
    ) -> Result<DepotAppender, DataDirError> {
        use super::socket::Appending;
        let Some(dir) = self.path() else {
            return Err(in_use.into());
        };
        let begun = Appending::begin(dir, &to).map_err(|error| error.with(in_use))?;
        let (holder, begun) = begun;
        Ok(DepotAppender::new(To::There(holder), begun, to))
    }

    #[cfg(not(unix))]
    #[allow(clippy::unused_self)] // elsewhere it tells where the holder is
    fn appender_there(
        &self,
        in_use: StoreError,
        _: AppendTo,
    ) -> Result<DepotAppender, DataDirError> {
        Err(in_use.into())
    }
}

impl DepotAppender {
    fn new(to: To, begun: AppendingTo, asked: AppendTo) -> Self {
        Self {
            to,
            asked,
            appended: begun.appended.records,
            begun,
            found: Appended::default(),
        }
    }

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
    /// use squall::{AppendTo, DataDir};
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
    /// Where they cannot be appended, or, where that is asked for, are not processed. Where the
    /// process that has the directory ends meanwhile, only an id tells what is there.
    pub fn append(&mut self, records: Vec<(String, String)>) -> Result<(), DataDirError> {
        let count = records.len() as u64;
        match &mut self.to {
            To::Here(here) => {
                let appender = self.asked.id.as_ref().map(|id| Appender {
                    id: id.clone(),
                    from: self.appended,
                });
                let acknowledge = self.asked.acknowledge;
                here.depot
                    .append_for(appender.as_ref(), records, acknowledge, &|| false)?;
            }
            #[cfg(unix)]
            To::There(there) => there.append(&records)?,
        }
        self.appended += count;
        Ok(())
    }
}
