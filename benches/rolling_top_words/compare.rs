//! The programs in turn, round by round.

use squall::run::RunStats;

use crate::memory;
use crate::process::timed;
use crate::programs::{
    BEST_HAND_WRITTEN, HAND_WRITTEN, HAND_WRITTEN_COMBINED, PROGRAMS, Program, RENOIR, SQUALL,
    SQUALL_UNCOMBINED, TIMELY,
};
use crate::spread;
use crate::straightforward::Answer;
use crate::words::Words;

/// A ratio that is printed, and the programs whose speeds it divides.
struct Ratio {
    name: &'static str,
    over: &'static str,
    under: &'static str,
}

const RATIOS: &[Ratio] = &[
    // Like with like: both send every word, or both count words before they send them.
    Ratio {
        name: "squall/hand-written-same-keys",
        over: SQUALL_UNCOMBINED,
        under: HAND_WRITTEN,
    },
    Ratio {
        name: "squall/hand-written-combined",
        over: SQUALL,
        under: HAND_WRITTEN_COMBINED,
    },
    Ratio {
        name: "squall/best-hand-written",
        over: SQUALL,
        under: BEST_HAND_WRITTEN,
    },
    Ratio {
        name: "best-hand-written/timely",
        over: BEST_HAND_WRITTEN,
        under: TIMELY,
    },
    Ratio {
        name: "squall/timely",
        over: SQUALL,
        under: TIMELY,
    },
    Ratio {
        name: "squall/renoir",
        over: SQUALL,
        under: RENOIR,
    },
];

/// What the rounds are.
pub struct Rounds<'a> {
    pub words: &'static Words,
    pub answer: &'a Answer,
    pub rounds: usize,
    /// How long a program is to run in a round.
    pub seconds: f64,
    /// The names of the programs that run; all if there are none.
    pub only: &'a [String],
}

/// What one program did in all rounds.
struct Record {
    program: &'static Program,
    /// In a round.
    repetitions: usize,
    words_per_second: Vec<f64>,
    cpu_nanos_per_word: Vec<f64>,
    /// The most memory that was resident above what was before, each time in a process of
    /// its own: here the allocator keeps for one program what another one has freed.
    resident_mib: Vec<f64>,
    /// What squall says of its last run.
    stats: Option<RunStats>,
}

/// The records of all programs that ran.
pub struct Records(Vec<Record>);

impl Rounds<'_> {
    /// Runs all rounds, and compares every ranking.
    pub fn run(&self) -> Records {
        let chosen = PROGRAMS.iter().filter(|program| {
            self.only.is_empty() || self.only.iter().any(|name| name == program.name)
        });
        let mut records: Vec<_> = chosen.map(|program| self.prepare(program)).collect();
        for round in 1..=self.rounds {
            for record in &mut records {
                self.measure(record);
                record
                    .resident_mib
                    .extend(memory::resident_mib(record.program.name));
            }
            let speeds = records.iter().map(|record| {
                let last = record.words_per_second.last().unwrap_or(&f64::NAN);
                format!("{} {:.1}", record.program.name, last / 1e6)
            });
            println!(
                "round {round}: {} M words/s",
                speeds.collect::<Vec<_>>().join(", ")
            );
        }
        Records(records)
    }

    /// Two runs that do not count say how many repetitions make a round.
    fn prepare(&self, program: &'static Program) -> Record {
        let mut record = Record {
            program,
            repetitions: 1,
            words_per_second: Vec::new(),
            cpu_nanos_per_word: Vec::new(),
            resident_mib: Vec::new(),
            stats: None,
        };
        for seconds in [0.2 * self.seconds, 1.1 * self.seconds] {
            let speed = self.measure(&mut record);
            let repetitions = seconds * speed / self.words.len() as f64;
            record.repetitions = repetitions.ceil().max(1.0) as usize;
        }
        record.words_per_second.clear();
        record.cpu_nanos_per_word.clear();
        println!(
            "{}: {} repetitions a round, {} rankings compared in each",
            program.name,
            record.repetitions,
            self.answer.windows(record.repetitions)
        );
        record
    }

    /// One program in one round; its speed.
    fn measure(&self, record: &mut Record) -> f64 {
        let (program, repetitions) = (record.program, record.repetitions);
        let (run, clock, cpu) = timed(|| (program.run)(self.words, repetitions));
        self.answer.check(program.name, repetitions, &run.rankings);
        record.stats = run.stats;
        let words = (repetitions * self.words.len()) as f64;
        let speed = words / clock.as_secs_f64();
        record.words_per_second.push(speed);
        let cpu_nanos = cpu.as_secs_f64() * 1e9;
        record.cpu_nanos_per_word.push(cpu_nanos / words);
        speed
    }
}

impl Record {
    /// The median, in words per second.
    fn speed(&self) -> f64 {
        spread(&self.words_per_second).1
    }

    /// The median, per word.
    fn cpu_nanos(&self) -> f64 {
        spread(&self.cpu_nanos_per_word).1
    }

    /// The median, in MiB; not a number where the system does not say.
    fn resident(&self) -> f64 {
        if self.resident_mib.is_empty() {
            return f64::NAN;
        }
        spread(&self.resident_mib).1
    }

    fn print(&self) {
        let (least, median, most) = spread(&self.words_per_second);
        let (cpu, resident) = (self.cpu_nanos(), self.resident());
        println!(
            "{:<23} {:>6.1} M words/s (min {:.1}, max {:.1}), {cpu:>5.1} ns of processor time a \
             word, {resident:.0} MiB resident",
            self.program.name,
            median / 1e6,
            least / 1e6,
            most / 1e6,
        );
    }
}

impl Records {
    fn of(&self, name: &str) -> Option<&Record> {
        self.0.iter().find(|record| record.program.name == name)
    }

    /// The median speed of a program, in words per second, if it ran.
    pub fn speed(&self, name: &str) -> Option<f64> {
        Some(self.of(name)?.speed())
    }

    /// Prints each program, then the ratios of those that ran.
    pub fn print(&self) {
        for record in &self.0 {
            if let Some(stats) = &record.stats {
                println!("{}, last round: {stats}", record.program.name);
            }
        }
        for record in &self.0 {
            record.print();
        }
        for Ratio { name, over, under } in RATIOS {
            if let (Some(one), Some(other)) = (self.of(over), self.of(under)) {
                println!(
                    "ratio {name} {:.2}, by processor time {:.2}",
                    one.speed() / other.speed(),
                    other.cpu_nanos() / one.cpu_nanos()
                );
            }
        }
        for Ratio { name, over, under } in RATIOS {
            if let (Some(one), Some(other)) = (self.of(over), self.of(under)) {
                let ratio = one.resident() / other.resident();
                println!("ratio resident {name} {ratio:.2}");
            }
        }
    }
}
