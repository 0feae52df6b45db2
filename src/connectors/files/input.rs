//! What the user named becomes a list of sources, in the order in which they are read.

use std::ffi::OsStr;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

/// Patterns do not match a leading dot.
const AS_IN_A_SHELL: glob::MatchOptions = glob::MatchOptions {
    case_sensitive: true,
    require_literal_separator: false,
    require_literal_leading_dot: true,
};

use crate::text::Shown;

/// One thing to read from start to end.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// A file, or something that opens like one (a named pipe, a character device).
    File(PathBuf),
    /// Standard input.
    Stdin,
}

/// Why an input cannot be read at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InputError {
    /// The input was given as an empty string.
    #[error("the input is an empty string; name a file, a folder, a quoted glob or `-`")]
    Empty,
    /// Neither a path of this name exists, nor is the name a glob.
    #[error(
        "input `{}`: no such file or folder (looked from `{}`)",
        Shown(input),
        Shown(from)
    )]
    Missing {
        /// The input as it was given.
        input: String,
        /// The folder that relative paths start from.
        from: String,
    },
    /// The folder holds no regular, visible file.
    #[error(
        "input `{input}`: the folder has no files; hidden files and folders inside it are not \
         read, but a glob such as `{input}/*/*` finds those inside folders",
        input = Shown(input)
    )]
    EmptyFolder {
        /// The input as it was given.
        input: String,
    },
    /// The glob matches no file.
    #[error(
        "input `{}`: the pattern matches no file (looked from `{}`); hidden files are \
         matched only by a pattern that starts with a dot",
        Shown(input),
        Shown(from)
    )]
    NoMatch {
        /// The input as it was given.
        input: String,
        /// The folder that relative patterns start from.
        from: String,
    },
    /// The glob is not well-formed.
    #[error(
        "input `{}`: no file has this name, and it is not a valid pattern",
        Shown(input)
    )]
    BadPattern {
        /// The input as it was given.
        input: String,
        /// What the pattern parser objects to.
        source: glob::PatternError,
    },
    /// The file or folder exists but cannot be opened or listed.
    #[error("cannot open `{}`", Shown(path))]
    Unreadable {
        /// The file or folder.
        path: String,
        /// What the operating system says.
        source: io::Error,
    },
}

impl InputError {
    /// Whether there is no file of this name: a file that is followed may have another one by now.
    pub(super) fn is_gone(&self) -> bool {
        match self {
            Self::Unreadable { source, .. } => source.kind() == io::ErrorKind::NotFound,
            _ => false,
        }
    }
}

/// None where there is no file of this name.
pub(super) fn if_there<T>(looked: io::Result<T>) -> io::Result<Option<T>> {
    match looked {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        looked => looked.map(Some),
    }
}

/// Turns what the user named into sources.
///
/// - `-` is standard input;
/// - a path that exists is that file or, if it is a folder, its regular files: not those of
///   folders inside it, not hidden ones, in the byte order of their names;
/// - anything else with `*`, `?` or `[` is a glob, its files in the byte order of their paths.
///   As in a shell, `*` does not match a leading dot. Folders that match are left out.
///
/// A path that exists wins over its reading as a glob, so `notes[1].txt` needs no escaping.
///
/// # Errors
/// See [`InputError`]; the list is never empty.
pub fn resolve(input: &str) -> Result<Vec<Source>, InputError> {
    if input.is_empty() {
        return Err(InputError::Empty);
    }
    if input == "-" {
        return Ok(vec![Source::Stdin]);
    }
    match fs::metadata(input) {
        Ok(meta) if meta.is_dir() => folder(input),
        Ok(_) => Ok(vec![Source::File(PathBuf::from(input))]),
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(unreadable(Path::new(input), error))
        }
        Err(_) if input.contains(['*', '?', '[']) => pattern(input),
        Err(_) => Err(InputError::Missing {
            input: input.to_owned(),
            from: working_folder(),
        }),
    }
}

