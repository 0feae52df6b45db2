//! The naive evaluation: a map.

use std::collections::BTreeMap;

use proptest::prelude::*;
use squall::{Text, Timestamp};
use squall_cube::{
    Event, Granularity, Input, Kind, Metric, MetricColumn, RolledRows, Schema, SegmentFile,
    SegmentReader,
};

use super::sketch;

/// A time, and the dimensions that are not null, by name.
pub(crate) type Key = (i64, BTreeMap<Text, Text>);

/// What is known of a metric.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Known {
    Long(Option<i64>),
    Double(Option<f64>),
    /// A sketch as it is stored: equal for equal sets.
    Distinct(Vec<u8>),
}

/// The rows of a cube, those of one bucket as one. Where nothing is rolled up, `rows` says how
/// many there are of each.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Cube {
    schema: Schema,
    pub(crate) metrics: BTreeMap<Key, Vec<Known>>,
}

impl Cube {
    pub(crate) fn new(schema: &Schema) -> Self {
        Self {
            schema: schema.clone(),
            metrics: BTreeMap::new(),
        }
    }

    pub(crate) fn of(schema: &Schema, events: &[Event]) -> Self {
        let mut cube = Self::new(schema);
        for event in events {
            let time = schema.query.bucket(event.time.millis()).start;
            let dimensions = event.names.iter().zip(&event.dimensions);
            let dimensions = dimensions.filter_map(|(name, value)| {
                let value = value.as_ref()?;
                Some((name.clone(), value.clone()))
            });
            let inputs = schema.metrics.iter().zip(&event.inputs);
            let known = inputs.map(|(metric, input)| known_of(metric.kind, *input));
            cube.add((time, dimensions.collect()), known.collect());
        }
        cube
    }

    fn add(&mut self, key: Key, known: Vec<Known>) {
        let Some(row) = self.metrics.get_mut(&key) else {
            self.metrics.insert(key, known);
            return;
        };
        let metrics = row.iter_mut().zip(known).zip(&self.schema.metrics);
        for ((row, known), metric) in metrics {
            *row = both(metric.kind, row, &known);
        }
    }

    pub(crate) fn add_rows(&mut self, rows: &RolledRows) {
        for row in 0..rows.len() {
            let dimensions = rows.dimensions.iter().filter_map(|column| {
                let value = column.value(row)?;
                Some((column.name.clone(), value.clone()))
            });
            let known = rows.metrics.iter().map(|column| match column {
                MetricColumn::Long(numbers) => Known::Long(numbers[row]),
                MetricColumn::Double(numbers) => {
                    Known::Double(numbers[row].map(|[high, low]| high + low))
                }
                MetricColumn::Distinct(sketches) => Known::Distinct(sketches[row].to_vec()),
            });
            let known = known.collect();
            self.add((rows.times[row], dimensions.collect()), known);
        }
    }

    /// Adds the rows of a file, and looks whether they are in order and where the file says.
    pub(crate) fn add_file(&mut self, reader: &SegmentReader, file: &SegmentFile) {
        let dimensions: Vec<&str> = reader.dimensions().iter().map(Text::as_str).collect();
        assert!(dimensions.is_sorted());
        let metrics: Vec<&str> = reader
            .schema()
            .metrics
            .iter()
            .map(|metric| metric.name.as_str())
            .collect();
        let mut latest: Option<(i64, Vec<Option<Text>>)> = None;
        let mut total = 0;
        for part in &file.parts {
            let mut of_part = 0;
            for group in part.row_groups.clone() {
                let rows = reader.read(group as usize, &dimensions, &metrics).unwrap();
                for row in 0..rows.len() {
                    let values = rows.dimensions.iter();
                    let values = values.map(|column| column.value(row).cloned());
                    let key = (rows.times[row], values.collect());
                    if let Some(latest) = &latest {
                        let ordered = if self.schema.rollup {
                            *latest < key
                        } else {
                            *latest <= key
                        };
                        assert!(ordered, "{latest:?} stands before {key:?}");
                    }
                    latest = Some(key);
                    assert!(part.segment.contains(&rows.times[row]));
                    assert!((part.first..=part.last).contains(&rows.times[row]));
                    assert!(
                        reader
                            .times(group as usize)
                            .unwrap()
                            .contains(&rows.times[row])
                    );
                    for column in &rows.dimensions {
                        let value = column.value(row).map(Text::as_str);
                        assert!(reader.may_have(group as usize, &column.name, value));
                    }
                }
                of_part += rows.len() as u64;
                self.add_rows(&rows);
            }
            assert_eq!(of_part, part.rows);
            total += of_part;
        }
        assert_eq!(total, file.rows);
        let groups = file.parts.iter().map(|part| part.row_groups.len());
        assert_eq!(groups.sum::<usize>(), reader.row_groups());
    }
}

