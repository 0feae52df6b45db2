//! The components by themselves, in the suites that all keep.

use std::sync::Arc;

use outside::decoded::readings;
use outside::extremes::Extremes;
use outside::server::Server;
use outside::source::{Queue, QueueSpout};
use outside::target::Lines;
use outside::{Extreme, Reading};
use squall::Result;
use squall::asynchronous::Awaits;
use squall::connectors::files::Files;
use squall::testing::{BoltTest, SpoutTest, sink_contract, spout_contract};

fn reading(sensor: &str, value: i64) -> Reading {
    let sensor = sensor.into();
    Reading { sensor, value }
}

fn extreme(sensor: &str, least: i64, most: i64) -> Extreme {
    let sensor = sensor.into();
    Extreme {
        sensor,
        least,
        most,
    }
}

#[test]
fn a_queue_is_read_once_and_acknowledged_no_further_than_it_is_committed() -> Result {
    let notes = tempfile::tempdir()?;
    let partition = |number: i64| {
        (0..9)
            .map(|value| reading("a", number * 100 + value))
            .collect()
    };
    let partitions: Vec<Vec<Reading>> = (0..4).map(partition).collect();
    // The spout says so where it was acknowledged further than it is read: notes are of one input.
    let queue = || -> Result<Arc<Queue>> {
        let folder = tempfile::tempdir_in(notes.path())?.keep();
        Ok(Arc::new(Queue::new(partitions.clone(), &folder)))
    };
    for tasks in [1, 3, 4] {
        let queue = queue()?;
        let words = SpoutTest::new(QueueSpout::new(&queue)).run()?;
        assert_eq!(words.len(), 36);
        assert_eq!(queue.acknowledged(0)?, 0, "nothing was committed");
        // A queue that nothing is acknowledged to, for its records are read again and again.
        let folder = notes.path().join("nowhere");
        let queue = Arc::new(Queue::new(partitions.clone(), &folder));
        let read = spout_contract(|| QueueSpout::new(&queue), &[tasks, 2])?;
        assert_eq!(read.len(), 36);
    }
    Ok(())
}

#[test]
fn a_server_has_each_line_once_wherever_its_sink_is_killed() -> Result {
    let epochs = [
        vec![extreme("a", 1, 1), extreme("b", 2, 2)],
        vec![],
        vec![extreme("a", 1, 5)],
        vec![extreme("b", 0, 2)],
    ];
    let lines = sink_contract(
        || Ok(Server::start()?),
        |server| Awaits::new(Lines::to(server.address())),
        |server| Ok(server.lines()),
        &epochs,
    )?;
    assert_eq!(lines, ["a 1 1", "b 2 2", "a 1 5", "b 0 2"]);
    Ok(())
}

#[test]
fn a_keyed_bolt_emits_new_extremes() -> Result {
    let out = BoltTest::keyed(Extremes::default(), Reading::SENSOR)
        .send(reading("a", 3))
        .send(reading("b", 1))
        .send(reading("a", 3))
        .send(reading("a", -3))
        .run()?;
    let wanted = [extreme("a", 3, 3), extreme("b", 1, 1), extreme("a", -3, 3)];
    assert_eq!(out.emitted(), wanted);
    Ok(())
}

#[test]
fn a_decoder_gives_times_and_keeps_the_contract() -> Result {
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("a.log"), "a 10 1 20 2\nb 15 3\n")?;
    std::fs::write(folder.path().join("b.log"), "b 5 4 9 5\n")?;
    let files = Files::at(folder.path().to_str().unwrap_or_default())?;
    let read = spout_contract(|| readings(&files), &[1, 2])?;
    assert_eq!(read.len(), 5);
    Ok(())
}
