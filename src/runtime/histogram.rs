//! Cumulative histograms with fixed buckets, as Prometheus has them.

use std::time::Duration;

use serde::ser::{Serialize, SerializeStruct, Serializer};

/// How often values of each size came: counts in buckets with fixed bounds, the number of all values
/// and their sum.
///
/// Durations are in seconds, in buckets up to 1 ms, 2.5 ms, 5 ms, 10 ms and so on to 60 s; bytes in
/// buckets up to 1 KiB, 4 KiB, 16 KiB and so on to 1 GiB. What is above belongs to no bucket, and to
/// the [count](Histogram::count) alone.
///
/// As JSON: `{"buckets":[{"le":0.001,"count":3},...],"count":7,"sum":0.25}`.
#[derive(Clone, Debug, PartialEq)]
pub struct Histogram(Box<Counted>);

/// In a box, since statistics have several of them.
#[derive(Clone, Debug, PartialEq)]
struct Counted {
    bounds: &'static [f64],
    /// Of each bucket, without those before it.
    counts: Vec<u64>,
    count: u64,
    sum: f64,
}

/// The bounds of durations, in seconds.
const SECONDS: [f64; 15] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
];

/// The bounds of bytes: each is four times the one before it.
const BYTES: [f64; 11] = [
    1_024.0,
    4_096.0,
    16_384.0,
    65_536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
    67_108_864.0,
    268_435_456.0,
    1_073_741_824.0,
];

impl Histogram {
    pub(crate) fn of_durations() -> Self {
        Self::of(&SECONDS)
    }

    pub(crate) fn of_bytes() -> Self {
        Self::of(&BYTES)
    }

    fn of(bounds: &'static [f64]) -> Self {
        Self(Box::new(Counted {
            bounds,
            counts: vec![0; bounds.len()],
            count: 0,
            sum: 0.0,
        }))
    }

    pub(crate) fn add_duration(&mut self, value: Duration) {
        self.add(value.as_secs_f64());
    }

    #[allow(clippy::cast_precision_loss)]
    pub(crate) fn add_bytes(&mut self, value: usize) {
        self.add(value as f64);
    }

    fn add(&mut self, value: f64) {
        let counted = &mut *self.0;
        let bucket = counted.bounds.partition_point(|bound| *bound < value);
        if let Some(count) = counted.counts.get_mut(bucket) {
            *count += 1;
        }
        counted.count += 1;
        counted.sum += value;
    }

    /// For each bucket its upper bound, and how many values are not above it.
    pub fn buckets(&self) -> impl Iterator<Item = (f64, u64)> {
        let counts = self.0.counts.iter().scan(0, |sum, count| {
            *sum += count;
            Some(*sum)
        });
        self.0.bounds.iter().copied().zip(counts)
    }

    /// How many values there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.count
    }

    /// Their sum, in seconds or bytes.
    #[must_use]
    pub fn sum(&self) -> f64 {
        self.0.sum
    }
}

#[derive(serde::Serialize)]
struct Bucket {
    le: f64,
    count: u64,
}

impl Serialize for Histogram {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let buckets = self.buckets().map(|(le, count)| Bucket { le, count });
        let buckets: Vec<Bucket> = buckets.collect();
        let mut histogram = serializer.serialize_struct("Histogram", 3)?;
        histogram.serialize_field("buckets", &buckets)?;
        histogram.serialize_field("count", &self.count())?;
        histogram.serialize_field("sum", &self.sum())?;
        histogram.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_counts_in_its_bucket_and_in_all_above_it() {
        let mut histogram = Histogram::of_durations();
        for millis in [1, 2, 100, 100_000] {
            histogram.add_duration(Duration::from_millis(millis));
        }
        let buckets: Vec<_> = histogram.buckets().map(|(_, count)| count).collect();
        assert_eq!(
            buckets,
            [1, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3, 3],
            "a bound belongs to its bucket, 100 s to none"
        );
        assert_eq!(histogram.count(), 4);
        assert!((histogram.sum() - 100.103).abs() < 1e-9);
    }

    #[test]
    fn bounds_grow() {
        for histogram in [Histogram::of_durations(), Histogram::of_bytes()] {
            let bounds: Vec<_> = histogram.buckets().map(|(bound, _)| bound).collect();
            assert!(bounds.is_sorted_by(|a, b| a < b), "{bounds:?}");
        }
    }

    #[test]
    fn json_has_the_buckets_as_they_accumulate() {
        let mut histogram = Histogram::of_bytes();
        histogram.add_bytes(1_024);
        histogram.add_bytes(1_025);
        let json = serde_json::to_value(&histogram).unwrap();
        assert_eq!(
            json["buckets"][0],
            serde_json::json!({"le": 1024.0, "count": 1})
        );
        assert_eq!(
            json["buckets"][1],
            serde_json::json!({"le": 4096.0, "count": 2})
        );
        assert_eq!((&json["count"], &json["sum"]), (&2.into(), &2_049.0.into()));
    }
}
