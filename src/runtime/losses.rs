//! The losses of a run: late tuples and dead letters, their reasons, and the limits of their
//! number.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::metrics::Metrics;
use super::tally::COMMITS_KEPT;
use crate::batch::{AnyBatch, Batch};
use crate::decimal::Decimal;
use crate::stream::{LateSeen, LetterContent};
use crate::text::excerpt;
use crate::tuple::{DeadLetter, LossExample};

/// So many kinds of reasons are told apart; dead letters of further ones are summed.
const MAX_KINDS: usize = 64;

/// A kind of reasons is known by so many of its bytes.
const MAX_KIND_BYTES: usize = 256;

/// A share is judged from so many records, or tuples, on; before that and at the end only of
/// the whole run.
pub(super) const JUDGED_FROM: u64 = 1_000;

/// The losses of a run of one kind: its late tuples, or its dead letters.
///
/// All counts are from the start of this run; work that is repeated after a failure is counted
/// once.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
#[non_exhaustive]
pub struct Losses {
    /// The number over all components. If records cannot be told apart, as after a CSV quote that
    /// is never closed, each line counts, although there is one dead letter.
    pub count: u64,
    /// The component that lost the greatest share of its input; none if nothing was lost.
    pub worst: Option<LostShare>,
    /// The reasons, the most frequent one first; at most 64 kinds of reasons for each task.
    pub reasons: Vec<LossReason>,
    /// The number of losses for other reasons.
    pub others: u64,
    /// The lateness, in milliseconds, that would admit all late tuples: the longest time by which
    /// one was older than the newest before it in its file or partition, as far as its spout tells
    /// ([`SpoutOut::tell_late`](crate::SpoutOut::tell_late)).
    pub latest_behind_ms: Option<u64>,
}

/// The share of its input that a component has lost.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct LostShare {
    /// The component's id.
    pub component: String,
    /// The number of lost records or tuples.
    pub lost: u64,
    /// How many it has read: a spout records ([`SpoutOut::read`](crate::SpoutOut::read)), or as
    /// many as it has emitted and refused where it does not say; a bolt tuples.
    pub read: u64,
    /// Whether what it reads are records.
    pub records: bool,
}

impl LostShare {
    /// The share, `0.0..=1.0`.
    #[must_use]
    #[allow(clippy::cast_precision_loss)]
    pub fn share(&self) -> f64 {
        (self.lost as f64 / self.read.max(1) as f64).min(1.0)
    }

    /// What it reads: `records` or `tuples`.
    #[must_use]
    pub fn unit(&self) -> &'static str {
        if self.records { "records" } else { "tuples" }
    }
}

impl fmt::Display for LostShare {
    /// `312 of 1000 records of `words` (31.2 %)`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            component,
            lost,
            read,
            ..
        } = self;
        let (unit, percent) = (self.unit(), self.share() * 100.0);
        write!(
            f,
            "{lost} of {read} {unit} of `{component}` ({percent:.1} %)"
        )
    }
}

/// A kind of reasons for which records or tuples were lost.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct LossReason {
    /// The reason, with its values left out: `` `…` is not a time of the format rfc3339 ``.
    pub reason: String,
    /// How many were lost for it.
    pub count: u64,
    /// An example: the first one of a task; over several tasks, the first by source and line.
    pub example: LossExample,
}

/// The limit of late tuples or dead letters; one more ends the run.
///
/// As text: a number, or a percentage with at most four decimals.
///
/// ```
/// use squall::run::LossLimit;
///
/// assert_eq!("100".parse(), Ok(LossLimit::Count(100)));
/// assert_eq!("2.5%".parse(), Ok(LossLimit::PartsPerMillion(25_000)));
/// assert_eq!("2.5%".parse::<LossLimit>()?.to_string(), "2.5%");
/// assert!("101%".parse::<LossLimit>().is_err());
/// # Ok::<(), squall::run::LossLimitError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LossLimit {
    /// A number over all components. The run ends when there is one more.
    Count(u64),
    /// A share of the records or tuples that a component has read, in parts per million; at most
    /// 1,000,000. It is checked at each loss once the component has read 1,000, and for every
    /// component at the end. Before the end the result depends on timing, and tuples in flight
    /// count as read; at the end it depends on the data alone.
    PartsPerMillion(u32),
}

