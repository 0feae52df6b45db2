//! A grouping of one's own: a closure that names the task of each tuple.
//!
//! Payments above a limit go to the first task of the bolt, where a person would look at
//! them; the others are spread over the remaining tasks by account.
//!
//! `cargo run --example custom_grouping`

use std::error::Error;

use squall::testing::{Collected, Events};
use squall::{
    Bolt, Context, Out, Result, RunOptions, Topology, Tuple,
    key::{KeyValue, shard_of, task_of_shard},
};

#[derive(Tuple, Clone, Debug)]
struct Payment {
    account: u64,
    cents: u64,
}

#[derive(Tuple, Clone, Debug)]
struct Checked {
    account: u64,
    by: usize,
}

#[derive(Default)]
struct Check {
    task: usize,
}

impl Bolt for Check {
    type Input = Payment;
    type Output = Checked;

    fn prepare(&mut self, context: &Context) -> Result {
        self.task = context.task;
        Ok(())
    }

    fn execute(&mut self, payment: &Payment, out: &mut Out<Checked>) -> Result {
        out.emit(Checked {
            account: payment.account,
            by: self.task,
        });
        Ok(())
    }
}

/// The first of `tasks` tasks for large payments, the others by account.
fn by_size(payment: &Payment, tasks: usize) -> usize {
    if payment.cents >= 100_000 || tasks == 1 {
        return 0;
    }
    // The routing hash is the same on every computer, unlike `std::hash`.
    let shard = shard_of(payment.account.route_hash());
    1 + task_of_shard(shard, tasks - 1)
}

fn main() -> std::result::Result<(), Box<dyn Error>> {
    let payments = [
        (1, 999),
        (2, 250_000),
        (9, 50),
        (1, 100),
        (12, 750),
        (9, 100_000),
    ];
    let payments = payments.map(|(account, cents)| Payment { account, cents });

    let topology = Topology::named("payments");
    let payments = topology.spout("payments", move || Events::now(payments.clone()));
    let checks = topology
        .bolt("checks", Check::default)
        .parallelism(3)
        .custom_grouping(&payments, "by-size", || by_size);
    let checked = Collected::of(&topology, "checked", &checks);
    topology.run(RunOptions::default())?;

    let mut checked = checked.take();
    checked.sort_by_key(|checked| (checked.account, checked.by));
    for Checked { account, by } in checked {
        println!("account {account}: task {by}");
    }
    Ok(())
}
