//! The contract of a spout: killed at any point and continued by any number of tasks, it emits the
//! same tuples as without a failure.

use std::fmt;
use std::sync::Arc;
use std::task::{Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use super::stored::{Saving, Stored, Told, load};
use crate::context::Context;
use crate::error::{BoxError, Result};
use crate::operator::{AnySpout, SpoutOperator};
use crate::spout::{Next, Spout};
use crate::stream::StreamAt;

/// A spout whose waker is not called within this time, and that has not ended, is stuck.
const STUCK: Duration = Duration::from_secs(20);

/// Of an input of many steps so many places are tried at which it is committed.
const MAX_CUTS: usize = 24;

/// How many steps a spout makes after the commit that its next life goes on from.
const STEPS_IN_VAIN: [usize; 2] = [0, 3];

type Emitted<S> = <<S as Spout>::Output as StreamAt<0>>::Item;

/// Tests a spout against the failures of a run with a data directory. Returns the tuples of a run
/// without a failure: those of the main stream, task after task.
///
/// `spout` makes the spout of one task, as a topology's factory does; its input must have an end,
/// and be the same each time. `tasks` has the numbers of tasks to run it with, such as `&[1, 3]`.
///
/// The tasks take turns of one [`Spout::next`] each. After some of these their states are stored,
/// as by a commit, and who waits for the commit is told. Then they go on for a few turns, are
/// dropped, and new ones, as many or another number, are given what was stored; and once more. What
/// was emitted before the commits and by the last tasks must be what is emitted without a failure,
/// in any order: nothing is left out, and nothing comes twice.
///
/// ```
/// use squall::connectors::files::{Files, Record};
/// use squall::testing::spout_contract;
/// use squall::{Out, Word};
///
/// let folder = std::env::temp_dir().join(format!("squall-contract-{}", std::process::id()));
/// std::fs::create_dir_all(&folder)?;
/// std::fs::write(folder.join("a.txt"), "storm\nsquall\n")?;
/// std::fs::write(folder.join("b.txt"), "gust\n")?;
/// let files = Files::at(folder.to_str().unwrap_or_default())?;
/// let lines = || {
///     files.clone().decode(|line: &Record, out: &mut Out<Word>| {
///         out.emit(Word { word: line.text().into() });
///         Ok(())
///     })
/// };
/// assert_eq!(spout_contract(lines, &[1, 2])?.len(), 3);
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok::<(), squall::BoxError>(())
/// ```
///
/// # Errors
/// Where the spout breaks the contract: where it was committed, what is missing and what came too
/// often; where it neither ends nor has its task woken; and errors of the spout.
pub fn spout_contract<S>(spout: impl Fn() -> S, tasks: &[usize]) -> Result<Vec<Emitted<S>>>
where
    S: Spout,
    S::Output: StreamAt<0>,
    Emitted<S>: fmt::Debug,
{
    let first = *tasks.first().ok_or("no number of tasks is given")?;
    let mut undisturbed = Life::begin(&spout, first, &[], None)?;
    undisturbed.run()?;
    let mut expected = undisturbed.texts();
    expected.sort_unstable();
    let turns = undisturbed.turns;
    let stride = turns.div_ceil(MAX_CUTS).max(1);
    let numbers = || tasks.iter().copied().filter(|tasks| *tasks > 0);
    for cut in (0..=turns).step_by(stride) {
        for (before, after) in numbers().flat_map(|a| numbers().map(move |b| (a, b))) {
            for in_vain in STEPS_IN_VAIN {
                let trial = Trial {
                    cut,
                    before,
                    after,
                    in_vain,
                };
                let mut emitted = trial.run(&spout)?;
                emitted.sort_unstable();
                trial.compare(&expected, &emitted)?;
            }
        }
    }
    Ok(undisturbed.emitted.into_iter().flatten().collect())
}

/// Where the spout is killed.
struct Trial {
    /// After how many turns its states are stored.
    cut: usize,
    before: usize,
    after: usize,
    /// How many turns it makes after that.
    in_vain: usize,
}

impl Trial {
    /// What is emitted in three lives, as text.
    fn run<S>(&self, spout: &impl Fn() -> S) -> Result<Vec<String>>
    where
        S: Spout,
        S::Output: StreamAt<0>,
        Emitted<S>: fmt::Debug,
    {
        let mut emitted = Vec::new();
        let mut stored: Vec<Stored> = Vec::new();
        for (epoch, tasks) in [self.before, self.after].into_iter().enumerate() {
            let resumed_from = (epoch > 0).then_some(epoch as u64);
            let mut life = Life::begin(spout, tasks, &stored, resumed_from)?;
            life.turns(self.cut)?;
            let told;
            (stored, told) = life.save(&stored)?;
            emitted.append(&mut life.texts());
            life.turns(self.in_vain)?;
            if epoch == 0 {
                for tell in told {
                    tell();
                }
            }
        }
        let mut last = Life::begin(spout, self.before, &stored, Some(2))?;
        last.run()?;
        emitted.append(&mut last.texts());
        Ok(emitted)
    }

    fn compare(&self, expected: &[String], emitted: &[String]) -> Result {
        let missing = without(expected, emitted);
        let too_often = without(emitted, expected);
        if missing.is_empty() && too_often.is_empty() {
            return Ok(());
        }
        let message = format!(
            "{self}, the spout has left these tuples out: {missing:?}, and emitted these too \
             often: {too_often:?}"
        );
        Err(BoxError::from(message))
    }
}

impl fmt::Display for Trial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            cut,
            before,
            after,
            in_vain,
        } = self;
        write!(
            f,
            "run by {before} tasks, committed after {cut} turns, killed {in_vain} turns later, and \
             then the same with {after} tasks"
        )
    }
}

