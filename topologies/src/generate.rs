//! Made-up events of the ready topologies, to try them with: `squall generate`.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::{Args, ValueEnum};
use serde::Serialize;
use squall::connectors::JsonLines;
use squall::{Context, Next, Result, Spout, SpoutOut, Text, Timestamp, Topology, Tuple};

#[cfg(feature = "connections")]
use crate::connections::Connections;
use crate::input::scheme;
#[cfg(feature = "kafka")]
use crate::kafka::TopicAt;
use crate::numbers::rate;
use crate::outputs::{STDOUT, unreachable};
use crate::wrong::WrongUse;

/// Users, pages and kinds of events, as many as there are in the events of a site that is being
/// clicked through.
const USERS: u32 = 1_000;
const PAGES: u32 = 100;
const EVENTS: [&str; 5] = ["click", "scroll", "submit", "download", "focus"];
const WORDS: [&str; 5] = ["nathan", "mike", "jackson", "golda", "bertels"];
const SITES: [&str; 4] = ["csfd.cz", "idnes.cz", "novinky.cz", "seznam.cz"];
const BROWSERS: [&str; 3] = ["Chrome", "Firefox", "Safari"];
const CAMPAIGNS: u32 = 50;

/// Without a rate so many events are made before the task looks at what else there is to do.
const EVENTS_AT_ONCE: u64 = 64;

/// What to make, how much of it, and where it goes.
#[derive(Args, Clone, Debug, PartialEq)]
pub struct Options {
    /// The kind of events: user-events (1,000 users on 100 pages), words, purchases, or ads
    #[arg(value_name = "KIND")]
    pub kind: Kind,
    /// Where they go: a file, - for standard output, or kafka://HOST:PORT/TOPIC
    #[arg(long, value_name = "PATH|-|URL", default_value = "-")]
    pub out: PathBuf,
    /// Events per second; their times are as far from each other. 0 for as many as possible
    #[arg(long, value_name = "N", default_value_t = 1_000.0, value_parser = rate, allow_negative_numbers = true)]
    pub rate: f64,
    /// How many [default: until Ctrl-C]
    #[arg(long, value_name = "N")]
    pub count: Option<u64>,
    /// The same seed makes the same events, but for their times
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// How servers are reached: a file with lines such as `kafka.sasl.password = SECRET`, of which
    /// the environment may say each otherwise, as `SQUALL_KAFKA_SASL_PASSWORD`
    #[cfg(feature = "connections")]
    #[arg(long, value_name = "FILE")]
    pub connections: Option<PathBuf>,
}

/// The kinds of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// What users do on the pages of a site.
    UserEvents,
    /// Words.
    Words,
    /// What users spend.
    Purchases,
    /// Impressions of advertisements.
    Ads,
}

/// A user has done something on a page.
#[derive(Tuple, Clone, Debug, Serialize)]
struct UserEvent {
    event_timestamp: Text,
    user: Text,
    page: Text,
    event: Text,
}

/// Somebody has said a word.
#[derive(Tuple, Clone, Debug, Serialize)]
struct Said {
    time: Text,
    word: Text,
}

/// Somebody has bought something.
#[derive(Tuple, Clone, Debug, Serialize)]
struct Bought {
    time: Text,
    user: Text,
    cents: u64,
}

/// An advertisement was shown.
#[derive(Tuple, Clone, Debug, Serialize)]
struct Shown {
    timestamp: Text,
    #[serde(rename = "campaignId")]
    campaign: Text,
    web: Text,
    browser: Text,
    price: f64,
}

/// Makes one event of a time.
type Make<T> = fn(&mut fastrand::Rng, Timestamp) -> T;

/// The topology that makes them.
///
/// # Errors
/// What is wrong with the options.
pub fn topology(options: &Options) -> Result<Topology, WrongUse> {
    match options.kind {
        Kind::UserEvents => wire(options, user_event, |event: &UserEvent| &event.user),
        Kind::Words => wire(options, said, |said: &Said| &said.word),
        Kind::Purchases => wire(options, bought, |bought: &Bought| &bought.user),
        Kind::Ads => wire(options, shown, |shown: &Shown| &shown.campaign),
    }
}

