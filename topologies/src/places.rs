//! What a run reads and what it writes must not be the same.

use std::fs::{self, File, Metadata};
use std::io;
use std::path::{Path, PathBuf};

use squall::connectors::files::{Source, finds};
use squall::text::Shown;

use crate::wrong::WrongUse;

/// Links that lead nowhere are followed so many times.
const MAX_LINKS: u32 = 40;

/// The places of a run: what it reads, and everything that it writes.
#[derive(Clone, Debug, Default)]
pub struct Places<'r> {
    /// The input as it was given: a file, a folder, a glob.
    pub input: Option<&'r str>,
    /// The files that this is.
    pub sources: &'r [Source],
    /// Other files that are read, with the option that names them.
    pub read: Vec<(&'static str, &'r Path)>,
    /// The data directory.
    pub data_dir: Option<&'r Path>,
    /// The files that are written, with the option that names them.
    pub files: Vec<(&'static str, &'r Path)>,
    /// The folders that are written into, with the option that names them, beside the data
    /// directory.
    pub folders: Vec<(&'static str, &'r Path)>,
    /// Results go to standard output.
    pub stdout: bool,
}

impl Places<'_> {
    /// Nothing is written over, or into, what is read, and nothing but the run's own state into
    /// the data directory. Links, other spellings, hard links and files that are not there yet
    /// make no difference.
    ///
    /// # Errors
    /// [`WrongUse::WritesOver`] or [`WrongUse::WritesInside`], for the first place in order that
    /// is wrong.
    pub fn check(&self) -> Result<(), WrongUse> {
        let data_dir = self.data_dir.map(|dir| ("--data-dir", dir));
        let folders = data_dir.into_iter().chain(self.folders.iter().copied());
        for (option, folder) in folders.clone() {
            self.check_folder(option, folder)?;
        }
        for (number, (option, folder)) in folders.clone().enumerate() {
            for (other, above) in folders.clone().take(number) {
                if resolved(folder).starts_with(resolved(above)) {
                    return Err(inside(option, folder, other, above));
                }
                if resolved(above).starts_with(resolved(folder)) {
                    return Err(inside(other, above, option, folder));
                }
            }
        }
        for (number, (option, file)) in self.files.iter().enumerate() {
            if is_device(file) {
                continue;
            }
            self.check_file(option, file)?;
            for (other, written) in &self.files[..number] {
                if is_same(file, written) {
                    return Err(over(option, file, format!("written by {other}")));
                }
            }
            for (other, folder) in folders.clone() {
                if resolved(file).starts_with(resolved(folder)) {
                    return Err(inside(option, file, other, folder));
                }
            }
        }
        if self.stdout {
            self.check_stream("standard output", &io::stdout())?;
        }
        // Logs go there.
        self.check_stream("standard error", &io::stderr())
    }

    /// A folder that is written into holds nothing that is read, and is not in a folder that is.
    fn check_folder(&self, option: &'static str, folder: &Path) -> Result<(), WrongUse> {
        let place = resolved(folder);
        let mut sources = self.sources.iter().filter_map(Source::path);
        if let Some(source) = sources.find(|path| resolved(path).starts_with(&place)) {
            let also = format!(
                "where `{}` is, which is read",
                Shown(&source.display().to_string())
            );
            return Err(over(option, folder, also));
        }
        let Some(input) = self.input else {
            return Ok(());
        };
        if Path::new(input).is_dir() && place.starts_with(resolved(Path::new(input))) {
            return Err(inside(option, folder, "--input", Path::new(input)));
        }
        // A glob may match the names of what will be in there.
        let names = ["file", "segments/file"];
        if names.iter().any(|name| finds(input, &place.join(name))) {
            return Err(over(
                option,
                folder,
                format!("matched by the input `{}`", Shown(input)),
            ));
        }
        Ok(())
    }

    /// A file that is written is not read, and will not be.
    fn check_file(&self, option: &'static str, file: &Path) -> Result<(), WrongUse> {
        let mut sources = self.sources.iter().filter_map(Source::path);
        if sources.any(|source| is_same(source, file)) {
            return Err(over(option, file, "read as input".to_owned()));
        }
        if let Some((by, _)) = self.read.iter().find(|(_, path)| is_same(path, file)) {
            return Err(over(option, file, format!("read by {by}")));
        }
        let Some(input) = self.input else {
            return Ok(());
        };
        let places = [resolved(file), absolute(file)];
        if !places.iter().any(|place| finds(input, place)) {
            return Ok(());
        }
        if Path::new(input).is_dir() {
            return Err(inside(option, file, "--input", Path::new(input)));
        }
        Err(over(
            option,
            file,
            format!("matched by the input `{}`", Shown(input)),
        ))
    }

    /// What is written to a standard stream does not go into a file that is read.
    fn check_stream(&self, name: &'static str, stream: &impl Stream) -> Result<(), WrongUse> {
        let Some(file) = stream.file() else {
            return Ok(());
        };
        let mut sources = self.sources.iter().filter_map(Source::path);
        let same = |path: &&Path| fs::metadata(path).is_ok_and(|source| is_one(&source, &file));
        match sources.find(same) {
            Some(source) => Err(over(name, source, "read as input".to_owned())),
            None => Ok(()),
        }
    }
}

