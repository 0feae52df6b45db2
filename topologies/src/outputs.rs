//! Where results go, as options.

use std::path::{Path, PathBuf};

use clap::Args;
use squall::connectors::{DeadLetterFile, Files, JsonLines};
use squall::topology::AsStream;
use squall::{Ranking, Text, Topology};
#[cfg(feature = "kafka")]
use squall_kafka::KafkaSink;

#[cfg(feature = "connections")]
use crate::connections::Connections;
use crate::input::scheme;
#[cfg(feature = "kafka")]
use crate::kafka::TopicAt;
use crate::places::Places;
#[cfg(feature = "postgres")]
use crate::postgres::TableAt;
#[cfg(feature = "redis")]
use crate::redis::KeyAt;
use crate::wrong::WrongUse;

/// The component that writes to standard output.
pub const STDOUT: &str = "json";

/// Where results and refused records go.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq)]
pub struct Outputs {
    /// Print each ranking as a line of JSON to standard output
    #[arg(long)]
    pub json: bool,
    /// Write the rankings to a file, as the same lines of JSON; with the features of these servers
    /// also to kafka://HOST:PORT/TOPIC, redis://HOST:PORT/KEY (the latest one, as a sorted set) or
    /// postgres://HOST:PORT/DATABASE?table=TABLE (the latest one, as rows)
    #[arg(long, value_name = "PATH")]
    pub out: Option<PathBuf>,
    /// Write records that cannot be read to a file, as lines of JSON with source, line and reason;
    /// without this option they are logged
    #[arg(long, value_name = "PATH")]
    pub dead_letters: Option<PathBuf>,
    /// How servers are reached: a file with lines such as `redis.password = SECRET`, of which the
    /// environment may say each otherwise, as `SQUALL_REDIS_PASSWORD`
    #[cfg(feature = "connections")]
    #[arg(long, value_name = "FILE")]
    pub connections: Option<PathBuf>,
}

/// Where results go, looked into.
#[derive(Clone, Debug, Default)]
pub struct Destinations {
    json: bool,
    out: Option<Destination>,
    dead_letters: Option<PathBuf>,
}

/// What `--out` names.
#[derive(Clone, Debug)]
enum Destination {
    File(PathBuf),
    #[cfg(feature = "kafka")]
    Kafka(TopicAt),
    #[cfg(feature = "redis")]
    Redis(KeyAt),
    #[cfg(feature = "postgres")]
    Postgres(TableAt),
}

impl Outputs {
    /// No output file is read as input or written twice, and servers have addresses.
    ///
    /// # Errors
    /// Where one is, or has none.
    pub fn prepare(&self, files: Option<&Files>) -> Result<Destinations, WrongUse> {
        let places = Places {
            sources: files.map_or(&[], Files::sources),
            files: self.files(),
            ..Places::default()
        };
        places.check()?;
        Ok(Destinations {
            json: self.json,
            out: self.destination()?,
            dead_letters: self.dead_letters.clone(),
        })
    }

    fn destination(&self) -> Result<Option<Destination>, WrongUse> {
        let Some(out) = &self.out else {
            return Ok(None);
        };
        match out.to_str().and_then(|text| Some((scheme(text)?, text))) {
            None => Ok(Some(Destination::File(out.clone()))),
            #[cfg(feature = "kafka")]
            Some(("kafka", text)) => {
                let at = TopicAt::parse("--out", text, &self.connections()?)?;
                Ok(Some(Destination::Kafka(at)))
            }
            #[cfg(feature = "redis")]
            Some(("redis" | "rediss", text)) => {
                let at = KeyAt::parse("--out", text, &self.connections()?)?;
                Ok(Some(Destination::Redis(at)))
            }
            #[cfg(feature = "postgres")]
            Some(("postgres" | "postgresql", text)) => {
                let at = TableAt::parse("--out", text, &self.connections()?)?;
                Ok(Some(Destination::Postgres(at)))
            }
            Some((scheme, _)) => Err(unreachable(scheme)),
        }
    }

    /// How servers are reached.
    ///
    /// # Errors
    /// Where the file says no such thing.
    #[cfg(feature = "connections")]
    pub fn connections(&self) -> Result<Connections, WrongUse> {
        Connections::read(self.connections.as_deref())
    }

    /// The files that are written, with their options.
    #[must_use]
    pub fn files(&self) -> Vec<(&'static str, &Path)> {
        let is_path = |path: &&Path| path.to_str().and_then(scheme).is_none();
        let out = self.out.as_deref().filter(is_path);
        let outputs = [
            ("--out", out),
            ("--dead-letters", self.dead_letters.as_deref()),
        ];
        let asked = outputs.into_iter();
        asked
            .filter_map(|(option, path)| Some((option, path?)))
            .collect()
    }
}

/// What is wrong with an address that this squall cannot write to.
pub(crate) fn unreachable(scheme: &str) -> WrongUse {
    let servers = [
        ("kafka", "a topic of Kafka", "kafka"),
        ("redis", "a Redis", "redis"),
        ("rediss", "a Redis", "redis"),
        ("postgres", "a PostgreSQL", "postgres"),
        ("postgresql", "a PostgreSQL", "postgres"),
    ];
    let option = "--out";
    match servers.iter().find(|(known, ..)| *known == scheme) {
        Some((_, what, feature)) => WrongUse::WithoutFeature {
            option,
            what,
            feature,
        },
        None => WrongUse::UnknownScheme {
            option,
            scheme: format!("{scheme}://"),
            expected: "an address such as kafka://HOST:PORT/TOPIC",
        },
    }
}

impl Destinations {
    /// Adds the sinks that are asked for: of these rankings, and of all dead letters.
    pub fn write_rankings<A>(self, topology: &Topology, rankings: &A)
    where
        A: AsStream<Item = Ranking<Text>>,
    {
        if self.json {
            let json = topology.sink(STDOUT, JsonLines::<A::Item>::stdout);
            let _ = json.global_grouping(rankings);
        }
        match self.out {
            None => {}
            Some(Destination::File(path)) => {
                let out = topology.sink("out", move || JsonLines::<A::Item>::file(&path));
                let _ = out.global_grouping(rankings);
            }
            #[cfg(feature = "kafka")]
            Some(Destination::Kafka(TopicAt { kafka, topic })) => {
                let sink = move || -> KafkaSink<A::Item> { kafka.write(&topic) };
                let _ = topology.sink("out", sink).global_grouping(rankings);
            }
            #[cfg(feature = "redis")]
            Some(Destination::Redis(at)) => {
                let sink = topology.sink("out", move || at.sink::<Text>());
                let _ = sink.global_grouping(rankings);
            }
            #[cfg(feature = "postgres")]
            Some(Destination::Postgres(at)) => {
                let sink = topology.sink("out", move || at.sink::<Text>());
                let _ = sink.global_grouping(rankings);
            }
        }
        if let Some(path) = self.dead_letters {
            topology.dead_letter_sink("dead-letters", move || DeadLetterFile::file(&path));
        }
    }
}
