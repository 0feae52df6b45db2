//! What others are told while one process has a data directory: what is said (`protocol`), who answers
//! (`listener`, `serving`, `heard`), who asks (`asking`).

#[cfg(unix)]
mod asking;
#[cfg(unix)]
mod heard;
#[cfg(unix)]
mod listener;
mod protocol;
#[cfg(unix)]
mod serving;

#[cfg(unix)]
pub(super) use asking::{Appending, NotAppended, answers, ask};
#[cfg(all(unix, any(fuzzing, test)))]
pub(super) use heard::{Heard, NotHeard, Room, Within};
#[cfg(unix)]
pub(crate) use listener::Socket;
pub(super) use protocol::{AppendingTo, Line, Question, answer};
