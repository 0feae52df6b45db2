//! The input channels of a task: order, alignment, watermarks.

use std::collections::VecDeque;

use super::message::{Message, TaskId};
use crate::context::Epoch;
use crate::time::Timestamp;

struct Channel {
    sender: TaskId,
    /// The number of the sender's output channel, for credits.
    sender_channel: usize,
    watermark: Timestamp,
    /// The epoch that this channel has brought and others have not.
    at_epoch: bool,
    /// What came after that epoch. Bounded by the channel's credit, and by the bound on
    /// epochs in flight.
    held: VecDeque<Message>,
}

/// All input channels of one task.
///
/// When one channel has brought epoch `k`, what follows from it is held until all have:
/// then the task has seen exactly the tuples before the cut.
pub(super) struct Inputs {
    channels: Vec<Channel>,
    /// What may be processed, in the order of arrival.
    ready: VecDeque<(usize, Message)>,
    missing: usize,
}

impl Inputs {
    pub(super) fn new(senders: impl Iterator<Item = (TaskId, usize)>) -> Self {
        let channels: Vec<_> = senders
            .map(|(sender, sender_channel)| Channel {
                sender,
                sender_channel,
                watermark: Timestamp::MIN,
                at_epoch: false,
                held: VecDeque::new(),
            })
            .collect();
        Self {
            missing: channels.len(),
            channels,
            ready: VecDeque::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.channels.len()
    }

    /// Whom to give credit back for this channel.
    pub(super) fn sender(&self, channel: usize) -> (TaskId, usize) {
        let channel = &self.channels[channel];
        (channel.sender, channel.sender_channel)
    }

    pub(super) fn arrive(&mut self, channel: usize, message: Message) {
        if channel < self.channels.len() {
            self.ready.push_back((channel, message));
        }
    }

    /// The next message that may be processed.
    pub(super) fn next(&mut self) -> Option<(usize, Message)> {
        while let Some((channel, message)) = self.ready.pop_front() {
            let state = &mut self.channels[channel];
            if !state.at_epoch {
                return Some((channel, message));
            }
            state.held.push_back(message);
        }
        None
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ready.is_empty()
    }

    /// Notes a channel's watermark; gives the task's, the least of all.
    pub(super) fn watermark(&mut self, channel: usize, watermark: Timestamp) -> Timestamp {
        self.channels[channel].watermark = watermark;
        let all = self.channels.iter().map(|channel| channel.watermark);
        all.min().unwrap_or(Timestamp::MIN)
    }

    /// Notes that a channel has brought the epoch; `true` where it was the last one, and
    /// what was held may be processed.
    pub(super) fn align(&mut self, channel: usize) -> bool {
        self.channels[channel].at_epoch = true;
        self.missing -= 1;
        if self.missing > 0 {
            return false;
        }
        self.missing = self.channels.len();
        let mut released = VecDeque::new();
        for (number, channel) in self.channels.iter_mut().enumerate() {
            channel.at_epoch = false;
            released.extend(channel.held.drain(..).map(|message| (number, message)));
        }
        released.append(&mut self.ready);
        self.ready = released;
        true
    }

    /// A sender that holds the task back: whose epoch is missing while others have come.
    pub(super) fn missing_sender(&self) -> Option<TaskId> {
        if self.missing == self.channels.len() {
            return None;
        }
        let missing = self.channels.iter().find(|channel| !channel.at_epoch);
        missing.map(|channel| channel.sender)
    }

    /// The sender whose watermark is the least.
    pub(super) fn slowest_sender(&self) -> Option<TaskId> {
        let slowest = self.channels.iter().min_by_key(|channel| channel.watermark);
        slowest.map(|channel| channel.sender)
    }
}

/// Whether the step from one watermark to another passes the end of a window, for any of
/// these slides in milliseconds.
pub(super) fn passes_an_end(slides: &[i64], before: Timestamp, after: Timestamp) -> bool {
    after == Timestamp::MAX
        || slides
            .iter()
            .any(|slide| before.millis().div_euclid(*slide) != after.millis().div_euclid(*slide))
}

/// An epoch's number and whether it is the last, for assertions on the order of epochs.
pub(super) fn follows(passed: u64, epoch: &Epoch) -> bool {
    epoch.number == passed + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epoch(number: u64) -> Message {
        let epoch = Epoch {
            number,
            time: Timestamp::MIN,
            last: false,
            closes: false,
            commit: false,
        };
        Message::Epoch(epoch, Timestamp::MIN)
    }

    fn numbers(inputs: &mut Inputs) -> Vec<usize> {
        std::iter::from_fn(|| inputs.next().map(|(channel, _)| channel)).collect()
    }

    #[test]
    fn what_follows_an_epoch_is_held_until_all_channels_have_brought_it() {
        let mut inputs = Inputs::new([(0, 0), (1, 0)].into_iter());
        inputs.arrive(0, epoch(1));
        let (channel, _) = inputs.next().unwrap();
        assert!(!inputs.align(channel));
        assert_eq!(inputs.missing_sender(), Some(1));
        inputs.arrive(0, Message::Watermark(Timestamp::MIN));
        inputs.arrive(1, Message::Watermark(Timestamp::MIN));
        assert_eq!(numbers(&mut inputs), [1], "channel 0 waits");
        inputs.arrive(1, epoch(1));
        let (channel, _) = inputs.next().unwrap();
        assert!(inputs.align(channel));
        assert_eq!(numbers(&mut inputs), [0], "what was held comes first");
    }

    #[test]
    fn the_watermark_is_the_least_of_all_channels() {
        let mut inputs = Inputs::new([(4, 0), (5, 0)].into_iter());
        let at = Timestamp::from_millis;
        assert_eq!(inputs.watermark(0, at(9)), Timestamp::MIN);
        assert_eq!(inputs.watermark(1, at(5)), at(5));
        assert_eq!(inputs.slowest_sender(), Some(5));
        assert_eq!(inputs.watermark(1, Timestamp::MAX), at(9));
    }

    #[test]
    fn a_step_passes_an_end_where_a_multiple_of_the_slide_lies_in_it() {
        let at = Timestamp::from_millis;
        assert!(!passes_an_end(&[10], at(10), at(19)));
        assert!(passes_an_end(&[10], at(19), at(20)));
        assert!(passes_an_end(&[10, 3], at(10), at(12)));
        assert!(passes_an_end(&[10], at(-1), at(0)));
        assert!(passes_an_end(&[], at(0), Timestamp::MAX));
    }
}
