//! Events and real data, for the tests.

// Each test program uses a part.
#![allow(dead_code)]

use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::Value;
use squall::connectors::files::{Delimiter, Format, Outcome, Record, RecordReader};
use squall_cube::{DecodeError, Decoder, Event, spec};

pub fn decoder(spec: &str) -> Decoder {
    Decoder::new(spec::parse(spec, "spec").unwrap().0)
}

/// The events of records, or why they are none.
pub fn events(
    decoder: &mut Decoder,
    format: Format,
    input: impl Read + Send + 'static,
) -> Vec<Result<Event, DecodeError>> {
    let mut reader = RecordReader::new(Box::new(input), "in", format, Delimiter::COMMA);
    let (mut record, mut events) = (Record::new(), Vec::new());
    loop {
        match reader.next(&mut record).unwrap() {
            Outcome::Record => events.push(decoder.decode(&record)),
            Outcome::Bad(bad) => panic!("{bad}"),
            Outcome::End => return events,
        }
    }
}

/// Dimensions discovered: all 20 fields but time, metrics and the user.
pub const WIKITICKER: &str = r#"{
    "timestampSpec": {"column": "time", "format": "iso"},
    "metricsSpec": [
        {"type": "count", "name": "count"},
        {"type": "longSum", "name": "added", "fieldName": "added"},
        {"type": "longSum", "name": "deleted", "fieldName": "deleted"},
        {"type": "longSum", "name": "delta", "fieldName": "delta"},
        {"type": "hyperUnique", "name": "users", "fieldName": "user"}
    ],
    "granularitySpec": {"segmentGranularity": "day", "queryGranularity": "hour"}
}"#;

/// All events of the real data, and the answers to it.
pub fn wikiticker(decoder: &mut Decoder) -> Option<(Vec<Event>, Value)> {
    let (folder, answers) = real_data("wikiticker")?;
    let file = folder.join("wikiticker-2015-09-12-sampled.json.gz");
    let file = flate2::read::GzDecoder::new(std::fs::File::open(file).unwrap());
    let events = events(decoder, Format::NdJson, file);
    let events = events.into_iter().map(Result::unwrap).collect();
    Some((events, answers))
}

/// The folder with the real data of this name, unpacked, and the file with its answers.
///
/// None, said on one line, where there is no such data: in a clone of the repository alone.
/// Where `CI=true` says that everything must be there, that is a failure.
pub fn real_data(name: &str) -> Option<(PathBuf, Value)> {
    let shared = std::env::var_os("SQUALL_SHARED").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared"),
        PathBuf::from,
    );
    let packed = shared.join(format!("data/{name}.tar.gz"));
    if !packed.exists() {
        let missing = format!("{} is missing", packed.display());
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{missing}");
        eprintln!("skipped: {missing}");
        return None;
    }
    let answers = format!("data/answers/{}.json", name.replace('-', "_"));
    let answers = std::fs::read(shared.join(answers)).unwrap();
    Some((
        unpacked(name, &packed),
        serde_json::from_slice(&answers).unwrap(),
    ))
}

/// Unpacks once for all tests, whichever comes first.
fn unpacked(name: &str, packed: &Path) -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let folder = target.join(name);
    if !folder.exists() {
        let aside = tempfile::tempdir_in(target).unwrap();
        let packed = std::fs::File::open(packed).unwrap();
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(packed));
        archive.unpack(aside.path()).unwrap();
        // Fails where another test was faster, with the same result.
        let _ = std::fs::rename(aside.path().join(name), &folder);
    }
    folder
}
