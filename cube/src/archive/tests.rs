//! The archive over failures, of the run and of the disk.

use std::collections::BTreeMap;
use std::sync::Arc;

use squall::testing::{Events, Fault, Faults, TopologyTest};
use squall::{DataDir, RunOptions, Topology, millis, run::Restarts};

use super::*;

fn archived(dir: &Path, segments: &[i64]) -> BTreeMap<i64, String> {
    let read = |segment: &i64| {
        let mut text = String::new();
        let path = Archive::file(dir, *segment);
        let file = BufReader::new(File::open(path).unwrap());
        MultiGzDecoder::new(file).read_to_string(&mut text).unwrap();
        (*segment, text)
    };
    segments.iter().map(read).collect()
}

/// Runs events through an archive that fails at one of its writes in one of three ways.
fn once_over(write: u64, fault: Fault) {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("archive");
    let event = |number: i64| Event {
        time: Timestamp::from_millis(number % 3 * 86_400_000 + number),
        names: Arc::from([]),
        dimensions: Box::default(),
        inputs: Box::default(),
        raw: Some(format!("{{\"number\":{number}}}").into()),
    };
    let events: Vec<_> = (0..2_000).map(event).collect();
    let read = Events::now(events.clone());
    let topology = Topology::named("archive");
    let spout = topology.spout("events", move || read.clone());
    let target = dir.clone();
    let archive = topology.bolt("archive", move || {
        Archive::at(&target, "day".parse().unwrap(), "a cube")
    });
    let _ = archive.global_grouping(&spout);
    let faults = Faults::none().at("archive.written", write, fault);
    let options = RunOptions {
        data_dir: Some(DataDir::in_memory().unwrap()),
        commit: millis(1),
        epoch: millis(1),
        batch_tuples: 16,
        faults: faults.clone(),
        restarts: Restarts {
            first_pause: millis(1),
            longest_pause: millis(1),
            ..Restarts::default()
        },
        ..RunOptions::default()
    };
    let run = TopologyTest::new(topology).options(options).run();
    assert!(run.is_ok(), "{run:?}");
    assert_eq!(faults.left(), 0, "the fault was met");
    let wanted = events.iter().fold(BTreeMap::new(), |mut texts, event| {
        let day = event.time.millis() / 86_400_000 * 86_400_000;
        let text: &mut String = texts.entry(day).or_default();
        text.push_str(event.raw.as_deref().unwrap());
        text.push('\n');
        texts
    });
    let segments: Vec<_> = wanted.keys().copied().collect();
    assert_eq!(archived(&dir, &segments), wanted);
}

#[test]
fn each_event_is_archived_once_over_a_failure() {
    // Nothing is committed when the first one fails.
    for write in [1, 2] {
        for fault in [Fault::Error, Fault::Panic, Fault::Kill] {
            once_over(write, fault);
        }
    }
}

#[test]
fn a_file_that_lost_what_was_committed_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut archive = Archive::at(folder.path(), "day".parse().unwrap(), "a cube");
    let path = Archive::file(folder.path(), 0);
    append(&path, 0, b"{}\n").unwrap();
    let bytes = path.metadata().unwrap().len() + 1;
    let archived = Archived {
        end: 86_400_000,
        start: 0,
        bytes,
        events: 1,
    };
    archive.lengths.insert(0, archived);
    let lines = Archive::lines(folder.path(), 0, archived);
    let error = lines.err().unwrap().to_string();
    assert!(error.contains("1970-01-01T000000Z.ndjson.gz"), "{error}");
    assert!(error.contains(&format!("up to byte {bytes}")), "{error}");
}

#[test]
fn the_archive_of_another_cube_is_refused_and_what_is_unknown_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let day = || "day".parse().unwrap();
    let mut mine = Archive::at(folder.path(), day(), "one");
    mine.own().unwrap();
    mine.own().unwrap();
    let error = Archive::at(folder.path(), day(), "two").own().unwrap_err();
    assert!(
        error.to_string().contains("the archive of `one`"),
        "{error}"
    );

    let path = Archive::file(folder.path(), 0);
    append(&path, 0, b"{\"old\":1}\n").unwrap();
    let waiting = Waiting {
        end: 86_400_000,
        lines: b"{\"new\":2}\n".to_vec(),
        events: 1,
    };
    mine.waiting.insert(0, waiting);
    mine.write().unwrap();
    let text = |archived| {
        let mut text = String::new();
        let mut lines = Archive::lines(folder.path(), 0, archived).unwrap();
        lines.read_to_string(&mut text).unwrap();
        text
    };
    let archived = *mine.lengths.get(&0).unwrap();
    assert_eq!(text(archived), "{\"new\":2}\n");
    let all = Archived {
        start: 0,
        ..archived
    };
    assert_eq!(text(all), "{\"old\":1}\n{\"new\":2}\n");
}

