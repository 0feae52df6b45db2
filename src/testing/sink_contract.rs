//! The contract of a sink: killed at any point and started again, it leaves the same content in its
//! target as without a failure.

use std::fmt;

use super::stored::{Saving, Stored, load};
use crate::context::{Context, Epoch};
use crate::error::{BoxError, Result};
use crate::sink::Sink;
use crate::time::Timestamp;

/// Tests a sink against the failures of a run with a data directory. Returns the content of the
/// target after a run without a failure.
///
/// `target` makes an empty target (a folder, a database), `sink` a sink that writes to it, and
/// `content` reads what readers of the target see. `epochs` are the tuples of the epochs in
/// order; a few, some of them empty, with different tuples, show most.
///
/// The tuples are written, handed over, committed and delivered as by the runtime; then
/// again, to a new target each time, with the sink dropped at every [`KillPoint`] of every
/// epoch, once and twice in a row; with deliveries before the next epoch is saved, and
/// after, as when a commit takes long. A new sink gets the stored state, what was not recorded as
/// delivered, and the tuples that were not committed. In the end the content must be the same
/// as without a failure. Of a sink with an outbox, at every commit; and nothing may be seen of
/// tuples before they are committed. So where each tuple is in the target exactly once and in
/// order without a failure, it is with one.
///
/// ```
/// use squall::connectors::JsonLines;
/// use squall::testing::sink_contract;
/// use squall::{Text, Tuple};
///
/// #[derive(Tuple, Clone, Debug, serde::Serialize)]
/// struct Word { word: Text }
///
/// let word = |word: &str| Word { word: word.into() };
/// let mut number = 0;
/// let new_path = || {
///     number += 1;
///     let name = format!("squall-contract-{}-{number}.ndjson", std::process::id());
///     Ok(std::env::temp_dir().join(name))
/// };
/// let content = sink_contract(
///     new_path,
///     |path| JsonLines::<Word>::file(path),
///     |path| Ok(std::fs::read_to_string(path)?),
///     &[vec![word("storm")], vec![], vec![word("squall"), word("storm")]],
/// )?;
/// assert_eq!(content.lines().count(), 3);
/// # for number in 1..=number {
/// #     let name = format!("squall-contract-{}-{number}.ndjson", std::process::id());
/// #     std::fs::remove_file(std::env::temp_dir().join(name))?;
/// # }
/// # Ok::<(), squall::BoxError>(())
/// ```
///
/// # Errors
/// Where the sink breaks the contract: after which kill, and what the target had then; and
/// errors of the sink and of the other functions.
pub fn sink_contract<T, S, C>(
    mut target: impl FnMut() -> Result<T>,
    sink: impl Fn(&T) -> S,
    content: impl Fn(&T) -> Result<C>,
    epochs: &[Vec<S::Input>],
) -> Result<C>
where
    S: Sink,
    C: PartialEq + fmt::Debug,
{
    let undisturbed = target()?;
    let mut trial = Trial::new(&undisturbed, &sink, &content, epochs, None);
    trial.run(&[])?;
    let expected = std::mem::take(&mut trial.seen);
    for epoch in 1..=epochs.len() as u64 {
        for point in KillPoint::ALL {
            for (times, late) in [(1, false), (1, true), (2, false), (2, true)] {
                let kill = Kill {
                    epoch,
                    point,
                    times,
                    late,
                };
                let target = target()?;
                Trial::new(&target, &sink, &content, epochs, Some(kill)).run(&expected)?;
            }
        }
    }
    content(&undisturbed)
}

/// Where [`sink_contract`] kills a sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KillPoint {
    /// Some tuples of the epoch were written.
    Writing,
    /// All were, and the outbox was handed over; nothing is committed.
    BeforeCommit,
    /// The epoch is committed, and was not delivered.
    BeforeDelivery,
    /// It was delivered, and not flushed.
    BeforeFlush,
    /// It was flushed, and that is not recorded.
    BeforeRecord,
}

impl KillPoint {
    /// All points, in the order in which an epoch passes them.
    pub const ALL: [Self; 5] = [
        Self::Writing,
        Self::BeforeCommit,
        Self::BeforeDelivery,
        Self::BeforeFlush,
        Self::BeforeRecord,
    ];
}

