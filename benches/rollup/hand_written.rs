//! The rollup as a loop over a hash map, on one thread.

use ahash::AHashMap;
use squall::Text;
use squall::aggregate::Sketch;
use squall_cube::{Event, Input};

const HOUR_MS: i64 = 3_600_000;

/// A row.
#[derive(Default)]
pub struct Metrics {
    pub impressions: u64,
    pub clicks: i64,
    pub price: f64,
    pub users: Option<Sketch>,
}

/// The rows by hour and dimensions.
pub type RolledRows = AHashMap<i64, AHashMap<Box<[Option<Text>]>, Metrics>>;

/// Takes an event in.
pub fn roll_up(event: &Event, rows: &mut RolledRows) {
    let rows = rows.entry(event.time.millis() / HOUR_MS).or_default();
    let metrics = match rows.get_mut(&*event.dimensions) {
        Some(metrics) => metrics,
        None => rows.entry(event.dimensions.clone()).or_default(),
    };
    metrics.impressions += 1;
    for input in &event.inputs {
        match input {
            Input::None => {}
            Input::Long(click) => metrics.clicks += click,
            Input::Double(price) => metrics.price += price,
            Input::Hash(user) => {
                let users = metrics.users.get_or_insert_with(Sketch::new);
                users.insert_hash(*user);
            }
        }
    }
}
