//! How a run is killed, and how often.

use std::fs::{File, OpenOptions};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use fastrand::Rng;

use crate::common::Folder;

/// How often all jobs together are killed: `SQUALL_KILLS`.
const KILLS: u32 = 20;

/// The jobs among which the kills are dealt.
const JOBS: u32 = 5;

/// After so many kills a job is left to its end, and begins anew.
const KILLS_A_ROUND: u32 = 12;

/// The longest life of a process that is killed, in milliseconds. Machines differ in speed: where
/// all processes ended before they were killed the next ones live half as long, and after each
/// kill a quarter longer.
const LONGEST_MS: u64 = 900;

/// A process that ends by itself within this time, in milliseconds, has nothing to be killed in.
const SHORTEST_MS: u64 = 8;

/// Between two things that happen beside a process.
const STEP: Duration = Duration::from_millis(7);

/// After this time a process that should end counts as hanging.
const HANGS: Duration = Duration::from_mins(4);

/// A job that is killed.
pub trait Victim {
    /// What it is called in the figures.
    const NAME: &'static str;

    /// Where it works.
    fn folder(&self) -> &Folder;

    /// Starts its processes, with numbers of tasks drawn at random.
    fn start(&mut self, random: &mut Rng) -> Vec<Process>;

    /// What goes on beside it, now and then, also while it does not run.
    fn meanwhile(&mut self, random: &mut Rng) {
        let _ = random;
    }

    /// Whether a process may end with an error, since another one was killed.
    fn may_end_badly(&self) -> bool {
        false
    }

    /// What must hold after each kill.
    fn killed(&mut self) {}

    /// Lets it go on to its end, undisturbed, and compares all that it has made with what it
    /// should be; says how much that is.
    fn finish(&mut self, random: &mut Rng) -> String;
}

/// A process of `squall` whose log goes to a file.
pub struct Process {
    child: Child,
    pub name: &'static str,
}

impl Process {
    /// Starts `squall` with these arguments; the log is appended to a file of the folder.
    pub fn start(folder: &Folder, name: &'static str, arguments: &[String]) -> Self {
        let log: File = OpenOptions::new()
            .create(true)
            .append(true)
            .open(folder.path("log"))
            .unwrap();
        let binary = std::env::var_os("SQUALL_BINARY")
            .unwrap_or_else(|| assert_cmd::cargo::cargo_bin!("squall").into());
        let child = Command::new(binary)
            .args(arguments)
            .env_remove("RUST_LOG")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        Self { child, name }
    }

    pub fn has_ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for the end, which is to be a good one.
    pub fn ends_well(mut self, folder: &Folder) {
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = self.has_ended() {
                break status;
            }
            assert!(
                begun.elapsed() < HANGS,
                "{} hangs: {}",
                self.name,
                tail(folder)
            );
            thread::park_timeout(STEP);
        };
        assert!(
            status.success(),
            "{}: {status}: {}",
            self.name,
            tail(folder)
        );
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The last lines of the log that are no rankings.
pub fn tail(folder: &Folder) -> String {
    let log = std::fs::read_to_string(folder.path("log")).unwrap_or_default();
    let lines = log.lines().filter(|line| !line.contains("Rankings: ["));
    let lines: Vec<&str> = lines.collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}

/// A number that the environment gives.
fn number<N: std::str::FromStr>(name: &str) -> Option<N> {
    let text = std::env::var(name).ok()?;
    text.parse().ok()
}

/// Kills a job as often as is asked for, in rounds.
pub fn kill_often<V: Victim>(job: u32, make: impl Fn(&mut Rng) -> V) {
    let seed = number("SQUALL_SEED").unwrap_or_else(|| fastrand::u64(..));
    let all: u32 = number("SQUALL_KILLS").unwrap_or(KILLS);
    let kills = all / JOBS + u32::from(job < all % JOBS);
    println!("{}: seed {seed}", V::NAME);
    let mut random = Rng::with_seed(seed ^ u64::from(job));
    let begun = Instant::now();
    let (mut done, mut rounds, mut figures) = (0, 0, Vec::new());
    let (mut lived, mut longest) = (Duration::ZERO, LONGEST_MS);
    while done < kills {
        let mut victim = make(&mut random);
        let mut killed = 0;
        while killed < KILLS_A_ROUND && done < kills {
            victim.meanwhile(&mut random);
            let mut processes = victim.start(&mut random);
            let life = Duration::from_millis(random.u64(3..longest));
            let started = Instant::now();
            while started.elapsed() < life {
                victim.meanwhile(&mut random);
                thread::park_timeout(STEP);
            }
            lived += started.elapsed();
            let ended = processes.iter_mut().filter_map(Process::has_ended);
            let ended: Vec<ExitStatus> = ended.collect();
            let well = ended.iter().all(ExitStatus::success);
            let folder = victim.folder();
            assert!(well || victim.may_end_badly(), "{}", tail(folder));
            let over = ended.len() == processes.len();
            // Of several any, and all others with the machine.
            processes.iter_mut().for_each(Process::kill);
            if over {
                longest /= 2;
                assert!(
                    longest > SHORTEST_MS,
                    "{}: no process lives to be killed: {}",
                    V::NAME,
                    tail(victim.folder())
                );
                break;
            }
            victim.killed();
            longest = LONGEST_MS.min(longest * 5 / 4);
            killed += 1;
            done += 1;
        }
        figures.push(victim.finish(&mut random));
        rounds += 1;
    }
    println!(
        "{}: {done} kills in {rounds} rounds, {:.1} s of life, {:.1} s in all; seed {seed}\n  {}",
        V::NAME,
        lived.as_secs_f64(),
        begun.elapsed().as_secs_f64(),
        figures.join("\n  ")
    );
}