impl fmt::Display for KillPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Writing => "while it was written",
            Self::BeforeCommit => "before it was committed",
            Self::BeforeDelivery => "before it was delivered",
            Self::BeforeFlush => "after it was delivered, before it was flushed",
            Self::BeforeRecord => "after it was delivered, before that was recorded",
        })
    }
}

#[derive(Clone, Copy)]
struct Kill {
    epoch: u64,
    point: KillPoint,
    times: u32,
    late: bool,
}

impl fmt::Display for Kill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let twice = if self.times > 1 { " twice" } else { "" };
        write!(f, "killed{twice} in epoch {}, {}", self.epoch, self.point)?;
        if self.late {
            f.write_str(" (and with deliveries after the next epoch was saved)")?;
        }
        Ok(())
    }
}

/// How a life of the sink ended.
#[derive(PartialEq, Eq)]
enum Life {
    Killed,
    Complete,
}

/// What survives a kill.
#[derive(Default)]
struct Store {
    committed: u64,
    states: Stored,
    /// What is committed, and not recorded as delivered.
    outboxes: Vec<(Epoch, Vec<u8>)>,
}

struct Trial<'t, T, M, R, I, C> {
    target: &'t T,
    make: &'t M,
    content: &'t R,
    epochs: &'t [Vec<I>],
    kill: Option<Kill>,
    kills_left: u32,
    store: Store,
    uses_outbox: bool,
    /// The content after the flush of each epoch, without a failure.
    seen: Vec<C>,
}

