//! What is said on the socket of a run, and what people see of stored values, from any bytes.

use std::cmp::Ordering;
use std::fmt::Debug;
use std::io::Write;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::inspection::json;
use super::socket::{Heard, NotHeard, Room, Within};
use super::socket::{Line, Question};

/// The longest line that is heard.
const MAX_BYTES: usize = 1_000;

/// So much is in a socket's buffer without anybody who reads.
const BUFFERED_BYTES: usize = 16 << 10;

/// Questions, answers and records that are understood are the same when they are said again, and
/// a client's bytes are heard line by line.
///
/// # Panics
/// Where that is not so.
pub fn said(bytes: &[u8]) {
    for line in bytes.split(|byte| *byte == b'\n') {
        understood::<Question>(line);
        understood::<Line>(line);
        understood::<Vec<(String, String)>>(line);
    }
    heard(&bytes[..bytes.len().min(BUFFERED_BYTES)]);
}

fn understood<T: Serialize + DeserializeOwned + PartialEq + Debug>(line: &[u8]) {
    let Ok(said) = serde_json::from_slice::<T>(line) else {
        return;
    };
    let again = serde_json::to_vec(&said).expect("it was read from JSON");
    let again: T = serde_json::from_slice(&again).expect("it was written as JSON");
    assert_eq!(again, said);
}

/// Room for all.
struct Enough;

impl Room for Enough {
    fn take(&self, _: Instant) -> bool {
        true
    }

    fn free(&self) {}
}

fn heard(bytes: &[u8]) {
    let (mut client, server) = UnixStream::pair().expect("two sockets");
    client.write_all(bytes).expect("it fits into the buffer");
    client.shutdown(Shutdown::Write).expect("it is connected");
    let mut heard = Heard::new(&server);
    let within = Within::FromNow(Duration::from_mins(1));
    let mut lines = bytes.split(|byte| *byte == b'\n').peekable();
    while let Some(expected) = lines.next() {
        let is_last = lines.peek().is_none();
        match heard.line(MAX_BYTES, within, &Enough) {
            Ok(Some(line)) => assert_eq!((line.text.as_slice(), is_last), (expected, false)),
            Ok(None) => assert_eq!((expected, is_last), (&[][..], true)),
            Err(NotHeard::TooLong(_)) => {
                assert!(expected.len() >= MAX_BYTES);
                return;
            }
            Err(NotHeard::Gone) => assert!(is_last && !expected.is_empty()),
            Err(error) => panic!("{error:?}"),
        }
    }
}

/// Whatever is stored has a form for people, and its place among others.
///
/// # Panics
/// Where it has not.
pub fn stored_value(bytes: &[u8]) {
    if let Ok(value) = json::read(bytes) {
        assert_eq!(json::order(&value, &value), Ordering::Equal);
        let plain = json::plain(&value);
        assert!(plain.len() >= usize::from(!value.is_string()));
        value.to_string();
    }
}
