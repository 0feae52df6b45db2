//! Real data with answers, of which the tests of several packages make use.

use std::path::{Path, PathBuf};

use serde_json::Value;

/// The folder with the real data of this name, unpacked, and the file with its answers.
///
/// None, said on one line, where there is no such data: in a clone of the repository alone.
/// Where `CI=true` says that everything must be there, that is a failure.
pub fn real_data(name: &str) -> Option<(PathBuf, Value)> {
    let shared = std::env::var_os("SQUALL_SHARED").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared"),
        PathBuf::from,
    );
    let packed = shared.join(format!("data/{name}.tar.gz"));
    if !packed.exists() {
        let missing = format!("{} is missing", packed.display());
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{missing}");
        eprintln!("skipped: {missing}");
        return None;
    }
    let answers = format!("data/answers/{}.json", name.replace('-', "_"));
    let answers = std::fs::read(shared.join(answers)).unwrap();
    Some((
        unpacked(name, &packed),
        serde_json::from_slice(&answers).unwrap(),
    ))
}

/// Unpacks once for all tests, whichever comes first.
fn unpacked(name: &str, packed: &Path) -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let folder = target.join(name);
    if !folder.exists() {
        let aside = tempfile::tempdir_in(target).unwrap();
        let packed = std::fs::File::open(packed).unwrap();
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(packed));
        archive.unpack(aside.path()).unwrap();
        // Fails where another test was faster, with the same result.
        let _ = std::fs::rename(aside.path().join(name), &folder);
    }
    folder
}
