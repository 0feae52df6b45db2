//! A ranking as a table.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::Serialize;
use squall::{Context, Epoch, Ranking, Result, Sink, Timestamp};

use crate::link::Target;
use crate::outbox::{Content, Outbox};
use crate::schema::Layout;
use crate::table::Table;
use crate::{Error, Server};

/// The columns of a ranking with their types, where its table is made.
const COLUMNS: [(&str, &str); 5] = [
    ("place", "bigint"),
    ("key", "text"),
    ("count", "bigint"),
    ("window_start", "timestamptz"),
    ("window_end", "timestamptz"),
];

/// Replaces the rows of a table by those of a ranking, in one transaction: readers see the ranking
/// before or the one after, never half of one, and wait for nothing.
///
/// Columns are `place` from 1, `key`, `count`, `window_start` and `window_end`, which are null where a
/// window has no start or no end. The table is made where it is missing. It belongs to the sink: all
/// rows of it are replaced.
///
/// ```no_run
/// use squall::bolts::{MergeRankings, Rank, RollingCount};
/// use squall::connectors::RandomWords;
/// use squall::{Count, DataDir, RunOptions, Topology, Word, secs};
/// use squall_postgres::{RankingSink, Server};
///
/// let topology = Topology::named("top-words");
/// let words = topology.spout("words", RandomWords::default);
/// let counts = topology
///     .keyed("counts", || RollingCount::over(secs(10)).every(secs(1)))
///     .fields_grouping(&words, Word::WORD);
/// let ranked = topology.bolt("ranked", || Rank::top(10)).fields_grouping(&counts, Count::KEY);
/// let merged = topology.bolt("merged", || MergeRankings::top(10)).global_grouping(&ranked);
///
/// let server = Server::at("postgres://squall@127.0.0.1/words")?.password("secret");
/// topology
///     .sink("postgres", move || RankingSink::new(&server, "top_words"))
///     .global_grouping(&merged);
/// let data_dir = Some(DataDir::at("top-words.data"));
/// topology.run(RunOptions { data_dir, ..RunOptions::default() })?;
/// # Ok::<(), squall::BoxError>(())
/// ```
pub struct RankingSink<K> {
    target: Target,
    table: String,
    id: Option<String>,
    /// The last ranking, as it is handed over.
    waiting: Option<Vec<u8>>,
    key: PhantomData<fn(&K)>,
}

/// A row.
#[derive(Serialize)]
struct Entry<'ranking, K> {
    place: usize,
    key: &'ranking K,
    count: u64,
    window_start: &'ranking Option<String>,
    window_end: &'ranking Option<String>,
}

impl<K> RankingSink<K> {
    /// To a table, `NAME` or `SCHEMA.NAME`.
    #[must_use]
    pub fn new(server: &Server, table: impl Into<String>) -> Self {
        Self {
            target: Target::new(server.clone()),
            table: table.into(),
            id: None,
            waiting: None,
            key: PhantomData,
        }
    }

    /// The sink's name in the table `squall_delivered`, instead of `TOPOLOGY/COMPONENT/TABLE`. Two
    /// sinks that write must not have the same.
    #[must_use]
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }
}

impl<K: Serialize> RankingSink<K> {
    fn encode(&self, ranking: &Ranking<K>) -> Result<Vec<u8>, Error> {
        let known = |moment: Timestamp| moment != Timestamp::MIN && moment != Timestamp::MAX;
        let moment = |moment: Timestamp| known(moment).then(|| moment.to_string());
        let window_start = moment(ranking.window.start);
        let window_end = moment(ranking.window.end);
        let mut rows = Vec::with_capacity(ranking.entries.len());
        for (number, (key, count)) in ranking.entries.iter().enumerate() {
            let entry = Entry {
                place: number + 1,
                key,
                count: *count,
                window_start: &window_start,
                window_end: &window_end,
            };
            let row = serde_json::to_string(&entry).map_err(Error::Json)?;
            if crate::postgres_sink::has_nul(&row) {
                let field = "key".to_owned();
                return Err(Error::Nul { field });
            }
            rows.push(row);
        }
        let outbox = Outbox {
            task: self.target.task(),
            content: Content::Ranking(rows.iter().map(String::as_str).collect()),
        };
        outbox.encode()
    }
}

impl<K: Serialize + Clone + fmt::Debug + Send + 'static> Sink for RankingSink<K> {
    type Input = Ranking<K>;

    fn prepare(&mut self, context: &Context) -> Result {
        let table = Table::parse(&self.table)?;
        if context.parallelism > 1 {
            return Err(Error::Tasks {
                table: table.to_string(),
                tasks: context.parallelism,
            }
            .into());
        }
        let types = COLUMNS.map(|(name, of)| (name.to_owned(), of.to_owned()));
        let layout = Layout {
            table,
            fields: COLUMNS.map(|(name, _)| name.to_owned()).into(),
            keys: vec!["place".to_owned()],
            types: BTreeMap::from(types),
            is_ranking: true,
        };
        self.target.prepare(context, layout, self.id.as_deref())
    }

    fn write(&mut self, rankings: &[Ranking<K>]) -> Result {
        if let Some(last) = rankings.last() {
            let encoded = self.encode(last);
            self.waiting = Some(encoded.map_err(squall::error::Fatal::new)?);
        }
        Ok(())
    }

    fn outbox(&mut self) -> Result<Option<Vec<u8>>> {
        Ok(self.waiting.take())
    }

    fn waiting_bytes(&self) -> usize {
        self.waiting.as_ref().map_or(0, Vec::len)
    }

    fn deliver(&mut self, outbox: &[u8], epoch: Option<u64>) -> Result {
        self.target.deliver(outbox, epoch)
    }

    fn flush(&mut self, _: &Epoch) -> Result {
        self.target.look()
    }
}

impl<K> fmt::Debug for RankingSink<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RankingSink")
            .field("table", &self.table)
            .finish_non_exhaustive()
    }
}
