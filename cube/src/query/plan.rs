//! What a query means for a cube, or why it is refused.

use std::collections::BTreeSet;
use std::ops::Range;

use squall::{Text, Timestamp};

use super::error::QueryError;
use super::source::{Portion, RowSource};
use super::{DimensionFilter, Query};
use crate::granularity::Granularity;
use crate::nearest;
use crate::schema::{Kind, Schema, error_name};

/// What is read and what becomes of it.
pub(super) struct Plan {
    /// Of the answer.
    pub granularity: Granularity,
    pub by: Vec<Text>,
    pub filters: Vec<DimensionFilter>,
    /// Those of the answer, and behind them the one that it is ordered by, if it is none of them.
    pub metrics: Vec<Wanted>,
    /// How many of the metrics are in the answer.
    pub shown: usize,
    /// The place of the metric that the answer is ordered by.
    pub order: Option<usize>,
    pub times: Range<i64>,
}

pub(super) struct Wanted {
    pub name: String,
    pub kind: Kind,
    /// Whether it is the number of stored rows, which is stored nowhere.
    pub counts_rows: bool,
}

/// The metric that counts stored rows, where no other one has its name.
const COUNT: &str = "count";

const EVERYTHING: Range<i64> = i64::MIN..i64::MAX;

/// How finely the rows of a schema say when something was: where all of time is one bucket, its
/// segments still tell.
pub(super) fn stored(schema: &Schema) -> &Granularity {
    if schema.query.bucket(0) == EVERYTHING {
        &schema.segment
    } else {
        &schema.query
    }
}

type Portions<'s> = [Box<dyn Portion + 's>];

impl Plan {
    pub(super) fn of(
        query: &Query,
        source: &(impl RowSource + ?Sized),
        portions: &Portions<'_>,
    ) -> Result<Self, QueryError> {
        let times = query.from.unwrap_or(i64::MIN)..query.to.unwrap_or(i64::MAX);
        if times.start >= times.end {
            return Err(QueryError::Empty {
                from: Timestamp::from_millis(times.start),
                to: Timestamp::from_millis(times.end),
            });
        }
        let known = Known::of(portions);
        let names = query.metrics.iter().chain(&query.order);
        let complete = !portions.is_empty()
            && names.clone().all(|name| known.kind(name).is_some())
            && query
                .dimensions()
                .all(|name| known.dimensions.contains(name));
        // What the rows of this time do not have, others may have: then it is null here.
        let all = if complete || times == EVERYTHING {
            None
        } else {
            let all = source.portions(&EVERYTHING).map_err(QueryError::Source)?;
            Some(Known::of(&all))
        };
        let granularity = granularity(query, &known, all.as_ref())?;
        for (name, moment) in [("from", query.from), ("to", query.to)] {
            let granularities = all.as_ref().unwrap_or(&known).granularities.iter();
            for stored in granularities {
                check_bound(name, moment, stored, source)?;
            }
        }
        let any = all.as_ref().unwrap_or(&known);
        for name in query.dimensions() {
            if !any.dimensions.contains(name) && !any.is_empty {
                let names: Vec<&str> = any.dimensions.iter().map(Text::as_str).collect();
                return Err(QueryError::UnknownDimension {
                    asked: name.to_owned(),
                    hint: nearest::hint(name, &names),
                });
            }
        }
        let stored = if known.metrics.is_empty() {
            any
        } else {
            &known
        };
        let stored = stored.metrics.iter().map(|(name, _)| name);
        let names: Vec<&String> = if query.metrics.is_empty() {
            stored.collect()
        } else {
            query.metrics.iter().collect()
        };
        let metrics = names.into_iter().map(|name| any.wanted(&known, name));
        let mut metrics = metrics.collect::<Result<Vec<_>, _>>()?;
        let shown = metrics.len();
        check_names(query, &metrics)?;
        let place = |name: &String| metrics.iter().position(|metric| metric.name == *name);
        let order = match query.order.as_ref().map(|name| (name, place(name))) {
            None => None,
            Some((_, Some(place))) => Some(place),
            Some((name, None)) => {
                metrics.push(any.wanted(&known, name)?);
                Some(shown)
            }
        };
        Ok(Self {
            granularity,
            by: query.by.iter().map(|name| name.as_str().into()).collect(),
            filters: query.filters.clone(),
            metrics,
            shown,
            order,
            times,
        })
    }

    /// Whether stored rows are counted, for which all of their dimensions are needed.
    pub(super) fn counts_rows(&self) -> bool {
        self.metrics.iter().any(|metric| metric.counts_rows)
    }
}

impl Query {
    /// All dimensions that it names.
    fn dimensions(&self) -> impl Iterator<Item = &str> {
        let filtered = self.filters.iter().map(|filter| filter.dimension.as_str());
        self.by.iter().map(String::as_str).chain(filtered)
    }
}

impl Wanted {
    fn stored(name: &str, kind: Kind) -> Self {
        Self {
            name: name.to_owned(),
            kind,
            counts_rows: false,
        }
    }
}

