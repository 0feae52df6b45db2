//! The job as fast as two cores do it: the bound for every other program.
//!
//! Both threads read and count. Each word belongs to one of them by its hash. A thread counts
//! all that it reads of a pane in a small table, and when the pane ends it gives the other
//! thread the counts of that one's words: a word crosses once a pane, however often it comes.

mod key;
mod pane;
mod window;

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use std::thread;

use crate::straightforward::Rankings;
use crate::words::Words;
use crate::{SLIDE_MS, TASKS, TOP};
use key::{Key, LongWords};
use pane::{Counted, Pane};
use window::{PANES, Window};

/// The words that are read, and then counted.
const BLOCK: usize = 256;

/// The panes by which a thread may be ahead.
const AHEAD: usize = 4;

type Counts = Vec<Counted>;

/// Counts the words of all repetitions.
pub fn run(words: &Words, repetitions: usize) -> Rankings {
    let long = &LongWords::default();
    thread::scope(|scope| {
        let threads = Peer::pair().into_iter().enumerate();
        let threads = threads.map(|(number, peer)| {
            let share = Share::new(words, number, repetitions);
            scope.spawn(move || Counter::new(number, peer, long).run(share))
        });
        let threads: Vec<_> = threads.collect();
        let parts = threads.into_iter().map(|thread| {
            let part = thread.join();
            part.expect("a thread does not panic")
        });
        parts.reduce(merge).unwrap_or_default()
    })
}

/// Some words that are counted together, and their hashes.
pub type Block = [(Key, u64); BLOCK];

/// The words that one thread reads: every second block.
struct Share<'w> {
    words: &'w Words,
    thread: usize,
    next: usize,
    offset_ms: i64,
    repetitions: usize,
}

impl<'w> Share<'w> {
    fn new(words: &'w Words, thread: usize, repetitions: usize) -> Self {
        Self {
            words,
            thread,
            next: thread * BLOCK,
            offset_ms: 0,
            repetitions,
        }
    }

    /// How many panes there are, for both threads.
    fn panes(&self) -> usize {
        let last = self.words.time_ms(self.words.len() - 1);
        let last = last + (self.repetitions as i64 - 1) * self.words.span_ms();
        (last / SLIDE_MS + 1) as usize
    }

    /// Reads words up to the end of a block, with times before this one; how many.
    // Not inlined: the loop has more registers so.
    #[inline(never)]
    fn read(&mut self, end_ms: i64, block: &mut Block, long: &LongWords) -> usize {
        if self.next >= self.words.len() {
            self.next = self.thread * BLOCK;
            self.repetitions -= 1;
            self.offset_ms += self.words.span_ms();
        }
        if self.repetitions == 0 {
            return 0;
        }
        let block_end = (self.next + 1).next_multiple_of(BLOCK);
        let mut end = block_end.min(self.words.len());
        // Times ascend: where the last is before the end, all are.
        while end > self.next && self.offset_ms + self.words.time_ms(end - 1) >= end_ms {
            end -= 1;
        }
        let blocks = self.words.blocks(self.next..end);
        for ((word, index), (bytes, length)) in block.iter_mut().zip(self.next..end).zip(blocks) {
            let key = Key::of(self.words, index, bytes, length, long);
            *word = (key, key.hash());
        }
        let read = end - self.next;
        self.next = end;
        if end == block_end {
            self.next += (TASKS - 1) * BLOCK;
        }
        read
    }
}

/// The way to the other thread and back, one message a pane.
struct Peer {
    counts: SyncSender<Counts>,
    /// The buffers of `counts`, to be filled again.
    emptied: Receiver<Counts>,
    others: Receiver<Counts>,
    give_back: SyncSender<Counts>,
}

impl Peer {
    /// What each of the two threads has of the other one.
    fn pair() -> [Self; 2] {
        let (to_other, from_one) = sync_channel(AHEAD);
        let (to_one, from_other) = sync_channel(AHEAD);
        let (back_to_other, back_from_one) = sync_channel(2 * AHEAD);
        let (back_to_one, back_from_other) = sync_channel(2 * AHEAD);
        let one = Self {
            counts: to_other,
            emptied: back_from_other,
            others: from_other,
            give_back: back_to_other,
        };
        let other = Self {
            counts: to_one,
            emptied: back_from_one,
            others: from_one,
            give_back: back_to_one,
        };
        [one, other]
    }
}

struct Counter<'l> {
    /// The thread.
    number: usize,
    peer: Peer,
    long: &'l LongWords,
    pane: Pane,
    window: Window,
    rankings: Rankings,
}

impl<'l> Counter<'l> {
    fn new(number: usize, peer: Peer, long: &'l LongWords) -> Self {
        Self {
            number,
            peer,
            long,
            pane: Pane::new(),
            window: Window::new(),
            rankings: Vec::new(),
        }
    }

    fn run(mut self, mut share: Share<'_>) -> Rankings {
        let mut block = [Default::default(); BLOCK];
        let mut own = Counts::new();
        let panes = share.panes();
        for pane in 0..panes {
            let end_ms = (pane as i64 + 1) * SLIDE_MS;
            loop {
                let read = share.read(end_ms, &mut block, self.long);
                if read == 0 {
                    break;
                }
                self.pane.count(&block[..read]);
            }
            self.deal(&mut own);
            self.window.add(pane, &own);
            // Meanwhile the other thread has counted the pane before this one.
            if pane > 0 {
                self.close(pane - 1);
            }
        }
        self.close(panes - 1);
        for pane in panes..panes + PANES - 1 {
            self.rank(pane);
        }
        self.rankings
    }

    /// Sends the other thread its counts of the pane that has ended, and keeps the own ones.
    fn deal(&mut self, own: &mut Counts) {
        own.clear();
        let mut others = self.peer.emptied.try_recv().unwrap_or_default();
        for (thread, counts) in [(self.number, own), (1 - self.number, &mut others)] {
            self.pane.drain(thread, counts);
        }
        let sent = self.peer.counts.send(others);
        sent.expect("the other thread takes all panes");
    }

    /// Closes a pane with the other thread's counts of it.
    fn close(&mut self, pane: usize) {
        let counts = self.peer.others.recv();
        let mut counts = counts.expect("the other thread counts all panes, too");
        self.window.add(pane, &counts);
        counts.clear();
        // A thread that has ended needs no buffers.
        let _ = self.peer.give_back.try_send(counts);
        self.rank(pane);
    }

    fn rank(&mut self, pane: usize) {
        let end = (pane as i64 + 1) * SLIDE_MS;
        let ranking = self.window.close(pane, self.long);
        self.rankings.push((end, ranking));
    }
}

/// The rankings of both threads as one.
fn merge(one: Rankings, other: Rankings) -> Rankings {
    let windows = one.into_iter().zip(other);
    let windows = windows.map(|((end, mut ranking), (_, others))| {
        ranking.extend(others);
        // Two runs that are sorted already.
        ranking.sort_by(|(word, count), (other, others)| (others, word).cmp(&(count, other)));
        ranking.truncate(TOP);
        (end, ranking)
    });
    windows.collect()
}