/// The text is not a limit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is neither a number nor a percentage: give `100`, or `5%` (0 to 100, at most four \
     decimals)"
)]
pub struct LossLimitError(String);

/// The parts per million in one per cent.
const PER_PERCENT: u32 = 10_000;

impl FromStr for LossLimit {
    type Err = LossLimitError;

    fn from_str(text: &str) -> Result<Self, LossLimitError> {
        let wrong = || LossLimitError(text.to_owned());
        let digits =
            |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let Some(percent) = text.strip_suffix('%') else {
            let count = digits(text).then(|| text.parse().ok()).flatten();
            return count.map(Self::Count).ok_or_else(wrong);
        };
        let percent = percent.trim_end();
        if !percent.split('.').all(digits) {
            return Err(wrong());
        }
        // A per cent is ten thousand parts per million.
        let parts = format!("{percent}e4").parse().and_then(Decimal::whole);
        match parts.ok().and_then(|parts| u32::try_from(parts).ok()) {
            Some(parts) if parts <= 100 * PER_PERCENT => Ok(Self::PartsPerMillion(parts)),
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for LossLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Count(count) => write!(f, "{count}"),
            Self::PartsPerMillion(parts) => {
                let (whole, rest) = (parts / PER_PERCENT, parts % PER_PERCENT);
                let rest = format!("{rest:04}");
                let rest = rest.trim_end_matches('0');
                let point = if rest.is_empty() { "" } else { "." };
                write!(f, "{whole}{point}{rest}%")
            }
        }
    }
}

/// More was lost than [`RunOptions`](crate::RunOptions) allows.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{}", self.told())]
pub struct TooManyLost {
    /// `late` or `dead letters`.
    pub what: &'static str,
    /// The limit.
    pub limit: LossLimit,
    /// The losses.
    pub seen: Losses,
}

impl TooManyLost {
    fn told(&self) -> String {
        let Self { what, limit, seen } = self;
        let found = match (limit, &seen.worst) {
            (LossLimit::PartsPerMillion(_), Some(worst)) => format!("{worst} are {what}"),
            _ => format!("{} are {what}", seen.count),
        };
        let mut told = format!("{found}, but the limit is {limit}");
        if let Some(LossReason { count, example, .. }) = seen.reasons.first() {
            told.push_str(&format!("; most often ({count}): {example}"));
        }
        told
    }
}

/// Counts dead letters by reason; `contents` has what some of them are made of, in their order.
pub(super) fn dead_letters(
    metrics: &Metrics,
    batch: &mut dyn AnyBatch,
    contents: Vec<LetterContent>,
) {
    let Some(batch) = batch.as_any().downcast_ref::<Batch<DeadLetter>>() else {
        return;
    };
    let mut tallied = metrics.tally.lock();
    let mut contents = contents.into_iter().peekable();
    let mut kind = String::new();
    for (position, letter) in batch.tuples.iter().enumerate() {
        let content = contents.next_if(|content| content.letter == position);
        let lost = content.as_ref().map_or(1, |content| content.records);
        metrics
            .lost_with_others
            .fetch_add(lost.saturating_sub(1), Relaxed);
        let counted = &mut tallied.counted;
        kind_of(&letter.reason, &mut kind);
        if let Some((count, _)) = counted.kinds.get_mut(&kind) {
            *count += lost;
        } else if counted.kinds.len() < MAX_KINDS {
            let content = content.map(|content| content.beginning);
            let content = content.or_else(|| letter.tuple.as_deref().map(excerpt));
            let example = LossExample {
                source: letter.source.clone(),
                line: letter.line,
                reason: letter.reason.clone(),
                content: content.unwrap_or_default(),
            };
            counted.kinds.insert(kind.clone(), (lost, example));
        } else {
            counted.others += lost;
        }
    }
}

/// Notes what is known of late tuples but for their number.
pub(super) fn late(metrics: &Metrics, seen: LateSeen) {
    let mut tallied = metrics.tally.lock();
    let counted = &mut tallied.counted;
    counted.behind_ms = counted.behind_ms.max(seen.behind_ms);
    if counted.late.is_none() {
        counted.late = seen.example;
    }
}

