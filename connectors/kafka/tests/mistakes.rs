//! What waiting does not mend ends the run, with what was found and what to do.

mod support;

use std::path::Path;

use squall::{Out, Result, Word};
use squall_kafka::{Kafka, Message, ReadTopic};
use squall_testbed::kafka::{PASSWORD, USER};
use squall_testbed::shared;

use support::{Broker, name, run_with, wait};

fn words(message: &Message<'_>, out: &mut Out<Word>) -> Result {
    let word = message.text()?.into();
    out.emit(Word { word });
    Ok(())
}

/// How many words a run emits.
fn read(dir: Option<&Path>, read: ReadTopic) -> Result<usize> {
    Ok(run_with(dir, move || read.decode(words))?.0.len())
}

/// What a run ends with.
fn error(dir: Option<&Path>, topic: ReadTopic) -> String {
    match read(dir, topic) {
        Ok(words) => format!("no error, but {words} words"),
        Err(error) => error.to_string(),
    }
}

fn has(error: &str, parts: &[&str]) {
    for part in parts {
        assert!(error.contains(part), "{part:?} is not in: {error}");
    }
}

/// A connection by SASL over TLS.
fn secured(mechanism: &str, user: &str, password: &str, ca: &Path) -> Result<Kafka> {
    let at = shared::kafka()?;
    Ok(Kafka::at(at.sasl_address)
        .option("security.protocol", "SASL_SSL")?
        .option("sasl.mechanism", mechanism)?
        .option("sasl.username", user)?
        .option("sasl.password", password)?
        .option("ssl.ca.location", ca.display().to_string())?)
}

#[test]
fn each_way_to_log_in_reads_and_a_wrong_password_is_an_error_without_it() -> Result {
    let broker = Broker::shared()?;
    let topic = name("secured");
    broker.make(&topic, 1)?;
    broker.fill(&topic, 0, &[("a", 1)])?;
    let ca = shared::kafka()?.ca;
    for mechanism in ["SCRAM-SHA-256", "SCRAM-SHA-512", "PLAIN"] {
        let kafka = secured(mechanism, USER, PASSWORD, &ca)?;
        assert_eq!(
            read(None, kafka.read(&topic).until_end())?,
            1,
            "{mechanism}"
        );
        let wrong = secured(mechanism, USER, "not-the-password", &ca)?;
        let error = error(None, wrong.read(&topic).until_end());
        has(
            &error,
            &[
                "read[0] failed: the Kafka brokers at",
                "refuse the connection",
                "check user",
            ],
        );
        assert!(!error.contains("not-the-password"), "{error}");
    }
    // Somebody else's certificate.
    let other = squall_testbed::Redis::start()?;
    let kafka = secured("PLAIN", USER, PASSWORD, &other.at().ca)?;
    has(
        &error(None, kafka.read(&topic).until_end()),
        &["refuse the connection", "certificate"],
    );
    Ok(())
}

#[test]
fn a_topic_that_is_not_there_and_an_option_without_sense_are_errors() -> Result {
    let kafka = Kafka::at(shared::kafka()?.address);
    let error_of = |kafka: Kafka| error(None, kafka.read("no-such-topic").until_end());
    has(
        &error_of(kafka.clone()),
        &["there is no topic `no-such-topic`", "make it"],
    );
    let wrong = kafka.option("socket.timeout.ms", "soon")?;
    has(
        &error_of(wrong),
        &["read[0] could not start", "socket.timeout.ms"],
    );
    Ok(())
}

#[test]
fn a_topic_that_was_made_anew_is_told_by_its_id() -> Result {
    let broker = Broker::shared()?;
    let kafka = Kafka::at(&broker.address);
    let (topic, dir) = (name("anew"), tempfile::tempdir()?);
    broker.make(&topic, 1)?;
    broker.fill(&topic, 0, &[("a", 1), ("b", 1)])?;
    assert_eq!(read(Some(dir.path()), kafka.read(&topic).until_end())?, 2);
    broker.delete(&topic)?;
    // The broker deletes it a moment later.
    wait("the topic is made anew", || Ok(broker.make(&topic, 1).ok()))?;
    // By its offsets it would be the same one.
    broker.fill(&topic, 0, &[("c", 1), ("d", 1), ("e", 1)])?;
    let error = error(Some(dir.path()), kafka.read(&topic).until_end());
    has(
        &error,
        &[
            "is another one than that which was read",
            "its id is",
            "squall reset",
        ],
    );
    Ok(())
}

#[test]
fn records_that_retention_has_eaten_are_told_by_their_offsets() -> Result {
    let broker = Broker::shared()?;
    let kafka = Kafka::at(&broker.address);
    let (topic, dir) = (name("eaten"), tempfile::tempdir()?);
    broker.make(&topic, 1)?;
    broker.fill(&topic, 0, &[("a", 1), ("b", 1)])?;
    assert_eq!(read(Some(dir.path()), kafka.read(&topic).until_end())?, 2);
    broker.fill(&topic, 0, &[("c", 1), ("d", 1), ("e", 1)])?;
    broker.delete_before(&topic, 0, 4)?;
    let error = error(Some(dir.path()), kafka.read(&topic).until_end());
    let begins = format!("partition 0 of the topic `{topic}` begins with offset 4, and offset 2");
    has(&error, &[&begins, "retention", "squall reset"]);
    Ok(())
}

#[test]
fn the_times_are_given_once() -> Result {
    let read = Kafka::at(shared::kafka()?.address)
        .read("any")
        .message_time();
    let twice = run_with(None, move || read.decode_at::<Word, _>(|_, _| Ok(())));
    let error = twice
        .err()
        .map(|error| error.to_string())
        .unwrap_or_default();
    has(&error, &["given twice"]);
    Ok(())
}