fn wire<T: Tuple + Serialize>(
    options: &Options,
    make: Make<T>,
    key: fn(&T) -> &Text,
) -> Result<Topology, WrongUse> {
    let topology = Topology::named("generate");
    let Options {
        rate, count, seed, ..
    } = *options;
    let made = topology.spout("made", move || Generated {
        make,
        random: fastrand::Rng::with_seed(seed),
        begins: Timestamp::MIN,
        rate,
        number: 0,
        count: count.unwrap_or(u64::MAX),
    });
    let made = made.rate(rate);
    // Only servers take records by keys.
    #[cfg(not(feature = "kafka"))]
    let _ = key;
    let out = &options.out;
    match out.to_str().and_then(|text| Some((scheme(text)?, text))) {
        None if out.as_os_str() == "-" => {
            let _ = topology
                .sink(STDOUT, JsonLines::<T>::stdout)
                .global_grouping(&made);
        }
        None => {
            let out = out.clone();
            let file = topology.sink("out", move || JsonLines::<T>::file(&out));
            let _ = file.global_grouping(&made);
        }
        #[cfg(feature = "kafka")]
        Some(("kafka", text)) => {
            let connections = Connections::read(options.connections.as_deref())?;
            let TopicAt { kafka, topic } = TopicAt::parse("--out", text, &connections)?;
            let sink = topology.sink("out", move || {
                let key = move |tuple: &T, into: &mut Vec<u8>| into.extend(key(tuple).bytes());
                kafka.write::<T>(&topic).key(key)
            });
            let _ = sink.global_grouping(&made);
        }
        Some((scheme, _)) => return Err(unreachable(scheme)),
    }
    Ok(topology)
}

fn user_event(random: &mut fastrand::Rng, time: Timestamp) -> UserEvent {
    // As a program without a time zone writes it.
    let time = time.to_string();
    let time = time.get(..19).unwrap_or(&time).replace('T', " ");
    let user = random.u32(..USERS);
    let page = random.u32(..PAGES);
    UserEvent {
        event_timestamp: time.into(),
        user: format!("user{user}@example.com").into(),
        page: format!("https://www.example.com/page/{page}").into(),
        event: one_of(random, &EVENTS),
    }
}

fn said(random: &mut fastrand::Rng, time: Timestamp) -> Said {
    Said {
        time: time.to_string().into(),
        word: one_of(random, &WORDS),
    }
}

fn bought(random: &mut fastrand::Rng, time: Timestamp) -> Bought {
    let user = random.u32(..USERS);
    Bought {
        time: time.to_string().into(),
        user: format!("user{user}").into(),
        cents: random.u64(100..=99_999),
    }
}

fn shown(random: &mut fastrand::Rng, time: Timestamp) -> Shown {
    let campaign = random.u32(..CAMPAIGNS);
    Shown {
        timestamp: time.to_string().into(),
        campaign: campaign.to_string().into(),
        web: one_of(random, &SITES),
        browser: one_of(random, &BROWSERS),
        price: f64::from(random.u32(1..100)) / 100.0,
    }
}

fn one_of(random: &mut fastrand::Rng, of: &[&'static str]) -> Text {
    of[random.usize(..of.len())].into()
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    // Before 1970 and after the year 200,000,000 nobody generates events.
    let millis = since.map(|since| i64::try_from(since.as_millis()).unwrap_or(0));
    Timestamp::from_millis(millis.unwrap_or(0))
}

/// Makes events.
struct Generated<T> {
    make: Make<T>,
    random: fastrand::Rng,
    begins: Timestamp,
    /// Events per second; 0 for as many as possible.
    rate: f64,
    number: u64,
    count: u64,
}

impl<T> Generated<T> {
    /// The time of the next event.
    #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss)]
    fn time(&self) -> Timestamp {
        if self.rate <= 0.0 {
            return now();
        }
        // An event every millisecond is on time for 200,000 years.
        let after = (self.number as f64 * 1_000.0 / self.rate) as i64;
        Timestamp::from_millis(self.begins.millis().saturating_add(after))
    }
}

impl<T: Tuple> Spout for Generated<T> {
    type Output = T;

    fn open(&mut self, _: &Context, _: &mut SpoutOut<T>) -> Result {
        self.begins = now();
        Ok(())
    }

    fn next(&mut self, out: &mut SpoutOut<T>) -> Result<Next> {
        let left = self.count - self.number;
        // The smaller the portion, the closer a rate is kept.
        let portion = if self.rate > 0.0 { 1 } else { EVENTS_AT_ONCE };
        for _ in 0..left.min(portion) {
            let time = self.time();
            let tuple = (self.make)(&mut self.random, time);
            out.emit(tuple);
            self.number += 1;
        }
        Ok(if self.number == self.count {
            Next::End
        } else {
            Next::More
        })
    }
}