fn over(option: &'static str, path: &Path, also: String) -> WrongUse {
    WrongUse::WritesOver {
        option,
        path: path.display().to_string(),
        also,
    }
}

fn inside(option: &'static str, path: &Path, of: &'static str, folder: &Path) -> WrongUse {
    WrongUse::WritesInside {
        option,
        path: path.display().to_string(),
        of,
        folder: folder.display().to_string(),
    }
}

/// A pipe, a terminal, `/dev/null`: what is there and is no file.
fn is_device(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|there| !there.is_file() && !there.is_dir())
}

/// Where a path leads, with all links followed: also of one that is not there yet.
fn resolved(path: &Path) -> PathBuf {
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        if let Ok(found) = path.canonicalize() {
            return found;
        }
        // A link to what is not there makes that.
        match fs::read_link(&path) {
            Ok(target) => path = folder_of(&path).join(target),
            Err(_) => break,
        }
    }
    match path.file_name() {
        Some(name) => {
            let name = name.to_owned();
            let folder = folder_of(&path);
            if folder == path {
                return absolute(&path);
            }
            resolved(&folder).join(name)
        }
        None => absolute(&path),
    }
}

fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder.to_owned(),
        Some(_) => PathBuf::from("."),
        None => path.to_owned(),
    }
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// Whether both paths lead to one file.
fn is_same(a: &Path, b: &Path) -> bool {
    if let (Ok(a), Ok(b)) = (fs::metadata(a), fs::metadata(b))
        && is_one(&a, &b)
    {
        return true;
    }
    !is_device(a) && resolved(a) == resolved(b)
}

#[cfg(unix)]
fn is_one(a: &Metadata, b: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    a.is_file() && b.is_file() && (a.dev(), a.ino()) == (b.dev(), b.ino())
}

#[cfg(not(unix))]
fn is_one(_: &Metadata, _: &Metadata) -> bool {
    false
}

/// A standard stream of the process.
trait Stream {
    /// What it leads to, where that is a file.
    fn file(&self) -> Option<Metadata>;
}

#[cfg(unix)]
impl<S: std::os::fd::AsFd> Stream for S {
    fn file(&self) -> Option<Metadata> {
        let file = File::from(self.as_fd().try_clone_to_owned().ok()?);
        file.metadata().ok().filter(Metadata::is_file)
    }
}

#[cfg(not(unix))]
impl<S> Stream for S {
    fn file(&self) -> Option<Metadata> {
        None
    }
}
