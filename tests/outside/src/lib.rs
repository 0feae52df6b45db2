//! Components that stand on squall as those of anybody else: a spout whose commits are noted, a keyed
//! bolt with a state of its own, a sink with an asynchronous client, a decoder with event time.

pub mod decoded;
pub mod extremes;
pub mod server;
pub mod source;
pub mod target;

use serde::{Deserialize, Serialize};
use squall::{Text, Tuple};

/// A reading of a sensor.
#[derive(Tuple, Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// Which sensor.
    pub sensor: Text,
    /// What it has read.
    pub value: i64,
}

/// A sensor has read less or more than ever before.
#[derive(Tuple, Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Extreme {
    /// Which sensor.
    pub sensor: Text,
    /// The least that it has read.
    pub least: i64,
    /// The most.
    pub most: i64,
}
