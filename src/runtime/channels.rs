//! The output channels of a task: credits, pending batches, recycled buffers.

use std::collections::VecDeque;

use super::message::{Message, Outgoing, TaskId, TaskInput};
use crate::batch::AnyBatch;
use crate::context::Epoch;
use crate::operator::Outlet;
use crate::time::Timestamp;

/// How many tuples may be on their way before the reader's speed is known.
pub(crate) const FIRST_WINDOW: usize = 16;

/// How many emptied buffers a channel keeps; more are dropped.
const SPARE_BUFFERS: usize = 16;

struct Channel {
    to: TaskId,
    to_channel: usize,
    /// Tuples that were sent and not yet taken.
    in_flight: usize,
    window: usize,
    /// What waits for credit, in order, in full batches; how large the ones are that are sent is
    /// decided when they are. Bounded by what a part of an input batch, one slice of a spout,
    /// or one window gives: a task with something pending goes no further.
    pending: VecDeque<Message>,
    spare: Vec<Box<dyn AnyBatch>>,
    /// The watermark that the reader was told last, or is told by what is pending.
    told: Timestamp,
    /// The one of the last message that was sent.
    sent: Timestamp,
    /// A watermark is on its way alone. The next one waits until it was taken, so that they
    /// do not queue up before a reader that is blocked.
    telling: bool,
}

impl Channel {
    /// Whether so many tuples may be sent in one batch. One may always be on its way, but one
    /// that is much larger than the window is parted.
    fn may_send(&self, tuples: usize) -> bool {
        match self.in_flight {
            0 => tuples <= self.window.saturating_mul(2),
            in_flight => in_flight + tuples <= self.window,
        }
    }

    /// What is pending and may be sent now; of a batch that is too large for the window its
    /// first tuples.
    fn next_pending(&mut self) -> Option<Message> {
        let tuples = self.pending.front()?.tuples();
        if tuples > 0 && !self.may_send(tuples) {
            if self.in_flight > 0 {
                return None;
            }
            if let Message::Batch(batch, _) = self.pending.front_mut()?
                && let Some(first) = batch.split_first(self.window.max(1))
            {
                return Some(Message::Batch(first, self.sent));
            }
        }
        self.pending.pop_front()
    }

    /// The message as it is to be delivered; it counts as sent.
    fn deliver(&mut self, message: Message) -> Outgoing {
        self.in_flight += message.tuples();
        self.sent = message.watermark();
        let channel = self.to_channel;
        Outgoing::To(self.to, TaskInput::Deliver { channel, message })
    }
}

/// All output channels of one task.
pub(crate) struct Channels {
    channels: Vec<Channel>,
    batch_tuples: usize,
    /// The task's watermark, sent along with every message.
    pub(crate) watermark: Timestamp,
    /// Channels with something pending.
    waiting: usize,
    /// The tuples that are pending.
    held: usize,
    /// The tuples that are in flight, and the windows, of all channels.
    in_flight: usize,
    credit: usize,
    pub(crate) outgoing: Vec<Outgoing>,
}

impl Channels {
    /// `readers`: for each channel the reading task and the number of its input channel.
    pub(crate) fn new(
        readers: impl Iterator<Item = (TaskId, usize)>,
        batch_tuples: usize,
        first_window: usize,
    ) -> Self {
        let channels = readers.map(|(to, to_channel)| Channel {
            to,
            to_channel,
            in_flight: 0,
            window: first_window,
            pending: VecDeque::new(),
            spare: Vec::new(),
            told: Timestamp::MIN,
            sent: Timestamp::MIN,
            telling: false,
        });
        let channels: Vec<_> = channels.collect();
        Self {
            credit: first_window.saturating_mul(channels.len()),
            channels,
            batch_tuples,
            watermark: Timestamp::MIN,
            waiting: 0,
            held: 0,
            in_flight: 0,
            outgoing: Vec::new(),
        }
    }

    /// Whether a reader must take something before the task may go on.
    pub(crate) fn blocked(&self) -> bool {
        self.waiting > 0
    }

    /// How many tuples wait for credit.
    pub(crate) fn held(&self) -> usize {
        self.held
    }

    /// How many tuples were sent and not yet taken, and how many may be.
    pub(crate) fn in_flight(&self) -> (usize, usize) {
        (self.in_flight, self.credit)
    }