/// Each name is there once in a row of the answer.
fn check_names(query: &Query, metrics: &[Wanted]) -> Result<(), QueryError> {
    let mut names = BTreeSet::new();
    let errors = metrics
        .iter()
        .filter(|metric| metric.kind == Kind::HyperUnique);
    let errors = errors.map(|metric| error_name(&metric.name));
    let metrics = metrics.iter().map(|metric| metric.name.clone());
    for name in query.by.iter().cloned().chain(metrics).chain(errors) {
        if !names.insert(name.clone()) {
            return Err(QueryError::SameName(name));
        }
    }
    Ok(())
}

fn granularity(
    query: &Query,
    known: &Known,
    all: Option<&Known>,
) -> Result<Granularity, QueryError> {
    let mut stored = known.granularities.iter();
    if let Some(asked) = &query.granularity {
        let finer = stored.find(|stored| !asked.holds(stored));
        return match finer {
            Some(stored) => Err(QueryError::Finer {
                asked: asked.to_string(),
                stored: stored.to_string(),
            }),
            None => Ok(asked.clone()),
        };
    }
    match (stored.next(), stored.next()) {
        (Some(one), Some(other)) => Err(QueryError::SeveralGranularities {
            one: one.to_string(),
            other: other.to_string(),
        }),
        (Some(one), None) => Ok(one.clone()),
        (None, _) => {
            let any = all.and_then(|all| all.granularities.first());
            // Of no rows each granularity is as good.
            Ok(any.cloned().unwrap_or_else(Granularity::all))
        }
    }
}

/// A bound must be where a stored bucket begins, if there may be rows in the bucket.
fn check_bound(
    bound: &'static str,
    moment: Option<i64>,
    stored: &Granularity,
    source: &(impl RowSource + ?Sized),
) -> Result<(), QueryError> {
    let Some(moment) = moment else {
        return Ok(());
    };
    let bucket = stored.bucket(moment);
    if bucket.start == moment {
        return Ok(());
    }
    let portions = source.portions(&bucket).map_err(QueryError::Source)?;
    let mut portions = portions.iter();
    if !portions.any(|portion| super::plan::stored(portion.schema()) == stored) {
        return Ok(());
    }
    let [start, end] = [bucket.start, bucket.end].map(Timestamp::from_millis);
    Err(QueryError::Within {
        bound,
        moment: Timestamp::from_millis(moment),
        stored: stored.to_string(),
        hint: if bucket == EVERYTHING {
            "leave it out".to_owned()
        } else {
            format!("give {start} or {end}")
        },
    })
}

/// What there is in some portions.
struct Known {
    is_empty: bool,
    granularities: Vec<Granularity>,
    dimensions: BTreeSet<Text>,
    metrics: Vec<(String, Kind)>,
    conflict: Vec<(String, Kind, Kind)>,
}

impl Known {
    fn of(portions: &Portions<'_>) -> Self {
        let mut known = Self {
            is_empty: portions.is_empty(),
            granularities: Vec::new(),
            dimensions: BTreeSet::new(),
            metrics: Vec::new(),
            conflict: Vec::new(),
        };
        let mut latest: Option<&Schema> = None;
        for portion in portions {
            for name in portion.dimensions() {
                if !known.dimensions.contains(name) {
                    known.dimensions.insert(name.clone());
                }
            }
            let schema = portion.schema();
            if latest == Some(schema) {
                continue;
            }
            latest = Some(schema);
            let granularity = stored(schema);
            if !known.granularities.contains(granularity) {
                known.granularities.push(granularity.clone());
            }
            for metric in &schema.metrics {
                match known.kind(&metric.name) {
                    None => known.metrics.push((metric.name.clone(), metric.kind)),
                    Some(kind) if kind == metric.kind => {}
                    Some(kind) => {
                        let conflict = (metric.name.clone(), kind, metric.kind);
                        known.conflict.push(conflict);
                    }
                }
            }
        }
        known
    }

    fn kind(&self, name: &str) -> Option<Kind> {
        let found = self.metrics.iter().find(|(metric, _)| metric == name);
        found.map(|(_, kind)| *kind)
    }

    /// A metric by its name, as it is in the rows that are asked for, or else in any.
    fn wanted(&self, asked_for: &Self, name: &str) -> Result<Wanted, QueryError> {
        let conflict = asked_for
            .conflict
            .iter()
            .find(|(metric, ..)| metric == name);
        if let Some((metric, one, other)) = conflict {
            return Err(QueryError::Kinds {
                metric: metric.clone(),
                one: one.to_string(),
                other: other.to_string(),
            });
        }
        if let Some(kind) = asked_for.kind(name).or_else(|| self.kind(name)) {
            return Ok(Wanted::stored(name, kind));
        }
        if name == COUNT || self.is_empty {
            return Ok(Wanted {
                name: name.to_owned(),
                kind: Kind::Count,
                counts_rows: true,
            });
        }
        let names: Vec<&str> = self.metrics.iter().map(|(name, _)| name.as_str()).collect();
        Err(QueryError::UnknownMetric {
            asked: name.to_owned(),
            hint: nearest::hint(name, &names),
        })
    }
}
