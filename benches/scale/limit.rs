//! The limits: the row's job written by hand, on one thread and on two.

use std::cmp::Reverse;
use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use ahash::AHashMap;
use squall::{
    Text,
    key::{KeyValue, shard_of, task_of_shard},
    ranking::Top,
};

use crate::WINDOW_MS;
use crate::answer::Answer;
use crate::input::{Input, Reader};
use crate::rows::Row;

type Entries = Vec<(Text, u64)>;

/// Counts over windows. Words are numbered once and never forgotten, which a program can do
/// that knows its input.
struct Windows {
    panes: usize,
    top: usize,
    numbers: AHashMap<Text, u32>,
    words: Vec<Text>,
    /// By number: the counts of the pane that is open, and those of the window.
    open: Vec<u32>,
    sums: Vec<u32>,
    /// What the panes of the window hold.
    closed: VecDeque<Vec<(u32, u32)>>,
}

impl Windows {
    fn of(row: &Row) -> Self {
        Self {
            panes: row.panes,
            top: row.top,
            numbers: AHashMap::new(),
            words: Vec::new(),
            open: Vec::new(),
            sums: Vec::new(),
            closed: VecDeque::new(),
        }
    }

    #[inline]
    fn add(&mut self, word: Text, count: u32) {
        match self.numbers.get(&word) {
            Some(number) => self.open[*number as usize] += count,
            None => self.add_new(word, count),
        }
    }

    #[cold]
    fn add_new(&mut self, word: Text, count: u32) {
        self.numbers.insert(word.clone(), self.words.len() as u32);
        self.words.push(word);
        self.open.push(count);
        self.sums.push(0);
    }

    /// Closes the open pane, and ranks the window that ends with it.
    fn close(&mut self) -> Entries {
        let mut closed = Vec::new();
        for ((number, open), sum) in (0..).zip(&mut self.open).zip(&mut self.sums) {
            if *open > 0 {
                *sum += *open;
                closed.push((number, std::mem::take(open)));
            }
        }
        self.closed.push_back(closed);
        if self.closed.len() > self.panes {
            for (number, count) in self.closed.pop_front().unwrap_or_default() {
                self.sums[number as usize] -= count;
            }
        }
        self.rank()
    }

    fn rank(&self) -> Entries {
        let counted = self.words.iter().zip(&self.sums);
        let counted = counted.filter(|(_, sum)| **sum > 0);
        if self.top <= 1_000 {
            let mut top = Top::new(self.top).expect("more than no places");
            counted.for_each(|(word, sum)| top.offer(word, u64::from(*sum)));
            return top.into_entries();
        }
        // So many places are chosen faster at once than one by one.
        let order = |one: &(&Text, &u32), other: &(&Text, &u32)| {
            (Reverse(one.1), one.0).cmp(&(Reverse(other.1), other.0))
        };
        let mut ranking: Vec<_> = counted.collect();
        if ranking.len() > self.top {
            ranking.select_nth_unstable_by(self.top, order);
            ranking.truncate(self.top);
        }
        ranking.sort_unstable_by(order);
        let ranking = ranking.into_iter();
        let ranking = ranking.map(|(word, sum)| (word.clone(), u64::from(*sum)));
        ranking.collect()
    }
}

/// Reads, counts and ranks on one thread.
pub fn one_thread(input: &'static Input, row: &Row, repetitions: usize) -> Vec<Answer> {
    let slide_ms = WINDOW_MS / row.panes as i64;
    let mut windows = Windows::of(row);
    let mut answers = Vec::new();
    let mut pane_end = slide_ms;
    for (time, _, word) in Reader::new(input, 0, 1, repetitions) {
        while time >= pane_end {
            answers.push(Answer::of(pane_end, &windows.close()));
            pane_end += slide_ms;
        }
        windows.add(word, 1);
    }
    for _ in 0..row.panes {
        answers.push(Answer::of(pane_end, &windows.close()));
        pane_end += slide_ms;
    }
    answers
}

/// Two threads that both read and count. Each counts what it has read of a pane, and gives the
/// other one the counts of that one's words.
pub fn two_threads(input: &'static Input, row: &Row, repetitions: usize) -> Vec<Answer> {
    let (to_second, from_first) = sync_channel(AHEAD);
    let (to_first, from_second) = sync_channel(AHEAD);
    let [first, second] = [(0, to_second, from_second), (1, to_first, from_first)].map(
        |(number, to_other, from_other)| {
            let half = Half {
                number,
                to_other,
                from_other,
                windows: Windows::of(row),
                counts: AHashMap::new(),
            };
            let row = row.clone();
            thread::spawn(move || half.run(input, &row, repetitions))
        },
    );
    let rankings = [first, second].map(|half| half.join().expect("a thread does not panic"));
    let [first, second] = rankings;
    let slide_ms = WINDOW_MS / row.panes as i64;
    let windows = (1..).zip(first).zip(second);
    let answers = windows.map(|((number, mut ranking), other)| {
        ranking.extend(other);
        ranking.sort_by(|(word, count), (other, others)| (others, word).cmp(&(count, other)));
        ranking.truncate(row.top);
        Answer::of(number * slide_ms, &ranking)
    });
    answers.collect()
}

/// The panes by which a thread may be ahead.
const AHEAD: usize = 4;

type Counts = Vec<(Text, u32)>;

/// One of two threads.
struct Half {
    number: usize,
    to_other: SyncSender<Counts>,
    from_other: Receiver<Counts>,
    windows: Windows,
    /// What was read of the pane at hand.
    counts: AHashMap<Text, u32>,
}

impl Half {
    /// The ranking of each window.
    fn run(mut self, input: &'static Input, row: &Row, repetitions: usize) -> Vec<Entries> {
        let slide_ms = WINDOW_MS / row.panes as i64;
        let last_pane = input.last_ms(repetitions) / slide_ms;
        let mut rankings = Vec::new();
        let mut pane_end = slide_ms;
        for (time, _, word) in Reader::new(input, self.number, 2, repetitions) {
            while time >= pane_end {
                rankings.push(self.close());
                pane_end += slide_ms;
            }
            *self.counts.entry(word).or_insert(0) += 1;
        }
        while pane_end <= (last_pane + row.panes as i64) * slide_ms {
            rankings.push(self.close());
            pane_end += slide_ms;
        }
        rankings
    }

    /// Exchanges the counts of the pane, and closes it.
    fn close(&mut self) -> Entries {
        let mut others = Counts::new();
        for (word, count) in self.counts.drain() {
            if task_of_shard(shard_of(word.route_hash()), 2) == self.number {
                self.windows.add(word, count);
            } else {
                others.push((word, count));
            }
        }
        let sent = self.to_other.send(others);
        sent.expect("the other thread takes all panes");
        let own = self.from_other.recv();
        let own = own.expect("the other thread counts all panes, too");
        for (word, count) in own {
            self.windows.add(word, count);
        }
        self.windows.close()
    }
}
