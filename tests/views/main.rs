//! Looking into the state of a topology: at rest, while it runs, and from other processes.

mod at_rest;
mod edits;
#[cfg(unix)]
mod in_use;
mod while_running;

use squall::bolts::FlatMap;
use squall::testing::{Events, TopologyTest};
use squall::{
    Bolt, DataDir, Next, Out, Result, RunOptions, Spout, SpoutOut, States, Table, Text, Topology,
    Tuple, Value, millis, state::Tables,
};

/// Money that goes from one account to another.
#[derive(Tuple, Clone, Debug, PartialEq)]
struct Transfer {
    from: u32,
    to: u32,
    cents: i64,
}

/// What a transfer does to one account.
#[derive(Tuple, Clone, Debug, PartialEq)]
struct Posting {
    account: u32,
    cents: i64,
}

/// Balances by account, and how many postings each had.
#[derive(Default)]
struct Accounts {
    balances: Table<u32, i64>,
    postings: Table<u32, u64>,
}

impl Bolt for Accounts {
    type Input = Posting;
    type Output = ();

    fn execute(&mut self, posting: &Posting, _: &mut Out<()>) -> Result {
        *self.balances.entry(&posting.account) += posting.cents;
        *self.postings.entry(&posting.account) += 1;
        Ok(())
    }

    fn state(&mut self, states: &mut States<'_>) {
        states.keep("balances", &mut self.balances);
        states.keep("postings", &mut self.postings);
    }
}

/// All transfers by their size, in tables by thousands, with their number.
#[derive(Default)]
struct Audit {
    transfers: Value<u64>,
    sizes: Tables<i64, i64, u64>,
}

impl Bolt for Audit {
    type Input = Transfer;
    type Output = ();

    fn execute(&mut self, transfer: &Transfer, _: &mut Out<()>) -> Result {
        *self.transfers += 1;
        let thousands = self.sizes.section(transfer.cents / 1_000);
        *thousands.entry(&transfer.cents) += 1;
        Ok(())
    }

    fn state(&mut self, states: &mut States<'_>) {
        states.keep("transfers", &mut self.transfers);
        states.keep("sizes", &mut self.sizes);
    }
}

/// A bank with these transfers.
fn bank<S: Spout<Output = Transfer>>(
    transfers: impl Fn() -> S + Send + Sync + 'static,
) -> Topology {
    let topology = Topology::named("bank");
    let transfers = topology.spout("transfers", transfers);
    let post = |transfer: &Transfer| {
        let posting = |account, cents| Posting { account, cents };
        let Transfer { from, to, cents } = *transfer;
        [posting(from, -cents), posting(to, cents)]
    };
    let postings = topology
        .bolt("postings", move || FlatMap::new(post))
        .shuffle_grouping(&transfers);
    topology
        .bolt("accounts", Accounts::default)
        .parallelism(3)
        .fields_grouping(&postings, Posting::ACCOUNT);
    topology
        .bolt("audit", Audit::default)
        .global_grouping(&transfers);
    topology
}

/// Transfers as long as nobody stops it.
#[derive(Default)]
struct Endless {
    made: Value<u64>,
}

impl Spout for Endless {
    type Output = Transfer;

    fn next(&mut self, out: &mut SpoutOut<Transfer>) -> Result<Next> {
        for _ in 0..100 {
            let mut random = fastrand::Rng::with_seed(*self.made);
            *self.made += 1;
            let (from, to) = (random.u32(..500), random.u32(..500));
            let cents = random.i64(1..5_000);
            out.emit(Transfer { from, to, cents });
        }
        Ok(Next::More)
    }

    fn state(&mut self, states: &mut States<'_>) {
        states.keep("made", &mut self.made);
    }
}

fn options(data_dir: &DataDir) -> RunOptions {
    RunOptions {
        data_dir: Some(data_dir.clone()),
        epoch: millis(5),
        commit: millis(10),
        signals: false,
        ..RunOptions::default()
    }
}

/// Runs the bank with a few transfers to their end.
fn run(data_dir: &DataDir, transfers: &[(u32, u32, i64)]) {
    let transfers = transfers.iter();
    let transfers = transfers.map(|&(from, to, cents)| Transfer { from, to, cents });
    let events = Events::now(transfers);
    let topology = bank(move || events.clone());
    let test = TopologyTest::new(topology).options(options(data_dir));
    test.run().unwrap();
}
