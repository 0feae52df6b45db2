//! The output of one data directory is not taken for that of another one.

mod support;

use std::path::Path;

use squall::{DataDir, Out, Result, RunOptions, Topology, Word};
use squall_kafka::{Kafka, Message};

use support::{Broker, name};

/// A topic that is copied to another one.
struct Copied {
    broker: Broker,
    from: String,
    to: String,
}

impl Copied {
    fn new() -> Result<Self> {
        let broker = Broker::shared()?;
        let (from, to) = (name("from"), name("to"));
        broker.make(&from, 1)?;
        broker.make(&to, 1)?;
        Ok(Self { broker, from, to })
    }

    fn fill(&self, words: &[&str]) -> Result {
        let words: Vec<_> = words.iter().map(|word| (*word, 1)).collect();
        self.broker.fill(&self.from, 0, &words)
    }

    /// Copies what is new, on this data directory.
    fn run(&self, dir: &Path, id: Option<&str>) -> Result {
        let kafka = Kafka::at(&self.broker.address);
        let topology = Topology::named("copy");
        let read = kafka.read(&self.from).until_end();
        let words = topology.spout("words", move || {
            read.decode(|message: &Message<'_>, out: &mut Out<Word>| {
                let word = message.text()?.into();
                out.emit(Word { word });
                Ok(())
            })
        });
        let (to, id) = (self.to.clone(), id.map(str::to_owned));
        let sink = topology.sink("out", move || {
            let value = |word: &Word, value: &mut Vec<u8>| {
                value.extend(word.word.bytes());
                Ok(())
            };
            let sink = kafka.write(&to).value(value);
            match &id {
                Some(id) => sink.id(id),
                None => sink,
            }
        });
        sink.global_grouping(&words);
        topology.run(RunOptions {
            signals: false,
            data_dir: Some(DataDir::at(dir)),
            ..RunOptions::default()
        })?;
        Ok(())
    }

    fn written(&self) -> Result<Vec<String>> {
        Ok(self.broker.committed(&self.to)?.remove(0))
    }
}

#[test]
fn a_directory_that_was_reset_is_refused_with_both_sides_and_the_remedy() -> Result {
    let copied = Copied::new()?;
    let dir = tempfile::tempdir()?;
    copied.fill(&["a", "b"])?;
    copied.run(dir.path(), None)?;
    copied.fill(&["c"])?;
    copied.run(dir.path(), None)?;
    assert_eq!(copied.written()?, ["a", "b", "c"]);
    DataDir::at(dir.path()).reset(None)?;
    let error = copied.run(dir.path(), None).unwrap_err().to_string();
    let to = &copied.to;
    let group = format!("the group `squall/copy/out/{to}/0` has epoch");
    for part in [
        "out[0] could not start",
        "is of another data directory",
        &group,
        "delete that group",
    ] {
        assert!(error.contains(part), "{part}: {error}");
    }
    assert_eq!(copied.written()?, ["a", "b", "c"], "nothing was written");
    copied.run(dir.path(), Some("another id"))?;
    assert_eq!(copied.written()?, ["a", "b", "c", "a", "b", "c"]);
    Ok(())
}

/// The epochs of a backup go on where it was made: its output was left out silently.
#[test]
fn a_backup_that_is_restored_is_refused_however_far_it_comes() -> Result {
    let copied = Copied::new()?;
    let (dir, other) = (tempfile::tempdir()?, tempfile::tempdir()?);
    copied.fill(&["a"])?;
    copied.run(dir.path(), None)?;
    let backup = other.path().join("backup");
    DataDir::at(dir.path()).backup(&backup)?;
    copied.fill(&["b"])?;
    copied.run(dir.path(), None)?;
    let error = copied.run(&backup, None).unwrap_err().to_string();
    assert!(error.contains("is of another data directory"), "{error}");
    // Many epochs later it would not be seen by their numbers.
    for word in ["c", "d"] {
        copied.fill(&[word])?;
        copied.run(&backup, Some("elsewhere"))?;
    }
    let error = copied.run(&backup, None).unwrap_err().to_string();
    assert!(error.contains("is of another data directory"), "{error}");
    copied.run(dir.path(), None)?;
    assert_eq!(copied.written()?, ["a", "b", "b", "c", "d", "c", "d"]);
    Ok(())
}

#[test]
fn a_copy_of_the_directory_that_is_older_than_the_topic_is_refused() -> Result {
    let copied = Copied::new()?;
    let dir = tempfile::tempdir()?;
    let (now, then) = (dir.path().join("now"), dir.path().join("then"));
    copied.fill(&["a"])?;
    copied.run(&now, None)?;
    std::fs::create_dir(&then)?;
    for file in std::fs::read_dir(&now)? {
        let file = file?;
        std::fs::copy(file.path(), then.join(file.file_name()))?;
    }
    copied.fill(&["b"])?;
    copied.run(&now, None)?;
    let error = copied.run(&then, None).unwrap_err().to_string();
    assert!(error.contains("it is an older copy of itself"), "{error}");
    assert_eq!(copied.written()?, ["a", "b"]);
    Ok(())
}

#[test]
fn a_run_that_ended_well_leaves_nothing_to_be_sent_again() -> Result {
    let copied = Copied::new()?;
    let dir = tempfile::tempdir()?;
    copied.fill(&["a"])?;
    for _ in 0..3 {
        copied.run(dir.path(), None)?;
    }
    assert_eq!(copied.written()?, ["a"]);
    Ok(())
}
