//! Topics of a broker, made and filled for tests.

use std::process::Command;

use squall::testing::{Collected, Events};
use squall::{Out, RunOptions, Text, Topology, Tuple};
use squall_kafka::{Kafka, Message, Record};
use squall_testbed::python;

/// What makes topics, and what publishes in the tests of a program in Python.
pub const PACKAGES: &[&str] = &["kafka-python==3.0.12", "faker==40.63.0"];

const MAKE: &str = "
import sys
from kafka.admin import KafkaAdminClient, NewTopic
admin = KafkaAdminClient(bootstrap_servers=sys.argv[1])
admin.create_topics([NewTopic(sys.argv[2], int(sys.argv[3]), 1, topic_configs={'retention.ms': '-1'})])
";

/// Makes a topic that keeps all, however old its records say that they are.
pub fn make(brokers: &str, topic: &str, partitions: usize) {
    let python = python(PACKAGES).unwrap();
    let mut make = Command::new(python);
    make.args(["-c", MAKE, brokers, topic, &partitions.to_string()]);
    let made = make.output().unwrap();
    let errors = String::from_utf8_lossy(&made.stderr);
    assert!(made.status.success(), "{errors}");
}

/// A line, and the partition that it goes to.
#[derive(Tuple, Clone, Debug)]
struct Line {
    partition: i32,
    line: Text,
}

fn options() -> RunOptions {
    RunOptions {
        signals: false,
        ..RunOptions::default()
    }
}

/// Fills partitions with lines, each in its order.
pub fn fill(brokers: &str, topic: &str, partitions: &[Vec<String>]) {
    let topology = Topology::named("fill");
    let lines = (0..).zip(partitions).flat_map(|(partition, lines)| {
        let line = move |line: &String| Line {
            partition,
            line: line.as_str().into(),
        };
        lines.iter().map(line)
    });
    let lines = Events::now(lines.collect::<Vec<_>>());
    let lines = topology.spout("lines", move || lines.clone());
    let (kafka, topic) = (Kafka::at(brokers), topic.to_owned());
    let sink = topology.sink("out", move || {
        kafka.write_records(&topic, |line: &Line, records| {
            records.push(Record {
                partition: Some(line.partition),
                value: Some(line.line.as_bytes()),
                ..Record::default()
            });
            Ok(())
        })
    });
    sink.global_grouping(&lines);
    topology.run(options()).unwrap();
}

/// What a reader of what is committed finds in a topic of one partition.
pub fn committed(brokers: &str, topic: &str) -> Vec<String> {
    let topology = Topology::named("committed");
    let read = Kafka::at(brokers).read(topic).until_end();
    let lines = topology.spout("lines", move || {
        read.decode(|message: &Message<'_>, out: &mut Out<Line>| {
            let line = message.text()?.into();
            let partition = message.partition();
            out.emit(Line { partition, line });
            Ok(())
        })
    });
    let collected = Collected::of(&topology, "collected", &lines);
    topology.run(options()).unwrap();
    let lines = collected.take().into_iter();
    lines.map(|line| line.line.to_string()).collect()
}
