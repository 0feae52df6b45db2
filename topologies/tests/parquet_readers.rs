//! The segments of a cube, read by another program.
#![cfg(unix)]

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;

use common::{Folder, json, output, squall};
use serde_json::json;

/// A reader of Parquet that shares no code with ours; from `PyPI`.
const DUCKDB: &str = "duckdb==2.0.1";

/// Sums over all live segments, whose files the manifest names.
const SUMS: &str = r#"
import duckdb, json, sys
folder = sys.argv[1]
manifest = json.load(open(folder + "/manifest.json"))
files = [folder + "/" + name for name in manifest["files"]]
sums = duckdb.sql(f"""
    select campaign, sum(impressions)::bigint, sum(price), min("__time")::varchar, count(*)
    from read_parquet({files}) group by campaign order by campaign nulls first
""").fetchall()
print(json.dumps(sums))
"#;

/// A Python with the reader, made once in the folder of what is built. None, said on one line,
/// where Python or `PyPI` are not there; where `CI=true` says that everything must be, that is a
/// failure.
fn python() -> Option<PathBuf> {
    let environment = Path::new(env!("CARGO_TARGET_TMPDIR")).join("python");
    let python = environment.join("bin/python");
    let has_reader = |python: &Path| {
        let status = Command::new(python).args(["-c", "import duckdb"]).output();
        status.is_ok_and(|output| output.status.success())
    };
    if has_reader(&python) {
        return Some(python);
    }
    let steps = [
        Command::new("python3")
            .args(["-m", "venv"])
            .arg(&environment)
            .output(),
        Command::new(&python)
            .args(["-m", "pip", "install", "--quiet", DUCKDB])
            .output(),
    ];
    if has_reader(&python) {
        return Some(python);
    }
    let said = steps.map(|step| match step {
        Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
        Err(error) => error.to_string(),
    });
    let missing = format!(
        "no Python 3 with venv, or no {DUCKDB} from PyPI: {}",
        said.join(" ")
    );
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{missing}");
    eprintln!("skipped: {missing}");
    None
}

#[test]
fn another_reader_finds_the_same_sums() {
    let Some(python) = python() else { return };
    let spec = json!({
        "dimensionsSpec": { "dimensions": ["campaign", "site"] },
        "metricsSpec": [
            { "type": "count", "name": "impressions" },
            { "type": "doubleSum", "name": "price", "fieldName": "price" },
            { "type": "hyperUnique", "name": "users", "fieldName": "user" },
        ],
        "granularitySpec": { "segmentGranularity": "day", "queryGranularity": "hour" },
    });
    let mut events = String::new();
    let mut random = fastrand::Rng::with_seed(7);
    for number in 0..20_000 {
        let campaign = match random.u8(0..5) {
            0 => json!(null),
            campaign => json!(format!("campaign {campaign}")),
        };
        let event = json!({
            "timestamp": format!("2026-03-{:02}T{:02}:30:00Z", number % 28 + 1, random.u8(0..24)),
            "campaign": campaign,
            "site": format!("site{}", random.u8(0..3)),
            // Eighths have an exact sum, in whatever order they are added.
            "price": f64::from(random.u8(0..80)) / 8.0,
            "user": random.u16(..500),
        });
        events.push_str(&format!("{event}\n"));
    }
    let spec = spec.to_string();
    let files = [
        ("events.ndjson", events.as_bytes()),
        ("spec.json", spec.as_bytes()),
    ];
    let folder = Folder::with(&files);
    let [input, spec, data] = ["events.ndjson", "spec.json", "data"].map(|name| folder.path(name));
    let run = [
        "run",
        "rollup",
        "--spec",
        &spec,
        "--input",
        &input,
        "--data-dir",
        &data,
    ];
    output(&mut squall(&run));

    let query = [
        "query",
        &data,
        "--granularity",
        "all",
        "--by",
        "campaign",
        "--metrics",
        "impressions,price",
        "--json",
    ];
    let ours = json(&output(&mut squall(&query)).0);
    let segments = Path::new(&data).join("segments");
    let theirs = Command::new(python)
        .args(["-c", SUMS])
        .arg(segments)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&theirs.stderr);
    assert!(theirs.status.success(), "{said}");
    let theirs: Vec<serde_json::Value> = serde_json::from_slice(&theirs.stdout).unwrap();
    assert_eq!(ours.len(), 5);
    assert_eq!(theirs.len(), 5);
    for (our, their) in ours.iter().zip(&theirs) {
        let our = json!([our["campaign"], our["impressions"], our["price"]]);
        assert_eq!(our, json!([their[0], their[1], their[2]]));
        assert!(
            their[3]
                .as_str()
                .unwrap()
                .starts_with("2026-03-01 00:00:00"),
            "{their}"
        );
    }
}
