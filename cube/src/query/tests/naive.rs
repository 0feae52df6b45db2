//! Answers against a naive evaluation of the events.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;
use squall::Text;

use super::{HOUR, column, schema};
use crate::query::{AnswerRow, Measure, Query, QueryError, Stored};
use crate::rows::{MetricColumn, RolledRows};
use crate::schema::Kind;
use squall::aggregate::Sketch;

/// An event, and where its row was written.
#[derive(Clone, Debug)]
struct Event {
    time: i64,
    dimensions: [Option<&'static str>; 2],
    hits: i64,
    price: f64,
    user: u64,
    portion: usize,
}

const NAMES: [&str; 2] = ["channel", "city"];
const METRICS: [(&str, Kind); 6] = [
    ("n", Kind::Count),
    ("hits", Kind::LongSum),
    ("least", Kind::LongMin),
    ("greatest", Kind::DoubleMax),
    ("price", Kind::DoubleSum),
    ("users", Kind::HyperUnique),
];
/// A Saturday, before a change of the clocks in Los Angeles.
const START: i64 = 1_425_686_400_000;

fn event() -> impl Strategy<Value = Event> {
    let channel = prop::sample::select(&[None, Some(""), Some("#en"), Some("#de")][..]);
    let city = prop::sample::select(&[None, None, Some("Praha")][..]);
    (
        0..6 * 24 * HOUR,
        (channel, city),
        -5..100_i64,
        -50..500_i32,
        0..40_u64,
        0..5_usize,
    )
        .prop_map(
            |(time, (channel, city), hits, price, user, portion)| Event {
                time: START + time,
                dimensions: [channel, city],
                hits,
                // Exact in binary.
                price: f64::from(price) / 4.0,
                user: user.wrapping_mul(0x9E37_79B9_7F4A_7C15),
                portion,
            },
        )
}

/// What a naive evaluation keeps of a group: all events.
type Grouped<K> = BTreeMap<K, Vec<Event>>;

fn grouped_by<K: Ord>(events: &[Event], key: impl Fn(&Event) -> K) -> Grouped<K> {
    let mut groups: Grouped<K> = BTreeMap::new();
    for event in events {
        groups.entry(key(event)).or_default().push(event.clone());
    }
    groups
}

fn distinct(events: &[Event]) -> BTreeSet<u64> {
    events.iter().map(|event| event.user).collect()
}

fn measures(events: &[Event]) -> Vec<Measure> {
    let users = distinct(events).len() as u64;
    vec![
        Measure::Long(i64::try_from(events.len()).unwrap()),
        Measure::Long(events.iter().map(|event| event.hits).sum()),
        Measure::Long(events.iter().map(|event| event.hits).min().unwrap()),
        Measure::Double(
            events
                .iter()
                .map(|event| event.price)
                .fold(f64::MIN, f64::max),
        ),
        Measure::Double(events.iter().map(|event| event.price).sum()),
        Measure::Distinct {
            estimate: users,
            error: 0.0,
        },
    ]
}

/// Without the errors of estimates.
fn comparable(mut measures: Vec<Measure>) -> Vec<Measure> {
    if let Some(Measure::Distinct { error, .. }) = measures.get_mut(5) {
        *error = 0.0;
    }
    measures
}

/// The events rolled up by the hour; the rows of a portion are together and without order.
fn stored_rows(events: &[Event]) -> Vec<Stored> {
    let schema = schema("hour", "day", &METRICS);
    let portions = grouped_by(events, |event| event.portion).into_values();
    let stored = portions.map(|events| {
        let hour = |event: &Event| event.time - event.time.rem_euclid(HOUR);
        let groups = grouped_by(&events, |event| (event.dimensions, hour(event)));
        let mut rows = RolledRows::default();
        let (mut longs, mut doubles) = (vec![Vec::new(); 3], vec![Vec::new(); 2]);
        let mut sketches = Vec::new();
        for ((_, time), events) in &groups {
            rows.times.push(*time);
            let all = measures(events);
            for (place, column) in longs.iter_mut().enumerate() {
                if let Measure::Long(long) = all[place] {
                    column.push(Some(long));
                }
            }
            let prices = events.iter().map(|event| event.price);
            doubles[0].push(Some([prices.clone().fold(f64::MIN, f64::max), 0.0]));
            doubles[1].push(Some([prices.sum(), 0.0]));
            let mut sketch = Sketch::new();
            for user in distinct(events) {
                sketch.insert_hash(user);
            }
            sketches.push(Arc::from(sketch.to_bytes()));
        }
        for (place, name) in NAMES.iter().enumerate() {
            let values: Vec<_> = groups.keys().map(|(values, _)| values[place]).collect();
            // A column of nulls is not there.
            if values.iter().any(Option::is_some) {
                rows.dimensions.push(column(name, &values));
            }
        }
        rows.metrics
            .extend(longs.into_iter().map(MetricColumn::Long));
        rows.metrics
            .extend(doubles.into_iter().map(MetricColumn::Double));
        rows.metrics.push(MetricColumn::Distinct(sketches));
        Stored::new(Arc::clone(&schema), rows)
    });
    stored.collect()
}

fn any_query() -> impl Strategy<Value = Query> {
    let granularities = [
        "hour",
        "six_hour",
        "day",
        "week",
        "month",
        "all",
        "P1D in America/Los_Angeles",
    ];
    let by = prop::sample::select(vec![vec![], vec![0], vec![1], vec![0, 1], vec![1, 0]]);
    let filter = prop::sample::select(
        &[
            "channel",
            "channel=",
            "channel=#en",
            "city=Praha",
            "city=Brno",
            "city",
        ][..],
    );
    (
        prop::sample::select(granularities.to_vec()),
        by,
        prop::collection::vec(filter, 0..3),
        prop::option::of(0..3 * 24_i64),
        prop::option::of(3 * 24..6 * 24_i64),
        prop::option::of(0..METRICS.len()),
        any::<bool>(),
        prop::option::of(0..10_usize),
    )
        .prop_map(
            |(granularity, by, filters, from, to, order, ascending, limit)| Query {
                granularity: Some(granularity.parse().unwrap()),
                by: by
                    .into_iter()
                    .map(|place: usize| NAMES[place].to_owned())
                    .collect(),
                filters: filters
                    .into_iter()
                    .map(|filter| filter.parse().unwrap())
                    .collect(),
                metrics: Vec::new(),
                from: from.map(|hour| START + hour * HOUR),
                to: to.map(|hour| START + hour * HOUR),
                order: order.map(|place| METRICS[place].0.to_owned()),
                ascending,
                limit,
            },
        )
}

/// The rows of the answer from the events themselves: all of them, in order.
fn naive(query: &Query, events: &[Event]) -> Vec<AnswerRow> {
    let value = |event: &Event, name: &str| {
        event.dimensions[NAMES.iter().position(|other| *other == name).unwrap()]
    };
    let mut events = events.to_vec();
    events.retain(|event| {
        event.time >= query.from.unwrap_or(i64::MIN)
            && event.time < query.to.unwrap_or(i64::MAX)
            && query
                .filters
                .iter()
                .all(|filter| value(event, &filter.dimension) == filter.value.as_deref())
    });
    let first = events
        .iter()
        .map(|event| event.time - event.time.rem_euclid(HOUR))
        .min();
    let granularity = query.granularity.clone().unwrap();
    let groups = grouped_by(&events, |event| {
        let start = granularity.bucket(event.time).start;
        let start = if start == i64::MIN {
            first.unwrap()
        } else {
            start
        };
        let values: Vec<_> = query.by.iter().map(|name| value(event, name)).collect();
        (start, values)
    });
    let mut rows: Vec<AnswerRow> = groups
        .into_iter()
        .map(|((start, values), events)| AnswerRow {
            timestamp: squall::Timestamp::from_millis(start),
            dimensions: values
                .into_iter()
                .map(|value| value.map(Text::from))
                .collect(),
            metrics: measures(&events),
        })
        .collect();
    if let Some(order) = &query.order {
        let place = METRICS.iter().position(|(name, _)| name == order).unwrap();
        // Stable: groups come by time and values.
        rows.sort_by(|one, other| {
            let by_size = one.metrics[place].compare(&other.metrics[place]);
            if query.ascending {
                by_size
            } else {
                by_size.reverse()
            }
        });
    }
    rows.truncate(query.limit.unwrap_or(usize::MAX));
    rows
}

proptest! {
    #[test]
    fn an_answer_is_what_the_events_say(
        events in prop::collection::vec(event(), 1..120), query in any_query(),
    ) {
        let cube = stored_rows(&events);
        match query.run(&cube[..]) {
            Ok(answer) => {
                let rows: Vec<AnswerRow> = answer
                    .rows
                    .into_iter()
                    .map(|row| AnswerRow { metrics: comparable(row.metrics), ..row })
                    .collect();
                prop_assert_eq!(rows, naive(&query, &events));
            }
            Err(QueryError::UnknownDimension { asked, .. }) => {
                let place = NAMES.iter().position(|name| *name == asked).unwrap();
                prop_assert!(events.iter().all(|event| event.dimensions[place].is_none()));
            }
            Err(error) => prop_assert!(false, "{error}"),
        }
    }
}