    /// The readers for whose credit the task waits.
    pub(crate) fn waits_for(&self) -> Option<TaskId> {
        let waiting = self
            .channels
            .iter()
            .find(|channel| !channel.pending.is_empty());
        waiting.map(|channel| channel.to)
    }

    /// How many tuples it takes to fill one batch for each reader at most.
    pub(crate) fn appetite(&self) -> usize {
        let limits = (0..self.channels.len()).map(|channel| self.limit(channel));
        limits.sum::<usize>().clamp(1, self.batch_tuples)
    }

    /// Tells every reader that has not heard of it how far the task has come.
    pub(crate) fn tell_watermark(&mut self) {
        for channel in 0..self.channels.len() {
            let state = &mut self.channels[channel];
            if state.told != self.watermark && !state.telling {
                state.telling = true;
                self.put(channel, Message::Watermark(self.watermark));
            }
        }
    }

    /// A reader has taken a watermark that came alone, and may be told another one; gives the
    /// latest that was sent to it, alone or with tuples.
    pub(crate) fn taken(&mut self, channel: usize) -> Option<Timestamp> {
        let state = self.channels.get_mut(channel)?;
        state.telling = false;
        Some(state.told)
    }

    pub(crate) fn tell_epoch(&mut self, epoch: Epoch) {
        for channel in 0..self.channels.len() {
            self.put(channel, Message::Epoch(epoch, self.watermark));
        }
    }

    /// A reader has taken tuples.
    pub(crate) fn credit(
        &mut self,
        channel: usize,
        tuples: usize,
        window: usize,
        buffer: Box<dyn AnyBatch>,
    ) {
        let Some(state) = self.channels.get_mut(channel) else {
            return;
        };
        let taken = tuples.min(state.in_flight);
        state.in_flight -= taken;
        self.in_flight -= taken;
        self.credit = self.credit - state.window + window;
        state.window = window;
        if state.spare.len() < SPARE_BUFFERS {
            state.spare.push(buffer);
        }
        if !state.pending.is_empty() {
            self.send_pending(channel);
        }
    }

    /// Sends what is pending on a channel, as far as it may.
    fn send_pending(&mut self, channel: usize) {
        let state = &mut self.channels[channel];
        while let Some(message) = state.next_pending() {
            self.held -= message.tuples();
            self.in_flight += message.tuples();
            self.outgoing.push(state.deliver(message));
        }
        if state.pending.is_empty() {
            self.waiting -= 1;
        }
    }

    /// Sends a message, or keeps it where it must wait: batches for credit, everything for
    /// what waits before it.
    fn put(&mut self, channel: usize, message: Message) {
        let state = &mut self.channels[channel];
        state.told = message.watermark();
        let tuples = message.tuples();
        if state.pending.is_empty() && (tuples == 0 || state.may_send(tuples)) {
            self.in_flight += tuples;
            self.outgoing.push(state.deliver(message));
            return;
        }
        self.held += tuples;
        let first = state.pending.is_empty();
        state.pending.push_back(message);
        if first {
            self.waiting += 1;
            self.send_pending(channel);
        }
    }
}

impl Outlet for Channels {
    fn limit(&self, channel: usize) -> usize {
        let channel = &self.channels[channel];
        if channel.pending.is_empty() {
            channel.window.clamp(1, self.batch_tuples)
        } else {
            // It waits anyway, and is parted by the window that there is then.
            self.batch_tuples
        }
    }

    fn recycled(&mut self, channel: usize) -> Option<Box<dyn AnyBatch>> {
        self.channels[channel].spare.pop()
    }

    fn send(&mut self, channel: usize, batch: Box<dyn AnyBatch>) {
        self.put(channel, Message::Batch(batch, self.watermark));
    }

    fn is_idle(&self, channel: usize) -> bool {
        let channel = &self.channels[channel];
        channel.in_flight == 0 && channel.pending.is_empty()
    }

