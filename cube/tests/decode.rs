//! Records become events as a spec says.

mod common;

use std::collections::HashMap;
use std::io::Cursor;

use common::{WIKITICKER, decoder, events, wikiticker};
use squall::connectors::files::Format;
use squall_cube::{Event, EventDecoder, Input};

/// An event in one line: time, dimensions, inputs.
fn line(event: &Event) -> String {
    let dimensions = event.names.iter().zip(&event.dimensions);
    let dimensions: Vec<_> = dimensions
        .map(|(name, value)| match value {
            Some(value) => format!("{name}={value:?}"),
            None => format!("{name} null"),
        })
        .collect();
    let inputs: Vec<_> = event
        .inputs
        .iter()
        .map(|input| match input {
            Input::None => "-".to_owned(),
            Input::Long(long) => long.to_string(),
            Input::Double(double) => format!("{double:?}"),
            Input::Hash(_) => "#".to_owned(),
        })
        .collect();
    let time = event.time;
    format!("{time} | {} | {}", dimensions.join(", "), inputs.join(" "))
}

fn lines(decoder: &mut EventDecoder, format: Format, input: &str) -> Vec<String> {
    let events = events(decoder, format, Cursor::new(input.to_owned().into_bytes()));
    let lines = events.into_iter().map(|event| match event {
        Ok(event) => line(&event),
        Err(error) => error.to_string(),
    });
    lines.collect()
}

const NUMBERS: &str = r#"{
    "dimensionsSpec": {"dimensions": ["web", {"name": "size", "type": "long"},
        {"name": "weight", "type": "double"}]},
    "metricsSpec": [
        {"type": "count", "name": "n"},
        {"type": "longSum", "name": "hits", "fieldName": "hits"},
        {"type": "doubleSum", "name": "price", "fieldName": "price"},
        {"type": "hyperUnique", "name": "users", "fieldName": "user"}
    ],
    "granularitySpec": {"queryGranularity": "hour", "intervals": ["2015/2016"]}
}"#;

#[test]
fn values_are_read_as_the_spec_says() {
    let input = r#"{"timestamp":"2015-03-20T18:50:00Z","web":"a","size":5,"weight":0.50,"hits":3,"price":0.17,"user":"u"}
{"timestamp":1426877400000,"web":"","size":"5.0","weight":"5e-1","hits":"3.0","price":"0.17","user":7}
{"timestamp":"1426877400000","web":null,"hits":3e2,"price":null,"user":""}
{"timestamp":"2015-03-20","web":true,"hits":"","price":-0.0,"user":null}
{"timestamp":"2015-03-20 01:00","web":1.0,"hits":-9223372036854775808}
"#;
    let expected = [
        r#"2015-03-20T18:50:00Z | web="a", size="5", weight="0.5" | - 3 0.17 #"#,
        r#"2015-03-20T18:50:00Z | web="", size="5", weight="0.5" | - 3 0.17 #"#,
        "2015-03-20T18:50:00Z | web null, size null, weight null | - 300 - #",
        r#"2015-03-20T00:00:00Z | web="true", size null, weight null | - - 0.0 -"#,
        r#"2015-03-20T01:00:00Z | web="1.0", size null, weight null | - -9223372036854775808 - -"#,
    ];
    assert_eq!(
        lines(&mut decoder(NUMBERS), Format::NdJson, input),
        expected
    );
}

#[test]
fn a_whole_number_of_64_bits_is_read_however_it_is_written() {
    let table = [
        ("1e16", 10_000_000_000_000_000),
        ("1e17", 100_000_000_000_000_000),
        ("9e18", 9_000_000_000_000_000_000),
        ("\"1e18\"", 1_000_000_000_000_000_000),
        ("1.2345678901234567E16", 12_345_678_901_234_567),
        ("12345678.9E9", 12_345_678_900_000_000),
        ("1234567890123456789e0", 1_234_567_890_123_456_789),
        ("1000000000000000000.0", 1_000_000_000_000_000_000),
        ("9223372036854775807.000", i64::MAX),
        ("-9.223372036854775808e+18", i64::MIN),
        ("90071992547409930e-1", 9_007_199_254_740_993),
        ("-0.0", 0),
        ("0e999", 0),
    ];
    for (written, long) in table {
        let input =
            format!("{{\"timestamp\":\"2015-03-20\",\"hits\":{written},\"size\":{written}}}\n");
        let found = lines(&mut decoder(NUMBERS), Format::NdJson, &input);
        let expected =
            format!("2015-03-20T00:00:00Z | web null, size=\"{long}\", weight null | - {long} - -");
        assert_eq!(found, [expected], "{written}");
    }
}