fn waits(archive: &mut Archive, line: &[u8]) {
    let waiting = Waiting {
        end: 86_400_000,
        lines: line.to_vec(),
        events: 1,
    };
    archive.bytes += line.len();
    archive.waiting.insert(0, waiting);
}

/// The archive of a run that begins, in this life of its data directory.
fn begins(dir: &Path, life: u64) -> Archive {
    let mut archive = Archive::at(dir, "day".parse().unwrap(), "a cube");
    archive.begun = Begun::read(dir, Some(life));
    archive.recover().unwrap();
    archive
}

#[test]
fn a_torn_first_write_is_cut_off_and_what_others_have_written_is_not() {
    for before in [&b""[..], b"{\"old\":1}\n"] {
        let folder = tempfile::tempdir().unwrap();
        let path = Archive::file(folder.path(), 0);
        if !before.is_empty() {
            append(&path, 0, before).unwrap();
        }
        let start = length(&path).unwrap();
        let mut archive = begins(folder.path(), 1);
        waits(&mut archive, b"{\"new\":2}\n");
        archive.write().unwrap();
        let whole = length(&path).unwrap();
        // In the header, in the content, and whole; and never committed.
        for torn in [start + 5, whole - 3, whole] {
            let mut archive = begins(folder.path(), 1);
            assert_eq!(length(&path).unwrap(), start);
            waits(&mut archive, b"{\"new\":2}\n");
            archive.write().unwrap();
            assert_eq!(archive.lengths.get(&0).unwrap().start, start);
            File::options()
                .write(true)
                .open(&path)
                .unwrap()
                .set_len(torn)
                .unwrap();
        }
        // The data directory was reset, so the file is of a cube that is no more.
        let _ = begins(folder.path(), 2);
        assert_eq!(length(&path).unwrap(), whole);
    }
}

#[test]
fn what_is_behind_the_committed_length_is_cut_off_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let path = Archive::file(folder.path(), 0);
    let mut archive = begins(folder.path(), 1);
    waits(&mut archive, b"{\"a\":1}\n");
    archive.write().unwrap();
    let committed = *archive.lengths.get(&0).unwrap();
    waits(&mut archive, b"{\"b\":2}\n");
    archive.write().unwrap();
    assert!(length(&path).unwrap() > committed.bytes);

    let mut archive = Archive::at(folder.path(), "day".parse().unwrap(), "a cube");
    archive.lengths.insert(0, committed);
    archive.recover().unwrap();
    assert_eq!(length(&path).unwrap(), committed.bytes);
    assert_eq!(archived(folder.path(), &[0])[&0], "{\"a\":1}\n");
}

#[test]
fn what_waits_stays_until_it_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = Archive::file(folder.path(), 0);
    let mut archive = begins(folder.path(), 1);
    waits(&mut archive, b"{\"a\":1}\n");
    // There cannot be a file of this name.
    std::fs::create_dir(&path).unwrap();
    archive.lengths.insert(0, Archived::default());
    for _ in 0..2 {
        let error = archive.write().unwrap_err().to_string();
        assert!(error.contains("cannot write the archive"), "{error}");
        assert_eq!((archive.waiting.len(), archive.bytes), (1, 8));
        assert_eq!(archive.lengths.get(&0), Some(&Archived::default()));
    }
    std::fs::remove_dir(&path).unwrap();
    archive.write().unwrap();
    assert_eq!((archive.waiting.len(), archive.bytes), (0, 0));
    assert_eq!(archived(folder.path(), &[0])[&0], "{\"a\":1}\n");
}

/// As a full disk leaves the file.
#[test]
fn an_owner_that_was_not_written_is_written_again() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(OWNER), "").unwrap();
    let archive = Archive::at(folder.path(), "day".parse().unwrap(), "a cube");
    archive.own().unwrap();
    assert_eq!(
        std::fs::read_to_string(folder.path().join(OWNER)).unwrap(),
        "a cube"
    );
}

#[test]
fn an_archive_is_compared_with_its_checksums_and_events() {
    let folder = tempfile::tempdir().unwrap();
    let path = Archive::file(folder.path(), 0);
    let mut archive = begins(folder.path(), 1);
    waits(&mut archive, b"{\"a\":1}\n");
    archive.write().unwrap();
    let archived = *archive.lengths.get(&0).unwrap();
    Archive::verify(folder.path(), 0, archived).unwrap();
    let more = Archived {
        events: 2,
        ..archived
    };
    let error = Archive::verify(folder.path(), 0, more)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("written with 2 events, and now it has 1"),
        "{error}"
    );
    let mut bytes = std::fs::read(&path).unwrap();
    let at = bytes.len() - 6;
    bytes[at] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let error = Archive::verify(folder.path(), 0, archived)
        .unwrap_err()
        .to_string();
    assert!(error.contains("cannot read the archive"), "{error}");
}