/// Whether [`resolve`] finds a file at this path, or would if there was one. The path begins at
/// the root, and has its links followed.
///
/// ```
/// use squall::connectors::files::finds;
///
/// let here = std::env::current_dir()?.canonicalize()?;
/// assert!(finds("logs/*.txt", &here.join("logs/a.txt")) || !here.join("logs").is_dir());
/// assert!(finds("*.txt", &here.join("a.txt")));
/// assert!(!finds("*.txt", &here.join(".a.txt")));
/// assert!(finds(".", &here.join("a.txt")));
/// # Ok::<(), std::io::Error>(())
/// ```
#[must_use]
pub fn finds(input: &str, path: &Path) -> bool {
    let hidden = path.file_name().is_some_and(is_hidden);
    match fs::metadata(input) {
        Ok(metadata) if metadata.is_dir() => {
            let folder = Path::new(input).canonicalize().ok();
            !hidden && folder.is_some() && path.parent() == folder.as_deref()
        }
        Ok(_) => Path::new(input)
            .canonicalize()
            .is_ok_and(|input| input == path),
        Err(_) => matches(input, path),
    }
}

/// Whether a glob matches a path from the root on.
fn matches(input: &str, path: &Path) -> bool {
    let is_literal = |part: &Component<'_>| {
        let text = part.as_os_str().to_string_lossy();
        !text.contains(['*', '?', '['])
    };
    let parts: Vec<Component<'_>> = Path::new(input).components().collect();
    if parts.iter().all(is_literal) {
        return false;
    }
    // The folders before the first pattern may be spelled in another way.
    let fixed: PathBuf = parts.iter().take_while(|part| is_literal(part)).collect();
    let rest: PathBuf = parts.iter().skip_while(|part| is_literal(part)).collect();
    let Ok(folder) = Path::new(".").join(fixed).canonicalize() else {
        return false;
    };
    let folder = glob::Pattern::escape(&folder.to_string_lossy());
    let folder = folder.trim_end_matches('/');
    let pattern = format!("{folder}/{}", rest.to_string_lossy());
    let options = glob::MatchOptions {
        require_literal_separator: true,
        ..AS_IN_A_SHELL
    };
    glob::Pattern::new(&pattern).is_ok_and(|pattern| pattern.matches_path_with(path, options))
}

impl Source {
    /// The path as it was given; "stdin" for standard input.
    pub fn name(&self) -> String {
        self.to_string()
    }

    /// The path, or `None` for standard input.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Source::File(path) => Some(path),
            Source::Stdin => None,
        }
    }

    /// Whether what is read from it is gone afterwards, as with standard input, a named pipe or
    /// a terminal: it can be neither looked into before a run nor read a second time.
    pub fn is_stream(&self) -> bool {
        match self {
            Source::Stdin => true,
            Source::File(path) => fs::metadata(path).is_ok_and(|meta| is_stream(&meta)),
        }
    }

    /// Opens it for reading. Opening a named pipe waits for its writer.
    ///
    /// # Errors
    /// [`InputError::Unreadable`] with what the operating system says.
    pub fn open(&self) -> Result<Box<dyn Read + Send>, InputError> {
        match self {
            Source::Stdin => Ok(Box::new(io::stdin())),
            Source::File(_) => Ok(Box::new(self.file()?)),
        }
    }

    /// Opens it as a file; none where it is gone. Who follows files finds it again where it is.
    pub(super) fn file_if_there(&self) -> Result<Option<File>, InputError> {
        match self.file() {
            Err(error) if error.is_gone() => Ok(None),
            file => file.map(Some),
        }
    }

    /// Opens it as a file.
    pub(super) fn file(&self) -> Result<File, InputError> {
        match self {
            Source::Stdin => Err(unreadable(
                Path::new("stdin"),
                io::ErrorKind::Unsupported.into(),
            )),
            Source::File(path) => File::open(path).map_err(|error| unreadable(path, error)),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::File(path) => path.display().fmt(f),
            Source::Stdin => f.write_str("stdin"),
        }
    }
}

fn folder(input: &str) -> Result<Vec<Source>, InputError> {
    let path = Path::new(input);
    let mut names = Vec::new();
    for entry in fs::read_dir(path).map_err(|error| unreadable(path, error))? {
        let entry = entry.map_err(|error| unreadable(path, error))?;
        let name = entry.file_name();
        // `fs::metadata` and not the entry's own: a link to a file counts as a file.
        if !is_hidden(&name) && fs::metadata(entry.path()).is_ok_and(|meta| meta.is_file()) {
            names.push(name);
        }
    }
    if names.is_empty() {
        return Err(InputError::EmptyFolder {
            input: input.trim_end_matches('/').to_owned(),
        });
    }
    names.sort_unstable_by(|a, b| a.as_encoded_bytes().cmp(b.as_encoded_bytes()));
    Ok(names
        .into_iter()
        .map(|name| Source::File(path.join(name)))
        .collect())
}