impl<'t, T, M, R, S, C> Trial<'t, T, M, R, S::Input, C>
where
    M: Fn(&T) -> S,
    R: Fn(&T) -> Result<C>,
    S: Sink,
    C: PartialEq + fmt::Debug,
{
    fn new(
        target: &'t T,
        make: &'t M,
        content: &'t R,
        epochs: &'t [Vec<S::Input>],
        kill: Option<Kill>,
    ) -> Self {
        Self {
            target,
            make,
            content,
            epochs,
            kill,
            kills_left: kill.map_or(0, |kill| kill.times),
            store: Store::default(),
            uses_outbox: false,
            seen: Vec::new(),
        }
    }

    /// Life after life until all epochs are delivered.
    fn run(&mut self, expected: &[C]) -> Result {
        while self.live(expected)? == Life::Killed {}
        match expected.last() {
            Some(last) => self.compare(std::slice::from_ref(last), "in the end"),
            None => Ok(()),
        }
    }

    fn live(&mut self, expected: &[C]) -> Result<Life> {
        let mut sink = (self.make)(self.target);
        let resumed_from = Some(self.store.committed).filter(|number| *number > 0);
        load(std::slice::from_ref(&self.store.states), |states| {
            sink.state(states);
        })?;
        sink.prepare(&context(resumed_from))?;
        // What a new life holds is stored anew.
        let mut saving = Saving::default();
        let mut undelivered = self.store.outboxes.clone();
        if self.deliver(&mut sink, &mut undelivered, expected)? == Life::Killed {
            return Ok(Life::Killed);
        }
        while let Some(tuples) = self.next_epoch() {
            let epoch = self.epoch();
            let (first, second) = tuples.split_at(tuples.len().div_ceil(2));
            sink.write(first)?;
            if self.passes(epoch, KillPoint::Writing) {
                return Ok(Life::Killed);
            }
            sink.write(second)?;
            let (states, _) = saving.save(&self.store.states, |states| sink.state(states))?;
            let outbox = sink.outbox()?;
            self.uses_outbox |= outbox.is_some();
            let mut outboxes = undelivered.clone();
            outboxes.push((epoch, outbox.unwrap_or_default()));
            if self.deliver(&mut sink, &mut undelivered, expected)? == Life::Killed {
                return Ok(Life::Killed);
            }
            // What the target has when everything before this epoch was flushed.
            let before = place(epoch)
                .checked_sub(1)
                .and_then(|place| expected.get(place));
            if let (true, Some(before)) = (self.uses_outbox, before) {
                self.compare(std::slice::from_ref(before), "before the commit")?;
            }
            if self.passes(epoch, KillPoint::BeforeCommit) {
                return Ok(Life::Killed);
            }
            undelivered.extend(outboxes.last().cloned());
            self.store = Store {
                committed: epoch.number,
                states,
                outboxes,
            };
            let late = self.kill.is_some_and(|kill| kill.late);
            // Every other one, so that some state tells of a delivery.
            if (epoch.last || !late || epoch.number.is_multiple_of(2))
                && self.deliver(&mut sink, &mut undelivered, expected)? == Life::Killed
            {
                return Ok(Life::Killed);
            }
        }
        Ok(Life::Complete)
    }

    /// Delivers what is committed, in order.
    fn deliver(
        &mut self,
        sink: &mut S,
        undelivered: &mut Vec<(Epoch, Vec<u8>)>,
        expected: &[C],
    ) -> Result<Life> {
        for (epoch, outbox) in undelivered.drain(..) {
            if self.passes(epoch, KillPoint::BeforeDelivery) {
                return Ok(Life::Killed);
            }
            if !outbox.is_empty() {
                sink.deliver(&outbox, Some(epoch.number))?;
            }
            if self.passes(epoch, KillPoint::BeforeFlush) {
                return Ok(Life::Killed);
            }
            sink.flush(&epoch)?;
            if expected.is_empty() {
                self.seen.push((self.content)(self.target)?);
            } else if self.uses_outbox {
                // A life before this one may have come further.
                let committed = usize::try_from(self.store.committed).unwrap_or(usize::MAX);
                self.compare(&expected[place(epoch)..committed], "when it was flushed")?;
            }
            if self.passes(epoch, KillPoint::BeforeRecord) {
                return Ok(Life::Killed);
            }
        }
        Ok(Life::Complete)
    }

    fn next_epoch(&self) -> Option<&'t [S::Input]> {
        let next = usize::try_from(self.store.committed).ok()?;
        self.epochs.get(next).map(Vec::as_slice)
    }

    /// The epoch after the one that is committed.
    fn epoch(&self) -> Epoch {
        let number = self.store.committed + 1;
        let last = number == self.epochs.len() as u64;
        Epoch {
            number,
            time: Timestamp::from_millis(0),
            last,
            closes: last,
            commit: true,
        }
    }

    /// Whether this is where the sink is killed.
    fn passes(&mut self, epoch: Epoch, point: KillPoint) -> bool {
        let killed = self.kills_left > 0
            && self
                .kill
                .is_some_and(|kill| kill.epoch == epoch.number && kill.point == point);
        if killed {
            self.kills_left -= 1;
        }
        killed
    }

    /// Whether the target has one of these contents.
    fn compare(&self, expected: &[C], when: &str) -> Result {
        let found = (self.content)(self.target)?;
        if expected.contains(&found) {
            return Ok(());
        }
        let kill = match &self.kill {
            Some(kill) => kill.to_string(),
            None => "never killed".to_owned(),
        };
        let message = format!(
            "{kill}, the sink has left this in its target {when}:\n{found:?}\nand this without a \
             failure:\n{:?}",
            expected.first()
        );
        Err(BoxError::from(message))
    }
}

/// The place of an epoch among the contents that were seen.
fn place(epoch: Epoch) -> usize {
    usize::try_from(epoch.number - 1).unwrap_or(usize::MAX)
}