/// A reason without its values: what stands in quotes, and numbers.
fn kind_of(reason: &str, kind: &mut String) {
    kind.clear();
    let mut rest = reason;
    while let Some(next) = rest.chars().next() {
        if kind.len() >= MAX_KIND_BYTES {
            return;
        }
        let after = &rest[next.len_utf8()..];
        rest = match next {
            '`' | '"' => {
                kind.push(next);
                match after.find(next) {
                    Some(end) => {
                        kind.push('…');
                        kind.push(next);
                        &after[end + 1..]
                    }
                    None => after,
                }
            }
            '0'..='9' => {
                kind.push('#');
                after.trim_start_matches(|c: char| c.is_ascii_digit())
            }
            _ => {
                kind.push(next);
                after
            }
        };
    }
}

impl Metrics {
    fn numbers(&self) -> [&std::sync::atomic::AtomicU64; 6] {
        let Self {
            tuples_in,
            tuples_out,
            late,
            dead_letters,
            lost_with_others,
            records,
            ..
        } = self;
        [
            tuples_in,
            tuples_out,
            late,
            dead_letters,
            lost_with_others,
            records,
        ]
    }

    /// What was counted so far is what the commit of this epoch holds.
    pub(super) fn commit_counts(&self, epoch: u64) {
        let numbers = self.numbers().map(|number| number.load(Relaxed));
        let mut tallied = self.tally.lock();
        let counted = tallied.counted.clone();
        tallied.commits.push_back((epoch, numbers, counted));
        if tallied.commits.len() > COMMITS_KEPT {
            tallied.commits.pop_front();
        }
    }

    /// The run goes on from this epoch: what was counted later is going to be counted again.
    /// 0, or an epoch from before this run, takes everything back.
    pub(super) fn restore_counts(&self, epoch: u64) {
        let mut tallied = self.tally.lock();
        tallied.commits.retain(|(commit, ..)| *commit <= epoch);
        let (numbers, counted) = match tallied.commits.back() {
            Some((_, numbers, counted)) => (*numbers, counted.clone()),
            None => Default::default(),
        };
        tallied.counted = counted;
        for (into, number) in self.numbers().into_iter().zip(numbers) {
            into.store(number, Relaxed);
        }
    }
}

/// Which of the two kinds of losses.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Late,
    DeadLetters,
}

/// Sees the losses of all tasks, and whether they are too many.
pub(crate) struct LossWatch {
    components: Vec<Watched>,
    max_dead_letters: Option<LossLimit>,
    max_late: Option<LossLimit>,
}

/// A component and the metrics of its tasks.
pub(crate) struct Watched {
    pub(super) component: String,
    pub(super) spout: bool,
    pub(super) tasks: Vec<Arc<Metrics>>,
}

impl Watched {
    fn lost(&self, kind: Kind) -> LostShare {
        let sum = |read: fn(&Metrics) -> u64| self.tasks.iter().map(|task| read(task)).sum::<u64>();
        let refused = sum(|metrics| metrics.dead_letters.load(Relaxed));
        let lost = match kind {
            Kind::Late => sum(|metrics| metrics.late.load(Relaxed)),
            Kind::DeadLetters => refused + sum(|metrics| metrics.lost_with_others.load(Relaxed)),
        };
        let records = sum(|metrics| metrics.records.load(Relaxed));
        let read = match (self.spout, records) {
            (true, 0) => sum(|metrics| metrics.tuples_out.load(Relaxed)) + refused,
            (true, records) => records,
            (false, _) => sum(|metrics| metrics.tuples_in.load(Relaxed)),
        };
        LostShare {
            component: self.component.clone(),
            lost,
            read,
            records: self.spout,
        }
    }
}

impl LossWatch {
    pub(super) fn new(
        components: Vec<Watched>,
        max_dead_letters: Option<LossLimit>,
        max_late: Option<LossLimit>,
    ) -> Self {
        Self {
            components,
            max_dead_letters,
            max_late,
        }
    }

    /// Whether anything is too many at some number.
    pub(super) fn has_limits(&self) -> bool {
        self.max_dead_letters.is_some() || self.max_late.is_some()
    }

