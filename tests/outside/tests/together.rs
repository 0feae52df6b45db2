//! The components in one topology, with a data directory, stopped and gone on with.

use std::sync::Arc;

use outside::Reading;
use outside::extremes::Extremes;
use outside::server::Server;
use outside::source::{Queue, QueueSpout};
use outside::target::Lines;
use squall::asynchronous::Awaits;
use squall::{DataDir, Result, RunOptions, Topology, millis};

fn topology(queue: &Arc<Queue>, server: &Server) -> Topology {
    let topology = Topology::named("sensors");
    let (queue, address) = (Arc::clone(queue), server.address());
    let readings = topology
        .spout("readings", move || QueueSpout::new(&queue))
        .parallelism(2);
    let extremes = topology
        .keyed("extremes", Extremes::default)
        .parallelism(3)
        .fields_grouping(&readings, Reading::SENSOR);
    topology
        .sink("lines", move || Awaits::new(Lines::to(address)))
        .global_grouping(&extremes);
    topology
}

#[test]
fn a_run_is_acknowledged_and_delivered_once_over_restarts() -> Result {
    let folder = tempfile::tempdir()?;
    let notes = folder.path().join("notes");
    std::fs::create_dir(&notes)?;
    let readings = |many: i64| -> Vec<Vec<Reading>> {
        let reading = |partition: i64, value: i64| Reading {
            sensor: format!("s{partition}").into(),
            value,
        };
        let partitions = 0..4;
        partitions
            .map(|partition| (0..many).map(|value| reading(partition, value)).collect())
            .collect()
    };
    let server = Server::start()?;
    // Each run finds more in the queue.
    for many in [10, 10, 25] {
        let queue = Arc::new(Queue::new(readings(many), &notes));
        let options = RunOptions {
            signals: false,
            commit: millis(5),
            data_dir: Some(DataDir::at(folder.path().join("data"))),
            ..RunOptions::default()
        };
        topology(&queue, &server).run(options)?;
        for partition in 0..4 {
            assert_eq!(queue.acknowledged(partition)?, usize::try_from(many)?);
        }
        let mut lines = server.lines();
        lines.sort();
        let wanted =
            (0..4).flat_map(|sensor| (0..many).map(move |most| format!("s{sensor} 0 {most}")));
        let mut wanted: Vec<String> = wanted.collect();
        wanted.sort();
        assert_eq!(lines, wanted, "{many}");
    }
    Ok(())
}
