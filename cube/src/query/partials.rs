//! The metrics of groups, as far as their rows were read.

use super::answer::Measure;
use super::error::QueryError;
use crate::double;
use crate::rows::MetricColumn;
use crate::schema::Kind;
use squall::aggregate::Sketch;

/// A row that belongs to no group.
pub(super) const NO_GROUP: u32 = u32::MAX;

/// A metric of each group, by the group's number.
#[derive(Clone, Debug)]
pub(super) enum Partials {
    /// Sums of whole numbers. In 128 bits the order of the numbers does not matter: only what
    /// comes out has to fit.
    Sum(Vec<i128>),
    /// The greatest whole number, or the least.
    Long(Vec<Option<i64>>, Extreme),
    /// Sums of numbers, each as two numbers.
    DoubleSum(Vec<Option<[f64; 2]>>),
    /// The greatest number, or the least.
    Double(Vec<Option<f64>>, Extreme),
    /// Different values.
    Distinct(Vec<Sketch>),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Extreme {
    Least,
    Greatest,
}

impl Extreme {
    fn of<T: Copy>(self, one: T, other: T, less: impl Fn(&T, &T) -> bool) -> T {
        let other_is_it = match self {
            Self::Least => less(&other, &one),
            Self::Greatest => less(&one, &other),
        };
        if other_is_it { other } else { one }
    }
}

impl Partials {
    pub(super) fn of(kind: Kind) -> Self {
        match kind {
            Kind::Count | Kind::LongSum => Self::Sum(Vec::new()),
            Kind::LongMin => Self::Long(Vec::new(), Extreme::Least),
            Kind::LongMax => Self::Long(Vec::new(), Extreme::Greatest),
            Kind::DoubleSum => Self::DoubleSum(Vec::new()),
            Kind::DoubleMin => Self::Double(Vec::new(), Extreme::Least),
            Kind::DoubleMax => Self::Double(Vec::new(), Extreme::Greatest),
            Kind::HyperUnique => Self::Distinct(Vec::new()),
        }
    }

    /// Has so many groups from now on; what is new is empty.
    pub(super) fn resize(&mut self, groups: usize) {
        match self {
            Self::Sum(sums) => sums.resize(groups, 0),
            Self::Long(longs, _) => longs.resize(groups, None),
            Self::DoubleSum(sums) => sums.resize(groups, None),
            Self::Double(doubles, _) => doubles.resize(groups, None),
            Self::Distinct(sketches) => sketches.resize_with(groups, Sketch::new),
        }
    }

    /// Adds one to a group's sum.
    pub(super) fn count(&mut self, group: u32) {
        if let Self::Sum(sums) = self {
            sums[group as usize] += 1;
        }
    }

    /// Takes a column in, of which each row belongs to the group of this number.
    pub(super) fn take(
        &mut self,
        groups: &[u32],
        column: &MetricColumn,
        metric: &str,
    ) -> Result<(), QueryError> {
        match (self, column) {
            (Self::Sum(sums), MetricColumn::Long(values)) => {
                for (group, value) in present(groups, values) {
                    // 2^63 rows of 2^63 fit.
                    sums[group] += i128::from(value);
                }
            }
            (Self::Long(longs, extreme), MetricColumn::Long(values)) => {
                for (group, value) in present(groups, values) {
                    let long = longs[group].unwrap_or(value);
                    longs[group] = Some(extreme.of(long, value, i64::lt));
                }
            }
            (Self::DoubleSum(sums), MetricColumn::Double(values)) => {
                for (group, value) in present(groups, values) {
                    sums[group] = Some(match sums[group] {
                        None => value,
                        Some(sum) => add(sum, value, metric)?,
                    });
                }
            }
            (Self::Double(doubles, extreme), MetricColumn::Double(values)) => {
                for (group, [value, _]) in present(groups, values) {
                    let double = doubles[group].unwrap_or(value);
                    doubles[group] = Some(extreme.of(double, value, f64::lt));
                }
            }
            (Self::Distinct(sketches), MetricColumn::Distinct(values)) => {
                for (group, bytes) in groups.iter().zip(values) {
                    if *group != NO_GROUP {
                        let sketch = &mut sketches[*group as usize];
                        let merged = sketch.merge_bytes(bytes);
                        merged.map_err(|why| QueryError::Source(why.into()))?;
                    }
                }
            }
            _ => {
                let what = format!("the metric `{metric}` is of another type than its schema says");
                return Err(QueryError::Source(what.into()));
            }
        }
        Ok(())
    }

    /// Takes in what others have of their groups, which are these here.
    pub(super) fn merge(
        &mut self,
        groups: &[u32],
        other: &Self,
        metric: &str,
    ) -> Result<(), QueryError> {
        match (self, other) {
            (Self::Sum(sums), Self::Sum(others)) => {
                for (group, other) in groups.iter().zip(others) {
                    sums[*group as usize] += other;
                }
            }
            (Self::Distinct(sketches), Self::Distinct(others)) => {
                for (group, other) in groups.iter().zip(others) {
                    sketches[*group as usize].merge(other);
                }
            }
            (this, Self::Long(others, _)) => {
                this.take(groups, &MetricColumn::Long(others.clone()), metric)?;
            }
            (this, Self::DoubleSum(others)) => {
                this.take(groups, &MetricColumn::Double(others.clone()), metric)?;
            }
            (this, Self::Double(others, _)) => {
                let others = others.iter().map(|other| Some([(*other)?, 0.0]));
                this.take(groups, &MetricColumn::Double(others.collect()), metric)?;
            }
            // Both are of one plan.
            (Self::Sum(_) | Self::Distinct(_), _) | (_, Self::Sum(_) | Self::Distinct(_)) => {}
        }
        Ok(())
    }

    /// The value of a group.
    pub(super) fn finish(&self, group: usize, metric: &str) -> Result<Measure, QueryError> {
        Ok(match self {
            Self::Sum(sums) => match i64::try_from(sums[group]) {
                Ok(sum) => Measure::Long(sum),
                Err(_) => {
                    return Err(QueryError::OutOfRange {
                        metric: metric.to_owned(),
                        sum: sums[group].to_string(),
                    });
                }
            },
            Self::Long(longs, _) => longs[group].map_or(Measure::Null, Measure::Long),
            Self::DoubleSum(sums) => {
                sums[group].map_or(Measure::Null, |[high, low]| Measure::Double(high + low))
            }
            Self::Double(doubles, _) => doubles[group].map_or(Measure::Null, Measure::Double),
            Self::Distinct(sketches) => {
                let sketch = &sketches[group];
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "an estimate is neither negative nor beyond 2^64"
                )]
                let estimate = sketch.estimate().round() as u64;
                Measure::Distinct {
                    estimate,
                    error: sketch.error(),
                }
            }
        })
    }
}

/// The values that there are, each with its group.
fn present<'c, T: Copy>(
    groups: &'c [u32],
    values: &'c [Option<T>],
) -> impl Iterator<Item = (usize, T)> + 'c {
    let rows = groups.iter().zip(values);
    rows.filter_map(|(group, value)| match value {
        Some(value) if *group != NO_GROUP => Some((*group as usize, *value)),
        _ => None,
    })
}

fn add(one: [f64; 2], other: [f64; 2], metric: &str) -> Result<[f64; 2], QueryError> {
    double::add(one, other).ok_or_else(|| QueryError::OutOfRange {
        metric: metric.to_owned(),
        sum: (one[0] + other[0]).to_string(),
    })
}
