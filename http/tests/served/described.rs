//! The book's table and the dashboard name the metrics that are served.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;
use squall_http::described;

use crate::Result;

fn read(path: &str) -> Result<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let path = root.join(path);
    fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()).into())
}

#[test]
fn the_table_of_the_book_is_what_is_served() -> Result {
    let book = read("docs/metrics.md")?;
    let rows = book.lines().filter(|line| line.starts_with("| `squall_"));
    let rows: Vec<&str> = rows.collect();
    let served = described().map(|metric| {
        let labels = metric.labels.join(", ");
        let (name, kind, help) = (metric.name, metric.kind, metric.help);
        format!("| `{name}` | {kind} | {labels} | {help} |")
    });
    let served: Vec<String> = served.collect();
    assert_eq!(
        rows,
        served,
        "the rows that are right:\n{}",
        served.join("\n")
    );
    Ok(())
}

/// All names that begin as ours in a query of Prometheus.
fn metrics(expression: &str) -> impl Iterator<Item = &str> {
    let words = expression.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    words.filter(|word| word.starts_with("squall_"))
}

/// Collects the queries of a dashboard, wherever they are.
fn queries<'d>(value: &'d Value, found: &mut Vec<&'d str>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                if name == "expr" || name == "query" {
                    found.extend(value.as_str());
                }
                queries(value, found);
            }
        }
        Value::Array(values) => values.iter().for_each(|value| queries(value, found)),
        _ => {}
    }
}

#[test]
fn the_dashboard_asks_for_what_is_served_and_for_all_of_it() -> Result {
    let dashboard: Value = serde_json::from_str(&read("docs/grafana.json")?)?;
    let mut found = Vec::new();
    queries(&dashboard, &mut found);
    assert!(found.len() > 10, "{found:?}");
    let mut asked = BTreeSet::new();
    for metric in found.iter().flat_map(|query| metrics(query)) {
        let ends = ["_bucket", "_count", "_sum"];
        let family = ends.iter().find_map(|end| metric.strip_suffix(end));
        let is = |name: &str, kind: Option<&str>| {
            described()
                .any(|metric| metric.name == name && kind.is_none_or(|kind| metric.kind == kind))
        };
        let of_histogram = family.is_some_and(|family| is(family, Some("histogram")));
        assert!(of_histogram || is(metric, None), "{metric} is not served");
        asked.insert(if of_histogram {
            family.unwrap_or(metric)
        } else {
            metric
        });
    }
    for metric in described() {
        let name = metric.name.as_str();
        assert!(asked.contains(name), "{name} is in no panel");
    }
    Ok(())
}

#[test]
fn panels_lie_beside_each_other() -> Result {
    let dashboard: Value = serde_json::from_str(&read("docs/grafana.json")?)?;
    let panels = dashboard["panels"].as_array().ok_or("no panels")?;
    let mut cells = BTreeSet::new();
    for panel in panels {
        let at = |name: &str| panel["gridPos"][name].as_u64().ok_or("no place");
        let (x, y, w, h) = (at("x")?, at("y")?, at("w")?, at("h")?);
        assert!(x + w <= 24, "{}", panel["title"]);
        for cell in (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y))) {
            assert!(cells.insert(cell), "{} lies over another", panel["title"]);
        }
    }
    Ok(())
}
