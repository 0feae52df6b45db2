//! Files of segments whose checksum is right and whose content is not.
#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use squall_cube::{SegmentFile, SegmentReader};
use xxhash_rust::xxh3::xxh3_64;

/// One file for each process, written again and again.
static PATH: LazyLock<PathBuf> = LazyLock::new(|| {
    let memory = PathBuf::from("/dev/shm");
    let folder = if memory.is_dir() {
        memory
    } else {
        std::env::temp_dir()
    };
    folder.join(format!("squall-fuzz-{}.parquet", std::process::id()))
});

/// The reader makes errors of what the library of Parquet panics at; libFuzzer would end at any panic.
static PANICS: LazyLock<()> = LazyLock::new(|| {
    let end = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let place = panic.location().map_or("", |location| location.file());
        if !place.contains("/parquet-") {
            end(panic);
        }
    }));
});

fuzz_target!(|bytes: &[u8]| {
    LazyLock::force(&PANICS);
    std::fs::write(&*PATH, bytes).expect("the folder can be written");
    let file = SegmentFile {
        level: 0,
        schema: String::new(),
        rows: 0,
        bytes: bytes.len() as u64,
        checksum: format!("{:016x}", xxh3_64(bytes)),
        parts: Vec::new(),
    };
    let Ok(reader) = SegmentReader::open(&PATH, &file) else {
        return;
    };
    let dimensions: Vec<&str> = reader
        .dimensions()
        .iter()
        .map(|name| name.as_str())
        .collect();
    let metrics = reader.schema().metrics.iter();
    let metrics: Vec<&str> = metrics.map(|metric| metric.name.as_str()).collect();
    for group in 0..reader.row_groups() {
        let _ = reader.times(group);
        for value in [None, Some("csfd.cz"), Some("")] {
            for dimension in &dimensions {
                let _ = reader.may_have(group, dimension, value);
            }
        }
        if let Ok(rows) = reader.read(group, &dimensions, &metrics) {
            let values = |count: usize| assert_eq!(count, rows.len());
            rows.dimensions.iter().for_each(|column| {
                values(column.ids.len());
                for row in 0..rows.len() {
                    let _ = column.value(row);
                }
            });
        }
    }
});
