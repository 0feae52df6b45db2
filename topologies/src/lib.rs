//! The ready topologies: each a function from its options to a [`Topology`], with the
//! options as plain data that also read as the arguments of a command line.
//!
//! | module | what is in it |
//! |---|---|
//! | [`ready`] | every ready topology by name, with its options: what `squall list` lists |
//! | [`rolling_top_words`] | the words that occur most, over a rolling window |
//! | [`top_users`] | the users who spent most, over everything so far |
//! | [`top_keys`] | the values of any field that occur most, or whose amounts sum up to most |
//! | [`generate`] | made-up events, to try the topologies with |
//! | [`input`] | files, folders, globs and standard input as options |
//! | [`words`] | the words of these, and their times |
//! | [`purchases`] | the purchases of these: who spends how much |
//! | [`outputs`] | where results and dead letters go |
//! | [`places`] | that a run does not write where it reads |
//! | [`position`] | where a new topology begins to read a depot or a topic |
//! | [`records`] | records from files, depots and topics by one spout |
//! | `kafka` | topics of Kafka as options (feature `kafka`) |
//! | `redis`, `postgres` | where rankings go in them as options (the features of these names) |
//! | `connections` | users, passwords and certificates out of a file or the environment |
//! | [`duration`] | spans of time as a person writes them: `10s`, `500ms`, `1m30s` |
//! | [`numbers`] | places, tasks and rates |
//! | [`wrong`] | what can be wrong with options: [`WrongUse`](wrong::WrongUse) |
//!
//! ```
//! use squall_topologies::rolling_top_words::{self, Options};
//!
//! let topology = rolling_top_words::topology(&Options::default())?;
//! let plan = topology.plan();
//! let ids: Vec<_> = plan.components.iter().map(|component| &*component.id).collect();
//! assert_eq!(ids, ["words", "counts", "rankings", "merged"]);
//! # Ok::<(), squall_topologies::wrong::WrongUse>(())
//! ```
//!
//! [`Topology`]: squall::Topology
#![forbid(unsafe_code)]

#[cfg(feature = "connections")]
pub mod connections;
pub mod duration;
pub mod generate;
pub mod input;
#[cfg(feature = "kafka")]
pub mod kafka;
pub mod numbers;
pub mod outputs;
pub mod places;
pub mod position;
#[cfg(feature = "postgres")]
pub mod postgres;
pub mod purchases;
pub mod ready;
pub mod records;
#[cfg(feature = "redis")]
pub mod redis;
pub mod rolling_top_words;
#[cfg(feature = "cube")]
pub mod rollup;
pub mod top_keys;
pub mod top_users;
mod totals;
pub mod words;
pub mod wrong;
