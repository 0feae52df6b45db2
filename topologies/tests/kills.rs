//! Runs that are killed at random moments, by `SIGKILL`, and go on with other numbers of tasks:
//! what they write and keep is in the end what nothing had happened to.
//!
//! The tests kill each job a few times. `cargo xtask kill --kills 200 --seed 1` does it as often
//! as it is told, on the release build, and prints figures.
#![cfg(all(unix, feature = "cube"))]

mod common;
#[path = "kills/depots.rs"]
mod depots;
#[path = "kills/logs.rs"]
mod logs;
#[path = "kills/tables.rs"]
mod tables;
#[path = "kills/victim.rs"]
mod victim;

use victim::kill_often;

#[test]
fn rolling_words_survive_any_number_of_kills() {
    kill_often(0, tables::Words::new);
}

#[test]
fn top_users_survive_any_number_of_kills() {
    kill_often(1, tables::Users::new);
}

#[test]
fn a_rollup_and_its_archive_survive_any_number_of_kills() {
    kill_often(2, tables::Events::new);
}

#[test]
fn a_depot_and_its_reader_survive_any_number_of_kills() {
    kill_often(3, depots::Purchases::new);
}

#[test]
fn followed_logs_that_are_rotated_survive_any_number_of_kills() {
    kill_often(4, logs::Logs::new);
}
