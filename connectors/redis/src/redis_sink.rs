//! Tuples as keys with values.

use std::collections::HashMap;
use std::fmt;
use std::marker::PhantomData;

use redis::cmd;
use serde::Serialize;
use squall::{Context, Epoch, Result, Sink, Tuple};

use crate::link::Target;
use crate::outbox::{Outbox, Place};
use crate::template::Fields;
use crate::{Error, Server, Template};

/// What an entry takes beside its texts.
const ENTRY_BYTES: usize = 96;

/// Sets a key for each tuple, or deletes it: Redis has the last value of each key.
///
/// The key is a [`Template`], and so is the value; without one it is the tuple as JSON. Of one commit
/// only the last value of each key is sent. Several tasks need a fields grouping by what the key is
/// made of, since each sends in its own order.
///
/// ```no_run
/// use squall::{RunOptions, Topology, Tuple, Text, testing::Events};
/// use squall_redis::{RedisSink, Server};
///
/// #[derive(Tuple, Clone, Debug, serde::Serialize)]
/// struct Page { url: Text, count: u64 }
///
/// let topology = Topology::named("pages");
/// let pages = topology.spout("pages", || Events::now([Page { url: "/".into(), count: 1 }]));
/// let (server, key) = (Server::at("redis://127.0.0.1:6379")?, "page:{url}".parse()?);
/// let (count, is_gone): (_, fn(&Page) -> bool) = ("{count}".parse()?, |page| page.count == 0);
/// topology
///     .sink("redis", move || {
///         RedisSink::new(&server, &key).value(&count).gone(is_gone)
///     })
///     .fields_grouping(&pages, Page::URL);
/// topology.run(RunOptions::default())?;
/// # Ok::<(), squall::BoxError>(())
/// ```
pub struct RedisSink<T> {
    target: Target,
    key: Template,
    value: Option<Template>,
    gone: Option<IsGone<T>>,
    waiting: HashMap<String, Option<String>>,
    waiting_bytes: usize,
    json: Vec<u8>,
    tuple: PhantomData<fn(&T)>,
}

type IsGone<T> = Box<dyn Fn(&T) -> bool + Send>;

impl<T: Tuple + Serialize> RedisSink<T> {
    /// Sets the key of each tuple to the tuple as JSON.
    #[must_use]
    pub fn new(server: &Server, key: &Template) -> Self {
        Self {
            target: Target::new(server.clone()),
            key: key.clone(),
            value: None,
            gone: None,
            waiting: HashMap::new(),
            waiting_bytes: 0,
            json: Vec::new(),
            tuple: PhantomData,
        }
    }

    /// Sets it to this text instead.
    #[must_use]
    pub fn value(mut self, value: &Template) -> Self {
        self.value = Some(value.clone());
        self
    }

    /// The key of a tuple of which this is true is deleted.
    #[must_use]
    pub fn gone(mut self, is_gone: impl Fn(&T) -> bool + Send + 'static) -> Self {
        self.gone = Some(Box::new(is_gone));
        self
    }

    fn put(&mut self, tuple: &T) -> Result<(), Error> {
        self.json.clear();
        serde_json::to_writer(&mut self.json, tuple).map_err(Error::Json)?;
        let is_gone = self.gone.as_ref().is_some_and(|is_gone| is_gone(tuple));
        let fields = Fields::of(&self.json)?;
        let key = self.key.fill(&fields, true)?;
        let value = match &self.value {
            _ if is_gone => None,
            Some(value) => Some(value.fill(&fields, false)?),
            // JSON is text.
            None => Some(String::from_utf8_lossy(&self.json).into_owned()),
        };
        let bytes = |value: &Option<String>| value.as_ref().map_or(0, String::len);
        self.waiting_bytes += bytes(&value);
        let length = key.len();
        match self.waiting.insert(key, value) {
            Some(before) => self.waiting_bytes -= bytes(&before),
            None => self.waiting_bytes += ENTRY_BYTES + length,
        }
        Ok(())
    }
}

impl<T: Tuple + Serialize> Sink for RedisSink<T> {
    type Input = T;

    fn prepare(&mut self, context: &Context) -> Result {
        self.key.check(T::FIELDS)?;
        if let Some(value) = &self.value {
            value.check(T::FIELDS)?;
        }
        let key = self.key.to_string();
        let mut probes = vec![cmd("SET").arg(&key).arg("").clone()];
        if self.gone.is_some() {
            probes.push(cmd("DEL").arg(&key).clone());
        }
        let exact = self.key.fields().next().is_none();
        self.target.prepare(context, probes, exact)
    }

    fn write(&mut self, tuples: &[T]) -> Result {
        for tuple in tuples {
            self.put(tuple)?;
        }
        Ok(())
    }

    fn outbox(&mut self) -> Result<Option<Vec<u8>>> {
        let waiting = std::mem::take(&mut self.waiting);
        self.waiting_bytes = 0;
        if waiting.is_empty() {
            return Ok(None);
        }
        let keys = waiting.iter();
        let keys = keys.map(|(key, value)| (key.as_str(), value.as_deref()));
        Ok(Some(Outbox::Keys(keys.collect()).encode()?))
    }

    fn waiting_bytes(&self) -> usize {
        self.waiting_bytes
    }

    fn deliver(&mut self, outbox: &[u8], _: Option<u64>) -> Result {
        self.target.deliver(outbox, &Place::Keys)
    }

    fn flush(&mut self, _: &Epoch) -> Result {
        self.target.look()
    }
}

impl<T> fmt::Debug for RedisSink<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisSink")
            .field("key", &self.key)
            .field("value", &self.value)
            .field("waiting_bytes", &self.waiting_bytes)
            .finish_non_exhaustive()
    }
}