    fn send_before(&mut self, channel: usize, batch: Box<dyn AnyBatch>) {
        let told = self.channels[channel].told;
        self.put(channel, Message::Batch(batch, told));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::Batch;

    fn batch(tuples: usize) -> Box<dyn AnyBatch> {
        let mut batch = Box::new(Batch::default());
        for tuple in 0..tuples {
            batch.push(tuple, Timestamp::MIN, false);
        }
        batch
    }

    fn channels(window: usize) -> Channels {
        Channels::new([(7, 3)].into_iter(), 100, window)
    }

    #[test]
    fn a_batch_without_credit_waits_and_so_does_what_follows_it() {
        let mut channels = channels(10);
        channels.send(0, batch(8));
        channels.send(0, batch(8));
        channels.tell_watermark();
        channels.watermark = Timestamp::from_millis(5);
        channels.tell_watermark();
        assert_eq!((channels.outgoing.len(), channels.blocked()), (1, true));
        assert_eq!(channels.waits_for(), Some(7));
        assert_eq!(channels.in_flight(), (8, 10));
        channels.credit(0, 8, 12, batch(0));
        assert_eq!((channels.outgoing.len(), channels.blocked()), (3, false));
        assert_eq!(channels.in_flight(), (8, 12), "the second batch");
    }

    #[test]
    fn watermarks_do_not_queue_up_before_a_reader() {
        let mut channels = channels(10);
        for millis in 0..100 {
            channels.watermark = Timestamp::from_millis(millis);
            channels.tell_watermark();
        }
        assert_eq!(channels.outgoing.len(), 1);
        let told = Timestamp::from_millis(0);
        assert_eq!(channels.taken(0), Some(told), "there is a later one");
        channels.tell_watermark();
        assert_eq!(channels.outgoing.len(), 2);
        let told = Timestamp::from_millis(99);
        assert_eq!(channels.taken(0), Some(told), "nothing new");
    }

    /// The tuples and the watermarks of the batches that are sent.
    fn sent(channels: &mut Channels) -> Vec<(usize, i64)> {
        let outgoing = channels.outgoing.drain(..);
        let sent = outgoing.filter_map(|outgoing| match outgoing {
            Outgoing::To(_, TaskInput::Deliver { message, .. }) => {
                Some((message.tuples(), message.watermark().millis()))
            }
            _ => None,
        });
        sent.collect()
    }

    #[test]
    fn one_batch_may_always_be_on_its_way() {
        let mut channels = channels(25);
        channels.send(0, batch(50));
        assert!(!channels.blocked());
        channels.send(0, batch(1));
        assert!(channels.blocked());
    }

    #[test]
    fn what_is_pending_is_in_full_batches_and_parted_by_the_window_of_its_time() {
        let mut channels = channels(10);
        assert_eq!(channels.limit(0), 10);
        channels.watermark = Timestamp::from_millis(1);
        channels.send(0, batch(10));
        channels.watermark = Timestamp::from_millis(2);
        channels.send(0, batch(10));
        assert_eq!(channels.limit(0), 100, "a full batch, since it waits");
        channels.watermark = Timestamp::from_millis(3);
        channels.send(0, batch(100));
        channels.send(0, batch(100));
        assert_eq!((sent(&mut channels), channels.held()), (vec![(10, 1)], 210));
        channels.credit(0, 10, 10, batch(0));
        assert_eq!(sent(&mut channels), [(10, 2)]);
        channels.credit(0, 10, 30, batch(0));
        assert_eq!(sent(&mut channels), [(30, 2)], "the rest follows");
        channels.credit(0, 30, 70, batch(0));
        assert_eq!(sent(&mut channels), [(70, 3)]);
        assert!(channels.blocked());
        channels.credit(0, 70, 60, batch(0));
        assert_eq!(sent(&mut channels), [(100, 3)], "no slivers");
        assert_eq!((channels.blocked(), channels.held()), (false, 0));
    }

    #[test]
    fn a_batch_that_is_much_larger_than_the_window_is_parted() {
        let mut channels = channels(10);
        channels.watermark = Timestamp::from_millis(1);
        channels.send(0, batch(50));
        assert_eq!((sent(&mut channels).len(), channels.held()), (1, 40));
        channels.credit(0, 10, 100, batch(0));
        assert_eq!(sent(&mut channels), [(40, 1)]);
        assert!(!channels.blocked());
    }

    #[test]
    fn epochs_need_no_credit() {
        let mut channels = channels(4);
        channels.send(0, batch(4));
        let epoch = Epoch {
            number: 1,
            time: Timestamp::MIN,
            last: false,
            closes: false,
            commit: false,
        };
        channels.tell_epoch(epoch);
        assert_eq!((channels.outgoing.len(), channels.blocked()), (2, false));
    }

    #[test]
    fn an_emptied_buffer_comes_back() {
        let mut channels = channels(4);
        assert!(channels.recycled(0).is_none());
        channels.credit(0, 0, 4, batch(0));
        assert!(channels.recycled(0).is_some());
    }
}
