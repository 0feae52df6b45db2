//! The public names of the library as a text. `tests/text.rs` compares it with `squall.txt`.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The folder of the repository.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The public items of a crate of the repository, one a line, sorted.
///
/// # Errors
/// Where rustdoc fails, or writes what cannot be read.
pub fn public_items(package: &str) -> Result<String, Box<dyn Error>> {
    let target = root().join("target/api");
    let mut rustdoc = Command::new(env!("CARGO"));
    rustdoc.args(["rustdoc", "--lib", "--package", package, "--target-dir"]);
    rustdoc.arg(&target);
    rustdoc.args(["--", "-Z", "unstable-options", "--output-format", "json"]);
    // The format is not stable; the toolchain is pinned.
    let status = rustdoc
        .env("RUSTC_BOOTSTRAP", "1")
        .current_dir(root())
        .status()?;
    if !status.success() {
        return Err(format!("rustdoc of {package} failed: {status}").into());
    }
    let written = target
        .join("doc")
        .join(format!("{}.json", package.replace('-', "_")));
    let api = public_api::Builder::from_rustdoc_json(written)
        .omit_blanket_impls(true)
        .omit_auto_trait_impls(true)
        .omit_auto_derived_impls(true)
        .build()?;
    let mut items: Vec<String> = api.items().map(ToString::to_string).collect();
    items.sort();
    items.dedup();
    Ok(items.join("\n") + "\n")
}
