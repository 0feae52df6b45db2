//! Runs a topology, and says meanwhile and at the end what it has done.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use squall::{
    DataDir, RunOptions, Summary, Timestamp,
    run::{LossLimit, Restarts, RunStats, Running},
};
use squall_topologies::duration;
use squall_topologies::outputs::STDOUT;
use squall_topologies::ready::{Prepared, Ready};

#[cfg(feature = "http")]
use super::http;
use super::logs;
use super::losses;
use super::progress::Bar;
use super::status::Ending;

/// How often the progress bar moves.
const TICK: Duration = Duration::from_millis(200);

/// How often `--stats` writes a line.
const STATS_INTERVAL: Duration = Duration::from_secs(1);

/// The most tuples of a batch, as the runtime has it.
const MAX_BATCH_TUPLES: u64 = 1 << 20;

#[derive(Args)]
#[command(
    subcommand_value_name = "TOPOLOGY",
    subcommand_help_heading = "Topologies"
)]
pub(crate) struct Run {
    /// The topology
    #[command(subcommand)]
    topology: Ready,
    #[command(flatten)]
    settings: Settings,
}

/// The settings of any run.
#[derive(Args)]
#[command(next_help_heading = "Run")]
struct Settings {
    /// Stop after this time, as Ctrl-C does
    #[arg(long = "for", global = true, value_name = "DUR", value_parser = duration::parse)]
    run_for: Option<Duration>,
    /// The time between two epochs; results become visible at each epoch
    #[arg(
        long,
        global = true,
        value_name = "DUR",
        default_value = "100ms",
        value_parser = duration::parse_above_zero
    )]
    epoch: Duration,
    /// The tuples of a full batch
    #[arg(
        long,
        global = true,
        value_name = "N",
        default_value_t = 1_024,
        value_parser = clap::value_parser!(u64).range(1..=MAX_BATCH_TUPLES)
    )]
    batch: u64,
    /// How long a stop may take before the run ends with an error
    #[arg(
        long,
        global = true,
        value_name = "DUR",
        default_value = "5s",
        value_parser = duration::parse_above_zero
    )]
    drain: Duration,
    /// Keep the state in this directory: after a stop, a failure or a crash the run goes on from
    /// its last commit, and each record counts once
    #[arg(long, global = true, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// The time between two commits: the input of about this time is read again after a crash, and
    /// --json and --out get their lines this much later
    #[arg(
        long,
        global = true,
        value_name = "DUR",
        default_value = "1s",
        requires = "data_dir",
        value_parser = duration::parse_above_zero
    )]
    commit: Duration,
    /// How often a failed run is restored from its last commit within a minute; one more failure
    /// ends it
    #[arg(
        long,
        global = true,
        value_name = "N",
        default_value_t = 10,
        requires = "data_dir"
    )]
    restarts: u32,
    /// End the run with status 1 if there are more dead letters than this: a number, or a share of
    /// the records that a component has read, which is checked after 1,000 records and at the end
    #[arg(long, global = true, value_name = "N|P%")]
    max_dead_letters: Option<LossLimit>,
    /// The same for late tuples
    #[arg(long, global = true, value_name = "N|P%")]
    max_late: Option<LossLimit>,
    /// Log statistics: a line every few seconds, and a table of the components at the end
    #[arg(long, global = true)]
    stats: bool,
    #[cfg(feature = "http")]
    #[command(flatten)]
    http: http::Http,
}

impl Run {
    pub(crate) fn run(self) -> Result<(), Ending> {
        let Self { topology, settings } = self;
        let prepared = topology.prepare(settings.data_dir.as_deref())?;
        let Prepared {
            topology,
            files,
            opened,
            fields,
        } = prepared;
        let bar = Bar::of(files.as_ref());
        let name = topology.name().to_owned();
        #[cfg(feature = "http")]
        let listening = settings.http.listen()?;
        let running = topology.start(settings.options(opened))?;
        // It serves until the end of the run.
        #[cfg(feature = "http")]
        let _server = http::serve(listening, running.watch())?;
        tracing::info!("{name} is running; Ctrl-C stops it");
        let result = watch(running, bar, settings.stats);
        let summary = result.map_err(|error| Ending::of(error, STDOUT))?;
        tracing::info!("{}", in_short(&summary));
        if settings.stats {
            logs::line(&summary.stats.to_string());
        }
        if let Some(missing) = fields.summary() {
            tracing::warn!("{missing}");
        }
        for told in losses::worth_telling(&name, &summary.stats) {
            tracing::warn!("{told}");
        }
        Ok(())
    }
}

impl Settings {
    fn options(&self, opened: Option<DataDir>) -> RunOptions {
        RunOptions {
            epoch: self.epoch,
            // The parser has set the bound, which fits everywhere.
            batch_tuples: usize::try_from(self.batch).unwrap_or(usize::MAX),
            run_for: self.run_for,
            drain: self.drain,
            data_dir: opened.or_else(|| self.data_dir.as_ref().map(DataDir::at)),
            commit: self.commit,
            restarts: Restarts {
                per_minute: self.restarts,
                ..Restarts::default()
            },
            max_dead_letters: self.max_dead_letters,
            max_late: self.max_late,
            ..RunOptions::default()
        }
    }
}

/// Waits for the end, and shows how far the run is.
fn watch(running: Running, mut bar: Option<Bar>, stats: bool) -> Result<Summary, squall::RunError> {
    let begun = Instant::now();
    let mut next_line = STATS_INTERVAL;
    while !running.ends_within(TICK) {
        let elapsed = begun.elapsed();
        if let Some(bar) = &mut bar {
            bar.tick(elapsed);
        }
        if stats && elapsed >= next_line {
            next_line = elapsed + STATS_INTERVAL;
            if let Some(stats) = running.stats() {
                logs::line(&so_far(&stats));
            }
        }
    }
    if let Some(bar) = bar {
        bar.finish();
    }
    running.wait()
}

fn so_far(stats: &RunStats) -> String {
    let (watermark, holder) = &stats.watermark;
    let watermark = match *watermark {
        Timestamp::MAX => "end of input".to_owned(),
        Timestamp::MIN => format!("watermark held back by {holder}"),
        moment => format!("watermark {moment} held back by {holder}"),
    };
    format!(
        "stats: {:.1} s, {} tuples ({:.0}/s), {} late, {} dead letters, {watermark}, epochs p50 \
         {:.1} ms p99 {:.1} ms",
        stats.elapsed.as_secs_f64(),
        stats.tuples,
        stats.tuples_per_second(),
        stats.late(),
        stats.dead_letters(),
        stats.epoch_p50.as_secs_f64() * 1e3,
        stats.epoch_p99.as_secs_f64() * 1e3,
    )
}

/// One line about a whole run.
fn in_short(summary: &Summary) -> String {
    let Summary {
        input_ended, stats, ..
    } = summary;
    let how = if *input_ended {
        "the input ended"
    } else {
        "stopped"
    };
    let (late, dead_letters) = (stats.late(), stats.dead_letters());
    let mut line = format!(
        "{how} after {:.1} s: {}, {late} late, {}",
        stats.elapsed.as_secs_f64(),
        counted(stats.tuples, "tuple", "tuples"),
        counted(dead_letters, "dead letter", "dead letters"),
    );
    let components = stats.components.iter();
    let open = components.map(|component| component.open_windows).max();
    if let (false, Some(open @ 1..)) = (*input_ended, open) {
        let windows = counted(open, "window was", "windows were");
        line.push_str(&format!("; {windows} left open"));
    }
    line
}

fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}
