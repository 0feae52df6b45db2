//! A change of the public names is one that is wanted.

use std::collections::BTreeSet;
use std::error::Error;
use std::fs;

use squall_api::{public_items, root};

/// So many lines of each kind are shown.
const SHOWN: usize = 40;

#[test]
fn the_public_names_are_those_that_are_written_down() -> Result<(), Box<dyn Error>> {
    let path = root().join("tests/api/squall.txt");
    let now = public_items("squall")?;
    if std::env::var("SQUALL_API").is_ok_and(|asked| asked == "accept") {
        fs::write(&path, &now)?;
        return Ok(());
    }
    let before = fs::read_to_string(&path)?;
    let (old, new): (BTreeSet<&str>, BTreeSet<&str>) =
        (before.lines().collect(), now.lines().collect());
    let told = |mark: char, one: &BTreeSet<&str>, other: &BTreeSet<&str>| -> Vec<String> {
        let lines = one.difference(other).take(SHOWN);
        lines.map(|line| format!("{mark} {line}")).collect()
    };
    let changed = [told('-', &old, &new), told('+', &new, &old)].concat();
    assert!(
        changed.is_empty(),
        "the public names have changed; where that is wanted, run this test once with \
         SQUALL_API=accept:\n{}",
        changed.join("\n")
    );
    Ok(())
}
