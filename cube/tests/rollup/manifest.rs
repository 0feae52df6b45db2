//! What other tools read.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;
use squall::testing::{Fault, sink_contract};
use squall::{millis, secs};
use squall_cube::{Compacting, CubeManifest, Listing, SegmentFile};

use super::model::schema;
use super::stories::{clicks, of_clicks};
use super::{Place, Way, run};

fn listing(commit: u64, names: &[&str]) -> Listing {
    let schema = schema("hour", "day", true);
    let file = SegmentFile {
        level: 0,
        schema: schema.id(),
        rows: commit,
        bytes: 1,
        checksum: "0".repeat(16),
        parts: Vec::new(),
    };
    let files = names.iter().map(|name| ((*name).to_owned(), file.clone()));
    Listing {
        commit,
        schemas: BTreeMap::from([(schema.id(), schema.clone())]),
        files: files.collect(),
    }
}

#[test]
fn the_manifest_keeps_the_contract_of_sinks() {
    let content = sink_contract(
        || Ok(tempfile::tempdir()?),
        |folder| CubeManifest::new(folder.path()),
        |folder| match std::fs::read_to_string(folder.path().join("manifest.json")) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
            read => Ok(read?),
        },
        &[
            vec![listing(1, &["a"])],
            vec![],
            vec![listing(2, &["a", "b"]), listing(3, &["b"])],
            vec![listing(4, &["c"])],
        ],
    );
    let content: Json = serde_json::from_str(&content.unwrap()).unwrap();
    assert_eq!(content["commit"], 4);
    assert_eq!(content["files"]["c"]["rows"], 4);
}

#[test]
fn the_manifest_names_the_files_of_the_cube() {
    for point in [
        "segments.written",
        "segments.swapped",
        "deliver",
        "delivered",
        "committed",
    ] {
        let place = Place::new();
        let way = Way {
            compacting: Compacting {
                files: 3,
                own_rows: 0,
                at_once: true,
                keep: millis(2),
            },
            faults: vec![(point, 4, Fault::Kill)],
            ..Way::default()
        };
        run(&of_clicks(), &clicks(30, 20), &way, &place);
        let text = std::fs::read_to_string(place.folder().join("manifest.json")).unwrap();
        let manifest: Json = serde_json::from_str(&text).unwrap();
        let files: BTreeMap<String, SegmentFile> =
            serde_json::from_value(manifest["files"].clone()).unwrap();
        assert_eq!(files, place.files().into_iter().collect());
        let schemas: BTreeSet<&String> = manifest["schemas"].as_object().unwrap().keys().collect();
        assert_eq!(schemas, [&of_clicks().id()].into());
    }
}

/// Who has read a manifest has a while to read its files.
#[test]
fn retired_files_stay_for_a_while() {
    let place = Place::new();
    let way = Way {
        compacting: Compacting {
            files: 3,
            own_rows: 0,
            at_once: true,
            keep: secs(60),
        },
        ..Way::default()
    };
    run(&of_clicks(), &clicks(30, 20), &way, &place);
    let retired: BTreeSet<String> = place.retired().into_iter().collect();
    assert!(retired.len() > 20, "{}", retired.len());
    let files = place.files().into_iter().map(|(name, _)| name);
    let all: BTreeSet<String> = files.chain(retired).collect();
    assert_eq!(place.on_disk().into_iter().collect::<BTreeSet<_>>(), all);
    // Nothing is lost or doubled where the same run goes on.
    run(&of_clicks(), &[], &way, &place);
    assert_eq!(
        place.cube(&of_clicks()),
        super::model::Cube::of(&of_clicks(), &clicks(30, 20))
    );
}
