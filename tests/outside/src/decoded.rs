//! A decoder that gives each event its time.

use squall::connectors::files::{Decode, FileSpout, Files, Record, TimedOut};
use squall::{Result, Timestamp};

use crate::Reading;

/// Lines of a log of sensors: `SENSOR MILLISECONDS VALUE [MILLISECONDS VALUE ...]`.
pub fn readings(files: &Files) -> FileSpout<Reading, impl Decode<Reading> + use<>> {
    files.decode_at(|record: &Record, out: &mut TimedOut<'_, Reading>| {
        let mut words = record.text().split_ascii_whitespace();
        let sensor = words.next().ok_or("the line is empty")?;
        while let Some(millis) = words.next() {
            let value = words.next().ok_or("a time has no value")?.parse()?;
            let reading = Reading {
                sensor: sensor.into(),
                value,
            };
            out.at(time(millis)?).emit(reading);
        }
        Ok(())
    })
}

fn time(millis: &str) -> Result<Timestamp> {
    let millis = millis.parse();
    Ok(Timestamp::from_millis(
        millis.map_err(|_| "a time is no number")?,
    ))
}
