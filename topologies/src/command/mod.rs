//! The arguments, and what the process says and returns at its end.

#[cfg(feature = "cube")]
mod cube;
mod data;
mod depot;
mod generate;
#[cfg(feature = "http")]
mod http;
mod logs;
mod losses;
mod progress;
mod run;
mod shell;
mod status;

use std::io::{self, BufWriter, Write};

use clap::{Args, CommandFactory, Parser, Subcommand};
use squall::topology::PlanFormat;
use squall_topologies::ready::{self, Planned};

use status::Ending;

/// What stands under the help.
const STREAMS_AND_STATUS: &str = "\
Results go to standard output, logs to standard error; RUST_LOG sets the log levels. The exit \
status is 0 if the run ended well or was stopped, 2 for wrong use or wrong input, and 1 for a \
failure at run time.";

/// An embedded stream processor: runs topologies with exact rolling counts and rankings
#[derive(Parser)]
#[command(name = "squall", version, after_help = STREAMS_AND_STATUS)]
struct Squall {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List the ready topologies
    List,
    /// Draw a topology: its components, with parallelism and groupings
    Describe(Describe),
    /// Run a topology until its input ends, Ctrl-C, or --for
    Run(run::Run),
    /// Make up events, to try topologies with
    Generate(generate::Generate),
    /// Show what is in a data directory, and check it for damage
    Inspect(data::Inspect),
    /// Print the entries of a table in a data directory, in key order
    View(data::View),
    /// Query a cube that `run rollup` has made: time series, groups, top groups
    #[cfg(feature = "cube")]
    Query(cube::Query),
    /// Merge the files of each segment of a cube into one
    #[cfg(feature = "cube")]
    Compact(cube::Compact),
    /// Rebuild segments of a cube from its archive, by another spec
    #[cfg(feature = "cube")]
    Reindex(cube::Reindex),
    /// Copy a data directory, even while a run uses it
    Backup(data::Backup),
    /// Delete the state in a data directory that no process has open
    Reset(data::Reset),
    /// Make, fill and inspect depots: durable logs that topologies read
    Depot(depot::Depot),
    /// Print a script with which a shell completes commands and options
    Completions(shell::Completions),
    /// Write a man page of each command into a directory
    Man(shell::Man),
}

#[derive(Args)]
#[command(
    subcommand_value_name = "TOPOLOGY",
    subcommand_help_heading = "Topologies"
)]
struct Describe {
    /// The topology
    #[command(subcommand)]
    topology: Planned,
    /// How to draw it
    #[arg(
        long,
        global = true,
        value_name = "text|mermaid|dot|json",
        default_value_t = PlanFormat::Text
    )]
    format: PlanFormat,
    /// Print the parts of a run instead: tasks with their shards, threads, channels
    #[arg(long, global = true, conflicts_with = "format")]
    physical: bool,
}

/// Does what the arguments say; gives the exit status.
pub(crate) fn main() -> i32 {
    let squall = Squall::parse();
    logs::start();
    let ending = match squall.command {
        Command::List => print(&list()),
        Command::Describe(describe) => describe.draw(),
        Command::Run(run) => run.run(),
        Command::Generate(generate) => generate.run(),
        Command::Inspect(inspect) => inspect.run(),
        Command::View(view) => view.run(),
        #[cfg(feature = "cube")]
        Command::Query(query) => query.run(),
        #[cfg(feature = "cube")]
        Command::Compact(compact) => compact.run(),
        #[cfg(feature = "cube")]
        Command::Reindex(reindex) => reindex.run(),
        Command::Backup(backup) => backup.run(),
        Command::Reset(reset) => reset.run(),
        Command::Depot(depot) => depot.run(),
        Command::Completions(completions) => completions.run(Squall::command()),
        Command::Man(man) => man.run(Squall::command()),
    };
    match ending {
        // Rankings are lines of the log unless other outputs are asked for.
        Ok(()) | Err(Ending::NobodyReads) => i32::from(logs::were_lost()),
        Err(ending) => {
            logs::line(&format!("error: {ending}"));
            ending.status()
        }
    }
}

fn list() -> String {
    let entries = ready::all();
    let width = entries
        .iter()
        .map(|entry| entry.name.len())
        .max()
        .unwrap_or(0);
    let lines = entries.iter().map(|entry| {
        let ready::Entry { name, purpose } = entry;
        format!("{name:width$}  {purpose}\n")
    });
    lines.collect()
}

impl Describe {
    fn draw(&self) -> Result<(), Ending> {
        let topology = self.topology.topology()?;
        if self.physical {
            let plan = topology
                .physical_plan(None)
                .map_err(squall::RunError::Plan)?;
            return print(&plan.to_string());
        }
        let plan = topology.plan();
        plan.check().map_err(squall::RunError::Plan)?;
        print(&plan.draw(self.format))
    }
}

/// Prints a whole answer.
fn print(text: &str) -> Result<(), Ending> {
    let mut stdout = io::stdout().lock();
    let printed = stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush());
    printed.map_err(not_printed)
}

/// Prints the lines of an answer as they come; says how many there were.
fn print_all<E>(lines: impl Iterator<Item = Result<String, E>>) -> Result<usize, Ending>
where
    Ending: From<E>,
{
    let mut stdout = BufWriter::new(io::stdout().lock());
    let mut printed = 0;
    for line in lines {
        let written = stdout.write_all(line?.as_bytes());
        written.map_err(not_printed)?;
        printed += 1;
    }
    stdout.flush().map_err(not_printed)?;
    Ok(printed)
}

fn not_printed(error: io::Error) -> Ending {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Ending::NobodyReads,
        _ => Ending::Print(error),
    }
}
