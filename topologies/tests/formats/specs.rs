//! Ingestion specs.

use serde_json::Value;

use crate::{by_time, rolled};

#[test]
fn an_interval_may_begin_with_a_period() {
    let spec = by_time("auto").replace(
        "\"queryGranularity\"",
        "\"intervals\":[\"P1D/2020-01-02\"],\"queryGranularity\"",
    );
    let events =
        b"{\"t\":\"2020-01-01T00:00:00Z\",\"d\":\"in\"}\n{\"t\":\"2020-01-02\",\"d\":\"out\"}\n";
    let rows = rolled(&spec, ("a.ndjson", events), &["--by", "d"]).unwrap();
    assert_eq!((rows.len(), &rows[0]["d"]), (1, &Value::from("in")));
}

#[test]
fn a_dimension_may_be_called_timestamp() {
    let events = b"{\"t\":\"2020-01-01T00:00:00Z\",\"timestamp\":\"x\"}\n";
    for dimensions in [r#"["timestamp"]"#, "[]"] {
        let spec = by_time("auto").replace(r#"["d"]"#, dimensions);
        let rows = rolled(&spec, ("a.ndjson", events), &["--by", "timestamp"]).unwrap();
        let row = serde_json::json!({"__time": "2020-01-01T00:00:00Z", "timestamp": "x", "n": 1});
        assert_eq!(rows, [row]);
        let rows = rolled(&spec, ("a.ndjson", events), &[]).unwrap();
        assert_eq!(rows[0]["timestamp"], "2020-01-01T00:00:00Z");
    }
}

#[test]
fn what_a_spec_says_twice_or_cannot_be_followed_is_told_by_its_lines() {
    let event = ("a.ndjson", &b"{\"t\":\"2020\",\"d\":\"x\"}\n"[..]);
    let twice = "{\"timestampSpec\":{\"column\":\"t\"},\n\"timestampSpec\":{\"column\":\"u\"},\n\
                 \"granularitySpec\":{\"queryGranularity\":\"hour\"}}";
    let error = rolled(twice, event, &[]).unwrap_err();
    assert!(
        error.contains("has `timestampSpec` twice, in line 1 and in line 2"),
        "{error}"
    );
    assert!(!error.contains("did you mean"), "{error}");
    let spec = by_time("auto");
    for (member, told) in [
        (
            "\"listDelimiter\":\"|\"",
            "`listDelimiter` is not supported",
        ),
        ("\"skipHeaderRows\":2", "`skipHeaderRows` is not supported"),
        ("\"hasHeaderRow\":false", "`hasHeaderRow` cannot be false"),
    ] {
        let spec = format!(
            "{{\"dataSchema\":{spec},\n\"ioConfig\":{{\"inputFormat\":{{\"type\":\"csv\",\n{member}}}}}}}"
        );
        let error = rolled(&spec, event, &[]).unwrap_err();
        assert!(error.contains(told), "{error}");
        assert!(error.contains("spec.json:5: "), "{error}");
    }
}
