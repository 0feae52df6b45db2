//! Quantiles of numbers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{AggregateError, Aggregator, Retract, aggregates, finite};
use crate::meaning::Meaning;

/// Quantiles of numbers, each to one part in 256 of its value.
///
/// The quantile `q` of `n` numbers is the one at rank `ceil(q * n)`, the least at rank 1. What is
/// given for it is the middle of its bin in a [`Histogram`], which is the partial. Of no numbers
/// there are no quantiles.
///
/// ```
/// use squall::aggregate::{Aggregator, Quantiles};
///
/// let quantiles = Quantiles::at([0.5, 0.99]).expect("they are between 0 and 1");
/// let mut latencies = quantiles.empty();
/// for millis in 1..=1_000 {
///     quantiles.add(&mut latencies, &f64::from(millis))?;
/// }
/// let values = quantiles.finish(&latencies);
/// assert!((values[0] - 500.0).abs() <= 500.0 / 256.0);
/// assert!((values[1] - 990.0).abs() <= 990.0 / 256.0);
/// # Ok::<(), squall::aggregate::AggregateError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Quantiles {
    at: Vec<f64>,
}

/// No quantile is there: they are from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("{0} is not a quantile: give a number from 0 to 1, such as 0.99")]
pub struct NoQuantile(pub f64);

impl Quantiles {
    /// These, in this order.
    ///
    /// # Errors
    /// Where one is not from 0 to 1.
    pub fn at(quantiles: impl IntoIterator<Item = f64>) -> Result<Self, NoQuantile> {
        let at: Vec<f64> = quantiles.into_iter().collect();
        match at.iter().find(|at| !(0.0..=1.0).contains(*at)) {
            Some(wrong) => Err(NoQuantile(*wrong)),
            None => Ok(Self { at }),
        }
    }
}

/// How many numbers there were in each bin; a bin holds the numbers whose sign, exponent and
/// first seven binary places are the same, so the middle of it is at most one part in 256 from
/// each of them (numbers below 2.2e-308 are nearer to zero than can be told so).
///
/// Bins as wide as their numbers are great are those of `DDSketch` (Masson, Rim and Lee, PVLDB
/// 2019); bounds made of bits are those of `HdrHistogram`. Nothing of it depends on the order
/// of the numbers, nothing is rounded, and bins are never joined: crates of `DDSketch` find bins
/// by a logarithm and join the lowest ones when there are too many, and then what is known
/// depends on what came first. A factor of two takes 128 bins at most, 2 to 5 bytes stored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Histogram {
    /// By number of the bin, in the order of the numbers in it. None is zero.
    bins: BTreeMap<u32, u64>,
}

/// How many of the last bits of a number do not count.
const FINE_BITS: u32 = f64::MANTISSA_DIGITS - 1 - 7;

const SIGN: u64 = 1 << 63;

/// The bin of a number. As integers the bits of positive numbers are in order; those of negative
/// ones the other way round.
fn bin_of(number: f64) -> u32 {
    let bits = number.to_bits();
    let ordered = if bits & SIGN == 0 { bits | SIGN } else { !bits };
    // 19 bits are left.
    #[allow(clippy::cast_possible_truncation)]
    let bin = (ordered >> FINE_BITS) as u32;
    bin
}

/// The middle of a bin; zero for the two around it.
fn middle_of(bin: u32) -> f64 {
    let ordered = (u64::from(bin) << FINE_BITS) | (1 << (FINE_BITS - 1));
    let bits = if ordered & SIGN == 0 {
        !ordered
    } else {
        ordered & !SIGN
    };
    let middle = f64::from_bits(bits);
    if bin_of(0.0) == bin || bin_of(-0.0) == bin {
        0.0
    } else {
        middle
    }
}

impl Histogram {
    /// How many numbers there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.bins.values().sum()
    }

    /// The quantile, of one number at least; see [`Quantiles`].
    #[must_use]
    pub fn quantile(&self, quantile: f64) -> Option<f64> {
        let count = self.count();
        // Ranks are whole up to 2^53, and beyond that no rank matters.
        #[allow(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss
        )]
        let rank = ((quantile * count as f64).ceil() as u64).clamp(1, count.max(1));
        let mut before = 0;
        let mut bins = self.bins.iter();
        let bin = bins.find(|(_, count)| {
            before += **count;
            before >= rank
        });
        bin.map(|(bin, _)| middle_of(*bin))
    }
}

impl Aggregator for Quantiles {
    type Input = f64;
    type Partial = Histogram;
    type Output = Vec<f64>;

    fn meaning(&self) -> Meaning {
        aggregates("quantiles")
    }

    fn empty(&self) -> Histogram {
        Histogram::default()
    }

    fn add(&self, partial: &mut Histogram, input: &f64) -> Result<(), AggregateError> {
        let bin = bin_of(finite("a quantile", *input)?);
        let count = partial.bins.entry(bin).or_default();
        // As many inputs as a count can hold are never seen.
        *count = count.saturating_add(1);
        Ok(())
    }

    fn merge(&self, partial: &mut Histogram, other: &Histogram) -> Result<(), AggregateError> {
        for (bin, more) in &other.bins {
            let count = partial.bins.entry(*bin).or_default();
            *count = count.saturating_add(*more);
        }
        Ok(())
    }

    fn finish(&self, partial: &Histogram) -> Vec<f64> {
        let quantiles = self.at.iter();
        quantiles.filter_map(|at| partial.quantile(*at)).collect()
    }
}

impl Retract for Quantiles {
    fn unmerge(&self, partial: &mut Histogram, other: &Histogram) -> Result<(), AggregateError> {
        let held = |bin| partial.bins.get(bin).copied().unwrap_or(0);
        if let Some((bin, _)) = other.bins.iter().find(|(bin, less)| held(bin) < **less) {
            let nothing = format!("{} numbers", partial.count());
            return Err(AggregateError::nothing(
                "a quantile",
                nothing,
                middle_of(*bin),
            ));
        }
        for (bin, less) in &other.bins {
            let count = partial.bins.entry(*bin).or_default();
            *count -= less;
            if *count == 0 {
                partial.bins.remove(bin);
            }
        }
        Ok(())
    }
}
