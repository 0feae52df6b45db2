//! Hello, topology: words flow from a spout through a bolt into a sink.
//!
//! ```text
//! words (2 tasks) --shuffle--> shout (3 tasks) --global--> print (1 task)
//! ```
//!
//! `cargo run --example hello_topology`

use std::error::Error;

use squall::bolts::Map;
use squall::connectors::JsonLines;
use squall::testing::Events;
use squall::{RunOptions, Text, Topology, Tuple};

// What travels is a struct. The derive makes it a tuple; `Serialize` is for printing it.
#[derive(Tuple, Clone, Debug, serde::Serialize)]
struct Greeting {
    to: Text,
}

fn greeting(to: &str) -> Greeting {
    Greeting { to: to.into() }
}

fn main() -> Result<(), Box<dyn Error>> {
    let topology = Topology::named("hello");

    // A component is declared with a name and a closure that makes one of it for each task.
    let words = topology
        .spout("words", || {
            Events::now([greeting("nathan"), greeting("mike")])
        })
        .parallelism(2);

    // It reads another one by a grouping, which says who of its tasks gets which tuple.
    let shout = topology
        .bolt("shout", || {
            Map::new(|tuple: &Greeting| Ok(greeting(&tuple.to.to_uppercase())))
        })
        .parallelism(3)
        .shuffle_grouping(&words);
    topology
        .sink("print", JsonLines::<Greeting>::stdout)
        .global_grouping(&shout);

    // The plan is a value: here it is drawn. `run` checks it before anything starts.
    eprint!("{}", topology.plan().to_text());
    let summary = topology.run(RunOptions::default())?;
    eprintln!(
        "{} tuples, input ended: {}",
        summary.stats.tuples, summary.input_ended
    );
    Ok(())
}