    pub(super) fn late(&self) -> Losses {
        let mut losses = self.counted(Kind::Late);
        let mut example: Option<(bool, LossExample)> = None;
        for component in &self.components {
            for task in &component.tasks {
                let tallied = task.tally.lock();
                let counted = &tallied.counted;
                losses.latest_behind_ms = losses.latest_behind_ms.max(counted.behind_ms);
                // A spout knows the record, a bolt only the tuple.
                let found = counted.late.clone().map(|found| (!component.spout, found));
                example = match (example, found) {
                    (Some(one), Some(other)) => Some(one.min(other)),
                    (one, other) => one.or(other),
                };
            }
        }
        if let Some((_, example)) = example.filter(|_| losses.count > 0) {
            losses.reasons.push(LossReason {
                reason: LossExample::LATE.to_owned(),
                count: losses.count,
                example,
            });
        }
        losses
    }

    pub(super) fn dead_letters(&self) -> Losses {
        let mut losses = self.counted(Kind::DeadLetters);
        let mut kinds: BTreeMap<String, (u64, LossExample)> = BTreeMap::new();
        for task in self
            .components
            .iter()
            .flat_map(|component| &component.tasks)
        {
            let tallied = task.tally.lock();
            losses.others += tallied.counted.others;
            for (kind, (count, example)) in &tallied.counted.kinds {
                match kinds.get_mut(kind) {
                    Some((sum, first)) => {
                        *sum += count;
                        if example < first {
                            first.clone_from(example);
                        }
                    }
                    None => _ = kinds.insert(kind.clone(), (*count, example.clone())),
                }
            }
        }
        let reasons = kinds
            .into_iter()
            .map(|(reason, (count, example))| LossReason {
                reason,
                count,
                example,
            });
        losses.reasons = reasons.collect();
        // Of equally frequent ones the first by name: the sort is stable.
        losses
            .reasons
            .sort_by_key(|reason| std::cmp::Reverse(reason.count));
        losses
    }

    fn counted(&self, kind: Kind) -> Losses {
        let shares: Vec<_> = self.shares(kind).filter(|share| share.lost > 0).collect();
        let worst = shares.iter().max_by(|a, b| a.share().total_cmp(&b.share()));
        Losses {
            count: shares.iter().map(|share| share.lost).sum(),
            worst: worst.cloned(),
            ..Losses::default()
        }
    }

    fn shares(&self, kind: Kind) -> impl Iterator<Item = LostShare> {
        self.components
            .iter()
            .map(move |component| component.lost(kind))
    }

    /// What is too many, if anything is; at the end of a run also of a few records.
    pub(super) fn judge(&self, at_end: bool) -> Option<TooManyLost> {
        let limits = [
            (Kind::DeadLetters, self.max_dead_letters),
            (Kind::Late, self.max_late),
        ];
        let spouts = self.components.iter().filter(|component| component.spout);
        let tasks = spouts.flat_map(|spout| &spout.tasks);
        let emitted: u64 = tasks.map(|task| task.tuples_out.load(Relaxed)).sum();
        limits.into_iter().find_map(|(kind, limit)| {
            let limit = limit?;
            let exceeded = match limit {
                LossLimit::Count(most) => {
                    self.shares(kind).map(|share| share.lost).sum::<u64>() > most
                }
                LossLimit::PartsPerMillion(parts) => self.shares(kind).any(|share| {
                    let read = if share.records || at_end {
                        share.read
                    } else {
                        // Tasks of a bolt come forward at different rates. What is on its way to
                        // them counts as read: then no timing makes the share too large.
                        share.read.max(emitted)
                    };
                    let judged = at_end || read >= JUDGED_FROM;
                    let (lost, read) = (u128::from(share.lost), u128::from(read));
                    judged && lost * 1_000_000 > u128::from(parts) * read
                }),
            };
            exceeded.then(|| TooManyLost {
                what: match kind {
                    Kind::Late => "late",
                    Kind::DeadLetters => "dead letters",
                },
                limit,
                seen: match kind {
                    Kind::Late => self.late(),
                    Kind::DeadLetters => self.dead_letters(),
                },
            })
        })
    }
}
