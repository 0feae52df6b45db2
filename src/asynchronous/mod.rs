//! Spouts and sinks whose clients are asynchronous: brokers, databases, services.
//!
//! A run has one runtime for all of them, on its own thread, which starts with the first use of
//! [`Context::runtime`](crate::Context::runtime) and ends with the run. A client that awaits holds
//! up no other client and no other run. A future that blocks the thread holds up all clients of its
//! run.
//!
//! - An [`AsyncSpout`] reads with a future of its own, which hands over what it has read through a
//!   bounded [`Feed`]; [`FromFeed`] is the spout that takes it from there.
//! - An [`AsyncSink`] writes and delivers with futures; [`Awaits`] is the sink that awaits them,
//!   each no longer than its deadline.
//!
//! ```
//! use squall::asynchronous::{AsyncSink, AsyncSpout, Awaits, Feed, FromFeed, Reading};
//! use squall::{Context, Result, RunOptions, SpoutOut, Topology, Word};
//!
//! /// Reads words from a client.
//! struct Reads;
//! impl AsyncSpout for Reads {
//!     type Output = Word;
//!     type Item = String;
//!     fn read(&mut self, _: &Context, feed: Feed<String>) -> Result<Reading> {
//!         Ok(Box::pin(async move {
//!             for word in ["storm", "squall"] {
//!                 // Here a client would be awaited.
//!                 tokio::task::yield_now().await;
//!                 feed.send(word.to_owned()).await?;
//!             }
//!             Ok(())
//!         }))
//!     }
//!     fn emit(&mut self, word: String, out: &mut SpoutOut<Word>) -> Result {
//!         out.emit(Word { word: word.into() });
//!         Ok(())
//!     }
//! }
//!
//! /// Sends them to another one.
//! struct Sends(tokio::sync::mpsc::Sender<String>);
//! impl AsyncSink for Sends {
//!     type Input = Word;
//!     async fn write(&mut self, words: &[Word]) -> Result {
//!         for word in words {
//!             self.0.send(word.word.to_string()).await?;
//!         }
//!         Ok(())
//!     }
//! }
//!
//! let (sent, mut received) = tokio::sync::mpsc::channel(10);
//! let topology = Topology::named("words");
//! let words = topology.spout("words", || FromFeed::new(Reads));
//! topology
//!     .sink("sent", move || Awaits::new(Sends(sent.clone())))
//!     .global_grouping(&words);
//! topology.run(RunOptions { signals: false, ..RunOptions::default() })?;
//! let words = [received.try_recv()?, received.try_recv()?];
//! assert_eq!(words, ["storm", "squall"]);
//! # Ok::<(), squall::BoxError>(())
//! ```

mod sink;
mod spout;
#[cfg(test)]
mod tests;

pub use sink::{AsyncSink, Awaits, DEADLINE, NotInTime};
pub use spout::{AsyncSpout, Feed, FromFeed, ROOM, Reading, SpoutIsGone};