fn context(resumed_from: Option<u64>) -> Context {
    Context {
        durable: true,
        identity: Some(1),
        resumed_from,
        interrupted: resumed_from.is_some(),
        ..Context::of_test()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::{States, Value, Word};

    fn words(words: &[&str]) -> Vec<Word> {
        let word = |word: &&str| Word {
            word: (*word).into(),
        };
        words.iter().map(word).collect()
    }

    fn epochs() -> Vec<Vec<Word>> {
        vec![
            words(&["a", "b"]),
            words(&[]),
            words(&["c", "a"]),
            words(&["d"]),
        ]
    }

    /// A target that several sinks write to.
    type Shared = Arc<Mutex<Vec<String>>>;

    /// What a sink makes of the contract.
    #[derive(Clone, Copy, PartialEq, Eq)]
    enum Way {
        /// It writes at once, what is there already too.
        Appends,
        /// It writes at once what is not there yet.
        Converges,
        /// It delivers whatever comes.
        Again,
        /// It notes how much it has delivered.
        Notes,
        /// As well, but what it hands over can be seen before it is committed.
        Leaks,
    }

    struct Kept {
        way: Way,
        target: Shared,
        waiting: Vec<String>,
        delivered: Value<u64>,
    }

    impl Kept {
        fn append(&mut self, words: &[String]) {
            let mut target = self.target.lock().unwrap();
            if self.way == Way::Notes || self.way == Way::Leaks {
                target.truncate(usize::try_from(*self.delivered).unwrap());
                *self.delivered += words.len() as u64;
            }
            target.extend_from_slice(words);
        }
    }

    impl Sink for Kept {
        type Input = Word;
        fn write(&mut self, words: &[Word]) -> Result {
            let words = words.iter().map(|word| word.word.to_string());
            match self.way {
                Way::Appends => self.target.lock().unwrap().extend(words),
                Way::Converges => {
                    let mut target = self.target.lock().unwrap();
                    target.extend(words);
                    target.sort_unstable();
                    target.dedup();
                }
                Way::Again | Way::Notes | Way::Leaks => self.waiting.extend(words),
            }
            Ok(())
        }
        fn outbox(&mut self) -> Result<Option<Vec<u8>>> {
            if matches!(self.way, Way::Appends | Way::Converges) {
                return Ok(None);
            }
            if self.way == Way::Leaks {
                self.target.lock().unwrap().extend(self.waiting.clone());
            }
            let waiting = std::mem::take(&mut self.waiting);
            Ok(Some(waiting.join(" ").into_bytes()))
        }
        fn deliver(&mut self, outbox: &[u8], _: Option<u64>) -> Result {
            let words = std::str::from_utf8(outbox)?.split(' ').map(str::to_owned);
            self.append(&words.collect::<Vec<_>>());
            Ok(())
        }
        fn state(&mut self, states: &mut States<'_>) {
            states.keep("delivered", &mut self.delivered);
        }
    }

    fn put_through(way: Way) -> Result<Vec<String>> {
        let sink = |target: &Shared| Kept {
            way,
            target: Arc::clone(target),
            waiting: Vec::new(),
            delivered: Value::default(),
        };
        let content = |target: &Shared| Ok(target.lock().unwrap().clone());
        sink_contract(|| Ok(Shared::default()), sink, content, &epochs())
    }

    #[test]
    fn sinks_that_converge_or_note_what_they_delivered_pass() {
        assert_eq!(put_through(Way::Converges).unwrap(), ["a", "b", "c", "d"]);
        assert_eq!(put_through(Way::Notes).unwrap(), ["a", "b", "c", "a", "d"]);
    }

    #[test]
    fn a_sink_that_appends_what_it_gets_again_fails() {
        let error = put_through(Way::Appends).unwrap_err().to_string();
        assert!(
            error.starts_with("killed in epoch 1, while it was written"),
            "{error}"
        );
        let error = put_through(Way::Again).unwrap_err().to_string();
        let start = "killed in epoch 1, after it was delivered, before it was flushed";
        assert!(error.starts_with(start), "{error}");
    }

    #[test]
    fn a_sink_that_shows_what_is_not_committed_fails() {
        let error = put_through(Way::Leaks).unwrap_err().to_string();
        assert!(error.contains("before the commit"), "{error}");
    }

    #[test]
    fn a_trial_makes_a_new_target_for_every_kill() {
        let made = Rc::new(RefCell::new(0));
        let target = || {
            *made.borrow_mut() += 1;
            Ok(Shared::default())
        };
        let sink = |target: &Shared| Kept {
            way: Way::Notes,
            target: Arc::clone(target),
            waiting: Vec::new(),
            delivered: Value::default(),
        };
        sink_contract(target, sink, |_| Ok(()), &epochs()).unwrap();
        assert_eq!(*made.borrow(), 1 + 4 * KillPoint::ALL.len() * 4);
    }
}