#[test]
fn csv_columns_that_are_empty_or_not_there_are_null() {
    let input = "timestamp,web,hits,price\n2015-03-20T18:50:00Z,,3,.5\n2015-03-20T18:50:00Z,a,,\n";
    let expected = [
        "2015-03-20T18:50:00Z | web null, size null, weight null | - 3 0.5 -",
        r#"2015-03-20T18:50:00Z | web="a", size null, weight null | - - - -"#,
    ];
    assert_eq!(lines(&mut decoder(NUMBERS), Format::Csv, input), expected);
}

#[test]
fn what_is_no_event_says_why() {
    let table = [
        (
            r#""price":"abc""#,
            "`abc` in `price` is not a number; the metric `price` takes in numbers",
        ),
        (r#""price":true"#, "`true` in `price` is not a number"),
        (r#""price":"NaN""#, "`NaN` in `price` is not a number"),
        (r#""price":1e999"#, "`1e999` in `price` is out of range"),
        (
            r#""hits":3.7"#,
            "`3.7` in `hits` is not whole; the metric `hits` takes in whole numbers",
        ),
        (r#""hits":9223372036854775808"#, "is out of range"),
        (r#""hits":9.3e18"#, "is out of range"),
        (r#""hits":1e999"#, "is out of range"),
        (r#""hits":-1e2000"#, "is out of range"),
        (r#""hits":1.5e-2000"#, "is not whole"),
        (r#""hits":12345678901234567.89E1"#, "is not whole"),
        (
            r#""hits":3.70000000000000000000000000000000000000001"#,
            "is not whole",
        ),
        (r#""hits":"1e""#, "is not a number"),
        (r#""hits":"inf""#, "is not a number"),
        (r#""hits":"1_000""#, "is not a number"),
        (r#""hits":[1]"#, "`hits` is an array"),
        (r#""web":{"a":1}"#, "`web` is an object"),
        (
            r#""size":"big""#,
            "`big` in the dimension `size` is not a number",
        ),
        (
            r#""size":1.5"#,
            "`1.5` in the dimension `size` is not whole",
        ),
    ];
    for (field, part) in table {
        let input = format!("{{\"timestamp\":\"2015-03-20\",{field}}}\n");
        let found = lines(&mut decoder(NUMBERS), Format::NdJson, &input);
        assert!(found[0].contains(part), "{field}: {found:?}");
    }
    let times = [
        ("{}", "the event has no time: `timestamp` is null or absent"),
        (r#"{"timestamp":null}"#, "the event has no time"),
        (
            r#"{"timestamp":"now"}"#,
            "`now` is not a time of the format auto",
        ),
        (
            r#"{"timestamp":"2016-01-01"}"#,
            "the event's time 2016-01-01T00:00:00Z is in none of the intervals",
        ),
    ];
    for (input, part) in times {
        let found = lines(&mut decoder(NUMBERS), Format::NdJson, input);
        assert!(found[0].contains(part), "{input}: {found:?}");
    }
}

#[test]
fn a_missing_time_may_have_a_value() {
    let spec = r#"{"timestampSpec":{"missingValue":"2015-03-20"},"granularitySpec":{}}"#;
    let found = lines(&mut decoder(spec), Format::NdJson, "{\"a\":1}\n");
    assert_eq!(found, [r#"2015-03-20T00:00:00Z | a="1" | "#]);
}

#[test]
fn dimensions_are_discovered() {
    let spec = r#"{
        "dimensionsSpec": {"dimensionExclusions": ["secret"]},
        "metricsSpec": [
            {"type": "count", "name": "n"},
            {"type": "longSum", "name": "hits", "fieldName": "clicks"}
        ],
        "granularitySpec": {}
    }"#;
    let input = r#"{"timestamp":0,"web":"a","clicks":1,"hits":5,"n":6,"secret":{"s":[]},"list":null}
{"size":5,"timestamp":1,"web":null}
{"timestamp":2,"list":"x"}
"#;
    let expected = [
        r#"1970-01-01T00:00:00Z | web="a", list null | - 1"#,
        r#"1970-01-01T00:00:00.001Z | web null, list null, size="5" | - -"#,
        r#"1970-01-01T00:00:00.002Z | web null, list="x", size null | - -"#,
    ];
    assert_eq!(lines(&mut decoder(spec), Format::NdJson, input), expected);

    let reserved = lines(
        &mut decoder(spec),
        Format::NdJson,
        "{\"timestamp\":0,\"__time\":1}",
    );
    assert!(
        reserved[0].contains("`__time` cannot be a dimension"),
        "{reserved:?}"
    );
    let other = r#"{
        "timestampSpec": {"column": "time"},
        "metricsSpec": [{"type": "hyperUnique", "name": "u", "fieldName": "user"}],
        "granularitySpec": {}
    }"#;
    for name in ["__time", "u_error"] {
        let input = format!("{{\"time\":0,\"{name}\":1}}");
        let found = lines(&mut decoder(other), Format::NdJson, &input);
        let part = format!("`{name}` cannot be a dimension");
        assert!(found[0].contains(&part), "{found:?}");
    }
    let many: Vec<_> = (0..=EventDecoder::MAX_DISCOVERED)
        .map(|place| format!("\"f{place}\":0"))
        .collect();
    let many = lines(
        &mut decoder(spec),
        Format::NdJson,
        &format!("{{\"timestamp\":0,{}}}", many.join(",")),
    );
    assert!(
        many[0].contains("one dimension too many (at most 1000)"),
        "{many:?}"
    );
}

#[test]
fn nothing_that_might_be_a_dimension_vanishes() {
    let input = r#"{"timestamp":0,"a":"x","tags":["p","q"]}
{"timestamp":0,"a":"x","o":{"k":1}}
{"timestamp":0,"a":[]}
{"timestamp":0,"a":"x"}
"#;
    let mut discovering = decoder(r#"{"granularitySpec": {}}"#);
    let found = lines(&mut discovering, Format::NdJson, input);
    let what = "which cannot be a dimension: name it in `dimensionExclusions` to leave it out, \
                or list the `dimensions`";
    let expected = [
        format!("`tags` is an array, {what}"),
        format!("`o` is an object, {what}"),
        format!("`a` is an array, {what}"),
        r#"1970-01-01T00:00:00Z | a="x" | "#.to_owned(),
    ];
    assert_eq!(found, expected);
}

#[test]
fn what_is_archived_of_a_record_is_the_same_event() {
    let listed = r#"{
        "dimensionsSpec": {"dimensions": ["a", {"name": "size", "type": "long"}]},
        "metricsSpec": [
            {"type": "hyperUnique", "name": "users", "fieldName": "user"},
            {"type": "doubleSum", "name": "price", "fieldName": "price"}
        ],
        "granularitySpec": {}
    }"#;
    let discovered = r#"{"granularitySpec": {}}"#;
    let csv = "timestamp,a,user,a,size,price,o.k\n2015-03-02,x,u1,y,5.0,.5,1\n2015-03-02,,,z,,,\n\
        2015-03-02,\"\",u2,,\" 7\",1e3,\n1426877400000,\" \",\"\"\"\n\t\u{1}\",,+1,-0,null\n";
    let json = "{\"timestamp\":\"2015-03-02\",\"a\":\"\",\"user\":null,\"price\":1.0}\r\n \
        {\"timestamp\":0,\"a\":1,\"a\":1e2,\"user\":\"\\n\",\"size\":\"\"} \n";
    for spec in [listed, discovered] {
        for (format, input) in [(Format::Csv, csv), (Format::NdJson, json)] {
            let mut keeping = decoder(spec).keep_raw();
            let events = events_of(&mut keeping, format, input);
            let raw = events.iter().map(|event| event.raw.as_deref().unwrap());
            let archived: Vec<_> = raw.flat_map(|line| [line, "\n"]).collect();
            let again = events_of(
                &mut decoder(spec).keep_raw(),
                Format::NdJson,
                &archived.concat(),
            );
            assert_eq!(again, events);
        }
    }
    // An empty cell is null, and is not the empty string that JSON may have.
    let events = events_of(&mut decoder(listed).keep_raw(), Format::Csv, csv);
    let raw = events[1].raw.as_deref();
    let expected =
        r#"{"timestamp":"2015-03-02","a":null,"user":null,"size":null,"price":null,"o.k":null}"#;
    assert_eq!((&events[1].dimensions[0], raw), (&None, Some(expected)));
}

fn events_of(decoder: &mut EventDecoder, format: Format, input: &str) -> Vec<Event> {
    let events = events(decoder, format, Cursor::new(input.to_owned().into_bytes()));
    events.into_iter().map(Result::unwrap).collect()
}

#[test]
fn the_nine_events_of_the_document() {
    let spec = r#"{
        "dimensionsSpec": {"dimensions": ["campaignId", "web", "browser"]},
        "aggregators": [{"type": "count", "name": "impressions"}],
        "granularitySpec": {"type": "uniform", "segmentGranularity": "day", "queryGranularity": "hour"}
    }"#;
    let events = [
        ("18:50:00", 36_708),
        ("18:51:09", 36_708),
        ("18:51:12", 36_708),
        ("18:51:35", 36_708),
        ("18:51:35", 13_650),
        ("18:51:35", 13_650),
        ("19:14:27", 36_708),
        ("19:15:38", 36_708),
        ("19:16:01", 36_708),
    ];
    let input: String = events
        .iter()
        .map(|(time, campaign)| {
            format!("{{\"timestamp\":\"2015-03-20T{time}Z\",\"campaignId\":\"{campaign}\",\"web\":\"csfd.cz\",\"browser\":\"Chrome\"}}\n")
        })
        .collect();
    let found = lines(&mut decoder(spec), Format::NdJson, &input);
    let expected = events.map(|(time, campaign)| {
        format!("2015-03-20T{time}Z | campaignId=\"{campaign}\", web=\"csfd.cz\", browser=\"Chrome\" | -")
    });
    assert_eq!(found, expected);
}

#[test]
fn equal_values_have_equal_hashes_and_others_have_others() {
    let spec = r#"{"metricsSpec":[{"type":"hyperUnique","name":"u","fieldName":"user"}],"granularitySpec":{}}"#;
    let input = "{\"timestamp\":0,\"user\":\"7\"}\n{\"timestamp\":0,\"user\":7}\n{\"timestamp\":0,\"user\":\"\"}\n";
    let events = events(&mut decoder(spec), Format::NdJson, input.as_bytes());
    let hashes: Vec<_> = events
        .into_iter()
        .map(|event| event.unwrap().inputs[0])
        .collect();
    assert_eq!(hashes[0], hashes[1]);
    assert_ne!(hashes[0], hashes[2]);
}

#[test]
fn wikiticker_is_decoded_as_the_answers_say() {
    let Some((events, answers)) = wikiticker(&mut decoder(WIKITICKER)) else {
        return;
    };
    assert_eq!(events.len(), 39_244);
    assert_eq!(answers["rows"], events.len());
    assert_eq!(events[0].names.len(), 15);
    let channel = events[0]
        .names
        .iter()
        .position(|name| *name == "channel")
        .unwrap();

    let mut hours: HashMap<String, (i64, i64, i64)> = HashMap::new();
    let mut channels: HashMap<String, i64> = HashMap::new();
    for event in &events {
        let hour = hours
            .entry(event.time.to_string()[..13].to_owned())
            .or_default();
        let [
            _,
            Input::Long(added),
            Input::Long(deleted),
            _,
            Input::Hash(_),
        ] = *event.inputs
        else {
            panic!("{event:?}");
        };
        *hour = (hour.0 + 1, hour.1 + added, hour.2 + deleted);
        let channel = event.dimensions[channel].as_deref().unwrap();
        *channels.entry(channel.to_owned()).or_default() += 1;
    }
    let expected = answers["hourly"].as_array().unwrap();
    assert_eq!(hours.len(), expected.len());
    for hour in expected {
        let (count, added, deleted) = hours[hour["group"][0].as_str().unwrap()];
        assert_eq!(hour["count"], count);
        assert_eq!(hour["added"], added);
        assert_eq!(hour["deleted"], deleted);
    }
    let expected = answers["by_channel"].as_array().unwrap();
    assert_eq!(channels.len(), expected.len());
    for pair in expected {
        assert_eq!(pair[1], channels[pair[0].as_str().unwrap()]);
    }
}
