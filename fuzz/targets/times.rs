//! Times by their patterns, of files and of ingestion specs, and buckets of granularities: the first
//! line is the pattern, the second one the time.
#![no_main]

use libfuzzer_sys::fuzz_target;
use squall::Timestamp;
use squall::connectors::files::{TimeFormat, plain_time};
use squall_cube::{Granularity, TimestampFormat};

fuzz_target!(|text: &str| {
    let (pattern, time) = text.split_once('\n').unwrap_or((text, ""));
    let _ = plain_time(time);
    let mut moments = Vec::new();
    if let Ok(format) = pattern.parse::<TimeFormat>() {
        assert_eq!(
            format.to_string().parse::<TimeFormat>().as_ref(),
            Ok(&format)
        );
        moments.extend(format.parse(time).ok());
    }
    if let Ok(format) = pattern.parse::<TimestampFormat>() {
        let kept = serde_json::to_string(&format).expect("a format can be kept");
        let again: TimestampFormat = serde_json::from_str(&kept).expect("it was kept");
        assert_eq!(again, format);
        moments.extend(format.parse(time).ok());
    }
    for moment in &moments {
        // What is shown of a moment of years of four digits is read as the moment.
        let shown = Timestamp::from_millis(*moment).to_string();
        if shown.len() <= "2015-03-17T20:40:00.000Z".len() && shown.starts_with(['1', '2']) {
            let rfc3339: TimeFormat = "rfc3339".parse().expect("it has this name");
            assert_eq!(rfc3339.parse(&shown), Ok(*moment));
        }
    }
    if let Ok(granularity) = pattern.parse::<Granularity>() {
        let named: Granularity = granularity.to_string().parse().expect("it has this name");
        assert_eq!(named, granularity);
        moments.extend(time.parse::<i64>().ok());
        for moment in moments {
            // Beyond the calendar there is no bucket.
            if moment.unsigned_abs() > 250_000_000_000_000 {
                continue;
            }
            let bucket = granularity.bucket(moment);
            assert!(
                bucket.contains(&moment),
                "{granularity}: {moment} in {bucket:?}"
            );
            assert_eq!(granularity.bucket(bucket.start), bucket);
        }
    }
});