/// What a sorted list has and another one has not, each as often.
fn without(list: &[String], other: &[String]) -> Vec<String> {
    let mut left = other.iter().peekable();
    let mut found = Vec::new();
    for text in list {
        while left.next_if(|other| *other < text).is_some() {}
        if left.next_if(|other| *other == text).is_none() {
            found.push(text.clone());
        }
    }
    found
}

/// The tasks of a spout, until they are dropped.
struct Life<S: Spout>
where
    S::Output: StreamAt<0>,
{
    tasks: Vec<(SpoutOperator<S>, Saving)>,
    /// By task.
    emitted: Vec<Vec<Emitted<S>>>,
    /// The tasks that have ended.
    ended: Vec<bool>,
    turns: usize,
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

impl<S: Spout> Life<S>
where
    S::Output: StreamAt<0>,
    Emitted<S>: fmt::Debug,
{
    fn begin(
        spout: &impl Fn() -> S,
        tasks: usize,
        stored: &[Stored],
        resumed_from: Option<u64>,
    ) -> Result<Self> {
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let mut life = Self {
            tasks: Vec::new(),
            emitted: Vec::new(),
            ended: vec![false; tasks],
            turns: 0,
        };
        for task in 0..tasks {
            let mut operator = SpoutOperator::new(spout());
            load(stored, |states| operator.state(states))?;
            operator.open(&Context {
                task,
                parallelism: tasks,
                durable: true,
                resumed_from,
                interrupted: resumed_from.is_some(),
                waker: waker.clone(),
                ..Context::of_test()
            })?;
            life.tasks.push((operator, Saving::default()));
            life.emitted.push(Vec::new());
        }
        Ok(life)
    }

    /// To the end.
    fn run(&mut self) -> Result {
        self.turns(usize::MAX)
    }

    /// So many turns, or as many as there are. A turn in which a spout has nothing is none.
    fn turns(&mut self, turns: usize) -> Result {
        let (mut left, mut waits_since) = (turns, None);
        while left > 0 && self.ended.contains(&false) {
            let mut waits = None;
            let mut took_turns = false;
            for task in 0..self.tasks.len() {
                if self.ended[task] || left == 0 {
                    continue;
                }
                let operator = &mut self.tasks[task].0;
                let next = operator.poll(1)?;
                let emitted = operator.emitted();
                let nothing = emitted.is_empty() && matches!(next, Next::Idle | Next::After(_));
                self.emitted[task].append(emitted);
                match next {
                    Next::More => {}
                    Next::Idle => waits = Some(waits.unwrap_or(STUCK)),
                    Next::After(time) => waits = Some(waits.unwrap_or(STUCK).min(time)),
                    Next::End | Next::Pause => self.ended[task] = true,
                }
                if !nothing {
                    took_turns = true;
                    self.turns += 1;
                    left -= 1;
                }
            }
            match waits {
                Some(time) if !took_turns => {
                    let since: &mut Instant = waits_since.get_or_insert_with(Instant::now);
                    if since.elapsed() >= STUCK {
                        let stuck = format!(
                            "the spout has nothing, and has neither ended nor been woken, for \
                             {STUCK:?}"
                        );
                        return Err(stuck.into());
                    }
                    thread::park_timeout(time.min(STUCK));
                }
                _ => waits_since = None,
            }
        }
        Ok(())
    }

    /// What is stored of all tasks, and who is to be told.
    fn save(&mut self, before: &[Stored]) -> Result<(Vec<Stored>, Told)> {
        let (mut stored, mut told) = (Vec::new(), Told::new());
        for (number, (operator, saving)) in self.tasks.iter_mut().enumerate() {
            let before = before.get(number).cloned().unwrap_or_default();
            let (states, mut more) = saving.save(&before, |states| operator.state(states))?;
            stored.push(states);
            told.append(&mut more);
        }
        Ok((stored, told))
    }

    /// What was emitted since it was asked last, in any order.
    fn texts(&self) -> Vec<String> {
        let emitted = self.emitted.iter().flatten();
        emitted.map(|tuple| format!("{tuple:?}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{SpoutOut, States, Table, Value, Word};

    /// Numbers up to an end, dealt to the tasks; `keeps` what a task has come to.
    struct Numbers {
        end: u64,
        keeps: bool,
        at: Table<u64, u64>,
        mine: Vec<u64>,
    }

    const SPLITS: u64 = 5;

    impl Numbers {
        fn to(end: u64) -> Self {
            Self {
                end,
                keeps: true,
                at: Table::new(),
                mine: Vec::new(),
            }
        }
    }

    impl Spout for Numbers {
        type Output = Word;

        fn open(&mut self, context: &Context, _: &mut SpoutOut<Word>) -> Result {
            let (task, tasks) = (context.task as u64, context.parallelism as u64);
            self.mine = (0..SPLITS).filter(|split| split % tasks == task).collect();
            let mine = self.mine.clone();
            self.at.retain(|split, _| mine.contains(split));
            Ok(())
        }

        fn next(&mut self, out: &mut SpoutOut<Word>) -> Result<Next> {
            for split in &self.mine {
                let at = self.at.get(split).copied().unwrap_or(0);
                if at < self.end {
                    let word = format!("{split}:{at}").into();
                    out.emit(Word { word });
                    self.at.insert(*split, at + 1);
                    return Ok(Next::More);
                }
            }
            Ok(Next::End)
        }

        fn state(&mut self, states: &mut States<'_>) {
            if self.keeps {
                states.keep("at", &mut self.at);
            }
        }
    }

    #[test]
    fn a_spout_that_keeps_its_positions_passes_with_any_number_of_tasks() {
        let words = spout_contract(|| Numbers::to(4), &[1, 2, 7]).unwrap();
        assert_eq!(words.len(), 20);
    }

    #[test]
    fn a_spout_that_keeps_nothing_is_told_what_came_twice() {
        let forgets = || Numbers {
            keeps: false,
            ..Numbers::to(2)
        };
        let error = spout_contract(forgets, &[1]).unwrap_err().to_string();
        assert!(error.contains("too often: [\"Word"), "{error}");
        assert!(error.contains("out: []"), "{error}");
    }

    /// Forgets what it has emitted last when it is stored.
    struct Ahead(Value<u64>);

    impl Spout for Ahead {
        type Output = Word;
        fn next(&mut self, out: &mut SpoutOut<Word>) -> Result<Next> {
            if *self.0 >= 6 {
                return Ok(Next::End);
            }
            out.emit(Word {
                word: self.0.to_string().into(),
            });
            *self.0 += 1;
            Ok(Next::More)
        }
        fn state(&mut self, states: &mut States<'_>) {
            if *self.0 == 3 {
                *self.0 += 1;
            }
            states.keep("at", &mut self.0);
        }
    }

    #[test]
    fn a_spout_whose_position_is_ahead_is_told_what_is_missing() {
        let error = spout_contract(|| Ahead(Value::new(0)), &[1]).unwrap_err();
        let error = error.to_string();
        assert!(error.contains("left these tuples out: [\"Word"), "{error}");
    }
}