fn known_of(kind: Kind, input: Input) -> Known {
    match (kind, input) {
        (Kind::Count, _) => Known::Long(Some(1)),
        (_, Input::Long(number)) => Known::Long(Some(number)),
        (_, Input::Double(number)) => Known::Double(Some(number)),
        (_, Input::Hash(hash)) => Known::Distinct(sketch::of(&[hash])),
        (Kind::LongSum, Input::None) => Known::Long(Some(0)),
        (Kind::DoubleSum, Input::None) => Known::Double(Some(0.0)),
        (Kind::LongMin | Kind::LongMax, Input::None) => Known::Long(None),
        (Kind::DoubleMin | Kind::DoubleMax, Input::None) => Known::Double(None),
        (Kind::HyperUnique, Input::None) => Known::Distinct(sketch::of(&[])),
    }
}

fn both(kind: Kind, one: &Known, other: &Known) -> Known {
    match (one, other) {
        (Known::Long(None) | Known::Double(None), other) => other.clone(),
        (one, Known::Long(None) | Known::Double(None)) => one.clone(),
        (Known::Long(Some(a)), Known::Long(Some(b))) => Known::Long(Some(match kind {
            Kind::LongMin => *a.min(b),
            Kind::LongMax => *a.max(b),
            _ => a + b,
        })),
        (Known::Double(Some(a)), Known::Double(Some(b))) => Known::Double(Some(match kind {
            Kind::DoubleMin => a.min(*b),
            Kind::DoubleMax => a.max(*b),
            _ => a + b,
        })),
        (Known::Distinct(a), Known::Distinct(b)) => Known::Distinct(sketch::merged(a, b)),
        _ => panic!("{one:?} and {other:?} are of different types"),
    }
}

/// A metric of each kind.
pub(crate) fn metrics() -> Vec<Metric> {
    let kinds = [
        Kind::Count,
        Kind::LongSum,
        Kind::LongMin,
        Kind::LongMax,
        Kind::DoubleSum,
        Kind::DoubleMin,
        Kind::DoubleMax,
        Kind::HyperUnique,
    ];
    let metrics = kinds.into_iter().enumerate().map(|(number, kind)| Metric {
        name: format!("metric.{number}"),
        field: (kind != Kind::Count).then(|| format!("field{number}")),
        kind,
    });
    metrics.collect()
}

pub(crate) fn schema(query: &str, segment: &str, rollup: bool) -> Schema {
    let granularity = |name: &str| -> Granularity { name.parse().unwrap() };
    Schema {
        metrics: metrics(),
        query: granularity(query),
        segment: granularity(segment),
        rollup,
    }
}

/// Events of a few hours around 1970 in which few values come often; each is of one of three
/// sets of dimensions.
pub(crate) fn events(most: usize) -> impl Strategy<Value = Vec<Event>> {
    let sets: [&[&str]; 3] = [
        &["country", "site"],
        &["site", "country", "agent"],
        &["site"],
    ];
    let sets = sets.map(|names| names.iter().map(|name| Text::from(*name)).collect());
    let value = prop_oneof![
        3 => prop::sample::select(vec!["", "a", "b", "a value of more than fifteen bytes"]).prop_map(Some),
        1 => Just(None),
    ];
    let values = prop::array::uniform3(value);
    // Quarters are added without loss.
    let numbers = prop::array::uniform8((0_u8..4, -40_i32..40));
    let event = (0_usize..3, -7_200_000_i64..7_200_000, values, numbers);
    let event = event.prop_map(move |(set, millis, values, numbers)| {
        let names: &std::sync::Arc<[Text]> = &sets[set];
        let values = values.into_iter().take(names.len());
        let inputs = metrics().into_iter().zip(numbers);
        let inputs = inputs.map(|(metric, (some, number))| match metric.kind {
            Kind::Count => Input::None,
            _ if some == 0 => Input::None,
            Kind::LongSum | Kind::LongMin | Kind::LongMax => Input::Long(number.into()),
            Kind::HyperUnique => Input::Hash(number.unsigned_abs().into()),
            _ => Input::Double(f64::from(number) / 4.0),
        });
        Event {
            time: Timestamp::from_millis(millis),
            names: names.clone(),
            dimensions: values.map(|value| value.map(Text::from)).collect(),
            inputs: inputs.collect(),
            raw: None,
        }
    });
    prop::collection::vec(event, 0..most)
}
