//! The users who spent most, over everything so far.
//!
//! `purchases` -> fields(user) -> `totals` -> global -> `top`: the topology of the "top users"
//! module that Rama's documentation shows, with exact totals in cents. The totals of all users are
//! a table, the ranking is a value beside it; after each epoch every task of the totals sends one
//! message, and the ranking is right again.

use std::time::Duration;

use clap::Args;
use squall::bolts::TopMode;
use squall::topology::{Component, NoInput};
use squall::{Topology, secs};

use crate::numbers::{at_least_one, rate, tasks};
use crate::outputs::{Destinations, Outputs};
use crate::purchases::{Purchase, Purchases, RandomPurchases};
use crate::records::Records;
use crate::totals::{self, Ranked};
use crate::wrong::WrongUse;

/// The random purchases per second where no rate is given.
const RANDOM_PURCHASES_PER_SECOND: f64 = 50.0;

/// What to read, rank and show.
#[derive(Args, Clone, Debug, PartialEq)]
pub struct Options {
    /// What to read.
    #[command(flatten)]
    pub purchases: Purchases,
    /// The number of places in the ranking
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = at_least_one)]
    pub top: usize,
    /// The time between two rankings; the last one comes at the end of the input
    #[arg(long, value_name = "DUR", default_value = "2s", value_parser = totals::every)]
    pub every: Duration,
    /// How totals are ranked: exact is always right; monotonic ranks only the totals of the last
    /// ranking and those that change, which is right if no total falls (--skip-negative)
    #[arg(long, value_name = "exact|monotonic", default_value_t = TopMode::Exact)]
    pub mode: TopMode,
    /// The limit of purchases per second over all spouts; 0 for none [default: 50 for the random
    /// purchases, else no limit]
    #[arg(long, value_name = "N", value_parser = rate, allow_negative_numbers = true)]
    pub rate: Option<f64>,
    /// The components and how many tasks they have.
    #[command(flatten)]
    pub shape: Shape,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            purchases: Purchases::default(),
            top: 500,
            every: secs(2),
            mode: TopMode::Exact,
            rate: None,
            shape: Shape::default(),
        }
    }
}

/// The options that change the plan.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// The number of tasks that read purchases
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = tasks)]
    pub spouts: usize,
    /// The number of tasks that keep the totals of users
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = tasks)]
    pub counters: usize,
    /// Where the rankings go.
    #[command(flatten)]
    pub outputs: Outputs,
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            spouts: 4,
            counters: 4,
            outputs: Outputs::default(),
        }
    }
}

impl Options {
    /// What is read where no depot is, looked into; none for random purchases.
    ///
    /// # Errors
    /// The first thing that would make a run fail or do nothing.
    pub fn records(&self) -> Result<Option<Records>, WrongUse> {
        #[cfg(feature = "kafka")]
        if let Some(topic) = self.purchases.topic(&self.shape.outputs.connections()?)? {
            return Ok(Some(Records::Topic(topic)));
        }
        Ok(self.purchases.files()?.map(Records::Files))
    }
}

/// The topology; its input is looked into first.
///
/// # Errors
/// What is wrong with the options or with the input.
pub fn topology(options: &Options) -> Result<Topology, WrongUse> {
    reading(options, options.records()?)
}

/// The topology on records, or on random purchases.
///
/// # Errors
/// What is wrong with the options.
pub fn reading(options: &Options, records: Option<Records>) -> Result<Topology, WrongUse> {
    let files = records.as_ref().and_then(Records::files);
    let outputs = options.shape.outputs.prepare(files)?;
    let topology = Topology::named("top-users");
    match records {
        None => {
            let purchases = topology.spout("purchases", RandomPurchases::default);
            let rate = options.rate.unwrap_or(RANDOM_PURCHASES_PER_SECOND);
            ranked(&topology, purchases.rate(rate), options, outputs);
        }
        Some(records) => {
            let reading = options.purchases.reading();
            let purchases = topology.spout("purchases", move || {
                let reading = reading.clone();
                records.decode::<Purchase, _>(move |record, out| {
                    if let Some(purchase) = reading.purchase(record)? {
                        out.emit(purchase);
                    }
                    Ok(())
                })
            });
            let purchases = purchases.meaning(&options.purchases.meaning());
            let rate = options.rate.unwrap_or_default();
            ranked(&topology, purchases.rate(rate), options, outputs);
        }
    }
    Ok(topology)
}

/// Everything after the purchases.
fn ranked<S>(
    topology: &Topology,
    purchases: Component<'_, S, Purchase, NoInput>,
    options: &Options,
    outputs: Destinations,
) {
    let shape = &options.shape;
    let purchases = purchases.parallelism(shape.spouts);
    let ranked = Ranked {
        top: options.top,
        every: options.every,
        mode: options.mode,
        counters: shape.counters,
        outputs,
    };
    let cents = |purchase: &Purchase| purchase.cents;
    ranked.wire(topology, &purchases, Purchase::USER, cents);
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        options: Options,
    }

    fn options(arguments: &str) -> Result<Options, clap::Error> {
        let words = std::iter::once("test").chain(arguments.split_whitespace());
        Command::try_parse_from(words).map(|command| command.options)
    }

    #[test]
    fn no_arguments_are_the_default() {
        assert_eq!(options("").unwrap(), Options::default());
    }

    #[test]
    fn the_default_is_a_topology_of_three_components() {
        let plan = topology(&Options::default()).unwrap().plan();
        assert_eq!(plan.check(), Ok(()));
        let ids: Vec<_> = plan
            .components
            .iter()
            .map(|component| &*component.id)
            .collect();
        assert_eq!(ids, ["purchases", "totals", "top"]);
    }

    #[test]
    fn the_amount_is_in_one_field_or_in_two() {
        let input = "--input a.csv --user-field u";
        for good in ["--cents-field c", "--price-field p --quantity-field q"] {
            options(&format!("{input} {good}")).unwrap();
        }
        for bad in [
            "--price-field p",
            "--quantity-field q",
            "--cents-field c --price-field p --quantity-field q",
        ] {
            assert!(options(&format!("{input} {bad}")).is_err(), "{bad}");
        }
    }
}
