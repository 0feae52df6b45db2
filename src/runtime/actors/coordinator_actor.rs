//! Who cuts epochs, and hears of all that happens.

use std::sync::mpsc;

use ractor::{Actor, ActorProcessingErr, ActorRef};

use super::messages::{CoordinatorMessage, Peers};
use super::thread::Timer;
use crate::context::Epoch;
use crate::runtime::action::Action;
use crate::runtime::clock::Clock;
use crate::runtime::coordinator::Coordinator;
use crate::runtime::ended::Ended;
use crate::runtime::message::{TaskId, TaskInput};
use crate::runtime::stats::RunStats;
use crate::store::Batch;

pub(super) struct CoordinatorActor;

pub(super) struct CoordinatorState {
    pub(super) coordinator: Coordinator,
    pub(super) clock: Clock,
    pub(super) spouts: Vec<TaskId>,
    pub(super) sinks: Vec<TaskId>,
    /// The thread that writes commits, where there is one.
    pub(super) store: Option<mpsc::Sender<(Epoch, Vec<Batch>)>>,
    pub(super) peers: Peers,
    pub(super) timer: Option<Timer>,
    /// Told at the end, with the last statistics.
    pub(super) ended: Option<mpsc::SyncSender<(Ended, RunStats)>>,
}

impl Actor for CoordinatorActor {
    type Msg = CoordinatorMessage;
    type State = CoordinatorState;
    type Arguments = CoordinatorState;

    async fn pre_start(
        &self,
        _: ActorRef<CoordinatorMessage>,
        state: CoordinatorState,
    ) -> Result<CoordinatorState, ActorProcessingErr> {
        Ok(state)
    }

    async fn handle(
        &self,
        myself: ActorRef<CoordinatorMessage>,
        message: CoordinatorMessage,
        state: &mut CoordinatorState,
    ) -> Result<(), ActorProcessingErr> {
        let coordinator = &mut state.coordinator;
        let action = match message {
            CoordinatorMessage::Begin => coordinator.begin(),
            CoordinatorMessage::Report(task, report) => coordinator.report(task, report),
            CoordinatorMessage::Stop => coordinator.stop(),
            CoordinatorMessage::Committed(epoch, took, bytes) => {
                coordinator.note_commit(took, bytes);
                coordinator.committed(epoch)
            }
            CoordinatorMessage::NotCommitted(failure) => {
                state.end(&myself, Ended::by(failure));
                None
            }
            CoordinatorMessage::Failed(task, failure) => {
                let ended = coordinator.failed(task, failure);
                state.end(&myself, ended);
                None
            }
            CoordinatorMessage::Timer => {
                state.timer = None;
                coordinator.tick()
            }
            CoordinatorMessage::Stats(reply) => {
                let _ = reply.send(coordinator.stats());
                None
            }
        };
        match action {
            Some(Action::Cut(epoch)) => {
                for &spout in &state.spouts {
                    let floor = state.coordinator.floor(spout);
                    state.tell(spout, TaskInput::Cut { epoch, floor });
                }
            }
            Some(Action::Commit(epoch, batches)) => {
                if let Some(store) = &state.store {
                    // The thread ends only after this end of the channel.
                    let _ = store.send((epoch, batches));
                }
            }
            Some(Action::Deliver(epoch)) => {
                for &sink in &state.sinks {
                    state.tell(sink, TaskInput::Committed(epoch));
                }
            }
            Some(Action::End(result)) => state.end(&myself, Ended::Done(result)),
            None => {}
        }
        state.set_timer(&myself);
        Ok(())
    }
}

impl CoordinatorState {
    fn tell(&self, task: TaskId, input: TaskInput) {
        if let Some(peers) = self.peers.get() {
            peers[task].tell(input);
        }
    }

    fn end(&mut self, myself: &ActorRef<CoordinatorMessage>, ended: Ended) {
        for peer in self.peers.get().into_iter().flatten() {
            // User code that does not return cannot be stopped; its thread ends with the
            // process.
            peer.actor.stop(None);
        }
        self.store = None;
        if let Some(tell) = self.ended.take() {
            // Whoever waits has not gone: it is the thread of the run.
            let _ = tell.send((ended, self.coordinator.stats()));
        }
        myself.stop(None);
    }

    fn set_timer(&mut self, myself: &ActorRef<CoordinatorMessage>) {
        let deadline = self.coordinator.deadline();
        let span = deadline.saturating_sub(self.clock.elapsed());
        Timer::set(&mut self.timer, deadline, || {
            myself
                .send_after(span, || CoordinatorMessage::Timer)
                .abort_handle()
        });
    }
}
