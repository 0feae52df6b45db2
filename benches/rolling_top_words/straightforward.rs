//! The answer, counted in the plainest way that is still quick enough.

use std::cmp::Reverse;

use ahash::AHashMap;
use squall::Text;

use crate::words::{Reader, Words};
use crate::{SLIDE_MS, TOP, WINDOW_MS};

/// The rankings of a run: each window's end in milliseconds, and its best words.
pub type Rankings = Vec<(i64, Vec<(Text, u64)>)>;

/// The rankings of any number of repetitions.
///
/// One repetition spans whole slides, so that those after the first differ only in time:
/// it is enough to count two and what is left in the windows after the end.
pub struct Answer {
    span_ms: i64,
    /// The windows that end in two repetitions or after them.
    rankings: Rankings,
}

impl Answer {
    pub fn count(words: &Words) -> Self {
        let span_ms = words.span_ms();
        assert_eq!(span_ms % SLIDE_MS, 0, "a repetition spans whole slides");
        let mut panes: Vec<AHashMap<&str, u64>> = Vec::new();
        for (time, word) in Reader::new(words, 0, 1, 1) {
            let pane = (time / SLIDE_MS) as usize;
            panes.resize_with(panes.len().max(pane + 1), AHashMap::new);
            *panes[pane].entry(word).or_insert(0) += 1;
        }
        let last_pane = 2 * span_ms / SLIDE_MS - 1;
        let last_window = last_pane + WINDOW_MS / SLIDE_MS - 1;
        let rankings = (0..=last_window).map(|last| {
            let mut counts: AHashMap<&str, u64> = AHashMap::new();
            let first = last + 1 - WINDOW_MS / SLIDE_MS;
            for pane in first.max(0)..=last.min(last_pane) {
                for (word, count) in &panes[pane as usize % panes.len()] {
                    *counts.entry(word).or_insert(0) += count;
                }
            }
            let mut ranking: Vec<_> = counts.into_iter().collect();
            let order = |one: &(&str, u64), other: &(&str, u64)| {
                (Reverse(one.1), one.0).cmp(&(Reverse(other.1), other.0))
            };
            if ranking.len() > TOP {
                // All words need not be sorted for the first of them.
                ranking.select_nth_unstable_by(TOP, order);
                ranking.truncate(TOP);
            }
            ranking.sort_unstable_by(order);
            let ranking = ranking.into_iter();
            let ranking = ranking.map(|(word, count)| (Text::from(word), count));
            ((last + 1) * SLIDE_MS, ranking.collect())
        });
        Self {
            span_ms,
            rankings: rankings.collect(),
        }
    }

    /// How many rankings there are for so many repetitions.
    pub fn windows(&self, repetitions: usize) -> usize {
        (self.span_ms * repetitions as i64 / SLIDE_MS + WINDOW_MS / SLIDE_MS - 1) as usize
    }

    /// Panics where a ranking is missing or wrong.
    pub fn check(&self, program: &str, repetitions: usize, rankings: &Rankings) {
        assert_eq!(
            rankings.len(),
            self.windows(repetitions),
            "{program}: number of rankings"
        );
        let in_one = (self.span_ms / SLIDE_MS) as usize;
        for (number, (end, ranking)) in rankings.iter().enumerate() {
            assert_eq!(
                *end,
                (number as i64 + 1) * SLIDE_MS,
                "{program}: window ends"
            );
            // The first repetition, one that follows another, or what is left after the last.
            let same = match number / in_one {
                0 => number,
                repetition if repetition < repetitions => in_one + number % in_one,
                _ => 2 * in_one + (number - repetitions * in_one),
            };
            assert_eq!(
                ranking, &self.rankings[same].1,
                "{program}: the ranking of the window that ends at {end} ms"
            );
        }
    }
}
