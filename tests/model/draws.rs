//! How cases are drawn.

use proptest::prelude::*;
use squall::Timestamp;
use squall::testing::SplitStep;
use squall::topology::When;

use super::cases::Draw;
use super::{Case, Click, Shape, Windows};

/// Which keys there are: few at a time, and many over time where others come every so often.
#[derive(Clone, Copy, Debug)]
struct Keys {
    at_a_time: u16,
    /// After so many milliseconds so many are others.
    turn: Option<(i64, u16)>,
}

impl Keys {
    /// The key that `drawn` stands for at this time.
    fn at(self, drawn: u16, at: i64) -> u16 {
        let turned = self.turn.map_or(0, |(every, keys)| {
            at.div_euclid(every).wrapping_mul(i64::from(keys))
        });
        // As many as there are numbers: after some time the first ones come again.
        let turned = u16::try_from(turned.rem_euclid(i64::from(u16::MAX))).unwrap_or(0);
        turned.wrapping_add(drawn % self.at_a_time)
    }
}

fn keys() -> impl Strategy<Value = Keys> {
    let turn = prop::option::of((1_i64..400, 1_u16..60));
    (prop_oneof![3 => 1_u16..7, 1 => 7_u16..60], turn)
        .prop_map(|(at_a_time, turn)| Keys { at_a_time, turn })
}

/// Times of a split: mostly ascending with jitter, some jumps, and gaps over many windows.
fn split() -> impl Strategy<Value = Vec<SplitStep<Click>>> {
    let step = prop_oneof![
        24 => -15_i64..25,
        2 => 200_i64..600,
        1 => 600_i64..40_000_000,
        3 => Just(0),
    ];
    let event = (step, any::<u16>(), prop::bool::weighted(0.95));
    (-300_i64..300, prop::collection::vec(event, 0..40)).prop_map(|(start, events)| {
        let mut at = start;
        let events = events.into_iter().map(|(step, page, emits)| {
            at += step;
            event_at(at, page, emits)
        });
        events.collect()
    })
}

fn event_at(at: i64, page: u16, emits: bool) -> SplitStep<Click> {
    let time = Timestamp::from_millis(at);
    if emits {
        SplitStep::Tuple(time, Click { page, at })
    } else {
        SplitStep::Nothing(time)
    }
}

/// So many counts come of one step of the watermark, at least.
const BURST: i64 = 1_000_000;

/// What makes a case a large one.
#[derive(Clone, Copy, Debug)]
enum Large {
    /// So many windows are open at once, since times come in no order and the lateness allows it.
    Open { windows: i64 },
    /// So many keys are in each of the windows that close in one step, which gives `BURST` counts.
    Burst { keys: u16 },
}

impl Large {
    /// Puts what is large about it into a case.
    fn put_into(self, case: &mut Case, seed: u64) {
        // Over all numbers in an order that has nothing to do with theirs.
        case.idle = None;
        let shift = seed.cast_signed().rem_euclid(1_000);
        let scattered = |number: i64, of: i64| (number * 7_919 + shift) % of;
        match self {
            Self::Open { windows } => {
                let slide = 1 + seed.cast_signed().rem_euclid(50);
                let times = (0..windows).map(|n| scattered(n, windows) * slide);
                let events = times.map(|at| event_at(at, u16::try_from(at % 13).unwrap(), true));
                case.splits.push(events.collect());
                case.lateness = windows * slide;
                case.windows = Windows::Sliding {
                    length: slide * (1 + seed.cast_signed().rem_euclid(3)),
                    slide,
                };
            }
            Self::Burst { keys } => {
                let times = (0..keys).map(|key| event_at(i64::from(key) / 10_000, key, true));
                case.splits.push(times.collect());
                // All keys are in one pane, and so in each window that has it.
                let (slide, panes) = (7, 1 + BURST / i64::from(keys));
                case.windows = Windows::Sliding {
                    length: slide * panes,
                    slide,
                };
                case.places = usize::from(keys / 2);
                case.largest = false;
            }
        }
    }
}

fn large() -> impl Strategy<Value = Large> {
    prop_oneof![
        (10_000_i64..30_000).prop_map(|windows| Large::Open { windows }),
        (4_000_u16..=u16::MAX).prop_map(|keys| Large::Burst { keys }),
    ]
}

/// One draw in 500 is a large one.
pub(super) fn case_of(draw: Draw) -> BoxedStrategy<Case> {
    match draw {
        Draw::Usual => case().boxed(),
        Draw::Large => (case(), large(), any::<u64>())
            .prop_map(|(mut case, large, seed)| {
                large.put_into(&mut case, seed);
                case
            })
            .boxed(),
    }
}

pub(super) fn windows() -> impl Strategy<Value = Windows> {
    prop_oneof![
        6 => (1_i64..60, 1_i64..8).prop_map(|(slide, panes)| Windows::Sliding {
            length: slide * panes,
            slide,
        }),
        1 => Just(Windows::All),
        1 => (1_i64..60).prop_map(|slide| Windows::Running { slide }),
    ]
}

fn when() -> impl Strategy<Value = When> {
    prop_oneof![Just(When::Pays), Just(When::Always), Just(When::Never)]
}

pub(super) fn case() -> impl Strategy<Value = Case> {
    let input = (
        (prop::collection::vec(split(), 0..4), keys()),
        prop::option::weighted(0.2, prop::collection::vec(0_i64..200, 0..5)),
        any::<bool>(),
        prop_oneof![Just(0_i64), 1_i64..40],
        prop_oneof![
            Just(Shape::Straight),
            Just(Shape::Diamond),
            Just(Shape::Join)
        ],
    );
    let job = (
        windows(),
        1_usize..5,
        any::<bool>(),
        prop::array::uniform4(1_usize..4),
    );
    let runtime = (
        prop::collection::vec(1_usize..4, 0..3),
        prop_oneof![Just(1_usize), 2_usize..9, Just(1_024)],
        prop::option::of(1_usize..20),
        (1_u64..40, 0_u64..10),
        (when(), when()),
        prop_oneof![4 => any::<u64>().prop_map(Some), 1 => Just(None)],
    );
    (input, job, runtime).prop_map(|(input, job, runtime)| {
        let ((mut splits, keys), idle, interleaved, lateness, shape) = input;
        for event in splits.iter_mut().flatten() {
            if let SplitStep::Tuple(_, click) = event {
                click.page = keys.at(click.page, click.at);
            }
        }
        let (windows, places, largest, parallelism) = job;
        let (merger_levels, batch_tuples, credit_tuples, spans, whens, seed) = runtime;
        let ((epoch_ms, linger_ms), (combine, chain)) = (spans, whens);
        let times = splits.iter().flatten().filter_map(|event| match event {
            SplitStep::Tuple(time, _) | SplitStep::Nothing(time) => Some(time.millis()),
            SplitStep::Idle | SplitStep::Wait(_) => None,
        });
        let last = times.max().unwrap_or(0);
        let idle = idle.map(|steps| {
            let mut at = last;
            let times = steps.into_iter().map(|step| {
                at += step;
                at
            });
            times.collect()
        });
        Case {
            splits,
            idle,
            interleaved,
            lateness,
            shape,
            windows,
            places,
            largest,
            parallelism,
            merger_levels,
            batch_tuples,
            credit_tuples,
            epoch_ms,
            linger_ms,
            combine,
            chain,
            seed,
        }
    })
}
