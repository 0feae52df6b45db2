//! Generated ad events: ten dimensions of realistic skew, three metrics, one distinct user.

use std::sync::Arc;

use squall::Text;
use squall::Timestamp;
use squall::aggregate::Sketch;
use squall_cube::{Event, Input};

/// The dimensions of an event.
pub const DIMENSIONS: [&str; 10] = [
    "advertiser",
    "campaign",
    "creative",
    "publisher",
    "section",
    "country",
    "device",
    "os",
    "browser",
    "format",
];

/// The spec of the cube; with `users` or without.
pub fn spec(users: bool) -> String {
    let dimensions = DIMENSIONS.map(|name| format!("\"{name}\"")).join(",");
    let distinct = if users {
        r#", {"type":"hyperUnique","name":"users","fieldName":"user"}"#
    } else {
        ""
    };
    format!(
        r#"{{"dimensionsSpec":{{"dimensions":[{dimensions}]}},
        "metricsSpec":[{{"type":"count","name":"impressions"}},
            {{"type":"longSum","name":"clicks","fieldName":"click"}},
            {{"type":"doubleSum","name":"price","fieldName":"price"}}{distinct}],
        "granularitySpec":{{"segmentGranularity":"day","queryGranularity":"hour"}}}}"#
    )
}

/// How many different combinations of dimensions there are: so many rows an hour at most.
const PLACEMENTS: usize = 4_200;

/// How many users there are.
const USERS: usize = 400_000;

/// The events of one hour, in order of time.
pub struct Hour {
    /// With times within the hour.
    pub events: Vec<Event>,
    /// Bytes of all of them as lines of JSON.
    pub json_bytes: usize,
}

impl Hour {
    /// So many events of an hour; with users or without.
    pub fn generate(count: usize, users: bool) -> Self {
        let mut random = fastrand::Rng::with_seed(336);
        let names: Arc<[Text]> = DIMENSIONS.map(Text::from).into();
        let placements: Vec<Box<[Option<Text>]>> =
            (0..PLACEMENTS).map(|_| placement(&mut random)).collect();
        let mut json_bytes = 0;
        let events = (0..count).map(|number| {
            let millis = number * 3_600_000 / count;
            let dimensions = &placements[skewed(&mut random, PLACEMENTS)];
            let click = i64::from(random.u16(0..1_000) < 12);
            let price = f64::from(random.u16(1..500)) / 100_000.0;
            let user = format!(
                "{:08x}",
                skewed(&mut random, USERS) * 2_654_435_761 % 0xffff_ffff
            );
            json_bytes += json_length(dimensions, click, price, &user);
            let mut inputs = vec![Input::None, Input::Long(click), Input::Double(price)];
            if users {
                inputs.push(Input::Hash(Sketch::hash(user.as_bytes())));
            }
            Event {
                time: Timestamp::from_millis(millis as i64),
                names: Arc::clone(&names),
                dimensions: dimensions.clone(),
                inputs: inputs.into(),
                raw: None,
            }
        });
        let events = events.collect();
        Self { events, json_bytes }
    }
}

/// A number below `end`, small ones more often: half of the draws are in the first tenth.
fn skewed(random: &mut fastrand::Rng, end: usize) -> usize {
    let part = random.f64().powf(3.0);
    // Below `end`, since `part` is below 1.
    (part * end as f64) as usize
}

fn placement(random: &mut fastrand::Rng) -> Box<[Option<Text>]> {
    let campaign = skewed(random, 500);
    let value = |text: String| Some(Text::from(text.as_str()));
    Box::new([
        value(format!("advertiser {}", campaign % 50)),
        value(format!("campaign {campaign}")),
        value(format!("creative {}", campaign * 3 + random.usize(0..3))),
        value(format!("publisher-{}.example", skewed(random, 200))),
        value(format!("section {}", skewed(random, 20))),
        (random.u8(0..50) > 0).then(|| format!("C{}", skewed(random, 30)).as_str().into()),
        value(["phone", "desktop", "tablet", "tv"][skewed(random, 4)].to_owned()),
        value(
            ["android", "ios", "windows", "macos", "linux", "tizen"][skewed(random, 6)].to_owned(),
        ),
        value(format!("browser {}", skewed(random, 8))),
        value(["300x250", "728x90", "160x600", "video", "native"][skewed(random, 5)].to_owned()),
    ])
}

/// The bytes of an event as a line of JSON, as it would come from an ad server.
fn json_length(dimensions: &[Option<Text>], click: i64, price: f64, user: &str) -> usize {
    let mut line = String::from(r#"{"timestamp":"2026-03-01T00:00:00.000Z""#);
    for (name, value) in DIMENSIONS.iter().zip(dimensions) {
        match value {
            Some(value) => line.push_str(&format!(r#","{name}":"{value}""#)),
            None => line.push_str(&format!(r#","{name}":null"#)),
        }
    }
    line.push_str(&format!(
        r#","click":{click},"price":{price},"user":"{user}"}}"#
    ));
    line.len() + 1
}