fn pattern(input: &str) -> Result<Vec<Source>, InputError> {
    let paths = glob::glob_with(input, AS_IN_A_SHELL).map_err(|source| InputError::BadPattern {
        input: input.to_owned(),
        source,
    })?;
    let mut found = Vec::new();
    for path in paths {
        let path = path.map_err(|error| {
            let path = error.path().to_owned();
            unreadable(&path, error.into())
        })?;
        if !path.is_dir() {
            found.push(path);
        }
    }
    if found.is_empty() {
        return Err(InputError::NoMatch {
            input: input.to_owned(),
            from: working_folder(),
        });
    }
    let bytes = |path: &PathBuf| path.as_os_str().as_encoded_bytes().to_owned();
    found.sort_by_cached_key(bytes);
    Ok(found.into_iter().map(Source::File).collect())
}

fn is_hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".")
}

fn unreadable(path: &Path, source: io::Error) -> InputError {
    InputError::Unreadable {
        path: path.display().to_string(),
        source,
    }
}

fn working_folder() -> String {
    match std::env::current_dir() {
        Ok(path) => path.display().to_string(),
        Err(_) => ".".to_owned(),
    }
}

#[cfg(unix)]
pub(super) fn is_stream(meta: &fs::Metadata) -> bool {
    use std::os::unix::fs::FileTypeExt;
    let kind = meta.file_type();
    kind.is_fifo() || kind.is_char_device() || kind.is_socket()
}

#[cfg(not(unix))]
pub(super) fn is_stream(_: &fs::Metadata) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder_with(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, file).unwrap();
        }
        folder
    }

    fn names(folder: &tempfile::TempDir, input: &str) -> Vec<String> {
        let input = format!("{}/{input}", folder.path().display());
        resolve(&input)
            .unwrap()
            .iter()
            .map(|source| {
                let path = source.path().unwrap();
                let inside = path.strip_prefix(folder.path()).unwrap();
                inside.display().to_string()
            })
            .collect()
    }

    #[test]
    fn a_folder_gives_its_visible_files_in_byte_order() {
        let folder = folder_with(&["b.csv", "a.csv", "B.csv", "é.csv", ".hidden", "sub/c.csv"]);
        let expected = ["B.csv", "a.csv", "b.csv", "é.csv"];
        assert_eq!(names(&folder, ""), expected);
        assert_eq!(names(&folder, "sub"), ["sub/c.csv"]);
    }

    #[test]
    fn a_glob_skips_folders_and_hidden_files() {
        let folder = folder_with(&["a.csv", "b.csv", "c.txt", ".d.csv", "sub.csv/e.csv"]);
        assert_eq!(names(&folder, "*.csv"), ["a.csv", "b.csv"]);
        assert_eq!(names(&folder, "*/*.csv"), ["sub.csv/e.csv"]);
        assert_eq!(names(&folder, "[bc].*"), ["b.csv", "c.txt"]);
    }

    #[test]
    fn a_file_whose_name_reads_as_a_glob_is_that_file() {
        let folder = folder_with(&["a[1].csv", "a1.csv"]);
        assert_eq!(names(&folder, "a[1].csv"), ["a[1].csv"]);
    }

    #[test]
    fn errors_name_what_was_asked() {
        let folder = folder_with(&["sub/.hidden"]);
        let root = folder.path().display();
        let message = |input: &str| resolve(input).unwrap_err().to_string();
        assert!(message("").contains("empty string"));
        let absent = format!("{root}/absent.csv");
        assert!(message(&absent).starts_with(&format!("input `{absent}`: no such file")));
        let glob = format!("{root}/*.csv");
        assert!(message(&glob).starts_with(&format!("input `{glob}`: the pattern matches no")));
        let empty = format!("{root}/sub/");
        assert!(message(&empty).starts_with(&format!("input `{root}/sub`: the folder has no")));
        let broken = format!("{root}/a***");
        assert!(message(&broken).contains("it is not a valid pattern"));
        let below_a_file = format!("{root}/sub/.hidden/x");
        assert!(message(&below_a_file).starts_with("cannot open `"));
    }

    #[test]
    fn standard_input_and_devices_are_streams() {
        let stdin = resolve("-").unwrap();
        assert_eq!(stdin, [Source::Stdin]);
        assert_eq!(stdin[0].name(), "stdin");
        assert!(stdin[0].is_stream());
        let folder = folder_with(&["a"]);
        let file = Source::File(folder.path().join("a"));
        assert!(!file.is_stream());
        #[cfg(unix)]
        assert!(Source::File("/dev/null".into()).is_stream());
    }
}
