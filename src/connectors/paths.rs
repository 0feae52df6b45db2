//! Paths as they are stored.

use std::path::{Path, PathBuf};

/// The one spelling of a path: absolute, links followed. Of a file that is not there yet,
/// the folder's.
pub(super) fn one_spelling(path: &Path) -> String {
    let found = path.canonicalize().or_else(|error| {
        let folder = match path.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        let name = path.file_name().ok_or(error)?;
        folder.canonicalize().map(|folder| folder.join(name))
    });
    let found = found.or_else(|_| std::path::absolute(path));
    as_text(found.unwrap_or_else(|_| path.to_owned()))
}

/// Different paths give different texts, whatever bytes they have.
fn as_text(path: PathBuf) -> String {
    // Escaped where it is no Unicode, which `display` would leave out.
    #[allow(clippy::unnecessary_debug_formatting)]
    path.into_os_string()
        .into_string()
        .unwrap_or_else(|path| format!("{path:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_path_is_the_same_one() {
        let folder = tempfile::tempdir().unwrap();
        let sub = folder.path().join("sub");
        std::fs::create_dir(&sub).unwrap();
        let plain = folder.path().join("a.csv");
        let around = sub.join("..").join(".").join("a.csv");
        let absent = one_spelling(&plain);
        assert_eq!(absent, one_spelling(&around));
        std::fs::write(&plain, "").unwrap();
        assert_eq!(absent, one_spelling(&plain));
        assert_eq!(absent, one_spelling(&around));
        assert_ne!(absent, one_spelling(&folder.path().join("b.csv")));
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_what_it_leads_to() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("a"), folder.path().join("latest"));
        std::fs::write(&file, "").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert_eq!(one_spelling(&file), one_spelling(&link));
    }
}
