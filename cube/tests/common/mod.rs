//! Events and real data, for the tests.

// Each test program uses a part.
#![allow(dead_code)]

mod real_data;

use std::io::Read;

use serde_json::Value;
use squall::connectors::files::{Delimiter, Format, Outcome, Record, RecordReader};
use squall_cube::{DecodeError, Event, EventDecoder, spec};

use real_data::real_data;

pub fn decoder(spec: &str) -> EventDecoder {
    EventDecoder::new(spec::parse(spec, "spec").unwrap().0)
}

/// The events of records, or why they are none.
pub fn events(
    decoder: &mut EventDecoder,
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
pub fn wikiticker(decoder: &mut EventDecoder) -> Option<(Vec<Event>, Value)> {
    let (folder, answers) = real_data("wikiticker")?;
    let file = folder.join("wikiticker-2015-09-12-sampled.json.gz");
    let file = flate2::read::GzDecoder::new(std::fs::File::open(file).unwrap());
    let events = events(decoder, Format::NdJson, file);
    let events = events.into_iter().map(Result::unwrap).collect();
    Some((events, answers))
}
