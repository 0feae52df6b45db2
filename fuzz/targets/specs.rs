//! Ingestion specs, and events that are decoded by them: the text up to the first NUL is the spec,
//! the rest events. A spec that is read is the same again when it is kept as JSON.
#![no_main]

use libfuzzer_sys::fuzz_target;
use squall::connectors::files::{Delimiter, Format, Outcome, Record, RecordReader};
use squall_cube::EventDecoder;
use squall_cube::spec::{self, Spec};

fuzz_target!(|bytes: &[u8]| {
    let mut parts = bytes.splitn(2, |byte| *byte == 0);
    let text = String::from_utf8_lossy(parts.next().unwrap_or_default());
    let events = parts.next().unwrap_or_default().to_vec();
    if let Ok(granularity) = spec::granularity(&text) {
        assert!(granularity.holds(&granularity));
    }
    let spec = match spec::parse(&text, "spec.json") {
        Ok((spec, _)) => spec,
        Err(errors) => {
            assert!(!errors.mistakes.is_empty());
            assert!(!errors.to_string().is_empty());
            return;
        }
    };
    let kept = serde_json::to_string(&spec).expect("a spec can be kept");
    let again: Spec = serde_json::from_str(&kept).expect("it was kept");
    assert_eq!(again, spec);

    let segment = spec.schema.segment.clone();
    let mut decoder = EventDecoder::new(spec).keep_raw();
    let input = Box::new(std::io::Cursor::new(events));
    let mut reader = RecordReader::new(input, "events", Format::NdJson, Delimiter::default());
    let mut record = Record::new();
    while let Ok(outcome) = reader.next(&mut record) {
        match outcome {
            Outcome::Record => {
                if let Ok(event) = decoder.decode(&record) {
                    let moment = event.time.millis();
                    assert!(
                        segment.bucket(moment).contains(&moment),
                        "{segment}: {moment}"
                    );
                }
            }
            Outcome::Bad(_) => {}
            Outcome::End => return,
        }
    }
});
