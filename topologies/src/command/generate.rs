//! Makes up events.

use clap::Args;
use squall::RunOptions;
use squall_topologies::generate;
use squall_topologies::outputs::STDOUT;

use super::status::Ending;

#[derive(Args)]
pub(crate) struct Generate {
    #[command(flatten)]
    options: generate::Options,
}

impl Generate {
    pub(crate) fn run(&self) -> Result<(), Ending> {
        let topology = generate::topology(&self.options).map_err(Ending::input)?;
        let summary = topology.run(RunOptions::default());
        let summary = summary.map_err(|error| Ending::of(error, STDOUT))?;
        tracing::info!("{} events were made", summary.stats.tuples);
        Ok(())
    }
}
